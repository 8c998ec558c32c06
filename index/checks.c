/* checks.c - see checks.h: the last to distrust the caller. */
#include "index/checks.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MOST = 1024, DIM_MOST = 65535, DIM_MOST_U8 = 33025 /* 33025 * 255 * 255 < 2^31 */ };

static const char *const type_names[] = {"f32", "u8", "f16", "bf16", "i8", "b1"};
static const char *const metric_names[] = {"l2sq", "ip", "cosine", "hamming", "jaccard"};

const char *kith_type_name(kith_type type)
{
    return (unsigned)type < KI_TYPE_COUNT ? type_names[type] : NULL;
}

const char *kith_metric_name(kith_metric metric)
{
    return (unsigned)metric < KI_METRIC_COUNT ? metric_names[metric] : NULL;
}

size_t kith_vector_bytes(kith_type type, uint32_t dim)
{
    return kith_type_name(type) ? ki_row_bytes((ki_pairing)type, dim) : 0;
}

kith_status kith_type_parse(const char *name, kith_type *out)
{
    for (int i = 0; i < KI_TYPE_COUNT; i++)
        if (!strcmp(name, type_names[i])) {
            *out = (kith_type)i;
            return KITH_OK;
        }
    return ki_fail(KITH_EINVAL, "'%.40s' is no row type; there are f32, f16, bf16, i8, u8 and b1",
                   name);
}

kith_status kith_metric_parse(const char *name, kith_metric *out)
{
    for (int i = 0; i < KI_METRIC_COUNT; i++)
        if (!strcmp(name, metric_names[i])) {
            *out = (kith_metric)i;
            return KITH_OK;
        }
    return ki_fail(KITH_EINVAL,
                   "'%.40s' is no metric; there are l2sq, ip, cosine, hamming and jaccard", name);
}

kith_status ki_check_shape(uint32_t dim, kith_type type, kith_metric metric)
{
    if (!kith_type_name(type))
        return ki_fail(KITH_EINVAL, "%d is no row type", (int)type);
    if (!kith_metric_name(metric))
        return ki_fail(KITH_EINVAL, "%d is no metric", (int)metric);
    if (!ki_kernel_exists(metric, (ki_pairing)type))
        return ki_fail(KITH_EINVAL, "%s is no metric of %s rows", kith_metric_name(metric),
                       kith_type_name(type));
    uint32_t most = type == KITH_U8 ? DIM_MOST_U8 : DIM_MOST;
    if (dim < 1 || dim > most)
        return ki_fail(KITH_EINVAL, "dimension %u is not in 1..%u for %s rows", dim, most,
                       kith_type_name(type));
    return KITH_OK;
}

kith_status ki_check_threads(uint32_t threads)
{
    if (threads > THREADS_MOST)
        return ki_fail(KITH_EINVAL, "%u threads were asked for; the most is %d", threads,
                       THREADS_MOST);
    return KITH_OK;
}

static kith_status not_finite(uint32_t i, const char *name, size_t number, bool nan)
{
    return ki_fail(KITH_EINVAL, "element %u of %s %zu is %s", i, name, number,
                   nan ? "not a number (NaN)" : "infinite");
}

/* All of them first, without a branch, since nearly always none is wrong. */
static kith_status check_floats(const float *vector, uint32_t dim, const char *name, size_t number)
{
    const uint32_t exponent = 0x7f800000;
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < dim; i++) {
        uint32_t bits;
        memcpy(&bits, &vector[i], sizeof bits);
        wrong |= (bits & exponent) == exponent;
    }
    for (uint32_t i = 0; wrong && i < dim; i++)
        if (!isfinite(vector[i]))
            return not_finite(i, name, number, isnan(vector[i]));
    return KITH_OK;
}

/* An exponent of all ones: infinite without a fraction, else NaN. */
static kith_status check_halves(kith_type type, const uint16_t *vector, uint32_t dim,
                                const char *name, size_t number)
{
    const unsigned exponent = type == KITH_F16 ? 0x7c00 : 0x7f80;
    for (uint32_t i = 0; i < dim; i++)
        if ((vector[i] & exponent) == exponent)
            return not_finite(i, name, number, (vector[i] & 0x7fff) > exponent);
    return KITH_OK;
}

