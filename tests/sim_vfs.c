/* sim_vfs.c - the disk that loses power.
 *
 * May touch the C library. Reads see all that was written; `firm` has what a sync put there. The
 * views of ki_vfs.map are copies that every write is carried into. A failed sync does what the
 * kernel does: it writes some of the pages, forgets that the others were dirty, and the next sync
 * succeeds.
 */
#include "tests/sim_vfs.h"
#include "tests/random.h"

#include <errno.h>
#include <string.h>

/* One call: does power go, does it fail? 0 to go on, else -1 with errno. Short transfers are left
 * to the caller. */
static int enter(sim *disk, bool may_be_short, bool may_be_interrupted)
{
    disk->calls++;
    if (disk->cut_at && disk->calls >= disk->cut_at)
        disk->dead = true;
    errno = EIO;
    if (disk->dead)
        return -1;
    bool now = disk->fault_at &&
               (disk->calls == disk->fault_at || (disk->sticky && disk->calls > disk->fault_at));
    if (!now || disk->fault == SIM_NONE || disk->fault == SIM_EIO_SYNC)
        return 0;
    if (disk->fault == SIM_SHORT)
        return may_be_short ? 1 : 0;
    if (disk->fault == SIM_EINTR) {
        if (!may_be_interrupted || (disk->sticky && disk->calls % 2))
            return 0; /* interrupted every second time, or nothing would ever end */
        errno = EINTR;
        return -1;
    }
    if (disk->fault == SIM_ENOSPC)
        errno = ENOSPC;
    return -1;
}

int sim_find(const sim *disk, const char *path)
{
    for (int i = 0; i < SIM_FILES; i++)
        if (disk->name[i].file >= 0 && strcmp(disk->name[i].text, path) == 0)
            return disk->name[i].file;
    return -1;
}

static sim_name *name_for(sim *disk, const char *path)
{
    sim_name *empty = NULL;
    for (int i = 0; i < SIM_FILES; i++) {
        if (strcmp(disk->name[i].text, path) == 0)
            return &disk->name[i];
        if (disk->name[i].file < 0 && disk->name[i].firm < 0)
            empty = &disk->name[i];
    }
    if (empty)
        snprintf(empty->text, sizeof empty->text, "%s", path);
    return empty;
}

static bool is_needed(const sim *disk, int file)
{
    for (int i = 0; i < SIM_FILES; i++)
        if (disk->name[i].file == file || disk->name[i].firm == file)
            return true;
    for (int i = 0; i < SIM_FDS; i++)
        if (disk->fd[i].file == file)
            return true;
    return false;
}

static int new_file(sim *disk)
{
    for (int i = 0; i < SIM_FILES; i++) {
        sim_file *f = &disk->file[i];
        if (is_needed(disk, i))
            continue;
        f->now_bytes = f->firm_bytes = 0;
        f->write_count = f->data_used = 0;
        if (!f->now)
            f->now = calloc(1, SIM_BYTES);
        if (!f->firm)
            f->firm = calloc(1, SIM_BYTES);
        return i;
    }
    return -1;
}

static int open_file(void *user, const char *path, unsigned how)
{
    sim *disk = user;
    int file = sim_find(disk, path), fd;
    if (enter(disk, false, true))
        return -1;
    errno = how & KI_VFS_CREATE && how & KI_VFS_EXCLUSIVE ? EEXIST : ENOENT;
    if (file >= 0 ? (how & KI_VFS_EXCLUSIVE) != 0 : !(how & KI_VFS_CREATE))
        return -1;
    if (file < 0) {
        file = new_file(disk);
        sim_name *name = name_for(disk, path);
        if (file < 0 || !name)
            return errno = ENOSPC, -1;
        name->file = file;
    }
    for (fd = 0; disk->fd[fd].file >= 0; fd++)
        continue;
    memset(&disk->fd[fd], 0, sizeof disk->fd[fd]);
    disk->fd[fd].file = file;
    disk->fd[fd].read_only = (how & KI_VFS_READ_ONLY) != 0;
    return fd;
}

static int close_file(void *user, int fd)
{
    sim *disk = user;
    disk->fd[fd].file = -1;
    return 0;
}

static ssize_t read_file(void *user, int fd, void *to, size_t bytes, uint64_t offset)
{
    sim *disk = user;
    const sim_file *f = &disk->file[disk->fd[fd].file];
    int verdict = enter(disk, true, true);
    if (verdict < 0)
        return -1;
    if (offset >= f->now_bytes)
        return 0;
    if (bytes > f->now_bytes - offset)
        bytes = (size_t)(f->now_bytes - offset);
    if (verdict > 0 && bytes > 1)
        bytes /= 2;
    memcpy(to, f->now + offset, bytes);
    return (ssize_t)bytes;
}

