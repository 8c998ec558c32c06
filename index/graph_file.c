/* graph_file.c - opening a graph file and believing it, part by part; see graph_file.h.
 *
 * May touch graph_file.h and kv/. A head is believed when its sum is right; then each number in it
 * is still held against the size of the file and the limits of a graph, since anybody can write a
 * sum. No count is used to allocate before a section of that many bytes was found in the file.
 */
#include "index/graph_file.h"
#include "kv/checksum.h"
#include "kv/space.h"
#include <errno.h>
#include <string.h>

enum { BLOCK = 1 << 20 };

const ki_graph_section *ki_graph_find(const ki_graph_head *head, ki_graph_part part, uint32_t layer)
{
    for (uint32_t i = 0; i < head->sections; i++)
        if (head->section[i].part == part && head->section[i].layer == layer)
            return &head->section[i];
    return NULL;
}

static kith_status damaged(const char *what)
{
    return ki_fail(KITH_ECORRUPT, "the graph file is damaged: %s", what);
}

/* Is the section there, and of this size? */
static bool has(const ki_graph_head *head, ki_graph_part part, uint32_t layer, uint64_t bytes)
{
    const ki_graph_section *section = ki_graph_find(head, part, layer);
    return section && section->bytes == bytes;
}

static kith_status check_sections(const ki_graph_head *head, uint64_t file_bytes)
{
    if (head->file_bytes != file_bytes)
        return ki_fail(KITH_ECORRUPT, "the graph file has %llu bytes and says %llu",
                       (unsigned long long)file_bytes, (unsigned long long)head->file_bytes);
    if (head->sections > KI_GRAPH_SECTIONS)
        return damaged("too many sections");
    for (uint32_t i = 0; i < head->sections; i++) {
        const ki_graph_section *section = &head->section[i];
        if (section->offset < KI_GRAPH_HEAD || section->offset > file_bytes ||
            section->bytes > file_bytes - section->offset)
            return damaged("a section lies beyond its end");
    }
    return KITH_OK;
}

static bool is_brief_good(const ki_graph_head *head)
{
    const bool halved = head->brief_code == KITH_SQ4;
    if (!head->brief || !head->codes || head->reduced)
        return !head->brief && !head->brief_code;
    return halved ? head->brief == head->dim
                  : head->brief_code == KITH_SQ8 && head->brief <= head->dim;
}

static kith_status check_numbers(const ki_graph_head *head)
{
    if (head->m < KI_M_MIN || head->m > KI_M_MAX || head->ef_construction < 1 ||
        head->ef_construction > KI_EF_MAX || !(head->alpha >= 1 && head->alpha <= 2))
        return damaged("its options");
    if (head->seen > KI_MAX_ROWS || head->layers > KI_LAYERS_MAX ||
        head->codes > (uint32_t)KITH_SQ8 + 1 || head->reduced > head->dim ||
        (head->reduced && !head->codes) || !is_brief_good(head))
        return damaged("its counts");
    if (!has(head, KI_PART_STAMPS, 0, (uint64_t)head->seen * 8) ||
        !has(head, KI_PART_LEVELS, 0, head->seen) ||
        (head->codes && head->layers && !ki_graph_find(head, KI_PART_CODES, 0)) ||
        (head->brief && !ki_graph_find(head, KI_PART_BRIEF, 0)))
        return damaged("a section of its rows");
    for (uint32_t l = 0; l < head->layers; l++) {
        const uint64_t count = head->layer[l].count;
        const uint32_t degree = l ? head->m : (2 * head->m + 15) / 16 * 16;
        if (head->layer[l].degree != degree || count > head->seen || count < 1 ||
            head->layer[l].nodes > count || (l == 0 && count != head->seen) ||
            !has(head, KI_PART_LINKS, l, count * degree * 4) ||
            !has(head, KI_PART_KEPT, l, count) || (l && !has(head, KI_PART_DOWN, l, count * 4)))
            return damaged("a section of its layers");
    }
    return KITH_OK;
}

static kith_status check_head(const ki_graph_head *head, const ki_store *engine,
                              uint64_t file_bytes)
{
    const ki_shape *shape = ki_store_shape(engine);
    if (memcmp(head->magic, "kithGrf1", sizeof head->magic) != 0)
        return ki_fail(KITH_ECORRUPT, "the file beside the store is no graph of Kith");
    if (head->byte_order != 0x01020304)
        return ki_fail(KITH_EUNSUPPORTED, "the graph file is of a machine of another byte order");
    if (head->sum != ki_sum64(head, offsetof(ki_graph_head, sum), 0))
        return damaged("its head does not match its checksum");
    if (head->version != 1 || head->features)
        return ki_fail(KITH_EUNSUPPORTED,
                       "the graph file is of version %u with features %llx; this library reads "
                       "version 1",
                       head->version, (unsigned long long)head->features);
    if (memcmp(head->uuid, ki_store_uuid(engine), KI_UUID_BYTES) != 0)
        return ki_fail(KITH_EINVAL, "the graph file belongs to another store than the one it lies "
                                    "beside (a copy, or this one before it was compacted)");
    if (head->dim != shape->dim || head->type != shape->type || head->metric != shape->metric)
        return damaged("its rows are not those of the store");
    kith_status status = check_sections(head, file_bytes);
    return status ? status : check_numbers(head);
}

