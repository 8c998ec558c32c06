/* chart.h - pictures of a result: SVG that a page holds in itself.
 *
 * Colours come from the page's style sheet by class ("hue0" to "hue6"), so that one drawing serves
 * a light and a dark page. Colour is never the only mark: shapes differ too, and every curve has
 * its name at its end.
 */
#ifndef CHART_H
#define CHART_H

#include <stdio.h>

#include "cli/curves.h"

/* Queries a second over recall, both stretched so that the interesting ends have room: recall by
 * -log10(1 - recall), QPS by its logarithm. Exact searches stand in a column of their own. */
void chart_recall(FILE *out, const struct curves *curves);

/* Latency of each contender at the first of its points with a recall of at least `recall`: from
 * the median to the 99.9th percentile. Draws nothing when no curve has such a point. */
void chart_latency(FILE *out, const struct curves *curves, double recall);

#endif
