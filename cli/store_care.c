/* store_care.c - `kith stat`, `check`, `backup` and `compact`: a store as a whole.
 *
 * check reads; it exits with 1 and one sentence at the first damage, and writes nothing to the
 * file. backup and compact leave either the old state or the whole new one.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/heap.h"
#include "cli/options.h"
#include "cli/store_graph.h"
#include "cli/store_part.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

static json_t *stat_json(const kith_store_options *shape, const kith_store_stats *s)
{
    const double amplification =
        s->live_bytes ? (double)s->file_bytes / (double)s->live_bytes : 0.0;
    return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I}",
                     "dim", (json_int_t)shape->dim, "type", kith_type_name(shape->type), "metric",
                     kith_metric_name(shape->metric), "keys",
                     shape->keys == KITH_KEYS_U64 ? "u64" : "bytes", "live", (json_int_t)s->live,
                     "rows", (json_int_t)s->rows, "stride", (json_int_t)s->stride, "live_bytes",
                     (json_int_t)s->live_bytes, "dead_bytes", (json_int_t)s->dead_bytes,
                     "file_bytes", (json_int_t)s->file_bytes, "log_bytes", (json_int_t)s->log_bytes,
                     "amplification", amplification, "lsn", (json_int_t)s->lsn, "durable_lsn",
                     (json_int_t)s->durable_lsn);
}

static void print_stat(const kith_store_options *shape, const kith_store_stats *s)
{
    char text[3][HUMAN_SIZE];
    printf("%u dimensions of %s, %s, %s keys\n", shape->dim, kith_type_name(shape->type),
           kith_metric_name(shape->metric), shape->keys == KITH_KEYS_U64 ? "64-bit" : "byte");
    printf("%s keys in %s rows\n", human_count(text[0], s->live), human_count(text[1], s->rows));
    printf("%s live, %s dead, %s on disk", human_bytes(text[0], s->live_bytes),
           human_bytes(text[1], s->dead_bytes), human_bytes(text[2], s->file_bytes));
    if (s->live_bytes)
        printf(" (%.2f times what lives)", (double)s->file_bytes / (double)s->live_bytes);
    printf("\n%s of it the log; operation %llu, on disk up to %llu\n",
           human_bytes(text[0], s->log_bytes), (unsigned long long)s->lsn,
           (unsigned long long)s->durable_lsn);
}

int stat_main(int argc, char **argv)
{
    const struct syntax syntax = {
        .verb = "stat",
        .operands = "STORE",
        .about = "Prints what a store holds and what it costs.",
        .examples = "kith stat my.kith\nkith stat my.kith --json",
        .operands_least = 1,
        .operands_most = 1,
    };
    struct arguments arguments;
    kith_store *store = NULL;
    kith_store_options shape = {.size = sizeof shape};
    kith_store_stats stats = {.size = sizeof stats};
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    code = store_open(arguments.operand[0], KITH_OPEN_READ_ONLY, &store);
    if (code != TOOL_OK)
        return code;
    kith_store_describe(store, &shape);
    if (kith_store_stat(store, &stats))
        code = store_failed_at(arguments.operand[0]);
    else if (arguments.json)
        terminal_json(stat_json(&shape, &stats));
    else
        print_stat(&shape, &stats);
    kith_store_close(store);
    return code;
}

struct findings {
    json_t *sound; /* of the store; null while nothing is known */
    bool graph;    /* there is one */
};

static int check(const char *path, bool quick, struct findings *found)
{
    struct progress progress;
    kith_store *store = NULL;
    int code = store_open(path, KITH_OPEN_READ_ONLY, &store);
    if (code != TOOL_OK)
        return code;
    progress_begin(&progress, "checking");
    const kith_status status = kith_store_check(store, !quick, progress_step, &progress);
    progress_end(&progress);
    found->sound = status == KITH_ECANCELLED ? json_null() : json_boolean(!status);
    if (status == KITH_ECANCELLED)
        code = store_stopped(path, "");
    else if (status)
        code = store_failed_at(path);
    else
        code = store_graph_check(store, path, !quick, &found->graph);
    kith_store_close(store);
    return code;
}

