/* kernel_cases.h - what the kernel tests share: inputs, right answers, comparisons and checks.
 *
 * May include kernels/ and random.h; not cmocka, so that the same checks run on an emulated
 * machine for which there is no cmocka. A check answers NULL when all is right, otherwise one
 * sentence with the numbers that replay the failure; the sentence is valid until the next check.
 *
 * The one idea: a right answer is a double with a bound, computed here from the definition of the
 * metric and never by the library, so that the library's own reference is under test as well.
 * Every element of a set is kept a second time as a double; there is one truth for all types.
 */
#ifndef KERNEL_CASES_H
#define KERNEL_CASES_H

#include "kernels/kernels.h"
#include "tests/random.h"
#include <stdbool.h>

/* ---- elements: kernel_values.c ------------------------------------------------------------ */

/* What one element of a query or a row is. */
typedef enum kc_kind {
    KC_F32,
    KC_F16,
    KC_BF16,
    KC_U8,
    KC_I8,
    KC_B1,
    KC_U4 /* codes 0..15, two to a byte */
} kc_kind;

double kc_get(kc_kind kind, const unsigned char *vector, uint32_t i);

/* Rounds to nearest even; integers must be in range. */
void kc_put(kc_kind kind, unsigned char *vector, uint32_t i, double value);
bool kc_is_float(kc_kind kind);
int kc_lowest(kc_kind kind); /* of integers */
int kc_highest(kc_kind kind);
size_t kc_vector_bytes(kc_kind kind, uint32_t dim);

/* ---- inputs: kernel_fills.c and kernel_cases.c -------------------------------------------- */

/* How floats are drawn. */
enum {
    KC_NORMAL,
    KC_LOGNORMAL, /* spread over e^-6 .. e^6, with either sign */
    KC_NEAR,      /* rows within 1e-3 of the query: cancellation */
    KC_ONE_HOT,   /* one element that is not zero */
    KC_EQUAL,     /* one value a row: rounding errors that all point one way */
    KC_LARGE,     /* just small enough that no sum overflows; f16: up to its largest */
    KC_HUGE,      /* norms near the largest f32: squares overflow, cosine must not */
    KC_DENORMAL,
    KC_FLOAT_FILLS
};

/* How integers are drawn: all values, or mostly zeros, highest, lowest, highest and lowest in
 * turn; in the last three every fourth row has all values. */
enum { KC_ANY, KC_ZEROS, KC_HIGHEST, KC_LOWEST, KC_ALTERNATE, KC_INTEGER_FILLS };

enum { KC_MOST_ROWS = 300, KC_MOST_QUERIES = 40 }; /* of a set that a check takes */

typedef struct kc_set {
    ki_pairing pairing;
    bool from_f32; /* queries are f32, for prepare_f32 */
    kc_kind query_kind, row_kind;
    uint32_t dim, count, queries;
    int fill;
    uint64_t seed;
    size_t row_bytes, query_bytes, scratch_bytes; /* scratch of one query, whole lines */
    unsigned char *vectors;                       /* the queries, packed */
    unsigned char *rows;                          /* packed */
    ki_aux *aux;
    double *query_values, *row_values; /* the elements again */
    ki_code_query *codes;              /* one a query, for the code pairings */
    unsigned char *scratch;            /* for prepare, 64-byte aligned */
    ki_query *prepared;                /* by kc_prepare */
} kc_set;

/* Aborts when memory runs out: a test has nothing better to do. One query; with from_f32 it is
 * f32 and for prepare_f32. kc_open_queries draws several, of which the shapes but tile use the
 * first. */
void kc_open(kc_set *set, ki_pairing pairing, bool from_f32, uint32_t dim, uint32_t count, int fill,
             uint64_t seed);
void kc_open_queries(kc_set *set, ki_pairing pairing, bool from_f32, uint32_t dim, uint32_t count,
                     uint32_t queries, int fill, uint64_t seed);
void kc_close(kc_set *set);

/* After a change of elements: side data and values again. */
void kc_refresh(kc_set *set);
ki_rows kc_view(const kc_set *set);
unsigned char *kc_row(const kc_set *set, uint32_t row);
int kc_fills(ki_pairing pairing);

/* Has the contract a prepare_f32 for the pairing? */
bool kc_takes_f32(ki_pairing pairing);

/* Equal keys on every instruction set? */
bool kc_exact(ki_pairing pairing);

/* The fill of one vector; `number` 0 is a query, row r has number r + 1. */
void kc_draw_vector(const kc_set *set, kc_kind kind, uint32_t number, unsigned char *out,
                    uint64_t *random);

/* Row numbers below `count`: random with repeats, reversed, or one number again and again. */
void kc_draw_ids(uint32_t *ids, size_t n, uint32_t count, uint64_t *random);

