/* store_items.c - `kith put`, `kith get`, `kith del`: one item of a store, by key.
 *
 * What put acknowledges is on disk when it returns. A store is made by `kith import`, or by put
 * with --create for a first one by hand; its dimension is then the vector's.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/options.h"
#include "cli/store_part.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

struct put {
    const char *meta, *metric, *type, *keys;
    bool create, only_new, replace;
};

static int open_for_put(const struct put *put, const char *const *operand, kith_store **out)
{
    kith_store_options options =
        kith_store_defaults(store_vector_count(operand[2]), KITH_F32, KITH_L2SQ);
    if (!put->create)
        return store_open(operand[0], KITH_OPEN_EXISTING, out);
    if (kith_metric_parse(put->metric, &options.metric) ||
        kith_type_parse(put->type, &options.type))
        return terminal_fail(TOOL_USAGE, "%s", kith_last_error());
    options.open = KITH_OPEN_NEW;
    options.keys = strcmp(put->keys, "bytes") ? KITH_KEYS_U64 : KITH_KEYS_BYTES;
    return kith_store_open(operand[0], &options, out) ? store_failed() : TOOL_OK;
}

static int put_item(const struct put *put, kith_store *store, const char *const *operand)
{
    kith_store_options shape = {.size = sizeof shape};
    struct store_key key;
    kith_store_describe(store, &shape);
    if (!store_key_read(shape.keys, operand[1], &key))
        return TOOL_USAGE;
    void *const vector = store_vector_read(&shape, operand[2]);
    if (!vector)
        return TOOL_USAGE;
    const kith_op op = {.kind = put->only_new  ? KITH_PUT_NEW
                                : put->replace ? KITH_REPLACE
                                               : KITH_PUT,
                        .key = key.bytes,
                        .key_len = key.length,
                        .vector = vector,
                        .meta = put->meta,
                        .meta_len = put->meta ? strlen(put->meta) : 0};
    const int code = kith_store_commit(store, &op, 1, NULL) ? store_failed() : TOOL_OK;
    free(vector);
    return code;
}

int put_main(int argc, char **argv)
{
    struct put put = {.metric = "l2sq", .type = "f32", .keys = "bytes"};
    const struct option_spec options[] = {
        {"meta", 0, OPTION_TEXT, &put.meta, "TEXT", "metadata to keep with the vector", 0, 0, NULL},
        {"new", 0, OPTION_FLAG, &put.only_new, NULL, "fail when the key is there", 0, 0, NULL},
        {"replace", 0, OPTION_FLAG, &put.replace, NULL, "fail when it is not", 0, 0, NULL},
        {"create", 0, OPTION_FLAG, &put.create, NULL, "make the store; the three below say how", 0,
         0, NULL},
        {"metric", 'm', OPTION_CHOICE, &put.metric, "M", "l2sq (default), ip, cosine, ...", 0, 0,
         "l2sq|ip|cosine|hamming|jaccard"},
        {"type", 't', OPTION_CHOICE, &put.type, "T", "f32 (default), u8, ...", 0, 0,
         "f32|f16|bf16|i8|u8|b1"},
        {"keys", 0, OPTION_CHOICE, &put.keys, "KIND", "bytes (default) or u64", 0, 0, "bytes|u64"},
    };
    const struct syntax syntax = {
        .verb = "put",
        .operands = "STORE KEY VECTOR",
        .about =
            "Puts one vector, and metadata if there are any, under a key, in place of what was\n"
            "there. VECTOR is numbers separated by commas or blanks. In a key of bytes, \\xNN\n"
            "stands for a byte and \\\\ for a backslash.",
        .examples = "kith put my.kith first 0.1,0.2,0.9 --create --metric cosine\n"
                    "kith put my.kith second '0.3 0.3 0.1' --meta '{\"lang\": \"en\"}'\n"
                    "kith put numbers.kith 17 1,2,3 --replace",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 3,
        .operands_most = 3,
    };
    struct arguments arguments;
    kith_store *store = NULL;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    if (put.only_new && put.replace)
        return terminal_fail(TOOL_USAGE, "--new and --replace exclude each other");
    code = open_for_put(&put, arguments.operand, &store);
    if (code == TOOL_OK)
        code = put_item(&put, store, arguments.operand);
    kith_store_close(store);
    return code;
}

static void print_item(const kith_store_options *shape, const kith_item *item, bool json)
{
    char *const key = store_key_text(shape->keys, item->key, item->key_len);
    char *const meta =
        store_key_text(KITH_KEYS_BYTES, item->meta ? item->meta : "", item->meta_len);
    if (json) {
        terminal_json(json_pack("{s:s, s:I, s:o, s:s}", "key", key, "row", (json_int_t)item->row,
                                "vector", store_vector_json(shape, item->vector), "meta", meta));
    } else {
        store_vector_print(shape, item->vector, stdout);
        if (item->meta_len)
            printf("%s\n", meta);
    }
    free(key);
    free(meta);
}

static int get_item(kith_store *store, const char *text, bool json)
{
    kith_store_options shape = {.size = sizeof shape};
    kith_item item = {.size = sizeof item};
    kith_snapshot *snapshot = NULL;
    struct store_key key;
    kith_store_describe(store, &shape);
    if (!store_key_read(shape.keys, text, &key))
        return TOOL_USAGE;
    int code = TOOL_OK;
    if (kith_snapshot_open(store, &snapshot) ||
        kith_snapshot_get(snapshot, key.bytes, key.length, &item))
        code = store_failed();
    else
        print_item(&shape, &item, json);
    kith_snapshot_close(snapshot);
    return code;
}

int get_main(int argc, char **argv)
{
    const struct syntax syntax = {
        .verb = "get",
        .operands = "STORE KEY",
        .about = "Prints the vector of a key, and on a second line its metadata.",
        .examples = "kith get my.kith first\nkith get my.kith first --json",
        .operands_least = 2,
        .operands_most = 2,
    };
    struct arguments arguments;
    kith_store *store = NULL;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    code = store_open(arguments.operand[0], KITH_OPEN_READ_ONLY, &store);
    if (code == TOOL_OK)
        code = get_item(store, arguments.operand[1], arguments.json);
    kith_store_close(store);
    return code;
}

int del_main(int argc, char **argv)
{
    const struct syntax syntax = {
        .verb = "del",
        .operands = "STORE KEY",
        .about = "Deletes a key with its vector and metadata.",
        .examples = "kith del my.kith first",
        .operands_least = 2,
        .operands_most = 2,
    };
    struct arguments arguments;
    kith_store_options shape = {.size = sizeof shape};
    kith_store *store = NULL;
    struct store_key key;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    code = store_open(arguments.operand[0], KITH_OPEN_EXISTING, &store);
    if (code != TOOL_OK)
        return code;
    kith_store_describe(store, &shape);
    if (!store_key_read(shape.keys, arguments.operand[1], &key))
        code = TOOL_USAGE;
    else if (kith_store_del(store, key.bytes, key.length))
        code = store_failed();
    kith_store_close(store);
    return code;
}