int check_main(int argc, char **argv)
{
    bool quick = false;
    struct findings found = {.sound = json_false()};
    const struct option_spec options[] = {
        {"quick", 0, OPTION_FLAG, &quick, NULL, "headers and records only, no vectors", 0, 0, NULL},
    };
    const struct syntax syntax = {
        .verb = "check",
        .operands = "STORE",
        .about =
            "Compares everything a store holds with its checksums: the vectors, keys and "
            "metadata,\n"
            "and the records that lead to them; then the graph beside it. What was deleted, and\n"
            "space that is free, are not looked at. Exits with 1 and a sentence at the first\n"
            "damage. Changes nothing.",
        .examples = "kith check my.kith\nkith check my.kith --quick",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 1,
        .operands_most = 1,
    };
    struct arguments arguments;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    code = check(arguments.operand[0], quick, &found);
    if (arguments.json)
        terminal_json(
            json_pack("{s:o, s:o, s:b, s:o}", "sound",
                      code == TOOL_INTERRUPTED ? json_null() : json_boolean(code == TOOL_OK),
                      "store_sound", found.sound, "graph", found.graph, "sentence",
                      terminal_text(code == TOOL_OK ? "" : kith_last_error())));
    else if (code == TOOL_OK)
        printf("%s is sound%s\n", arguments.operand[0], found.graph ? ", and so is its graph" : "");
    return code;
}

/* What a file takes on the disk, as kith_store_stat counts it; 0 when there is none. */
static uint64_t bytes_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (uint64_t)info.st_blocks * 512 : 0;
}

/* A failure of what was done, which can be that of the store or of the place of its copy. */
static int care_failed(kith_status status, const char *store, const char *copy, const char *kept)
{
    if (status == KITH_ECANCELLED)
        return store_stopped(copy, kept);
    return store_failed_at(status == KITH_ECORRUPT ? store : copy);
}

static int backup(const char *path, const char *copy, bool json)
{
    char text[2][HUMAN_SIZE];
    struct stat info;
    struct progress progress;
    kith_store *store = NULL;
    kith_store_stats stats = {.size = sizeof stats};
    if (lstat(copy, &info) == 0)
        return terminal_fail(TOOL_FAILED, "%s is there already, and backup replaces nothing", copy);
    int code = store_open(path, KITH_OPEN_READ_ONLY, &store);
    if (code != TOOL_OK)
        return code;
    progress_begin(&progress, "copying");
    kith_status status = kith_store_backup(store, copy, progress_step, &progress);
    progress_end(&progress);
    status = status ? status : kith_store_stat(store, &stats);
    if (status)
        code = care_failed(status, path, copy, "; no copy was made");
    else if (json)
        terminal_json(json_pack("{s:I, s:I}", "keys", (json_int_t)stats.live, "bytes",
                                (json_int_t)bytes_of(copy)));
    else
        terminal_note("%s keys, %s", human_count(text[0], stats.live),
                      human_bytes(text[1], bytes_of(copy)));
    kith_store_close(store);
    return code;
}

int backup_main(int argc, char **argv)
{
    const struct syntax syntax = {
        .verb = "backup",
        .operands = "STORE FILE",
        .about =
            "Writes a whole copy of the store to a new file. FILE appears when it is complete.\n"
            "The graph is not copied: `kith build FILE` makes a new one.",
        .examples = "kith backup my.kith /mnt/backup/my.kith",
        .operands_least = 2,
        .operands_most = 2,
    };
    struct arguments arguments;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    return backup(arguments.operand[0], arguments.operand[1], arguments.json);
}

/* Rows are numbered anew, so a graph of before is of no use. */
static void note_graph(const char *path)
{
    char *const graph = heap_format("%s.graph", path);
    if (bytes_of(graph))
        terminal_note("%s is of before; `kith build` makes a new one", graph);
    free(graph);
}

static int compact(const char *path, bool json)
{
    char text[2][HUMAN_SIZE];
    struct progress progress;
    kith_store *store = NULL;
    int code = store_open(path, KITH_OPEN_EXISTING, &store);
    if (code != TOOL_OK)
        return code;
    const uint64_t before = bytes_of(path);
    progress_begin(&progress, "compacting");
    const kith_status status = kith_store_compact(store, progress_step, &progress);
    progress_end(&progress);
    if (status)
        code = care_failed(status, path, path, "; the store is as it was");
    kith_store_close(store);
    if (status)
        return code;
    if (json)
        terminal_json(json_pack("{s:I, s:I}", "bytes_before", (json_int_t)before, "bytes",
                                (json_int_t)bytes_of(path)));
    else
        terminal_note("%s before, %s now", human_bytes(text[0], before),
                      human_bytes(text[1], bytes_of(path)));
    note_graph(path);
    return code;
}

int compact_main(int argc, char **argv)
{
    const struct syntax syntax = {
        .verb = "compact",
        .operands = "STORE",
        .about =
            "Gives the space of what was deleted or replaced back to the disk. Needs room for a\n"
            "second copy while it works; rows are numbered anew, so a graph has to be built anew.",
        .examples = "kith compact my.kith",
        .operands_least = 1,
        .operands_most = 1,
    };
    struct arguments arguments;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    return compact(arguments.operand[0], arguments.json);
}
