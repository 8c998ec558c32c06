/* graph_digests.c - a program that builds small graphs and prints their digests, one to a line.
 *
 *     graph_digests CPU THREADS [brief]      brief: every third of them
 *
 * May include kith.h, POSIX and, to look at sketches, the insides of an index. Needs no test
 * framework, so that an emulated processor can run it as well: see test_index_digest_qemu.sh. Rows
 * are made of integers, by additions and shifts, and are the same everywhere; floats among them are
 * exact in all three float types. Where answers are integers too, the hits of walks over rows and
 * over codes are printed as a hash; and the digest of the graph that a build mends when some rows
 * have gone. Of longer rows, sketches are made, and all that was learnt for them is printed as a
 * hash, and the work of walks with them. CPU is a level as KITH_CPU takes it, or "best".
 */
#include "index/objects.h"
#include "index/sketch.h"
#include "kith.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 800, DIM = 40, CENTRES = 12, QUERIES = 20, K = 10 };
enum { LONG_ROWS = 200, LONG_DIM = 216, DIRECTIONS = 8 };

static const struct kind {
    kith_type type;
    kith_metric metric;
    kith_walk walk;
} kinds[] = {
    {KITH_U8, KITH_L2SQ, KITH_WALK_ROWS},    {KITH_U8, KITH_IP, KITH_WALK_SQ4},
    {KITH_I8, KITH_L2SQ, KITH_WALK_SQ4},     {KITH_I8, KITH_COSINE, KITH_WALK_SQ1},
    {KITH_B1, KITH_HAMMING, KITH_WALK_ROWS}, {KITH_F32, KITH_L2SQ, KITH_WALK_SQ8},
    {KITH_F32, KITH_IP, KITH_WALK_SQ8},      {KITH_F32, KITH_COSINE, KITH_WALK_SQ8},
    {KITH_F16, KITH_L2SQ, KITH_WALK_SQ8},    {KITH_F16, KITH_COSINE, KITH_WALK_SQ8},
    {KITH_BF16, KITH_L2SQ, KITH_WALK_SQ8},   {KITH_BF16, KITH_COSINE, KITH_WALK_SQ4},
};

/* Those that can be sketched: rows of u8, and codes of 8 bits, which are rows of i8. */
static const struct kind sketched[] = {{KITH_U8, KITH_L2SQ, KITH_WALK_ROWS},
                                       {KITH_F32, KITH_L2SQ, KITH_WALK_SQ8},
                                       {KITH_F16, KITH_COSINE, KITH_WALK_SQ8}};

/* An emulator keeps books about every page of an address range, so its library must not reserve
 * ranges by the memory of this machine: there it asks this function in place of sysconf. */
long little_sysconf(int name);
long little_sysconf(int name)
{
    return name == _SC_PHYS_PAGES ? 1024 : sysconf(name);
}

