/* copy_device.c - a copy on a device: rows and graph are sent, queries follow, answers come back.
 *
 * May touch copy_inside.h. Rows that a device holds stay there; only new ones are sent, unless
 * codes were learnt anew. What a device finds by codes, or by sums that it rounds in its own order,
 * is measured again by rows on the host: so keys are the host's, and merge with those of any copy.
 */
#include "index/copy_inside.h"

#include <string.h>

static ki_device *device_of(const ki_copy *copy)
{
    return copy->device ? copy->device : copy->own;
}

static void forget_rows(ki_copy *copy)
{
    if (copy->sent)
        device_of(copy)->ops->drop_rows(copy->sent);
    copy->sent = NULL;
    copy->sent_count = copy->sent_lessons = 0;
}

void ki_copy_drop_device(ki_copy *copy)
{
    forget_rows(copy);
    ki_ranker_close(&copy->ranker);
    ki_free(copy->local);
    copy->local = NULL;
    if (copy->own)
        copy->own->ops->close(copy->own);
    copy->own = NULL;
}

/* ---- sending ---- */

static kith_status check_memory(const ki_copy *copy, const ki_packed *packed)
{
    const ki_copy_limits *limits = &copy->limits;
    if (!limits->memory_bytes || copy->own)
        return KITH_OK;
    const uint64_t left =
        limits->memory_bytes > limits->used_bytes ? limits->memory_bytes - limits->used_bytes : 0;
    return packed->bytes <= left
               ? KITH_OK
               : ki_fail(KITH_ENOMEM,
                         "%u rows of partition %u take %llu bytes, and of %llu on the "
                         "device %llu are taken",
                         copy->count, copy->p, (unsigned long long)packed->bytes,
                         (unsigned long long)limits->memory_bytes,
                         (unsigned long long)limits->used_bytes);
}

/* The live bits by places, where these are not row numbers. */
static kith_status follow_live(ki_copy *copy)
{
    if (!copy->rows || !copy->local)
        return KITH_OK;
    memset(copy->local, 0, (copy->count / 64 + 1) * sizeof *copy->local);
    for (uint32_t i = 0; i < copy->count; i++) {
        const uint32_t row = copy->rows[i];
        copy->local[i / 64] |= (copy->live[row / 64] >> row % 64 & 1) << i % 64;
    }
    return KITH_OK;
}

static const uint64_t *live_by_places(const ki_copy *copy)
{
    return copy->rows ? copy->local : copy->live;
}

kith_status ki_copy_tell_live(ki_copy *copy)
{
    ki_device *device = device_of(copy);
    copy->untold = false;
    if (!device || !copy->sent || !device->ops->set_live)
        return KITH_OK;
    kith_status status = copy->all_live ? KITH_OK : follow_live(copy);
    if (!status)
        status = device->ops->set_live(copy->sent, copy->all_live ? NULL : live_by_places(copy));
    copy->untold = status != KITH_OK; /* then the next search tries again */
    return status;
}

/* Rows that grow lie twice on the device for a while: is there room for that? */
static bool has_room_for_both(const ki_copy *copy, const ki_packed *packed)
{
    const ki_copy_limits *limits = &copy->limits;
    return !limits->memory_bytes ||
           limits->used_bytes + copy->bytes + packed->bytes <= limits->memory_bytes;
}

/* The first rows may be there, unless they are other codes now, or the memory that the device looks
 * at has moved. */
static kith_status send_rows(ki_copy *copy, ki_packed *packed)
{
    ki_device *device = device_of(copy);
    kith_status status = KITH_OK;
    if (copy->codes != packed->codes || copy->sent_lessons != packed->lessons ||
        copy->sent_count > copy->count || copy->own)
        forget_rows(copy);
    if (copy->sent && copy->sent_count == copy->count)
        return KITH_OK;
    if (!has_room_for_both(copy, packed)) /* then all of them are sent again */
        forget_rows(copy);
    if (!packed->codes) /* codes were packed while they could not change */
        status = ki_pack_rows(copy, packed);
    packed->set.live = copy->own || !copy->all_live ? live_by_places(copy) : NULL;
    if (!status && copy->count)
        status = device->ops->put_rows(device, &packed->set, &copy->sent);
    if (status)
        return status;
    copy->sent_count = copy->count;
    copy->sent_lessons = packed->lessons;
    copy->codes = packed->codes;
    return KITH_OK;
}

