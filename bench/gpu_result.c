/* gpu_result.c - the figures of kith-bench-gpu as a table and as a result file.
 *
 * The file has the schema of `kith bench`, kith-result/1, with the limits and the gates beside the
 * runs, so that `kith report` draws it. It is written by hand: a machine with a large GPU often
 * lacks the library that the tool writes JSON with, and what is written here is numbers and a few
 * names.
 */
#include "bench/gpu.h"

#include <math.h>

/* Bytes that are no printable ASCII become '?': the names of devices come from drivers. */
static void write_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text >= ' ' && *text <= '~' ? *text : '?', out);
    }
    fputc('"', out);
}

static void print_limits(FILE *out, const struct gpu *gpu)
{
    fprintf(out, " device  %s: %s, driver %s, %.1f GiB, through %s\n", gpu->device, gpu->info.name,
            gpu->info.driver, (double)gpu->info.memory_bytes / 1073741824, gpu->info.platform);
    fprintf(out, " limits  read %.0f GB/s, copy %.0f GB/s, f32 %.2f TFLOP/s, all measured here\n",
            gpu->limits.read / 1e9, gpu->limits.copy / 1e9, gpu->limits.flops / 1e12);
    fprintf(out, " data    %u x %d %s, clustered; %u queries, %u judged; graph built in %.1f s\n",
            gpu->data.rows, GPU_DIM, kith_type_name(gpu->data.type), gpu->data.queries,
            gpu->data.judged, gpu->build_seconds);
    if (gpu->torch_seconds > 0)
        fprintf(out, " torch   matmul and topk of %u queries: %.3f ms (%s)\n", gpu->data.judged,
                1e3 * gpu->torch_seconds, gpu->torch_note);
    else
        fprintf(out, " torch   not measured: %s\n", gpu->torch_note);
}

static void print_gates(FILE *out, const struct gpu *gpu)
{
    for (size_t i = 0; i < gpu->gates; i++) {
        const struct gpu_gate *gate = &gpu->gate[i];
        const bool holds =
            gate->sign[0] == '>' ? gate->have >= gate->want : gate->have <= gate->want;
        if (gate->known)
            fprintf(out, " %-52s %12.2f  (%s %g)  %-7s %s\n", gate->name, gate->have, gate->sign,
                    gate->want, holds ? "holds" : "MISSED", gate->beside);
        else
            fprintf(out, " %-52s %12.2f  (%s %g)  not judged: %s\n", gate->name, gate->have,
                    gate->sign, gate->want, gate->beside);
    }
}

void gpu_print(FILE *out, const struct gpu *gpu)
{
    fputc('\n', out);
    print_limits(out, gpu);
    fprintf(out, "\n %-5s %-6s %5s %6s %8s %12s %10s %10s %10s %10s\n", "index", "codes", "ef",
            "batch", "recall", "QPS", "p50 us", "p99 us", "p99.9 us", "dist/query");
    for (size_t i = 0; i < gpu->runs; i++) {
        const struct gpu_run *run = &gpu->run[i];
        fprintf(out, " %-5s %-6s %5u %6u %8.4f %12.0f %10.0f %10.0f %10.0f %10.0f\n", run->index,
                run->codes, run->ef, run->batch, run->recall, run->batch / run->seconds, run->p50,
                run->p99, run->p999, run->distances);
    }
    fputc('\n', out);
    print_gates(out, gpu);
}

