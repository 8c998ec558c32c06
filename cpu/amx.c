/* amx.c - tiles of u8, i8 and bf16 for processors with matrix registers: Sapphire Rapids and later.
 *
 * May include kernels/, addresses.h and intrinsics. One instruction multiplies 16 rows by 16
 * queries over 64 bytes of the dimension: TDPBUUD, TDPBSSD, TDPBF16PS. Pair, gather and range stay
 * with the files below: one query fills a sixteenth of a register.
 *
 * The one idea: rows are the left side, straight from where they lie, and queries the right side,
 * put into the order that it wants once (pack): for every 64 bytes of a row, words of 4 bytes of 16
 * queries side by side. Two tiles of rows and two of queries make four products out of four loads.
 * What comes out has a row a line and is turned over while it becomes keys.
 *
 * Rows that do not fill sixteen: the last block of a call begins earlier and writes some keys
 * again; a call of fewer rows has a configuration of its own. Configurations are static, since
 * there are virtual machines where one on the stack is a fault. Bytes behind the last whole 64 of
 * a row are copied to where zeros follow them: no byte outside a row is read.
 *
 * The query is laid out by the prepare of whichever level fills that slot, so pack exists for each
 * of the layouts, and ki_fill_amx looks which one it is.
 */
#include "kernels/isa.h"
#include "cpu/addresses.h"
#include <immintrin.h>

/* clang 14 knows them by other names. */
#if (!defined(__AMX_INT8__) && !defined(__AMXINT8__)) || !defined(__AVX512BW__)
#error "amx.c must be compiled with -mamx-tile -mamx-int8 -mamx-bf16 and the flags of avx512.c"
#endif

enum { SIDE = 16, BLOCK = 64, BLOCK_QUERIES = 32, TILE = SIDE * BLOCK };

typedef enum product { U8, I8, BF16 } product;
typedef enum metric { L2SQ, IP, COSINE } metric;

/* Tiles 0 to 3 are products, 4 and 5 rows, 6 and 7 queries. */
typedef struct config {
    unsigned char palette, start, reserved[14];
    uint16_t row_bytes[16];
    unsigned char rows[16];
} config;

#define WIDTHS                                                                                     \
    {                                                                                              \
        64, 64, 64, 64, 64, 64, 64, 64                                                             \
    }
#define CONFIG(n)                                                                                  \
    {                                                                                              \
        .palette = 1, .row_bytes = WIDTHS, .rows = { n, n, n, n, n, n, SIDE, SIDE }                \
    }

static const config configs[SIDE] __attribute__((aligned(64))) = {
    CONFIG(1), CONFIG(2),  CONFIG(3),  CONFIG(4),  CONFIG(5),  CONFIG(6),  CONFIG(7),  CONFIG(8),
    CONFIG(9), CONFIG(10), CONFIG(11), CONFIG(12), CONFIG(13), CONFIG(14), CONFIG(15), CONFIG(SIDE),
};

/* ---- pack ---- */

/* Words of 4 bytes of the query's block at byte `at` of the row, as the row has them. */
typedef __m512i (*block_fn)(const unsigned char *data, size_t at);

INLINE __m512i plain_block(const unsigned char *data, size_t at)
{
    return _mm512_load_si512(data + at);
}

/* VNNI: moved by 128 to the other side of zero. */
INLINE __m512i biased_block(const unsigned char *data, size_t at)
{
    return _mm512_xor_si512(_mm512_load_si512(data + at), _mm512_set1_epi8(-128));
}

/* u8 in 16 bits each, 32 even elements and then the odd ones. */
INLINE __m512i split_block(const unsigned char *data, size_t at)
{
    const __m512i even = _mm512_load_si512(data + 2 * at);
    const __m512i odd = _mm512_load_si512(data + 2 * at + BLOCK);
    return _mm512_or_si512(even, _mm512_slli_epi16(odd, 8));
}

