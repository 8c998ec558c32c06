/* base.h - the floor under every room that allocates or fails: the sentence, memory, sizes.
 *
 * May include kith.h only. base.c is the only file of the library that calls malloc and free.
 */
#ifndef KI_BASE_H
#define KI_BASE_H

#include "kith.h"
#include <stdbool.h>

/* Writes the thread's sentence (printf rules, at most 255 bytes) and returns `status`, so that a
 * failing line reads `return ki_fail(KITH_EINVAL, "k is %u, ...", k);`. */
__attribute__((format(printf, 2, 3))) kith_status ki_fail(kith_status status, const char *format,
                                                          ...);

/* Memory. NULL on failure, with no sentence: the caller knows what it was for and says so with
 * ki_no_memory. Sizes of 0 give a valid pointer. ki_zalloc zeroes. */
void *ki_alloc(size_t bytes);
void *ki_zalloc(size_t bytes);
void *ki_alloc_aligned(size_t alignment, size_t bytes); /* alignment a power of two >= 8 */
void *ki_realloc(void *block, size_t bytes);            /* the old block stays on failure */
void ki_free(void *block);
kith_status ki_no_memory(const char *what, size_t bytes); /* KITH_ENOMEM and its sentence */

/* Tests: the n-th allocation from now fails (1 = the next), once; 0 turns it off. Counts in this
 * thread only. Allocation by ki_arena counts too. */
void ki_alloc_fail_at(uint64_t n);
bool ki_alloc_should_fail(void); /* for arena.c: counts one allocation */

/* Checked sizes: false on overflow, *out untouched. */
bool ki_mul(size_t a, size_t b, size_t *out);
bool ki_add(size_t a, size_t b, size_t *out);
bool ki_round_up(size_t value, size_t multiple, size_t *out); /* multiple a power of two */

#endif