static void write_head(FILE *out, const struct gpu *gpu)
{
    const kith_device_info *info = &gpu->info;
    fprintf(out,
            "{\n\"schema\": \"kith-result/1\", \"kith\": \"%s\", \"command\": "
            "\"bench/gpu.sh\",\n\"hardware\": {}, \"devices\": [{\"id\": ",
            kith_version());
    write_text(out, info->id);
    fputs(", \"name\": ", out);
    write_text(out, info->name);
    fputs(", \"platform\": ", out);
    write_text(out, info->platform);
    fputs(", \"driver\": ", out);
    write_text(out, info->driver);
    fprintf(out,
            ", \"memory_bytes\": %llu, \"compute_units\": %u, \"usable\": true}],\n\"dataset\": "
            "{\"name\": \"clustered\", \"rows\": %u, \"queries\": %u, \"dim\": %d, \"type\": "
            "\"%s\", \"metric\": \"l2sq\", \"sha256\": \"\"},\n",
            (unsigned long long)info->memory_bytes, info->compute_units, gpu->data.rows,
            gpu->data.queries, GPU_DIM, kith_type_name(gpu->data.type));
    fprintf(out,
            "\"limits\": {\"read_bytes_per_second\": %.6g, \"copy_bytes_per_second\": %.6g, "
            "\"flops\": %.6g, \"torch_seconds\": %.6g},\n",
            gpu->limits.read, gpu->limits.copy, gpu->limits.flops, gpu->torch_seconds);
    fprintf(out, "\"build_seconds\": %.6g, \"exact_wrong\": %llu, \"walk_apart\": %llu,\n",
            gpu->build_seconds, (unsigned long long)gpu->exact_wrong,
            (unsigned long long)gpu->walk_apart);
}

static void write_run(FILE *out, const struct gpu *gpu, const struct gpu_run *run)
{
    fprintf(out, "{\"device\": ");
    write_text(out, gpu->device);
    fprintf(out,
            ", \"isa\": \"opencl\", \"index\": \"%s\", \"codes\": \"%s\", \"params\": {\"ef\": %u, "
            "\"queries\": %u, \"passes\": %u, \"recall_queries\": %u}, \"threads\": 1, \"batch\": "
            "%u, \"k\": %d, \"recall\": %.6f, \"recall_annb\": %.6f, \"qps\": %.6g, ",
            run->index, run->codes, run->ef, run->batch, run->calls, gpu->data.judged, run->batch,
            GPU_K, run->recall, run->recall, run->batch / run->seconds);
    fprintf(out,
            "\"latency_us\": {\"p50\": %.6g, \"p95\": %.6g, \"p99\": %.6g, \"p999\": %.6g}, "
            "\"distances_per_query\": %.6g}",
            run->p50, run->p95, run->p99, run->p999, run->distances);
}

static void write_gate(FILE *out, const struct gpu_gate *gate)
{
    const bool holds = gate->sign[0] == '>' ? gate->have >= gate->want : gate->have <= gate->want;
    fputs("{\"name\": ", out);
    write_text(out, gate->name);
    fprintf(out,
            ", \"have\": %.6g, \"sign\": \"%s\", \"want\": %.6g, \"judged\": %s, \"holds\": %s, "
            "\"beside\": ",
            gate->have, gate->sign, gate->want, gate->known ? "true" : "false",
            gate->known && holds ? "true" : "false");
    write_text(out, gate->beside);
    fputs("}", out);
}

bool gpu_write(const struct gpu *gpu, const char *path)
{
    FILE *const out = fopen(path, "w");
    if (!out)
        return gpu_fail("%s: cannot be written", path);
    write_head(out, gpu);
    fputs("\"builds\": [], \"runs\": [\n", out);
    for (size_t i = 0; i < gpu->runs; i++) {
        write_run(out, gpu, &gpu->run[i]);
        fputs(i + 1 < gpu->runs ? ",\n" : "\n", out);
    }
    fputs("],\n\"gates\": [\n", out);
    for (size_t i = 0; i < gpu->gates; i++) {
        write_gate(out, &gpu->gate[i]);
        fputs(i + 1 < gpu->gates ? ",\n" : "\n", out);
    }
    fputs("]\n}\n", out);
    const bool bad = ferror(out) != 0;
    return !(fclose(out) || bad) || gpu_fail("%s: not all of it could be written", path);
}