/* i8 in 16 bits each. */
INLINE __m512i wide_block(const unsigned char *data, size_t at)
{
    const __m256i low = _mm512_cvtepi16_epi8(_mm512_load_si512(data + 2 * at));
    const __m256i high = _mm512_cvtepi16_epi8(_mm512_load_si512(data + 2 * at + BLOCK));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* Groups of 32 queries; in a group, blocks of the dimension; in a block, two tiles. */
INLINE void pack(const ki_query *queries, size_t m, void *packed, size_t element, block_fn block)
{
    for (size_t i = 0; i < (m + BLOCK_QUERIES - 1) / BLOCK_QUERIES * BLOCK_QUERIES; i++) {
        const size_t blocks = (queries[0].dim * element + BLOCK - 1) / BLOCK;
        unsigned char *to = (unsigned char *)packed +
                            i / BLOCK_QUERIES * BLOCK_QUERIES * blocks * BLOCK +
                            i % BLOCK_QUERIES / SIDE * TILE + i % SIDE * 4;
        for (size_t b = 0; b < blocks; b++) {
            uint32_t words[SIDE] = {0};
            if (i < m)
                _mm512_storeu_si512(words, block(queries[i].data, b * BLOCK));
            for (size_t w = 0; w < SIDE; w++)
                memcpy(to + b * 2 * TILE + w * BLOCK, &words[w], sizeof words[w]);
        }
    }
}

static void pack_plain(const ki_query *queries, size_t m, void *packed)
{
    pack(queries, m, packed, 1, plain_block);
}

static void pack_biased(const ki_query *queries, size_t m, void *packed)
{
    pack(queries, m, packed, 1, biased_block);
}

static void pack_split(const ki_query *queries, size_t m, void *packed)
{
    pack(queries, m, packed, 1, split_block);
}

static void pack_wide(const ki_query *queries, size_t m, void *packed)
{
    pack(queries, m, packed, 1, wide_block);
}

static void pack_bf16(const ki_query *queries, size_t m, void *packed)
{
    pack(queries, m, packed, sizeof(uint16_t), plain_block);
}

/* ---- products ---- */

/* Two groups of up to sixteen rows, and what lies behind their last whole block. */
typedef struct row_tiles {
    const unsigned char *a, *b;
    size_t stride, whole; /* whole blocks, in bytes */
    size_t left;          /* bytes of a row behind them */
    unsigned char *ends;  /* two tiles */
} row_tiles;

INLINE void multiply(product kind, int two)
{
    if (kind == U8) {
        _tile_dpbuud(0, 4, 6);
        _tile_dpbuud(2, 5, 6);
        if (two) {
            _tile_dpbuud(1, 4, 7);
            _tile_dpbuud(3, 5, 7);
        }
    } else if (kind == I8) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(2, 5, 6);
        if (two) {
            _tile_dpbssd(1, 4, 7);
            _tile_dpbssd(3, 5, 7);
        }
    } else {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(2, 5, 6);
        if (two) {
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
}

INLINE void step(product kind, int two, const unsigned char *a, const unsigned char *b,
                 size_t stride, const unsigned char *queries)
{
    _tile_loadd(6, queries, BLOCK);
    if (two)
        _tile_loadd(7, queries + TILE, BLOCK);
    _tile_loadd(4, a, stride);
    _tile_loadd(5, b, stride);
    multiply(kind, two);
}

/* 32 rows with 32 queries, or with 16, into four tiles of sums. */
INLINE void sum_up(product kind, int two, const row_tiles *rows, const unsigned char *queries,
                   uint32_t *sums)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t at = 0; at < rows->whole; at += BLOCK)
        step(kind, two, rows->a + at, rows->b + at, rows->stride, queries + at / BLOCK * 2 * TILE);
    if (rows->left)
        step(kind, two, rows->ends, rows->ends + TILE, BLOCK,
             queries + rows->whole / BLOCK * 2 * TILE);
    _tile_stored(0, sums, BLOCK);
    _tile_stored(2, sums + SIDE * SIDE, BLOCK);
    if (two) {
        _tile_stored(1, sums + 2 * SIDE * SIDE, BLOCK);
        _tile_stored(3, sums + 3 * SIDE * SIDE, BLOCK);
    }
}

/* ---- keys ---- */

/* Side data of sixteen rows, a lane each. */
typedef struct sides {
    __m512 inv_norm;
    __m512i inorm2;
    __mmask16 lanes;
} sides;

INLINE sides sides_of(const ki_rows *rows, uint32_t first, size_t n)
{
    uint32_t inorm2[SIDE] = {0};
    float inv_norm[SIDE] = {0};
    for (size_t i = 0; i < n; i++) {
        const ki_aux aux = aux_at(rows, first + (uint32_t)i);
        inv_norm[i] = aux.inv_norm;
        inorm2[i] = aux.inorm2;
    }
    const sides of = {_mm512_loadu_ps(inv_norm), _mm512_loadu_si512(inorm2),
                      _cvtu32_mask16((1u << n) - 1)};
    return of;
}

/* As float_keys of x86_keys.h, sixteen at once. */
INLINE __m512i float_keys(__m512 d)
{
    const __m512i bits = _mm512_castps_si512(d);
    const __m512i turn = _mm512_or_si512(_mm512_srai_epi32(bits, 31), _mm512_set1_epi32(INT32_MIN));
    const __mmask16 nan = _mm512_cmp_ps_mask(d, d, _CMP_UNORD_Q);
    return _mm512_mask_mov_epi32(_mm512_xor_si512(bits, turn), nan, _mm512_set1_epi32(-1));
}

