/* arena.c - one range of address space, made usable from the front.
 *
 * May touch arena.h and the system's memory calls. The one idea: address space is nearly free
 * and memory is not, so the whole range is taken at once without access rights, and growing only
 * grants rights. Nothing ever moves. Granting them is also the moment at which a system that
 * counts its memory can refuse, so MAP_NORESERVE, which would turn that refusal into a kill at
 * some later write, is not used.
 *
 * Memory is granted in steps of a huge page, but the first huge page in powers of two from
 * 64 KiB, so that a store of ten rows does not weigh megabytes. The last 64 bytes granted are
 * never counted as committed: they are the ones that a kernel may read behind the last row.
 */
#include "kv/arena.h"

#include <sys/mman.h>
#include <unistd.h>

enum {
    HUGE_PAGE = 2 << 20,
    FIRST_STEP = 64 << 10, /* no page of a system we run on is larger */
    READABLE_BEHIND = 64
};

_Static_assert(sizeof(size_t) == 8, "taking addresses in advance needs 64-bit ones");

/* Anonymous memory cannot outgrow memory and swap, so a range far beyond them is of no use, and
 * it would leave none for the next store of the process. */
static size_t useful_range(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t range;
    if (pages <= 0 || page <= 0 || !ki_mul((size_t)pages * 8, (size_t)page, &range))
        return SIZE_MAX;
    return range;
}

/* Maps a little more than asked, so that a huge page begins in it where the range can start; what
 * is over is address space, and two calls less than to cut it off. False when the system refuses.
 */
static bool map_aligned(size_t bytes, ki_arena *out)
{
    size_t mapped;
    if (!ki_add(bytes, HUGE_PAGE, &mapped))
        return false;
    unsigned char *map = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return false;
    *out = (ki_arena){.base = map + (-(uintptr_t)map & (HUGE_PAGE - 1)),
                      .reserved = bytes - READABLE_BEHIND,
                      .mapped = map,
                      .mapped_bytes = mapped};
    return true;
}

/* A limit on address space (ulimit -v, a sanitizer) refuses a range that the store may never
 * fill. So the range is halved until it is granted; growing beyond it fails with that reason. */
kith_status ki_arena_open(size_t reserve, ki_arena *out)
{
    size_t most = useful_range(), bytes;
    if (reserve > most)
        reserve = most;
    if (!ki_add(reserve, READABLE_BEHIND, &bytes) || !ki_round_up(bytes, HUGE_PAGE, &bytes))
        bytes = SIZE_MAX / 2 + 1;
    if (ki_alloc_should_fail())
        return ki_no_memory("a range of addresses", bytes);
    bool done = map_aligned(bytes, out);
    while (!done && bytes > HUGE_PAGE) {
        bytes = (bytes / 2 + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
        done = map_aligned(bytes, out);
    }
    return done ? KITH_OK : ki_no_memory("a range of addresses", bytes);
}

/* What to grant for `bytes` usable ones, the readable tail included; false on overflow. */
static bool granted_size(size_t bytes, size_t *out)
{
    size_t need;
    if (!ki_add(bytes, READABLE_BEHIND, &need))
        return false;
    if (need >= HUGE_PAGE)
        return ki_round_up(need, HUGE_PAGE, out);
    size_t step = FIRST_STEP;
    while (step < need)
        step *= 2;
    *out = step;
    return true;
}

kith_status ki_arena_grow(ki_arena *arena, size_t bytes)
{
    size_t had = arena->committed ? arena->committed + READABLE_BEHIND : 0, want;
    if (bytes <= arena->committed)
        return KITH_OK;
    if (bytes > arena->reserved || !granted_size(bytes, &want))
        return ki_fail(KITH_ENOMEM,
                       "%zu bytes do not fit in the %zu bytes of addresses that were reserved "
                       "(8 times the machine's memory, or what ulimit -v allows)",
                       bytes, arena->reserved);
    if (ki_alloc_should_fail() ||
        mprotect(arena->base + had, want - had, PROT_READ | PROT_WRITE) != 0)
        return ki_no_memory("a growing array", bytes);
    /* Advice, and free to be ignored: a system without huge pages serves as well, only slower. */
    size_t whole = had & ~(size_t)(HUGE_PAGE - 1);
    if (want >= HUGE_PAGE)
        madvise(arena->base + whole, want - whole, MADV_HUGEPAGE);
    arena->committed = want - READABLE_BEHIND;
    return KITH_OK;
}

/* Where the system does not want to (memory that is locked), it stays, and is of no harm. */
void ki_arena_empty(ki_arena *arena)
{
    if (arena->committed > 0)
        madvise(arena->base, arena->committed + READABLE_BEHIND, MADV_DONTNEED);
}

void ki_arena_close(ki_arena *arena)
{
    if (arena->base != NULL)
        munmap(arena->mapped, arena->mapped_bytes);
    *arena = (ki_arena){0};
}
