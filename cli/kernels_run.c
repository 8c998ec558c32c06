/* kernels_run.c - see kernels_run.h.
 *
 * The limit of a distance is the larger of two times. Its operations by the peak of the level that
 * does them: one multiply-add an element, two operations for a squared difference of floats, one
 * bit of a b1 row. And its bytes, divided by the queries that share a row, by the rate at which
 * rows of about that size can be read from that set in random order (tiles: in order). What a
 * kernel does beside, such as widening halves or adding up lanes, is not in the limit; that is
 * what the share is there to show.
 */
#include "cli/kernels_run.h"
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kith.h"
#include "cli/heap.h"
#include "cli/options.h"
#include "cli/terminal.h"

extern char **environ;

enum { PATH_MOST = 4096, NAME_MOST = 128 };

const char *kernels_program(const char *given)
{
    static char path[PATH_MOST];
    char tool[PATH_MOST];
    if (given)
        return access(given, X_OK) == 0 ? given : NULL;
    const ssize_t length = readlink("/proc/self/exe", tool, sizeof tool - 1);
    if (length <= 0)
        return NULL;
    tool[length] = 0;
    const char *const slash = strrchr(tool, '/');
    const int folder = slash ? (int)(slash - tool) : 0;
    const int wanted = snprintf(path, sizeof path, "%.*s/kith-bench-kernels", folder, tool);
    return wanted < (int)sizeof path && access(path, X_OK) == 0 ? path : NULL;
}

/* The parts of a name such as "gather/l2sq/u8/avx512vnni/768/L2"; they point into the text. */
struct name {
    char text[NAME_MOST];
    const char *part[6];
    size_t count;
};

static void split(const char *text, struct name *out)
{
    out->count = 0;
    snprintf(out->text, sizeof out->text, "%s", text);
    for (char *at = out->text, *end; at && out->count < COUNT_OF(out->part); at = end) {
        end = strchr(at, '/');
        if (end)
            *end++ = 0;
        out->part[out->count++] = at;
    }
}

static double row_bytes(const char *pairing, double dim)
{
    if (!strcmp(pairing, "b1") || !strcmp(pairing, "q1"))
        return ceil(dim / 8);
    if (!strcmp(pairing, "q4"))
        return ceil(dim / 2);
    if (!strcmp(pairing, "f32"))
        return 4 * dim;
    return strcmp(pairing, "f16") && strncmp(pairing, "bf16", 4) ? dim : 2 * dim;
}

/* The names are ours: numbers in them need no judging. */
static double number(const char *text)
{
    return strtod(text, NULL);
}

static double queries_of(const char *shape)
{
    return strncmp(shape, "tile", 4) ? 1 : number(shape + 4);
}

/* The peak that the level's instructions can reach for the pairing, 0 when it was not measured. */
static double peak_of(const json_t *peaks, const struct name *slot)
{
    static const char *const integers[] = {"u8", "i8", "q4", "q1"};
    static const char *const bytes_to_f32[] = {"avx512vnni", "avx512popcnt", "avx512bf16", "amx"};
    const char *const pairing = slot->part[2], *kind = "fma", *level = slot->part[3];
    char key[NAME_MOST];
    for (size_t i = 0; i < COUNT_OF(integers); i++)
        kind = strcmp(pairing, integers[i]) ? kind : "int8";
    if (!strcmp(pairing, "b1"))
        kind = "bits";
    if (!strcmp(pairing, "bf16bf16") && strcmp(level, "avx512") && strcmp(level, "avx2"))
        kind = "bf16";
    for (size_t i = 0; i < COUNT_OF(bytes_to_f32) && !strcmp(kind, "fma"); i++)
        level = strcmp(level, bytes_to_f32[i]) ? level : "avx512";
    snprintf(key, sizeof key, "%s/%s", kind, level);
    return json_number_value(json_object_get(peaks, key));
}

/* Bytes a second of rows of about this size: between two sizes that were measured, the larger
 * size's rate, so that a limit is never below the truth. */
static double rate_of(const json_t *peaks, const char *set, double bytes, bool in_order)
{
    static const int sizes[] = {128, 512, 1024, 4096};
    char key[NAME_MOST];
    size_t i = 0;
    while (i + 1 < COUNT_OF(sizes) && sizes[i] < bytes)
        i++;
    if (in_order)
        snprintf(key, sizeof key, "read/%s", set);
    else
        snprintf(key, sizeof key, "rows/%d/%s", sizes[i], set);
    return json_number_value(json_object_get(peaks, key));
}

