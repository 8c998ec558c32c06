/* space.c - sections over extents of one file, or over memory.
 *
 * May touch space.h. The one idea: a section's bytes have offsets of their own, and only this
 * file knows where in the file they lie. So the file grows at its end alone (space_grow.c), by
 * whichever section needs room, nothing is ever moved to make some, and a base address that was
 * handed out stays.
 */
#include "kv/space.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

const char *const ki_section_names[KI_SECTIONS] = {"rows",     "side data", "records", "heap",
                                                   "liveness", "liveness",  "log"};

/* ---- Whole transfers ---------------------------------------------------------------------- */

kith_status ki_file_write(const ki_vfs *vfs, int file, uint64_t offset, const void *from,
                          size_t bytes)
{
    const unsigned char *at = from;
    while (bytes > 0) {
        ssize_t done = vfs->pwrite(vfs->user, file, at, bytes, offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return ki_fail(KITH_EIO, "writing %zu bytes at %llu of the file failed: %s", bytes,
                           (unsigned long long)offset,
                           done < 0 ? strerror(errno) : "nothing was written");
        at += done;
        offset += (uint64_t)done;
        bytes -= (size_t)done;
    }
    return KITH_OK;
}

kith_status ki_file_read(const ki_vfs *vfs, int file, uint64_t offset, void *to, size_t bytes)
{
    unsigned char *at = to;
    while (bytes > 0) {
        ssize_t done = vfs->pread(vfs->user, file, at, bytes, offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return ki_fail(KITH_EIO, "reading %zu bytes at %llu of the file failed: %s", bytes,
                           (unsigned long long)offset,
                           done < 0 ? strerror(errno) : "the file is shorter than that");
        at += done;
        offset += (uint64_t)done;
        bytes -= (size_t)done;
    }
    return KITH_OK;
}

/* The piece that holds a byte of the section. */
static const ki_piece *piece_at(const ki_section *section, uint64_t at)
{
    uint32_t low = 0, high = section->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (section->pieces[middle].start <= at)
            low = middle;
        else
            high = middle;
    }
    return &section->pieces[low];
}

size_t ki_section_part(const ki_section *section, uint64_t at, size_t bytes, uint64_t *offset)
{
    const ki_piece *piece = piece_at(section, at);
    uint64_t rest = piece->start + piece->bytes - at;
    *offset = piece->offset + (at - piece->start);
    return rest < bytes ? (size_t)rest : bytes;
}

kith_status ki_space_write(ki_space *space, ki_section_kind kind, uint64_t at, const void *from,
                           size_t bytes)
{
    ki_section *section = &space->section[kind];
    const unsigned char *source = from;
    kith_status status = KITH_OK;
    assert(at <= section->bytes && bytes <= section->bytes - at);
    if (space->file < 0) {
        memcpy(section->base + at, from, bytes);
        return KITH_OK;
    }
    while (bytes > 0 && !status) {
        uint64_t offset;
        size_t part = ki_section_part(section, at, bytes, &offset);
        status = ki_file_write(space->vfs, space->file, offset, source, part);
        source += part;
        at += part;
        bytes -= part;
    }
    return status;
}

kith_status ki_space_read(const ki_space *space, ki_section_kind kind, uint64_t at, void *to,
                          size_t bytes)
{
    const ki_section *section = &space->section[kind];
    unsigned char *target = to;
    kith_status status = KITH_OK;
    assert(at <= section->bytes && bytes <= section->bytes - at);
    if (space->file < 0) {
        memcpy(to, section->base + at, bytes);
        return KITH_OK;
    }
    while (bytes > 0 && !status) {
        uint64_t offset;
        size_t part = ki_section_part(section, at, bytes, &offset);
        status = ki_file_read(space->vfs, space->file, offset, target, part);
        target += part;
        at += part;
        bytes -= part;
    }
    return status;
}

unsigned char *ki_run_place(ki_run *run, uint64_t at, size_t bytes, kith_status *status)
{
    assert(bytes <= run->room);
    if (run->used > 0 && (at != run->at + run->used || bytes > run->room - run->used))
        *status = ki_run_flush(run);
    if (*status)
        return NULL;
    if (run->used == 0)
        run->at = at;
    unsigned char *place = run->buffer + run->used;
    run->used += bytes;
    return place;
}

kith_status ki_run_flush(ki_run *run)
{
    size_t used = run->used;
    run->used = 0;
    return used ? ki_space_write(run->space, run->kind, run->at, run->buffer, used) : KITH_OK;
}

/* ---- Opening and closing ------------------------------------------------------------------ */

/* A limit on address space may refuse what the store will never fill: ask for less and less. */
static kith_status reserve(ki_space *space, ki_section *section, uint64_t most)
{
    uint64_t least = UINT64_C(1) << 20, bytes = UINT64_C(1) << 40;
    while (bytes > least && bytes / 2 >= most)
        bytes /= 2;
    if (space->file < 0) {
        kith_status status = ki_arena_open((size_t)most, &section->arena);
        section->base = section->arena.base;
        return status;
    }
    if (ki_alloc_should_fail())
        return ki_no_memory("a range of addresses", bytes);
    for (; bytes >= least && section->base == NULL; bytes /= 2)
        section->base = space->vfs->reserve(space->vfs->user, section->reserved = bytes);
    return section->base ? KITH_OK : ki_no_memory("a range of addresses", least);
}

kith_status ki_space_open(const ki_vfs *vfs, int file, uint64_t rows_most, uint64_t heap_most,
                          ki_space *out)
{
    *out = (ki_space){.vfs = vfs, .file = file, .owner = getpid()};
    kith_status status = reserve(out, &out->section[KI_ROWS], rows_most);
    if (!status)
        status = reserve(out, &out->section[KI_HEAP], heap_most);
    return status;
}

void ki_space_close(ki_space *space)
{
    for (int kind = 0; kind < KI_SECTIONS; kind++) {
        ki_section *section = &space->section[kind];
        ki_free(section->pieces);
        ki_arena_close(&section->arena);
        if (section->base && space->file >= 0)
            space->vfs->release(space->vfs->user, section->base, section->reserved);
    }
    *space = (ki_space){.file = -1};
}

/* ---- Extents ------------------------------------------------------------------------------ */

static kith_status make_piece_room(ki_section *section)
{
    if (section->count < section->room)
        return KITH_OK;
    uint32_t room = section->room ? section->room * 2 : 4;
    ki_piece *pieces = ki_realloc(section->pieces, room * sizeof *pieces);
    if (!pieces)
        return ki_no_memory("the list of a store's extents", room * sizeof *pieces);
    section->pieces = pieces;
    section->room = room;
    return KITH_OK;
}

kith_status ki_space_append(ki_space *space, ki_section_kind kind, uint64_t offset, uint64_t bytes)
{
    ki_section *section = &space->section[kind];
    kith_status status = make_piece_room(section);
    if (status)
        return status;
    if (ki_is_read_in_place(kind)) {
        if (bytes > section->reserved || section->bytes > section->reserved - bytes)
            return ki_fail(KITH_ENOMEM,
                           "%llu bytes of %s do not fit in the %zu bytes of addresses that were "
                           "reserved",
                           (unsigned long long)(section->bytes + bytes), ki_section_names[kind],
                           section->reserved);
        if (space->vfs->map(space->vfs->user, space->file, section->base + section->bytes,
                            (size_t)bytes, offset) != 0)
            return ki_fail(KITH_ENOMEM, "the system would not show %llu bytes of the file: %s",
                           (unsigned long long)bytes, strerror(errno));
    }
    ki_piece *last = section->count ? &section->pieces[section->count - 1] : NULL;
    if (last && last->offset + last->bytes == offset)
        last->bytes += bytes;
    else
        section->pieces[section->count++] = (ki_piece){section->bytes, offset, bytes};
    section->bytes += bytes;
    __atomic_store_n(&space->end, offset + bytes, __ATOMIC_RELAXED);
    return KITH_OK;
}

kith_status ki_space_adopt(ki_space *space, const ki_head *head)
{
    kith_status status = KITH_OK;
    space->unit_bytes = head->unit_bytes;
    space->grow_units = head->grow_units;
    space->end = (KI_HEADS_BYTES + head->unit_bytes - 1) / head->unit_bytes * head->unit_bytes;
    for (uint32_t i = 0; i < head->extent_count && !status; i++) {
        const ki_extent *extent = &head->extents[i];
        ki_section_kind kind = (ki_section_kind)extent->kind;
        status = ki_space_append(space, kind, (uint64_t)extent->first * head->unit_bytes,
                                 (uint64_t)extent->units * head->unit_bytes);
    }
    return status;
}

/* Extents in the order in which they lie in the file: each section's list is sorted, so the
 * smallest of the lists' heads is always next. */
void ki_space_describe(const ki_space *space, ki_head *head)
{
    uint32_t next[KI_SECTIONS] = {0}, count = 0;
    memset(head->extents, 0, sizeof head->extents);
    for (;;) {
        int best = -1;
        for (int kind = 0; kind < KI_SECTIONS; kind++) {
            const ki_section *section = &space->section[kind];
            if (next[kind] < section->count &&
                (best < 0 || section->pieces[next[kind]].offset <
                                 space->section[best].pieces[next[best]].offset))
                best = kind;
        }
        if (best < 0)
            break;
        const ki_piece *piece = &space->section[best].pieces[next[best]++];
        head->extents[count++] = (ki_extent){.kind = (uint32_t)best,
                                             .first = (uint32_t)(piece->offset / space->unit_bytes),
                                             .units = (uint32_t)(piece->bytes / space->unit_bytes)};
    }
    head->extent_count = count;
}
