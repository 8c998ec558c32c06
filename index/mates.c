/* mates.c - see mates.h. */
#include "index/mates.h"

enum { LINE = 64 };

kith_status ki_mates_open(const ki_kernel *kernel, ki_pairing pairing, uint32_t dim, uint32_t room,
                          ki_mates *out)
{
    size_t query_bytes = (ki_query_bytes(pairing, dim) + LINE - 1) / LINE * LINE;
    size_t bytes = KI_MATES_GROUP * query_bytes + ki_pack_bytes(pairing, dim, KI_MATES_GROUP);
    size_t key_bytes = (size_t)KI_MATES_GROUP * room * sizeof(uint32_t);
    ki_mates mates = {.kernel = kernel, .query_bytes = query_bytes, .room = room};
    mates.scratch = ki_alloc_aligned(LINE, bytes);
    mates.keys = ki_alloc_aligned(LINE, key_bytes);
    if (!mates.scratch || !mates.keys) {
        ki_mates_close(&mates);
        return ki_no_memory("comparing a batch", bytes + key_bytes);
    }
    *out = mates;
    return KITH_OK;
}

void ki_mates_close(ki_mates *mates)
{
    ki_free(mates->scratch);
    ki_free(mates->keys);
    *mates = (ki_mates){0};
}

void ki_mates_compare(ki_mates *mates, const ki_rows *rows, const uint32_t *ids, uint32_t n,
                      uint32_t first, uint32_t count)
{
    void *packed = mates->scratch + KI_MATES_GROUP * mates->query_bytes;
    for (uint32_t i = 0; i < n; i++)
        mates->kernel->prepare(rows->base + (size_t)ids[i] * rows->stride, rows->dim,
                               mates->scratch + i * mates->query_bytes, &mates->query[i]);
    if (mates->kernel->pack)
        mates->kernel->pack(mates->query, n, packed);
    mates->kernel->tile(mates->query, n, packed, rows, first, count, mates->keys, mates->room);
}
