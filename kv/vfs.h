/* vfs.h - the few things that a store asks of a file system, as a table of functions.
 *
 * May include base.h only. Each function does what the system call of its name does and reports
 * as one: -1 and errno, short reads and writes, EINTR. To finish them is the work of the room
 * above (sections.c), so that a test's table can interrupt, cut short and fail each call. The
 * system's own table is in vfs_posix.c; the one that loses power is in tests/sim_vfs.c.
 */
#ifndef KI_VFS_H
#define KI_VFS_H

#include "kv/base.h"
#include <sys/types.h>

enum {
    KI_VFS_READ_ONLY = 1,
    KI_VFS_CREATE = 2,   /* when it is not there */
    KI_VFS_EXCLUSIVE = 4 /* with CREATE: EEXIST when it is */
};

enum { KI_LOCK_WRITER = 0, KI_LOCK_READERS = 1 }; /* bytes of the file that stand for the roles */

typedef struct ki_vfs {
    void *user; /* handed to every function */

    /* A descriptor, closed on exec; never follows a link; mode 0600 when created. */
    int (*open)(void *user, const char *path, unsigned how);
    int (*close)(void *user, int file);

    ssize_t (*pread)(void *user, int file, void *to, size_t bytes, uint64_t offset);
    ssize_t (*pwrite)(void *user, int file, const void *from, size_t bytes, uint64_t offset);

    /* Data and length are on disk when it returns 0. */
    int (*sync)(void *user, int file);

    /* Drops what the system remembers of the file and has no need to write: so that whoever opens
     * it next reads what the disk holds. Not an error when it cannot. */
    int (*forget)(void *user, int file);

    /* Makes the file so long; what is new is zero and takes no disk space yet. One that is as long
     * already, or longer, stays as it is. */
    int (*extend)(void *user, int file, uint64_t bytes);

    /* Takes disk space for bytes inside the file; they stay what they are. */
    int (*allocate)(void *user, int file, uint64_t offset, uint64_t bytes);
    int (*size)(void *user, int file, uint64_t *out);

    /* Address space without access, aligned to 64 KiB; NULL when the system refuses so much. */
    void *(*reserve)(void *user, size_t bytes);
    void (*release)(void *user, void *at, size_t bytes);

    /* Shows bytes of the file, read-only, at an address inside a reserved range. What is written
     * to the file later is seen there. */
    int (*map)(void *user, int file, void *at, size_t bytes, uint64_t offset);

    /* Takes a lock, shared or exclusive, that lasts until close; EAGAIN when another holds one
     * that forbids it. `held_by_other` says 1 when an exclusive lock would be refused. */
    int (*lock)(void *user, int file, unsigned byte, bool exclusive);
    int (*held_by_other)(void *user, int file, unsigned byte);

    /* 1 when the path leads to this very file, 0 when not (or nowhere). */
    int (*is_at)(void *user, int file, const char *path);

    /* Lets in whom `model` lets in, as far as the system allows: its mode, and its owner. On disk
     * when it returns 0. */
    int (*same_access)(void *user, int file, int model);
    int (*rename)(void *user, const char *from, const char *to);

    /* EEXIST; `from` goes, or stays as a second name when it cannot be taken away. */
    int (*link_new)(void *user, const char *from, const char *to);
    int (*unlink)(void *user, const char *path);
    int (*sync_dir)(void *user, const char *path); /* the folder that the path's name stands in */
} ki_vfs;

extern const ki_vfs ki_vfs_system;

#endif
