/* heap.c - memory for the tool: the only file of cli/ that calls malloc and its kin.
 *
 * Running out of memory ends the tool with a sentence and exit code 1. Results files are written
 * through output.c, so that an exit at any point leaves the old file in place.
 */
#include "cli/heap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool size_times(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static void *out_of_memory(size_t count, size_t bytes)
{
    fprintf(stderr, "kith: out of memory, asking for %zu times %zu bytes\n", count, bytes);
    exit(1);
}

/* An empty request gets one byte, so that NULL always means failure. */
void *heap_try(size_t count, size_t bytes)
{
    size_t total;
    if (!size_times(count, bytes, &total))
        return NULL;
    return malloc(total ? total : 1);
}

void *heap_alloc(size_t count, size_t bytes)
{
    void *const memory = calloc(count ? count : 1, bytes ? bytes : 1);
    return memory ? memory : out_of_memory(count, bytes);
}

void *heap_grow(void *memory, size_t bytes)
{
    void *const grown = realloc(memory, bytes ? bytes : 1);
    return grown ? grown : out_of_memory(1, bytes);
}

char *heap_copy(const char *text)
{
    char *const copy = strdup(text);
    return copy ? copy : out_of_memory(strlen(text), 1);
}

char *heap_format(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    const int length = vasprintf(&text, format, args);
    va_end(args);
    return length >= 0 ? text : out_of_memory(strlen(format), 1);
}
