/* store_scan.c - `kith scan`: the keys of a store in order, all or a part of them.
 *
 * One line a key, so that it goes through a pipe; with --json one array. The store is read as it
 * was at the beginning, also while another process writes to it.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/options.h"
#include "cli/store_part.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

struct scan {
    const char *prefix, *from;
    uint64_t limit;
    bool backwards, vectors;
    kith_store_options shape;
    json_t *list; /* NULL: lines */
};

static void show(const struct scan *scan, const kith_item *item)
{
    char *const key = store_key_text(scan->shape.keys, item->key, item->key_len);
    char *const meta = store_bytes_text(item->meta ? item->meta : "", item->meta_len);
    if (scan->list) {
        json_t *const one =
            json_pack("{s:s, s:I, s:s}", "key", key, "row", (json_int_t)item->row, "meta", meta);
        if (scan->vectors)
            json_object_set_new(one, "vector", store_vector_json(&scan->shape, item->vector));
        json_array_append_new(scan->list, one);
    } else if (scan->vectors) {
        printf("%s\t%s\t", key, meta);
        store_vector_print(&scan->shape, item->vector, stdout);
    } else {
        printf("%s\t%s\n", key, meta);
    }
    free(key);
    free(meta);
}

/* Backwards from a key: the first that is not below it, and if that is above, the one before. */
static kith_status begin_at(const struct scan *scan, kith_cursor *cursor,
                            const struct store_key *from, kith_item *item)
{
    kith_status status = kith_cursor_seek(cursor, from->bytes, from->length, item);
    if (!scan->backwards)
        return status;
    if (status == KITH_ENOTFOUND)
        return kith_cursor_last(cursor, item);
    if (!status &&
        (item->key_len != from->length || memcmp(item->key, from->bytes, from->length) != 0))
        return kith_cursor_prev(cursor, item);
    return status;
}

static kith_status walk(const struct scan *scan, kith_cursor *cursor, const struct store_key *from)
{
    kith_item item = {.size = sizeof item};
    kith_status status = from              ? begin_at(scan, cursor, from, &item)
                         : scan->backwards ? kith_cursor_last(cursor, &item)
                                           : kith_cursor_first(cursor, &item);
    for (uint64_t n = 0; !status && (!scan->limit || n < scan->limit); n++) {
        show(scan, &item);
        if (interrupt_pending())
            return KITH_ECANCELLED;
        status =
            scan->backwards ? kith_cursor_prev(cursor, &item) : kith_cursor_next(cursor, &item);
    }
    return status == KITH_ENOTFOUND ? KITH_OK : status;
}

static int scan_store(struct scan *scan, kith_store *store, const char *path)
{
    struct store_key prefix = {.length = 0}, from;
    kith_snapshot *snapshot = NULL;
    kith_cursor *cursor = NULL;
    struct sentence why;
    kith_store_describe(store, &scan->shape);
    if ((scan->prefix && !store_key_read(KITH_KEYS_BYTES, scan->prefix, &prefix, &why)) ||
        (scan->from && !store_key_read(scan->shape.keys, scan->from, &from, &why)))
        return terminal_fail(TOOL_USAGE, "%s", why.text);
    kith_status status = kith_snapshot_open(store, &snapshot);
    if (!status)
        status = kith_cursor_open(snapshot, prefix.bytes, prefix.length, &cursor);
    if (!status)
        status = walk(scan, cursor, scan->from ? &from : NULL);
    kith_cursor_close(cursor);
    kith_snapshot_close(snapshot);
    if (status == KITH_ECANCELLED)
        return store_stopped(path, "");
    return status ? store_failed_at(path) : TOOL_OK;
}

int scan_main(int argc, char **argv)
{
    struct scan scan = {.shape = {.size = sizeof scan.shape}};
    const struct option_spec options[] = {
        {"prefix", 'p', OPTION_TEXT, &scan.prefix, "P", "only keys that begin so", 0, 0, NULL},
        {"from", 0, OPTION_TEXT, &scan.from, "KEY", "begin at this key, or where it would be", 0, 0,
         NULL},
        {"limit", 'n', OPTION_U64, &scan.limit, "N", "at most so many keys", 1, 9e15, NULL},
        {"backwards", 0, OPTION_FLAG, &scan.backwards, NULL, "from the last key to the first", 0, 0,
         NULL},
        {"vectors", 0, OPTION_FLAG, &scan.vectors, NULL, "print the vectors too", 0, 0, NULL},
    };
    const struct syntax syntax = {
        .verb = "scan",
        .operands = "STORE",
        .about = "Prints keys in order, each with its metadata, separated by a tab.",
        .examples = "kith scan my.kith\nkith scan my.kith --prefix user/ --limit 10\n"
                    "kith scan numbers.kith --from 1000 --backwards --vectors",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 1,
        .operands_most = 1,
    };
    struct arguments arguments;
    kith_store *store = NULL;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    code = store_open(arguments.operand[0], KITH_OPEN_READ_ONLY, &store);
    if (code != TOOL_OK)
        return code;
    scan.list = arguments.json ? json_array() : NULL;
    code = scan_store(&scan, store, arguments.operand[0]);
    kith_store_close(store);
    if (scan.list && code == TOOL_OK)
        terminal_json(scan.list);
    else
        json_decref(scan.list);
    return code;
}
