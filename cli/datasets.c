/* datasets.c - opening data by name or by file.
 *
 * Both ways end in finish(): base and queries of one element type the library searches, of one
 * dimension, cut to the wished rows, with a SHA-256 over exactly the bytes that will be used. A
 * named set is read whole even when few rows are wanted, because the pinned sum is over the whole.
 */
#include "cli/datasets.h"

#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/heap.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/wordnet.h"

#define PACKAGES_FOLDER "/usr/share/datasets"
#define HELD_OUT_MOST 1000u

/* One file of a named set: where it lies below the data folder, and what must be in it once it is
 * uncompressed. Debian packs the files again, so sums over the .gz would tell nothing. */
struct pinned_file {
    const char *name;
    const char *sha256; /* of the idx header and the rows */
};

static const struct pinned_file fashion_base = {
    "train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"};
static const struct pinned_file fashion_queries = {
    "t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"};

#define FASHION_FOLDER "fashion-mnist"
#define FASHION_PACKAGE "dataset-fashion-mnist"
#define WORDNET_PACKAGE "wordnet-base"

/* Of the rows that wordnet.c makes, and then of the queries. */
static const char wordnet_sha256[] =
    "668ca605bc364396a541bb004e1c242f4ff5b980afa5b5a64ede3a7dc999461c";

static const struct dataset_name named[] = {
    {"fashion-mnist-784-euclidean", FASHION_PACKAGE, "28x28 pictures of garments, squared L2", 784,
     60000, 10000, KITH_L2SQ},
    {"fashion-mnist-784-angular", FASHION_PACKAGE, "the same pictures, cosine", 784, 60000, 10000,
     KITH_COSINE},
    {"wordnet-256-angular", WORDNET_PACKAGE, "words and definitions, TF-IDF projected, cosine", 256,
     116483, 1176, KITH_COSINE},
};

static bool is_wordnet(const struct dataset_name *set)
{
    return strcmp(set->package, WORDNET_PACKAGE) == 0;
}

const struct dataset_name *dataset_named(size_t i)
{
    return i < COUNT_OF(named) ? &named[i] : NULL;
}

/* ---- named sets --------------------------------------------------------------------------- */

/* The path of a pinned file, compressed or not, to be freed; NULL when it is in neither place:
 * $KITH_DATA/fashion-mnist or $KITH_DATA, /usr/share/datasets where KITH_DATA is not set. */
