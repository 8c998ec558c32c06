/* store_items.c - `kith put`, `kith get`, `kith del`: items of a store, by key.
 *
 * What put acknowledges is on disk when it returns. A store is made by `kith import`, or by put
 * with --create for a first one by hand; its dimension is then the vector's, and nothing is left
 * of it when the put is refused. Many items come as lines, which are one commit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/heap.h"
#include "cli/options.h"
#include "cli/store_lines.h"
#include "cli/store_part.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

struct put {
    const char *meta, *meta_file, *lines, *metric, *type, *keys;
    bool create, only_new, replace;
    const char *const *operand; /* store, key, vector */
    char *meta_bytes;
    size_t meta_length;
    char *text; /* of --lines */
    kith_op_kind kind;
    kith_store *store;
    kith_store_options shape;
};

/* What a store that is yet to be made will look like. */
static int shape_of(struct put *put)
{
    struct sentence why = {""};
    const uint32_t dim = put->lines ? store_lines_dim(put->text, put->lines)
                                    : store_vector_count(put->operand[2], &why);
    if (!dim)
        return put->lines ? TOOL_FAILED : terminal_fail(TOOL_USAGE, "%s", why.text);
    put->shape = kith_store_defaults(dim, KITH_F32, KITH_L2SQ);
    put->shape.open = KITH_OPEN_NEW;
    if ((put->metric && kith_metric_parse(put->metric, &put->shape.metric)) ||
        (put->type && kith_type_parse(put->type, &put->shape.type)))
        return terminal_fail(TOOL_USAGE, "%s", kith_last_error());
    if (!put->metric && put->shape.type == KITH_B1)
        put->shape.metric = KITH_HAMMING;
    put->shape.keys = put->keys && !strcmp(put->keys, "u64") ? KITH_KEYS_U64 : KITH_KEYS_BYTES;
    return TOOL_OK;
}

/* Opens the store that is there; one that is not is made by open_new, once its first items were
 * understood. */
static int open_for_put(struct put *put)
{
    if (put->create)
        return shape_of(put);
    const int code = store_open(put->operand[0], KITH_OPEN_EXISTING, &put->store);
    put->shape.size = sizeof put->shape;
    if (code == TOOL_OK)
        kith_store_describe(put->store, &put->shape);
    return code;
}

static int open_new(struct put *put)
{
    if (put->store || !kith_store_open(put->operand[0], &put->shape, &put->store))
        return TOOL_OK;
    put->create = false; /* what is there is not ours to take away */
    return store_failed_at(put->operand[0]);
}

static int put_one(struct put *put)
{
    struct store_key key;
    struct sentence why;
    if (!store_key_read(put->shape.keys, put->operand[1], &key, &why))
        return terminal_fail(TOOL_USAGE, "%s", why.text);
    void *const vector = store_vector_read(&put->shape, put->operand[2], &why);
    if (!vector)
        return terminal_fail(TOOL_USAGE, "%s", why.text);
    const kith_op op = {.kind = put->kind,
                        .key = key.bytes,
                        .key_len = key.length,
                        .vector = vector,
                        .meta = put->meta_file ? put->meta_bytes : put->meta,
                        .meta_len = put->meta_length};
    int code = open_new(put);
    if (code == TOOL_OK) {
        const kith_status status = kith_store_commit(put->store, &op, 1, NULL);
        code = status ? store_key_failed(put->operand[0], status, put->operand[1]) : TOOL_OK;
    }
    free(vector);
    return code;
}

static int put_lines(struct put *put, size_t *count)
{
    struct store_lines lines = {0};
    if (!store_lines_read(put->text, put->lines, &put->shape, put->kind, &lines))
        return TOOL_FAILED;
    int code = open_new(put);
    if (code == TOOL_OK)
        code = store_lines_commit(&lines, put->kind, put->store, put->operand[0], put->lines);
    *count = lines.count;
    store_lines_free(&lines);
    return code;
}

/* Reads what comes from files, before the store is opened. */
static int take_files(struct put *put)
{
    int code = TOOL_OK;
    put->meta_length = put->meta ? strlen(put->meta) : 0;
    if (put->lines)
        code = store_text_take(put->lines, &put->text);
    else if (put->meta_file)
        code =
            store_file_take(put->meta_file, STORE_META_MOST, &put->meta_bytes, &put->meta_length);
    return code == TOOL_INTERRUPTED ? store_lines_stopped(put->operand[0], put->kind) : code;
}