/* Looks at nothing that a build changes: see copy_pack.c. */
static kith_status send(ki_copy *copy, ki_packed *packed)
{
    kith_status status = follow_live(copy);
    if (!status)
        status = send_rows(copy, packed);
    if (!status && packed->graph.layers)
        status = device_of(copy)->ops->put_graph(copy->sent, &packed->graph);
    if (status)
        return status;
    copy->walks = packed->graph.layers > 0;
    copy->digest = ki_pack_digest(copy, packed);
    copy->bytes = copy->own ? 0 : packed->bytes;
    return ki_copy_tell_live(copy);
}

kith_status ki_copy_make_device(ki_copy *copy)
{
    ki_packed packed;
    ki_ranker_close(&copy->ranker);
    ki_free(copy->local);
    copy->local = NULL;
    if (copy->rows && !(copy->local = ki_zalloc((copy->count / 64 + 1) * sizeof *copy->local)))
        return ki_no_memory("the live rows of a copy", copy->count / 8);
    ki_pack_size(copy, copy->count, &packed);
    kith_status status = check_memory(copy, &packed);
    if (!status && packed.codes)
        status = ki_pack_rows(copy, &packed);
    if (!status)
        status = ki_pack_graph(copy, true, &packed);
    ki_copy_let_go(copy);
    if (!status)
        status = send(copy, &packed);
    ki_pack_close(&packed);
    return status;
}

uint64_t ki_copy_need(const ki_copy *copy)
{
    uint32_t count;
    ki_packed packed;
    ki_part_rows(copy->parts, copy->p, &count);
    ki_pack_size(copy, count, &packed);
    return copy->device ? packed.bytes : 0;
}

/* ---- walking ---- */

static bool is_float(kith_type type)
{
    return type == KITH_F32 || type == KITH_F16 || type == KITH_BF16;
}

/* One search of a device, made ready. */
typedef struct device_search {
    const kith_store_options *store;
    const ki_codes *codes;
    kith_search_options options;
    ki_queries queries; /* as the rows take them */
    bool ranked;        /* keys of the device are not those of the rows on the host */
    uint32_t ef, want;
} device_search;

static kith_status prepare(const ki_copy *copy, const ki_copy_request *request, device_search *s)
{
    const kith_store_options *so = &ki_parts_whole(copy->parts)->store->options;
    const uint32_t most = copy->device->ops->max_ef(copy->device), k = request->options.k;
    const bool mixed = request->f32 && so->type != KITH_F32;
    *s = (device_search){
        .store = so, .codes = copy->codes, .options = request->options, .ef = request->options.ef};
    s->options.f32_queries = request->f32;
    s->queries = (ki_queries){request->queries, request->query_bytes, request->count,
                              ki_pairing_of(so->type, mixed), mixed};
    s->ranked = s->codes || is_float(so->type) || (mixed && so->type != KITH_B1) ||
                so->metric == KITH_JACCARD;
    if (s->codes)
        s->want = ki_rerank_places(s->codes, &s->options, s->ef);
    else
        s->want = s->ranked ? ki_rank_wanted(k) : k;
    s->want = s->want < s->ef ? s->want : s->ef;
    return s->ef <= most
               ? KITH_OK
               : ki_fail(KITH_EUNSUPPORTED, "ef = %u, and a walk on this device keeps at most %u",
                         s->ef, most);
}

