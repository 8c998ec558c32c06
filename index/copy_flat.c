/* copy_flat.c - a copy of a flat partition: compared one and all, and ranked by exact distances.
 *
 * May touch copy_inside.h. A device scans what it holds, the host the rows of its list; with one
 * partition the host is a device like any other, so that matrix products serve here too. What was
 * found is ranked as a flat index ranks it, and distances become keys again at the end.
 */
#include "index/copy_inside.h"
#include "index/host.h"

enum { CHUNK = 1024 }; /* queries answered at a time: bounds the memory for candidates */

/* One search, made ready. */
typedef struct flat_search {
    ki_copy *copy;
    ki_device *device; /* NULL: the list is scanned */
    const ki_kernel *kernel;
    ki_row_set set;
    ki_rounding rounding;
    uint32_t k, want;
} flat_search;

/* The candidates of some queries, under row numbers. */
static kith_status find(const flat_search *f, const ki_queries *queries, uint64_t *found)
{
    const ki_copy *copy = f->copy;
    const ki_device_queries asked = {queries->base, queries->stride, queries->count, queries->f32};
    if (!f->device)
        return ki_scan_list(f->kernel, &f->set, copy->rows, copy->count, queries, f->want,
                            copy->workers, found);
    kith_status status = f->device->ops->scan(copy->sent, &asked, f->want, found);
    for (size_t i = 0; i < queries->count * f->want && copy->rows && !status; i++)
        if (found[i] != UINT64_MAX)
            found[i] = found[i] >> 32 << 32 | copy->rows[(uint32_t)found[i]];
    return status;
}

static kith_status answer_chunk(const flat_search *f, const ki_queries *queries, uint64_t *answers)
{
    ki_copy *copy = f->copy;
    const size_t found_bytes = queries->count * f->want * sizeof(uint64_t);
    const size_t ranked_bytes = queries->count * f->k * sizeof(ki_ranked);
    uint64_t *found = ki_copy_room_of(&copy->answers, found_bytes);
    ki_ranked *ranked = ki_copy_room_of(&copy->ranked, ranked_bytes);
    if (!found || !ranked)
        return ki_no_memory("answers of a copy", found_bytes + ranked_bytes);
    kith_status status = find(f, queries, found);
    if (status)
        return status;
    if (f->kernel->form != KI_KEY_FLOAT) { /* then as many are wanted as were found */
        memcpy(answers, found, found_bytes);
        return KITH_OK;
    }
    const ki_candidates candidates = {.answers = found, .have = f->want};
    status = ki_flat_rank(&f->set, &f->rounding, f->kernel, queries, &candidates, f->k,
                          copy->workers, ranked);
    for (size_t i = 0; i < queries->count * f->k && !status; i++)
        answers[i] = ki_ranked_answer(&ranked[i]);
    return status;
}

static uint64_t count_live(const ki_copy *copy)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < copy->words; i++)
        count += (uint64_t)__builtin_popcountll(copy->live[i]);
    return count;
}

static kith_status prepare(ki_copy *copy, const ki_queries *queries, uint32_t k, flat_search *f)
{
    const kith_index *whole = ki_parts_whole(copy->parts);
    const kith_store_options *so = &whole->store->options;
    *f = (flat_search){.copy = copy, .device = copy->device ? copy->device : copy->own, .k = k};
    f->kernel = &whole->kernels.at[so->metric][queries->pairing];
    f->set = ki_store_row_set(whole->store->engine, so);
    f->set.live = copy->live;
    f->set.count = copy->rows ? copy->rows[copy->count - 1] + 1 : copy->count;
    f->want = f->kernel->form == KI_KEY_FLOAT ? ki_rank_wanted(k) : k;
    f->rounding.form = f->kernel->form;
    if (f->kernel->form == KI_KEY_FLOAT) {
        copy->largest_norm = ki_largest_norm(&f->set, copy->norm_rows, copy->largest_norm);
        copy->norm_rows = f->set.count;
        f->rounding.largest_norm = copy->largest_norm;
        f->rounding.by_norms = copy->own && ki_host_multiplies(copy->own, so->type, queries->count);
    }
    const uint32_t most = f->device ? f->device->ops->max_k(f->device) : UINT32_MAX;
    return f->want <= most
               ? KITH_OK
               : ki_fail(KITH_EUNSUPPORTED, "k = %u takes %u answers, and this device gives %u", k,
                         f->want, most);
}

kith_status ki_copy_scan(ki_copy *copy, const ki_copy_request *request, uint64_t *answers,
                         ki_copy_counts *counts)
{
    const kith_store_options *so = &ki_parts_whole(copy->parts)->store->options;
    const bool mixed = request->f32 && so->type != KITH_F32;
    const uint32_t k = request->options.k;
    ki_queries all = {request->queries, request->query_bytes, request->count,
                      ki_pairing_of(so->type, mixed), mixed};
    unsigned char *bits;
    kith_status status = ki_queries_to_bits(so->type, so->dim, &all, &bits);
    for (size_t i = 0; i < request->count && !status; i += CHUNK) {
        const size_t left = request->count - i;
        ki_queries some = all;
        flat_search f;
        some.base = ki_query_at(&all, i);
        some.count = left < CHUNK ? left : CHUNK;
        status = prepare(copy, &some, k, &f);
        if (!status)
            status = answer_chunk(&f, &some, answers + i * k);
    }
    ki_free(bits);
    counts->distances += status ? 0 : request->count * count_live(copy);
    counts->mode = KITH_MODE_ROWS;
    return status;
}
