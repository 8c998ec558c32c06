/* scan.h - exact search by comparing with every row, and ranking again where keys are rounded.
 *
 * May include kernels/, alive.h, pool.h and workers.h. Two ways to scan: tile kernels (any type),
 * and matrix products through OpenBLAS (many queries; gemm.c). Answers are those of device.h: order
 * key << 32 | row, ascending, the unused rest UINT64_MAX.
 */
#ifndef KI_SCAN_H
#define KI_SCAN_H

#include "index/alive.h"
#include "index/pool.h"
#include "index/workers.h"
#include "kernels/device.h"

/* Queries that lie `stride` bytes apart, and how the kernel of their pairing takes them. */
typedef struct ki_queries {
    const unsigned char *base;
    size_t stride;
    size_t count;
    ki_pairing pairing;
    bool f32; /* through prepare_f32, else prepare */
} ki_queries;

/* How rows of a type meet queries of their own type, or of f32. */
static inline ki_pairing ki_pairing_of(kith_type rows, bool f32)
{
    if (f32 && rows == KITH_U8)
        return KI_F32U8;
    return f32 && rows == KITH_I8 ? KI_F32I8 : (ki_pairing)rows;
}

static inline ki_prepare_fn ki_prepare_of(const ki_kernel *kernel, bool f32)
{
    return f32 ? kernel->prepare_f32 : kernel->prepare;
}

static inline const void *ki_query_at(const ki_queries *queries, size_t i)
{
    return queries->base + i * queries->stride;
}

/* The k nearest of rows first..last-1 for each query, through tile kernels. Exact for u8 and i8
 * under l2sq and ip, for b1 under hamming. */
kith_status ki_scan(const ki_kernel *kernel, const ki_row_set *set, uint32_t first, uint32_t last,
                    const ki_queries *queries, uint32_t k, ki_workers *workers, uint64_t *answers);

/* The same over the rows ids[0..count-1], ascending, through gather kernels. Keys are those of
 * ki_scan, but for bf16 queries of bf16 rows. */
kith_status ki_scan_list(const ki_kernel *kernel, const ki_row_set *set, const uint32_t *ids,
                         uint32_t count, const ki_queries *queries, uint32_t k, ki_workers *workers,
                         uint64_t *answers);

/* The same over all rows through matrix products. Keys are rounded, and of the KI_KEY_FLOAT form
 * for every type and metric. EUNSUPPORTED when this build has no OpenBLAS. */
bool ki_gemm_available(void);
kith_status ki_gemm_scan(const ki_row_set *set, const ki_queries *queries, uint32_t k,
                         ki_workers *workers, uint64_t *answers);

/* From this many f32 queries on the products win; measured, see gemm.c. */
enum { KI_GEMM_QUERIES = 64 };

/* The end of a walk or a scan that used a pool: its first k entries that are alive (NULL: all are)
 * as answers. */
uint32_t ki_pool_answers(const ki_pool *pool, const ki_alive *alive, uint32_t k, uint64_t *answers);

static inline const ki_aux *ki_aux_at(const ki_row_set *set, uint32_t row)
{
    return (const void *)(set->rows.aux + (size_t)row * set->rows.aux_stride);
}

static inline float ki_norm2(kith_type type, const ki_aux *aux)
{
    return type == KITH_U8 || type == KITH_I8 || type == KITH_B1 ? (float)aux->inorm2 : aux->norm2;
}

/* ---- ranking again ---- */

typedef struct ki_ranked {
    double distance;
    uint32_t row;
} ki_ranked;

/* The same as an answer: its key is that of the distance as an f32. */
uint64_t ki_ranked_answer(const ki_ranked *ranked);

/* How far a rounded key may be from the truth, over a set of rows. */
typedef struct ki_rounding {
    ki_key_form form;
    double largest_norm; /* of any row, deleted ones too */
    bool by_norms;       /* from products: squared L2 as |q|^2 + |x|^2 - 2qx loses digits */
} ki_rounding;

/* The largest norm of rows first..count-1, or `known` if that is larger. */
double ki_largest_norm(const ki_row_set *set, uint32_t first, double known);

/* How many answers to ask for so that k can usually be proven. */
uint32_t ki_rank_wanted(uint32_t k);

/* What a scan found for some queries. */
typedef struct ki_candidates {
    const uint64_t *answers; /* `have` a query */
    const uint64_t *beyond;  /* of each query: every live row that is no candidate comes after this
                                answer, UINT64_MAX: there is none. NULL: the last answer says it */
    uint32_t have;
} ki_candidates;

/* Ranks the candidates of each query again, by exact distances (of integers, or f64 sums) and
 * then by row, into ranked[count * k]; unused places have row UINT32_MAX. A query whose first k
 * cannot be proven is scanned again with `kernel` for more, until they can. */
kith_status ki_rank_all(const ki_row_set *set, const ki_rounding *rounding, const ki_kernel *kernel,
                        const ki_queries *queries, const ki_candidates *candidates, uint32_t k,
                        ki_workers *workers, ki_ranked *ranked);

/* Answers with exact keys need no ranking, only another dress. */
void ki_rank_exact_keys(ki_key_form form, const uint64_t *answers, uint32_t have, uint32_t k,
                        ki_ranked *ranked);

#endif
