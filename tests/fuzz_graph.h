/* fuzz_graph.h - the stores that a fuzzed graph file is laid beside, and the choices of an input.
 *
 * A *world* is a small store and what became of it: some rows were put, and at that moment a graph
 * would have been saved; then some were deleted, their numbers given to others, rows replaced, and
 * more put. The file of a world is the same in every process but for its uuid and salt.
 */
#ifndef FUZZ_GRAPH_H
#define FUZZ_GRAPH_H

#include "index/objects.h"
#include "tests/fuzz_input.h"
#include "tests/sim_vfs.h"

enum { FUZZ_GRAPH_MOST = 1 << 18, WORLDS = 4, WORLD_DIM = 16, WORLD_ROWS = 40, WORLD_KEYS = 64 };

/* The bits of an input's first byte; the lowest two name the world. The repairs make sums right
 * again: of the sections, with those inside them; of the head, which then names this store. */
enum {
    FUZZ_WORLD = 3,
    FUZZ_REPAIR_PARTS = 4,
    FUZZ_REPAIR_HEAD = 8,
    FUZZ_WALK = 16,   /* the index was asked for codes of 4 bits, and not left to choose */
    FUZZ_CHANGE = 32, /* rows change after the load */
    FUZZ_BUILD = 64,  /* the graph is built on, saved and loaded again */
    FUZZ_NARROW = 128 /* searches keep few candidates, and not all that there are */
};

/* The world's store on the disk `to`, which is closed or was never open, under world_path. */
extern const char world_path[], world_graph_path[];
void world_plant(unsigned world, sim *to);

/* A handle on the store of that disk, as kith_store_open would make it. */
kith_store *world_open(unsigned world, sim *disk);

/* Puts a row made of `stamp` under key number `key`; or deletes the key, if it is there. */
void world_put(kith_store *store, uint32_t key, uint32_t stamp);
void world_del(kith_store *store, uint32_t key);

/* An index on it, not yet built or loaded. */
kith_index *world_index(kith_store *store, bool walk);

#endif
