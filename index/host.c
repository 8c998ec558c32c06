/* host.c - see host.h. Rows stay where they are: putting them "there" keeps the view. */
#include "index/host.h"
#include "index/scan.h"
#include <stdio.h>
#include <unistd.h>

typedef struct host {
    ki_device device; /* first: a ki_device pointer is a host pointer */
    const ki_kernels *kernels;
    ki_workers *workers;
} host;

struct ki_device_rows {
    ki_row_set set;
    host *host;
};

/* The highest level of the ladder among the features. */
static ki_isa top_level(uint64_t features)
{
    ki_isa top = KI_ISA_SCALAR;
    for (int isa = KI_ISA_SCALAR; isa < KI_ISA_COUNT; isa++)
        if (features & KI_BIT(isa))
            top = (ki_isa)isa;
    return top;
}

/* "model name : ..." of the first processor; "host" where the file has no such line. */
static void processor_name(char *out, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "host");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "model name", 10) && strchr(line, ':')) {
            line[strcspn(line, "\n")] = 0;
            const char *name = strchr(line, ':') + 1;
            snprintf(out, size, "%.120s", name + strspn(name, " \t"));
            break;
        }
    if (file)
        fclose(file);
}

void ki_host_info(uint64_t features, kith_device_info *out)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    *out = (kith_device_info){.size = sizeof *out, .usable = 1};
    snprintf(out->id, sizeof out->id, "cpu");
    snprintf(out->platform, sizeof out->platform, "host");
    snprintf(out->driver, sizeof out->driver, "%s", ki_isa_name(top_level(features)));
    processor_name(out->name, sizeof out->name);
    out->memory_bytes = pages > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
    out->max_alloc_bytes = out->memory_bytes;
    out->compute_units = ki_processor_count();
}

static void host_info(const ki_device *device, kith_device_info *out)
{
    ki_host_info(((const host *)(const void *)device)->kernels->features, out);
}

static kith_status host_put_rows(ki_device *device, const ki_row_set *set, ki_device_rows **out)
{
    ki_device_rows *rows = ki_alloc(sizeof *rows);
    if (!rows)
        return ki_no_memory("a view of rows", sizeof *rows);
    *rows = (ki_device_rows){*set, (host *)(void *)device};
    *out = rows;
    return KITH_OK;
}

static void host_drop_rows(ki_device_rows *rows)
{
    ki_free(rows);
}

bool ki_host_multiplies(const ki_device *device, kith_type type, size_t nq)
{
    const host *h = (const void *)device;
    return type == KITH_F32 && nq >= KI_GEMM_QUERIES && ki_gemm_available() &&
           h->kernels->features == ki_cpu_features();
}

static kith_status host_scan(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                             uint64_t *answers)
{
    const ki_row_set *set = &rows->set;
    ki_workers *workers = rows->host->workers;
    const bool f32 = queries->f32;
    ki_queries list = {queries->base, queries->stride, queries->count,
                       ki_pairing_of(set->type, f32), f32};
    if (ki_host_multiplies(&rows->host->device, set->type, queries->count))
        return ki_gemm_scan(set, &list, k, workers, answers);
    const ki_kernel *kernel = &rows->host->kernels->at[set->metric][list.pairing];
    return ki_scan(kernel, set, 0, set->count, &list, k, workers, answers);
}

static uint32_t host_max_k(const ki_device *device)
{
    (void)device;
    return UINT32_MAX;
}

static void host_close(ki_device *device)
{
    if (!device)
        return;
    ki_workers_close(((host *)(void *)device)->workers);
    ki_free(device);
}

static const ki_device_ops host_ops = {.info = host_info,
                                       .put_rows = host_put_rows,
                                       .drop_rows = host_drop_rows,
                                       .scan = host_scan,
                                       .max_k = host_max_k,
                                       .close = host_close};

kith_status ki_host_open(const ki_kernels *kernels, uint32_t threads, ki_device **out)
{
    host *h = ki_zalloc(sizeof *h);
    if (!h)
        return ki_no_memory("the host device", sizeof *h);
    h->device.ops = &host_ops;
    h->kernels = kernels;
    kith_status status = ki_workers_open(threads, &h->workers);
    if (status)
        ki_free(h);
    else
        *out = &h->device;
    return status;
}
