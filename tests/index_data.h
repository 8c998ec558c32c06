/* index_data.h - data, stores and a naive exact search for the tests of index/.
 *
 * May include kith.h and check.h. The naive search shares no line with the library: every element
 * becomes a double, sums of them are exact for integers and bits, a full sort, nothing clever. Rows
 * of a matrix are numbered as the rows of the store that is loaded from it.
 */
#ifndef INDEX_DATA_H
#define INDEX_DATA_H

#include "kith.h"
#include "tests/check.h"

#include <stdbool.h>

typedef struct matrix {
    kith_type type;
    uint32_t dim;
    size_t n;
    unsigned char *bytes;
} matrix;

/* Every type with every metric that it has. */
typedef struct row_kind {
    kith_type type;
    kith_metric metric;
} row_kind;

enum { KINDS = 17 };
extern const row_kind kinds[KINDS];

/* Uniform: integers and bits over their range, floats in [-1, 1). Clustered: around `clusters`
 * uniform centres, noise of about a tenth of the range, of bits one in ten turned over. Identical:
 * one uniform row, n times. */
matrix matrix_uniform(kith_type type, uint32_t dim, size_t n, uint64_t *random);
matrix matrix_clustered(kith_type type, uint32_t dim, size_t n, size_t clusters, uint64_t *random);
matrix matrix_identical(kith_type type, uint32_t dim, size_t n, uint64_t *random);
void matrix_free(matrix *rows);

size_t row_bytes(const matrix *rows);
void *row_at(const matrix *rows, size_t i);

/* Element j of a vector of this type, and one written, rounded or cut to what the type holds. */
double element_at(kith_type type, const void *vector, uint32_t j);
void set_element(kith_type type, void *vector, uint32_t j, float x);

/* The same vectors as f32. */
matrix matrix_widened(const matrix *rows);
float *floats_at(const matrix *rows, size_t i); /* of an f32 matrix */

/* Fails the test with the library's sentence unless the status is KITH_OK. */
#define must(call) must_at((call), #call, __FILE__, __LINE__)
void must_at(kith_status status, const char *call, const char *file, int line);

/* The call fails with this status, and the thread's sentence contains `part`. */
#define must_fail(call, status, part) must_fail_at((call), (status), (part), __FILE__, __LINE__)
void must_fail_at(kith_status got, kith_status expected, const char *part, const char *file,
                  int line);

/* A store of the matrix's rows under the keys 0, 1, 2, ...; an index on a store, not yet built. */
kith_store *store_of(const matrix *rows, kith_metric metric);
kith_index *index_on(kith_store *store, const kith_index_options *options);
uint64_t digest_of(const kith_index *index);
uint64_t nodes_of(const kith_index *index);

typedef struct naive_hit {
    double distance;
    uint32_t row;
} naive_hit;

double naive_distance(kith_metric metric, const matrix *rows, const void *a, const void *b);

/* Every live row by (distance, row), into out[n]; returns how many. `live` NULL: all live. */
size_t naive_ranking(kith_metric metric, const matrix *rows, const bool *live, const void *query,
                     naive_hit *out);

/* The k hits are the first k of the ranking. Integer distances must agree row by row. Where the
 * naive sums round, a different row passes only when it is another vector at the same distance
 * but for the last digits; equal vectors must come in the order of their rows. */
void check_hits(kith_metric metric, const matrix *rows, const void *query, const naive_hit *ranking,
                size_t count, const kith_hit *hits, uint32_t k);

/* How many of the k hits are no farther than the k-th of the ranking. */
uint32_t count_right(const naive_hit *ranking, size_t count, kith_metric metric, const matrix *rows,
                     const void *query, const kith_hit *hits, uint32_t k);

/* Hits are live, ascending by (distance, row), carry the right distance, and fill up with the
 * empty hit; returns how many are real. `live` NULL: all rows of the matrix. */
uint32_t check_plausible(kith_metric metric, const matrix *rows, const bool *live,
                         const void *query, const kith_hit *hits, uint32_t k);

#endif
