/* flat.c - exact search: the oracle of every test, and the answer where a graph does not pay.
 *
 * A device answers with rounded or exact keys for the rows that it was given. What it cannot know
 * is added here: rows that were put since are scanned on the host, rows that were deleted since
 * are asked for in excess and dropped, and rounded keys are ranked again (rerank.c). So a search
 * sees every write, and its answer is the same on every device.
 *
 * One search at a time: devices promise no more. Writers go on beside it, so liveness is copied
 * when a search begins: it sees the rows of one moment.
 */
#include "index/flat.h"
#include "index/host.h"
#include <pthread.h>

enum { CHUNK = 1024 }; /* queries answered at a time: bounds the memory for candidates */

struct ki_flat {
    ki_device *device;
    ki_device_rows *rows; /* NULL on the host and before the first refresh */
    bool on_host;
    const ki_kernels *kernels; /* of the host, for newer rows and further candidates */
    const ki_kernel *kernel;   /* the one of this search's queries */
    const ki_store *engine;
    kith_store_options store;
    ki_workers *workers;
    uint32_t given;      /* rows that the device holds are below this */
    uint64_t given_live; /* how many of them were live */
    bool built;          /* on a device: it holds `given` rows, be it none */
    uint64_t *live;      /* of the moment that a search or a refresh sees, a bit a row */
    uint32_t live_room;  /* words */
    double largest_norm; /* of rows below norm_rows */
    uint32_t norm_rows;
    pthread_mutex_t mutex; /* one search at a time */
};

ki_row_set ki_store_row_set(const ki_store *engine, const kith_store_options *store)
{
    const ki_slab *slab = ki_store_slab(engine);
    return (ki_row_set){.rows = {.base = slab->base,
                                 .stride = slab->stride,
                                 .aux = slab->aux,
                                 .aux_stride = slab->aux_stride,
                                 .dim = store->dim},
                        .live = ki_store_live(engine),
                        .count = ki_store_rows(engine),
                        .type = store->type,
                        .metric = store->metric};
}

kith_status ki_flat_open(ki_device *device, bool on_host, const ki_kernels *kernels,
                         const ki_store *engine, const kith_store_options *store, uint32_t threads,
                         ki_flat **out)
{
    ki_flat *flat = ki_zalloc(sizeof *flat);
    if (!flat) {
        device->ops->close(device);
        return ki_no_memory("a flat index", sizeof *flat);
    }
    *flat = (ki_flat){.device = device,
                      .on_host = on_host,
                      .kernels = kernels,
                      .engine = engine,
                      .store = *store};
    pthread_mutex_init(&flat->mutex, NULL);
    kith_status status = ki_workers_open(threads, &flat->workers);
    if (status)
        ki_flat_close(flat);
    else
        *out = flat;
    return status;
}

void ki_flat_close(ki_flat *flat)
{
    if (!flat)
        return;
    if (flat->rows)
        flat->device->ops->drop_rows(flat->rows);
    flat->device->ops->close(flat->device);
    ki_workers_close(flat->workers);
    ki_free(flat->live);
    pthread_mutex_destroy(&flat->mutex);
    ki_free(flat);
}

static kith_status make_room(ki_flat *flat, uint32_t words)
{
    if (flat->live && words <= flat->live_room)
        return KITH_OK;
    const uint32_t room = words + words / 8 + 1;
    uint64_t *live = ki_alloc(room * sizeof *live);
    if (!live)
        return ki_no_memory("which rows live", room * sizeof *live);
    ki_free(flat->live);
    flat->live = live;
    flat->live_room = room;
    return KITH_OK;
}

static uint32_t words_of(uint32_t rows)
{
    return (rows + 63) / 64;
}

/* The rows as of one commit, with liveness of their own. */
static kith_status see_moment(ki_flat *flat, ki_row_set *set)
{
    kith_status status = make_room(flat, words_of(ki_store_rows(flat->engine)));
    bool seen = false;
    while (!status && !seen) {
        ki_store_read_lock(flat->engine);
        *set = ki_store_row_set(flat->engine, &flat->store);
        seen = words_of(set->count) <= flat->live_room;
        if (seen)
            memcpy(flat->live, set->live, words_of(set->count) * sizeof *flat->live);
        ki_store_read_unlock(flat->engine);
        if (!seen) /* a writer was quicker */
            status = make_room(flat, words_of(set->count));
    }
    set->live = flat->live;
    return status;
}

static uint64_t live_below(const uint64_t *live, uint32_t rows)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < rows / 64; i++)
        count += (uint64_t)__builtin_popcountll(live[i]);
    if (rows % 64)
        count += (uint64_t)__builtin_popcountll(live[rows / 64] & ((UINT64_C(1) << rows % 64) - 1));
    return count;
}

