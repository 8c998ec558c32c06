/* cli_files.h - a folder of its own for a test that writes files, and bytes to put in it. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include "tests/check.h"

#include <string.h>
#include <unistd.h>

static char files_folder[64];

/* Group set-up and tear-down. */
static inline int files_make(void **state)
{
    (void)state;
    snprintf(files_folder, sizeof files_folder, "/tmp/kith-test-XXXXXX");
    return mkdtemp(files_folder) ? 0 : -1;
}

static inline int files_remove(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", files_folder);
    return system(command);
}

/* The path of a name in the folder; each of four calls in a row has its own buffer. */
static inline const char *files_path(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *const out = path[turn++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", files_folder, name);
    return out;
}

static inline const char *files_put(const char *name, const void *bytes, size_t size)
{
    const char *const path = files_path(name);
    FILE *const file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* All bytes of a file, to be freed. */
static inline char *files_take(const char *path, size_t *size)
{
    FILE *const file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *const bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

#endif
