/* shim.h - what a benchmark in C needs of Google Benchmark, which speaks C++ only.
 *
 * May include the C library only. Measuring, repetition, interleaving, statistics and JSON stay
 * Google Benchmark's, with its own --benchmark_ flags; a benchmark stays C.
 *
 *     static void work(bench_state *state, void *user)
 *     {
 *         while (bench_next(state))
 *             ...;                       one iteration
 *         bench_distances(state, per_iteration, bytes_per_iteration);
 *     }
 */
#ifndef BENCH_SHIM_H
#define BENCH_SHIM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bench_state bench_state;
typedef void (*bench_fn)(bench_state *state, void *user);

/* Takes the flags that it knows out of argv. 0 when one is left over: it has complained. */
int bench_start(int *argc, char **argv);

/* A pair in the "context" of the JSON output. */
void bench_context(const char *key, const char *value);

/* The name is copied; `user` must live until bench_run is back. */
void bench_add(const char *name, bench_fn work, void *user);

/* The same, measured by the clock on the wall, which is what waiting for a disk takes, and not in
 * processor time. `iterations` 0: as many as Google Benchmark thinks fit. */
void bench_add_timed(const char *name, bench_fn work, void *user, long iterations);

/* Runs what --benchmark_filter selects; how many that was. */
size_t bench_run(void);

/* True as long as one more iteration is wanted. */
int bench_next(bench_state *state);

/* Between these two the clock stands still. Stopping it is measured with some hundred nanoseconds
 * of its own, so an iteration should be long beside that. */
void bench_pause(bench_state *state);
void bench_resume(bench_state *state);

/* A number of its own in the output; bench_rate divides it by the measured seconds. */
void bench_number(bench_state *state, const char *name, double value);
void bench_rate(bench_state *state, const char *name, double value);

/* Reports the benchmark as not run, with the reason; the caller returns at once. */
void bench_skip(bench_state *state, const char *why);

/* After the last iteration: counters ns_per_distance and GB_per_s, in processor time. */
void bench_distances(bench_state *state, double per_iteration, double bytes_per_iteration);

/* After the last iteration: the counter ns_per_op, in processor time. */
void bench_operations(bench_state *state, double per_iteration);

/* After the last iteration: counter per_second, of whatever an iteration does so many. */
void bench_per_second(bench_state *state, double per_iteration);

#ifdef __cplusplus
}
#endif

#endif
