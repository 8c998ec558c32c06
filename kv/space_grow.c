/* space_grow.c - how a store's file gets longer, and takes disk space.
 *
 * May touch space.h. The one idea: two paces. Extents are added a quarter of the section at a
 * time: the file gets longer, and takes no more disk space; a head on disk must name them before
 * they are relied on, which costs two syncs, but seldom. Disk space follows in steps of a 128th,
 * at least 256 KiB and at most 64 MiB, just ahead of what is written. So a full disk is found out
 * before anything is written, and what stands empty is less than one part in a hundred of a large
 * store.
 *
 * What a step takes beyond the need of the moment is filled with zeros: a sync that has to turn
 * unwritten extents into written ones takes longer, and sometimes very much longer, than one that
 * does not. Small commits find written ones; a large one brings its own.
 */
#include "kv/space.h"

#include <errno.h>
#include <string.h>

enum { ZEROS = 1 << 20, FILL_LEAST = 256 << 10, FILL_MOST = 64 << 20 };

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
        size_t part = ki_section_part(&space->section[kind], at, (size_t)bytes, &offset);
        int refused;
        do
            refused = space->vfs->allocate(space->vfs->user, space->file, offset, part);
        while (refused != 0 && errno == EINTR);
        if (refused)
            return ki_fail(KITH_EIO, "no disk space for %zu more bytes of %s: %s", part,
                           ki_section_names[kind], strerror(errno));
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
    do
        refused = space->vfs->extend(space->vfs->user, space->file, end);
    while (refused != 0 && errno == EINTR);
    if (refused)
        return ki_fail(KITH_EIO, "the store's file cannot have %llu bytes: %s",
                       (unsigned long long)end, strerror(errno));
    kith_status status = ki_space_append(space, kind, space->end, more);
    if (!status)
        space->unsaved = true;
    return status;
}

uint64_t ki_space_ahead(const ki_space *space, uint64_t bytes)
{
    uint64_t least = (uint64_t)space->grow_units * space->unit_bytes, more = bytes / 4;
    return bytes + (more > least ? more : least);
}

/* The last extent of the file, or a part of it, was never relied on. A section that seemed to have
 * it, but no disk space behind it, would meet the full disk where a failure is the end of writing:
 * in the log. */
static void take_back(ki_space *space, ki_section *section, uint64_t bytes)
{
    ki_piece *last = &section->pieces[section->count - 1];
    last->bytes -= bytes;
    section->count -= last->bytes == 0;
    section->bytes -= bytes;
    __atomic_store_n(&space->end, space->end - bytes, __ATOMIC_RELAXED);
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
    uint64_t had = section->bytes;
    status = ki_space_extend(space, kind, bytes);
    if (!status)
        status = fill(space, kind, bytes);
    if (status && section->bytes > had && !ki_is_read_in_place(kind))
        take_back(space, section, section->bytes - had);
    return status;
}
