/* fuzz_store.h - a store's file as a short input, and what is done with it. */
#ifndef FUZZ_STORE_H
#define FUZZ_STORE_H

#include <stddef.h>
#include <stdint.h>

enum { FUZZ_FILE_MOST = 1 << 20, FUZZ_INPUT_MOST = 1 << 16 };

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

/* What libFuzzer calls. 0. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

/* The input that stands for a file: its runs of bytes that are not zero. 0 when it gets longer
 * than `room`. */
size_t fuzz_pack(unsigned how, const unsigned char *file, size_t file_bytes, unsigned char *input,
                 size_t room);

#endif
