/* fuzz_make_store.c - the inputs that fuzzing store files starts from: stores of each shape,
 * closed, or with their last commits in the log alone.
 *
 * May touch store.h, the oracle and the simulated disk.
 */
#include "tests/fuzz_store.h"
#include "tests/store_oracle.h"

#include <stdio.h>

enum { COMMITS = 14, VARIANTS = 4, NAME_MOST = 40 };

static sim disk;
static oracle o;

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
    snprintf(name, sizeof name, "shape%u-%s", variant, closed ? "closed" : "log");
    int bad = fuzz_keep(folder, name, how, disk.file[file].now, (size_t)disk.file[file].now_bytes);
    oracle_close(&o);
    sim_close(&disk);
    return bad;
}

int fuzz_make(const char *folder)
{
    int bad = 0;
    for (uint32_t variant = 0; variant < VARIANTS; variant++)
        bad |= make(folder, variant, false) | make(folder, variant, true);
    return bad;
}
