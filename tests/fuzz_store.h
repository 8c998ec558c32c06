/* fuzz_store.h - the choices of an input that is a store's file. */
#ifndef FUZZ_STORE_H
#define FUZZ_STORE_H

#include "tests/fuzz_input.h"

enum { FUZZ_FILE_MOST = 1 << 20 };

/* The bits of an input's first byte. The repairs make checksums right again, or no change to what
 * they cover would ever get past them. */
enum {
    FUZZ_REPAIR_HEADS = 1,
    FUZZ_REPAIR_LIVE = 2,
    FUZZ_REPAIR_RECS = 4,
    FUZZ_REPAIR_LOG = 8,
    FUZZ_READ_ONLY = 16,
    FUZZ_WRITE = 32
};

#endif
