/* parts.c - see parts.h.
 *
 * May include everything of index/, kernels/ and kv/. A row goes where a hash of its key falls
 * among bounds that the shares set, once, when it is first seen; so the deal depends on keys and
 * shares alone, and a partition's graph on no number of threads. The hash is that of the levels
 * with another seed: with the same one, the highest nodes would all be in the first partition.
 *
 * The graphs measure the codes of the whole, which are not copied. Their link rows lie under the
 * store's row numbers, those of absent rows included: with rows dealt at random a page holds some
 * row of each partition anyway, so leaving the others untouched would save nothing. P graphs then
 * take P times the memory of one: at m = 16, 130 bytes a row of the store each.
 *
 * How much a walk in a partition keeps. Of the ef nearest rows a partition has a binomial share, so
 * ef/P and 1.5 deviations, and log2 P because the first few places of each walk find little. On
 * Fashion-MNIST (k = 10, ef 10 to 100, P = 2, 4, 8) that gives the recall of one walk that keeps
 * ef, at most 0.0007 less, or more. Widths of ef/P alone, or with a factor, fall behind it for few
 * and lead it for many; a floor of 16, or of k, cost a quarter to a half more at P = 4.
 *
 * Equal recall is not equal work. P walks descend P times (70 distances each) and come near P times
 * (as many again). Distances of the narrowest walks that reach recall@10 0.95 / 0.99 / 0.995, to
 * those of one walk over the whole:
 *   Fashion-MNIST u8       P = 2: 1.56 1.41 1.40   P = 4: 2.5 2.1 2.1
 *   clustered f32, SQ8     P = 2: 1.70 1.73 1.72   P = 4: 3.0 3.0 3.0
 * since one walk needs 255 to 441 of them, and half of these before it has come near. Wider walks
 * come closer (recall@100 of Fashion-MNIST at 0.998: 1.27 and 1.66). Sparser partitions, of m = 6,
 * 8 or 10 where the whole has 16, bought 8 to 18 % at 0.95 and lost it again at 0.995.
 *
 * One descent for all, and a table from the node it ends at to the nearest row of each partition,
 * was simulated there: 1.31 1.26 1.27 and 1.82 1.70 1.77. With two starts each and an adaptive stop
 * 1.18 1.12 1.10 and 1.61 1.59 1.66, though that stop alone takes the whole to 1.00 0.87 0.84. Were
 * every walk to start at its true nearest row, for nothing, it would be 0.96 0.98 1.00 and 1.35
 * 1.31 1.37, so no start makes four partitions cheap. It is not done: the host would descend for
 * all devices, a core or two of it at the 300,000 queries a second that one GPU answers.
 */
#include "index/parts.h"
#include "index/build.h"
#include <math.h>
#include <string.h>
#include <xxhash.h>

#define DEAL_SEED UINT64_C(0x70617274)

enum { DEAL_BLOCK = 4096 }; /* rows that are dealt between two looks at memory */

typedef struct partition {
    kith_index *index; /* of its own unless there is one partition; NULL of a flat whole */
    ki_arena rows_arena, member_arena;
    uint32_t count;
} partition;

struct ki_parts {
    kith_index *whole;
    uint32_t count, threads;
    uint32_t dealt; /* rows below this are in the lists */
    uint32_t seen;  /* and in the graphs */
    uint64_t version;
    uint64_t bound[KI_PARTS_MOST]; /* hashes up to this are of partition p or an earlier one */
    partition part[KI_PARTS_MOST];
};

static uint32_t *rows_of(const partition *p)
{
    return (uint32_t *)(void *)p->rows_arena.base;
}

static uint64_t *members_of(const partition *p)
{
    return (uint64_t *)(void *)p->member_arena.base;
}

/* ---- opening ---- */

static kith_status set_bounds(ki_parts *parts, const double *shares)
{
    double sum = 0, reached = 0;
    for (uint32_t p = 0; p < parts->count; p++) {
        const double share = shares ? shares[p] : 1.0 / parts->count;
        if (!(share > 0))
            return ki_fail(KITH_EINVAL, "the share %g of partition %u is not above 0", share, p);
        sum += share;
    }
    if (!(fabs(sum - 1) < 1e-6))
        return ki_fail(KITH_EINVAL, "the shares of %u partitions sum to %g, not to 1", parts->count,
                       sum);
    for (uint32_t p = 0; p < parts->count; p++) {
        reached += shares ? shares[p] : 1.0 / parts->count;
        parts->bound[p] = UINT64_MAX;
        if (reached < 1 && p + 1 < parts->count)
            parts->bound[p] = (uint64_t)ldexp(reached, 64);
    }
    return KITH_OK;
}