static char *find_file(const struct pinned_file *file)
{
    const char *const set = getenv("KITH_DATA");
    const char *const root = set && set[0] ? set : PACKAGES_FOLDER;
    for (int i = 0; i < 4; i++) {
        char *const path = heap_format("%s/%s%s%s", root, i < 2 ? FASHION_FOLDER "/" : "",
                                       file->name, i % 2 ? "" : ".gz");
        if (access(path, F_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

static bool wordnet_present(char *folder, size_t size)
{
    char *found;
    const bool present = wordnet_find(&found);
    if (folder)
        snprintf(folder, size, "%s", found);
    free(found);
    return present;
}

bool dataset_present(const struct dataset_name *set, char *folder, size_t size)
{
    if (is_wordnet(set))
        return wordnet_present(folder, size);
    const char *const root = getenv("KITH_DATA");
    char *const base = find_file(&fashion_base);
    char *const queries = find_file(&fashion_queries);
    const bool present = base && queries;
    if (folder && base)
        snprintf(folder, size, "%.*s", (int)(strrchr(base, '/') - base), base);
    else if (folder)
        snprintf(folder, size, "%s", root && root[0] ? root : PACKAGES_FOLDER);
    free(base);
    free(queries);
    return present;
}

/* The sum of the file as it would be uncompressed: the idx header is made again from the shape,
 * which the reader took from it. */
static void idx_sha256(const struct matrix *matrix, char out[SHA256_DIGEST_STRING_LENGTH])
{
    const uint32_t size[3] = {(uint32_t)matrix->rows, matrix->picture_height,
                              matrix->picture_width};
    unsigned char header[16] = {0, 0, 8, 3};
    for (int i = 0; i < 12; i++)
        header[4 + i] = (unsigned char)(size[i / 4] >> (24 - 8 * (i % 4)));
    SHA2_CTX context;
    SHA256Init(&context);
    SHA256Update(&context, header, sizeof header);
    SHA256Update(&context, matrix->data, matrix_bytes(matrix));
    SHA256End(&context, out);
}

static bool read_pinned(const struct dataset_name *set, const struct pinned_file *file,
                        struct matrix *out, struct sentence *why)
{
    char sum[SHA256_DIGEST_STRING_LENGTH], folder[300];
    char *const path = find_file(file);
    if (!path) {
        dataset_present(set, folder, sizeof folder);
        return sentence_fail(why,
                             "%s is not on this machine: no %s.gz in %s; `apt-get install %s` "
                             "brings it, or KITH_DATA names its folder",
                             set->name, file->name, folder, set->package);
    }
    bool good = matrix_read(path, NULL, 0, out, why);
    if (good) {
        idx_sha256(out, sum);
        good =
            strcmp(sum, file->sha256) == 0 ||
            sentence_fail(why, "%s is not the data of %s: its SHA-256 uncompressed is %s, not %s",
                          path, set->name, sum, file->sha256);
    }
    free(path);
    return good;
}

static void sum_rows(const struct dataset *set, char out[SHA256_DIGEST_STRING_LENGTH])
{
    SHA2_CTX context;
    SHA256Init(&context);
    SHA256Update(&context, set->base.data, matrix_bytes(&set->base));
    SHA256Update(&context, set->queries.data, matrix_bytes(&set->queries));
    SHA256End(&context, out);
}

static bool make_wordnet(const struct dataset_name *set, struct dataset *out, struct sentence *why)
{
    char sum[SHA256_DIGEST_STRING_LENGTH];
    char *folder;
    bool good = wordnet_find(&folder) ||
                sentence_fail(why,
                              "%s is not on this machine: no data.noun and its like in %s; "
                              "`apt-get install %s` brings them, or KITH_DATA names their folder",
                              set->name, folder, set->package);
    good = good && wordnet_read(folder, &out->base, &out->queries, why);
    if (good) {
        sum_rows(out, sum);
        good = strcmp(sum, wordnet_sha256) == 0 ||
               sentence_fail(
                   why, "%s does not give the data of %s: the SHA-256 of its rows is %s, not %s",
                   folder, set->name, sum, wordnet_sha256);
    }
    free(folder);
    return good;
}

static bool open_named(const struct dataset_name *set, const struct dataset_wish *wish,
                       struct dataset *out, struct sentence *why)
{
    if (wish->metric && strcmp(wish->metric, kith_metric_name(set->metric)) != 0)
        return sentence_fail(why, "the metric of %s is %s, not %s", set->name,
                             kith_metric_name(set->metric), wish->metric);
    if (wish->queries)
        return sentence_fail(why, "%s has queries of its own; leave out %s", set->name,
                             wish->queries);
    snprintf(out->name, sizeof out->name, "%s", set->name);
    out->metric = set->metric;
    if (is_wordnet(set))
        return make_wordnet(set, out, why);
    return read_pinned(set, &fashion_base, &out->base, why) &&
           read_pinned(set, &fashion_queries, &out->queries, why);
}

/* ---- files -------------------------------------------------------------------------------- */

static bool file_metric(const struct dataset_wish *wish, const char *distance, kith_metric *out,
                        struct sentence *why)
{
    *out = KITH_L2SQ;
    if (wish->metric) {
        return kith_metric_parse(wish->metric, out) == KITH_OK ||
               sentence_fail(why, "there is no metric \"%s\"; there are l2sq, ip and cosine",
                             wish->metric);
    }
    if (strcmp(distance, "angular") == 0)
        *out = KITH_COSINE;
    else if (distance[0] && strcmp(distance, "euclidean") != 0)
        return sentence_fail(why,
                             "%s: distance \"%s\" is not searched; set --metric to use its "
                             "rows all the same",
                             wish->data, distance);
    return true;
}

/* Moves the last rows of the base to the queries. */
static bool hold_out(struct dataset *set, const char *path, struct sentence *why)
{
    const uint64_t tenth = set->base.rows / 10;
    uint64_t held = tenth < HELD_OUT_MOST ? tenth : HELD_OUT_MOST;
    held = held ? held : 1;
    if (set->base.rows < 2)
        return sentence_fail(why, "%s has 1 row, which cannot be both data and query", path);
    set->queries = set->base;
    set->queries.rows = held;
    set->base.rows -= held;
    set->queries.data = heap_alloc(matrix_bytes(&set->queries), 1);
    memcpy(set->queries.data, (char *)set->base.data + matrix_bytes(&set->base),
           matrix_bytes(&set->queries));
    snprintf(set->note, sizeof set->note,
             "the last %llu rows of the file are the queries and not in the base",
             (unsigned long long)held);
    return true;
}

static bool open_file(const struct dataset_wish *wish, struct dataset *out, struct sentence *why)
{
    char distance[32];
    const bool hdf5 = matrix_is_hdf5(wish->data, distance);
    const char *const slash = strrchr(wish->data, '/');
    snprintf(out->name, sizeof out->name, "%s", slash ? slash + 1 : wish->data);
    if (!file_metric(wish, distance, &out->metric, why))
        return false;
    /* Held-out rows lie at the end, so then all rows are needed. */
    const bool split = !hdf5 && !wish->queries;
    if (!matrix_read(wish->data, NULL, split ? 0 : wish->rows, &out->base, why))
        return false;
    if (wish->queries) {
        char unused[32];
        const char *const part = matrix_is_hdf5(wish->queries, unused) ? "test" : NULL;
        return matrix_read(wish->queries, part, wish->query_rows, &out->queries, why);
    }
    if (hdf5)
        return matrix_read(wish->data, "test", wish->query_rows, &out->queries, why);
    return hold_out(out, wish->data, why);
}

/* ---- both --------------------------------------------------------------------------------- */

/* Rows and queries of one element stay what they are; all else is searched as f32. */
static bool agree_on_type(struct dataset *set, struct sentence *why)
{
    if (set->base.element == ELEMENT_I32 || set->queries.element == ELEMENT_I32)
        return sentence_fail(why, "%s: rows of i32 are ids, not vectors", set->name);
    if (set->base.element != set->queries.element) {
        if (!matrix_convert(&set->base, ELEMENT_F32, set->name, why) ||
            !matrix_convert(&set->queries, ELEMENT_F32, set->name, why))
            return false;
    }
    return element_type(set->base.element, &set->type);
}

static void cut(struct matrix *matrix, uint64_t rows)
{
    if (rows && rows < matrix->rows)
        matrix->rows = rows;
}

static bool finish(const struct dataset_wish *wish, struct dataset *set, struct sentence *why)
{
    if (set->base.dim != set->queries.dim)
        return sentence_fail(why, "%s: rows have dimension %u, queries have dimension %u",
                             set->name, set->base.dim, set->queries.dim);
    if (!agree_on_type(set, why))
        return false;
    cut(&set->base, wish->rows);
    cut(&set->queries, wish->query_rows);
    if (set->base.rows >= UINT32_MAX)
        return sentence_fail(why, "%s: %llu rows; at most 4294967294 can be searched", set->name,
                             (unsigned long long)set->base.rows);
    set->picture_width = set->base.picture_width;
    set->picture_height = set->base.picture_height;
    sum_rows(set, set->sha256);
    return true;
}

static bool refuse_name(const char *name, struct sentence *why)
{
    const char *const meant = did_you_mean(name, named, COUNT_OF(named), sizeof named[0]);
    return sentence_fail(why, "%s is neither a file nor the name of a data set; %s%s", name,
                         meant ? "did you mean " : "see kith data ls", meant ? meant : "");
}

bool dataset_open(const struct dataset_wish *wish, struct dataset *out, struct sentence *why)
{
    struct dataset set = {0};
    struct dataset_wish asked = *wish;
    const struct dataset_name *known = NULL;
    if (!asked.data)
        asked.data = DATASET_DEFAULT;
    for (size_t i = 0; i < COUNT_OF(named); i++)
        if (strcmp(asked.data, named[i].name) == 0)
            known = &named[i];
    bool good;
    if (known)
        good = open_named(known, &asked, &set, why);
    else if (access(asked.data, F_OK) != 0)
        good = refuse_name(asked.data, why);
    else
        good = open_file(&asked, &set, why);
    good = good && finish(&asked, &set, why);
    if (good)
        *out = set;
    else
        dataset_close(&set);
    return good;
}

void dataset_close(struct dataset *dataset)
{
    matrix_free(&dataset->base);
    matrix_free(&dataset->queries);
    *dataset = (struct dataset){0};
}
