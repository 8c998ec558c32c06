/* shaky_device.c - see shaky_device.h. */
#include "tests/shaky_device.h"
#include "tests/walk_device.h"

#include <string.h>
#include <time.h>

shaky_switches shaky[SHAKY_DEVICES];

static const ki_kernels *kernels_of_all;
static walk_device_counts counts[SHAKY_DEVICES];
static ki_open_device_fn opened_before;
static bool on_opencl;

typedef struct device {
    ki_device base;
    ki_device *inner;
    shaky_switches *s;
} device;

struct ki_device_rows {
    device *device;
    ki_device_rows *inner;
};

void sleep_ms(unsigned ms)
{
    const struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static device *of(const ki_device *base)
{
    union {
        const ki_device *given;
        device *ours;
    } both = {base};
    return both.ours;
}

static void hang(shaky_switches *s, unsigned call)
{
    if (!(atomic_load(&s->hangs_in) & call))
        return;
    atomic_fetch_add(&s->waits, 1);
    while (atomic_load(&s->hangs_in) & call)
        sleep_ms(1);
    atomic_fetch_sub(&s->waits, 1);
}

static void device_info(const ki_device *base, kith_device_info *out)
{
    of(base)->inner->ops->info(of(base)->inner, out);
}

static kith_status put_rows(ki_device *base, const ki_row_set *set, ki_device_rows **out)
{
    ki_device_rows *rows = *out ? *out : calloc(1, sizeof *rows);
    assert_non_null(rows);
    rows->device = of(base);
    hang(rows->device->s, SHAKY_ROWS);
    kith_status status = of(base)->inner->ops->put_rows(of(base)->inner, set, &rows->inner);
    if (status && !rows->inner) {
        free(rows);
        rows = NULL;
    }
    *out = rows;
    return status;
}

static void drop_rows(ki_device_rows *rows)
{
    rows->device->inner->ops->drop_rows(rows->inner);
    free(rows);
}

/* So that a device which is to be in trouble gets a part of the work, however late its thread is
 * run. */
static bool in_trouble(const shaky_switches *s)
{
    return atomic_load(&s->failing) || atomic_load(&s->hung);
}

/* What a search goes through before it is answered. */
static kith_status suffer(shaky_switches *s, size_t n)
{
    const uint64_t ns = (uint64_t)atomic_load(&s->ns_per_query) * n;
    const struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    if (atomic_load(&s->hanging)) {
        atomic_fetch_add(&s->hung, 1);
        while (atomic_load(&s->hanging))
            sleep_ms(1);
        atomic_fetch_sub(&s->hung, 1);
    }
    for (unsigned after; (after = atomic_load(&s->after)) && !in_trouble(&shaky[after - 1]);)
        sleep_ms(1);
    if (ns)
        nanosleep(&time, NULL);
    if (atomic_load(&s->fail_after) > 0 && atomic_fetch_sub(&s->fail_after, 1) == 1)
        atomic_store(&s->failing, true);
    if (atomic_load(&s->failing))
        return ki_fail(KITH_EDEVICE, "the shaky device was told to fail");
    if (n > atomic_load(&s->largest))
        atomic_store(&s->largest, (unsigned)n);
    atomic_fetch_add(&s->queries, (unsigned)n);
    return KITH_OK;
}

static kith_status scan(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                        uint64_t *answers)
{
    shaky_switches *s = rows->device->s;
    const uint64_t start = ki_now_ns();
    kith_status status = suffer(s, queries->count);
    if (!status)
        status = rows->device->inner->ops->scan(rows->inner, queries, k, answers);
    atomic_fetch_add(&s->busy_ns, ki_now_ns() - start);
    return status;
}

static kith_status set_live(ki_device_rows *rows, const uint64_t *live)
{
    hang(rows->device->s, SHAKY_LIVE);
    return rows->device->inner->ops->set_live(rows->inner, live);
}

static kith_status put_graph(ki_device_rows *rows, const ki_device_graph *graph)
{
    hang(rows->device->s, SHAKY_GRAPH);
    return rows->device->inner->ops->put_graph(rows->inner, graph);
}

static kith_status walk(ki_device_rows *rows, const ki_device_queries *queries, uint32_t ef,
                        uint32_t want, uint64_t *answers, ki_walk_counts *walked)
{
    shaky_switches *s = rows->device->s;
    const uint64_t start = ki_now_ns();
    kith_status status = suffer(s, queries->count);
    if (!status)
        status = rows->device->inner->ops->walk(rows->inner, queries, ef, want, answers, walked);
    atomic_fetch_add(&s->busy_ns, ki_now_ns() - start);
    return status;
}

static uint32_t max_k(const ki_device *base)
{
    return of(base)->inner->ops->max_k(of(base)->inner);
}

static uint32_t max_ef(const ki_device *base)
{
    return of(base)->inner->ops->max_ef(of(base)->inner);
}

static void device_close(ki_device *base)
{
    of(base)->inner->ops->close(of(base)->inner);
    free(base);
}

static const ki_device_ops ops = {.info = device_info,
                                  .put_rows = put_rows,
                                  .drop_rows = drop_rows,
                                  .scan = scan,
                                  .max_k = max_k,
                                  .set_live = set_live,
                                  .put_graph = put_graph,
                                  .walk = walk,
                                  .max_ef = max_ef,
                                  .close = device_close};

static kith_status open_shaky(const ki_device_name *name, ki_device **out)
{
    const uint32_t at = name->ordinal + name->part;
    ki_device *inner = NULL;
    *out = NULL;
    if (name->host)
        return KITH_OK;
    if (at >= SHAKY_DEVICES || atomic_load(&shaky[at].absent))
        return ki_fail(KITH_ENODEVICE, "there is no device 'ocl%u'", name->ordinal);
    hang(&shaky[at], SHAKY_OPEN);
    kith_status status = on_opencl ? opened_before(name, &inner) : KITH_OK;
    if (status)
        return status;
    device *d = calloc(1, sizeof *d);
    assert_non_null(d);
    d->base.ops = &ops;
    d->s = &shaky[at];
    d->inner = inner ? inner : walk_device_open(kernels_of_all, 4096, &counts[at]);
    atomic_fetch_add(&d->s->opened, 1);
    *out = &d->base;
    return KITH_OK;
}

void shaky_begin(const ki_kernels *kernels)
{
    kernels_of_all = kernels;
    memset(shaky, 0, sizeof shaky);
    memset(counts, 0, sizeof counts);
    opened_before = ki_replicas_open_device;
    ki_replicas_open_device = open_shaky;
    on_opencl = false;
}

void shaky_use_opencl(void)
{
    on_opencl = true;
}

void shaky_end(void)
{
    ki_replicas_open_device = opened_before;
}

/* ---- benches ---- */

void bench_open(shaky_bench *b, kith_index_kind kind, kith_type type, size_t n, size_t queries,
                uint64_t *random)
{
    bench_open_walk(b, kind, KITH_WALK_AUTO, type, n, queries, random);
}

void bench_open_walk(shaky_bench *b, kith_index_kind kind, kith_walk walk_kind, kith_type type,
                     size_t n, size_t queries, uint64_t *random)
{
    kith_index_options options = kith_index_defaults(kind);
    options.threads = 1;
    options.ef_construction = 40;
    options.m = 8;
    options.walk = walk_kind;
    b->rows = matrix_clustered(type, 16, n, 20, random);
    b->queries = matrix_clustered(type, 16, queries, 20, random);
    b->store = store_of(&b->rows, KITH_L2SQ);
    b->index = index_on(b->store, &options);
    must(kith_index_build(b->index, NULL, NULL));
    shaky_begin(&b->index->kernels);
}

void bench_close(shaky_bench *b)
{
    shaky_end();
    kith_index_close(b->index);
    kith_store_close(b->store);
    matrix_free(&b->rows);
    matrix_free(&b->queries);
}

kith_replicas_options shaky_options(uint32_t partitions, uint32_t copies, uint32_t devices)
{
    static const char *const names[SHAKY_DEVICES] = {"ocl0", "ocl1", "ocl2", "ocl3",
                                                     "ocl4", "ocl5", "ocl6", "ocl7"};
    kith_replicas_options options = kith_replicas_defaults(partitions, copies);
    options.devices = names;
    options.device_count = devices;
    options.threads = 1;
    return options;
}

kith_hit *exact_hits(const shaky_bench *b, size_t nq, uint32_t k)
{
    kith_index_options options = kith_index_defaults(KITH_FLAT);
    kith_search_options search = kith_search_defaults(k);
    kith_hit *hits = malloc(nq * k * sizeof *hits);
    assert_non_null(hits);
    options.threads = 1;
    kith_index *flat = index_on(b->store, &options);
    must(kith_index_build(flat, NULL, NULL));
    must(kith_index_search(flat, b->queries.bytes, nq, &search, hits, NULL));
    kith_index_close(flat);
    return hits;
}

void same_hits(const kith_hit *right, const kith_hit *got, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (right[i].row != got[i].row || right[i].key != got[i].key ||
            right[i].distance < got[i].distance || right[i].distance > got[i].distance)
            fail_msg("%s: hit %zu is row %u at %g, not row %u at %g", what, i, got[i].row,
                     (double)got[i].distance, right[i].row, (double)right[i].distance);
}

kith_copy_info copy_info(const kith_replicas *replicas, size_t i)
{
    kith_copy_info info = {.size = sizeof info};
    must(kith_replicas_copy(replicas, i, &info));
    return info;
}

void await_state(const kith_replicas *replicas, size_t i, kith_copy_state state)
{
    for (int ms = 0; copy_info(replicas, i).state != state; ms++) {
        if (ms == 60000)
            fail_msg("copy %zu is %s after a minute, not %s: %s", i,
                     kith_copy_state_name(copy_info(replicas, i).state),
                     kith_copy_state_name(state), copy_info(replicas, i).reason);
        sleep_ms(1);
    }
}
