/* api_queries.c - kernels alone: one distance, many distances, and the nearest of a matrix.
 *
 * May include kernels/, kv/base.h and scan.h. Kernels answer with order keys; here they become the
 * floats that people read, a few hundred at a time through the stack, so that no call allocates
 * but those that make something or return many answers.
 *
 * The ids of a gather are checked, all of them, before the kernel is let loose: an id too many
 * would be a read of memory that nobody owns. Checks and conversion together took 10 ns a call and
 * about half of one a row on an AVX-512 server core, beside 1.7 ns for a row of 128 bytes
 * in the first-level cache and 33 for one of 784 floats in the second. With a branch an element,
 * or with compares that the oldest vectors lack, it was 1.3 ns a row.
 */
#include "index/checks.h"
#include "index/kernel_object.h"
#include "kernels/keys.h"

enum { BLOCK = 256, LINE = 64, SMALL_QUERY_BYTES = 16384, BYTES_A_THREAD = 1 << 20 };

struct kith_query {
    const kith_kernel *kernel;
    ki_query ready;      /* its scratch lies behind this struct */
    ki_codec_query code; /* of codes: its elements lie behind the scratch */
};

/* What keys.h says, without a branch an element, so that every compiler makes vectors of it. An
 * unsigned number has no conversion of its own in the oldest of them: its halves have, and their
 * sum is rounded once. */
static void to_distances(ki_key_form form, const uint32_t *restrict keys, size_t n,
                         float *restrict out)
{
    if (form == KI_KEY_FLOAT)
        for (size_t i = 0; i < n; i++) {
            const uint32_t turned = (0u - (~keys[i] >> 31)) | UINT32_C(0x80000000);
            const uint32_t bits = keys[i] ^ turned;
            memcpy(&out[i], &bits, sizeof bits);
        }
    else if (form == KI_KEY_INT)
        for (size_t i = 0; i < n; i++)
            out[i] = (float)(int32_t)(keys[i] ^ UINT32_C(0x80000000));
    else
        for (size_t i = 0; i < n; i++)
            out[i] = (float)(int32_t)(keys[i] >> 16) * 65536.0f + (float)(int32_t)(keys[i] & 65535);
}

/* Distances of codes are in units of their query. */
static void to_answers(const kith_kernel *kernel, const ki_codec_query *code, const uint32_t *keys,
                       size_t n, float *out)
{
    if (!kernel->codec)
        to_distances(kernel->table.form, keys, n, out);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = ki_codec_distance(code, kernel->table.form, keys[i]);
}

static kith_status check_array(const char *name, const void *array, size_t n)
{
    if (n && !array)
        return ki_fail(KITH_EINVAL, "%s is NULL", name);
    if ((uintptr_t)array % sizeof(uint32_t))
        return ki_fail(KITH_EINVAL, "%s is not aligned to %zu bytes", name, sizeof(uint32_t));
    return KITH_OK;
}

/* ---- a query ---- */

static size_t head_bytes(void)
{
    return (sizeof(kith_query) + LINE - 1) / LINE * LINE;
}

static void make_ready(const kith_kernel *kernel, const void *vector, void *scratch, ki_query *out)
{
    ki_prepare_of(&kernel->table, kernel->f32)(vector, kernel->dim, scratch, out);
}

static size_t element_bytes(const kith_kernel *kernel)
{
    return kernel->codec ? ki_codec_query_bytes(kernel->codec) : 0;
}

kith_status kith_query_set(kith_query *query, const void *vector)
{
    if (!vector)
        return ki_fail(KITH_EINVAL, "the vector of a query is NULL");
    const kith_kernel *kernel = query->kernel;
    unsigned char *scratch = (unsigned char *)query + head_bytes();
    if (kernel->codec) {
        unsigned char *elements = scratch + ki_query_bytes(kernel->pairing, kernel->dim);
        ki_codec_make_query(kernel->codec, vector, elements, &query->code);
        vector = ki_codec_vector(kernel->codec, &query->code);
    }
    make_ready(kernel, vector, scratch, &query->ready);
    return KITH_OK;
}