static kith_status check_whole(const kith_index *whole)
{
    const ki_graph *graph = whole->graph;
    if (!graph)
        return KITH_OK;
    if (whole->options.walk == KITH_WALK_SQ4 || whole->options.walk == KITH_WALK_SQ1)
        return ki_fail(KITH_EUNSUPPORTED,
                       "a graph that is walked over codes of %d bits cannot be "
                       "dealt to partitions or devices; those of 8 bits can",
                       whole->options.walk == KITH_WALK_SQ1 ? 1 : 4);
    if (graph->loose_count)
        return ki_fail(KITH_EINVAL, "%u rows are not linked; build the index first",
                       graph->loose_count);
    if (!graph->layers && ki_store_live_count(graph->engine))
        return ki_fail(KITH_EINVAL, "none of %llu rows is linked; build the index first",
                       (unsigned long long)ki_store_live_count(graph->engine));
    return KITH_OK;
}

/* An empty graph for partition p, in place of one that may be there. */
static kith_status renew_graph(ki_parts *parts, uint32_t p)
{
    const ki_graph *graph = parts->whole->graph;
    const ki_graph_options options = {graph->dim, graph->m, graph->ef_construction, graph->alpha,
                                      graph->seed};
    ki_graph *empty = NULL;
    kith_status status = ki_graph_open(graph->engine, &options, &empty);
    if (status)
        return status;
    ki_graph_borrow(empty, graph);
    ki_graph_close(parts->part[p].index->graph);
    parts->part[p].index->graph = empty;
    return KITH_OK;
}

static kith_status open_part(ki_parts *parts, uint32_t p)
{
    partition *part = &parts->part[p];
    kith_status status = ki_arena_open((size_t)KI_MAX_ROWS * sizeof(uint32_t), &part->rows_arena);
    if (!status)
        status = ki_arena_open(KI_MAX_ROWS / 8, &part->member_arena);
    if (status || !parts->whole->graph)
        return status;
    part->index = ki_alloc(sizeof *part->index);
    if (!part->index)
        return ki_no_memory("a partition", sizeof *part->index);
    *part->index = (kith_index){.store = parts->whole->store,
                                .options = parts->whole->options,
                                .kernels = parts->whole->kernels,
                                .kernel = parts->whole->kernel};
    ki_turnstile_init(&part->index->turnstile); /* of its own, and never shut */
    return renew_graph(parts, p);
}

kith_status ki_parts_open(kith_index *whole, uint32_t count, const double *shares, uint32_t threads,
                          kith_progress_fn progress, void *user, ki_parts **out)
{
    if (count < 1 || count > KI_PARTS_MOST)
        return ki_fail(KITH_EINVAL, "%u partitions are not in 1..%d", count, KI_PARTS_MOST);
    ki_parts *parts = ki_zalloc(sizeof *parts);
    if (!parts)
        return ki_no_memory("partitions", sizeof *parts);
    parts->whole = whole;
    parts->count = count;
    parts->threads = threads;
    kith_status status = check_whole(whole);
    if (!status)
        status = set_bounds(parts, shares);
    for (uint32_t p = 0; p < count && count > 1 && !status; p++)
        status = open_part(parts, p);
    if (!status)
        status = ki_parts_follow(parts, progress, user);
    if (status)
        ki_parts_close(parts);
    else
        *out = parts;
    return status;
}

void ki_parts_close(ki_parts *parts)
{
    if (!parts)
        return;
    for (uint32_t p = 0; p < parts->count; p++) {
        partition *part = &parts->part[p];
        if (part->index) {
            ki_graph_close(part->index->graph);
            ki_turnstile_destroy(&part->index->turnstile);
        }
        ki_free(part->index);
        ki_arena_close(&part->rows_arena);
        ki_arena_close(&part->member_arena);
    }
    ki_free(parts);
}

/* ---- dealing ---- */

static uint32_t part_of_key(const ki_parts *parts, const void *key, size_t key_len)
{
    const uint64_t hash = XXH3_64bits_withSeed(key, key_len, DEAL_SEED);
    uint32_t p = 0;
    while (hash > parts->bound[p])
        p++;
    return p;
}

/* Memory for rows below `end` wherever they go: a list grows by a block at most before the next
 * call. */
