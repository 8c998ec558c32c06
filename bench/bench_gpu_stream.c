/* bench_gpu_stream.c - what an OpenCL device can do at most: bytes read a second, bytes copied, and
 * multiply-adds.
 *
 * May include bench/gpu.h and opencl/ headers: the device is opened as the library opens it, so
 * that ocl0 is the same device here and there. Three kernels of a few lines run over a buffer that
 * no cache holds; ten launches follow each other, so that starting them costs little, and the best
 * of five such runs counts: a limit is what a device can do, not what it does on average.
 *
 * A figure of a search divided by these is worth more than one divided by a data sheet, which no
 * program on the card has ever reached.
 */
#include "bench/gpu.h"
#include "opencl/device_cl.h"

#include <stdlib.h>
#include <string.h>

enum {
    GROUP = 256,
    BLOCKS_OF_HOST = 8,
    LAUNCHES = 10,
    REPEATS = 5,
    TURNS = 2048,
    CHAINS = 8,
    LANES = 4
};

static const char source[] =
    "#ifdef BLOCKS\n"
    "#define EACH(i, n) (ulong i = n / get_global_size(0) * get_global_id(0), last = i + n / "
    "get_global_size(0); i < last; i++)\n"
    "#else\n"
    "#define EACH(i, n) (ulong i = get_global_id(0); i < n; i += get_global_size(0))\n"
    "#endif\n"
    "__kernel void take(__global const float4 *from, __global float4 *to, ulong n)\n"
    "{\n"
    "    float4 sum = (float4)(0.0f);\n"
    "#pragma unroll 4\n"
    "    for EACH(i, n)\n"
    "        sum += from[i];\n"
    "    to[get_global_id(0)] = sum;\n"
    "}\n"
    "__kernel void copy(__global const float4 *from, __global float4 *to, ulong n)\n"
    "{\n"
    "#pragma unroll 4\n"
    "    for EACH(i, n)\n"
    "        to[i] = from[i];\n"
    "}\n"
    "__kernel void multiply(__global const float4 *from, __global float4 *to, ulong turns)\n"
    "{\n"
    "    const float4 m = from[0] + 0.5f, c = from[1] + 1.0f;\n"
    "    float4 a0 = c, a1 = m, a2 = c, a3 = m, a4 = c, a5 = m, a6 = c, a7 = m;\n"
    "    for (ulong i = 0; i < turns; i++) {\n"
    "        a0 = mad(a0, m, c), a1 = mad(a1, m, c), a2 = mad(a2, m, c), a3 = mad(a3, m, c);\n"
    "        a4 = mad(a4, m, c), a5 = mad(a5, m, c), a6 = mad(a6, m, c), a7 = mad(a7, m, c);\n"
    "    }\n"
    "    to[get_global_id(0)] = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7;\n"
    "}\n";

struct stream {
    ki_device *base;
    ki_cl_device *device;
    const ki_cl *cl;
    cl_program program;
    cl_mem from, to;
    size_t bytes, items, group;
    bool host; /* a CPU: it reads blocks, where a GPU's neighbours read what lies side by side */
};

static bool failed(const struct stream *s, const char *call, cl_int code)
{
    return gpu_fail("%s: %s: %s (%d)", s->device->found.info.id, call, ki_cl_error_name(code),
                    (int)code);
}

static bool build(struct stream *s)
{
    const char *text = source;
    cl_int code = CL_SUCCESS;
    s->program = s->cl->CreateProgramWithSource(s->device->context, 1, &text, NULL, &code);
    if (code)
        return failed(s, "clCreateProgramWithSource", code);
    code = s->cl->BuildProgram(s->program, 1, &s->device->found.device,
                               s->host ? "-cl-mad-enable -DBLOCKS" : "-cl-mad-enable", NULL, NULL);
    return code ? failed(s, "clBuildProgram", code) : true;
}

/* Both buffers hold zeros, written by the device, so that their pages are there. */
static bool make_buffers(struct stream *s)
{
    const float zero = 0;
    cl_mem *const buffers[] = {&s->from, &s->to};
    for (int i = 0; i < 2; i++) {
        cl_int code = CL_SUCCESS;
        *buffers[i] =
            s->cl->CreateBuffer(s->device->context, CL_MEM_READ_WRITE, s->bytes, NULL, &code);
        if (code)
            return failed(s, "clCreateBuffer", code);
        code = s->cl->EnqueueFillBuffer(s->device->queue, *buffers[i], &zero, sizeof zero, 0,
                                        s->bytes, 0, NULL, NULL);
        if (code)
            return failed(s, "clEnqueueFillBuffer", code);
    }
    return true;
}

