/* kernel_cases.h - what the kernel tests share: inputs, right answers, comparisons and checks.
 *
 * May include kernels/ and random.h; not cmocka, so that the same checks run on an emulated
 * machine for which there is no cmocka. A check answers NULL when all is right, otherwise one
 * sentence with the numbers that replay the failure; the sentence is valid until the next check.
 *
 * The one idea: a right answer is a double with a bound, computed here from the definition of the
 * metric and never by the library, so that the library's own reference is under test as well.
 */
#ifndef KERNEL_CASES_H
#define KERNEL_CASES_H

#include "kernels/kernels.h"
#include "tests/random.h"
#include <stdbool.h>

/* ---- inputs: kernel_cases.c --------------------------------------------------------------- */

/* How f32 elements are drawn. */
enum {
    KC_NORMAL,
    KC_LOGNORMAL, /* spread over e^-6 .. e^6, with either sign */
    KC_NEAR,      /* rows within 1e-3 of the query: cancellation */
    KC_ONE_HOT,   /* one element that is not zero */
    KC_EQUAL,     /* one value a row: rounding errors that all point one way */
    KC_LARGE,     /* just small enough that no sum overflows */
    KC_HUGE,      /* norms near the largest f32: squares overflow, cosine must not */
    KC_DENORMAL,
    KC_F32_FILLS
};

/* How u8 elements are drawn. */
enum { KC_BYTES, KC_ZEROS, KC_FULL, KC_ALTERNATE, KC_U8_FILLS };

enum { KC_MOST_ROWS = 300 }; /* of a set that a check takes */

typedef struct kc_set {
    kith_type type;
    uint32_t dim, count;
    int fill;
    uint64_t seed;
    size_t row_bytes;
    unsigned char *query;
    unsigned char *rows; /* packed */
    ki_aux *aux;
    void *scratch; /* for prepare, 64-byte aligned */
} kc_set;

/* Aborts when memory runs out: a test has nothing better to do. */
void kc_open(kc_set *set, kith_type type, uint32_t dim, uint32_t count, int fill, uint64_t seed);
void kc_close(kc_set *set);
void kc_fill_aux(kc_set *set);
ki_rows kc_view(const kc_set *set);
int kc_fills(kith_type type);

/* Row numbers below `count`: random with repeats, reversed, or one number again and again. */
void kc_draw_ids(uint32_t *ids, size_t n, uint32_t count, uint64_t *random);

/* Dimensions that every slot is tested with: 1..130, then the usual ones and their neighbours.
 * Number `i` from 0; 0 beyond the last. */
uint32_t kc_dimension(size_t i);

/* ---- right answers ------------------------------------------------------------------------ */

typedef struct kc_truth {
    double distance;
    double bound; /* of |key's distance - distance|; 0: exact; infinity: nothing is promised */
} kc_truth;

/* Squared norms come from f64 sums, so the results are right to about 1e-13. */
kc_truth kc_true_distance(kith_metric metric, kith_type type, const void *query, const void *row,
                          uint32_t dim);

/* ---- slots and checks --------------------------------------------------------------------- */

/* One entry of a table, and what to call it in a sentence. */
typedef struct kc_slot {
    const ki_kernel *kernel;
    const char *level;
    kith_metric metric;
    kith_type type;
} kc_slot;

typedef struct kc_level {
    const char *name;
    ki_kernels table;
} kc_level;

/* Every level that this machine and this build have, scalar first. */
size_t kc_levels(kc_level levels[KI_ISA_COUNT]);
kc_slot kc_slot_of(const kc_level *level, kith_metric metric, kith_type type);

/* Keys of the rows `ids` against the truths of those rows. */
const char *kc_compare(const kc_slot *slot, const kc_set *set, const kc_truth *truths,
                       const char *shape, const uint32_t *ids, size_t n, const uint32_t *keys);

/* Pair, gather and range of n rows against the truths of the set's rows. n <= KC_MOST_ROWS. */
const char *kc_check_truth(const kc_slot *slot, const kc_set *set, const kc_truth *truths, size_t n,
                           uint64_t *random);

/* u8 rows have the same keys at every level, cosine included. */
const char *kc_check_levels_agree(const kc_level *levels, size_t n, const kc_set *set);

/* kernel_shapes.c: the key of a row is the same bits whatever shape asked, with whatever other
 * rows, in whatever place, at `offset` bytes from a line, at odd strides, with any prefetching;
 * and nothing around the keys is written. Calls are for fewer rows than the set has. */
const char *kc_check_shapes(const kc_slot *slot, const kc_set *set, unsigned offset,
                            uint64_t *random);

/* kernel_rules.c: NaN, infinity, zero, denormal and norm rules of one slot. */
const char *kc_check_rules(const kc_slot *slot, uint32_t dim, uint64_t *random);

/* kernel_fence.c: no byte is read outside query, scratch, rows, aux and ids, or written outside
 * scratch and keys. Every array ends at an unreadable page, then begins behind one. */
const char *kc_check_fence(const kc_slot *slot, const kc_set *set, size_t n, uint64_t *random);

/* Writes the sentence of a failure and returns it. */
const char *kc_say(const kc_slot *slot, const kc_set *set, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
