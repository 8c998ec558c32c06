/* pass.c - the stopwatch.
 *
 * Threads take the next unanswered query from one shared counter, so that a slow query delays
 * nobody else. Only that counter and the gate at the start are shared: a query's hits and its
 * latency are written by the one thread that drew its number and read after the threads were
 * joined. The clock is read twice a query, which costs about 50 ns against walks of 50 us and more.
 */
#include "cli/pass.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/heap.h"

struct worker {
    struct pass *pass;
    atomic_size_t *next;
    pthread_mutex_t *gate; /* NULL when the pass has one thread */
    kith_searcher *searcher;
    kith_search_stats stats;
    bool failed;
    struct sentence why; /* kith_last_error() belongs to the thread that failed */
    pthread_t thread;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

const void *pass_query(const struct pass *pass, size_t i)
{
    size_t number = pass->which ? pass->which[i] : i;
    return (const char *)pass->queries + number * pass->query_bytes;
}

static bool answer(struct worker *w, size_t i)
{
    struct pass *pass = w->pass;
    uint64_t start = now_ns();
    if (kith_searcher_search(w->searcher, pass_query(pass, i), pass->hits + i * pass->options.k,
                             NULL, &w->stats))
        return sentence_fail(&w->why, "%s", kith_last_error());
    pass->latency_us[i] = (double)(now_ns() - start) / 1000;
    return true;
}

static void *work(void *argument)
{
    struct worker *w = argument;
    size_t count = w->pass->count;
    uint64_t distances = 0;
    if (w->gate) {
        pthread_mutex_lock(w->gate);
        pthread_mutex_unlock(w->gate);
    }
    for (size_t i = atomic_fetch_add(w->next, 1); i < count; i = atomic_fetch_add(w->next, 1)) {
        if (!answer(w, i)) {
            w->failed = true;
            break;
        }
        distances += w->stats.distances;
    }
    w->stats.distances = distances;
    return NULL;
}

/* The first query is answered once untimed: it brings the searcher's own memory into the cache. */
static bool prepare(struct worker *w, struct pass *pass, struct sentence *why)
{
    w->pass = pass;
    w->stats.size = sizeof w->stats;
    if (kith_searcher_create(pass->index, &pass->options, pass->cpu, &w->searcher) ||
        kith_searcher_search(w->searcher, pass_query(pass, 0), pass->hits, NULL, &w->stats))
        return sentence_fail(why, "%s", kith_last_error());
    return true;
}

/* Keeps this thread on its processor; false where the system does not allow that. */
static bool pin(cpu_set_t *before)
{
    cpu_set_t here;
    const int cpu = sched_getcpu();
    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof *before, before))
        return false;
    CPU_ZERO(&here);
    CPU_SET((size_t)cpu, &here);
    return !sched_setaffinity(0, sizeof here, &here);
}

static void run_alone(struct worker *w)
{
    cpu_set_t before;
    const bool pinned = pin(&before);
    uint64_t start = now_ns();
    work(w);
    w->pass->seconds = (double)(now_ns() - start) / 1e9;
    if (pinned)
        sched_setaffinity(0, sizeof before, &before);
}

/* The queries lie one after the other before the clock starts. */
static bool run_in_one_call(struct pass *pass, struct sentence *why)
{
    char *queries = heap_alloc(pass->count, pass->query_bytes);
    kith_search_stats stats = {.size = sizeof stats};
    cpu_set_t before;
    for (size_t i = 0; i < pass->count; i++)
        memcpy(queries + i * pass->query_bytes, pass_query(pass, i), pass->query_bytes);
    pass->options.threads = pass->threads;
    const bool pinned = pass->threads == 1 && pin(&before);
    const uint64_t start = now_ns();
    const kith_status status =
        kith_index_search(pass->index, queries, pass->count, &pass->options, pass->hits, &stats);
    pass->seconds = (double)(now_ns() - start) / 1e9;
    if (pinned)
        sched_setaffinity(0, sizeof before, &before);
    free(queries);
    pass->distances = stats.distances;
    pass->latency_us[0] = pass->seconds * 1e6;
    return !status || sentence_fail(why, "%s", kith_last_error());
}

/* The gate is a lock that this thread holds while it starts the others, so that all begin at
 * once. When one cannot be started, the counter is set to the end: the rest find nothing to do. */
static bool run_together(struct worker *workers, uint32_t threads, struct sentence *why)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    uint32_t started = 0;
    pthread_mutex_lock(&gate);
    for (; started < threads; started++) {
        workers[started].gate = &gate;
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]))
            break;
    }
    if (started < threads)
        atomic_store(workers->next, workers->pass->count);
    uint64_t begin = now_ns();
    pthread_mutex_unlock(&gate);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    workers->pass->seconds = (double)(now_ns() - begin) / 1e9;
    pthread_mutex_destroy(&gate);
    return started == threads ||
           sentence_fail(why, "started only %u of %u threads", started, threads);
}

static bool collect(struct pass *pass, const struct worker *workers, struct sentence *why)
{
    pass->distances = 0;
    for (uint32_t i = 0; i < pass->threads; i++) {
        if (workers[i].failed) {
            *why = workers[i].why;
            return false;
        }
        pass->distances += workers[i].stats.distances;
    }
    return true;
}

bool pass_run(struct pass *pass, struct sentence *why)
{
    if (pass->together)
        return run_in_one_call(pass, why);
    struct worker *workers = heap_alloc(pass->threads, sizeof *workers);
    atomic_size_t next = 0;
    bool done = true;
    for (uint32_t i = 0; i < pass->threads && done; i++) {
        workers[i].next = &next;
        done = prepare(&workers[i], pass, why);
    }
    if (done && pass->threads == 1)
        run_alone(workers);
    else if (done)
        done = run_together(workers, pass->threads, why);
    done = done && collect(pass, workers, why);
    for (uint32_t i = 0; i < pass->threads; i++)
        kith_searcher_close(workers[i].searcher);
    free(workers);
    return done;
}
