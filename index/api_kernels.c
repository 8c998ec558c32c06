/* api_kernels.c - kernels alone: choosing one, its rows and their side data, and what runs.
 *
 * May include kernels/ and kv/base.h. The one idea: a kith_kernel is one cell of the table, by
 * value, with the numbers that its callers would otherwise have to bring along. It is read-only
 * from then on, so it needs no lock and has no state to share.
 *
 * Rows without side data all share one of zeros, stride 0: kernels may load what they ignore.
 */
#include "index/kernel_object.h"
#include "index/checks.h"
#include "index/codec_object.h"
#include "index/objects.h"

enum { PREFETCH_MOST = 64 };

_Static_assert(sizeof(kith_side) == sizeof(ki_aux), "a side is a ki_aux that nobody names");

kith_kernel_options kith_kernel_defaults(uint32_t dim, kith_type type, kith_metric metric)
{
    return (kith_kernel_options){.size = sizeof(kith_kernel_options),
                                 .dim = dim,
                                 .metric = metric,
                                 .query_type = type,
                                 .row_type = type};
}

/* bf16 with bf16: products in bf16 where an instruction set makes them itself, else widened, which
 * rounds less. */
static ki_pairing pairing_of_bf16(kith_metric metric, const ki_kernels *table)
{
    const ki_kernel *wide = &table->at[metric][KI_BF16], *narrow = &table->at[metric][KI_BF16BF16];
    return narrow->from[KI_GATHER] > wide->from[KI_GATHER] ? KI_BF16BF16 : KI_BF16;
}

static kith_status check_options(const kith_kernel_options *o)
{
    kith_status status = ki_check_shape(o->dim, o->row_type, o->metric);
    if (!status && !kith_type_name(o->query_type))
        status = ki_fail(KITH_EINVAL, "%d is no type of queries", (int)o->query_type);
    if (!status && o->query_type != o->row_type && o->query_type != KITH_F32)
        status = ki_fail(KITH_EINVAL,
                         "%s queries do not meet %s rows; queries have the type of the rows, or "
                         "f32",
                         kith_type_name(o->query_type), kith_type_name(o->row_type));
    return status;
}

static kith_status keep(const kith_kernel *kernel, kith_kernel **out)
{
    kith_kernel *kept = ki_alloc(sizeof *kept);
    if (!kept)
        return ki_no_memory("a kernel", sizeof *kept);
    *kept = *kernel;
    *out = kept;
    return KITH_OK;
}

kith_status kith_kernel_open(const kith_kernel_options *options, kith_kernel **out)
{
    kith_kernel_options defaults = kith_kernel_defaults(0, KITH_F32, KITH_L2SQ), o;
    uint64_t features = 0;
    ki_kernels table;
    kith_status status = ki_read_options(options, &defaults, sizeof defaults, &o);
    if (!status)
        status = check_options(&o);
    if (!status)
        status = ki_choose_features(o.cpu, &features);
    if (status)
        return status;
    ki_kernels_fill(features, &table);
    bool f32 = o.query_type != o.row_type;
    ki_pairing pairing = ki_pairing_of(o.row_type, f32);
    if (pairing == KI_BF16 && !f32)
        pairing = pairing_of_bf16(o.metric, &table);
    kith_kernel kernel = {.table = table.at[o.metric][pairing],
                          .features = features,
                          .metric = o.metric,
                          .pairing = pairing,
                          .row_type = o.row_type,
                          .f32 = f32,
                          .dim = o.dim,
                          .row_bytes = kith_vector_bytes(o.row_type, o.dim),
                          .vector_bytes = kith_vector_bytes(o.query_type, o.dim)};
    return keep(&kernel, out);
}

kith_status kith_kernel_open_codec(const kith_codec *codec, const char *cpu, kith_kernel **out)
{
    uint64_t features = 0;
    ki_kernels table;
    kith_status status = ki_choose_features(cpu, &features);
    if (status)
        return status;
    const ki_codec *inner = &codec->codec;
    const ki_pairing pairing = ki_codec_pairing(inner);
    const kith_metric metric = ki_codec_metric(inner);
    ki_kernels_fill(features, &table);
    kith_kernel kernel = {.table = table.at[metric][pairing],
                          .features = features,
                          .metric = metric,
                          .pairing = pairing,
                          .codec = inner,
                          .dim = inner->dim,
                          .row_bytes = ki_row_bytes(pairing, inner->dim),
                          .vector_bytes = kith_vector_bytes(KITH_F32, inner->dim)};
    return keep(&kernel, out);
}

void kith_kernel_close(kith_kernel *kernel)
{
    ki_free(kernel);
}

/* Integer sums are turned around by norms, or shifted by sums; a Jaccard distance needs the bits
 * that are set, a cosine the norm. Differences and products of floats need nothing. */
bool ki_needs_sides(kith_metric metric, ki_pairing pairing)
{
    if (metric == KITH_COSINE || metric == KITH_JACCARD)
        return true;
    return pairing == KI_U8 || pairing == KI_I8 || pairing >= KI_Q8;
}