/* Bits behind the last dimension would count as differences. */
static kith_status check_bits(const unsigned char *vector, uint32_t dim, const char *name,
                              size_t number)
{
    const unsigned stray = dim % 8 ? (unsigned)vector[dim / 8] >> dim % 8 : 0;
    if (!stray)
        return KITH_OK;
    return ki_fail(KITH_EINVAL, "bit %u of %s %zu is set, and it has %u bits: the rest must be 0",
                   dim + (uint32_t)__builtin_ctz(stray), name, number, dim);
}

/* Only f32 and bf16 reach so far that a norm can leave f32. */
static kith_status check_norm(kith_type type, const void *vector, uint32_t dim, const char *name,
                              size_t number)
{
    const float *f32 = vector;
    const uint16_t *bf16 = vector;
    double norm2 = 0;
    for (uint32_t i = 0; i < dim; i++) {
        const uint32_t bits = type == KITH_BF16 ? (uint32_t)bf16[i] << 16 : 0;
        float x = type == KITH_F32 ? f32[i] : 0;
        if (type == KITH_BF16)
            memcpy(&x, &bits, sizeof x);
        norm2 += (double)x * (double)x;
    }
    if (sqrt(norm2) > 3.4028234663852886e38)
        return ki_fail(KITH_EINVAL, "the norm of %s %zu is %g, beyond f32", name, number,
                       sqrt(norm2));
    return KITH_OK;
}

kith_status ki_check_vector(kith_metric metric, kith_type type, uint32_t dim, const void *vector,
                            const char *name, size_t number)
{
    kith_status status = KITH_OK;
    if (type == KITH_B1)
        return check_bits(vector, dim, name, number);
    if (type == KITH_F32)
        status = check_floats(vector, dim, name, number);
    else if (type == KITH_F16 || type == KITH_BF16)
        status = check_halves(type, vector, dim, name, number);
    if (status || metric != KITH_COSINE)
        return status;
    return check_norm(type, vector, dim, name, number);
}

static kith_status no_level(const char *source, const char *level)
{
    return ki_fail(KITH_EINVAL, "%s '%.40s' names no instruction set", source, level);
}

/* Is the level itself there? Those that it contains need not be: there are processors with
 * AVX-512 VNNI and without its shorter sister. */
static bool has_level(uint64_t detected, const char *level)
{
    if (!strcmp(level, ki_isa_name(KI_ISA_SCALAR)))
        return true;
    for (int isa = KI_ISA_SCALAR + 1; isa < KI_ISA_COUNT; isa++)
        if (detected & KI_BIT(isa) && !strcmp(level, ki_isa_name((ki_isa)isa)))
            return true;
    return false;
}

/* The environment is a cap that may be the same on many machines: asking for more than there is
 * asks for nothing. The program's own choice is meant for this machine: then it is an error. */
kith_status ki_choose_features(const char *level, uint64_t *out)
{
    uint64_t detected = ki_cpu_features(), features = detected, mask;
    const char *environment = getenv("KITH_CPU");
    if (environment && *environment) {
        if (!ki_cpu_mask(environment, &mask))
            return no_level("KITH_CPU", environment);
        features &= mask;
    }
    if (level && *level) {
        if (!ki_cpu_mask(level, &mask))
            return no_level("instruction set", level);
        if (!has_level(detected, level))
            return ki_fail(KITH_EINVAL, "this machine or build does not have '%.40s'", level);
        features &= mask;
    }
    *out = features;
    return KITH_OK;
}

const char *kith_cpu_level(size_t i)
{
    uint64_t features = 0;
    if (ki_choose_features(NULL, &features))
        return NULL;
    for (int isa = KI_ISA_SCALAR; isa < KI_ISA_COUNT; isa++)
        if ((isa == KI_ISA_SCALAR || (features & KI_BIT(isa))) && i-- == 0)
            return ki_isa_name((ki_isa)isa);
    return NULL;
}
