/* space.h - the sections of a store: sequences of bytes that grow and never move.
 *
 * May include format.h and arena.h. In a file a section is a list of extents; written by offset
 * through the system, and ROWS and HEAP shown read-only in a reserved range of addresses. In
 * memory ROWS and HEAP are arenas, the other sections do not exist, and the same calls serve.
 */
#ifndef KI_SPACE_H
#define KI_SPACE_H

#include "kv/arena.h"
#include "kv/format.h"

typedef struct ki_piece {
    uint64_t start;  /* in the section */
    uint64_t offset; /* in the file */
    uint64_t bytes;
} ki_piece;

typedef struct ki_section {
    ki_piece *pieces; /* in a file */
    uint32_t count, room;
    uint64_t bytes;      /* of all extents */
    uint64_t filled;     /* of them from the front: on disk space that was taken, and zeroed */
    unsigned char *base; /* of ROWS and HEAP: where they are read */
    size_t reserved;     /* addresses at base, in a file */
    ki_arena arena;      /* in memory */
} ki_section;

typedef struct ki_space {
    const ki_vfs *vfs;
    int file;            /* -1: in memory */
    pid_t owner;         /* the process that opened it */
    uint32_t unit_bytes; /* extents start and end on multiples */
    uint32_t grow_units;
    uint64_t end; /* where the next extent begins; atomic for who only looks */
    bool unsaved; /* extents were added that no head on disk names */
    ki_section section[KI_SECTIONS];
} ki_space;

extern const char *const ki_section_names[KI_SECTIONS]; /* for sentences */

static inline bool ki_is_read_in_place(ki_section_kind kind)
{
    return kind == KI_ROWS || kind == KI_HEAP;
}

/* Addresses for at most so many bytes of ROWS and HEAP. file -1 opens a space in memory. */
kith_status ki_space_open(const ki_vfs *vfs, int file, uint64_t rows_most, uint64_t heap_most,
                          ki_space *out);
void ki_space_close(ki_space *space); /* the file stays open; accepts a zeroed struct */

/* Takes over the extents of a head that was checked. */
kith_status ki_space_adopt(ki_space *space, const ki_head *head);

/* Appends bytes of the file to a section, and shows them. How much of `bytes` at `at` lies in one
 * piece, and where in the file. */
kith_status ki_space_append(ki_space *space, ki_section_kind kind, uint64_t offset, uint64_t bytes);
size_t ki_section_part(const ki_section *section, uint64_t at, size_t bytes, uint64_t *offset);

/* Gives a section extents for at least `bytes`: in a file they take no disk space yet. */
kith_status ki_space_extend(ki_space *space, ki_section_kind kind, uint64_t bytes);

/* How far to extend a section that needs `bytes`, so that it need not be soon again. */
uint64_t ki_space_ahead(const ki_space *space, uint64_t bytes);

/* Makes a section at least `bytes` long. New bytes are zero and on no head yet: they may be
 * written, but nothing that must survive may rely on them before `unsaved` was dealt with. The
 * sentence says what for. A failure leaves the section as it was. */
kith_status ki_space_grow(ki_space *space, ki_section_kind kind, uint64_t bytes);

/* Tells that the first `bytes` of a section were in use when the file was opened. */
void ki_space_used(ki_space *space, ki_section_kind kind, uint64_t bytes);

/* Disk space that the file takes, and the log in it; 0 in memory. */
uint64_t ki_space_bytes(const ki_space *space);

/* Writes the extents into a head. */
void ki_space_describe(const ki_space *space, ki_head *head);

/* Whole transfers inside the section; EINTR and short ones are carried on. EIO. */
kith_status ki_space_write(ki_space *space, ki_section_kind kind, uint64_t at, const void *from,
                           size_t bytes);
kith_status ki_space_read(const ki_space *space, ki_section_kind kind, uint64_t at, void *to,
                          size_t bytes);

/* The same by offset in the file. A read beyond its end is EIO. */
kith_status ki_file_write(const ki_vfs *vfs, int file, uint64_t offset, const void *from,
                          size_t bytes);
kith_status ki_file_read(const ki_vfs *vfs, int file, uint64_t offset, void *to, size_t bytes);

/* Collects writes that follow each other into one. */
typedef struct ki_run {
    ki_space *space;
    ki_section_kind kind;
    unsigned char *buffer;
    size_t room, used;
    uint64_t at;
} ki_run;

/* Where the next `bytes` bytes at `at` are to be put, all of them; NULL with *status set when
 * writing out what was collected failed. bytes <= room. */
unsigned char *ki_run_place(ki_run *run, uint64_t at, size_t bytes, kith_status *status);
kith_status ki_run_flush(ki_run *run);

#endif