static uint64_t mixed(uint64_t x)
{
    x = (x + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* Around a centre, -127..127. */
static int element(uint64_t row, uint32_t i)
{
    const uint64_t centre = mixed(row) % CENTRES;
    const int middle = (int)(mixed(1000 + centre * DIM + i) % 201) - 100;
    return middle + (int)(mixed(1000000 + row * DIM + i) % 55) - 27;
}

/* A small integer as f32; cut to its upper half it is the same number as bf16. */
static uint32_t float_bits(int x)
{
    const float value = (float)x;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint16_t half_bits(int x)
{
    const uint32_t bits = float_bits(x);
    if (!x)
        return 0;
    return (uint16_t)((bits >> 16 & 0x8000) | (((bits >> 23 & 0xff) - 112) << 10) |
                      (bits >> 13 & 0x3ff));
}

static void put(kith_type type, unsigned char *row, uint32_t i, int x)
{
    const uint32_t wide = float_bits(x);
    const uint16_t half = type == KITH_F16 ? half_bits(x) : (uint16_t)(wide >> 16);
    switch (type) {
    case KITH_F32:
        memcpy(row + 4 * (size_t)i, &wide, sizeof wide);
        break;
    case KITH_F16:
    case KITH_BF16:
        memcpy(row + 2 * (size_t)i, &half, sizeof half);
        break;
    case KITH_B1:
        row[i / 8] = (unsigned char)(row[i / 8] | (x > 0) << i % 8);
        break;
    default:
        row[i] = (unsigned char)(type == KITH_U8 ? x + 128 : x);
    }
}

/* A mixture of few directions with a little noise, -120..120. */
static int long_element(uint64_t row, uint32_t i)
{
    int x = (int)(mixed(3000000 + row * LONG_DIM + i) % 17) - 8;
    for (uint64_t k = 0; k < DIRECTIONS; k++) {
        const int share = (int)(mixed(2000000 + row * DIRECTIONS + k) % 15) - 7;
        x += share * ((int)(mixed(4000000 + i * DIRECTIONS + k) % 5) - 2);
    }
    return x;
}

static void fill(kith_type type, uint32_t dim, unsigned char *rows, size_t count, uint64_t first)
{
    const size_t bytes = kith_vector_bytes(type, dim);
    memset(rows, 0, count * bytes);
    for (size_t r = 0; r < count; r++)
        for (uint32_t i = 0; i < dim; i++)
            put(type, rows + r * bytes, i,
                dim == DIM ? element(first + r, i) : long_element(first + r, i));
}

static void must(kith_status status)
{
    if (!status)
        return;
    printf("%s\n", kith_last_error());
    exit(1);
}

/* Rows and the bits of distances, in their order. */
static uint64_t hash_of_hits(kith_index *index, const void *queries)
{
    kith_search_options options = kith_search_defaults(K);
    kith_hit hits[QUERIES * K];
    uint64_t hash = 0;
    options.ef = 30;
    options.threads = 1;
    must(kith_index_search(index, queries, QUERIES, &options, hits, NULL));
    for (size_t i = 0; i < QUERIES * K; i++) {
        uint32_t bits;
        memcpy(&bits, &hits[i].distance, sizeof bits);
        hash = mixed(hash ^ ((uint64_t)hits[i].row << 32 | bits));
    }
    return hash;
}

/* The digest when one row in five has gone and one in ten was replaced. */
static uint64_t mended_digest(const struct kind *kind, kith_store *store, kith_index *index,
                              unsigned char *row)
{
    kith_index_stats stats = {.size = sizeof stats};
    for (uint64_t key = 0; key < ROWS; key += 5)
        must(kith_store_del_u64(store, key));
    for (uint64_t key = 1; key < ROWS; key += 10) {
        fill(kind->type, DIM, row, 1, 2 * ROWS + key);
        must(kith_store_put_u64(store, key, row));
    }
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_check(index));
    must(kith_index_stat(index, &stats));
    return stats.digest;
}

/* A graph of `count` rows, built. */
static kith_index *build(const struct kind *kind, uint32_t dim, const unsigned char *rows,
                         size_t count, const char *cpu, uint32_t threads, kith_store **store)
{
    kith_store_options store_options = kith_store_defaults(dim, kind->type, kind->metric);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    kith_index *index = NULL;
    options.cpu = strcmp(cpu, "best") ? cpu : NULL;
    options.ef_construction = 40;
    options.walk = kind->walk;
    options.threads = threads;
    must(kith_store_open(NULL, &store_options, store));
    must(kith_store_load(*store, NULL, rows, count, NULL, NULL));
    must(kith_index_create(*store, &options, &index));
    must(kith_index_build(index, NULL, NULL));
    return index;
}

static void show(const struct kind *kind, const char *cpu, uint32_t threads, unsigned char *rows)
{
    kith_index_stats stats = {.size = sizeof stats};
    kith_store *store = NULL;
    fill(kind->type, DIM, rows, ROWS, 0);
    kith_index *index = build(kind, DIM, rows, ROWS, cpu, threads, &store);
    must(kith_index_stat(index, &stats));
    printf("%s %s walk %d: %016" PRIx64, kith_type_name(kind->type), kith_metric_name(kind->metric),
           (int)kind->walk, stats.digest);
    const bool whole =
        kind->metric == KITH_HAMMING ||
        ((kind->type == KITH_U8 || kind->type == KITH_I8) && kind->metric != KITH_COSINE);
    fill(kind->type, DIM, rows, QUERIES, ROWS);
    if (whole)
        printf(" %016" PRIx64, hash_of_hits(index, rows));
    printf(" %016" PRIx64 "\n", mended_digest(kind, store, index, rows));
    kith_index_close(index);
    kith_store_close(store);
}

/* ---- sketches ---- */

static uint64_t hash_of(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++)
        hash = mixed(hash ^ at[i]);
    return hash;
}

static uint64_t hash_of_sketch(const ki_sketch *s, uint32_t rows)
{
    const double learnt[] = {s->centre2, s->length2, s->step, s->unit2, s->share, s->factor};
    const size_t lines = (size_t)s->places + 2;
    uint64_t hash = hash_of(0, s->arena.base, rows * s->rows.stride);
    hash = hash_of(hash, s->lines, lines * s->directions.stride);
    hash = hash_of(hash, s->sides, lines * sizeof *s->sides);
    hash = hash_of(hash, s->origin, s->places * sizeof *s->origin);
    return hash_of(hash, learnt, sizeof learnt);
}

/* Distances of float rows are rounded, so of their hits only the work is shown. */
static void show_sketch(const struct kind *kind, const char *cpu, uint32_t threads,
                        unsigned char *rows)
{
    kith_search_options options = kith_search_defaults(K);
    kith_search_stats stats = {.size = sizeof stats};
    kith_hit hits[QUERIES * K];
    kith_store *store = NULL;
    float spared = 0;
    fill(kind->type, LONG_DIM, rows, LONG_ROWS, 0);
    kith_index *index = build(kind, LONG_DIM, rows, LONG_ROWS, cpu, threads, &store);
    must(kith_index_sketch(index, &spared));
    if (!index->graph->sketch) {
        printf("%.3f of the distances spared: no sketch\n", (double)spared);
        exit(1);
    }
    fill(kind->type, LONG_DIM, rows, QUERIES, LONG_ROWS);
    options.ef = 30;
    options.threads = 1;
    must(kith_index_search(index, rows, QUERIES, &options, hits, &stats));
    printf("sketches %s %s: %016" PRIx64 " %.3f spared, %" PRIu64 " estimates, %" PRIu64
           " distances",
           kith_type_name(kind->type), kith_metric_name(kind->metric),
           hash_of_sketch(index->graph->sketch, LONG_ROWS), (double)spared, stats.sketches,
           stats.distances);
    if (kind->walk == KITH_WALK_ROWS)
        printf(" %016" PRIx64, hash_of_hits(index, rows));
    printf("\n");
    kith_index_close(index);
    kith_store_close(store);
}

int main(int argc, char **argv)
{
    const size_t most = (size_t)ROWS * DIM, longer = (size_t)LONG_ROWS * LONG_DIM;
    unsigned char *rows = malloc((most > longer ? most : longer) * 4);
    if (argc < 3 || !rows)
        return 2;
    const uint32_t threads = (uint32_t)strtoul(argv[2], NULL, 10);
    const size_t step = argc > 3 && !strcmp(argv[3], "brief") ? 3 : 1;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i += step)
        show(&kinds[i], argv[1], threads, rows);
    for (size_t i = 0; i < sizeof sketched / sizeof *sketched; i += step)
        show_sketch(&sketched[i], argv[1], threads, rows);
    free(rows);
    return 0;
}