static kith_status give_rows(ki_flat *flat, const ki_row_set *set)
{
    ki_device_rows *rows = NULL;
    if (flat->rows)
        flat->device->ops->drop_rows(flat->rows);
    flat->rows = NULL;
    flat->given = 0;
    flat->given_live = 0;
    flat->built = false; /* the device may have no room for old and new rows side by side */
    if (set->count) {
        kith_status status = flat->device->ops->put_rows(flat->device, set, &rows);
        if (status)
            return status;
    }
    flat->built = true;
    flat->rows = rows;
    flat->given = set->count;
    flat->given_live = live_below(set->live, set->count);
    return KITH_OK;
}

kith_status ki_flat_refresh(ki_flat *flat)
{
    ki_row_set set;
    pthread_mutex_lock(&flat->mutex);
    kith_status status = see_moment(flat, &set);
    if (!status)
        status = give_rows(flat, &set);
    pthread_mutex_unlock(&flat->mutex);
    return status;
}

/* Merges the answers of newer rows into those of the device, in place: both ascending. */
static void merge(uint64_t *answers, uint32_t have, const uint64_t *newer)
{
    ki_pool pool = {.entry = answers, .size = have, .capacity = have};
    for (uint32_t i = 0; i < have && newer[i] < answers[have - 1]; i++)
        ki_pool_offer(&pool, newer[i]);
}

/* Rows deleted since the device got them leave; the rest moves up. */
static void drop_dead(const uint64_t *live, uint64_t *answers, uint32_t have)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < have && answers[i] != UINT64_MAX; i++)
        if (ki_is_live(live, (uint32_t)answers[i]))
            answers[n++] = answers[i];
    while (n < have)
        answers[n++] = UINT64_MAX;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Rows that the device never got, compared on the host and merged with its answers. */
static kith_status scan_newer(ki_flat *flat, const ki_row_set *set, const ki_queries *queries,
                              uint32_t want, uint64_t *answers, uint64_t *beyond)
{
    size_t bytes = queries->count * want * sizeof *answers;
    uint64_t *newer = ki_alloc(bytes);
    if (!newer)
        return ki_no_memory("answers from new rows", bytes);
    kith_status status =
        ki_scan(flat->kernel, set, flat->given, set->count, queries, want, flat->workers, newer);
    for (size_t i = 0; i < queries->count && !status; i++) {
        uint64_t *mine = answers + i * want;
        merge(mine, want, newer + i * want);
        beyond[i] = least(beyond[i], least(newer[(i + 1) * want - 1], mine[want - 1]));
    }
    ki_free(newer);
    return status;
}

/* The device's answers, brought up to date with the table. `beyond` as in ki_candidates: taken
 * before dead rows leave, since a row behind the device's last answer is still behind it. */
static kith_status scan_device(ki_flat *flat, const ki_row_set *set, const ki_queries *queries,
                               uint32_t want, uint64_t *answers, uint64_t *beyond)
{
    const ki_device_queries asked = {queries->base, queries->stride, queries->count, queries->f32};
    kith_status status = KITH_OK;
    if (flat->rows)
        status = flat->device->ops->scan(flat->rows, &asked, want, answers);
    else
        memset(answers, 0xff, queries->count * want * sizeof *answers);
    if (status)
        return status;
    for (size_t i = 0; i < queries->count; i++) {
        beyond[i] = answers[(i + 1) * want - 1];
        drop_dead(set->live, answers + i * want, want);
    }
    if (set->count == flat->given)
        return KITH_OK;
    return scan_newer(flat, set, queries, want, answers, beyond);
}

static bool keys_are_exact(const ki_flat *flat)
{
    return flat->kernel->form != KI_KEY_FLOAT;
}

kith_status ki_flat_rank(const ki_row_set *set, const ki_rounding *rounding,
                         const ki_kernel *kernel, const ki_queries *queries,
                         const ki_candidates *candidates, uint32_t k, ki_workers *workers,
                         ki_ranked *ranked)
{
    const uint32_t have = candidates->have;
    if (kernel->form == KI_KEY_FLOAT)
        return ki_rank_all(set, rounding, kernel, queries, candidates, k, workers, ranked);
    for (size_t i = 0; i < queries->count; i++)
        ki_rank_exact_keys(kernel->form, candidates->answers + i * have, have, k, ranked + i * k);
    return KITH_OK;
}