void sim_remember(sim_file *f, const void *from, size_t bytes, uint64_t offset)
{
    if (f->write_count == f->write_room) {
        f->write_room = f->write_room ? f->write_room * 2 : 64;
        f->writes = realloc(f->writes, f->write_room * sizeof *f->writes);
    }
    while (f->data_used + bytes > f->data_room) {
        f->data_room = f->data_room ? f->data_room * 2 : 65536;
        f->data = realloc(f->data, f->data_room);
    }
    f->writes[f->write_count++] = (sim_write){offset, bytes, f->data_used};
    memcpy(f->data + f->data_used, from, bytes);
    f->data_used += bytes;
}

static void show(sim *disk, int file, uint64_t offset, size_t bytes)
{
    for (size_t i = 0; i < disk->view_count; i++) {
        uint64_t first = disk->view[i].offset, end = first + disk->view[i].bytes;
        uint64_t from = offset > first ? offset : first;
        uint64_t to = offset + bytes < end ? offset + bytes : end;
        if (disk->view[i].file == file && from < to)
            memcpy(disk->view[i].at + (from - first), disk->file[file].now + from,
                   (size_t)(to - from));
    }
}

static ssize_t write_file(void *user, int fd, const void *from, size_t bytes, uint64_t offset)
{
    sim *disk = user;
    int file = disk->fd[fd].file, verdict = enter(disk, true, true);
    sim_file *f = &disk->file[file];
    if (verdict < 0)
        return -1;
    if (offset + bytes > SIM_BYTES)
        return errno = ENOSPC, -1;
    if (verdict > 0 && bytes > 1)
        bytes /= 2;
    if (offset > f->now_bytes) { /* a hole reads as zeros */
        memset(f->now + f->now_bytes, 0, (size_t)(offset - f->now_bytes));
        memset(f->firm + f->now_bytes, 0, (size_t)(offset - f->now_bytes));
    }
    memcpy(f->now + offset, from, bytes);
    if (offset + bytes > f->now_bytes)
        f->now_bytes = offset + bytes;
    sim_remember(f, from, bytes, offset);
    show(disk, file, offset, bytes);
    return (ssize_t)bytes;
}

/* ---- Syncing and growing ------------------------------------------------------------------ */

static int sync_file(void *user, int fd)
{
    sim *disk = user;
    sim_file *f = &disk->file[disk->fd[fd].file];
    bool fails = disk->fault == SIM_EIO_SYNC && disk->fault_at && disk->calls >= disk->fault_at;
    if (disk->cut_sync && --disk->cut_sync == 0)
        disk->dead = true;
    if (disk->syncs < SIM_SYNCS)
        disk->sync_call[disk->syncs] = disk->calls + 1;
    disk->syncs++;
    if (enter(disk, false, true) == 0 && !fails) {
        sim_settle(f);
        return 0;
    }
    if (fails && !disk->sticky) /* the first sync from there on */
        disk->fault = SIM_NONE;
    if (fails)
        errno = EIO;
    if (errno != EINTR && !disk->dead)
        sim_settle_some(disk, f);
    return -1;
}

/* Clean pages leave the cache: what is read next comes from the disk. */
static int forget(void *user, int fd)
{
    sim *disk = user;
    sim_file *f = &disk->file[disk->fd[fd].file];
    memcpy(f->now, f->firm, (size_t)f->now_bytes);
    for (size_t i = 0; i < f->write_count; i++)
        memcpy(f->now + f->writes[i].offset, f->data + f->writes[i].at, f->writes[i].bytes);
    return 0;
}

static int extend(void *user, int fd, uint64_t bytes)
{
    sim *disk = user;
    sim_file *f = &disk->file[disk->fd[fd].file];
    if (enter(disk, false, true))
        return -1;
    if (bytes > SIM_BYTES)
        return errno = ENOSPC, -1;
    if (bytes > f->now_bytes) {
        memset(f->now + f->now_bytes, 0, (size_t)(bytes - f->now_bytes));
        memset(f->firm + f->now_bytes, 0, (size_t)(bytes - f->now_bytes));
        f->now_bytes = bytes;
    }
    return 0;
}

static int allocate(void *user, int fd, uint64_t offset, uint64_t bytes)
{
    sim *disk = user;
    if (enter(disk, false, true))
        return -1;
    if (offset + bytes > disk->file[disk->fd[fd].file].now_bytes)
        return errno = EINVAL, -1;
    return 0;
}

static int size_of(void *user, int fd, uint64_t *out)
{
    sim *disk = user;
    if (enter(disk, false, false))
        return -1;
    *out = disk->file[disk->fd[fd].file].now_bytes;
    return 0;
}

/* ---- Memory ------------------------------------------------------------------------------- */

static void *reserve(void *user, size_t bytes)
{
    sim *disk = user;
    if (bytes > SIM_BYTES)
        return NULL;
    for (int i = 0; i < SIM_RANGES; i++) {
        if (disk->range_used[i])
            continue;
        if (!disk->range[i])
            disk->range[i] = aligned_alloc(65536, SIM_BYTES);
        disk->range_used[i] = true;
        return disk->range[i];
    }
    return NULL;
}

