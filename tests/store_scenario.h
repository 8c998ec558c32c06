/* store_scenario.h - what a store goes through while its calls, or its allocations, fail in turn.
 *
 * A scenario is a number. It chooses length of rows, kind of keys and durability, one deed between
 * random steps, and what those steps are: the first 40 numbers are each choice with each deed, half
 * of them are each choice and each deed, and further ones are the same with other steps.
 */
#ifndef STORE_SCENARIO_H
#define STORE_SCENARIO_H

#include "tests/store_oracle.h"

enum { SCENARIO_SHAPES = 8, SCENARIO_DEEDS = 5, SCENARIOS = SCENARIO_SHAPES * SCENARIO_DEEDS };

/* How many to run: KITH_SCENARIOS, or SCENARIOS. */
uint32_t scenario_count(void);

/* A fresh disk and oracle. */
void scenario_begin(oracle *o, sim *disk, uint32_t scenario);

/* Opens the store and lives. What is refused must change nothing that readers see, or the oracle
 * has a fault. True when nothing was refused. */
bool scenario_live(oracle *o, uint32_t scenario);

/* All is well again: opens the store and judges what it holds, and the backup if there is one. */
void scenario_judge(oracle *o);

#endif
