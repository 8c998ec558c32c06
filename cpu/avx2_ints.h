/* avx2_ints.h - what avx2.c does with integers: u8, i8, 4-bit codes, 1-bit codes, bits.
 *
 * May include prepare_ints.h, ymm_ints.h and the templates; included once, by avx2.c. Four rows a
 * group. VPMADDUBSW would do two bytes at once but saturates at 16 bits, and 2 * 255 * 255 is
 * twice too much. So bytes become 16 bits, and VPMADDWD adds pairs of products into 32 bits:
 *
 *   u8  even bytes by a mask, odd ones by a shift. All products together are at most
 *       33025 * 255^2 < 2^31, so no lane and no total can overflow.
 *   i8  16 bytes at a time through VPMOVSXBW, which reads memory; even bytes with their sign would
 *       take two shifts. All products together are at most 65535 * 128^2 = 2^30.
 *
 * Codes are small enough for VPMADDUBSW: a code of 4 bits and a query byte make at most
 * 15 * 128 = 1920, and the four that meet in 16 bits 7680.
 */
#ifndef KI_CPU_AVX2_INTS_H
#define KI_CPU_AVX2_INTS_H

#include "cpu/prepare_ints.h"
#include "cpu/ymm_ints.h"

#define V(x) u8_##x
#include "cpu/int_words_tmpl.h"

enum { u8_chunk = 32, u8_bits_each = 8 };

/* The query's side of 32 bytes: even and odd elements of 16 bits. */
typedef struct u8_query {
    __m256i even, odd;
} u8_query;

/* A block of 64 elements lies in scratch as 64 bytes of even ones and 64 of odd ones. */
INLINE u8_query u8_query_at(const unsigned char *data, size_t at)
{
    const unsigned char *p = data + at / BLOCK * BLOCK * 2 + at % BLOCK;
    const u8_query q = {int_aligned(p), int_aligned(p + BLOCK)};
    return q;
}

INLINE __m256i u8_load(const unsigned char *p)
{
    return int_load(p);
}

INLINE __m256i u8_tail(const unsigned char *p, size_t left)
{
    return int_tail(p, left);
}

INLINE u8_vec u8_dot_step(u8_vec sum, u8_query q, __m256i x)
{
    const __m256i even = _mm256_and_si256(x, _mm256_set1_epi16(0x00ff));
    const __m256i odd = _mm256_srli_epi16(x, 8);
    sum += (u8_vec)_mm256_madd_epi16(even, q.even);
    return sum + (u8_vec)_mm256_madd_epi16(odd, q.odd);
}

/* The sums are the dot products: nothing was added to the query. */
INLINE __m128i u8_dot(__m128i sum, four aux)
{
    (void)aux;
    return sum;
}

INLINE void u8_lay_out(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_split_u8(vector, dim, scratch, out);
}

#define V(x) i8_##x
#include "cpu/int_words_tmpl.h"

enum { i8_chunk = 32, i8_bits_each = 8 };

/* 32 elements, widened: of a row, or of the query, which lies in scratch like that. */
typedef struct i8_query {
    __m256i low, high;
} i8_query;

INLINE i8_query i8_query_at(const unsigned char *data, size_t at)
{
    const i8_query q = {int_aligned(data + 2 * at), int_aligned(data + 2 * at + 32)};
    return q;
}

INLINE i8_query i8_load(const unsigned char *p)
{
    const i8_query x = {
        _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p)),
        _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(p + 16)))};
    return x;
}

INLINE i8_query i8_tail(const unsigned char *p, size_t left)
{
    const __m256i bytes = int_tail(p, left);
    const i8_query x = {_mm256_cvtepi8_epi16(_mm256_castsi256_si128(bytes)),
                        _mm256_cvtepi8_epi16(_mm256_extracti128_si256(bytes, 1))};
    return x;
}

INLINE i8_vec i8_dot_step(i8_vec sum, i8_query q, i8_query x)
{
    sum += (i8_vec)_mm256_madd_epi16(x.low, q.low);
    return sum + (i8_vec)_mm256_madd_epi16(x.high, q.high);
}

