/* leaderboard.h - a result as a person reads it in a terminal.
 */
#ifndef LEADERBOARD_H
#define LEADERBOARD_H

#include <jansson.h>
#include <stdio.h>

#include "cli/curves.h"

/* The recalls that contenders are compared at. */
#define GOALS 4
extern const double leaderboard_goals[GOALS];

/* The build, a line for each run, queries a second at each goal, and what the devices agree on. */
void leaderboard_print(FILE *out, const json_t *result);

/* The numbers of the curves, the fastest at the highest goal first; to be freed. */
size_t *leaderboard_order(const struct curves *curves);

/* The headline's recall: 0.99, or the highest goal below it that any curve reaches; 0 for none. */
double leaderboard_headline(const struct curves *curves);

/* One sentence: who answers most queries a second at the headline's recall. Fits 300 bytes. */
void leaderboard_verdict(const json_t *result, char *out, size_t size);

/* How much the passes of one run differ: the slowest over the quickest, the median of all runs of
 * three passes or more; 0 when there is none. A quiet machine stays below 1.2. */
double leaderboard_unrest(const json_t *result);
#define UNREST 1.5 /* beyond this a figure should not be quoted */

/* "exact search gives the true ids on cpu scalar, cpu avx2, ocl0", or what differs first. Returns
 * 1 when every check agrees, 0 when one does not, -1 when nothing was checked. */
int leaderboard_agreement(const json_t *result, char *out, size_t size);

#endif
