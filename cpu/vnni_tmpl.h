/* vnni_tmpl.h - a template: u8, i8 and code kernels out of VPDPBUSD, of either width.
 *
 * Included once by avxvnni.c and avx512vnni.c, which have the words of ymm_ints.h or zmm_ints.h and
 * have written int_dpbusd(sum, a, b): four products of unsigned bytes a and signed bytes b added to
 * each 32-bit lane; int_four_times(p), a quarter register of bytes in all four quarters;
 * int_first_quarter(x), the same of a register; and int_places(), 0, 2, 4 and 6 in the lanes of the
 * four quarters. Makes u8_fill, i8_fill, q4_fill and q1_fill.
 *
 * The row stays as it is; the query is moved by 128 to the other side of zero, and the row's own
 * sum, known since it was stored, puts back what is missing:
 *
 *     u8   q.x = (q - 128).x + 128 * sum(x)
 *     i8   q.x = (q + 128).x - 128 * sum(x)
 *
 * u8: |(q - 128).x| <= 128 * 255 * 33025 < 2^31, and so is 128 * sum(x); the total is below 2^31.
 * i8: |(q + 128).x| <= 255 * 128 * 65535 < 2^31, 128 * |sum(x)| <= 2^30, and so is the total.
 */
#define V(x) u8_##x
#include "cpu/int_words_tmpl.h"

typedef int_reg u8_query;
enum { u8_chunk = int_bytes, u8_bits_each = 8 };

INLINE int_reg u8_query_at(const unsigned char *data, size_t at)
{
    return int_aligned(data + at);
}

INLINE int_reg u8_load(const unsigned char *p)
{
    return int_load(p);
}

INLINE int_reg u8_tail(const unsigned char *p, size_t left)
{
    return int_tail(p, left);
}

INLINE u8_vec u8_dot_step(u8_vec sum, int_reg q, int_reg x)
{
    return int_dpbusd(sum, x, q);
}

INLINE __m128i u8_dot(__m128i sum, four aux)
{
    return _mm_add_epi32(sum, _mm_slli_epi32(aux_sum(aux), 7));
}

INLINE void u8_lay_out(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_biased_u8(vector, dim, scratch, out);
}

#define V(x) i8_##x
#include "cpu/int_words_tmpl.h"

typedef int_reg i8_query;
enum { i8_chunk = int_bytes, i8_bits_each = 8 };

INLINE int_reg i8_query_at(const unsigned char *data, size_t at)
{
    return int_aligned(data + at);
}

INLINE int_reg i8_load(const unsigned char *p)
{
    return int_load(p);
}

INLINE int_reg i8_tail(const unsigned char *p, size_t left)
{
    return int_tail(p, left);
}

INLINE i8_vec i8_dot_step(i8_vec sum, int_reg q, int_reg x)
{
    return int_dpbusd(sum, q, x);
}

INLINE __m128i i8_dot(__m128i sum, four aux)
{
    return _mm_sub_epi32(sum, _mm_slli_epi32(aux_sum(aux), 7));
}

INLINE void i8_lay_out(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_biased_i8(vector, dim, scratch, out);
}

INLINE int_vec int_codes_dot(int_vec sum, int_reg a0, int_reg b0, int_reg a1, int_reg b1)
{
    return int_dpbusd(int_dpbusd(sum, a0, b0), a1, b1);
}

/* 1 bit: a quarter of a register's bytes of the row lies in all four quarters, and quarter n keeps
 * bits 2n and 2n + 1, where they are: they count 4^n times, and 2 * 4^n times in sums of their own.
 * A shift of each lane at the end makes that once. So a step costs two masks and two VPDPBUSD, and
 * nothing to take bits apart. Against the masks of avx512_ints.h a row of 768 dimensions takes 7.2
 * instead of 9.0 ns, one of 1536 11.6 instead of 16.0. With eight rows GCC 12 keeps some of the
 * sixteen sums on the stack; with four it does not, and is no faster.
 * |a lane| <= 128 * 128 * 65535 / 16 < 2^27. */
typedef struct q1_vec {
    int_vec even, odd;
} q1_vec;

typedef int_total q1_total;
enum { q1_chunk = int_bytes / 4, q1_bits_each = 1, q1_sums = 1 };

INLINE q1_vec q1_zero(void)
{
    const q1_vec none = {int_zero(), int_zero()};
    return none;
}

INLINE q1_vec q1_add(q1_vec a, q1_vec b)
{
    a.even += b.even;
    a.odd += b.odd;
    return a;
}

/* What each lane counts once: exact, since all of its terms are multiples. */
INLINE int_vec q1_once(q1_vec a)
{
    typedef int32_t int_signed __attribute__((vector_size(int_bytes)));
    const int_signed places = (int_signed)int_places();
    return (int_vec)(((int_signed)a.even >> places) + ((int_signed)a.odd >> (places + 1)));
}

INLINE q1_total q1_total1(q1_vec a)
{
    return int_total1(q1_once(a));
}

INLINE q1_total q1_total4(q1_vec a, q1_vec b, q1_vec c, q1_vec d)
{
    return int_total4(q1_once(a), q1_once(b), q1_once(c), q1_once(d));
}

#ifdef EIGHT_ROWS
typedef int_totals q1_totals;

INLINE q1_totals q1_total8(q1_vec a, q1_vec b, q1_vec c, q1_vec d, q1_vec e, q1_vec f, q1_vec g,
                           q1_vec h)
{
    return int_total8(q1_once(a), q1_once(b), q1_once(c), q1_once(d), q1_once(e), q1_once(f),
                      q1_once(g), q1_once(h));
}
#endif

typedef struct q1_query {
    int_reg even, odd;
} q1_query;

INLINE q1_query q1_query_at(const unsigned char *data, size_t at)
{
    const q1_query q = {int_aligned(data + 8 * at), int_aligned(data + 8 * at + int_bytes)};
    return q;
}

INLINE int_reg q1_load(const unsigned char *p)
{
    return int_four_times(p);
}

INLINE int_reg q1_tail(const unsigned char *p, size_t left)
{
    return int_first_quarter(int_tail(p, left));
}

INLINE q1_vec q1_dot_step(q1_vec sum, q1_query q, int_reg x)
{
    const int_vec ones = int_zero() + 0x01010101;
    const int_vec even = ones << int_places();
    sum.even = int_dpbusd(sum.even, x & (int_reg)even, q.even);
    sum.odd = int_dpbusd(sum.odd, x & (int_reg)(even << 1), q.odd);
    return sum;
}

static void q1_prepare(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    const ki_code_query *code = vector;
    const signed char *from = code->elements;
    signed char *to = scratch;
    const size_t chunk = 2 * int_bytes; /* elements */
    describe_code(code, dim, scratch, out);
    memset(to, 0, 2 * whole_blocks(dim));
    for (uint32_t i = 0; i < dim; i++) {
        const size_t half = i % 2 * (size_t)int_bytes, quarter = i % 8 / 2 * (size_t)q1_chunk;
        to[i / chunk * chunk + half + quarter + i % chunk / 8] = from[i];
    }
}

#define PAIRING KI_U8
#define V(x) u8_##x
#include "cpu/bytes_tmpl.h"

#define PAIRING KI_I8
#define V(x) i8_##x
#include "cpu/bytes_tmpl.h"

#include "cpu/codes_tmpl.h"