INLINE __m128i i8_dot(__m128i sum, four aux)
{
    (void)aux;
    return sum;
}

INLINE void i8_lay_out(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_wide_i8(vector, dim, scratch, out);
}

/* a0 * b0 + a1 * b1 with a unsigned and at most 15, b signed. */
INLINE int_vec int_codes_dot(int_vec sum, __m256i a0, __m256i b0, __m256i a1, __m256i b1)
{
    const __m256i pairs =
        _mm256_add_epi16(_mm256_maddubs_epi16(a0, b0), _mm256_maddubs_epi16(a1, b1));
    return sum + (int_vec)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/* Bits that are set: two looked up for each byte, eight bytes added by VPSADBW. */
INLINE int_vec int_popcount(__m256i x)
{
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                           2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i bytes = _mm256_add_epi8(_mm256_shuffle_epi8(table, int_low_nibbles(x)),
                                          _mm256_shuffle_epi8(table, int_high_nibbles(x)));
    return (int_vec)_mm256_sad_epu8(bytes, _mm256_setzero_si256());
}

#define V(x) q1_##x
#include "cpu/int_words_tmpl.h"

enum { q1_chunk = 16, q1_bits_each = 1 };

/* 16 bytes of a row are 128 elements. The bytes lie in both halves of a register, the upper ones
 * shifted by four, and four shifts and masks leave one bit of each byte; the query lies in that
 * order. */
typedef struct q1_query {
    int_reg bit0, bit1, bit2, bit3;
} q1_query;

INLINE q1_query q1_query_at(const unsigned char *data, size_t at)
{
    const unsigned char *p = data + 8 * at;
    const q1_query q = {int_aligned(p), int_aligned(p + 32), int_aligned(p + 64),
                        int_aligned(p + 96)};
    return q;
}

/* Bytes for the bits 0..3 in the low half, and 4..7 in the high one. */
INLINE int_reg q1_halves(__m256i twice)
{
    return _mm256_srlv_epi32(twice, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
}

INLINE int_reg q1_load(const unsigned char *p)
{
    return q1_halves(
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

INLINE int_reg q1_tail(const unsigned char *p, size_t left)
{
    return q1_halves(_mm256_broadcastsi128_si256(_mm256_castsi256_si128(int_tail(p, left))));
}

INLINE q1_vec q1_dot_step(q1_vec sum, q1_query q, int_reg x)
{
    const __m256i one = _mm256_set1_epi8(1);
    const __m256i bit0 = _mm256_and_si256(x, one);
    const __m256i bit1 = _mm256_and_si256(_mm256_srli_epi16(x, 1), one);
    const __m256i bit2 = _mm256_and_si256(_mm256_srli_epi16(x, 2), one);
    const __m256i bit3 = _mm256_and_si256(_mm256_srli_epi16(x, 3), one);
    sum = int_codes_dot(sum, bit0, q.bit0, bit1, q.bit1);
    return int_codes_dot(sum, bit2, q.bit2, bit3, q.bit3);
}

/* Element i of 128 is bit i % 8 of byte i / 8: quarter i % 4 of the chunk, and the half of it
 * that holds bits 0..3 or 4..7. */
static void q1_prepare(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    const ki_code_query *code = vector;
    const signed char *from = code->elements;
    signed char *to = scratch;
    describe_code(code, dim, scratch, out);
    memset(to, 0, 2 * whole_blocks(dim));
    for (uint32_t i = 0; i < dim; i++)
        to[i / 128 * 128 + i % 4 * 32 + i % 8 / 4 * 16 + i % 128 / 8] = from[i];
}

#define PAIRING KI_U8
#define V(x) u8_##x
#include "cpu/bytes_tmpl.h"

#define PAIRING KI_I8
#define V(x) i8_##x
#include "cpu/bytes_tmpl.h"

#include "cpu/bits_tmpl.h"
#include "cpu/codes_tmpl.h"

#endif
