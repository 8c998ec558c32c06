/* truth.c - exact neighbours, computed once and kept in the user's cache.
 *
 * The name and the header of a cache file carry everything the answer depends on: the data's
 * SHA-256, metric, type, shape and k. The file is trusted only when its header is the very one
 * that would be written now and the checksum of the body holds; otherwise it is computed again.
 * Caching is a courtesy: no failure of it is worth more than silence.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "cli/datasets.h"
#include "cli/heap.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/terminal.h"

/* Bytes as they lie in memory: the word `order` makes a cache that moved to a machine of the
 * other byte order just another cache that does not match. */
struct truth_header {
    char magic[16];
    char sha256[64];
    uint64_t rows, queries;
    uint32_t order, metric, type, dim, k, body_crc32;
};
_Static_assert(sizeof(struct truth_header) == 120, "no padding, whose bytes would be unknown");

struct truth {
    struct truth_header header;
    size_t count; /* row numbers in the body, and as many distances */
    uint32_t *rows;
    float *distances;
};

/* ---- where -------------------------------------------------------------------------------- */

/* The cache folder, to be freed; NULL when there is no home either. */
static char *cache_folder(void)
{
    const char *const own = getenv("KITH_CACHE"), *const xdg = getenv("XDG_CACHE_HOME"),
                      *const home = getenv("HOME");
    if (own && own[0])
        return heap_copy(own);
    if (xdg && xdg[0] == '/') /* the XDG rule: a relative path is to be ignored */
        return heap_format("%s/kith", xdg);
    return home && home[0] ? heap_format("%s/.cache/kith", home) : NULL;
}

/* Every folder of the path; one that exists already is fine, any failure shows at the file. */
static void make_folders(const char *path)
{
    char *const text = heap_copy(path);
    for (char *at = text + 1; *at; at++) {
        if (*at == '/') {
            *at = '\0';
            mkdir(text, 0777);
            *at = '/';
        }
    }
    mkdir(text, 0777);
    free(text);
}

static char *cache_path(const struct truth_header *header)
{
    char *const folder = cache_folder();
    if (!folder)
        return NULL;
    char *const path =
        heap_format("%s/truth-%.16s-%s-%llux%u-%llu-k%u", folder, header->sha256,
                    kith_metric_name((kith_metric)header->metric), (unsigned long long)header->rows,
                    header->dim, (unsigned long long)header->queries, header->k);
    free(folder);
    return path;
}

/* ---- the file ----------------------------------------------------------------------------- */

static uint32_t body_crc32(const struct truth *truth)
{
    uLong crc = crc32_z(0, NULL, 0);
    crc = crc32_z(crc, (const Bytef *)truth->rows, truth->count * sizeof *truth->rows);
    crc = crc32_z(crc, (const Bytef *)truth->distances, truth->count * sizeof *truth->distances);
    return (uint32_t)crc;
}

static bool same_question(const struct truth_header *a, const struct truth_header *b)
{
    struct truth_header x = *a, y = *b;
    x.body_crc32 = y.body_crc32 = 0;
    return memcmp(&x, &y, sizeof x) == 0;
}

static bool load_stream(FILE *file, struct truth *truth)
{
    struct truth_header found;
    if (fread(&found, sizeof found, 1, file) != 1 || !same_question(&found, &truth->header) ||
        fread(truth->rows, sizeof *truth->rows, truth->count, file) != truth->count ||
        fread(truth->distances, sizeof *truth->distances, truth->count, file) != truth->count ||
        fgetc(file) != EOF || body_crc32(truth) != found.body_crc32)
        return false;
    for (size_t i = 0; i < truth->count; i++)
        if (truth->rows[i] >= found.rows)
            return false;
    return true;
}

static bool load(struct truth *truth)
{
    char *const path = cache_path(&truth->header);
    FILE *const file = path ? fopen(path, "rb") : NULL;
    const bool good = file && load_stream(file, truth);
    if (file)
        fclose(file);
    free(path);
    return good;
}

static void save(struct truth *truth)
{
    struct sentence unused;
    struct output output;
    char *const path = cache_path(&truth->header), *const folder = cache_folder();
    if (path && folder) {
        make_folders(folder);
        if (output_open(path, &output, &unused)) {
            truth->header.body_crc32 = body_crc32(truth);
            fwrite(&truth->header, sizeof truth->header, 1, output.file);
            fwrite(truth->rows, sizeof *truth->rows, truth->count, output.file);
            fwrite(truth->distances, sizeof *truth->distances, truth->count, output.file);
            output_commit(&output, &unused);
        }
    }
    free(folder);
    free(path);
}

/* ---- the answer --------------------------------------------------------------------------- */

static struct truth_header question(const struct dataset *set, uint32_t k)
{
    struct truth_header header = {
        .magic = "kith-truth/1",
        .rows = set->base.rows,
        .queries = set->queries.rows,
        .order = 0x01020304,
        .metric = (uint32_t)set->metric,
        .type = (uint32_t)set->type,
        .dim = set->base.dim,
        .k = k,
    };
    memcpy(header.sha256, set->sha256, sizeof header.sha256);
    return header;
}

static int compute(const struct dataset *set, uint32_t k, uint32_t threads, struct truth *truth,
                   struct sentence *why)
{
    struct progress progress;
    progress_begin(&progress, "exact neighbours");
    const kith_status status =
        kith_exact(set->metric, set->type, set->base.dim, set->base.data, (size_t)set->base.rows,
                   set->queries.data, (size_t)set->queries.rows, k, threads, truth->rows,
                   truth->distances, progress_step, &progress);
    progress_end(&progress);
    if (status == KITH_OK)
        return TOOL_OK;
    sentence_fail(why, "%s: %s", set->name,
                  status == KITH_ECANCELLED ? "interrupted while computing exact neighbours"
                                            : kith_last_error());
    return status == KITH_ECANCELLED ? TOOL_INTERRUPTED : TOOL_FAILED;
}

int dataset_truth(const struct dataset *dataset, uint32_t k, uint32_t threads, uint32_t **rows,
                  float **distances, struct sentence *why)
{
    if (k == 0 || k > dataset->base.rows) {
        sentence_fail(why, "%s: k is %u; it must be from 1 to the number of rows, %llu",
                      dataset->name, k, (unsigned long long)dataset->base.rows);
        return TOOL_FAILED;
    }
    struct truth truth = {.header = question(dataset, k)};
    if (!size_times((size_t)dataset->queries.rows, k, &truth.count)) {
        sentence_fail(why, "%s: %llu queries times k = %u is too much", dataset->name,
                      (unsigned long long)dataset->queries.rows, k);
        return TOOL_FAILED;
    }
    truth.rows = heap_alloc(truth.count, sizeof *truth.rows);
    truth.distances = heap_alloc(truth.count, sizeof *truth.distances);
    int code = TOOL_OK;
    if (!load(&truth)) {
        code = compute(dataset, k, threads, &truth, why);
        if (code == TOOL_OK)
            save(&truth);
    }
    if (code == TOOL_OK) {
        *rows = truth.rows;
        if (distances)
            *distances = truth.distances;
    }
    if (code != TOOL_OK)
        free(truth.rows);
    if (code != TOOL_OK || !distances)
        free(truth.distances);
    return code;
}