kith_status kith_query_open(const kith_kernel *kernel, const void *vector, kith_query **out)
{
    size_t bytes = head_bytes() + ki_query_bytes(kernel->pairing, kernel->dim);
    bytes += element_bytes(kernel);
    kith_query *query = ki_alloc_aligned(LINE, bytes);
    if (!query)
        return ki_no_memory("a query", bytes);
    query->kernel = kernel;
    kith_status status = kith_query_set(query, vector);
    if (status)
        kith_query_close(query);
    else
        *out = query;
    return status;
}

void kith_query_close(kith_query *query)
{
    ki_free(query);
}

/* ---- distances ---- */

kith_status kith_kernel_distance(const kith_kernel *kernel, const void *query, const void *row,
                                 float *distance)
{
    _Alignas(LINE) unsigned char small[SMALL_QUERY_BYTES];
    size_t bytes = ki_query_bytes(kernel->pairing, kernel->dim);
    ki_aux aux = {0};
    ki_query ready;
    kith_status status = check_array("distance", distance, 1);
    if (!status && kernel->codec)
        status = ki_fail(KITH_EUNSUPPORTED, "codes have no distance without their sides; see "
                                            "kith_query_gather");
    if (!status && (!query || !row))
        status = ki_fail(KITH_EINVAL, "%s is NULL", query ? "row" : "query");
    if (status)
        return status;
    void *scratch = bytes <= sizeof small ? small : ki_alloc_aligned(LINE, bytes);
    if (!scratch)
        return ki_no_memory("a query", bytes);
    if (kith_kernel_needs_sides(kernel))
        ki_aux_fill(kernel->row_type, row, kernel->dim, &aux);
    ki_rows one = {.base = row,
                   .stride = kernel->row_bytes,
                   .aux = (const void *)&aux,
                   .aux_stride = sizeof aux,
                   .dim = kernel->dim};
    make_ready(kernel, query, scratch, &ready);
    uint32_t key = kernel->table.pair(&ready, &one, 0);
    to_distances(kernel->table.form, &key, 1, distance);
    if (scratch != small)
        ki_free(scratch);
    return KITH_OK;
}

static kith_status check_ids(const uint32_t *ids, size_t n, size_t count)
{
    const uint32_t last = (uint32_t)count - 1; /* count is at most 2^31 */
    uint32_t outside = 0;
    kith_status status = check_array("ids", ids, n);
    if (status)
        return status;
    for (size_t i = 0; i < n; i++)
        outside |= ids[i] | (last - ids[i]);
    if (!(outside >> 31))
        return KITH_OK;
    size_t i = 0;
    while (ids[i] < count)
        i++;
    return ki_fail(KITH_EINVAL, "ids[%zu] = %u, and there are %zu rows", i, ids[i], count);
}

kith_status kith_query_gather(const kith_query *query, const kith_rows *rows, const uint32_t *ids,
                              size_t n, float *distances)
{
    const ki_kernel *table = &query->kernel->table;
    uint32_t keys[BLOCK];
    ki_rows view;
    kith_status status = ki_view_rows(query->kernel, rows, &view);
    if (!status)
        status = check_array("distances", distances, n);
    if (!status)
        status = check_ids(ids, n, rows->count);
    for (size_t i = 0; i < n && !status; i += BLOCK) {
        size_t here = n - i < BLOCK ? n - i : BLOCK;
        table->gather(&query->ready, &view, ids + i, here, keys);
        to_answers(query->kernel, &query->code, keys, here, distances + i);
    }
    return status;
}

kith_status kith_query_range(const kith_query *query, const kith_rows *rows, size_t first, size_t n,
                             float *distances)
{
    const ki_kernel *table = &query->kernel->table;
    uint32_t keys[BLOCK];
    ki_rows view;
    kith_status status = ki_view_rows(query->kernel, rows, &view);
    if (!status)
        status = check_array("distances", distances, n);
    if (!status && (first > rows->count || n > rows->count - first))
        status =
            ki_fail(KITH_EINVAL, "%zu rows from row %zu, and there are %zu", n, first, rows->count);
    for (size_t i = 0; i < n && !status; i += BLOCK) {
        size_t here = n - i < BLOCK ? n - i : BLOCK;
        table->range(&query->ready, &view, (uint32_t)(first + i), here, keys);
        to_answers(query->kernel, &query->code, keys, here, distances + i);
    }
    return status;
}

/* ---- the nearest ---- */

