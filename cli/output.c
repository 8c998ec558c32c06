/* output.c - temporary file, then rename: POSIX promises that a reader sees the old file or the
 * new one, never a part. The folder is synced too, so that a power cut cannot bring the old name
 * back together with a deleted temporary.
 */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/heap.h"

/* The folder of a path, to be freed. */
static char *folder_of(const char *path)
{
    const char *const slash = strrchr(path, '/');
    if (!slash)
        return heap_copy(".");
    return slash == path ? heap_copy("/") : heap_format("%.*s", (int)(slash - path), path);
}

/* Where the bytes will end up: a link that exists is followed, so that its target is replaced
 * and the link stays. *direct is set for what cannot be replaced: pipes, devices. */
static char *target_of(const char *path, bool *direct, struct sentence *why)
{
    struct stat info;
    *direct = false;
    if (stat(path, &info) != 0) {
        if (errno == ENOENT)
            return heap_copy(path);
        sentence_fail(why, "%s cannot be written: %s", path, strerror(errno));
        return NULL;
    }
    if (S_ISDIR(info.st_mode)) {
        sentence_fail(why, "%s cannot be written: it is a folder", path);
        return NULL;
    }
    *direct = !S_ISREG(info.st_mode);
    char *const real = *direct ? NULL : realpath(path, NULL);
    return real ? real : heap_copy(path);
}

bool output_check(const char *path, struct sentence *why)
{
    bool direct;
    char *const target = target_of(path, &direct, why);
    if (!target)
        return false;
    char *const folder = folder_of(target);
    const char *const asked = direct ? target : folder;
    const bool good = access(asked, direct ? W_OK : W_OK | X_OK) == 0;
    if (!good)
        sentence_fail(why, "%s cannot be written: %s: %s", path, asked, strerror(errno));
    free(folder);
    free(target);
    return good;
}

/* mkstemp() makes files that only the owner reads; results are ordinary files. */
static int open_temporary(char *name)
{
    const int fd = mkstemp(name);
    if (fd < 0)
        return -1;
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) == 0)
        return fd;
    close(fd);
    unlink(name);
    return -1;
}

bool output_open(const char *path, struct output *out, struct sentence *why)
{
    bool direct;
    struct output output = {0};
    output.path = target_of(path, &direct, why);
    if (!output.path)
        return false;
    int fd;
    if (direct) {
        fd = open(output.path, O_WRONLY | O_CLOEXEC);
    } else {
        output.temporary = heap_format("%s.XXXXXX", output.path);
        fd = open_temporary(output.temporary);
    }
    output.file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (output.file) {
        *out = output;
        return true;
    }
    sentence_fail(why, "%s cannot be written: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(output.temporary);
    free(output.path);
    return false;
}

/* A file system that knows no sync of folders keeps its names in its own way. */
static bool sync_folder(const char *path, struct sentence *why)
{
    char *const folder = folder_of(path);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool good = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    if (!good)
        sentence_fail(why, "%s is there, but its folder cannot be synced: %s", path,
                      strerror(errno));
    if (fd >= 0)
        close(fd);
    free(folder);
    return good;
}

static void output_close(struct output *output)
{
    if (output->file)
        fclose(output->file);
    if (output->temporary)
        unlink(output->temporary);
    free(output->temporary);
    free(output->path);
    *output = (struct output){0};
}

/* Takes the place of the old file, for good once the folder is synced. */
static bool take_place(struct output *output, struct sentence *why)
{
    if (rename(output->temporary, output->path))
        return sentence_fail(why, "%s could not be written: %s", output->path, strerror(errno));
    free(output->temporary);
    output->temporary = NULL;
    return sync_folder(output->path, why);
}

bool output_commit(struct output *output, struct sentence *why)
{
    errno = 0;
    bool good = !ferror(output->file) && fflush(output->file) == 0;
    if (good && output->temporary)
        good = fsync(fileno(output->file)) == 0;
    const int write_error = errno;
    good &= fclose(output->file) == 0;
    output->file = NULL;
    if (good && output->temporary) {
        good = take_place(output, why);
    } else if (!good) {
        const int error = write_error ? write_error : errno;
        sentence_fail(why, "%s could not be written: %s", output->path,
                      error ? strerror(error) : "an earlier write failed");
    }
    output_close(output);
    return good;
}

/* Not every file system knows renaming without replacing; there a second name is given, and the
 * first one taken away. */
bool output_name(const char *temporary, const char *path, struct sentence *why)
{
    int status = renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE);
    if (status && (errno == EINVAL || errno == ENOSYS)) {
        status = link(temporary, path);
        if (!status)
            unlink(temporary); /* a name too many is no reason to say that there is none */
    }
    if (status)
        return sentence_fail(why, "%s cannot be given the name %s: %s", temporary, path,
                             strerror(errno));
    return sync_folder(path, why);
}

void output_discard(struct output *output)
{
    output_close(output);
}
