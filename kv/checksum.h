/* checksum.h - the one checksum of everything that lies on disk: XXH3, 64 bits or cut to 32.
 *
 * May include base.h and libxxhash. XXH3 reads tens of gigabytes a second on any machine, where a
 * CRC needs an instruction of its own to come near; neither keeps out an enemy who can write the
 * file, and both see a torn sector. The seed is part of what is proved: a record that is right
 * but stands in the wrong place, or comes from an earlier life of the file, fails.
 */
#ifndef KI_CHECKSUM_H
#define KI_CHECKSUM_H

#include "kv/base.h"
#include <xxhash.h>

static inline uint64_t ki_sum64(const void *bytes, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n, seed);
}

static inline uint32_t ki_sum32(const void *bytes, size_t n, uint64_t seed)
{
    return (uint32_t)ki_sum64(bytes, n, seed);
}

#endif
