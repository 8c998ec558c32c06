/* sentence.c - writing the sentence.
 *
 * It may touch nothing but the caller's buffer and allocates nothing: a failure must not be able
 * to fail. No argument may point into that buffer.
 */
#include "cli/sentence.h"

#include <stdarg.h>
#include <stdio.h>

bool sentence_fail(struct sentence *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return false;
}
