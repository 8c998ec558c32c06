/* kernel_fence.c - the check that a kernel touches no byte that is not its own.
 *
 * May include kernels/ headers, the C library and POSIX memory and signals. Each array lies on
 * pages of its own between two that cannot be touched: first pressed against the upper one, so
 * that a byte read behind the end faults, then against the lower one for a byte read in front. A
 * fault is caught and becomes the sentence of the failure; the call that faulted is given up.
 * Scratch must start on a line, so up to 63 bytes lie between its end and the upper page; those
 * are watched for writes.
 */
#include "tests/kernel_cases.h"
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    FENCED = 8,
    MARK = 0xa7,
    QUERIES = 3 /* of a tile: an edge of every block */
};

/* A mapping of `room` usable bytes between two pages that are not. */
typedef struct fence {
    unsigned char *low;
    size_t room;
} fence;

static sigjmp_buf escape;
static volatile sig_atomic_t caught;

static void on_fault(int number)
{
    caught = number;
    siglongjmp(escape, 1);
}

static fence fence_open(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page) / page * page;
    unsigned char *map = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, room, PROT_READ | PROT_WRITE)) {
        fprintf(stderr, "the test cannot map %zu bytes\n", room + 2 * page);
        abort();
    }
    memset(map + page, MARK, room);
    return (fence){map + page, room};
}

static void fence_close(fence f)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap(f.low - page, f.room + 2 * page);
}

/* Where `bytes` lie: against the upper page, as near as `alignment` lets them, or the lower. */
static unsigned char *fence_place(fence f, size_t bytes, size_t alignment, bool upper)
{
    return upper ? f.low + (f.room - bytes) / alignment * alignment : f.low;
}

/* The arrays of one run, each inside its fence; the last query's scratch ends the second. */
typedef struct fenced {
    fence fences[FENCED];
    unsigned char *vector, *scratch, *packed;
    ki_code_query code;
    ki_query *queries;
    uint32_t *ids, *keys;
    ki_rows rows;
    size_t scratch_bytes, n;
} fenced;

static unsigned char *add_fence(fenced *f, int which, size_t bytes, size_t alignment, bool upper)
{
    f->fences[which] = fence_open(bytes);
    return fence_place(f->fences[which], bytes, alignment, upper);
}

static void fence_rows(fenced *f, const kc_set *set, bool upper, uint64_t *random)
{
    size_t gap = check_below(random, 3) * (set->row_kind == KC_F32 ? 4 : 1);
    size_t stride = set->row_bytes + gap, rows_bytes = stride * set->count - gap;
    size_t aux_stride = check_below(random, 2) ? sizeof(ki_aux) : 64;
    size_t aux_bytes = aux_stride * (set->count - 1) + sizeof(ki_aux);
    unsigned char *base = add_fence(f, 0, rows_bytes, 1, upper);
    unsigned char *aux = add_fence(f, 1, aux_bytes, 4, upper);
    for (uint32_t r = 0; r < set->count; r++) {
        memcpy(base + r * stride, kc_row(set, r), set->row_bytes);
        memcpy(aux + r * aux_stride, &set->aux[r], sizeof(ki_aux));
    }
    f->rows = (ki_rows){base, stride, aux, aux_stride, set->dim, check_below(random, 2) * 8};
}

/* Vectors may lie anywhere, those of code queries where C puts such numbers. */
static void fenced_open(fenced *f, const kc_set *set, size_t n, bool upper, uint64_t *random)
{
    const size_t alignment = set->pairing == KI_Q8 ? sizeof(float) : 1;
    const size_t last_scratch = ki_query_bytes(set->pairing, set->dim);
    fence_rows(f, set, upper, random);
    f->n = n;
    f->scratch_bytes = (last_scratch + 63) / 64 * 64;
    f->scratch = add_fence(f, 2, (QUERIES - 1) * f->scratch_bytes + last_scratch, 64, upper);
    f->vector = add_fence(f, 3, set->query_bytes, alignment, upper);
    memcpy(f->vector, set->vectors, set->query_bytes);
    f->code = set->codes[0];
    f->code.elements = f->vector;
    f->ids = (uint32_t *)(void *)add_fence(f, 4, n * sizeof *f->ids, 4, upper);
    f->keys = (uint32_t *)(void *)add_fence(f, 5, QUERIES * n * sizeof *f->keys, 4, upper);
    f->packed = add_fence(f, 6, ki_pack_bytes(set->pairing, set->dim, QUERIES), 64, upper);
    f->queries = (ki_query *)(void *)add_fence(f, 7, QUERIES * sizeof *f->queries, 8, upper);
    kc_draw_ids(f->ids, n, set->count, random);
    if (n)
        f->ids[check_below(random, (uint32_t)n)] = upper ? set->count - 1 : 0;
}

