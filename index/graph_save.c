/* graph_save.c - writing a graph file; see graph_file.h.
 *
 * May touch graph_file.h and kv/. The head is written last into its place at the front, so a file
 * under its passing name that was cut short is none; and the name is given when all is on disk.
 */
#include "index/graph_file.h"
#include "kv/checksum.h"
#include "kv/space.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 1 << 20, LINE = 64, ENDING = 16 };

typedef struct saving {
    const ki_graph *graph;
    const ki_vfs *vfs;
    int file;
    ki_graph_head head;
    kith_progress_fn progress;
    void *user;
} saving;

kith_status ki_graph_path(const char *store_path, const char *end, char **out)
{
    const size_t room = strlen(store_path) + ENDING;
    char *path = ki_alloc(room);
    if (!path)
        return ki_no_memory("the name of a graph", room);
    snprintf(path, room, "%s.graph%s", store_path, end);
    *out = path;
    return KITH_OK;
}

/* Appends bytes that lie in memory as a section. */
static kith_status write_part(saving *s, ki_graph_part part, uint32_t layer, const void *from,
                              uint64_t bytes)
{
    ki_graph_section *section = &s->head.section[s->head.sections++];
    const uint64_t offset = (s->head.file_bytes + LINE - 1) / LINE * LINE;
    kith_status status = KITH_OK;
    *section = (ki_graph_section){part, layer, offset, bytes, ki_sum64(from, bytes, part)};
    for (uint64_t at = 0; at < bytes && !status; at += BLOCK) {
        const size_t now = bytes - at < BLOCK ? (size_t)(bytes - at) : BLOCK;
        status = ki_file_write(s->vfs, s->file, offset + at, (const unsigned char *)from + at, now);
        if (!status && s->progress && s->progress(s->user, offset + at, offset + bytes))
            status = ki_fail(KITH_ECANCELLED, "saving the graph was stopped at byte %llu",
                             (unsigned long long)(offset + at));
    }
    s->head.file_bytes = offset + bytes;
    return status;
}

static kith_status write_stamps(saving *s)
{
    const size_t bytes = (size_t)s->graph->seen * sizeof(uint64_t);
    uint64_t *stamps = ki_alloc(bytes + 1);
    if (!stamps)
        return ki_no_memory("the stamps of a graph's rows", bytes);
    for (uint32_t row = 0; row < s->graph->seen; row++)
        stamps[row] = ki_store_stamp(s->graph->engine, row);
    kith_status status = write_part(s, KI_PART_STAMPS, 0, stamps, bytes);
    ki_free(stamps);
    return status;
}

static kith_status write_codes(saving *s, const ki_codes *codes, ki_graph_part part)
{
    if (!codes || !codes->codec)
        return KITH_OK;
    const size_t bytes = ki_codes_saved_bytes(codes);
    void *learnt = ki_alloc(bytes);
    if (!learnt)
        return ki_no_memory("what codes learnt", bytes);
    ki_codes_save(codes, learnt);
    kith_status status = write_part(s, part, 0, learnt, bytes);
    ki_free(learnt);
    return status;
}

/* Brief codes that a trial chose; what was asked for by name is asked for again. */
static const ki_codes *chosen(const ki_graph *graph)
{
    const ki_codes *brief = graph->brief_ready ? graph->brief : NULL;
    return brief && brief->source && brief->codec ? brief : NULL;
}

static kith_status write_layer(saving *s, uint32_t l)
{
    const ki_layer *layer = &s->graph->layer[l];
    const uint64_t count = layer->count;
    kith_status status = write_part(s, KI_PART_LINKS, l, layer->links, count * layer->degree * 4);
    if (!status)
        status = write_part(s, KI_PART_KEPT, l, layer->kept, count);
    if (!status && l)
        status = write_part(s, KI_PART_DOWN, l, layer->down, count * 4);
    s->head.layer[l].count = layer->count;
    s->head.layer[l].nodes = layer->nodes;
    s->head.layer[l].root = layer->root;
    s->head.layer[l].degree = layer->degree;
    return status;
}

