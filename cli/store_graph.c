/* store_graph.c - `kith build`, and the graph beside a store for the other verbs.
 *
 * A build begins with the graph that lies there, so that only what came since is linked. A file
 * that cannot be used is named and replaced; nothing else is lost with it.
 */
#include "cli/store_graph.h"

#include <string.h>

#include "cli/options.h"
#include "cli/store_part.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

bool store_graph_load(kith_index *index)
{
    struct progress progress;
    progress_begin(&progress, "loading the graph");
    const kith_status status = kith_index_load(index, progress_step, &progress);
    progress_end(&progress);
    if (status && status != KITH_ENOTFOUND)
        terminal_note("%s", kith_last_error());
    return !status;
}

int store_graph_check(kith_store *store, const char *path, bool full, bool *found)
{
    kith_index *index = NULL;
    kith_status status = kith_index_check_file(store, NULL, NULL);
    *found = status != KITH_ENOTFOUND;
    if (!*found)
        return TOOL_OK;
    if (!status && full) {
        status = kith_index_create(store, NULL, &index);
        if (!status)
            status = kith_index_load(index, NULL, NULL);
        if (!status)
            status = kith_index_check(index);
        kith_index_close(index);
    }
    if (status == KITH_EINVAL) { /* whole, and somebody else's */
        terminal_note("%s; `kith build` makes a new one", kith_last_error());
        *found = false;
        return TOOL_OK;
    }
    if (!status)
        return TOOL_OK;
    return terminal_fail(TOOL_FAILED,
                         "%s.graph: %s; the store is sound, and `kith build` makes a "
                         "new graph of it",
                         path, kith_last_error());
}

struct build {
    const char *walk;
    double alpha;
    uint64_t seed;
    uint32_t m, ef_construction, passes, threads, reduce;
    bool fresh;
};

static kith_index_options options_of(const struct build *b)
{
    static const char *const walks[] = {"auto", "rows", "sq8"};
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.m = b->m ? b->m : options.m;
    options.ef_construction = b->ef_construction ? b->ef_construction : options.ef_construction;
    options.alpha = b->alpha > 0 ? (float)b->alpha : options.alpha;
    options.seed = b->seed ? b->seed : options.seed;
    options.passes = b->passes;
    options.threads = b->threads;
    options.reduce = b->reduce;
    for (int i = 0; i < 3; i++)
        if (b->walk && !strcmp(b->walk, walks[i]))
            options.walk = (kith_walk)i;
    return options;
}

static kith_status link_and_save(kith_index *index)
{
    struct progress progress;
    progress_begin(&progress, "building the graph");
    kith_status status = kith_index_build(index, progress_step, &progress);
    progress_end(&progress);
    if (status && status != KITH_ECANCELLED)
        return status;
    const kith_status saved = kith_index_save(index, NULL, NULL); /* what is linked stays linked */
    return status ? status : saved;
}

static void show(const kith_index *index, bool loaded, bool json)
{
    char seconds[HUMAN_SIZE], bytes[HUMAN_SIZE];
    kith_index_stats s = {.size = sizeof s};
    if (kith_index_stat(index, &s))
        return;
    if (json) {
        terminal_json(json_pack("{s:b, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:o}", "loaded", loaded,
                                "nodes", (json_int_t)s.nodes, "links", (json_int_t)s.links,
                                "layers", (json_int_t)s.layers, "seconds", s.build_seconds, "bytes",
                                (json_int_t)s.bytes, "brief", (json_int_t)s.brief, "brief_bits",
                                (json_int_t)s.brief_bits, "digest",
                                json_sprintf("%016llx", (unsigned long long)s.digest)));
        return;
    }
    printf("%llu nodes, %llu links, %u layers, %s in memory, %s%s\n", (unsigned long long)s.nodes,
           (unsigned long long)s.links, s.layers, human_bytes(bytes, s.bytes),
           human_seconds(seconds, s.build_seconds), loaded ? " for what was new" : "");
    if (s.brief)
        printf("walked over codes of %u dimensions, %u bits each, which a trial found cheaper\n",
               s.brief, s.brief_bits);
    printf("digest %016llx\n", (unsigned long long)s.digest);
}

static int build(const char *path, const struct build *b, bool json)
{
    const kith_index_options options = options_of(b);
    kith_store *store = NULL;
    kith_index *index = NULL;
    int code = store_open(path, KITH_OPEN_EXISTING, &store);
    if (code != TOOL_OK)
        return code;
    if (kith_index_create(store, &options, &index)) {
        code = store_failed();
    } else {
        const bool loaded = !b->fresh && store_graph_load(index);
        const kith_status status = link_and_save(index);
        if (status == KITH_ECANCELLED)
            code =
                store_stopped(path, "; what is linked was kept, the next build goes on from there");
        else if (status)
            code = store_failed_at(path);
        else
            show(index, loaded, json);
    }
    kith_index_close(index);
    kith_store_close(store);
    return code;
}

int build_main(int argc, char **argv)
{
    struct build b = {.passes = 1};
    const struct option_spec options[] = {
        {"m", 'M', OPTION_U32, &b.m, "N", "links of a node; default 16", 4, 128, NULL},
        {"ef-construction", 0, OPTION_U32, &b.ef_construction, "N",
         "width of the walk that looks for links", 1, 65536, NULL},
        {"alpha", 0, OPTION_F64, &b.alpha, "A", "slack of pruning; default 1.1", 1, 2, NULL},
        {"passes", 0, OPTION_U32, &b.passes, "N", "2 links every row a second time; default 1", 1,
         2, NULL},
        {"seed", 0, OPTION_U64, &b.seed, "N", "of the levels; default 1", 0, 1.8e19, NULL},
        {"walk", 0, OPTION_CHOICE, &b.walk, "W",
         "what links are chosen by; auto also tries walks over fewer dimensions", 0, 0,
         "auto|rows|sq8"},
        {"reduce", 0, OPTION_U32, &b.reduce, "D",
         "codes of D principal components; default of all dimensions", 1, 65535, NULL},
        {"threads", 't', OPTION_U32, &b.threads, "N", "default all", 1, 1024, NULL},
        {"fresh", 0, OPTION_FLAG, &b.fresh, NULL, "from nothing, whatever graph there is", 0, 0,
         NULL},
    };
    const struct syntax syntax = {
        .verb = "build",
        .operands = "STORE",
        .about =
            "Attaches a graph to a store, in the file STORE.graph, or brings the one that is\n"
            "there up to date: it then keeps the options that it was built with. ^C keeps what\n"
            "is linked; the next build goes on from there.",
        .examples = "kith build my.kith\nkith build my.kith --m 32 --ef-construction 200 --fresh",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 1,
        .operands_most = 1,
    };
    struct arguments arguments;
    const int code = options_parse(&syntax, argc, argv, &arguments);
    return code == OPTIONS_GO ? build(arguments.operand[0], &b, arguments.json) : code;
}
