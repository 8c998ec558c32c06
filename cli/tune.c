/* tune.c - `kith tune`: the quickest search that reaches a recall, and what it promises.
 *
 * Queries are split in two. On the even ones settings are chosen, on the odd ones the chosen is
 * measured, so that the figures are of queries that had no say.
 */
#include "cli/tune.h"

#include "cli/hardware.h"
#include "cli/result.h"
#include "cli/verbs.h"

/* ---- what is said -------------------------------------------------------------------------- */

static void show_json(const struct tune *t, const struct promise *p)
{
    const kith_search_options *o = &t->kinds[0].options;
    const bool chosen = o->prefetch_lines == UINT32_MAX;
    json_t *settings = json_pack(
        "{s:s, s:I, s:I, s:f, s:f, s:o}", "walk", t->bench.walked, "k", (json_int_t)o->k, "ef",
        (json_int_t)o->ef, "rerank", (double)o->rerank, "slack", (double)o->slack, "prefetch_lines",
        chosen ? json_null() : json_integer((json_int_t)o->prefetch_lines));
    terminal_json(json_pack("{s:s*, s:f, s:b, s:o, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f}",
                            "store", t->by_row ? t->bench.data.name : NULL, "wanted", t->wanted,
                            "reached", p->recall.strict >= t->wanted, "settings", settings,
                            "queries_to_choose", (json_int_t)t->chooses.count, "queries",
                            (json_int_t)t->reports.count, "recall", p->recall.strict, "recall_annb",
                            p->recall.annb, "qps", 1 / p->seconds, "p50_us", p->p50_us, "p99_us",
                            p->p99_us, "distances_per_query", p->distances));
}

static void show(const struct tune *t, const struct promise *p)
{
    const kith_search_options *o = &t->kinds[0].options;
    char n[HUMAN_SIZE], qps[HUMAN_SIZE], distances[HUMAN_SIZE];
    printf("settings of a walk over %s, for recall %g at k = %u\n"
           "    options.ef = %u;\n",
           t->bench.walked, t->wanted, o->k, o->ef);
    if (o->rerank > 0)
        printf("    options.rerank = %.1ff;\n", (double)o->rerank);
    if (o->slack > 0)
        printf("    options.slack = %.3ff;\n", (double)o->slack);
    if (o->prefetch_lines != UINT32_MAX)
        printf("    options.prefetch_lines = %u;\n", o->prefetch_lines);
    printf("%s queries that had no say in it, one thread\n"
           "    recall %.4f (annb %.4f)\n"
           "    %s queries a second, p50 %.0f us, p99 %.0f us, %s distances a query\n",
           human_count(n, t->reports.count), p->recall.strict, p->recall.annb,
           human_count(qps, (uint64_t)(1 / p->seconds)), p->p50_us, p->p99_us,
           human_count(distances, (uint64_t)p->distances));
}

/* ---- the verb ------------------------------------------------------------------------------ */

static int failed(void)
{
    return interrupt_pending() ? terminal_fail(TOOL_INTERRUPTED, "interrupted") : TOOL_FAILED;
}

static int tune(struct tune *t, bool json)
{
    struct promise promise;
    tune_open_halves(t);
    if (!tune_find(t))
        return failed();
    if (t->count == 0)
        return terminal_fail(TOOL_DISAGREE,
                             "no setting reaches recall %g; the best is sure of %.4f, and a graph "
                             "of more links (--m) may do",
                             t->wanted, t->best);
    if (!tune_choose(t) || !tune_measure(t, &promise))
        return failed();
    if (json)
        show_json(t, &promise);
    else
        show(t, &promise);
    if (promise.recall.strict < t->wanted)
        terminal_note("the other half of the queries falls short by %.4f; more queries tell more",
                      t->wanted - promise.recall.strict);
    return TOOL_OK;
}

