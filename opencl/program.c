/* program.c - compiles the .cl files for a device, or takes what an earlier run compiled.
 *
 * May touch cachefile.h and device_cl.h. The one idea: compiling is the slowest thing that
 * happens at start (about a second on a CPU driver), so a compiled program is kept under a hash
 * of all it depends on: the source, the options, the device, driver and platform by name and
 * version, this library's version, the width of a pointer, and the format of the cache. Leaving
 * the driver's version out is the classic error: a new driver then runs an old driver's code.
 *
 * A cached program that the driver does not take is deleted and compiled again; only a failure
 * of the source is a failure.
 */
#include "opencl/program.h"
#include "opencl/cachefile.h"

#include <stdio.h>
#include <string.h>

#define CACHE_FORMAT "1" /* raised when the meaning of a cached program changes */

static kith_status program_key(const ki_cl_device *device, const char *source, size_t source_bytes,
                               const char *options, ki_cache_key *out)
{
    const ki_cl_found *found = &device->found;
    char width[16];
    snprintf(width, sizeof width, "%zu", 8 * sizeof(void *));
    const char *parts[] = {
        source,
        options,
        found->info.name,
        found->info.driver,
        found->info.platform,
        found->platform_version,
        kith_version(),
        width,
        CACHE_FORMAT,
    };
    enum { PARTS = sizeof parts / sizeof parts[0] };
    size_t lengths[PARTS] = {source_bytes};
    for (size_t i = 1; i < PARTS; i++)
        lengths[i] = strlen(parts[i]);
    return ki_cache_key_make(parts, lengths, PARTS, out);
}

static void release_program(const ki_cl *cl, cl_program program)
{
    if (program)
        cl->ReleaseProgram(program);
}

/* The driver's complaint, as far as a sentence holds it, on one line. */
static kith_status build_failure(ki_cl_device *device, cl_program program, cl_int code,
                                 const char *options)
{
    const ki_cl *cl = device->found.cl;
    char *log = NULL;
    size_t bytes = 0;
    if (cl->GetProgramBuildInfo(program, device->found.device, CL_PROGRAM_BUILD_LOG, 0, NULL,
                                &bytes) == CL_SUCCESS)
        log = ki_zalloc(bytes + 1);
    if (log && cl->GetProgramBuildInfo(program, device->found.device, CL_PROGRAM_BUILD_LOG, bytes,
                                       log, NULL))
        log[0] = '\0';
    for (char *at = log; at && *at; at++)
        if (*at == '\n')
            *at = ' ';
    const kith_status status = ki_cl_fail(code, "clBuildProgram", device->found.info.id, "%s: %s",
                                          options, log ? log : "");
    ki_free(log);
    return status;
}

/* A built program from a binary, or NULL when the driver does not take it. */
static cl_program from_binary(ki_cl_device *device, const void *binary, size_t bytes,
                              const char *options)
{
    const ki_cl *cl = device->found.cl;
    const unsigned char *data = binary;
    cl_int code = CL_SUCCESS, taken = CL_SUCCESS;
    cl_program program =
        KI_CL_MAKE(&code, cl->CreateProgramWithBinary(device->context, 1, &device->found.device,
                                                      &bytes, &data, &taken, &code));
    if (!code && !taken)
        code = KI_CL(cl->BuildProgram(program, 1, &device->found.device, options, NULL, NULL));
    if (!code && !taken)
        return program;
    release_program(cl, program);
    return NULL;
}

/* Keeps a built program on disk; whatever fails on the way leaves only a slower next start. To
 * ask for the binary can be slow in itself (a CPU driver then compiles every kernel for any size
 * of group), so it is not asked for when there is nowhere to put it. */
static void keep_binary(ki_cl_device *device, cl_program program, const ki_cache_key *key)
{
    const ki_cl *cl = device->found.cl;
    size_t bytes = 0;
    if (!ki_cache_writable() ||
        KI_CL(cl->GetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, NULL)) ||
        bytes == 0)
        return;
    unsigned char *binary = ki_alloc(bytes);
    if (!binary)
        return;
    if (!KI_CL(cl->GetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL)))
        ki_cache_write(key, binary, bytes);
    ki_free(binary);
}

static kith_status from_source(ki_cl_device *device, const char *source, size_t source_bytes,
                               const char *options, cl_program *out)
{
    const ki_cl *cl = device->found.cl;
    cl_int code = CL_SUCCESS;
    cl_program program = KI_CL_MAKE(
        &code, cl->CreateProgramWithSource(device->context, 1, &source, &source_bytes, &code));
    if (code)
        return ki_cl_fail(code, "clCreateProgramWithSource", device->found.info.id,
                          "%zu bytes of source", source_bytes);
    code = KI_CL(cl->BuildProgram(program, 1, &device->found.device, options, NULL, NULL));
    if (code) {
        const kith_status status = build_failure(device, program, code, options);
        release_program(cl, program);
        return status;
    }
    *out = program;
    return KITH_OK;
}

kith_status ki_program_open(ki_cl_device *device, const char *source, size_t source_bytes,
                            const char *options, cl_program *out)
{
    ki_cache_key key;
    void *binary = NULL;
    size_t bytes = 0;
    kith_status status = program_key(device, source, source_bytes, options, &key);
    if (status)
        return status;
    const ki_cache_found cached = ki_cache_read(&key, &binary, &bytes);
    if (cached == KI_CACHE_HIT) {
        cl_program program = from_binary(device, binary, bytes, options);
        ki_free(binary);
        if (program) {
            device->counts.loaded++;
            *out = program;
            return KITH_OK;
        }
        ki_cache_delete(&key);
    }
    device->counts.rejected += cached != KI_CACHE_ABSENT;
    status = from_source(device, source, source_bytes, options, out);
    if (status)
        return status;
    device->counts.built++;
    keep_binary(device, *out, &key);
    return KITH_OK;
}

void ki_cl_variant_close(const ki_cl *cl, ki_cl_variant *variant)
{
    if (variant->kernel)
        cl->ReleaseKernel(variant->kernel);
    release_program(cl, variant->program);
    *variant = (ki_cl_variant){0};
}

kith_status ki_kernel_open(ki_cl_device *device, const ki_kernel_source *from, ki_cl_variant *slot)
{
    ki_cl_variant made = {0};
    cl_int code = CL_SUCCESS;
    if (slot->kernel)
        return KITH_OK;
    const kith_status status = ki_program_open(device, (const char *)from->source,
                                               from->source_bytes, from->options, &made.program);
    if (status)
        return status;
    made.kernel =
        KI_CL_MAKE(&code, device->found.cl->CreateKernel(made.program, from->name, &code));
    if (code) {
        ki_cl_variant_close(device->found.cl, &made);
        return ki_cl_fail(code, "clCreateKernel", device->found.info.id, "%s", from->name);
    }
    *slot = made;
    return KITH_OK;
}