int kith_kernel_needs_sides(const kith_kernel *kernel)
{
    return ki_needs_sides(kernel->metric, kernel->pairing);
}

static kith_status check_stride(const kith_kernel *kernel, size_t stride, size_t *out)
{
    if (stride && stride < kernel->row_bytes)
        return ki_fail(KITH_EINVAL, "a stride of %zu bytes is less than a row, %zu bytes", stride,
                       kernel->row_bytes);
    *out = stride ? stride : kernel->row_bytes;
    return KITH_OK;
}

kith_status kith_kernel_fill_sides(const kith_kernel *kernel, const void *rows, size_t stride,
                                   size_t n, kith_side *sides)
{
    const unsigned char *row = rows;
    kith_status status = check_stride(kernel, stride, &stride);
    if (!status && kernel->codec)
        status = ki_fail(KITH_EUNSUPPORTED, "the sides of codes come from kith_codec_encode");
    if (!status && n && (!rows || !sides))
        status = ki_fail(KITH_EINVAL, "%s is NULL", rows ? "sides" : "rows");
    if (status)
        return status;
    for (size_t i = 0; i < n; i++) {
        ki_aux aux;
        ki_aux_fill(kernel->row_type, row + i * stride, kernel->dim, &aux);
        memcpy(&sides[i], &aux, sizeof aux);
    }
    return KITH_OK;
}

kith_status ki_view_rows(const kith_kernel *kernel, const kith_rows *rows, ki_rows *out)
{
    static const ki_aux none;
    size_t stride = 0;
    if (!rows || (!rows->base && rows->count))
        return ki_fail(KITH_EINVAL, "%s is NULL", rows ? "rows->base" : "rows");
    if (rows->count > KI_ROWS_MOST)
        return ki_fail(KITH_EINVAL, "%zu rows; there may be %u", rows->count, KI_ROWS_MOST);
    if (rows->prefetch_lines > PREFETCH_MOST)
        return ki_fail(KITH_EINVAL, "prefetch_lines = %u is not in 0..%d", rows->prefetch_lines,
                       PREFETCH_MOST);
    if ((uintptr_t)rows->sides % sizeof(uint32_t))
        return ki_fail(KITH_EINVAL, "rows->sides is not aligned to %zu bytes", sizeof(uint32_t));
    if (!rows->sides && kith_kernel_needs_sides(kernel))
        return ki_fail(KITH_EINVAL,
                       "rows->sides is NULL, and %s of %s rows needs them: see "
                       "kith_%s",
                       kith_metric_name(kernel->metric), ki_pairing_name(kernel->pairing),
                       kernel->codec ? "codec_encode" : "kernel_fill_sides");
    kith_status status = check_stride(kernel, rows->stride, &stride);
    if (status)
        return status;
    const void *aux = rows->sides ? (const void *)rows->sides : &none;
    *out = (ki_rows){.base = rows->base,
                     .stride = stride,
                     .aux = aux,
                     .aux_stride = rows->sides ? sizeof *rows->sides : 0,
                     .dim = kernel->dim,
                     .prefetch_lines = rows->prefetch_lines};
    return KITH_OK;
}

static const char *name_of(const ki_kernel *kernel, ki_slot slot)
{
    return kernel->from[slot] == KI_ISA_NONE ? NULL : ki_isa_name(kernel->from[slot]);
}

static kith_status write_info(kith_metric metric, ki_pairing pairing, const ki_kernel *kernel,
                              kith_kernel_info *out)
{
    kith_kernel_info info = {.metric = kith_metric_name(metric),
                             .pairing = ki_pairing_name(pairing),
                             .prepare = name_of(kernel, KI_PREPARE),
                             .prepare_f32 = name_of(kernel, KI_PREPARE_F32),
                             .pair = name_of(kernel, KI_PAIR),
                             .gather = name_of(kernel, KI_GATHER),
                             .range = name_of(kernel, KI_RANGE),
                             .tile = name_of(kernel, KI_TILE),
                             .pack = name_of(kernel, KI_PACK)};
    return ki_write_result(&info, sizeof info, out);
}

kith_status kith_kernel_stat(const kith_kernel *kernel, kith_kernel_info *out)
{
    return write_info(kernel->metric, kernel->pairing, &kernel->table, out);
}

kith_status kith_kernel_list(const char *cpu, size_t i, kith_kernel_info *out)
{
    uint64_t features = 0;
    size_t seen = 0;
    kith_status status = ki_choose_features(cpu, &features);
    if (status)
        return status;
    ki_kernels table;
    ki_kernels_fill(features, &table);
    for (int m = 0; m < KI_METRIC_COUNT; m++)
        for (int p = 0; p < KI_PAIRING_COUNT; p++)
            if (ki_kernel_exists((kith_metric)m, (ki_pairing)p) && seen++ == i)
                return write_info((kith_metric)m, (ki_pairing)p, &table.at[m][p], out);
    return ki_fail(KITH_ENOTFOUND, "kernel %zu of %zu", i, seen);
}
