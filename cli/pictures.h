/* pictures.h - a few queries with their true and their found neighbours, as pictures.
 *
 * Only data sets whose rows are pictures have this. The result file keeps row numbers; the
 * pictures themselves are drawn from the data set when the report is made.
 */
#ifndef PICTURES_H
#define PICTURES_H

#include <jansson.h>
#include <stdio.h>

#include "cli/datasets.h"

/* What one setting found for queries 0..n-1: k hits each. */
struct picture_hits {
    uint32_t ef;
    const kith_hit *hits;
};

/* True when rows are pictures and k of them fit a line. */
bool pictures_wanted(const struct dataset *dataset, uint32_t k);

/* Picks queries that `low` answered worst and writes their row numbers under "pictures". */
void pictures_choose(json_t *result, const struct dataset *dataset, const uint32_t *truth,
                     uint32_t k, size_t n, struct picture_hits low, struct picture_hits high);

/* The section's content. Writes nothing without "pictures" or without the data. */
void pictures_write(FILE *out, const json_t *result, const struct dataset *dataset);

#endif