/* The keys of one query: the operations of x86_keys.h and x86_int_keys.h in their order. */
INLINE __m512i keys_of(product kind, metric by, const ki_query *query, __m512i sum,
                       const sides *rows)
{
    const __m512 dot = kind == BF16 ? _mm512_castsi512_ps(sum) : _mm512_cvtepi32_ps(sum);
    if (by == COSINE) {
        const __m512 x = _mm512_mul_ps(dot, _mm512_set1_ps(query->inv_norm));
        return float_keys(_mm512_sub_ps(_mm512_set1_ps(1.0f), _mm512_mul_ps(x, rows->inv_norm)));
    }
    if (kind == BF16)
        return float_keys(_mm512_sub_ps(_mm512_setzero_ps(), dot));
    if (by == IP)
        return _mm512_sub_epi32(_mm512_set1_epi32(INT32_MIN), sum);
    const __m512i norms = _mm512_add_epi32(_mm512_set1_epi32((int)query->inorm2), rows->inorm2);
    return _mm512_sub_epi32(norms, _mm512_add_epi32(sum, sum));
}

/* Four lines as the quarters of a register: lanes n of lines i, i + 4, i + 8 and i + 12. */
INLINE __m512i lines_at(const uint32_t *sums, size_t line, size_t column)
{
    const uint32_t *at = sums + line * SIDE + column;
    __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)at));
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)(at + 4 * SIDE)), 1);
    x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)(at + 8 * SIDE)), 2);
    return _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(const void *)(at + 12 * SIDE)),
                              3);
}

INLINE void write_keys(product kind, metric by, const ki_query *query, __m512i sum,
                       const sides *rows, uint32_t *keys)
{
    _mm512_mask_storeu_epi32(keys, rows->lanes, keys_of(kind, by, query, sum, rows));
}

/* A tile of sums, a row a line, becomes keys, a query a line. Four queries at a time: a 4 x 4 table
 * is turned over in each quarter. */
INLINE void write_tile(product kind, metric by, const ki_query *queries, size_t m,
                       const uint32_t *sums, const sides *rows, uint32_t *keys, size_t stride)
{
    for (size_t i = 0; i < m; i += 4) {
        const __m512i a = lines_at(sums, 0, i), b = lines_at(sums, 1, i);
        const __m512i c = lines_at(sums, 2, i), d = lines_at(sums, 3, i);
        const __m512i ab = _mm512_unpacklo_epi32(a, b), cd = _mm512_unpacklo_epi32(c, d);
        const __m512i ef = _mm512_unpackhi_epi32(a, b), gh = _mm512_unpackhi_epi32(c, d);
        uint32_t *to = keys + i * stride;
        write_keys(kind, by, &queries[i], _mm512_unpacklo_epi64(ab, cd), rows, to);
        if (i + 1 < m)
            write_keys(kind, by, &queries[i + 1], _mm512_unpackhi_epi64(ab, cd), rows, to + stride);
        if (i + 2 < m)
            write_keys(kind, by, &queries[i + 2], _mm512_unpacklo_epi64(ef, gh), rows,
                       to + 2 * stride);
        if (i + 3 < m)
            write_keys(kind, by, &queries[i + 3], _mm512_unpackhi_epi64(ef, gh), rows,
                       to + 3 * stride);
    }
}

/* ---- the tile ---- */

INLINE void copy_ends(row_tiles *rows, size_t n)
{
    const __mmask64 mask = _cvtu64_mask64(UINT64_MAX >> (BLOCK - rows->left));
    for (size_t i = 0; i < n; i++) {
        const size_t at = i * rows->stride + rows->whole;
        _mm512_store_si512(rows->ends + i * BLOCK, _mm512_maskz_loadu_epi8(mask, rows->a + at));
        _mm512_store_si512(rows->ends + TILE + i * BLOCK,
                           _mm512_maskz_loadu_epi8(mask, rows->b + at));
    }
}

