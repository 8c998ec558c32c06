/* sentence.h - the one sentence that says what went wrong.
 *
 * Reading data can fail in many ways deep inside a format, while only the verb knows what to do
 * about it. So those calls return false and fill a sentence with the file's name and the numbers
 * in it; the verb prints it. Nothing is allocated: a sentence that is too long is cut.
 */
#ifndef SENTENCE_H
#define SENTENCE_H

#include <stdbool.h>

struct sentence {
    char text[600];
};

/* Writes the sentence and returns false, so that a failing line reads
 * `return sentence_fail(why, "%s: ...", path);`. */
bool sentence_fail(struct sentence *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
