/* vfs_posix.c - the system's files behind the table of vfs.h.
 *
 * May touch vfs.h and the system. Nothing is decided here but how: new files of mode 0600, closed
 * on exec, never through a link; locks of the open file description (OFD), which belong to the
 * descriptor and so neither vanish when another part of the process closes the same file nor
 * cross into a child that opens it anew; space taken with fallocate before it is written, so that
 * a full disk is an error code and not a signal.
 */
#include "kv/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

enum { ALIGNMENT = 65536, LONG_WRITE = 128 << 10 };

static int open_file(void *user, const char *path, unsigned how)
{
    int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK; /* a pipe must not hang the open */
    (void)user;
    flags |= how & KI_VFS_READ_ONLY ? O_RDONLY : O_RDWR;
    if (how & KI_VFS_CREATE)
        flags |= O_CREAT;
    if (how & KI_VFS_EXCLUSIVE)
        flags |= O_EXCL;
    int file = open(path, flags, 0600);
    struct stat facts;
    if (file >= 0 && (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode))) {
        close(file);
        errno = EINVAL;
        return -1;
    }
    return file;
}

static int close_file(void *user, int file)
{
    (void)user;
    return close(file);
}

static ssize_t read_file(void *user, int file, void *to, size_t bytes, uint64_t offset)
{
    (void)user;
    return pread(file, to, bytes, (off_t)offset);
}

/* A long write sets out for the disk at once, so that the disk works while the rest of the commit
 * is still being collected, and the sync has less to wait for: commits of 3 MB took 0.72 of the
 * time. Nothing is waited for here, and failures stay where the sync finds them. */
static ssize_t write_file(void *user, int file, const void *from, size_t bytes, uint64_t offset)
{
    (void)user;
    ssize_t done = pwrite(file, from, bytes, (off_t)offset);
#ifdef SYNC_FILE_RANGE_WRITE
    if (done >= LONG_WRITE)
        (void)sync_file_range(file, (off_t)offset, (off_t)done, SYNC_FILE_RANGE_WRITE);
#endif
    return done;
}

static int sync_file(void *user, int file)
{
    (void)user;
    return fdatasync(file);
}

static int forget(void *user, int file)
{
    (void)user;
    return posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

/* A file system without fallocate takes the space when the store writes its zeros, and a full disk
 * shows there. */
static int allocate(void *user, int file, uint64_t offset, uint64_t bytes)
{
    (void)user;
    if (fallocate(file, 0, (off_t)offset, (off_t)bytes) == 0 || errno == EOPNOTSUPP)
        return 0;
    return -1;
}

static int size_of(void *user, int file, uint64_t *out)
{
    struct stat facts;
    (void)user;
    if (fstat(file, &facts) != 0)
        return -1;
    *out = (uint64_t)facts.st_size;
    return 0;
}

/* A file may be longer by now: a life that was cut off left it so, or it is another's. ftruncate
 * would make it shorter. */
static int extend(void *user, int file, uint64_t bytes)
{
    uint64_t has;
    if (size_of(user, file, &has) != 0)
        return -1;
    return has >= bytes ? 0 : ftruncate(file, (off_t)bytes);
}

static void *reserve(void *user, size_t bytes)
{
    (void)user;
    if (bytes > SIZE_MAX - ALIGNMENT)
        return NULL;
    unsigned char *map = mmap(NULL, bytes + ALIGNMENT, PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    size_t head = (size_t)(-(uintptr_t)map & (ALIGNMENT - 1));
    if (head > 0)
        munmap(map, head);
    if (ALIGNMENT - head > 0)
        munmap(map + head + bytes, ALIGNMENT - head);
    return map + head;
}

static void release(void *user, void *at, size_t bytes)
{
    (void)user;
    munmap(at, bytes);
}

static int map_file(void *user, int file, void *at, size_t bytes, uint64_t offset)
{
    (void)user;
    void *map = mmap(at, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, file, (off_t)offset);
    return map == MAP_FAILED ? -1 : 0;
}

static struct flock lock_of(unsigned byte, bool exclusive)
{
    return (struct flock){.l_type = exclusive ? F_WRLCK : F_RDLCK,
                          .l_whence = SEEK_SET,
                          .l_start = (off_t)(INT64_MAX - 16) + (off_t)byte,
                          .l_len = 1};
}

static int lock_file(void *user, int file, unsigned byte, bool exclusive)
{
    struct flock lock = lock_of(byte, exclusive);
    (void)user;
    if (fcntl(file, F_OFD_SETLK, &lock) == 0)
        return 0;
    if (errno == EACCES)
        errno = EAGAIN;
    return -1;
}

static int held_by_other(void *user, int file, unsigned byte)
{
    struct flock lock = lock_of(byte, true);
    (void)user;
    if (fcntl(file, F_OFD_GETLK, &lock) != 0)
        return -1;
    return lock.l_type != F_UNLCK;
}

static int is_at(void *user, int file, const char *path)
{
    struct stat here, there;
    (void)user;
    if (fstat(file, &here) != 0 || lstat(path, &there) != 0)
        return 0;
    return here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* Only who is privileged gives files away. Where the group stays another one, it is allowed what
 * everybody is and no more, lest the rows be shown to strangers. */
static int same_access(void *user, int file, int model)
{
    struct stat want, has;
    (void)user;
    if (fstat(model, &want) != 0 || fstat(file, &has) != 0)
        return -1;
    mode_t mode = want.st_mode & 07777;
    if (has.st_uid == want.st_uid && has.st_gid == want.st_gid && (has.st_mode & 07777) == mode)
        return 0;
    if (fchown(file, want.st_uid, want.st_gid) != 0 && fchown(file, (uid_t)-1, want.st_gid) != 0)
        mode = (mode & ~(mode_t)(S_ISUID | S_ISGID | S_IRWXG)) | (mode & S_IRWXO) << 3;
    return fchmod(file, mode) == 0 ? fsync(file) : -1;
}

static int rename_file(void *user, const char *from, const char *to)
{
    (void)user;
    return rename(from, to);
}

/* Not every file system knows renaming without replacing; a second name and the removal of the
 * first does the same in two steps. When only the first succeeds the file has its name, and that
 * was asked for. */
static int link_new(void *user, const char *from, const char *to)
{
    (void)user;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (link(from, to) != 0)
        return -1;
    (void)unlink(from);
    return 0;
}

static int unlink_file(void *user, const char *path)
{
    (void)user;
    return unlink(path);
}

static int sync_dir(void *user, const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    (void)user;
    if (length >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, slash == NULL ? "." : path, length);
    folder[length] = '\0';
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0)
        return -1;
    int result = fsync(file), saved = errno;
    close(file);
    errno = saved;
    return result;
}

const ki_vfs ki_vfs_system = {
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
    .sync_dir = sync_dir,
};
