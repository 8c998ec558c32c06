/* exact_cl.c - exact search on a device: which way to go, and what all ways have in common.
 *
 * May touch scan_cl.h and walk_cl.h. The one idea: a way that answers wrongly is found out before
 * it is used. scan.cl is proved when the device is opened; the others when they are wanted first,
 * because most programs never want them and each takes a driver a second to compile.
 *
 * Answers are read into memory of our own first: the caller's stay untouched if a later batch
 * fails.
 */
#include "opencl/scan_cl.h"
#include "opencl/walk_cl.h"

#include <string.h>

ki_cl_path ki_cl_choose_path(const ki_device_rows *rows, const ki_device_queries *queries,
                             uint32_t k)
{
    const ki_cl_device *device = rows->device;
    const bool tiles = ki_cl_tiles_fit(rows, queries, k);
    if (k > KI_CL_LIST_K || device->path == KI_CL_SELECT)
        return KI_CL_SELECT;
    if (device->path == KI_CL_TILES && tiles)
        return KI_CL_TILES;
    if (device->path != KI_CL_ANY_PATH || !tiles || queries->count < device->tile_queries)
        return KI_CL_LISTS;
    return KI_CL_TILES;
}

/* A path that is believed: the one chosen, or lists when tiles answer wrongly or cannot be tried.
 */
static kith_status proven_path(ki_cl_device *device, ki_cl_path *path)
{
    bool wrong = false;
    pthread_mutex_lock(&device->mutex);
    const ki_cl_proof proof = device->proofs[*path];
    pthread_mutex_unlock(&device->mutex);
    kith_status status = KITH_OK;
    if (proof == KI_CL_UNTRIED) {
        status = ki_cl_self_test(device, *path, &wrong);
        pthread_mutex_lock(&device->mutex);
        if (!status || wrong)
            device->proofs[*path] = wrong ? KI_CL_WRONG : KI_CL_PROVEN;
        pthread_mutex_unlock(&device->mutex);
    } else if (proof == KI_CL_WRONG) {
        status = ki_fail(KITH_EDEVICE, "%s selects wrongly: the self-test has failed",
                         device->found.info.id);
    }
    if (status && *path == KI_CL_TILES) {
        *path = KI_CL_LISTS;
        status = KITH_OK;
    }
    return status;
}

static kith_status scan_locked(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                               ki_cl_path path, uint64_t *answers)
{
    kith_status status = ki_cl_need_blocks(rows);
    if (status)
        return status;
    if (path == KI_CL_SELECT)
        return ki_cl_scan_select(rows, queries, k, answers);
    if (path == KI_CL_TILES)
        return ki_cl_scan_tiles(rows, queries, k, answers);
    return ki_cl_scan_lists(rows, queries, k, answers);
}

/* Answers of `have` places a query to places of k, the rest unused. */
static void spread(const uint64_t *own, uint32_t have, size_t nq, uint32_t k, uint64_t *answers)
{
    for (size_t i = 0; i < nq; i++) {
        memcpy(answers + i * k, own + i * have, have * sizeof *own);
        memset(answers + i * k + have, 0xff, (k - have) * sizeof *answers);
    }
}

kith_status ki_cl_scan_by(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                          ki_cl_path path, uint64_t *answers)
{
    const size_t nq = queries->count;
    const uint32_t have = k < rows->count ? k : rows->count;
    uint64_t *own = ki_alloc(nq * have * sizeof *own);
    if (!own)
        return ki_no_memory("answers of a device", nq * have * sizeof *own);
    pthread_mutex_lock(&rows->device->mutex);
    const kith_status status = scan_locked(rows, queries, have, path, own);
    pthread_mutex_unlock(&rows->device->mutex);
    if (!status)
        spread(own, have, nq, k, answers);
    ki_free(own);
    return status;
}

kith_status ki_cl_scan(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                       uint64_t *answers)
{
    const size_t nq = queries->count;
    const uint32_t have = k < rows->count ? k : rows->count;
    size_t bytes = 0;
    if (k < 1 || k > KI_CL_MAX_K)
        return ki_fail(KITH_EINVAL, "k is %u, %s takes 1..%d", (unsigned)k,
                       rows->device->found.info.id, KI_CL_MAX_K);
    if (!ki_mul(nq, k * sizeof *answers, &bytes))
        return ki_fail(KITH_EINVAL, "%zu queries of %u answers do not fit in memory", nq,
                       (unsigned)k);
    if (rows->count == 0 || nq == 0) {
        memset(answers, 0xff, bytes);
        return KITH_OK;
    }
    ki_cl_path path = ki_cl_choose_path(rows, queries, have);
    const kith_status status = proven_path(rows->device, &path);
    if (status)
        return status;
    return ki_cl_scan_by(rows, queries, k, path, answers);
}
