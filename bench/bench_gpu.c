/* bench_gpu.c - kith-bench-gpu: what Kith does with a large GPU, held against what the card can do.
 *
 *     kith-bench-gpu [--list] [--device ocl0] [--rows 1000000] [--type f32|u8] [--out FILE.json]
 *                    [--torch SECONDS] [--torch-note TEXT]
 *
 * May include kith.h and bench/ headers. gpu.sh calls it; by itself it needs no file, no network
 * and no library but those of libkith. --list names the devices and exits with 1 when none of them
 * is a usable OpenCL device. Gates are promises about a million rows on a large GPU: with fewer
 * rows the figures are shown and not judged. The exit code is 1 when something failed, 3 when a
 * gate that was judged is missed.
 */
#include "bench/gpu.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS_JUDGED = 1000000, ROWS_LEAST = 100, ROWS_MOST = 100000000 };

bool gpu_fail(const char *format, ...)
{
    va_list arguments;
    fputs("kith-bench-gpu: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return false;
}

double gpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void *gpu_memory(size_t count, size_t bytes)
{
    void *const memory = calloc(count ? count : 1, bytes);
    if (!memory) {
        gpu_fail("no memory for %zu times %zu bytes", count, bytes);
        exit(1);
    }
    return memory;
}

/* ---- gates --------------------------------------------------------------------------------- */

static const struct gpu_run *find(const struct gpu *gpu, const char *index, bool alone)
{
    const struct gpu_run *found = NULL;
    for (size_t i = 0; i < gpu->runs; i++)
        if (!strcmp(gpu->run[i].index, index) && (gpu->run[i].batch == 1) == alone)
            found = &gpu->run[i]; /* of walks the last: the widest, which reached the recall */
    return found;
}

__attribute__((format(printf, 6, 7))) static void gate(struct gpu *gpu, const char *name,
                                                       double have, const char *sign, double want,
                                                       const char *beside, ...)
{
    struct gpu_gate *const to = &gpu->gate[gpu->gates++];
    va_list arguments;
    *to = (struct gpu_gate){.have = have, .want = want, .sign = sign, .known = true};
    snprintf(to->name, sizeof to->name, "%s", name);
    va_start(arguments, beside);
    vsnprintf(to->beside, sizeof to->beside, beside, arguments);
    va_end(arguments);
}

static void do_not_judge(struct gpu *gpu, const char *why)
{
    struct gpu_gate *const last = &gpu->gate[gpu->gates - 1];
    last->known = false;
    snprintf(last->beside, sizeof last->beside, "%s", why);
}

static void judge_size(struct gpu *gpu)
{
    if (gpu->data.rows < ROWS_JUDGED)
        do_not_judge(gpu, "it is a promise about 1,000,000 rows on a large GPU");
}

/* Whichever way the device moves more bytes: a limit must not be the worse of two. */
static double bandwidth(const struct gpu *gpu)
{
    return gpu->limits.read > gpu->limits.copy ? gpu->limits.read : gpu->limits.copy;
}

static void exact_gates(struct gpu *gpu)
{
    const struct gpu_run *one = find(gpu, "flat", true), *many = find(gpu, "flat", false);
    const double bytes =
        (double)gpu->data.rows * (double)kith_vector_bytes(gpu->data.type, GPU_DIM);
    const double rate = bytes / one->seconds;
    const double flops = 2.0 * gpu->data.rows * GPU_DIM * many->batch / many->seconds;
    const double torch = gpu->torch_seconds;
    gate(gpu, "exact, batch 1: % of the bytes read a second", 100 * rate / gpu->limits.read,
         ">=", 80, "%.0f of %.0f GB/s", rate / 1e9, gpu->limits.read / 1e9);
    judge_size(gpu);
    gate(gpu, "exact, batch 1000: times torch's matmul and topk",
         torch > 0 ? many->seconds / torch : 0, "<=", 1.5,
         "%.3f ms, %.2f TFLOP/s, %.0f %% of the limit", 1e3 * many->seconds, flops / 1e12,
         100 * flops / gpu->limits.flops);
    if (gpu->data.type != KITH_F32)
        do_not_judge(gpu, "torch is asked for f32");
    else if (torch <= 0)
        do_not_judge(gpu, gpu->torch_note);
    else
        judge_size(gpu);
    gate(gpu, "exact: answers that are no true neighbours", (double)gpu->exact_wrong, "<=", 0,
         "of %d", (int)gpu->data.judged * GPU_K);
}

static void walk_gates(struct gpu *gpu)
{
    const struct gpu_run *one = find(gpu, "hnsw", true), *many = find(gpu, "hnsw", false);
    const double qps = many->batch / many->seconds;
    const size_t row = !strcmp(many->codes, "f32") ? 4 * GPU_DIM : GPU_DIM; /* what is walked */
    const double rate = qps * many->distances * (double)row;
    gate(gpu, "walk, batch 10,000: queries a second", qps, ">=", 300000,
         "recall %.4f at ef %u; rows alone %.0f GB/s, %.0f %% of the limit", many->recall, many->ef,
         rate / 1e9, 100 * rate / bandwidth(gpu));
    judge_size(gpu);
    gate(gpu, "walk: recall of it", many->recall, ">=", 0.95, "at ef %u", many->ef);
    gate(gpu, "walk, batch 1: p50, ms", one->p50 / 1e3, "<=", 1, "p99 %.3f ms at ef %u",
         one->p99 / 1e3, one->ef);
    judge_size(gpu);
    gate(gpu, "walk: answers that are not the host's", (double)gpu->walk_apart, "<=", 0, "of %u",
         gpu->data.judged);
    if (!strcmp(many->codes, "f32"))
        do_not_judge(gpu, "f32 rows are walked, and a device rounds its own way");
}

static bool missed(const struct gpu *gpu)
{
    for (size_t i = 0; i < gpu->gates; i++) {
        const struct gpu_gate *g = &gpu->gate[i];
        if (g->known && !(g->sign[0] == '>' ? g->have >= g->want : g->have <= g->want))
            return true;
    }
    return false;
}

/* ---- the order ----------------------------------------------------------------------------- */

/* Finds the device; with `list` says what there is. */
static bool look_up(struct gpu *gpu, bool list)
{
    kith_devices *devices = NULL;
    bool found = false;
    if (kith_devices_open(&devices))
        return gpu_fail("%s", kith_last_error());
    for (size_t i = 0; i < kith_devices_count(devices); i++) {
        kith_device_info info = {.size = sizeof info};
        if (kith_devices_get(devices, i, &info))
            continue;
        if (list)
            printf("%s: %s, %s %s: %s\n", info.id, info.name, info.platform, info.driver,
                   info.usable ? "usable" : info.reason);
        if (strcmp(info.id, "cpu") && info.usable && (list || !strcmp(info.id, gpu->device))) {
            found = true;
            gpu->info = info;
        }
    }
    if (!found && *kith_devices_note(devices))
        gpu_fail("%s", kith_devices_note(devices));
    kith_devices_close(devices);
    return found ||
           gpu_fail("no usable OpenCL device%s%s", list ? "" : " ", list ? "" : gpu->device);
}

static void say(const struct gpu *gpu, const char *what)
{
    static double begin;
    begin = begin > 0 ? begin : gpu_now();
    fprintf(stderr, "[%4.0f s] %s, %u x %d %s\n", gpu_now() - begin, what, gpu->data.rows, GPU_DIM,
            kith_type_name(gpu->data.type));
}

static bool measure(struct gpu *gpu, kith_type type, uint32_t rows)
{
    const size_t stream = (size_t)rows * GPU_DIM * sizeof(float);
    gpu->data = (struct gpu_data){.type = type, .rows = rows};
    say(gpu, "limits of the device");
    if (!gpu_limits_measure(gpu->device, stream < 64u << 20 ? 64u << 20 : stream, &gpu->limits))
        return false;
    say(gpu, "making rows and their true neighbours");
    gpu->data = gpu_data_make(type, rows);
    if (!gpu_prepare(gpu))
        return false;
    say(gpu, "exact search");
    if (!gpu_exact(gpu))
        return false;
    say(gpu, "building the graph and walking it");
    return gpu_walk(gpu);
}

static bool read_number(const char *text, double least, double most, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return !errno && end != text && !*end && *out >= least && *out <= most;
}

struct asked {
    double rows, torch;
    kith_type type;
    const char *out;
    bool list;
};

/* One option and its value; false after a sentence. */
static bool take(struct gpu *gpu, struct asked *asked, const char *name, const char *value)
{
    if (!strcmp(name, "--device"))
        gpu->device = value;
    else if (!strcmp(name, "--out"))
        asked->out = value;
    else if (!strcmp(name, "--torch-note"))
        gpu->torch_note = value;
    else if (!strcmp(name, "--rows") && read_number(value, ROWS_LEAST, ROWS_MOST, &asked->rows))
        return true;
    else if (!strcmp(name, "--torch") && read_number(value, 0, 1e6, &gpu->torch_seconds))
        return true;
    else if (!strcmp(name, "--type") && !strcmp(value, "u8"))
        asked->type = KITH_U8;
    else if (strcmp(name, "--type") || strcmp(value, "f32"))
        return gpu_fail("%s %s is not understood; the head of bench_gpu.c says what is", name,
                        value);
    return true;
}

int main(int argc, char **argv)
{
    struct asked asked = {.rows = ROWS_JUDGED, .type = KITH_F32};
    struct gpu *gpu = gpu_memory(1, sizeof *gpu);
    gpu->device = "ocl0";
    gpu->torch_note = "nobody asked it";
    int code = 0;
    for (int i = 1; i < argc && !code; i++) {
        asked.list = asked.list || !strcmp(argv[i], "--list");
        if (strcmp(argv[i], "--list") == 0)
            continue;
        code = i + 1 < argc && take(gpu, &asked, argv[i], argv[i + 1]) ? 0 : 2;
        i++;
    }
    if (!code && !look_up(gpu, asked.list))
        code = 1;
    if (!code && !asked.list && !measure(gpu, asked.type, (uint32_t)asked.rows))
        code = 1;
    if (!code && !asked.list) {
        exact_gates(gpu);
        walk_gates(gpu);
        gpu_print(stdout, gpu);
        code = asked.out && !gpu_write(gpu, asked.out) ? 1 : missed(gpu) ? 3 : 0;
    }
    gpu_close(gpu);
    free(gpu);
    return code;
}
