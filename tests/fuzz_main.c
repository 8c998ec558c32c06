/* fuzz_main.c - the fuzz target without a fuzzer: runs inputs that were kept, or makes the first.
 *
 *     fuzz_store_corpus FOLDER            runs every file in it; that none of them traps is the
 * test fuzz_store_corpus --make FOLDER     writes the inputs that fuzzing starts from: stores of
 * each shape, closed, and with a log, as tests/corpus/store has them
 */
#include "tests/fuzz_store.h"
#include "tests/store_oracle.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMITS = 14, NAME_MOST = 600 };

static sim disk;
static oracle o;
static unsigned char input[FUZZ_INPUT_MOST];

static int run_file(const char *name)
{
    FILE *in = fopen(name, "rb");
    if (!in)
        return perror(name), 1;
    size_t bytes = fread(input, 1, sizeof input, in);
    fclose(in);
    LLVMFuzzerTestOneInput(input, bytes);
    return 0;
}

static int run_folder(const char *folder)
{
    DIR *open = opendir(folder);
    size_t count = 0;
    int bad = 0;
    if (!open)
        return perror(folder), 1;
    for (struct dirent *entry; (entry = readdir(open));) {
        char name[NAME_MOST];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        bad |= run_file(name);
        count++;
    }
    closedir(open);
    printf("%zu inputs\n", count);
    return bad || count == 0;
}

/* A store after some commits, closed or with its last commits in the log alone. */
static int make(const char *folder, uint32_t variant, bool closed)
{
    const unsigned how = 63u & ~(unsigned)FUZZ_READ_ONLY;
    ki_store_config config = oracle_config(variant);
    char name[NAME_MOST];
    sim_open(&disk, variant);
    oracle_begin(&o, &disk, &config, variant + 1);
    if (!oracle_open(&o))
        return 1;
    for (uint32_t i = 0; i < COMMITS; i++)
        oracle_commit(&o, 1 + i % 3);
    int file = sim_find(&disk, o.path);
    if (closed)
        oracle_close(&o);
    size_t used =
        fuzz_pack(how, disk.file[file].now, (size_t)disk.file[file].now_bytes, input, sizeof input);
    oracle_close(&o);
    sim_close(&disk);
    snprintf(name, sizeof name, "%s/shape%u-%s", folder, variant, closed ? "closed" : "log");
    FILE *out = used ? fopen(name, "wb") : NULL;
    if (!out)
        return perror(name), 1;
    bool written = fwrite(input, 1, used, out) == used;
    return fclose(out) || !written;
}

int main(int argc, char **argv)
{
    int bad = 0;
    if (argc == 3 && !strcmp(argv[1], "--make")) {
        for (uint32_t variant = 0; variant < 4; variant++)
            bad |= make(argv[2], variant, false) | make(argv[2], variant, true);
        return bad;
    }
    if (argc != 2)
        return fprintf(stderr, "usage: %s [--make] FOLDER\n", argv[0]), 2;
    return run_folder(argv[1]);
}
