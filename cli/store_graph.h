/* store_graph.h - the graph beside a store, for the verbs that need one.
 *
 * May include kith.h and cli/ headers.
 */
#ifndef STORE_GRAPH_H
#define STORE_GRAPH_H

#include <stdbool.h>

#include "kith.h"

/* Loads the graph file into an index that is empty. True when there is a graph now. A file that is
 * not there is no failure; one that is refused is none either, but a note says why. */
bool store_graph_load(kith_index *index);

/* Compares the graph file beside the store at `path`, if there is one, with its checksums, and
 * loads it when `full`; the store's own bytes were compared before. Returns a
 * tool_exit after a sentence; *found says whether there is a graph of this store. One of another
 * store, or of this one before it was compacted, is no damage: a note says so. */
int store_graph_check(kith_store *store, const char *path, bool full, bool *found);

#endif