static kith_status read_head(ki_graph_reader *reader, const ki_store *engine)
{
    uint64_t bytes = 0;
    if (reader->vfs->size(reader->vfs->user, reader->file, &bytes) != 0)
        return ki_fail(KITH_EIO, "the size of the graph file cannot be read: %s", strerror(errno));
    if (bytes < KI_GRAPH_HEAD)
        return ki_fail(KITH_ECORRUPT, "the graph file has %llu bytes, less than its head of %d",
                       (unsigned long long)bytes, KI_GRAPH_HEAD);
    kith_status status =
        ki_file_read(reader->vfs, reader->file, 0, &reader->head, sizeof reader->head);
    return status ? status : check_head(&reader->head, engine, bytes);
}

kith_status ki_graph_reader_open(const ki_store *engine, ki_graph_reader *out)
{
    char *path = NULL;
    *out = (ki_graph_reader){.vfs = ki_store_vfs(engine), .file = -1};
    kith_status status = ki_graph_path(ki_store_path(engine), "", &path);
    if (status)
        return status;
    do
        out->file = out->vfs->open(out->vfs->user, path, KI_VFS_READ_ONLY);
    while (out->file < 0 && errno == EINTR);
    if (out->file < 0)
        status = ki_fail(errno == ENOENT ? KITH_ENOTFOUND : KITH_EIO, "%s cannot be opened: %s",
                         path, strerror(errno));
    ki_free(path);
    if (!status)
        status = read_head(out, engine);
    if (status)
        ki_graph_reader_close(out);
    return status;
}

void ki_graph_reader_close(ki_graph_reader *reader)
{
    if (reader->file >= 0)
        reader->vfs->close(reader->vfs->user, reader->file);
    reader->file = -1;
}

kith_status ki_graph_read_part(const ki_graph_reader *reader, const ki_graph_section *section,
                               void *to)
{
    kith_status status =
        ki_file_read(reader->vfs, reader->file, section->offset, to, (size_t)section->bytes);
    if (status)
        return status;
    return ki_sum64(to, (size_t)section->bytes, section->part) == section->sum
               ? KITH_OK
               : ki_fail(KITH_ECORRUPT,
                         "the graph file is damaged: part %u of layer %u, %llu bytes at %llu, does "
                         "not match its checksum",
                         section->part, section->layer, (unsigned long long)section->bytes,
                         (unsigned long long)section->offset);
}

/* In blocks, so that a check takes no more memory for a large graph than for a small one. */
static kith_status check_part(const ki_graph_reader *reader, const ki_graph_section *section,
                              void *block, XXH3_state_t *state)
{
    kith_status status = KITH_OK;
    XXH3_64bits_reset_withSeed(state, section->part);
    for (uint64_t at = 0; at < section->bytes && !status; at += BLOCK) {
        const size_t now = section->bytes - at < BLOCK ? (size_t)(section->bytes - at) : BLOCK;
        status = ki_file_read(reader->vfs, reader->file, section->offset + at, block, now);
        if (!status)
            XXH3_64bits_update(state, block, now);
    }
    if (status || XXH3_64bits_digest(state) == section->sum)
        return status;
    return ki_fail(KITH_ECORRUPT,
                   "the graph file is damaged: part %u of layer %u, %llu bytes at %llu, does not "
                   "match its checksum",
                   section->part, section->layer, (unsigned long long)section->bytes,
                   (unsigned long long)section->offset);
}

kith_status ki_graph_check_parts(const ki_graph_reader *reader, kith_progress_fn progress,
                                 void *user)
{
    const ki_graph_head *head = &reader->head;
    XXH3_state_t *state = XXH3_createState();
    void *block = ki_alloc(BLOCK);
    kith_status status = state && block ? KITH_OK : ki_no_memory("checking a graph", BLOCK);
    for (uint32_t i = 0; i < head->sections && !status; i++) {
        status = check_part(reader, &head->section[i], block, state);
        if (!status && progress &&
            progress(user, head->section[i].offset + head->section[i].bytes, head->file_bytes))
            status = ki_fail(KITH_ECANCELLED, "the check was stopped after %u of %u sections",
                             i + 1, head->sections);
    }
    ki_free(block);
    XXH3_freeState(state);
    return status;
}
