/* format.c - the checksums of the file's parts, and the questions asked of a head.
 *
 * May touch format.h. The one idea: bytes from a disk are a stranger's claims. A head is believed
 * when its checksum is right, and then every number in it is still held against the others and
 * against the file's length before anything is allocated, mapped or multiplied: a checksum shows
 * that nobody damaged the bytes by accident, not that they were written in good faith.
 */
#include "kv/format.h"

#include <string.h>

uint64_t ki_head_sum(const ki_head *head)
{
    return ki_sum64(head, offsetof(ki_head, sum), 0);
}

uint32_t ki_rec_sum(const ki_rec *rec, uint32_t row, const unsigned char *uuid)
{
    uint64_t seed;
    memcpy(&seed, uuid, sizeof seed);
    return ki_sum32(&rec->row_sum, sizeof *rec - sizeof rec->sum, seed ^ row);
}

uint32_t ki_row_sum(const void *elements, size_t row_bytes, const void *aux)
{
    return ki_sum32(elements, row_bytes, ki_sum64(aux, KI_AUX_BYTES, 0));
}

/* The log of one checkpoint is written over that of the one before. Stale records of the same
 * LSN are told apart by the salt, which every recovery changes, and stale records of the same
 * recovery by the LSN at which their log began. */
uint64_t ki_log_seed(uint64_t salt, uint64_t first_lsn)
{
    return ki_sum64(&first_lsn, sizeof first_lsn, salt);
}

uint32_t ki_record_sum(const ki_record *record, uint64_t seed)
{
    return ki_sum32(&record->kind, sizeof *record - sizeof record->sum, seed);
}

static kith_status check_features(const ki_head *head, bool write)
{
    if (head->endian != KI_ENDIAN_MARK)
        return ki_fail(KITH_EUNSUPPORTED, "the store was written on a machine of another byte "
                                          "order; export it there and import it here");
    if (head->major != KI_MAJOR)
        return ki_fail(KITH_EUNSUPPORTED, "the store has format %u; this build reads %d",
                       head->major, KI_MAJOR);
    if (head->incompat != 0 || (write && head->ro_compat != 0))
        return ki_fail(KITH_EUNSUPPORTED,
                       "the store uses features %#llx, %#llx that this build does not know%s",
                       (unsigned long long)head->incompat, (unsigned long long)head->ro_compat,
                       head->incompat == 0 ? "; it can be opened read-only" : "");
    return KITH_OK;
}

static bool power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static kith_status check_shape(const ki_head *head)
{
    size_t stride;
    if (head->row_bytes == 0 || !ki_round_up(head->row_bytes, KI_LINE, &stride) ||
        head->stride != stride || head->keys > KITH_KEYS_BYTES)
        return ki_fail(KITH_ECORRUPT, "the store's head claims rows of %u bytes every %u bytes",
                       head->row_bytes, head->stride);
    if (head->unit_bytes < 4096 || head->unit_bytes > (1 << 30) ||
        !power_of_two(head->unit_bytes) || head->grow_units == 0)
        return ki_fail(KITH_ECORRUPT, "the store's head claims extents in units of %u bytes",
                       head->unit_bytes);
    return KITH_OK;
}

/* Extents were appended one after the other, none of them empty, so they lie in order, without
 * overlap and behind the heads; the sum of all cannot wrap, since each ends inside the file. */
static kith_status check_extents(const ki_head *head, uint64_t file_bytes, uint64_t *section_bytes)
{
    uint64_t end = KI_HEADS_BYTES;
    for (uint32_t i = 0; i < head->extent_count; i++) {
        const ki_extent *extent = &head->extents[i];
        uint64_t first = (uint64_t)extent->first * head->unit_bytes;
        uint64_t bytes = (uint64_t)extent->units * head->unit_bytes;
        if (extent->kind >= KI_SECTIONS || !bytes || first < end || first + bytes > file_bytes)
            return ki_fail(KITH_ECORRUPT,
                           "extent %u (kind %u, %llu bytes at %llu) does not lie in the file of "
                           "%llu bytes",
                           i, extent->kind, (unsigned long long)bytes, (unsigned long long)first,
                           (unsigned long long)file_bytes);
        section_bytes[extent->kind] += bytes;
        end = first + bytes;
    }
    return KITH_OK;
}

kith_status ki_head_check(const ki_head *head, uint64_t file_bytes, bool write)
{
    uint64_t bytes[KI_SECTIONS] = {0};
    kith_status status = check_features(head, write);
    if (!status)
        status = check_shape(head);
    if (!status && head->extent_count > KI_EXTENTS_MAX)
        status = ki_fail(KITH_ECORRUPT, "the store's head claims %u extents", head->extent_count);
    if (!status)
        status = check_extents(head, file_bytes, bytes);
    if (status)
        return status;
    uint64_t rows = head->rows, words = (rows + 63) / 64;
    bool aux_apart = head->stride - head->row_bytes < KI_AUX_BYTES;
    if (rows > KI_MAX_ROWS || head->live > rows || head->live_side > 1 ||
        rows * head->stride > bytes[KI_ROWS] || rows * sizeof(ki_rec) > bytes[KI_RECS] ||
        (aux_apart && rows * KI_AUX_BYTES > bytes[KI_AUX]) || words * 8 > bytes[KI_LIVE_A] ||
        words * 8 > bytes[KI_LIVE_B] || head->heap_used > bytes[KI_HEAP] ||
        head->heap_used % 8 != 0 || head->checkpoint_lsn >= KI_LSN_MOST)
        return ki_fail(KITH_ECORRUPT,
                       "the store's head claims %u rows, of them %u live, that its %u extents have "
                       "no room for",
                       head->rows, head->live, head->extent_count);
    return KITH_OK;
}

bool ki_rec_sane(const ki_rec *rec, kith_key_kind keys, uint64_t heap_bytes)
{
    size_t key_len = ki_rec_key_len(rec);
    if (keys == KITH_KEYS_U64 ? key_len != sizeof(uint64_t) : key_len < 1 || key_len > KI_KEY_MAX)
        return false;
    if (ki_rec_lsn(rec) == 0)
        return false;
    if (!ki_rec_away(rec))
        return key_len <= KI_HERE_MAX;
    uint64_t offset = rec->key.away.offset;
    return rec->key.away.meta_len <= KI_META_MAX && offset % 8 == 0 && offset <= heap_bytes &&
           ki_rec_heap_bytes(rec) <= heap_bytes - offset;
}