/* How many keys were put or deleted, and how many there are. */
static void show_count(kith_store *store, const char *what, size_t count, bool json)
{
    kith_store_stats stats = {.size = sizeof stats};
    kith_store_stat(store, &stats);
    if (json)
        terminal_json(
            json_pack("{s:I, s:I}", what, (json_int_t)count, "live", (json_int_t)stats.live));
}

static int put_items(struct put *put, bool json)
{
    size_t count = 1;
    int code = take_files(put);
    if (code == TOOL_OK)
        code = open_for_put(put);
    if (code == TOOL_OK)
        code = put->lines ? put_lines(put, &count) : put_one(put);
    if (code == TOOL_OK)
        show_count(put->store, "put", count, json);
    if (code != TOOL_OK && put->create && put->store)
        unlink(put->operand[0]); /* while it is locked: nobody else can have put into it */
    kith_store_close(put->store);
    free(put->meta_bytes);
    free(put->text);
    return code;
}

static int check_put(const struct put *put, size_t operands)
{
    if (put->only_new && put->replace)
        return terminal_fail(TOOL_USAGE, "--new and --replace exclude each other");
    if (put->meta && put->meta_file)
        return terminal_fail(TOOL_USAGE, "--meta and --meta-file exclude each other");
    if (put->lines && (put->meta || put->meta_file))
        return terminal_fail(TOOL_USAGE, "with --lines, metadata are in the lines");
    if (!put->create && (put->metric || put->type || put->keys))
        return terminal_fail(TOOL_USAGE, "--metric, --type and --keys are for --create: a store "
                                         "that is there keeps its own");
    if (operands == (put->lines ? 1u : 3u))
        return TOOL_OK;
    return terminal_fail(TOOL_USAGE, "put takes STORE KEY VECTOR, or STORE with --lines; see kith "
                                     "put --help");
}

int put_main(int argc, char **argv)
{
    struct put put = {.meta = NULL};
    const struct option_spec options[] = {
        {"meta", 0, OPTION_TEXT, &put.meta, "TEXT", "metadata to keep with the vector", 0, 0, NULL},
        {"meta-file", 0, OPTION_TEXT, &put.meta_file, "FILE", "the same, any bytes; - is stdin", 0,
         0, NULL},
        {"lines", 0, OPTION_TEXT, &put.lines, "FILE", "many: key, metadata, vector, with tabs; -",
         0, 0, NULL},
        {"new", 0, OPTION_FLAG, &put.only_new, NULL, "fail when the key is there", 0, 0, NULL},
        {"replace", 0, OPTION_FLAG, &put.replace, NULL, "fail when it is not", 0, 0, NULL},
        {"create", 0, OPTION_FLAG, &put.create, NULL, "make the store; the three below say how", 0,
         0, NULL},
        {"metric", 'm', OPTION_CHOICE, &put.metric, "M",
         "l2sq (default), ip, cosine; of b1 hamming (default), jaccard", 0, 0,
         "l2sq|ip|cosine|hamming|jaccard"},
        {"type", 't', OPTION_CHOICE, &put.type, "T", "f32 (default), f16, bf16, i8, u8, b1", 0, 0,
         "f32|f16|bf16|i8|u8|b1"},
        {"keys", 0, OPTION_CHOICE, &put.keys, "KIND", "bytes (default) or u64", 0, 0, "bytes|u64"},
    };
    const struct syntax syntax = {
        .verb = "put",
        .operands = "STORE [KEY VECTOR]",
        .about =
            "Puts one vector, and metadata if there are any, under a key, in place of what was\n"
            "there. VECTOR is numbers separated by commas or blanks. In a key of bytes, \\xNN\n"
            "stands for a byte and \\\\ for a backslash. --lines takes what `kith scan --vectors`\n"
            "prints, all or nothing.",
        .examples = "kith put my.kith first 0.1,0.2,0.9 --create --metric cosine\n"
                    "kith put my.kith second '0.3 0.3 0.1' --meta '{\"lang\": \"en\"}'\n"
                    "kith put numbers.kith 17 1,2,3 --replace\n"
                    "kith scan a.kith --vectors | kith put b.kith --lines -",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 1,
        .operands_most = 3,
    };
    struct arguments arguments;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    code = check_put(&put, arguments.operand_count);
    if (code != TOOL_OK)
        return code;
    put.operand = arguments.operand;
    put.kind = put.only_new ? KITH_PUT_NEW : put.replace ? KITH_REPLACE : KITH_PUT;
    return put_items(&put, arguments.json);
}

