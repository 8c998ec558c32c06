/* workers.h - the only threads of the library: a fixed crew that shares out numbered work.
 *
 * May include kv/base.h only. The crew exists as long as the call that needs it (a build, a
 * batch of queries); between jobs it sleeps. Results must not depend on who does what: a job
 * writes only what belongs to its numbers.
 */
#ifndef KI_WORKERS_H
#define KI_WORKERS_H

#include "kv/base.h"

typedef struct ki_workers ki_workers;

/* Does numbers first..last-1 as member `worker` (0..threads-1) of the crew. */
typedef kith_status (*ki_job_fn)(void *context, uint32_t worker, size_t first, size_t last);

/* 0 threads means one for each processor that this process may use. The caller's own thread is
 * member 0, so one thread starts none. */
kith_status ki_workers_open(uint32_t threads, ki_workers **out);
void ki_workers_close(ki_workers *workers);
uint32_t ki_workers_count(const ki_workers *workers);

/* Shares out 0..count-1 in runs of `grain`; returns when all is done. After a failure no further
 * run starts; the first failure's status and sentence are handed to the calling thread. */
kith_status ki_workers_run(ki_workers *workers, size_t count, size_t grain, ki_job_fn job,
                           void *context);

/* Processors that this process may use: the affinity mask's, at least 1. */
uint32_t ki_processor_count(void);

#endif
