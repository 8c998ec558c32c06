/* copy_life.c - see copy.h: a copy is opened, refreshed, searched and described.
 *
 * May touch copy_inside.h. Which rows live is read from the store once, at the first search after a
 * write, and held for the whole of a search: bits that change meanwhile would let a batch see some
 * of a commit and not the rest. The store publishes an LSN after the bits of its commit, so bits
 * read after it show that commit, or later ones, which then come with an LSN of their own.
 */
#include "index/copy_inside.h"

#include <string.h>

enum { LINE = 64 };

void *ki_copy_room_of(ki_copy_room *room, size_t bytes)
{
    if (bytes <= room->size && room->bytes)
        return room->bytes;
    ki_free(room->bytes);
    room->bytes = ki_alloc_aligned(LINE, bytes);
    room->size = room->bytes ? bytes : 0;
    return room->bytes;
}

bool ki_copy_same_search(const kith_search_options *a, const kith_search_options *b)
{
    return a->k == b->k && a->ef == b->ef && a->prefetch_lines == b->prefetch_lines &&
           a->f32_queries == b->f32_queries && !(a->rerank < b->rerank || a->rerank > b->rerank);
}

/* ---- open and close ---- */

static kith_status check_device(const ki_parts *parts, const ki_device *device)
{
    kith_device_info info = {.size = sizeof info};
    if (!device || !ki_parts_whole(parts)->graph || (device->ops->walk && device->ops->put_graph))
        return KITH_OK;
    device->ops->info(device, &info);
    return ki_fail(KITH_EUNSUPPORTED, "'%s' walks no graphs; it takes flat indexes", info.id);
}

kith_status ki_copy_open(ki_parts *parts, uint32_t p, ki_device *device, ki_copy **out)
{
    if (p >= ki_parts_count(parts))
        return ki_fail(KITH_EINVAL, "partition %u is none of %u", p, ki_parts_count(parts));
    kith_status status = check_device(parts, device);
    if (status)
        return status;
    ki_copy *copy = ki_zalloc(sizeof *copy);
    if (!copy)
        return ki_no_memory("a copy of a partition", sizeof *copy);
    copy->parts = parts;
    copy->p = p;
    copy->device = device;
    *out = copy;
    return KITH_OK;
}

/* Back to an empty copy. */
static void drop_all(ki_copy *copy)
{
    ki_copy_drop_host(copy);
    ki_copy_drop_device(copy);
    ki_free(copy->mask);
    ki_free(copy->live);
    copy->mask = copy->live = NULL;
    copy->words = copy->count = copy->seen = 0;
    copy->bytes = copy->digest = copy->lsn = 0;
    copy->made = false;
}

void ki_copy_close(ki_copy *copy)
{
    if (!copy)
        return;
    drop_all(copy);
    ki_workers_close(copy->workers);
    ki_free(copy->answers.bytes);
    ki_free(copy->queries.bytes);
    ki_free(copy->ranked.bytes);
    ki_free(copy);
}

/* ---- refresh ---- */

/* The rows of the partition, and of these the ones that answers may name. */
static kith_status find_rows(ki_copy *copy)
{
    const ki_graph *graph = ki_part_graph(copy->parts, copy->p);
    const uint32_t seen = ki_parts_seen(copy->parts);
    uint32_t count;
    const uint32_t *rows = ki_part_rows(copy->parts, copy->p, &count);
    if (!rows && graph && graph->seen != seen)
        return ki_fail(KITH_EINVAL, "the index was built to row %u, its copies know of %u", seen,
                       graph->seen);
    const uint32_t end = rows ? (count ? rows[count - 1] + 1 : 0) : count;
    const uint32_t words = (end > seen ? end : seen) / 64 + 1;
    uint64_t *mask = ki_zalloc(words * sizeof *mask), *live = ki_zalloc(words * sizeof *live);
    if (!mask || !live) {
        ki_free(mask);
        ki_free(live);
        return ki_no_memory("the rows of a copy", 2 * words * sizeof *mask);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t row = rows ? rows[i] : i;
        const bool there = !graph || (row < graph->seen && graph->level[row] != KI_ABSENT);
        mask[row / 64] |= (uint64_t)there << row % 64;
    }
    ki_free(copy->mask);
    ki_free(copy->live);
    copy->mask = mask;
    copy->live = live;
    copy->words = words;
    copy->rows = rows;
    copy->count = count;
    copy->seen = seen;
    return KITH_OK;
}

