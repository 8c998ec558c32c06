/* cachefile.c - a directory of compiled programs that may vanish, or be damaged, at any time.
 *
 * May touch files and kv/base.h. The directory is $KITH_CACHE ("disabled" for none), else
 * $XDG_CACHE_HOME/kith, else ~/.cache/kith; without any of them nothing is kept.
 *
 * The one idea: a wrong program is worse than none, because a driver may crash on it or answer
 * wrongly. So the file echoes the whole key, tells its length and carries a checksum; it appears
 * under its name by rename, complete or not at all; and a file that fails any check is deleted.
 * Processes that race write the same bytes, and the last rename wins. Nothing is synced: after a
 * power cut the checksum finds what did not arrive.
 */
#include "opencl/cachefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { PATH_BYTES = 4096, FORMAT = 1, MAX_PROGRAM_BYTES = 256 << 20 };

/* Host byte order: a cache is not carried to another machine, and if it is, `format` is wrong. */
typedef struct cache_header {
    char magic[8];
    uint32_t format;
    uint32_t header_bytes;
    ki_cache_key key;
    uint64_t program_bytes;
    uint64_t program_hash; /* XXH3, 64 bits */
} cache_header;

_Static_assert(sizeof(cache_header) == 48, "no padding in what is written to disk");

static const char magic[8] = "KITHCLP";

/* One buffer with every length before its part, hashed in one go. */
kith_status ki_cache_key_make(const char *const *parts, const size_t *lengths, size_t count,
                              ki_cache_key *out)
{
    size_t bytes = 0, used = 0;
    for (size_t i = 0; i < count; i++)
        if (!ki_add(bytes, sizeof(uint64_t), &bytes) || !ki_add(bytes, lengths[i], &bytes))
            return ki_no_memory("the hash of a program", SIZE_MAX);
    unsigned char *all = ki_alloc(bytes);
    if (!all)
        return ki_no_memory("the hash of a program", bytes);
    for (size_t i = 0; i < count; i++) {
        const uint64_t length = lengths[i];
        memcpy(all + used, &length, sizeof length);
        memcpy(all + used + sizeof length, parts[i], lengths[i]);
        used += sizeof length + lengths[i];
    }
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(all, used));
    ki_free(all);
    memcpy(out->bytes, canonical.digest, sizeof out->bytes);
    return KITH_OK;
}

/* The directory, without making it. False when there is none or its name is too long. */
static bool cache_directory(char *out, size_t size)
{
    const char *own = getenv("KITH_CACHE");
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int length = -1;
    if (own && strcmp(own, "disabled") == 0)
        return false;
    if (own && *own)
        length = snprintf(out, size, "%s", own);
    else if (xdg && *xdg == '/') /* a relative one is invalid, says its specification */
        length = snprintf(out, size, "%s/kith", xdg);
    else if (home && *home)
        length = snprintf(out, size, "%s/.cache/kith", home);
    return length > 0 && (size_t)length < size;
}

static bool cache_path(const ki_cache_key *key, char *out, size_t size)
{
    char hex[2 * sizeof key->bytes + 1];
    char directory[PATH_BYTES];
    for (size_t i = 0; i < sizeof key->bytes; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)key->bytes[i]);
    if (!cache_directory(directory, sizeof directory))
        return false;
    const int length = snprintf(out, size, "%s/%s.clprogram", directory, hex);
    return length > 0 && (size_t)length < size;
}

/* Makes a directory and all above it; what is there already is fine. */
static void make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    mkdir(path, 0700);
}

bool ki_cache_writable(void)
{
    char directory[PATH_BYTES];
    if (!cache_directory(directory, sizeof directory))
        return false;
    make_directories(directory);
    return access(directory, W_OK | X_OK) == 0;
}

/* read and write of all the bytes, whatever the pieces. */
static bool read_all(int file, void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t n = read(file, (char *)data + done, bytes - done);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_all(int file, const void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t n = write(file, (const char *)data + done, bytes - done);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Is this the header of `key`, in a file of just its length? */
static bool header_right(const cache_header *header, const ki_cache_key *key, off_t file_bytes)
{
    return memcmp(header->magic, magic, sizeof magic) == 0 && header->format == FORMAT &&
           header->header_bytes == sizeof *header && memcmp(&header->key, key, sizeof *key) == 0 &&
           header->program_bytes > 0 && header->program_bytes <= MAX_PROGRAM_BYTES &&
           (uint64_t)file_bytes == sizeof *header + header->program_bytes;
}

/* The program of an open file, or NULL. Its length is checked before memory is asked for. */
static void *read_program(int file, const ki_cache_key *key, size_t *bytes)
{
    struct stat about;
    cache_header header;
    if (fstat(file, &about) || !S_ISREG(about.st_mode) || !read_all(file, &header, sizeof header) ||
        !header_right(&header, key, about.st_size))
        return NULL;
    void *program = ki_alloc((size_t)header.program_bytes);
    if (!program)
        return NULL;
    if (!read_all(file, program, (size_t)header.program_bytes) ||
        XXH3_64bits(program, (size_t)header.program_bytes) != header.program_hash) {
        ki_free(program);
        return NULL;
    }
    *bytes = (size_t)header.program_bytes;
    return program;
}

ki_cache_found ki_cache_read(const ki_cache_key *key, void **data, size_t *bytes)
{
    char path[PATH_BYTES];
    if (!cache_path(key, path, sizeof path))
        return KI_CACHE_ABSENT;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return KI_CACHE_ABSENT;
    void *program = read_program(file, key, bytes);
    close(file);
    if (!program) {
        unlink(path);
        return KI_CACHE_WRONG;
    }
    *data = program;
    return KI_CACHE_HIT;
}

void ki_cache_write(const ki_cache_key *key, const void *data, size_t bytes)
{
    char path[PATH_BYTES], temporary[PATH_BYTES];
    if (bytes == 0 || bytes > MAX_PROGRAM_BYTES || !cache_path(key, path, sizeof path))
        return;
    const int length = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof temporary)
        return;
    const int file = ki_cache_writable() ? mkostemp(temporary, O_CLOEXEC) : -1;
    if (file < 0)
        return;
    cache_header header = {.format = FORMAT, .header_bytes = sizeof header, .key = *key};
    memcpy(header.magic, magic, sizeof magic);
    header.program_bytes = bytes;
    header.program_hash = XXH3_64bits(data, bytes);
    const bool written = write_all(file, &header, sizeof header) && write_all(file, data, bytes);
    if (close(file) || !written || rename(temporary, path))
        unlink(temporary);
}

void ki_cache_delete(const ki_cache_key *key)
{
    char path[PATH_BYTES];
    if (cache_path(key, path, sizeof path))
        unlink(path);
}