/* Queries as the device's rows take them: codes, or bits, or as they are. */
static kith_status translate(ki_copy *copy, const device_search *s, ki_device_queries *out,
                             unsigned char **owned)
{
    ki_queries queries = s->queries;
    const ki_queries *from = &queries;
    kith_status status = ki_queries_to_bits(s->store->type, s->store->dim, &queries, owned);
    *out = (ki_device_queries){from->base, from->stride, from->count, from->f32};
    if (status)
        return status;
    if (!s->codes)
        return KITH_OK;
    const size_t dim = s->codes->dim, all = from->count * dim, room = (all + 63) / 64 * 64;
    const size_t bytes = room + ki_codes_scratch(s->codes);
    unsigned char *codes = ki_copy_room_of(&copy->queries, bytes);
    if (!codes)
        return ki_no_memory("queries as codes", bytes);
    for (size_t i = 0; i < from->count; i++)
        memcpy(codes + i * dim,
               ki_codes_query(s->codes, NULL, ki_query_at(from, i), from->f32, codes + room), dim);
    *out = (ki_device_queries){codes, dim, from->count, 0};
    return KITH_OK;
}

static kith_status open_ranker(ki_copy *copy, const device_search *s)
{
    const kith_index *whole = ki_parts_whole(copy->parts);
    const ki_ranker_options options = {.kernel =
                                           &whole->kernels.at[s->store->metric][s->queries.pairing],
                                       .pairing = s->queries.pairing,
                                       .f32 = s->queries.f32,
                                       .dim = s->store->dim,
                                       .k = s->options.k,
                                       .places = s->want};
    if (copy->ranker.kernel && ki_copy_same_search(&copy->ranked_for, &s->options))
        return KITH_OK;
    ki_ranker_close(&copy->ranker);
    copy->ranked_for = s->options;
    return ki_ranker_open(&options, &copy->ranker);
}

/* The device's answers to one query, `found`, in place by places: as pool entries by rows. */
static ki_pool entries_of(const ki_copy *copy, uint64_t *found, uint32_t want)
{
    ki_pool pool = {.entry = found, .capacity = want};
    while (pool.size < want && found[pool.size] != UINT64_MAX) {
        const uint64_t answer = found[pool.size];
        found[pool.size++] =
            ki_pool_entry((uint32_t)(answer >> 32), ki_copy_row(copy, (uint32_t)answer));
    }
    return pool;
}

static void take_answers(ki_copy *copy, const device_search *s, uint64_t *found, uint64_t *answers)
{
    const ki_row_set set = ki_store_row_set(ki_parts_whole(copy->parts)->store->engine, s->store);
    const uint32_t k = s->options.k;
    for (size_t i = 0; i < s->queries.count; i++) {
        const ki_pool pool = entries_of(copy, found + i * s->want, s->want);
        if (!s->ranked) {
            ki_pool_answers(&pool, NULL, k, answers + i * k);
            continue;
        }
        ki_ranker_aim(&copy->ranker, ki_query_at(&s->queries, i));
        ki_ranker_rank(&copy->ranker, &set.rows, &pool, NULL);
        ki_pool_answers(&copy->ranker.pool, NULL, k, answers + i * k);
    }
}

kith_status ki_copy_walk_device(ki_copy *copy, const ki_copy_request *request, uint64_t *answers,
                                ki_copy_counts *counts)
{
    device_search s;
    ki_device_queries asked = {0};
    ki_walk_counts walked = {0};
    unsigned char *owned = NULL;
    kith_status status = prepare(copy, request, &s);
    if (!status)
        status = translate(copy, &s, &asked, &owned);
    if (!status && s.ranked)
        status = open_ranker(copy, &s);
    if (!status)
        status = ki_copy_turn_to_device(copy, request);
    const size_t bytes = request->count * s.want * sizeof(uint64_t);
    uint64_t *found = status ? NULL : ki_copy_room_of(&copy->answers, bytes);
    if (!status && !found)
        status = ki_no_memory("answers of a device", bytes);
    if (!status)
        status = copy->device->ops->walk(copy->sent, &asked, s.ef, s.want, found, &walked);
    ki_free(owned);
    if (status)
        return status;
    const uint64_t reranks = copy->ranker.reranks;
    take_answers(copy, &s, found, answers);
    counts->distances += walked.distances;
    counts->hops += walked.hops;
    counts->reranks += s.codes ? copy->ranker.reranks - reranks : 0;
    counts->mode = s.codes ? KITH_MODE_CODES : KITH_MODE_ROWS;
    return KITH_OK;
}
