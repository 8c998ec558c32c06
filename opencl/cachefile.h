/* cachefile.h - compiled programs on disk, found again by what they were compiled from.
 *
 * May include kv/base.h. Knows files and no OpenCL.
 */
#ifndef KI_CACHEFILE_H
#define KI_CACHEFILE_H

#include "kv/base.h"

/* The hash of everything that makes one compiled program differ from another. */
typedef struct ki_cache_key {
    unsigned char bytes[16];
} ki_cache_key;

/* Hashes the parts with their lengths, so that moving a character from one part to the next
 * gives another key. */
kith_status ki_cache_key_make(const char *const *parts, const size_t *lengths, size_t count,
                              ki_cache_key *out);

typedef enum ki_cache_found { KI_CACHE_HIT, KI_CACHE_ABSENT, KI_CACHE_WRONG } ki_cache_found;

/* Reads the program of a key; *data (free with ki_free) only on a hit. A file that is not whole
 * and right is deleted and called wrong. */
ki_cache_found ki_cache_read(const ki_cache_key *key, void **data, size_t *bytes);

/* Is there a directory that takes files? Makes it if it can. */
bool ki_cache_writable(void);

/* Writes it, if there is anywhere to write: failing to is no error, only a slower next start. */
void ki_cache_write(const ki_cache_key *key, const void *data, size_t bytes);

void ki_cache_delete(const ki_cache_key *key);

#endif
