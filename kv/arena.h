/* arena.h - bytes whose address never changes while they grow.
 *
 * May include base.h only. A range of address space is reserved once and committed from the
 * front, so that kernels, readers without locks and devices can hold pointers into it. Committed
 * bytes are zero, on huge pages where the system gives them, and 64 bytes behind the last
 * committed byte can be read.
 */
#ifndef KI_ARENA_H
#define KI_ARENA_H

#include "kv/base.h"

typedef struct ki_arena {
    unsigned char *base; /* 64-byte aligned and more; NULL while empty */
    size_t reserved;
    size_t committed;
    void *mapped; /* what is given back: base and a little before and behind it */
    size_t mapped_bytes;
} ki_arena;

/* Reserves address space for at most `reserve` bytes; commits nothing. */
kith_status ki_arena_open(size_t reserve, ki_arena *out);

/* Makes at least the first `bytes` usable. ENOMEM leaves what there was. Never shrinks. */
kith_status ki_arena_grow(ki_arena *arena, size_t bytes);

/* Gives the memory back and keeps the addresses: they read as zeros. Accepts a zeroed struct. */
void ki_arena_empty(ki_arena *arena);

/* Gives all back; accepts a zeroed struct. */
void ki_arena_close(ki_arena *arena);

#endif
