/* fuzz_main.c - a fuzz target without a fuzzer: runs inputs that were kept, or makes the first.
 *
 *     fuzz_store_corpus FOLDER           runs every file in it; that none of them traps is the test
 *     fuzz_store_corpus --make FOLDER    writes the inputs that fuzzing starts from, as
 *                                        tests/corpus/store has them; fuzz_graph_corpus likewise
 */
#include "tests/fuzz_input.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MOST = 600 };

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

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--make"))
        return fuzz_make(argv[2]);
    if (argc != 2)
        return fprintf(stderr, "usage: %s [--make] FOLDER\n", argv[0]), 2;
    return run_folder(argv[1]);
}