/* Rows `a` to a + n - 1 and `b` to b + n - 1 of the view with all queries. */
INLINE void rows_with_all(product kind, metric by, const ki_query *queries, size_t m,
                          const unsigned char *packed, const ki_rows *view, uint32_t a, uint32_t b,
                          size_t n, uint32_t *keys_a, uint32_t *keys_b, size_t stride)
{
    uint32_t sums[4 * SIDE * SIDE] __attribute__((aligned(64)));
    unsigned char ends[2 * TILE] __attribute__((aligned(64)));
    const size_t bytes = view->dim * (kind == BF16 ? sizeof(uint16_t) : 1);
    row_tiles rows = {row_at(view->base, view->stride, a),
                      row_at(view->base, view->stride, b),
                      view->stride,
                      bytes / BLOCK * BLOCK,
                      bytes % BLOCK,
                      ends};
    const size_t group_bytes = (bytes + BLOCK - 1) / BLOCK * BLOCK * BLOCK_QUERIES;
    const sides side_a = sides_of(view, a, n), side_b = sides_of(view, b, n);
    if (rows.left)
        copy_ends(&rows, n);
    for (size_t i = 0; i < m; i += BLOCK_QUERIES, packed += group_bytes) {
        const size_t here = m - i < SIDE ? m - i : SIDE, more = m - i - here;
        const size_t second = more < SIDE ? more : SIDE;
        uint32_t *to_a = keys_a + i * stride, *to_b = keys_b + i * stride;
        if (second)
            sum_up(kind, 1, &rows, packed, sums);
        else
            sum_up(kind, 0, &rows, packed, sums);
        write_tile(kind, by, queries + i, here, sums, &side_a, to_a, stride);
        write_tile(kind, by, queries + i, here, sums + SIDE * SIDE, &side_b, to_b, stride);
        queries += SIDE;
        to_a += SIDE * stride, to_b += SIDE * stride;
        write_tile(kind, by, queries + i, second, sums + 2 * SIDE * SIDE, &side_a, to_a, stride);
        write_tile(kind, by, queries + i, second, sums + 3 * SIDE * SIDE, &side_b, to_b, stride);
        queries -= SIDE;
    }
}

INLINE void tile(product kind, metric by, const ki_query *queries, size_t m, const void *packed,
                 const ki_rows *rows, uint32_t first, size_t n, uint32_t *keys, size_t stride)
{
    const size_t side = n < SIDE ? n : SIDE;
    if (n == 0 || m == 0)
        return;
    _tile_loadconfig(&configs[side - 1]);
    for (size_t j = 0; j < n; j += 2 * SIDE) {
        const size_t a = n - j >= 2 * SIDE || n < 2 * SIDE ? j : n - 2 * SIDE;
        const size_t b = n < 2 * SIDE ? n - side : a + SIDE;
        rows_with_all(kind, by, queries, m, packed, rows, first + (uint32_t)a, first + (uint32_t)b,
                      side, keys + a, keys + b, stride);
    }
    _tile_release();
}

#define ARGUMENTS                                                                                  \
    const ki_query *queries, size_t m, const void *packed, const ki_rows *rows, uint32_t first,    \
        size_t n, uint32_t *keys, size_t stride
#define PASS_ON queries, m, packed, rows, first, n, keys, stride

static void u8_l2sq(ARGUMENTS)
{
    tile(U8, L2SQ, PASS_ON);
}

static void u8_ip(ARGUMENTS)
{
    tile(U8, IP, PASS_ON);
}

static void u8_cosine(ARGUMENTS)
{
    tile(U8, COSINE, PASS_ON);
}

static void i8_l2sq(ARGUMENTS)
{
    tile(I8, L2SQ, PASS_ON);
}

static void i8_ip(ARGUMENTS)
{
    tile(I8, IP, PASS_ON);
}

static void i8_cosine(ARGUMENTS)
{
    tile(I8, COSINE, PASS_ON);
}

static void bf16_ip(ARGUMENTS)
{
    tile(BF16, IP, PASS_ON);
}

static void bf16_cosine(ARGUMENTS)
{
    tile(BF16, COSINE, PASS_ON);
}

static void fill(ki_kernel *kernel, ki_pack_fn plain, ki_pack_fn wide, ki_tile_fn tile_fn)
{
    const ki_isa prepare = kernel->from[KI_PREPARE];
    if (prepare == KI_ISA_SCALAR)
        kernel->pack = plain;
    else if (prepare == KI_ISA_AVX2 || prepare == KI_ISA_AVX512)
        kernel->pack = wide;
    else
        kernel->pack = pack_biased;
    kernel->tile = tile_fn;
    kernel->from[KI_PACK] = kernel->from[KI_TILE] = KI_ISA_AMX;
}

void ki_fill_amx(ki_kernels *table)
{
    fill(&table->at[KITH_L2SQ][KI_U8], pack_plain, pack_split, u8_l2sq);
    fill(&table->at[KITH_IP][KI_U8], pack_plain, pack_split, u8_ip);
    fill(&table->at[KITH_COSINE][KI_U8], pack_plain, pack_split, u8_cosine);
    fill(&table->at[KITH_L2SQ][KI_I8], pack_plain, pack_wide, i8_l2sq);
    fill(&table->at[KITH_IP][KI_I8], pack_plain, pack_wide, i8_ip);
    fill(&table->at[KITH_COSINE][KI_I8], pack_plain, pack_wide, i8_cosine);
    fill(&table->at[KITH_IP][KI_BF16BF16], pack_bf16, pack_bf16, bf16_ip);
    fill(&table->at[KITH_COSINE][KI_BF16BF16], pack_bf16, pack_bf16, bf16_cosine);
}
