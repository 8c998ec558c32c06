/* bench_kernel_peaks.c - see bench_kernel_peaks.h.
 *
 * Each peak is a loop of independent chains, enough of them to hide the latency of the instruction
 * on any machine of its kind. Functions carry their own target attribute: they run only where the
 * features say so. An empty asm statement stands where the compiler could otherwise see that
 * every turn of a loop does the same.
 */
#include "bench/bench_kernel_peaks.h"
#include "bench/bench_kernel_rows.h"
#include "bench/shim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS = 1000, ROW_SIZES = 4, BLOCK = 16384, BATCH = 32 };

typedef struct peak {
    const char *name;
    ki_isa level;
    double operations; /* of one call */
    void (*run)(void);
} peak;

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET(x) __attribute__((target(x)))

TARGET("avx2,fma") static void fma_256(void)
{
    const __m256 m = _mm256_set1_ps(0.5f), c = _mm256_set1_ps(1.0f);
    __m256 a = c, b = c, d = c, e = c, f = c, g = c, h = c, i = c, j = c, k = c;
    for (int turn = 0; turn < TURNS; turn++) {
        a = _mm256_fmadd_ps(a, m, c), b = _mm256_fmadd_ps(b, m, c);
        d = _mm256_fmadd_ps(d, m, c), e = _mm256_fmadd_ps(e, m, c);
        f = _mm256_fmadd_ps(f, m, c), g = _mm256_fmadd_ps(g, m, c);
        h = _mm256_fmadd_ps(h, m, c), i = _mm256_fmadd_ps(i, m, c);
        j = _mm256_fmadd_ps(j, m, c), k = _mm256_fmadd_ps(k, m, c);
    }
    __asm__ volatile("" : : "x"(a), "x"(b), "x"(d), "x"(e), "x"(f));
    __asm__ volatile("" : : "x"(g), "x"(h), "x"(i), "x"(j), "x"(k));
}

TARGET("avx512f") static void fma_512(void)
{
    const __m512 m = _mm512_set1_ps(0.5f), c = _mm512_set1_ps(1.0f);
    __m512 a = c, b = c, d = c, e = c, f = c, g = c, h = c, i = c, j = c, k = c;
    for (int turn = 0; turn < TURNS; turn++) {
        a = _mm512_fmadd_ps(a, m, c), b = _mm512_fmadd_ps(b, m, c);
        d = _mm512_fmadd_ps(d, m, c), e = _mm512_fmadd_ps(e, m, c);
        f = _mm512_fmadd_ps(f, m, c), g = _mm512_fmadd_ps(g, m, c);
        h = _mm512_fmadd_ps(h, m, c), i = _mm512_fmadd_ps(i, m, c);
        j = _mm512_fmadd_ps(j, m, c), k = _mm512_fmadd_ps(k, m, c);
    }
    __asm__ volatile("" : : "v"(a), "v"(b), "v"(d), "v"(e), "v"(f));
    __asm__ volatile("" : : "v"(g), "v"(h), "v"(i), "v"(j), "v"(k));
}

/* Bytes go through VPMADDWD as 16-bit halves: so many multiply-adds, whatever they were before. */
TARGET("avx2") static void madd_256(void)
{
    __m256i x = _mm256_set1_epi16(3), y = x, a = x, b = x, c = x, d = x;
    for (int turn = 0; turn < TURNS; turn++) {
        __asm__ volatile("" : "+x"(x), "+x"(y));
        a = _mm256_add_epi32(a, _mm256_madd_epi16(x, y));
        b = _mm256_add_epi32(b, _mm256_madd_epi16(x, a));
        c = _mm256_add_epi32(c, _mm256_madd_epi16(y, y));
        d = _mm256_add_epi32(d, _mm256_madd_epi16(y, c));
    }
    __asm__ volatile("" : : "x"(a), "x"(b), "x"(c), "x"(d));
}

