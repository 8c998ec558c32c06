/* elements.cl - what a row holds, its sums with queries, and the order key of a distance.
 *
 * OpenCL C 1.2 core; the first half of every program, scan.cl is the other. Local memory, atomics
 * and barriers are not its business. Compiles alone with the defaults below.
 *
 * The one idea: whatever the type, a word of four bytes becomes one, two or four floats, exactly,
 * and floats are multiplied and added: devices do that at least as fast as integers. Sums of
 * bytes with bytes stay exact because a run of them ends before 2^24. Bits alone are counted.
 *
 * Rows lie interleaved: word w (4 bytes) of BLOCK consecutive rows side by side, so that lanes
 * read neighbouring words and nothing is reduced across work-items. A work-item owns LANES rows:
 * 16 on a CPU, where a group is one item and its lanes a vector register, 4 on a GPU, where each
 * item loads 16 bytes and uses each query word four times. On a CPU driver that leaves vectors
 * to its compiler, one row an item was ten times slower (3 against 28 billion products a second
 * and core, u8, 784 dimensions), 8 lanes took 20, and groups of several items 16 to 22.
 *
 * A 16-bit float is widened by integer steps: the core has a load that does it, but not from
 * between the words of other rows, and flushing denormals is left to the device there.
 */
#pragma OPENCL FP_CONTRACT OFF

#ifndef TYPE
#define TYPE 1 /* 0 f32, 1 u8, 2 f16, 3 bf16, 4 i8, 5 b1; with f32 queries 6 u8, 7 i8 */
#endif
#ifndef METRIC
#define METRIC 0 /* 0 l2sq, 1 ip, 2 cosine; of b1 3 hamming, 4 jaccard */
#endif
#ifndef Q
#define Q 4 /* queries a pass */
#endif
#ifndef LANES
#define LANES 4 /* rows of a work-item */
#endif
#ifndef BLOCK
#define BLOCK 128 /* rows interleaved */
#endif
#ifndef FMA
#define FMA 0 /* 1 where the device multiplies and adds in one rounding, and in hardware */
#endif
#ifndef PART
#define PART 0 /* kernels wanted: 0 those of a file, 1 kith_scan, 2 kith_merge, 3 kith_walk,
                  4 kith_turn, 5 kith_cut, 6 kith_keys, 7 kith_tile, 8 kith_count,
                  9 kith_choose, 10 kith_gather */
#endif
#define RUN_WORDS 64u /* of bytes: 256 products of at most 65025, below 2^24, so exact */

#if PART != 2 && PART != 4 && PART != 5 && PART < 8

#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)
#if LANES == 1
#define WIDE(name) name
#define LOAD(p) (*(p))
#define ANY(x) (x)
#else
#define WIDE(name) JOIN(name, LANES)
#define LOAD(p) JOIN(vload, LANES)(0, p)
#define ANY(x) any(x)
#endif
typedef WIDE(uint) wuint;
typedef WIDE(float) wfloat;

#define BITS (TYPE == 5)
#define WHOLE (TYPE == 1 || TYPE == 4) /* bytes with bytes: the sum is an integer, and exact */

/* How many floats of a query meet a word. A query of bits lies in one float as bits. */
#if TYPE == 0 || BITS
#define ELEMENTS 1
#elif TYPE == 2 || TYPE == 3
#define ELEMENTS 2
#else
#define ELEMENTS 4
#endif

/* A sum of one run, and of a row. */
#if BITS
typedef wuint wpart;
typedef wuint wsum;
#define SUM_OF(part) (part)
#elif WHOLE
typedef wfloat wpart;
typedef wuint wsum; /* of i8 in two's complement */
#define SUM_OF(part) WIDE(as_uint)(WIDE(convert_int)(part))
#else
typedef wfloat wpart;
typedef wfloat wsum;
#define SUM_OF(part) (part)
#endif

#if FMA
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

#if !(WHOLE && METRIC < 2) && METRIC != 3
/* Floats as unsigned integers of the same order, NaN last. */
static wuint order(wfloat x)
{
    wuint bits = WIDE(as_uint)(x);
    wuint key = bits ^ (WIDE(as_uint)(WIDE(as_int)(bits) >> 31) | 0x80000000u);
    return select(key, (wuint)(0xffffffffu), x != x);
}
#endif

#if TYPE == 2
/* The f16 in the lower 16 bits. A normal number changes its exponent's bias from 15 to 127; a
 * denormal is the fraction of 2^-14 to 2^-13, less 2^-14; infinities and NaN keep all ones. */
