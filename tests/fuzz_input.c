/* fuzz_input.c - see fuzz_input.h. May touch the C library and the last error. */
#include "tests/fuzz_input.h"
#include "kith.h"

#include <stdio.h>
#include <string.h>

enum { RUN_HEAD = 5, GAP = 8, RUN_MOST = 60000, NAME_MOST = 600 };

void fuzz_demand(bool what, const char *said)
{
    if (what)
        return;
    fprintf(stderr, "%s; the last error was: %s\n", said, kith_last_error());
    __builtin_trap();
}

static size_t number(const uint8_t *at, int bytes)
{
    size_t value = 0;
    while (bytes-- > 0)
        value = value << 8 | at[bytes];
    return value;
}

static void put_number(unsigned char *at, int bytes, size_t value)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        at[i] = (unsigned char)value;
}

size_t fuzz_unpack(const uint8_t *input, size_t bytes, unsigned char *file, size_t most)
{
    size_t file_bytes = number(input + 1, 3) % (most + 1);
    memset(file, 0, file_bytes);
    for (size_t at = FUZZ_INPUT_HEAD; at + RUN_HEAD <= bytes;) {
        size_t offset = number(input + at, 3), run = number(input + at + 3, 2);
        at += RUN_HEAD;
        if (run > bytes - at)
            run = bytes - at;
        if (offset < file_bytes)
            memcpy(file + offset, input + at,
                   run < file_bytes - offset ? run : file_bytes - offset);
        at += run;
    }
    return file_bytes;
}

/* The end of the run of bytes that are not zero; short gaps belong to it. */
static size_t run_end(const unsigned char *from, size_t at, size_t bytes)
{
    size_t end = at;
    for (size_t i = at; i < bytes && i - at < RUN_MOST && i - end < GAP; i++)
        if (from[i])
            end = i + 1;
    return end;
}

size_t fuzz_pack(unsigned how, const unsigned char *from, size_t file_bytes, unsigned char *input,
                 size_t room)
{
    size_t used = FUZZ_INPUT_HEAD;
    input[0] = (unsigned char)how;
    put_number(input + 1, 3, file_bytes);
    for (size_t at = 0; at < file_bytes; at++) {
        if (!from[at])
            continue;
        size_t run = run_end(from, at, file_bytes) - at;
        if (used + RUN_HEAD + run > room)
            return 0;
        put_number(input + used, 3, at);
        put_number(input + used + 3, 2, run);
        memcpy(input + used + RUN_HEAD, from + at, run);
        used += RUN_HEAD + run;
        at += run;
    }
    return used;
}

int fuzz_keep(const char *folder, const char *name, unsigned how, const unsigned char *file,
              size_t file_bytes)
{
    static unsigned char input[FUZZ_INPUT_MOST];
    char path[NAME_MOST];
    size_t used = fuzz_pack(how, file, file_bytes, input, sizeof input);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = used ? fopen(path, "wb") : NULL;
    if (!out)
        return perror(path), 1;
    bool written = fwrite(input, 1, used, out) == used;
    return fclose(out) || !written;
}