TARGET("avx512bw") static void madd_512(void)
{
    __m512i x = _mm512_set1_epi16(3), y = x, a = x, b = x, c = x, d = x;
    for (int turn = 0; turn < TURNS; turn++) {
        __asm__ volatile("" : "+v"(x), "+v"(y));
        a = _mm512_add_epi32(a, _mm512_madd_epi16(x, y));
        b = _mm512_add_epi32(b, _mm512_madd_epi16(x, a));
        c = _mm512_add_epi32(c, _mm512_madd_epi16(y, y));
        d = _mm512_add_epi32(d, _mm512_madd_epi16(y, c));
    }
    __asm__ volatile("" : : "v"(a), "v"(b), "v"(c), "v"(d));
}

TARGET("avx2,avxvnni") static void vnni_256(void)
{
    const __m256i x = _mm256_set1_epi8(1);
    __m256i a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;
    for (int turn = 0; turn < TURNS; turn++) {
        a = _mm256_dpbusd_avx_epi32(a, x, x), b = _mm256_dpbusd_avx_epi32(b, x, x);
        c = _mm256_dpbusd_avx_epi32(c, x, x), d = _mm256_dpbusd_avx_epi32(d, x, x);
        e = _mm256_dpbusd_avx_epi32(e, x, x), f = _mm256_dpbusd_avx_epi32(f, x, x);
        g = _mm256_dpbusd_avx_epi32(g, x, x), h = _mm256_dpbusd_avx_epi32(h, x, x);
        i = _mm256_dpbusd_avx_epi32(i, x, x), j = _mm256_dpbusd_avx_epi32(j, x, x);
    }
    __asm__ volatile("" : : "x"(a), "x"(b), "x"(c), "x"(d), "x"(e));
    __asm__ volatile("" : : "x"(f), "x"(g), "x"(h), "x"(i), "x"(j));
}

TARGET("avx512vnni,avx512f") static void vnni_512(void)
{
    const __m512i x = _mm512_set1_epi8(1);
    __m512i a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;
    for (int turn = 0; turn < TURNS; turn++) {
        a = _mm512_dpbusd_epi32(a, x, x), b = _mm512_dpbusd_epi32(b, x, x);
        c = _mm512_dpbusd_epi32(c, x, x), d = _mm512_dpbusd_epi32(d, x, x);
        e = _mm512_dpbusd_epi32(e, x, x), f = _mm512_dpbusd_epi32(f, x, x);
        g = _mm512_dpbusd_epi32(g, x, x), h = _mm512_dpbusd_epi32(h, x, x);
        i = _mm512_dpbusd_epi32(i, x, x), j = _mm512_dpbusd_epi32(j, x, x);
    }
    __asm__ volatile("" : : "v"(a), "v"(b), "v"(c), "v"(d), "v"(e));
    __asm__ volatile("" : : "v"(f), "v"(g), "v"(h), "v"(i), "v"(j));
}

TARGET("avx512vpopcntdq,avx512f") static void popcnt_512(void)
{
    __m512i a = _mm512_set1_epi64(7), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
    for (int turn = 0; turn < TURNS; turn++) {
        a = _mm512_popcnt_epi64(a), b = _mm512_popcnt_epi64(b);
        c = _mm512_popcnt_epi64(c), d = _mm512_popcnt_epi64(d);
        e = _mm512_popcnt_epi64(e), f = _mm512_popcnt_epi64(f);
        g = _mm512_popcnt_epi64(g), h = _mm512_popcnt_epi64(h);
        __asm__ volatile("" : "+v"(a), "+v"(b), "+v"(c), "+v"(d));
        __asm__ volatile("" : "+v"(e), "+v"(f), "+v"(g), "+v"(h));
    }
}

TARGET("avx512bf16,avx512f") static void bf16_512(void)
{
    const __m512bh x = (__m512bh)_mm512_set1_epi16(0x3f80);
    __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
    for (int turn = 0; turn < TURNS; turn++) {
        a = _mm512_dpbf16_ps(a, x, x), b = _mm512_dpbf16_ps(b, x, x);
        c = _mm512_dpbf16_ps(c, x, x), d = _mm512_dpbf16_ps(d, x, x);
        e = _mm512_dpbf16_ps(e, x, x), f = _mm512_dpbf16_ps(f, x, x);
        g = _mm512_dpbf16_ps(g, x, x), h = _mm512_dpbf16_ps(h, x, x);
        i = _mm512_dpbf16_ps(i, x, x), j = _mm512_dpbf16_ps(j, x, x);
    }
    __asm__ volatile("" : : "v"(a), "v"(b), "v"(c), "v"(d), "v"(e));
    __asm__ volatile("" : : "v"(f), "v"(g), "v"(h), "v"(i), "v"(j));
}