static void see_live(ki_copy *copy)
{
    const ki_store *engine = ki_parts_whole(copy->parts)->store->engine;
    const uint64_t *now = ki_store_live(engine);
    copy->live_lsn = ki_store_lsn(engine);
    copy->all_live = copy->untold = true;
    for (uint32_t i = 0; i < copy->words; i++) { /* rows that there are not, are in no mask */
        const uint64_t mask = copy->mask[i];
        copy->live[i] = mask ? mask & __atomic_load_n(&now[i], __ATOMIC_RELAXED) : 0;
        copy->all_live = copy->all_live && copy->live[i] == mask;
    }
}

void ki_copy_let_go(const ki_copy *copy)
{
    if (copy->device && copy->limits.let_go)
        copy->limits.let_go(copy->limits.user);
}

/* What it is made from is read first: a device copy lets go of it in the middle. */
static kith_status make(ki_copy *copy)
{
    const uint64_t lsn = ki_store_lsn(ki_parts_whole(copy->parts)->store->engine);
    const uint64_t version = ki_parts_version(copy->parts);
    kith_status status = KITH_OK;
    if (!copy->workers)
        status = ki_workers_open(copy->device ? 1 : copy->limits.threads, &copy->workers);
    if (!status)
        status = find_rows(copy);
    if (status)
        return status;
    see_live(copy);
    status = copy->device ? ki_copy_make_device(copy) : ki_copy_make_host(copy);
    if (status)
        return status;
    copy->lsn = lsn;
    copy->version = version;
    copy->made = true;
    return KITH_OK;
}

kith_status ki_copy_refresh(ki_copy *copy, const ki_copy_limits *limits)
{
    const uint64_t lsn = ki_store_lsn(ki_parts_whole(copy->parts)->store->engine);
    copy->limits = *limits;
    if (copy->made && copy->version == ki_parts_version(copy->parts)) {
        copy->lsn = lsn; /* of rows that are dead by then, searches hear */
        return KITH_OK;
    }
    kith_status status = make(copy);
    if (status) {
        ki_copy_let_go(copy); /* a device may hang here too */
        drop_all(copy);
    }
    return status;
}

/* ---- search ---- */

/* A device can hang in any call. So whoever changes the index must not have to wait for it: all
 * that is read of the index has been read before. Codes alone are needed for longer, for queries.
 */
kith_status ki_copy_turn_to_device(ki_copy *copy, const ki_copy_request *request)
{
    if (copy->device && request->let_go)
        request->let_go(request->user);
    return copy->untold ? ki_copy_tell_live(copy) : KITH_OK;
}

kith_status ki_copy_search(ki_copy *copy, const ki_copy_request *request, uint64_t *answers,
                           ki_copy_counts *counts)
{
    const ki_store *engine = ki_parts_whole(copy->parts)->store->engine;
    kith_status status = KITH_OK;
    if (!copy->made)
        return ki_fail(KITH_EDEVICE, "the copy of partition %u holds nothing", copy->p);
    if (!copy->device && copy->version != ki_parts_version(copy->parts))
        status = ki_copy_refresh(copy, &copy->limits); /* it walks what has changed */
    if (status)
        return status;
    if (copy->live_lsn != ki_store_lsn(engine))
        see_live(copy);
    const bool flat = !ki_parts_whole(copy->parts)->graph;
    if (!copy->count || !request->count || (copy->device && !flat && !copy->walks)) {
        memset(answers, 0xff, request->count * request->options.k * sizeof *answers);
        return KITH_OK;
    }
    if (copy->device && !flat)
        return ki_copy_walk_device(copy, request, answers, counts);
    status = ki_copy_turn_to_device(copy, request);
    if (status)
        return status;
    return flat ? ki_copy_scan(copy, request, answers, counts)
                : ki_copy_walk_host(copy, request, answers, counts);
}

void ki_copy_stat(const ki_copy *copy, ki_copy_facts *out)
{
    *out = (ki_copy_facts){.rows = copy->count,
                           .bytes = copy->bytes,
                           .lsn = copy->lsn,
                           .digest = copy->digest,
                           .seen = copy->seen};
}
