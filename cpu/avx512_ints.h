/* avx512_ints.h - what avx512.c does with integers: u8, i8, 4-bit codes, 1-bit codes, bits.
 *
 * May include prepare_ints.h, zmm_ints.h and the templates; included once, by avx512.c. For
 * machines without VNNI and VPOPCNTDQ, that is Skylake-X: everything as in avx2_ints.h, where the
 * proof is that nothing overflows, with registers twice as wide and eight rows a group.
 */
#ifndef KI_CPU_AVX512_INTS_H
#define KI_CPU_AVX512_INTS_H

#include "cpu/prepare_ints.h"
#include "cpu/zmm_ints.h"

#define V(x) u8_##x
#include "cpu/int_words_tmpl.h"

enum { u8_chunk = 64, u8_bits_each = 8 };

/* The query's side of 64 bytes: even and odd elements of 16 bits. */
typedef struct u8_query {
    __m512i even, odd;
} u8_query;

INLINE u8_query u8_query_at(const unsigned char *data, size_t at)
{
    const u8_query q = {int_aligned(data + 2 * at), int_aligned(data + 2 * at + BLOCK)};
    return q;
}

INLINE __m512i u8_load(const unsigned char *p)
{
    return int_load(p);
}

INLINE __m512i u8_tail(const unsigned char *p, size_t left)
{
    return int_tail(p, left);
}

INLINE u8_vec u8_dot_step(u8_vec sum, u8_query q, __m512i x)
{
    const __m512i even = _mm512_and_si512(x, _mm512_set1_epi16(0x00ff));
    const __m512i odd = _mm512_srli_epi16(x, 8);
    sum += (u8_vec)_mm512_madd_epi16(even, q.even);
    return sum + (u8_vec)_mm512_madd_epi16(odd, q.odd);
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

enum { i8_chunk = 64, i8_bits_each = 8 };

/* 64 elements, widened: of a row, or of the query, which lies in scratch like that. */
typedef struct i8_query {
    __m512i low, high;
} i8_query;

INLINE i8_query i8_query_at(const unsigned char *data, size_t at)
{
    const i8_query q = {int_aligned(data + 2 * at), int_aligned(data + 2 * at + 64)};
    return q;
}

INLINE __m256i i8_half(const unsigned char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

INLINE i8_query i8_load(const unsigned char *p)
{
    const i8_query x = {_mm512_cvtepi8_epi16(i8_half(p)), _mm512_cvtepi8_epi16(i8_half(p + 32))};
    return x;
}

INLINE i8_query i8_tail(const unsigned char *p, size_t left)
{
    const __m512i bytes = int_tail(p, left);
    const i8_query x = {_mm512_cvtepi8_epi16(_mm512_castsi512_si256(bytes)),
                        _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(bytes, 1))};
    return x;
}

INLINE i8_vec i8_dot_step(i8_vec sum, i8_query q, i8_query x)
{
    sum += (i8_vec)_mm512_madd_epi16(x.low, q.low);
    return sum + (i8_vec)_mm512_madd_epi16(x.high, q.high);
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
INLINE int_vec int_codes_dot(int_vec sum, __m512i a0, __m512i b0, __m512i a1, __m512i b1)
{
    const __m512i pairs =
        _mm512_add_epi16(_mm512_maddubs_epi16(a0, b0), _mm512_maddubs_epi16(a1, b1));
    return sum + (int_vec)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
}

/* Bits that are set: two looked up for each byte, eight bytes added by VPSADBW. */
INLINE int_vec int_popcount(__m512i x)
{
    const __m512i table =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i bytes = _mm512_add_epi8(_mm512_shuffle_epi8(table, int_low_nibbles(x)),
                                          _mm512_shuffle_epi8(table, int_high_nibbles(x)));
    return (int_vec)_mm512_sad_epu8(bytes, _mm512_setzero_si512());
}

#define V(x) q1_##x
#include "cpu/int_words_tmpl.h"

enum { q1_chunk = 16, q1_bits_each = 1 };

/* 16 bytes of a row are 128 elements: each half of them is a mask that keeps ones. */
typedef struct q1_query {
    int_reg first, second;
} q1_query;

typedef struct q1_masks {
    __mmask64 first, second;
} q1_masks;

INLINE q1_query q1_query_at(const unsigned char *data, size_t at)
{
    const q1_query q = {int_aligned(data + 8 * at), int_aligned(data + 8 * at + 64)};
    return q;
}

INLINE q1_masks q1_load(const unsigned char *p)
{
    uint64_t halves[2];
    memcpy(halves, p, sizeof halves);
    const q1_masks x = {_cvtu64_mask64(halves[0]), _cvtu64_mask64(halves[1])};
    return x;
}

INLINE q1_masks q1_tail(const unsigned char *p, size_t left)
{
    const __m128i bytes = _mm_maskz_loadu_epi8(_cvtu32_mask16((1u << left) - 1), p);
    const q1_masks x = {_cvtu64_mask64((uint64_t)_mm_cvtsi128_si64(bytes)),
                        _cvtu64_mask64((uint64_t)_mm_extract_epi64(bytes, 1))};
    return x;
}

INLINE q1_vec q1_dot_step(q1_vec sum, q1_query q, q1_masks x)
{
    const __m512i one = _mm512_set1_epi8(1);
    return int_codes_dot(sum, _mm512_maskz_mov_epi8(x.first, one), q.first,
                         _mm512_maskz_mov_epi8(x.second, one), q.second);
}

static void q1_prepare(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_plain_code(vector, dim, scratch, out);
    /* a chunk is two blocks */
    if (whole_blocks(dim) / BLOCK % 2)
        memset((unsigned char *)scratch + whole_blocks(dim), 0, BLOCK);
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
