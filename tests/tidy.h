/* tidy.h - the rules of the house that a machine can hold.
 *
 * tidy_layout.c looks at the shape of one file, tidy_arrows.c at what it includes and calls,
 * tidy_tree.c at the files together. All work on text in memory, so that test_house_tidy.c can
 * plant an offence for every rule and see it found before it walks the tree. Layout within a
 * line belongs to clang-format and is not looked at here.
 */
#ifndef TIDY_H
#define TIDY_H

#include <stdbool.h>
#include <stddef.h>

/* kith.h alone may be longer: it is the whole promise, and nearly all of it is comment. */
enum { TIDY_PROMISE_LINES = 800 };
enum { TIDY_COLUMNS = 100, TIDY_FILE_LINES = 500, TIDY_FUNCTION_LINES = 70, TIDY_MACRO_LINES = 3 };

struct tidy_file {
    const char *path; /* from the root of the tree: "kv/base.c" */
    const char *text; /* ends with NUL */
    const char *code; /* text with comments and the insides of literals blanked; NULL if no C */
};

/* Takes one offence. `line` is 0 when the whole file is meant; `rule` is one word. */
struct tidy_report {
    void (*say)(void *user, const char *path, unsigned line, const char *rule, const char *text);
    void *user;
};

void tidy_say(const struct tidy_report *report, const struct tidy_file *file, const char *where,
              const char *rule, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Blanks comments and literals of C in place; line breaks stay, so line numbers hold. */
void tidy_blank(char *text);

/* "base.c" of "kv/base.c"; whether a path ends with, or is in the folder of, something. */
const char *tidy_name(const char *path);
bool tidy_ends(const char *path, const char *end);
bool tidy_starts(const char *text, const char *start);
bool tidy_is_c(const char *path); /* .c .h .cc .cl */

/* The next place at or after `from` where `word` stands as a whole identifier; NULL if none. */
const char *tidy_word(const char *from, const char *word);

/* Reads the sources, scripts and build files below `root`, but for what git does not keep (hidden
 * folders, and build/ at the root); how many there were, at most `most`. */
size_t tidy_walk(char *root, struct tidy_file *files, size_t most);
void tidy_forget(struct tidy_file *files, size_t count);

void tidy_check_layout(const struct tidy_file *file, const struct tidy_report *report);
void tidy_check_arrows(const struct tidy_file *file, const struct tidy_report *report);
void tidy_check_calls(const struct tidy_file *file, const struct tidy_report *report);
void tidy_check_tree(const struct tidy_file *files, size_t count, const struct tidy_report *report);

#endif