static void print_item(const kith_store_options *shape, const kith_item *item, bool json)
{
    char *const key = store_key_text(shape->keys, item->key, item->key_len);
    char *const meta = store_bytes_text(item->meta ? item->meta : "", item->meta_len);
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

static int get_item(kith_store *store, const char *const *operand, bool meta, bool json)
{
    kith_store_options shape = {.size = sizeof shape};
    kith_item item = {.size = sizeof item};
    kith_snapshot *snapshot = NULL;
    struct store_key key;
    struct sentence why;
    kith_store_describe(store, &shape);
    if (!store_key_read(shape.keys, operand[1], &key, &why))
        return terminal_fail(TOOL_USAGE, "%s", why.text);
    int code = TOOL_OK;
    kith_status status = kith_snapshot_open(store, &snapshot);
    status = status ? status : kith_snapshot_get(snapshot, key.bytes, key.length, &item);
    if (status)
        code = store_key_failed(operand[0], status, operand[1]);
    else if (meta)
        fwrite(item.meta, 1, item.meta_len, stdout);
    else
        print_item(&shape, &item, json);
    kith_snapshot_close(snapshot);
    return code;
}

int get_main(int argc, char **argv)
{
    bool meta = false;
    const struct option_spec options[] = {
        {"meta", 0, OPTION_FLAG, &meta, NULL, "the metadata alone, as the bytes they are", 0, 0,
         NULL},
    };
    const struct syntax syntax = {
        .verb = "get",
        .operands = "STORE KEY",
        .about = "Prints the vector of a key, and on a second line its metadata, where bytes that\n"
                 "are no text are shown as \\xNN.",
        .examples = "kith get my.kith first\nkith get my.kith first --json\n"
                    "kith get my.kith picture --meta > picture.png",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 2,
        .operands_most = 2,
    };
    struct arguments arguments;
    kith_store *store = NULL;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    if (meta && arguments.json)
        return terminal_fail(TOOL_USAGE, "--meta and --json exclude each other");
    code = store_open(arguments.operand[0], KITH_OPEN_READ_ONLY, &store);
    if (code == TOOL_OK)
        code = get_item(store, arguments.operand, meta, arguments.json);
    kith_store_close(store);
    return code;
}

static int del_one(kith_store *store, const kith_store_options *shape, const char *const *operand)
{
    struct store_key key;
    struct sentence why;
    if (!store_key_read(shape->keys, operand[1], &key, &why))
        return terminal_fail(TOOL_USAGE, "%s", why.text);
    const kith_status status = kith_store_del(store, key.bytes, key.length);
    return status ? store_key_failed(operand[0], status, operand[1]) : TOOL_OK;
}

static int del_lines(kith_store *store, const kith_store_options *shape, const char *path,
                     const char *name, char *text, size_t *count)
{
    struct store_lines lines = {0};
    if (!store_lines_read(text, name, shape, KITH_DELETE, &lines))
        return TOOL_FAILED;
    const int code = store_lines_commit(&lines, KITH_DELETE, store, path, name);
    *count = lines.count;
    store_lines_free(&lines);
    return code;
}

static int del(const char *const *operand, const char *lines, bool json)
{
    kith_store_options shape = {.size = sizeof shape};
    kith_store *store = NULL;
    size_t count = 1;
    char *text = NULL;
    int code = lines ? store_text_take(lines, &text) : TOOL_OK;
    if (code == TOOL_INTERRUPTED)
        return store_lines_stopped(operand[0], KITH_DELETE);
    if (code == TOOL_OK)
        code = store_open(operand[0], KITH_OPEN_EXISTING, &store);
    if (code == TOOL_OK) {
        kith_store_describe(store, &shape);
        code = lines ? del_lines(store, &shape, operand[0], lines, text, &count)
                     : del_one(store, &shape, operand);
    }
    if (code == TOOL_OK)
        show_count(store, "deleted", count, json);
    kith_store_close(store);
    free(text);
    return code;
}

int del_main(int argc, char **argv)
{
    const char *lines = NULL;
    const struct option_spec options[] = {
        {"lines", 0, OPTION_TEXT, &lines, "FILE", "many: a key a line, up to a tab; - is stdin", 0,
         0, NULL},
    };
    const struct syntax syntax = {
        .verb = "del",
        .operands = "STORE [KEY]",
        .about = "Deletes a key with its vector and metadata, or all the keys of --lines, or none\n"
                 "of them when one is not there.",
        .examples = "kith del my.kith first\n"
                    "kith scan my.kith --prefix old/ | kith del my.kith --lines -",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 1,
        .operands_most = 2,
    };
    struct arguments arguments;
    const int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    if (arguments.operand_count != (lines ? 1u : 2u))
        return terminal_fail(TOOL_USAGE, "del takes STORE KEY, or STORE with --lines; see kith del "
                                         "--help");
    return del(arguments.operand, lines, arguments.json);
}
