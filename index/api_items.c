/* api_items.c - what is put into a store and comes out of it: keys, vectors, metadata.
 *
 * May include everything of index/, kernels/ and kv/. The only place where vectors are judged
 * (finite, dimension by contract) and where their norms and sums are computed, so that kv/ stays
 * free of numbers and kernels never meet a bad row.
 */
#include "index/objects.h"
#include "index/checks.h"

enum { LOAD_BATCH = 1024 }; /* vectors of a commit of kith_store_load */

static kith_status check_key(const kith_store *store, const void *key, size_t key_len)
{
    if (store->options.keys == KITH_KEYS_U64 && key_len != sizeof(uint64_t))
        return ki_fail(KITH_EINVAL,
                       "the key has %zu bytes; keys of this store are 64-bit numbers: 8 bytes",
                       key_len);
    if (!key || key_len < 1 || key_len > KI_KEY_MAX)
        return ki_fail(KITH_EINVAL, "the key has %zu bytes; a key has 1 to %d", key_len,
                       KI_KEY_MAX);
    return KITH_OK;
}

static kith_status check_number_key(const kith_store *store)
{
    return store->options.keys == KITH_KEYS_U64
               ? KITH_OK
               : ki_fail(KITH_EINVAL, "this store has byte-string keys, no 64-bit ones");
}

kith_status ki_check_key(const kith_store *store, const void *key, size_t key_len)
{
    return check_key(store, key, key_len);
}

static bool has_vector(kith_op_kind kind)
{
    return kind == KITH_PUT || kind == KITH_PUT_NEW || kind == KITH_REPLACE;
}

static kith_status check_op(const kith_store *store, const kith_op *op, size_t i)
{
    const kith_store_options *o = &store->options;
    if ((unsigned)op->kind > KITH_SET_META)
        return ki_fail(KITH_EINVAL, "operation %zu is of no known kind (%d)", i, (int)op->kind);
    if (op->meta_len > KI_META_MAX || (op->meta_len && !op->meta))
        return ki_fail(KITH_EINVAL, "operation %zu has %zu bytes of metadata%s; the most is %d", i,
                       op->meta_len, op->meta ? "" : " at no address", KI_META_MAX);
    kith_status status = check_key(store, op->key, op->key_len);
    if (status || !has_vector(op->kind))
        return status;
    if (!op->vector)
        return ki_fail(KITH_EINVAL, "operation %zu has no vector", i);
    return ki_check_vector(o->metric, o->type, o->dim, op->vector, "vector", i);
}

/* The engine's form of a checked operation; its side data goes to `aux`. */
static ki_op engine_op(const kith_store *store, const kith_op *op, ki_aux *aux)
{
    static const ki_op_kind kinds[] = {[KITH_PUT] = KI_PUT,
                                       [KITH_PUT_NEW] = KI_PUT_NEW,
                                       [KITH_REPLACE] = KI_REPLACE,
                                       [KITH_DELETE] = KI_DEL,
                                       [KITH_SET_META] = KI_SET_META};
    if (has_vector(op->kind))
        ki_aux_fill(store->options.type, op->vector, store->options.dim, aux);
    return (ki_op){.kind = kinds[op->kind],
                   .key_len = (uint16_t)op->key_len,
                   .meta_len = (uint32_t)op->meta_len,
                   .key = op->key,
                   .elements = op->vector,
                   .aux = aux,
                   .meta = op->meta};
}

static kith_status commit_one(kith_store *store, const kith_op *op, uint32_t *row)
{
    ki_aux aux = {0};
    kith_status status = check_op(store, op, 0);
    if (status)
        return status;
    const ki_op one = engine_op(store, op, &aux);
    return ki_store_commit(store->engine, &one, 1, row, NULL);
}

kith_status kith_store_commit(kith_store *store, const kith_op *ops, size_t n, uint32_t *rows)
{
    size_t bytes;
    kith_status status = KITH_OK;
    if (n == 1)
        return commit_one(store, ops, rows);
    for (size_t i = 0; i < n && !status; i++)
        status = check_op(store, &ops[i], i);
    if (status || n == 0)
        return status;
    if (!ki_mul(n, sizeof(ki_op) + sizeof(ki_aux), &bytes))
        return ki_no_memory("a commit", SIZE_MAX);
    ki_op *list = ki_alloc(bytes);
    if (!list)
        return ki_no_memory("a commit", bytes);
    ki_aux *aux = (void *)(list + n);
    for (size_t i = 0; i < n; i++)
        list[i] = engine_op(store, &ops[i], &aux[i]);
    status = ki_store_commit(store->engine, list, n, rows, NULL);
    ki_free(list);
    return status;
}