static wfloat widen_f16(wuint bits)
{
    const wuint rest = (bits & 0x7fffu) << 13;
    const wuint normal = rest + (112u << 23);
    const wuint tiny = WIDE(as_uint)(WIDE(as_float)(rest + (113u << 23)) - 0x1p-14f);
    const wuint finite = select(normal, tiny, rest < (wuint)(1u << 23));
    const wuint wide = select(finite, normal + (112u << 23), rest >= (wuint)(31u << 23));
    return WIDE(as_float)(wide | (bits & 0x8000u) << 16);
}
#endif

#if !BITS
/* The elements of one word of LANES rows, as floats. */
static void widen(wuint word, wfloat *x)
{
#if TYPE == 0
    x[0] = WIDE(as_float)(word);
#elif TYPE == 2
    x[0] = widen_f16(word & 0xffffu);
    x[1] = widen_f16(word >> 16);
#elif TYPE == 3
    x[0] = WIDE(as_float)(word << 16);
    x[1] = WIDE(as_float)(word & 0xffff0000u);
#elif TYPE == 4 || TYPE == 7
    x[0] = WIDE(convert_float)(WIDE(as_int)(word << 24) >> 24);
    x[1] = WIDE(convert_float)(WIDE(as_int)(word << 16) >> 24);
    x[2] = WIDE(convert_float)(WIDE(as_int)(word << 8) >> 24);
    x[3] = WIDE(convert_float)(WIDE(as_int)(word) >> 24);
#else
    x[0] = WIDE(convert_float)(word & 0xffu);
    x[1] = WIDE(convert_float)((word >> 8) & 0xffu);
    x[2] = WIDE(convert_float)((word >> 16) & 0xffu);
    x[3] = WIDE(convert_float)(word >> 24);
#endif
}
#endif

#if PART != 3 && PART != 7
/* Adds one word of LANES rows to the sums of Q queries. Integer products of bytes lost on a CPU,
 * 22 to 39 billion a second and core: its compiler broadcasts a float from memory within the
 * multiplication. */
static void add_word(wuint word, __global const float *query, wpart *part)
{
#if BITS
#pragma unroll
    for (uint q = 0; q < Q; q++) {
#if METRIC == 3
        part[q] += popcount(word ^ (wuint)(as_uint(query[q])));
#else
        part[q] += popcount(word & (wuint)(as_uint(query[q])));
#endif
    }
#else
    wfloat x[ELEMENTS];
    widen(word, x);
#pragma unroll
    for (uint q = 0; q < Q; q++) {
#pragma unroll
        for (uint e = 0; e < ELEMENTS; e++) {
#if METRIC == 0 && !WHOLE
            const wfloat d = x[e] - query[ELEMENTS * q + e];
            part[q] = MULTIPLY_ADD(d, d, part[q]);
#else
            part[q] = MULTIPLY_ADD(x[e], (wfloat)(query[ELEMENTS * q + e]), part[q]);
#endif
        }
    }
#endif
}

/* The sums of LANES rows with Q queries, in runs of RUN_WORDS. `rows` points to the first lane's
 * first word. */
static void add_rows(__global const uint *rows, __global const float *query, uint words, wsum *sum)
{
#pragma unroll
    for (uint q = 0; q < Q; q++)
        sum[q] = (wsum)(0);
    for (uint run = 0; run < words; run += RUN_WORDS) {
        const uint stop = min(words, run + RUN_WORDS);
        wpart part[Q];
#pragma unroll
        for (uint q = 0; q < Q; q++)
            part[q] = (wpart)(0);
        for (uint w = run; w < stop; w++)
            add_word(LOAD(rows + (size_t)w * BLOCK), query + (size_t)w * (ELEMENTS * Q), part);
#pragma unroll
        for (uint q = 0; q < Q; q++)
            sum[q] += SUM_OF(part[q]);
    }
}
#endif

/* The order keys. `side` and `query_side` are what the metric needs of a row and of a query beside
 * their elements. Bytes under l2sq take the dot product too: |q|^2 + |x|^2 - 2qx is exact. */
static wuint key_of(wsum sum, wuint side, uint query_side)
{
#if METRIC == 0 && WHOLE
    return query_side + side - 2u * sum;
#elif METRIC == 0
    return order(sum);
#elif METRIC == 1 && WHOLE
    return (0u - sum) ^ 0x80000000u;
#elif METRIC == 1
    return order(0.0f - sum);
#elif METRIC == 2 && WHOLE
    const wfloat x = WIDE(convert_float)(WIDE(as_int)(sum)) * as_float(query_side);
    const wfloat y = x * WIDE(as_float)(side);
    return order(1.0f - y);
#elif METRIC == 2
    return order(1.0f - sum * WIDE(as_float)(side));
#elif METRIC == 3
    return sum;
#else
    const wuint either = query_side + side - sum;
    const wfloat share = WIDE(convert_float)(sum) / WIDE(convert_float)(max(either, (wuint)(1u)));
    return order(select(1.0f - share, (wfloat)(0.0f), either == 0u));
#endif
}

#endif