/* A thread costs more to start than to compare a megabyte. */
static uint32_t useful_threads(const kith_kernel *kernel, const kith_rows *rows, size_t nq,
                               uint32_t threads)
{
    const uint32_t wanted = threads ? threads : ki_processor_count();
    const double bytes = (double)nq * (double)rows->count * (double)kernel->row_bytes;
    const double useful = bytes / BYTES_A_THREAD + 1;
    return useful < wanted ? (uint32_t)useful : wanted;
}

static kith_status check_top(const kith_kernel *kernel, const kith_rows *rows, const void *queries,
                             size_t nq, uint32_t k, uint32_t threads, const uint32_t *ids,
                             const float *distances, ki_rows *view)
{
    kith_status status = ki_view_rows(kernel, rows, view);
    if (!status && (k == 0 || k > rows->count))
        status = ki_fail(KITH_EINVAL, "k = %u with %zu rows; k must be 1 to the number of rows", k,
                         rows->count);
    if (!status && nq && !queries)
        status = ki_fail(KITH_EINVAL, "queries is NULL");
    if (!status)
        status = check_array("ids", ids, nq);
    if (!status)
        status = check_array("distances", distances, 0);
    return status ? status : ki_check_threads(threads);
}

/* The queries of codes as prepare takes them, in one block of memory: what each made of its vector,
 * then their elements. */
static kith_status encode_queries(const kith_kernel *kernel, ki_queries *list, ki_codec_query **out)
{
    const size_t each = (element_bytes(kernel) + 3) / 4 * 4, nq = list->count;
    size_t bytes;
    if (!ki_mul(nq, sizeof **out + each, &bytes))
        return ki_fail(KITH_EINVAL, "%zu queries do not fit into memory", nq);
    ki_codec_query *made = ki_alloc(bytes);
    if (!made)
        return ki_no_memory("queries of codes", bytes);
    unsigned char *elements = (unsigned char *)(made + nq);
    for (size_t i = 0; i < nq; i++)
        ki_codec_make_query(kernel->codec, ki_query_at(list, i), elements + i * each, &made[i]);
    list->base = ki_codec_vector(kernel->codec, &made[0]);
    list->stride = list->base == elements ? each : sizeof *made;
    *out = made;
    return KITH_OK;
}

/* Answers as the caller reads them. `codes` is NULL unless rows are codes. */
static void write_answers(const kith_kernel *kernel, const ki_codec_query *codes,
                          const uint64_t *answers, size_t nq, uint32_t k, uint32_t *ids,
                          float *distances)
{
    for (size_t i = 0; i < nq * k; i++) {
        const uint32_t key = (uint32_t)(answers[i] >> 32);
        ids[i] = (uint32_t)answers[i];
        if (distances)
            to_answers(kernel, codes ? &codes[i / k] : NULL, &key, 1, &distances[i]);
    }
}

kith_status kith_kernel_top(const kith_kernel *kernel, const kith_rows *rows, const void *queries,
                            size_t nq, uint32_t k, uint32_t threads, uint32_t *ids,
                            float *distances)
{
    ki_row_set set = {.type = kernel->row_type, .metric = kernel->metric};
    ki_queries list = {queries, kernel->vector_bytes, nq, kernel->pairing, kernel->f32};
    ki_codec_query *codes = NULL;
    ki_workers *workers = NULL;
    uint64_t *answers = NULL;
    size_t places, bytes;
    kith_status status =
        check_top(kernel, rows, queries, nq, k, threads, ids, distances, &set.rows);
    if (status || !nq)
        return status;
    if (!ki_mul(nq, k, &places) || !ki_mul(places, sizeof *answers, &bytes))
        return ki_fail(KITH_EINVAL, "%zu queries of %u answers do not fit into memory", nq, k);
    set.count = (uint32_t)rows->count;
    if (!(answers = ki_alloc(bytes)))
        status = ki_no_memory("answers", bytes);
    if (!status && kernel->codec)
        status = encode_queries(kernel, &list, &codes);
    if (!status)
        status = ki_workers_open(useful_threads(kernel, rows, nq, threads), &workers);
    if (!status)
        status = ki_scan(&kernel->table, &set, 0, set.count, &list, k, workers, answers);
    if (!status)
        write_answers(kernel, codes, answers, nq, k, ids, distances);
    ki_workers_close(workers);
    ki_free(codes);
    ki_free(answers);
    return status;
}