kith_status kith_store_put(kith_store *store, const void *key, size_t key_len, const void *vector)
{
    const kith_op op = {.kind = KITH_PUT, .key = key, .key_len = key_len, .vector = vector};
    return commit_one(store, &op, NULL);
}

kith_status kith_store_put_u64(kith_store *store, uint64_t key, const void *vector)
{
    kith_status status = check_number_key(store);
    return status ? status : kith_store_put(store, &key, sizeof key, vector);
}

kith_status kith_store_del(kith_store *store, const void *key, size_t key_len)
{
    const kith_op op = {.kind = KITH_DELETE, .key = key, .key_len = key_len};
    return commit_one(store, &op, NULL);
}

kith_status kith_store_del_u64(kith_store *store, uint64_t key)
{
    kith_status status = check_number_key(store);
    return status ? status : kith_store_del(store, &key, sizeof key);
}

/* One commit of the load: vectors first..first+n-1. */
typedef struct load_batch {
    uint64_t key[LOAD_BATCH];
    ki_aux aux[LOAD_BATCH];
    ki_op op[LOAD_BATCH];
} load_batch;

static kith_status load_some(kith_store *store, load_batch *batch, const uint64_t *keys,
                             const unsigned char *vectors, size_t first, size_t n)
{
    const kith_store_options *o = &store->options;
    const size_t bytes = kith_vector_bytes(o->type, o->dim);
    for (size_t i = 0; i < n; i++) {
        const kith_op op = {.kind = KITH_PUT,
                            .key = &batch->key[i],
                            .key_len = sizeof *batch->key,
                            .vector = vectors + (first + i) * bytes};
        batch->key[i] = keys ? keys[first + i] : first + i;
        batch->op[i] = engine_op(store, &op, &batch->aux[i]);
    }
    return ki_store_commit(store->engine, batch->op, n, NULL, NULL);
}

kith_status kith_store_load(kith_store *store, const uint64_t *keys, const void *vectors, size_t n,
                            kith_progress_fn progress, void *user)
{
    const kith_store_options *o = &store->options;
    const size_t bytes = kith_vector_bytes(o->type, o->dim);
    kith_status status = check_number_key(store);
    for (size_t i = 0; i < n && !status; i++)
        status = ki_check_vector(o->metric, o->type, o->dim,
                                 (const unsigned char *)vectors + i * bytes, "vector", i);
    if (!status)
        status = ki_store_reserve(store->engine, n, LOAD_BATCH);
    if (status)
        return status;
    load_batch *batch = ki_alloc(sizeof *batch);
    if (!batch)
        return ki_no_memory("loading", sizeof *batch);
    for (size_t done = 0; done < n && !status;) {
        size_t some = n - done < LOAD_BATCH ? n - done : LOAD_BATCH;
        status = load_some(store, batch, keys, vectors, done, some);
        done += some;
        if (!status && progress && progress(user, done, n))
            status =
                ki_fail(KITH_ECANCELLED, "loading was stopped after %zu of %zu vectors", done, n);
    }
    ki_free(batch);
    return status;
}

kith_status kith_store_get(const kith_store *store, const void *key, size_t key_len, void *vector)
{
    kith_status status = check_key(store, key, key_len);
    return status ? status : ki_store_get(store->engine, NULL, key, key_len, vector, NULL, 0, NULL);
}

kith_status kith_store_get_u64(const kith_store *store, uint64_t key, void *vector)
{
    kith_status status = check_number_key(store);
    return status ? status : kith_store_get(store, &key, sizeof key, vector);
}

kith_status kith_store_get_meta(const kith_store *store, const void *key, size_t key_len,
                                void *meta, size_t room, size_t *meta_len)
{
    kith_status status = check_key(store, key, key_len);
    return status ? status
                  : ki_store_get(store->engine, NULL, key, key_len, NULL, meta, room, meta_len);
}

kith_status kith_store_key(const kith_store *store, uint32_t row, const void **key, size_t *key_len)
{
    if (!ki_store_key(store->engine, row, key, key_len))
        return ki_fail(KITH_ENOTFOUND, "row %u holds no vector", row);
    return KITH_OK;
}
