/* workers.c - see workers.h. A mutex and two condition variables, no spinning: jobs last tens of
 * microseconds at least, and a sleeping crew leaves the machine to the searchers.
 *
 * Who writes what: `generation`, `job`, `busy` and the failure are written under the mutex. `next`
 * is the only atomic: members take runs of numbers from it. A member reads the job's fields after
 * it saw the new generation under the mutex, so they are complete; the caller reads the results
 * after it saw busy == 0 under the mutex, so they are too.
 */
#include "index/workers.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

typedef struct member {
    ki_workers *crew;
    pthread_t thread;
    uint32_t number;
} member;

struct ki_workers {
    pthread_mutex_t mutex;
    pthread_cond_t start, done;
    uint64_t generation;
    uint32_t busy; /* members that have not finished this generation */
    bool stop;
    size_t count, grain;
    atomic_size_t next;
    ki_job_fn job;
    void *context;
    kith_status failure;
    char sentence[256];
    uint32_t threads; /* the caller included */
    uint32_t started; /* members with a thread: numbers 1..started */
    member members[];
};

uint32_t ki_processor_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (uint32_t)count : 1;
}

uint32_t ki_workers_count(const ki_workers *workers)
{
    return workers->threads;
}

/* Keeps the first failure, with its sentence, and lets nobody start another run. */
static void report(ki_workers *crew, kith_status status)
{
    pthread_mutex_lock(&crew->mutex);
    if (!crew->failure) {
        crew->failure = status;
        snprintf(crew->sentence, sizeof crew->sentence, "%s", kith_last_error());
    }
    pthread_mutex_unlock(&crew->mutex);
    atomic_store_explicit(&crew->next, crew->count, memory_order_relaxed);
}

static void work(ki_workers *crew, uint32_t number)
{
    for (;;) {
        size_t first = atomic_fetch_add_explicit(&crew->next, crew->grain, memory_order_relaxed);
        if (first >= crew->count)
            return;
        size_t last = crew->count - first > crew->grain ? first + crew->grain : crew->count;
        kith_status status = crew->job(crew->context, number, first, last);
        if (status) {
            report(crew, status);
            return;
        }
    }
}

static void *member_main(void *argument)
{
    member *self = argument;
    ki_workers *crew = self->crew;
    uint64_t seen = 0;
    pthread_mutex_lock(&crew->mutex);
    for (;;) {
        while (!crew->stop && crew->generation == seen)
            pthread_cond_wait(&crew->start, &crew->mutex);
        if (crew->stop)
            break;
        seen = crew->generation;
        pthread_mutex_unlock(&crew->mutex);
        work(crew, self->number);
        pthread_mutex_lock(&crew->mutex);
        if (--crew->busy == 0)
            pthread_cond_signal(&crew->done);
    }
    pthread_mutex_unlock(&crew->mutex);
    return NULL;
}

kith_status ki_workers_open(uint32_t threads, ki_workers **out)
{
    if (!threads)
        threads = ki_processor_count();
    size_t bytes = sizeof(ki_workers) + threads * sizeof(member);
    ki_workers *crew = ki_zalloc(bytes);
    if (!crew)
        return ki_no_memory("a crew of threads", bytes);
    pthread_mutex_init(&crew->mutex, NULL);
    pthread_cond_init(&crew->start, NULL);
    pthread_cond_init(&crew->done, NULL);
    crew->threads = threads;
    for (uint32_t i = 1; i < threads; i++) {
        crew->members[i] = (member){.crew = crew, .number = i};
        if (pthread_create(&crew->members[i].thread, NULL, member_main, &crew->members[i])) {
            ki_workers_close(crew);
            return ki_fail(KITH_ENOMEM, "thread %u of %u could not be started", i + 1, threads);
        }
        crew->started = i;
    }
    *out = crew;
    return KITH_OK;
}

void ki_workers_close(ki_workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->mutex);
    workers->stop = true;
    pthread_cond_broadcast(&workers->start);
    pthread_mutex_unlock(&workers->mutex);
    for (uint32_t i = 1; i <= workers->started; i++)
        pthread_join(workers->members[i].thread, NULL);
    pthread_cond_destroy(&workers->done);
    pthread_cond_destroy(&workers->start);
    pthread_mutex_destroy(&workers->mutex);
    ki_free(workers);
}

kith_status ki_workers_run(ki_workers *workers, size_t count, size_t grain, ki_job_fn job,
                           void *context)
{
    if (!count)
        return KITH_OK;
    pthread_mutex_lock(&workers->mutex);
    workers->count = count;
    workers->grain = grain ? grain : 1;
    workers->job = job;
    workers->context = context;
    workers->failure = KITH_OK;
    atomic_store_explicit(&workers->next, 0, memory_order_relaxed);
    workers->busy = workers->started;
    workers->generation++;
    pthread_cond_broadcast(&workers->start);
    pthread_mutex_unlock(&workers->mutex);

    work(workers, 0);

    pthread_mutex_lock(&workers->mutex);
    while (workers->busy)
        pthread_cond_wait(&workers->done, &workers->mutex);
    pthread_mutex_unlock(&workers->mutex);
    if (workers->failure)
        return ki_fail(workers->failure, "%s", workers->sentence);
    return KITH_OK;
}
