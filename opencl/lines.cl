/* lines.cl - the sum of one row, which lies as a line, with one query.
 *
 * OpenCL C 1.2 core, between elements.cl and walk.cl; empty but for PART=3. Local
 * memory, atomics and barriers are not its business. In scan.cl the lanes of a vector are rows,
 * here they are words of one row, and a query has their elements side by side.
 *
 * The one idea: word w of a row is added to sum w % SPAN, and those are added in one order, so that
 * a float has the same bits in every layout and size of group. On a GPU TEAM items measure a row,
 * four sums each; on a CPU one item has all of them, in two vectors.
 */
#if PART == 3

#ifndef GROUP
#define GROUP 64 /* work-items of a group */
#endif
#if GROUP == 1
#define TEAM 1
#else
#define TEAM 8 /* items that measure a row together */
#endif

#define SPAN 32
#define OWN (SPAN / (LANES * TEAM)) /* vectors of LANES sums of an item */
#define RUN_SPANS 64                /* 256 products of bytes in a sum: exact, as in elements.cl */

#if BITS || WHOLE
typedef uint total;
typedef uint4 total4;
typedef uint8 total8;
#define AS_TOTAL(x) (x)
#define AS_BITS(x) (x)
#else
typedef float total;
typedef float4 total4;
typedef float8 total8;
#define AS_TOTAL(x) as_float(x)
#define AS_BITS(x) as_uint(x)
#endif

/* Adds LANES words of a row to as many sums. */
static wpart add_words(wuint word, __global const float *query, wpart part)
{
#if BITS
#if METRIC == 3
    return part + popcount(word ^ WIDE(as_uint)(LOAD(query)));
#else
    return part + popcount(word & WIDE(as_uint)(LOAD(query)));
#endif
#else
    wfloat x[ELEMENTS];
    widen(word, x);
#pragma unroll
    for (uint e = 0; e < ELEMENTS; e++) {
        const wfloat q = LOAD(query + e * LANES);
#if METRIC == 0 && !WHOLE
        const wfloat d = x[e] - q;
        part = MULTIPLY_ADD(d, d, part);
#else
        part = MULTIPLY_ADD(x[e], q, part);
#endif
    }
    return part;
#endif
}

/* The sums of one row that this lane of a team owns, in runs that stay exact. */
static void add_line(__global const uint *row, __global const float *query, uint words, uint lane,
                     wsum *sum)
{
#pragma unroll
    for (uint o = 0; o < OWN; o++)
        sum[o] = (wsum)(0);
    for (uint run = 0; run < words; run += SPAN * RUN_SPANS) {
        const uint stop = min(words, run + SPAN * RUN_SPANS);
        wpart part[OWN];
#pragma unroll
        for (uint o = 0; o < OWN; o++)
            part[o] = (wpart)(0);
        for (uint w = run + lane * LANES; w < stop; w += SPAN) {
#pragma unroll
            for (uint o = 0; o < OWN; o++) {
                const uint at = w + o * LANES * TEAM;
                if (o == 0 || at < stop)
                    part[o] = add_words(LOAD(row + at), query + (size_t)at * ELEMENTS, part[o]);
            }
        }
#pragma unroll
        for (uint o = 0; o < OWN; o++)
            sum[o] += SUM_OF(part[o]);
    }
}

/* What one item adds of a row: on a CPU all of it. Neighbours are added first, in either layout. */
static uint fold(const wsum *sum)
{
#if GROUP == 1
    total whole[OWN];
    for (uint o = 0; o < OWN; o++) {
        const total8 eight = sum[o].even + sum[o].odd;
        const total4 four = eight.even + eight.odd;
        whole[o] = (four.s0 + four.s1) + (four.s2 + four.s3);
    }
    return AS_BITS(whole[0] + whole[1]);
#else
    return AS_BITS((sum[0].s0 + sum[0].s1) + (sum[0].s2 + sum[0].s3));
#endif
}

#if GROUP > 1
/* The sum of a row, of what its team has folded. */
static total add_team(__local const uint *part)
{
    const total a = AS_TOTAL(part[0]) + AS_TOTAL(part[1]);
    const total b = AS_TOTAL(part[2]) + AS_TOTAL(part[3]);
    const total c = AS_TOTAL(part[4]) + AS_TOTAL(part[5]);
    const total d = AS_TOTAL(part[6]) + AS_TOTAL(part[7]);
    return (a + b) + (c + d);
}
#else
static total add_team(__local const uint *part)
{
    return AS_TOTAL(part[0]);
}
#endif

#endif
