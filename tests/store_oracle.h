/* store_oracle.h - a store on a simulated disk, and what it must hold after any power cut.
 *
 * A small set of keys, short and long; every row and every piece of metadata is made from a stamp
 * and its key, so that what a get returns tells which commit wrote it, and bytes of another key
 * are seen at once. The oracle keeps the state after each commit since the last recovery, and
 * which of them was promised to be on disk: what is found after a cut must be one of the states
 * from there on.
 */
#ifndef STORE_ORACLE_H
#define STORE_ORACLE_H

#include "kv/store.h"
#include "tests/sim_vfs.h"

enum { ORACLE_KEYS = 12, ORACLE_STATES = 400, ORACLE_ROW_MOST = 128, ORACLE_META_MOST = 300 };

/* What live keys and metadata need in the heap, and dead ones before a checkpoint, and gaps. An
 * oracle's life writes several times as much. */
enum { ORACLE_HEAP_MOST = 48 << 10 };

typedef struct oracle_state {
    uint32_t row[ORACLE_KEYS]; /* stamps; 0: absent */
    uint32_t meta[ORACLE_KEYS];
} oracle_state;

typedef struct oracle {
    sim *disk;
    ki_store *store; /* NULL while closed */
    ki_store_config config;
    const char *path;
    oracle_state state[ORACLE_STATES]; /* [count-1] is the newest */
    size_t count;
    size_t current; /* what readers see; later ones were refused and may be found all the same */
    size_t floor;   /* the oldest state that may be found */
    uint32_t stamp;
    uint32_t keys;     /* of ORACLE_KEYS in use */
    uint32_t batch;    /* puts in most commits; 0: as it comes */
    ki_store *reader;  /* of another process; NULL when there is none */
    oracle_state seen; /* by it */
    bool killed;       /* the process before this one, and nothing was firm that it left */
    uint64_t random;
    char fault[200]; /* what was found wrong; "" while nothing was */
} oracle;

void oracle_begin(oracle *o, sim *disk, const ki_store_config *config, uint64_t seed);

/* The first fault that is found is the one that is told. */
void oracle_accuse(oracle *o, const char *what);

/* Opens. False when the store would not open, which is a fault unless the disk was made to fail. */
bool oracle_open(oracle *o);
void oracle_close(oracle *o);

/* One commit of `n` random operations on present and absent keys; one random commit, sync,
 * checkpoint or close and open. False when the store refuses: the disk is dead or it is read-only.
 */
bool oracle_commit(oracle *o, uint32_t n);
bool oracle_step(oracle *o);

/* Compares the open store with the states that may be found, and forgets all but the one that was.
 * False with `fault` set when none fits. */
bool oracle_check(oracle *o);

/* What readers see now; false when some of it is what nobody wrote. */
bool oracle_read(oracle *o, oracle_state *found);

/* Do readers see the current state, no more and no less? Does a snapshot see `state`? */
bool oracle_look(oracle *o);
bool oracle_look_back(oracle *o, const ki_snapshot *snapshot, const oracle_state *state);

/* Forgets all states but the current one, so that commits may go on for ever. */
void oracle_forget(oracle *o);

/* A configuration for a small disk; the bits of `variant` choose row length, keys, durability. */
ki_store_config oracle_config(uint32_t variant);

/* The life of one store: `cuts` times random work, a power cut, perhaps cuts of the recovery, and
 * a look at what is left; and half as often a process that is killed, which counts as no cut. With
 * `faults` calls fail on the way as well. Returns the cuts done; at the first fault it ends. */
uint64_t oracle_live(oracle *o, sim *disk, const ki_store_config *config, uint64_t seed,
                     uint64_t cuts, bool faults);

#endif
