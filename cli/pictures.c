/* pictures.c - recall that can be seen.
 *
 * A hit is wrong here when it is not among the k rows that the truth names. Tied distances at the
 * k-th place would make that too harsh, but the pictures are an illustration; recall itself is
 * computed by the judge.
 */
#include "cli/pictures.h"

#include <string.h>

#include "cli/html.h"
#include "cli/png.h"
#include "cli/result.h"
#include "cli/terminal.h"

#define SHOWN 3u
#define NEIGHBOURS 10u /* of each query; more do not fit a page's width */

static bool is_true(const uint32_t *truth, uint32_t k, uint64_t row)
{
    for (uint32_t i = 0; i < k; i++)
        if (truth[i] == row)
            return true;
    return false;
}

static uint32_t misses(const uint32_t *truth, uint32_t k, const kith_hit *hits)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k; i++)
        n += hits[i].row == UINT32_MAX || !is_true(truth, k, hits[i].key);
    return n;
}

static json_t *rows_of_hits(const kith_hit *hits, uint32_t k)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < k && i < NEIGHBOURS; i++)
        if (hits[i].row != UINT32_MAX)
            json_array_append_new(rows, json_integer((json_int_t)hits[i].key));
    return rows;
}

static json_t *rows_of_truth(const uint32_t *truth, uint32_t k)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < k && i < NEIGHBOURS; i++)
        json_array_append_new(rows, json_integer(truth[i]));
    return rows;
}

/* The queries with the most misses, the earlier first among equals; `order` keeps the best. */
static size_t worst_queries(const uint32_t *truth, uint32_t k, size_t n, const kith_hit *hits,
                            size_t order[SHOWN])
{
    uint32_t missed[SHOWN] = {0};
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t m = misses(truth + i * k, k, hits + i * k);
        size_t at = kept;
        while (at > 0 && missed[at - 1] < m)
            at--;
        if (at == SHOWN)
            continue;
        kept += kept < SHOWN;
        for (size_t j = kept - 1; j > at; j--)
            missed[j] = missed[j - 1], order[j] = order[j - 1];
        missed[at] = m;
        order[at] = i;
    }
    return kept;
}

static size_t count_perfect(const uint32_t *truth, uint32_t k, size_t n, const kith_hit *hits)
{
    size_t perfect = 0;
    for (size_t i = 0; i < n; i++)
        perfect += misses(truth + i * k, k, hits + i * k) == 0;
    return perfect;
}

static json_t *found_json(struct picture_hits found, size_t i, uint32_t k)
{
    return json_pack("{s:I, s:o}", "ef", (json_int_t)found.ef, "rows",
                     rows_of_hits(found.hits + i * k, k));
}

bool pictures_wanted(const struct dataset *dataset, uint32_t k)
{
    return dataset->picture_width && dataset->type == KITH_U8 && k <= NEIGHBOURS;
}

void pictures_choose(json_t *result, const struct dataset *dataset, const uint32_t *truth,
                     uint32_t k, size_t n, struct picture_hits low, struct picture_hits high)
{
    size_t order[SHOWN];
    size_t shown = worst_queries(truth, k, n, low.hits, order);
    json_t *rows = json_array();
    for (size_t s = 0; s < shown; s++) {
        size_t i = order[s];
        json_array_append_new(rows, json_pack("{s:I, s:o, s:[o, o]}", "query", (json_int_t)i,
                                              "truth", rows_of_truth(truth + i * k, k), "found",
                                              found_json(low, i, k), found_json(high, i, k)));
    }
    json_object_set_new(
        result, "pictures",
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "width", (json_int_t)dataset->picture_width,
                  "height", (json_int_t)dataset->picture_height, "queries", (json_int_t)n,
                  "perfect_low", (json_int_t)count_perfect(truth, k, n, low.hits), "perfect_high",
                  (json_int_t)count_perfect(truth, k, n, high.hits), "rows", rows));
}

static void write_picture(FILE *out, const struct matrix *m, const struct dataset *dataset,
                          uint64_t row, const char *kind, const char *what)
{
    if (row >= m->rows)
        return;
    fprintf(out,
            "<img class='%s' width='56' height='56' alt='%s row %llu' title='%s row %llu' src='",
            kind, what, (unsigned long long)row, what, (unsigned long long)row);
    png_write_uri(out, (const uint8_t *)m->data + row * m->dim, dataset->picture_width,
                  dataset->picture_height);
    fputs("'>", out);
}

static bool contains(const json_t *rows, json_int_t row)
{
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (json_integer_value(json_array_get(rows, i)) == row)
            return true;
    return false;
}

static void write_line(FILE *out, const struct dataset *dataset, const json_t *rows,
                       const json_t *truth, const char *name)
{
    size_t wrong = 0;
    fprintf(out, "<div class='strip'><span>%s</span>", name);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_int_t row = json_integer_value(json_array_get(rows, i));
        bool right = contains(truth, row);
        wrong += !right;
        write_picture(out, &dataset->base, dataset, (uint64_t)row, right ? "right" : "wrong",
                      right ? "neighbour" : "not a true neighbour:");
    }
    fputs("<span class='score'>", out);
    if (rows != truth)
        fprintf(out, "%zu of %zu", json_array_size(rows) - wrong, json_array_size(truth));
    fputs("</span></div>\n", out);
}

static void write_query(FILE *out, const struct dataset *dataset, const json_t *entry)
{
    const json_t *truth = json_object_get(entry, "truth");
    const json_t *found = json_object_get(entry, "found");
    json_int_t query = json_integer_value(json_object_get(entry, "query"));
    fputs("<div class='query'><figure>", out);
    write_picture(out, &dataset->queries, dataset, (uint64_t)query, "asked", "query");
    fprintf(out, "<figcaption>query %lld</figcaption></figure><div>\n", (long long)query);
    write_line(out, dataset, truth, truth, "true");
    for (size_t i = 0; i < json_array_size(found); i++) {
        char name[32];
        const json_t *setting = json_array_get(found, i);
        snprintf(name, sizeof name, "ef %.0f", result_number(setting, "ef"));
        write_line(out, dataset, json_object_get(setting, "rows"), truth, name);
    }
    fputs("</div></div>\n", out);
}

void pictures_write(FILE *out, const json_t *result, const struct dataset *dataset)
{
    const json_t *pictures = json_object_get(result, "pictures");
    const json_t *rows = json_object_get(pictures, "rows");
    if (!dataset || !dataset->picture_width || dataset->type != KITH_U8 || !json_array_size(rows))
        return;
    const json_t *found = json_object_get(json_array_get(rows, 0), "found");
    char queries[HUMAN_SIZE], low[HUMAN_SIZE], high[HUMAN_SIZE];
    fprintf(out,
            "<p class='note'>Of %s queries, %s have every neighbour right at ef %.0f and %s at ef "
            "%.0f. These are the %zu that the narrow walk answers worst; framed are rows that do "
            "not belong there.</p>\n",
            human_count(queries, result_count(pictures, "queries")),
            human_count(low, result_count(pictures, "perfect_low")),
            result_number(json_array_get(found, 0), "ef"),
            human_count(high, result_count(pictures, "perfect_high")),
            result_number(json_array_get(found, 1), "ef"), json_array_size(rows));
    for (size_t i = 0; i < json_array_size(rows); i++)
        write_query(out, dataset, json_array_get(rows, i));
}
