/* report_parts.h - what report.c puts together: the style sheet and the tables.
 */
#ifndef REPORT_PARTS_H
#define REPORT_PARTS_H

#include <jansson.h>
#include <stdio.h>

#include "cli/curves.h"

extern const char report_style[];

/* Queries a second at each goal, a line for each contender. */
void table_leaderboard(FILE *out, const struct curves *curves);

/* Every run with its recalls, QPS, percentiles and distances. */
void table_runs(FILE *out, const struct curves *curves);

void table_builds(FILE *out, const json_t *result);
void table_agreement(FILE *out, const json_t *result);
void table_devices(FILE *out, const json_t *result);
void table_hardware(FILE *out, const json_t *result);

#endif