/* Seconds of a launch, of ten in a row; below 0 after a sentence. */
static double time_launches(const struct stream *s, cl_kernel kernel)
{
    cl_int code = s->cl->Finish(s->device->queue);
    const double begin = gpu_now();
    for (int i = 0; i < LAUNCHES && !code; i++)
        code = s->cl->EnqueueNDRangeKernel(s->device->queue, kernel, 1, NULL, &s->items, &s->group,
                                           0, NULL, NULL);
    code = code ? code : s->cl->Finish(s->device->queue);
    if (code)
        failed(s, "clEnqueueNDRangeKernel", code);
    return code ? -1 : (gpu_now() - begin) / LAUNCHES;
}

/* The best of some runs; the first is for what is done once and does not count. */
static double best_launch(const struct stream *s, cl_kernel kernel)
{
    double best = time_launches(s, kernel);
    for (int i = 0; i < REPEATS && best > 0; i++) {
        const double seconds = time_launches(s, kernel);
        best = i == 0 || seconds < best ? seconds : best;
    }
    return best;
}

/* Work a second of one kernel, `work` being that of a launch. */
static bool measure(const struct stream *s, const char *name, cl_ulong n, double work, double *out)
{
    cl_int code = CL_SUCCESS;
    cl_kernel kernel = s->cl->CreateKernel(s->program, name, &code);
    if (code)
        return failed(s, name, code);
    code = s->cl->SetKernelArg(kernel, 0, sizeof s->from, &s->from);
    code = code ? code : s->cl->SetKernelArg(kernel, 1, sizeof s->to, &s->to);
    code = code ? code : s->cl->SetKernelArg(kernel, 2, sizeof n, &n);
    const double seconds = code ? -1 : best_launch(s, kernel);
    s->cl->ReleaseKernel(kernel);
    if (code)
        return failed(s, "clSetKernelArg", code);
    *out = work / seconds;
    return seconds > 0;
}

static bool measure_all(struct stream *s, struct gpu_limits *out)
{
    const double bytes = (double)s->bytes;
    const cl_ulong n = s->bytes / (LANES * sizeof(float));
    return measure(s, "take", n, bytes, &out->read) &&
           measure(s, "copy", n, 2 * bytes, &out->copy) &&
           measure(s, "multiply", TURNS, 2.0 * TURNS * CHAINS * LANES * (double)s->items,
                   &out->flops);
}

/* Enough work-items for every unit to be full, and no more than the buffer has places. */
static void choose_sizes(struct stream *s, size_t bytes)
{
    const kith_device_info *info = &s->device->found.info;
    const size_t units = info->compute_units ? info->compute_units : 1;
    s->host = (s->device->found.kind & CL_DEVICE_TYPE_CPU) != 0;
    s->group = s->host ? 1 : GROUP;
    s->bytes = bytes < s->device->max_alloc ? bytes : s->device->max_alloc;
    s->items = units * (s->host ? BLOCKS_OF_HOST : 8 * GROUP);
    const size_t places = s->bytes / (LANES * sizeof(float)) / s->group * s->group;
    s->items = s->items < places ? s->items : places;
    s->bytes = s->bytes / (s->items * LANES * sizeof(float)) * (s->items * LANES * sizeof(float));
}

bool gpu_limits_measure(const char *device, size_t bytes, struct gpu_limits *out)
{
    struct stream s = {0};
    struct gpu_limits limits = {0};
    char *end = NULL;
    const unsigned long ordinal = strncmp(device, "ocl", 3) ? 0 : strtoul(device + 3, &end, 10);
    if (!end || *end || end == device + 3)
        return gpu_fail("\"%s\" is no OpenCL device: ocl0, ocl1, ...", device);
    if (ki_opencl_open((uint32_t)ordinal, 0, 1, &s.base))
        return gpu_fail("%s", kith_last_error());
    s.device = (ki_cl_device *)s.base;
    s.cl = s.device->found.cl;
    choose_sizes(&s, bytes);
    const bool good = build(&s) && make_buffers(&s) && measure_all(&s, &limits);
    if (s.from)
        s.cl->ReleaseMemObject(s.from);
    if (s.to)
        s.cl->ReleaseMemObject(s.to);
    if (s.program)
        s.cl->ReleaseProgram(s.program);
    s.base->ops->close(s.base);
    if (good)
        *out = limits;
    return good;
}