static void describe(saving *s, const ki_shape *shape)
{
    const ki_graph *g = s->graph;
    const bool coded = g->codes && g->codes->codec;
    s->head = (ki_graph_head){.magic = "kithGrf1",
                              .version = 1,
                              .byte_order = 0x01020304,
                              .lsn = ki_store_lsn(g->engine),
                              .dim = shape->dim,
                              .type = shape->type,
                              .metric = shape->metric,
                              .m = g->m,
                              .ef_construction = g->ef_construction,
                              .alpha = g->alpha,
                              .seed = g->seed,
                              .seen = g->seen,
                              .layers = g->layers,
                              .entry = g->entry,
                              .codes = coded ? (uint32_t)g->codes->shape.code + 1 : 0,
                              .reduced = coded ? g->codes->shape.reduced : 0,
                              .brief = chosen(g) ? g->brief->dim : 0,
                              .brief_code = chosen(g) ? (uint32_t)g->brief->shape.code : 0,
                              .file_bytes = KI_GRAPH_HEAD};
    memcpy(s->head.uuid, ki_store_uuid(g->engine), KI_UUID_BYTES);
}

static kith_status sync_file(saving *s)
{
    int failed;
    do
        failed = s->vfs->sync(s->vfs->user, s->file);
    while (failed && errno == EINTR);
    return failed ? ki_fail(KITH_EIO, "the graph cannot be synced: %s", strerror(errno)) : KITH_OK;
}

static kith_status write_all(saving *s)
{
    kith_status status = write_stamps(s);
    if (!status)
        status = write_part(s, KI_PART_LEVELS, 0, s->graph->level, s->graph->seen);
    if (!status)
        status = write_codes(s, s->graph->codes, KI_PART_CODES);
    if (!status)
        status = write_codes(s, chosen(s->graph), KI_PART_BRIEF);
    for (uint32_t l = 0; l < s->graph->layers && !status; l++)
        status = write_layer(s, l);
    if (status)
        return status;
    s->head.sum = ki_sum64(&s->head, offsetof(ki_graph_head, sum), 0);
    status = ki_file_write(s->vfs, s->file, 0, &s->head, sizeof s->head);
    return status ? status : sync_file(s);
}

/* Under the passing name, which nobody else uses: the store has one writer. */
static kith_status write_passing(saving *s, const char *passing)
{
    s->vfs->unlink(s->vfs->user, passing); /* left behind by a process that was killed */
    do
        s->file = s->vfs->open(s->vfs->user, passing, KI_VFS_CREATE | KI_VFS_EXCLUSIVE);
    while (s->file < 0 && errno == EINTR);
    if (s->file < 0)
        return ki_fail(KITH_EIO, "%s cannot be made: %s", passing, strerror(errno));
    kith_status status = write_all(s);
    if (s->vfs->close(s->vfs->user, s->file) != 0 && !status)
        status = ki_fail(KITH_EIO, "%s cannot be closed: %s", passing, strerror(errno));
    return status;
}

kith_status ki_graph_save(const ki_graph *graph, const ki_shape *shape, kith_progress_fn progress,
                          void *user)
{
    const char *path = ki_store_path(graph->engine);
    saving *s = ki_zalloc(sizeof *s);
    char *name = NULL, *passing = NULL;
    kith_status status = s ? KITH_OK : ki_no_memory("saving a graph", sizeof *s);
    if (!status)
        status = ki_graph_path(path, "", &name);
    if (!status)
        status = ki_graph_path(path, ".part", &passing);
    if (!status)
        status = ki_store_sync((ki_store *)(uintptr_t)graph->engine);
    if (!status) {
        *s = (saving){
            .graph = graph, .vfs = ki_store_vfs(graph->engine), .progress = progress, .user = user};
        describe(s, shape);
        status = write_passing(s, passing);
        if (!status && s->vfs->rename(s->vfs->user, passing, name) != 0)
            status =
                ki_fail(KITH_EIO, "the graph cannot take the name %s: %s", name, strerror(errno));
        if (status)
            s->vfs->unlink(s->vfs->user, passing);
        else if (s->vfs->sync_dir(s->vfs->user, name) != 0)
            status =
                ki_fail(KITH_EIO, "the folder of %s cannot be synced: %s", name, strerror(errno));
    }
    ki_free(s);
    ki_free(name);
    ki_free(passing);
    return status;
}
