/* bench_codes.c - what the walk of `kith bench` measures: rows, or codes that stand for them.
 *
 * The wish may be `auto`, and then the library decides while it builds. So the answer is asked of
 * the finished graph, by one search whose counters say what was walked; the result names that and
 * not the wish. Where a trial chose codes of fewer dimensions, "sq8/128" of 768, the index walks
 * over these, and devices and replicas over "sq8".
 */
#include "cli/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"

static const struct {
    const char *name;
    kith_walk walk;
    kith_code code;
} codes[] = {
    {"sq8", KITH_WALK_SQ8, KITH_SQ8}, /* first: what auto takes where it takes codes */
    {"sq4", KITH_WALK_SQ4, KITH_SQ4},
    {"sq1", KITH_WALK_SQ1, KITH_SQ1},
};

kith_index_options bench_graph_options(const struct bench *bench)
{
    const struct wishes *w = &bench->wishes;
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.m = w->m ? w->m : options.m;
    options.ef_construction = w->ef_construction ? w->ef_construction : options.ef_construction;
    options.threads = bench->threads;
    if (w->walk && !strcmp(w->walk, "rows"))
        options.walk = KITH_WALK_ROWS;
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (w->walk && !strcmp(w->walk, codes[i].name))
            options.walk = codes[i].walk;
    return options;
}

/* The library says what it refuses; an empty store is enough to be told. */
int bench_check_graph(const struct bench *bench)
{
    const kith_index_options wished = bench_graph_options(bench);
    kith_store_options rows =
        kith_store_defaults(bench->data.base.dim, bench->data.type, bench->data.metric);
    kith_store *store = NULL;
    kith_index *graph = NULL;
    int code = TOOL_OK;
    if (kith_store_open(NULL, &rows, &store))
        code = terminal_fail(TOOL_FAILED, "%s", kith_last_error());
    else if (kith_index_create(store, &wished, &graph))
        code = terminal_fail(TOOL_USAGE, "%s", kith_last_error());
    kith_index_close(graph);
    kith_store_close(store);
    return code;
}

static const char *name_of(kith_walk walk)
{
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i].walk == walk)
            return codes[i].name;
    return codes[0].name;
}

bool bench_learn_codes(struct bench *bench, kith_index *graph)
{
    const bool integers = bench->data.type == KITH_U8 || bench->data.type == KITH_I8;
    kith_search_options options = kith_search_defaults(1);
    kith_search_stats stats = {.size = sizeof stats};
    kith_index_stats facts = {.size = sizeof facts};
    kith_hit hit;
    options.f32_queries = bench->f32_queries;
    if (kith_index_search(graph, bench->data.queries.data, 1, &options, &hit, &stats) ||
        kith_index_stat(graph, &facts))
        return false;
    const bool coded = stats.mode == KITH_MODE_CODES;
    const char *rows = kith_type_name(bench->data.type);
    bench->walked = coded ? name_of(bench_graph_options(bench).walk) : rows;
    bench->linked = coded && !integers ? codes[0].name : rows;
    bench->brief = facts.brief;
    if (facts.brief_bits == 4)
        snprintf(bench->own, sizeof bench->own, "%s", name_of(KITH_WALK_SQ4));
    else
        snprintf(bench->own, sizeof bench->own, facts.brief ? "%s/%u" : "%s", bench->walked,
                 facts.brief);
    return true;
}

/* ---- which instruction sets have something of their own ------------------------------------ */

/* What a kernel is made of depends on the kind of codes, not on what was learnt; but there is none
 * without a codec, and that wants rows: two will do. */
static kith_status open_short(const struct bench *bench, kith_code code, const char *cpu,
                              kith_codec **codec, kith_kernel **out)
{
    const uint32_t dim = bench->data.base.dim;
    const kith_codec_options options = kith_codec_defaults(dim, code, bench->data.metric);
    float *rows = heap_alloc((size_t)2 * dim, sizeof *rows);
    for (size_t i = 0; i < (size_t)2 * dim; i++)
        rows[i] = i < dim ? 1.0f : 2.0f;
    kith_status status = kith_codec_train(&options, rows, 0, 2, codec);
    free(rows);
    return status ? status : kith_kernel_open_codec(*codec, cpu, out);
}

static kith_status open_plain(const struct bench *bench, bool coded, const char *cpu,
                              kith_kernel **out)
{
    const struct dataset *data = &bench->data;
    kith_kernel_options options = kith_kernel_defaults(data->base.dim, data->type, data->metric);
    if (coded) /* 8 bits: codes against codes, as signed bytes */
        options = kith_kernel_defaults(data->base.dim, KITH_I8,
                                       data->metric == KITH_IP ? KITH_IP : KITH_L2SQ);
    options.cpu = cpu;
    return kith_kernel_open(&options, out);
}

bool bench_level_adds(const struct bench *bench, const char *level, bool exact)
{
    kith_kernel_info info = {.size = sizeof info};
    kith_kernel *kernel = NULL;
    kith_codec *codec = NULL;
    size_t kind = COUNT_OF(codes);
    for (size_t i = 0; i < COUNT_OF(codes) && !exact && bench->walked; i++)
        kind = strcmp(bench->walked, codes[i].name) ? kind : i;
    const bool is_short = kind != COUNT_OF(codes) && codes[kind].code != KITH_SQ8;
    kith_status status = is_short ? open_short(bench, codes[kind].code, level, &codec, &kernel)
                                  : open_plain(bench, kind != COUNT_OF(codes), level, &kernel);
    status = status ? status : kith_kernel_stat(kernel, &info);
    /* Where that fails the measurement will say what is wrong. */
    const bool adds = status || strcmp(exact ? info.tile : info.gather, level) == 0;
    kith_kernel_close(kernel);
    kith_codec_close(codec);
    return adds;
}
