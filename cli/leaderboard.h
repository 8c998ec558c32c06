/* leaderboard.h - a result as a person reads it in a terminal.
 */
#ifndef LEADERBOARD_H
#define LEADERBOARD_H

#include <jansson.h>
#include <stdio.h>

#include "cli/curves.h"

/* The recalls that contenders are compared at. */
#define GOALS 3
extern const double leaderboard_goals[GOALS];

/* The build, a line for each run, queries a second at each goal, and what the devices agree on. */
void leaderboard_print(FILE *out, const json_t *result);

/* The numbers of the curves, the fastest at the highest goal first; to be freed. */
size_t *leaderboard_order(const struct curves *curves);

/* One sentence: who answers most queries a second at which recall. Fits 300 bytes. */
void leaderboard_verdict(const json_t *result, char *out, size_t size);

/* "ids equal on cpu scalar, cpu avx2, ocl0", or what differs first. Returns 1 when every check
 * agrees, 0 when one does not, -1 when nothing was checked. */
int leaderboard_agreement(const json_t *result, char *out, size_t size);

#endif