/* Eight tiles of 16 rows of 64 bytes: palette 1. */
static const struct {
    uint8_t palette, start, zero[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tiles __attribute__((aligned(64))) = {.palette = 1,
                                        .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                        .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

TARGET("amx-tile,amx-int8") static void amx_int8(void)
{
    _tile_loadconfig(&tiles);
    for (int turn = 0; turn < TURNS / 4; turn++) {
        _tile_dpbuud(0, 4, 6);
        _tile_dpbuud(1, 4, 7);
        _tile_dpbuud(2, 5, 6);
        _tile_dpbuud(3, 5, 7);
    }
    _tile_release();
}

TARGET("amx-tile,amx-bf16") static void amx_bf16(void)
{
    _tile_loadconfig(&tiles);
    for (int turn = 0; turn < TURNS / 4; turn++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
}

static const peak peaks[] = {
    {"fma", KI_ISA_AVX2, 10.0 * 8 * TURNS, fma_256},
    {"fma", KI_ISA_AVX512, 10.0 * 16 * TURNS, fma_512},
    {"int8", KI_ISA_AVX2, 4.0 * 16 * TURNS, madd_256},
    {"int8", KI_ISA_AVXVNNI, 10.0 * 32 * TURNS, vnni_256},
    {"int8", KI_ISA_AVX512, 4.0 * 32 * TURNS, madd_512},
    {"int8", KI_ISA_AVX512VNNI, 10.0 * 64 * TURNS, vnni_512},
    {"int8", KI_ISA_AMX, 16.0 * 16 * 64 * TURNS, amx_int8},
    {"bits", KI_ISA_AVX512POPCNT, 8.0 * 512 * TURNS, popcnt_512},
    {"bf16", KI_ISA_AVX512BF16, 10.0 * 32 * TURNS, bf16_512},
    {"bf16", KI_ISA_AMX, 16.0 * 16 * 32 * TURNS, amx_bf16},
};

#elif defined(__aarch64__)
#include <arm_neon.h>

static void fma_neon(void)
{
    const float32x4_t m = vdupq_n_f32(0.5f);
    float32x4_t a = m, b = m, c = m, d = m, e = m, f = m, g = m, h = m, i = m, j = m;
    for (int turn = 0; turn < TURNS; turn++) {
        a = vfmaq_f32(a, a, m), b = vfmaq_f32(b, b, m), c = vfmaq_f32(c, c, m);
        d = vfmaq_f32(d, d, m), e = vfmaq_f32(e, e, m), f = vfmaq_f32(f, f, m);
        g = vfmaq_f32(g, g, m), h = vfmaq_f32(h, h, m), i = vfmaq_f32(i, i, m);
        j = vfmaq_f32(j, j, m);
    }
    __asm__ volatile("" : : "w"(a), "w"(b), "w"(c), "w"(d), "w"(e));
    __asm__ volatile("" : : "w"(f), "w"(g), "w"(h), "w"(i), "w"(j));
}

static const peak peaks[] = {{"fma", KI_ISA_NEON, 10.0 * 4 * TURNS, fma_neon}};

#else
static const peak peaks[] = {{"fma", KI_ISA_COUNT, 0, NULL}};
#endif

static void work_peak(bench_state *state, void *user)
{
    const peak *p = user;
    while (bench_next(state))
        p->run();
    bench_per_second(state, p->operations);
}

/* Loads in registers of 64 bytes, which the compiler cuts into what the target has. Four chains
 * of OR are enough: the loads are independent. */
typedef uint64_t wide __attribute__((vector_size(64)));

typedef struct reading {
    int set;
    uint32_t row_bytes; /* 0: in order */
} reading;

/* Rows by number, each from its first byte to its last. */
static inline __attribute__((always_inline)) uint64_t
read_rows(const unsigned char *base, const uint32_t *ids, size_t n, size_t row_bytes)
{
    wide a = {0}, b = a, c = a, d = a;
    for (size_t i = 0; i < n; i++) {
        const wide *line = (const void *)(base + ids[i] * row_bytes);
        size_t j = 0;
        for (; j + 4 <= row_bytes / sizeof *line; j += 4) {
            a |= line[j], b |= line[j + 1];
            c |= line[j + 2], d |= line[j + 3];
        }
        for (; j < row_bytes / sizeof *line; j++)
            a |= line[j];
    }
    a |= b | c | d;
    return a[0] | a[1] | a[2] | a[3] | a[4] | a[5] | a[6] | a[7];
}

typedef uint64_t (*read_fn)(const unsigned char *, const uint32_t *, size_t, size_t);

#if defined(__x86_64__)
TARGET("avx512f")
static uint64_t read_512(const unsigned char *base, const uint32_t *ids, size_t n, size_t row_bytes)
{
    return read_rows(base, ids, n, row_bytes);
}

TARGET("avx2")
static uint64_t read_256(const unsigned char *base, const uint32_t *ids, size_t n, size_t row_bytes)
{
    return read_rows(base, ids, n, row_bytes);
}
#endif

static uint64_t read_plain(const unsigned char *base, const uint32_t *ids, size_t n,
                           size_t row_bytes)
{
    return read_rows(base, ids, n, row_bytes);
}

static read_fn widest_read(void)
{
#if defined(__x86_64__)
    uint64_t features = ki_cpu_features();
    if (features & KI_BIT(KI_ISA_AVX512))
        return read_512;
    if (features & KI_BIT(KI_ISA_AVX2))
        return read_256;
#endif
    return read_plain;
}

static void work_reading(bench_state *state, void *user)
{
    static const uint32_t zero;
    const reading *r = user;
    const size_t bytes = bench_sets[r->set].bytes, block = bytes < BLOCK ? bytes : BLOCK;
    uint32_t count, rows = r->row_bytes ? (uint32_t)(bytes / r->row_bytes) : 2;
    const unsigned char *base = bench_rows_of(r->set, KI_U8, 0, &count).base;
    const uint32_t *ids = bench_ids(rows, 0);
    const read_fn read = widest_read();
    uint64_t all = 0;
    for (size_t at = 0; bench_next(state);) {
        if (r->row_bytes) {
            all |= read(base, ids + at, BATCH, r->row_bytes);
            at = (at + BATCH) % BENCH_IDS;
        } else {
            all |= read(base + at, &zero, 1, block);
            at = at + 2 * block <= bytes ? at + block : 0;
        }
    }
    __asm__ volatile("" : : "r"(all));
    bench_per_second(state, r->row_bytes ? (double)BATCH * r->row_bytes : (double)block);
}

static const uint32_t row_sizes[ROW_SIZES] = {128, 512, 1024, 4096};

void bench_peaks_add(void)
{
    static reading readings[BENCH_SETS][ROW_SIZES + 1];
    uint64_t have = ki_cpu_features();
    char name[64];
    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++) {
        if (peaks[i].level == KI_ISA_COUNT || !(have & KI_BIT(peaks[i].level)))
            continue;
        snprintf(name, sizeof name, "peak/%s/%s", peaks[i].name, ki_isa_name(peaks[i].level));
        bench_add(name, work_peak, (void *)(uintptr_t)&peaks[i]);
    }
    for (int set = 0; set < BENCH_SETS; set++)
        for (int i = 0; i <= ROW_SIZES; i++) {
            readings[set][i] = (reading){set, i ? row_sizes[i - 1] : 0};
            if (i)
                snprintf(name, sizeof name, "rows/%u/%s", row_sizes[i - 1], bench_sets[set].name);
            else
                snprintf(name, sizeof name, "read/%s", bench_sets[set].name);
            bench_add(name, work_reading, &readings[set][i]);
        }
}