/* Dimensions that every slot is tested with, 1 and up to two loops and their tails, then the
 * usual ones and their neighbours. Number `i` from 0; 0 beyond the last. */
uint32_t kc_dimension(ki_pairing pairing, size_t i);

/* The whole list for the first metric of a pairing, every third dimension for the others. */
bool kc_takes_dimension(kith_metric metric, ki_pairing pairing, size_t i);

/* ---- the ladder: kernel_ladder.c ---------------------------------------------------------- */

/* A kernel of some table, and what to call that table in a sentence. */
typedef struct kc_slot {
    const ki_kernel *kernel;
    const char *level;
    kith_metric metric;
    ki_pairing pairing;
} kc_slot;

enum { KC_MOST_VARIANTS = 32, KC_MOST_LEVELS = 10 };

/* Every different kernel that any set of this machine's levels makes of a metric and a pairing,
 * the scalar one first; each is named after the smallest set that makes it. Kernels with empty
 * slots are left out: kc_missing names them. Returns how many there are. */
size_t kc_variants(kith_metric metric, ki_pairing pairing, const kc_slot **variants);

/* The sentence of a slot that the contract wants filled and is not, or that it wants empty. */
const char *kc_missing(void);

/* The levels of this machine and this build, scalar left out. */
size_t kc_levels(ki_isa levels[KC_MOST_LEVELS]);

/* The table for a set of them: bit i of `chosen` is levels[i]. */
uint64_t kc_features(const ki_isa *levels, size_t n, unsigned chosen);

const char *kc_metric_name(kith_metric metric);

/* Writes the sentence of a failure and returns it. */
const char *kc_say(const kc_slot *slot, const kc_set *set, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prepares query i of the set with the slot's own prepare, or prepare_f32. */
const ki_query *kc_prepare(const kc_slot *slot, kc_set *set, uint32_t i);

/* ---- right answers and checks ------------------------------------------------------------- */

typedef struct kc_truth {
    double distance;
    double bound; /* of |key's distance - distance|; 0: exact; infinity: nothing is promised */
} kc_truth;

/* kernel_truth.c. Squared norms come from f64 sums, so the results are right to about 1e-13. */
kc_truth kc_true_distance(kith_metric metric, const kc_set *set, uint32_t query, uint32_t row);

/* Keys of the rows `ids` against the truths of those rows. */
const char *kc_compare(const kc_slot *slot, const kc_set *set, const kc_truth *truths,
                       const char *shape, const uint32_t *ids, size_t n, const uint32_t *keys);

/* Pair, gather and range of n rows against the truths of the set's rows. n <= KC_MOST_ROWS. */
const char *kc_check_truth(const kc_slot *slot, kc_set *set, const kc_truth *truths, size_t n,
                           uint64_t *random);

/* The keys of exact pairings are the same in every variant. */
const char *kc_check_same_keys(const kc_slot *variants, size_t n, kc_set *set);

/* kernel_shapes.c: the key of a row is the same bits whatever shape asked, with whatever other
 * rows, in whatever place, at `offset` bytes from a line, at odd strides, with any prefetching;
 * and nothing around the keys is written. Calls are for fewer rows than the set has. */
const char *kc_check_shapes(const kc_slot *slot, kc_set *set, unsigned offset, uint64_t *random);

/* The rows of a set again, at `offset` bytes from a line, with gaps that hold rubbish. */
typedef struct kc_layout {
    unsigned char *block;
    unsigned char *aux_block;
    ki_rows rows;
} kc_layout;

void kc_lay_out(kc_layout *to, const kc_set *set, unsigned offset, uint64_t *random);
void kc_layout_close(kc_layout *layout);

/* kernel_tiles.c: tiles of 0..m queries and up to n rows give the bits of pair, or what lies
 * within the bound for KI_BF16BF16; queries are packed once and used for several blocks of rows;
 * nothing between the rows of keys is written. The set has at least m queries and n rows. */
const char *kc_check_tile(const kc_slot *slot, kc_set *set, uint32_t m, uint32_t n, unsigned offset,
                          uint64_t *random);

/* kernel_rules.c: NaN, infinity, zero, denormal and norm rules of one slot. */
const char *kc_check_rules(const kc_slot *slot, uint32_t dim, bool from_f32, uint64_t *random);

/* kernel_fence.c: no byte is read outside query, scratch, packed, rows, aux and ids, or written
 * outside scratch, packed and keys. Every array ends at an unreadable page, then begins behind
 * one. All slots are of the set's pairing. */
const char *kc_check_fence(const kc_slot *slots, size_t slot_count, kc_set *set, size_t n,
                           uint64_t *random);

#endif