int tune_check_queries(const struct bench *b)
{
    return b->data.queries.rows < 2
               ? terminal_fail(TOOL_USAGE, "one query cannot be split: two or more are needed")
               : TOOL_OK;
}

static int run(struct tune *t, int argc, char **argv, bool json)
{
    struct bench *b = &t->bench;
    struct hardware hardware;
    int code;
    hardware_read(&hardware);
    b->threads = b->wishes.threads ? b->wishes.threads : hardware.threads_allowed;
    b->threads = b->threads ? b->threads : 1;
    if ((code = tune_find_store(b->wishes.data.data, &b->store)))
        return code;
    if (b->store) {
        code = tune_open_store(t, b->wishes.data.data);
        return code ? code : tune(t, json);
    }
    if ((code = bench_open_data(b)) || (code = bench_check_graph(b)) ||
        (code = tune_check_queries(b)))
        return code;
    if (*b->data.note)
        terminal_note("%s", b->data.note);
    b->result = result_new(&b->data, argc, argv);
    if ((code = bench_find_truth(b)) || (code = bench_load_rows(b)) ||
        (code = bench_build_graph(b, &t->graph)))
        return code;
    return tune(t, json);
}

int tune_main(int argc, char **argv)
{
    struct tune t = {.bench = {.wishes = {.k = 10}}, .wanted = 0.95};
    struct wishes *w = &t.bench.wishes;
    const struct option_spec options[] = {
        {"recall", 'r', OPTION_F64, &t.wanted, "R", "to be reached; default 0.95", 0.01, 1, NULL},
        {"k", 'k', OPTION_U32, &w->k, "K", "neighbours wanted; default 10", 1, 65536, NULL},
        {"queries", 0, OPTION_TEXT, &w->data.queries, "FILE",
         "queries, where DATA has none; default some rows held out", 0, 0, NULL},
        {"metric", 0, OPTION_CHOICE, &w->data.metric, "M",
         "l2sq, ip or cosine; default what DATA says, else l2sq", 0, 0, "l2sq|ip|cosine"},
        {"rows", 0, OPTION_U64, &w->data.rows, "N", "use the first N rows only", 1, 4294967294.0,
         NULL},
        {"nq", 0, OPTION_U64, &w->data.query_rows, "N", "use the first N queries only", 1,
         4294967294.0, NULL},
        {"m", 'M', OPTION_U32, &w->m, "N", "links of a node; default 16", 4, 128, NULL},
        {"ef-construction", 0, OPTION_U32, &w->ef_construction, "N",
         "width of the walk that looks for links; default 128", 1, 1000000, NULL},
        {"walk", 0, OPTION_CHOICE, &w->walk, "W",
         "what is walked: rows, or codes of 8, 4 or 1 bits; default auto", 0, 0,
         "auto|rows|sq8|sq4|sq1"},
        {"threads", 't', OPTION_U32, &w->threads, "N",
         "of the build and of the search for settings; one is timed", 1, 1024, NULL},
    };
    const struct syntax syntax = {
        .verb = "tune",
        .operands = "[DATA | STORE]",
        .about =
            "Builds a graph, finds the quickest search that reaches a recall on one half of the\n"
            "queries, and measures it on the other half. DATA is a name from `kith data ls` or a\n"
            "file; the default is " DATASET_DEFAULT
            ". Of a STORE the graph that `kith build` made\n"
            "is tuned, with the queries of a file.",
        .examples =
            "kith tune --recall 0.99\n"
            "kith tune base.fbin --queries q.fbin --metric cosine -k 100\n"
            "kith tune my.kith --queries q.fbin          the graph beside a store\n"
            "kith tune base.fbin --walk sq4 --json       for scripts; exit 4: not reached\n",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_most = 1};
    struct arguments arguments;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    w->data.data = arguments.operand[0];
    code = run(&t, argc, argv, arguments.json);
    tune_close_halves(&t);
    kith_index_close(t.graph);
    bench_close(&t.bench);
    return code;
}
