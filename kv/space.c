/* space.c - sections over extents of one file, or over memory.
 *
 * May touch space.h. The one idea: a section's bytes have offsets of their own, and only this
 * file knows where in the file they lie. So the file grows at its end alone, by whichever section
 * needs room, nothing is ever moved to make some, and a base address that was handed out stays.
 *
 * Growing has two paces. Extents are added a quarter of the section at a time: the file gets
 * longer, and takes no more disk space; a head on disk must name them before they are relied on,
 * which costs two syncs, but seldom. Disk space follows in steps of a 128th, at least 256 KiB and
 * at most 64 MiB, just ahead of what is written. So a full disk is found out before anything is
 * written, and what stands empty is less than one part in a hundred of a large store.
 *
 * What a step takes beyond the need of the moment is filled with zeros: a sync that has to turn
 * unwritten extents into written ones takes longer, and sometimes very much longer, than one that
 * does not. Small commits find written ones; a large one brings its own.
 */
#include "kv/space.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { ZEROS = 1 << 20, FILL_LEAST = 256 << 10, FILL_MOST = 64 << 20 };

static const char *const names[KI_SECTIONS] = {"rows",     "side data", "records", "heap",
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

/* How much of `bytes` lies in one piece, and where in the file. */
static size_t part_of(const ki_section *section, uint64_t at, size_t bytes, uint64_t *offset)
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
        size_t part = part_of(section, at, bytes, &offset);
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
        size_t part = part_of(section, at, bytes, &offset);
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

static bool is_read_in_place(ki_section_kind kind)
{
    return kind == KI_ROWS || kind == KI_HEAP;
}

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
    *out = (ki_space){.vfs = vfs, .file = file};
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

/* ---- Growing ------------------------------------------------------------------------------ */

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

/* Appends bytes of the file to a section, and shows them. Room for the piece was made. */
static kith_status append(ki_space *space, ki_section_kind kind, uint64_t offset, uint64_t bytes)
{
    ki_section *section = &space->section[kind];
    if (is_read_in_place(kind)) {
        if (bytes > section->reserved || section->bytes > section->reserved - bytes)
            return ki_fail(KITH_ENOMEM,
                           "%llu bytes of %s do not fit in the %zu bytes of addresses that were "
                           "reserved",
                           (unsigned long long)(section->bytes + bytes), names[kind],
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
    space->end = offset + bytes;
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
        status = make_piece_room(&space->section[kind]);
        if (!status)
            status = append(space, kind, (uint64_t)extent->first * head->unit_bytes,
                            (uint64_t)extent->units * head->unit_bytes);
    }
    return status;
}

static uint32_t extent_count(const ki_space *space)
{
    uint32_t count = 0;
    for (int kind = 0; kind < KI_SECTIONS; kind++)
        count += space->section[kind].count;
    return count;
}

static bool is_zeroed(ki_section_kind kind)
{
    return kind == KI_ROWS || kind == KI_AUX || kind == KI_HEAP || kind == KI_LOG;
}

static kith_status write_zeros(ki_space *space, ki_section_kind kind, uint64_t at, uint64_t bytes)
{
    size_t part = bytes < ZEROS ? (size_t)bytes : ZEROS;
    void *zeros = ki_zalloc(part);
    kith_status status = zeros ? KITH_OK : ki_no_memory("zeros", part);
    while (bytes > 0 && !status) {
        size_t now = bytes < part ? (size_t)bytes : part;
        status = ki_space_write(space, kind, at, zeros, now);
        at += now;
        bytes -= now;
    }
    ki_free(zeros);
    return status;
}

static kith_status take_space(ki_space *space, ki_section_kind kind, uint64_t at, uint64_t bytes)
{
    while (bytes > 0) {
        uint64_t offset;
        size_t part = part_of(&space->section[kind], at, (size_t)bytes, &offset);
        int refused;
        do
            refused = space->vfs->allocate(space->vfs->user, space->file, offset, part);
        while (refused != 0 && errno == EINTR);
        if (refused)
            return ki_fail(KITH_EIO, "no disk space for %zu more bytes of %s: %s", part,
                           names[kind], strerror(errno));
        at += part;
        bytes -= part;
    }
    return KITH_OK;
}

/* The section has the extents; its first `bytes` are to be had without fail. */
static kith_status fill(ki_space *space, ki_section_kind kind, uint64_t bytes)
{
    ki_section *section = &space->section[kind];
    uint64_t step = section->filled / 128, at = section->filled;
    if (bytes <= at)
        return KITH_OK;
    if (step < FILL_LEAST)
        step = FILL_LEAST;
    if (step > FILL_MOST)
        step = FILL_MOST;
    if (step < bytes - at)
        step = bytes - at;
    step = (step + 4095) & ~UINT64_C(4095);
    if (step > section->bytes - at)
        step = section->bytes - at;
    uint64_t end = at + step, idle = kind == KI_LOG ? at : bytes & ~UINT64_C(4095);
    if (idle < at)
        idle = at;
    kith_status status = take_space(space, kind, at, step);
    if (!status && is_zeroed(kind))
        status = write_zeros(space, kind, idle, end - idle);
    if (!status)
        section->filled = end;
    return status;
}

void ki_space_used(ki_space *space, ki_section_kind kind, uint64_t bytes)
{
    bytes = (bytes + 4095) & ~UINT64_C(4095);
    space->section[kind].filled = bytes;
}

uint64_t ki_space_bytes(const ki_space *space)
{
    uint64_t bytes = KI_HEADS_BYTES;
    for (int kind = 0; kind < KI_SECTIONS; kind++)
        bytes += space->section[kind].filled;
    return space->file < 0 ? 0 : bytes;
}

kith_status ki_space_extend(ki_space *space, ki_section_kind kind, uint64_t bytes)
{
    ki_section *section = &space->section[kind];
    uint64_t unit = space->unit_bytes;
    if (space->file < 0 || bytes <= section->bytes)
        return KITH_OK;
    uint64_t more = (bytes - section->bytes + unit - 1) / unit * unit, end = space->end + more;
    int refused;
    if (extent_count(space) >= KI_EXTENTS_MAX || end / unit > UINT32_MAX)
        return ki_fail(KITH_ENOMEM, "the store's file has %u extents and %llu bytes: it is full",
                       extent_count(space), (unsigned long long)space->end);
    kith_status status = make_piece_room(section);
    if (status)
        return status;
    do
        refused = space->vfs->extend(space->vfs->user, space->file, end);
    while (refused != 0 && errno == EINTR);
    if (refused)
        return ki_fail(KITH_EIO, "the store's file cannot have %llu bytes: %s",
                       (unsigned long long)end, strerror(errno));
    status = append(space, kind, space->end, more);
    if (!status)
        space->unsaved = true;
    return status;
}

uint64_t ki_space_ahead(const ki_space *space, uint64_t bytes)
{
    uint64_t least = (uint64_t)space->grow_units * space->unit_bytes, more = bytes / 4;
    return bytes + (more > least ? more : least);
}

kith_status ki_space_grow(ki_space *space, ki_section_kind kind, uint64_t bytes)
{
    ki_section *section = &space->section[kind];
    kith_status status = KITH_OK;
    if (space->file < 0) {
        status = ki_arena_grow(&section->arena, (size_t)bytes);
        section->bytes = section->arena.committed;
        return status;
    }
    status = ki_space_extend(space, kind, bytes);
    return status ? status : fill(space, kind, bytes);
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