static void release(void *user, void *at, size_t bytes)
{
    sim *disk = user;
    size_t left = 0;
    (void)bytes;
    for (int i = 0; i < SIM_RANGES; i++)
        if (disk->range[i] == at)
            disk->range_used[i] = false;
    for (size_t i = 0; i < disk->view_count; i++)
        if (disk->view[i].at < (unsigned char *)at ||
            disk->view[i].at >= (unsigned char *)at + SIM_BYTES)
            disk->view[left++] = disk->view[i];
    disk->view_count = left;
}

static int map_file(void *user, int fd, void *at, size_t bytes, uint64_t offset)
{
    sim *disk = user;
    int file = disk->fd[fd].file;
    if (enter(disk, false, false))
        return -1;
    if (disk->view_count == SIM_VIEWS || offset + bytes > disk->file[file].now_bytes)
        return errno = ENOMEM, -1;
    disk->view[disk->view_count].file = file;
    disk->view[disk->view_count].at = at;
    disk->view[disk->view_count].offset = offset;
    disk->view[disk->view_count++].bytes = bytes;
    memcpy(at, disk->file[file].now + offset, bytes);
    return 0;
}

/* ---- Locks and names ---------------------------------------------------------------------- */

static bool refused(const sim *disk, int fd, unsigned byte, bool exclusive)
{
    for (int i = 0; i < SIM_FDS; i++)
        if (i != fd && disk->fd[i].file == disk->fd[fd].file && disk->fd[i].locked[byte] &&
            (exclusive || disk->fd[i].exclusive[byte]))
            return true;
    return false;
}

static int lock_file(void *user, int fd, unsigned byte, bool exclusive)
{
    sim *disk = user;
    if (enter(disk, false, false))
        return -1;
    if (refused(disk, fd, byte, exclusive))
        return errno = EAGAIN, -1;
    disk->fd[fd].locked[byte] = true;
    disk->fd[fd].exclusive[byte] = exclusive;
    return 0;
}

static int held_by_other(void *user, int fd, unsigned byte)
{
    sim *disk = user;
    return enter(disk, false, false) ? -1 : refused(disk, fd, byte, true);
}

static int is_at(void *user, int fd, const char *path)
{
    const sim *disk = user;
    return sim_find(disk, path) == disk->fd[fd].file;
}

/* Nobody is shut out here; but it may fail. */
static int same_access(void *user, int fd, int model)
{
    (void)fd, (void)model;
    return enter(user, false, true) ? -1 : 0;
}

static int rename_file(void *user, const char *from, const char *to)
{
    sim *disk = user;
    int file = sim_find(disk, from);
    if (enter(disk, false, false))
        return -1;
    sim_name *target = name_for(disk, to), *source = name_for(disk, from);
    if (file < 0 || !target)
        return errno = ENOENT, -1;
    target->file = file;
    source->file = -1;
    return 0;
}

static int link_new(void *user, const char *from, const char *to)
{
    sim *disk = user;
    if (sim_find(disk, to) >= 0)
        return errno = EEXIST, -1;
    return rename_file(user, from, to);
}

static int unlink_file(void *user, const char *path)
{
    sim *disk = user;
    if (enter(disk, false, false))
        return -1;
    if (sim_find(disk, path) < 0)
        return errno = ENOENT, -1;
    name_for(disk, path)->file = -1;
    return 0;
}

static int sync_dir(void *user, const char *path)
{
    sim *disk = user;
    (void)path;
    if (enter(disk, false, false))
        return -1;
    for (int i = 0; i < SIM_FILES; i++)
        disk->name[i].firm = disk->name[i].file;
    return 0;
}

/* ---- The disk ----------------------------------------------------------------------------- */

void sim_open(sim *disk, uint64_t seed)
{
    memset(disk, 0, sizeof *disk);
    disk->random = seed;
    for (int i = 0; i < SIM_FILES; i++)
        disk->name[i].file = disk->name[i].firm = -1;
    for (int i = 0; i < SIM_FDS; i++)
        disk->fd[i].file = -1;
    disk->vfs = (ki_vfs){.user = disk,
                         .open = open_file,
                         .close = close_file,
                         .pread = read_file,
                         .pwrite = write_file,
                         .sync = sync_file,
                         .forget = forget,
                         .extend = extend,
                         .allocate = allocate,
                         .size = size_of,
                         .reserve = reserve,
                         .release = release,
                         .map = map_file,
                         .lock = lock_file,
                         .held_by_other = held_by_other,
                         .is_at = is_at,
                         .same_access = same_access,
                         .rename = rename_file,
                         .link_new = link_new,
                         .unlink = unlink_file,
                         .sync_dir = sync_dir};
}

void sim_close(sim *disk)
{
    for (int i = 0; i < SIM_FILES; i++) {
        free(disk->file[i].now);
        free(disk->file[i].firm);
        free(disk->file[i].writes);
        free(disk->file[i].data);
    }
    for (int i = 0; i < SIM_RANGES; i++)
        free(disk->range[i]);
    memset(disk, 0, sizeof *disk);
}
