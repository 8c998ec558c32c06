/* heap.h - memory for the tool.
 *
 * The library reports when memory runs out; a command-line tool has nothing better to do than to
 * say so and stop. These wrappers do that, so that no caller checks for NULL. Whatever they
 * return is given back with plain free(). Sizes are multiplied with an overflow check.
 */
#ifndef HEAP_H
#define HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* count * bytes, zeroed. Never NULL, also for 0 bytes. Prints a sentence and exits 1 otherwise. */
void *heap_alloc(size_t count, size_t bytes);

/* As heap_alloc, without zeroing, and NULL when the memory is not there: for sizes that come from
 * a user's file, where the sentence should name the file. */
void *heap_try(size_t count, size_t bytes);

/* realloc to `bytes`, of heap_alloc's promise but for the zeros. */
void *heap_grow(void *memory, size_t bytes);

char *heap_copy(const char *text);
char *heap_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* False when the product does not fit. */
bool size_times(size_t a, size_t b, size_t *out);

#endif
