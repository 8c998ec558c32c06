/* sim_vfs.h - a disk in memory that loses power, and that fails on demand, behind ki_vfs.
 *
 * What was written since the last sync of a file is kept as a list of writes. When power goes,
 * each sector of 512 bytes independently keeps a prefix of the writes that touched it, the last
 * of them perhaps torn inside; a file's length goes back or not; names that no sync of the folder
 * made firm come and go. After sim_cut the disk holds exactly what survived.
 */
#ifndef SIM_VFS_H
#define SIM_VFS_H

#include "kv/vfs.h"

enum {
    SIM_FILES = 6,
    SIM_BYTES = 1 << 20,
    SIM_FDS = 16,
    SIM_VIEWS = 512,
    SIM_RANGES = 12,
    SIM_SYNCS = 256
};

typedef enum sim_fault {
    SIM_NONE,
    SIM_EIO,
    SIM_ENOSPC,
    SIM_SHORT,
    SIM_EINTR,
    SIM_EIO_SYNC
} sim_fault;

typedef struct sim_write {
    uint64_t offset;
    size_t bytes, at; /* at: where its bytes lie in `data` */
} sim_write;

typedef struct sim_file {
    unsigned char *now, *firm; /* what reads see; what is surely on disk */
    uint64_t now_bytes, firm_bytes;
    sim_write *writes;
    unsigned char *data;
    size_t write_count, write_room, data_used, data_room;
    bool used;
} sim_file;

typedef struct sim_name {
    char text[64];
    int file; /* -1: no such name */
    int firm; /* what it leads to after a cut that forgets the folder's changes */
} sim_name;

typedef struct sim {
    ki_vfs vfs;
    sim_file file[SIM_FILES];
    sim_name name[SIM_FILES];
    struct {
        int file;
        bool read_only, locked[2], exclusive[2];
    } fd[SIM_FDS];
    struct {
        int file;
        unsigned char *at;
        uint64_t offset;
        size_t bytes;
    } view[SIM_VIEWS];
    size_t view_count;
    unsigned char *range[SIM_RANGES];
    bool range_used[SIM_RANGES];
    uint64_t random;
    uint64_t calls;    /* that change something or may fail */
    uint64_t cut_at;   /* power goes at this call; 0: never */
    uint32_t cut_sync; /* power goes at this sync from now, before it; 0: never */
    uint64_t fault_at; /* this call fails; 0: none */
    sim_fault fault;
    bool sticky;                   /* and all later ones */
    bool dead;                     /* power is gone: everything fails until sim_cut */
    uint64_t sync_call[SIM_SYNCS]; /* which calls were syncs */
    uint32_t syncs;                /* all there were: who uses the list sees that it holds them */
} sim;

void sim_open(sim *disk, uint64_t seed);
void sim_close(sim *disk);

/* Both, but for the memory, which is kept: for tests of many thousand lives. Every descriptor must
 * be closed. Also of a disk that is all zeros, which was never open. */
void sim_again(sim *disk, uint64_t seed);

/* What survives. Every descriptor must be closed. */
void sim_cut(sim *disk);

/* The process ended, not the power: all that was written is seen, and none of it is firm. */
void sim_kill(sim *disk);

/* The same choice given by hand: bit i keeps the i-th of the sectors that differ from what the
 * last sync of the file left. `sim_loose` says how many there are. */
size_t sim_loose(const sim *disk, int file);
void sim_cut_keeping(sim *disk, uint64_t keep);

/* Makes `to` hold what `from` holds; both open, no descriptors in `to`. */
void sim_copy(const sim *from, sim *to);

/* Between the two files of the disk: all pending writes of a file reach it, or some; one more. */
void sim_settle(sim_file *f);
void sim_settle_some(sim *disk, sim_file *f);
void sim_remember(sim_file *f, const void *from, size_t bytes, uint64_t offset);

/* The file that a name leads to; -1. */
int sim_find(const sim *disk, const char *path);

#endif