static kith_status reserve(ki_parts *parts, uint32_t end)
{
    kith_status status = KITH_OK;
    for (uint32_t p = 0; p < parts->count && !status; p++) {
        partition *part = &parts->part[p];
        status =
            ki_arena_grow(&part->rows_arena, ((size_t)part->count + DEAL_BLOCK) * sizeof(uint32_t));
        if (!status)
            status = ki_arena_grow(&part->member_arena, ((size_t)end + 63) / 64 * 8);
    }
    return status;
}

static void deal_block(ki_parts *parts, uint32_t end)
{
    unsigned char key[KI_KEY_MAX];
    for (uint32_t row = parts->dealt; row < end; row++) {
        const size_t key_len = ki_store_key_copy(parts->whole->store->engine, row, key);
        if (!key_len) /* dead */
            continue;
        partition *part = &parts->part[part_of_key(parts, key, key_len)];
        rows_of(part)[part->count++] = row;
        members_of(part)[row / 64] |= UINT64_C(1) << row % 64;
    }
    parts->dealt = end;
}

static kith_status deal(ki_parts *parts, uint32_t target)
{
    while (parts->dealt < target) {
        const uint32_t left = target - parts->dealt;
        const uint32_t end = parts->dealt + (left < DEAL_BLOCK ? left : DEAL_BLOCK);
        kith_status status = reserve(parts, end);
        if (status)
            return status;
        deal_block(parts, end);
    }
    return KITH_OK;
}

/* ---- following ---- */

/* One report for the builds of all partitions. */
typedef struct reports {
    kith_progress_fn progress;
    void *user;
    uint32_t p, count;
} reports;

static int report(void *user, uint64_t done, uint64_t total)
{
    const reports *r = user;
    return r->progress(r->user, r->p * total + done, r->count * total);
}

/* What the whole measures may have changed: then links chosen by something else are void. */
static kith_status link_part(ki_parts *parts, uint32_t p, uint32_t target, reports *r)
{
    kith_index *index = parts->part[p].index;
    ki_build_options options = {.threads = parts->threads,
                                .passes = index->options.passes,
                                .progress = r->progress ? report : NULL,
                                .user = r,
                                .only = members_of(&parts->part[p]),
                                .rows = target};
    if (!target)
        return KITH_OK;
    r->p = p;
    if (index->graph->codes != parts->whole->graph->codes) {
        kith_status status = renew_graph(parts, p);
        if (status)
            return status;
    }
    ki_index_measure(index, &options);
    return ki_graph_build(index->graph, &options);
}

kith_status ki_parts_follow(ki_parts *parts, kith_progress_fn progress, void *user)
{
    const ki_graph *graph = parts->whole->graph;
    const uint32_t target = graph ? graph->seen : ki_store_rows(parts->whole->store->engine);
    reports r = {.progress = progress, .user = user, .count = parts->count};
    kith_status status = check_whole(parts->whole);
    if (status)
        return status;
    parts->version++;
    if (parts->count > 1)
        status = deal(parts, target);
    for (uint32_t p = 0; p < parts->count && parts->count > 1 && graph && !status; p++)
        status = link_part(parts, p, target, &r);
    if (!status)
        parts->seen = target;
    return status;
}

/* ---- facts ---- */

uint64_t ki_parts_version(const ki_parts *parts)
{
    return parts->version;
}

uint32_t ki_parts_count(const ki_parts *parts)
{
    return parts->count;
}

kith_index *ki_parts_whole(const ki_parts *parts)
{
    return parts->whole;
}

uint32_t ki_parts_seen(const ki_parts *parts)
{
    return parts->seen;
}

const uint32_t *ki_part_rows(const ki_parts *parts, uint32_t p, uint32_t *count)
{
    *count = parts->count > 1 ? parts->part[p].count : parts->seen;
    return parts->count > 1 ? rows_of(&parts->part[p]) : NULL;
}

kith_index *ki_part_index(const ki_parts *parts, uint32_t p)
{
    return parts->count > 1 && parts->whole->graph ? parts->part[p].index : parts->whole;
}

const ki_graph *ki_part_graph(const ki_parts *parts, uint32_t p)
{
    return ki_part_index(parts, p)->graph;
}

uint32_t ki_part_ef(const ki_parts *parts, uint32_t ef, uint32_t k)
{
    const uint32_t width = ef > k ? ef : k;
    const double share = (double)width / parts->count;
    const double spread = sqrt(share * (1 - 1.0 / parts->count));
    const double kept = ceil(share + 1.5 * spread + log2(parts->count));
    return kept < width ? (uint32_t)kept : width;
}