/* Nanoseconds below which a distance cannot come; 0 when nothing is known. */
static double limit_of(const json_t *peaks, const struct name *slot)
{
    const double dim = number(slot->part[4]), queries = queries_of(slot->part[0]);
    const double bytes = row_bytes(slot->part[2], dim), peak = peak_of(peaks, slot);
    const bool differences =
        !strcmp(slot->part[1], "l2sq") && (slot->part[2][0] == 'f' || slot->part[2][0] == 'b');
    const bool in_order = strncmp(slot->part[0], "tile", 4) == 0 || !strcmp(slot->part[0], "range");
    const double rate = rate_of(peaks, slot->part[5], bytes, in_order);
    const double by_work = peak > 0 ? 1e9 * dim * (differences ? 2 : 1) / peak : 0;
    const double by_bytes = rate > 0 ? 1e9 * bytes / queries / rate : 0;
    return by_work > by_bytes ? by_work : by_bytes;
}

/* A median of a run with repetitions, or the one value of a run without. */
static bool counts(const json_t *one, unsigned repetitions)
{
    const char *const aggregate = json_string_value(json_object_get(one, "aggregate_name"));
    if (json_is_true(json_object_get(one, "error_occurred")))
        return false;
    return repetitions > 1 ? aggregate && !strcmp(aggregate, "median") : !aggregate;
}

static json_t *slot_json(const json_t *one, const struct name *name, const json_t *peaks)
{
    /* the counter is in seconds for a billionth of the distances: nanoseconds for one */
    const double ns = json_number_value(json_object_get(one, "ns_per_distance"));
    const double limit = limit_of(peaks, name);
    return json_pack("{s:s, s:s, s:s, s:s, s:f, s:s, s:f, s:f, s:o}", "shape", name->part[0],
                     "metric", name->part[1], "pairing", name->part[2], "isa", name->part[3], "dim",
                     number(name->part[4]), "set", name->part[5], "ns", ns, "gb_per_s",
                     json_number_value(json_object_get(one, "GB_per_s")), "share",
                     limit > 0 && ns > 0 ? json_real(limit / ns) : json_null());
}

static json_t *digest(const json_t *result, unsigned repetitions)
{
    json_t *const peaks = json_object(), *const slots = json_array();
    const json_t *const all = json_object_get(result, "benchmarks");
    size_t i;
    json_t *one;
    for (int pass = 0; pass < 2; pass++) /* the peaks first: shares need them */
        json_array_foreach(all, i, one)
        {
            const char *const text = json_string_value(json_object_get(one, "run_name"));
            if (!text || !counts(one, repetitions))
                continue;
            struct name name;
            split(text, &name);
            const json_t *const rate = json_object_get(one, "per_second");
            const char *const key = strncmp(text, "peak/", 5) ? text : text + 5;
            if (pass == 0 && rate)
                json_object_set_new(peaks, key, json_real(json_number_value(rate)));
            if (pass == 1 && !rate && name.count == COUNT_OF(name.part))
                json_array_append_new(slots, slot_json(one, &name, peaks));
        }
    return json_pack("{s:o, s:o}", "peaks", peaks, "slots", slots);
}

/* Starts the program with its standard output in a pipe; -1 when it cannot. */
static int start(const char *program, char **arguments, pid_t *child)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe(ends))
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1, 0);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    const int failed = posix_spawn(child, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!failed)
        return ends[0];
    close(ends[0]);
    return -1;
}

json_t *kernels_measure(const struct kernels_run *run)
{
    char least[64], repetitions[64], format[] = "--benchmark_format=json";
    char interleave[] = "--benchmark_enable_random_interleaving=true",
         name[] = "kith-bench-kernels";
    const char *const program = kernels_program(run->program);
    char *const filter = heap_format("--benchmark_filter=^(peak|read|rows)/|%s", run->filter);
    snprintf(least, sizeof least, "--benchmark_min_time=%g", run->seconds);
    snprintf(repetitions, sizeof repetitions, "--benchmark_repetitions=%u", run->repetitions);
    char *arguments[] = {name, filter, least, repetitions, format, interleave, NULL};
    pid_t child;
    const int from = program ? start(program, arguments, &child) : -1;
    free(filter);
    if (from < 0) {
        terminal_fail(TOOL_FAILED, "%s cannot be run", program ? program : "kith-bench-kernels");
        return NULL;
    }
    FILE *const stream = fdopen(from, "r");
    json_t *const result = stream ? json_loadf(stream, 0, NULL) : NULL;
    int status = 0;
    if (stream)
        fclose(stream);
    waitpid(child, &status, 0);
    json_t *const answer = result ? digest(result, run->repetitions) : NULL;
    json_decref(result);
    if (!answer)
        terminal_fail(TOOL_FAILED, "%s gave no results (exit status %d)", program,
                      WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return answer;
}