/* Scans, and ranks again where it must. `answers` holds want + 1 places a query. */
static kith_status answer_chunk(ki_flat *flat, const ki_row_set *set, const ki_rounding *rounding,
                                const ki_queries *queries, uint32_t k, uint32_t want,
                                uint64_t *answers, ki_ranked *ranked)
{
    uint64_t *beyond = answers + queries->count * want;
    kith_status status = scan_device(flat, set, queries, want, answers, beyond);
    if (status)
        return status;
    const ki_candidates candidates = {answers, beyond, want};
    return ki_flat_rank(set, rounding, flat->kernel, queries, &candidates, k, flat->workers,
                        ranked);
}

/* On the host the rows are where they are: a view of them as of now is all the device needs. */
static kith_status see_rows_now(ki_flat *flat, uint32_t k, ki_row_set *set, uint32_t *want)
{
    kith_status status = see_moment(flat, set);
    if (!status && flat->on_host)
        status = give_rows(flat, set);
    if (!status && !flat->built)
        status = ki_fail(KITH_EINVAL, "the device holds no rows yet; build the index first");
    if (status)
        return status;
    uint64_t dead = flat->given_live - live_below(set->live, flat->given);
    uint64_t most = flat->device->ops->max_k(flat->device);
    uint64_t wanted = (keys_are_exact(flat) ? k : ki_rank_wanted(k)) + dead;
    if (wanted > most)
        return ki_fail(
            KITH_EUNSUPPORTED,
            "k = %u takes %llu answers, with %llu rows deleted since the build, and this "
            "device gives %llu; %ssearch on the host",
            k, (unsigned long long)wanted, (unsigned long long)dead, (unsigned long long)most,
            dead ? "build the index again or " : "");
    *want = (uint32_t)wanted;
    return KITH_OK;
}

/* Deleted rows keep their share in the largest norm: it only has to be large enough. */
static ki_rounding rounding_now(ki_flat *flat, const ki_row_set *set, size_t nq)
{
    bool by_norms = flat->on_host && ki_host_multiplies(flat->device, set->type, nq);
    flat->largest_norm = ki_largest_norm(set, flat->norm_rows, flat->largest_norm);
    flat->norm_rows = set->count;
    return (ki_rounding){flat->kernel->form, flat->largest_norm, by_norms};
}

kith_status ki_flat_search(ki_flat *flat, const ki_queries *queries, uint32_t k, ki_ranked *ranked)
{
    pthread_mutex_lock(&flat->mutex);
    flat->kernel = &flat->kernels->at[flat->store.metric][queries->pairing];
    uint32_t want = 0;
    uint64_t *answers = NULL;
    ki_row_set set;
    kith_status status = see_rows_now(flat, k, &set, &want);
    size_t chunk = queries->count < CHUNK ? queries->count : CHUNK;
    size_t bytes = chunk * ((size_t)want + 1) * sizeof *answers;
    if (!status && !(answers = ki_alloc(bytes)))
        status = ki_no_memory("answers", bytes);
    for (size_t i = 0; i < queries->count && !status; i += chunk) {
        size_t left = queries->count - i;
        ki_queries part = *queries;
        part.base = ki_query_at(queries, i);
        part.count = left < chunk ? left : chunk;
        ki_rounding rounding = {0};
        if (!keys_are_exact(flat))
            rounding = rounding_now(flat, &set, part.count);
        status = answer_chunk(flat, &set, &rounding, &part, k, want, answers, ranked + i * k);
    }
    ki_free(answers);
    pthread_mutex_unlock(&flat->mutex);
    return status;
}

kith_status ki_queries_to_bits(kith_type rows, uint32_t dim, ki_queries *queries,
                               unsigned char **bits)
{
    const size_t row_bytes = kith_vector_bytes(KITH_B1, dim), bytes = queries->count * row_bytes;
    *bits = NULL;
    if (rows != KITH_B1 || !queries->f32)
        return KITH_OK;
    unsigned char *to = ki_zalloc(bytes);
    if (!to)
        return ki_no_memory("queries as bits", bytes);
    for (size_t i = 0; i < queries->count; i++) {
        const float *query = ki_query_at(queries, i);
        for (uint32_t j = 0; j < dim; j++)
            to[i * row_bytes + j / 8] |= (unsigned char)((query[j] > 0) << j % 8);
    }
    *bits = to;
    *queries = (ki_queries){to, row_bytes, queries->count, KI_B1, false};
    return KITH_OK;
}

void ki_flat_stat(const ki_flat *flat, uint64_t *rows, uint64_t *bytes)
{
    const ki_slab *slab = ki_store_slab(flat->engine);
    *rows = flat->on_host ? ki_store_live_count(flat->engine) : flat->given_live;
    *bytes = flat->on_host ? 0 : (uint64_t)flat->given * slab->stride;
}