static void fenced_close(fenced *f)
{
    for (int i = 0; i < FENCED; i++)
        fence_close(f->fences[i]);
}

static void prepare(const kc_slot *slot, const kc_set *set, const fenced *f, int i)
{
    unsigned char *scratch = f->scratch + (size_t)i * f->scratch_bytes;
    if (set->from_f32)
        slot->kernel->prepare_f32(f->vector, set->dim, scratch, &f->queries[i]);
    else if (set->pairing >= KI_Q8)
        slot->kernel->prepare(&f->code, set->dim, scratch, &f->queries[i]);
    else
        slot->kernel->prepare(f->vector, set->dim, scratch, &f->queries[i]);
}

/* Everything a slot does, with the name of what it is doing in `step`. */
static void exercise(const kc_slot *slot, const kc_set *set, const fenced *f,
                     const char *volatile *step)
{
    const ki_kernel *kernel = slot->kernel;
    const size_t n = f->n < set->count ? f->n : set->count;
    const uint32_t last = set->count - (uint32_t)n;
    *step = "prepare";
    for (int i = 0; i < QUERIES; i++)
        prepare(slot, set, f, i);
    const ki_query *query = &f->queries[QUERIES - 1];
    *step = "gather";
    kernel->gather(query, &f->rows, f->ids, f->n, f->keys + (QUERIES - 1) * f->n);
    kernel->gather(query, &f->rows, f->ids, f->n, f->keys);
    *step = "pair";
    kernel->pair(query, &f->rows, 0);
    kernel->pair(query, &f->rows, set->count - 1);
    *step = "range";
    kernel->range(query, &f->rows, last, n, f->keys + QUERIES * f->n - n);
    kernel->range(query, &f->rows, 0, n, f->keys);
    *step = "pack";
    if (kernel->pack)
        kernel->pack(f->queries, QUERIES, f->packed);
    *step = "tile";
    if (kernel->tile) {
        kernel->tile(f->queries, QUERIES, kernel->pack ? f->packed : NULL, &f->rows, last, n,
                     f->keys + f->n - n, f->n);
        kernel->tile(f->queries, QUERIES, kernel->pack ? f->packed : NULL, &f->rows, 0, n, f->keys,
                     f->n);
    }
    *step = NULL;
}

static bool marks_survive(const fenced *f, const kc_set *set)
{
    const unsigned char *end = f->fences[2].low + f->fences[2].room;
    const unsigned char *p = f->scratch + (QUERIES - 1) * f->scratch_bytes;
    for (p += ki_query_bytes(set->pairing, set->dim); p < end; p++)
        if (*p != MARK)
            return false;
    return true;
}

static const char *check_side(const kc_slot *slots, size_t slot_count, const kc_set *set, size_t n,
                              bool upper, uint64_t *random)
{
    const char *volatile why = NULL;
    fenced f;
    fenced_open(&f, set, n, upper, random);
    for (volatile size_t i = 0; i < slot_count && !why; i++) {
        const char *volatile step = "nothing";
        if (sigsetjmp(escape, 1) == 0)
            exercise(&slots[i], set, &f, &step);
        if (step)
            why = kc_say(&slots[i], set,
                         "signal %d in %s, n %zu, %u rows %zu bytes apart, prefetching %u, "
                         "arrays %s an unreadable page",
                         (int)caught, step, n, set->count, f.rows.stride, f.rows.prefetch_lines,
                         upper ? "up to" : "right behind");
        else if (!marks_survive(&f, set))
            why = kc_say(&slots[i], set, "prepare wrote behind the %zu bytes of ki_query_bytes",
                         ki_query_bytes(set->pairing, set->dim));
    }
    fenced_close(&f);
    return why;
}

const char *kc_check_fence(const kc_slot *slots, size_t slot_count, kc_set *set, size_t n,
                           uint64_t *random)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL};
    struct sigaction action, old[3];
    memset(&action, 0, sizeof action);
    action.sa_handler = on_fault;
    for (int i = 0; i < 3; i++)
        sigaction(signals[i], &action, &old[i]);
    const char *why = check_side(slots, slot_count, set, n, true, random);
    if (!why)
        why = check_side(slots, slot_count, set, n, false, random);
    for (int i = 0; i < 3; i++)
        sigaction(signals[i], &old[i], NULL);
    return why;
}
