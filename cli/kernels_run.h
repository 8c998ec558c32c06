/* kernels_run.h - measurements of the kernels, by the benchmark program that lies beside the tool.
 *
 * May include jansson and kith.h. The tool itself measures nothing here: kith-bench-kernels does,
 * under Google Benchmark, and its JSON is turned into a share of what the machine can do.
 */
#ifndef KERNELS_RUN_H
#define KERNELS_RUN_H

#include <jansson.h>
#include <stdbool.h>

struct kernels_run {
    const char *program; /* NULL: kith-bench-kernels beside the tool */
    const char *filter;  /* --benchmark_filter */
    double seconds;      /* at least, a measurement */
    unsigned repetitions;
};

/* Where the benchmark program is: `given`, else beside the tool. NULL when nothing is there. */
const char *kernels_program(const char *given);

/* Runs it. The answer is {"peaks": {"fma/avx512": ops a second, ..., "read/L2": bytes a second,
 * ...}, "slots": [{"shape", "metric", "pairing", "isa", "dim", "set", "ns", "gb_per_s", "share"}]},
 * medians over the repetitions; share is the limit's time by the measured time, null where a limit
 * is unknown. NULL after a sentence when the program fails. */
json_t *kernels_measure(const struct kernels_run *run);

#endif
