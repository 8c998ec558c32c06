/* store_inside.h - the inside of a store, for the files that make it up and for no other.
 *
 * May include the whole room. Who may touch what, and when:
 *
 *   leader   the one writer that holds the lead (commit.c): all of `space`, `head`, `log`, staging.
 *   gate     exclusive, held by the leader for a moment to publish; shared by readers: all that
 *            readers see (rows, recs, directories, quarantine, snapshots). The leader may read
 *            it without the gate, since nobody else changes it, but for the snapshots.
 *   atomics  lsn, durable_lsn, rows and the words of live are read by anybody at any time.
 *
 * So the order of locks is lead, then gate; nothing waits for a disk with the gate shut.
 */
#ifndef KI_STORE_INSIDE_H
#define KI_STORE_INSIDE_H

#include "kv/extent.h"
#include "kv/rowset.h"
#include "kv/space.h"
#include <pthread.h>

/* The rules of the protocol. Tests break them one at a time (ki_store_config.broken_rules) to see
 * that the simulator of power cuts would notice; one test of a bit beside each, and the whole
 * reason stands there. */
enum {
    KI_RULE_QUARANTINE = 1 << 0,       /* a freed row waits for a checkpoint */
    KI_RULE_NEW_SALT = 1 << 1,         /* a recovery changes the log's salt */
    KI_RULE_LOG_PLACE = 1 << 2,        /* records of an earlier log are told apart */
    KI_RULE_WHOLE_COMMITS = 1 << 3,    /* a commit without its last record is none */
    KI_RULE_ROW_SUMS = 1 << 4,         /* a record counts if its row is what it says */
    KI_RULE_HEAP_SUMS = 1 << 5,        /* and its heap bytes */
    KI_RULE_RECORD_SUMS = 1 << 6,      /* and it itself */
    KI_RULE_SYNC_COMMIT = 1 << 7,      /* acknowledge after the sync */
    KI_RULE_LOG_FIRST = 1 << 8,        /* no REC in its place before its log is on disk */
    KI_RULE_SYNC_BEFORE_HEAD = 1 << 9, /* what a head names is on disk before it */
    KI_RULE_SYNC_HEAD = 1 << 10,       /* a head is on disk before anything relies on it */
    KI_RULE_HEADS_IN_TURN = 1 << 11,   /* the last good head is never written over */
    KI_RULE_LIVE_IN_TURN = 1 << 12,    /* nor the liveness that it names */
    KI_RULE_HEAD_SUM = 1 << 13,        /* a torn head is no head */
    KI_RULE_STICKY = 1 << 14,          /* a failed sync is the end of writing */
    KI_RULE_EXTENTS_FIRST = 1 << 15,   /* no record relies on an extent that no head names */
    KI_RULE_HEAP_QUARANTINE = 1 << 16, /* replaced metadata wait for a checkpoint too */
    KI_RULE_SYNC_FOUND = 1 << 17,      /* what a recovery builds on is on disk, not in a cache */
    KI_RULE_SYNC_FOLDER = 1 << 18,     /* a file's name is on disk before a commit in it counts */
    KI_RULE_COPY_FIRST = 1 << 19,      /* a copy is on disk before it takes its name */
    KI_RULE_READERS = 1 << 20          /* nothing is used again while another process reads */
};

#define KI_HEAP_MOST (UINT64_C(1) << 38) /* addresses for keys and metadata */

enum { KI_RECS_A_BLOCK = 4096 / sizeof(ki_rec) }; /* what a checkpoint writes at a time */

/* What is known of a dead row; all zero of any other. */
typedef struct ki_grave {
    uint64_t death; /* LSN << 1 | whether a snapshot saw it */
    uint32_t next;  /* the row that died after it, in its queue */
    uint32_t older; /* when seen: the version of its key before it, or KI_NO_ROW */
} ki_grave;

/* Rows in order of death, linked through their graves: nothing to allocate, nothing to fail. */
typedef struct ki_fifo {
    uint32_t first, last;
    uint32_t count;
} ki_fifo;

/* A REC as it was before its metadata changed: for the snapshots that still see it, and for the
 * sake of its place in the heap. */
typedef struct ki_aside {
    ki_rec rec;
    uint64_t until; /* LSN of the change */
    uint32_t row;
    uint32_t older; /* when seen: the next aside of this row, or KI_NO_ROW */
    uint32_t next;  /* in its queue, or among those not in use */
} ki_aside;

/* One call of ki_store_commit, on the stack of the thread that waits for it. */
typedef struct ki_request {
    const ki_op *ops;
    size_t n, first; /* first: its place among the staged records */
    uint32_t *rows;
    uint64_t lsn; /* of its last operation */
    kith_status status;
    bool done;
    char sentence[256];
    struct ki_request *next;
} ki_request;

struct ki_snapshot {
    ki_store *store;
    uint64_t lsn;
    ki_snapshot *older, *newer;
};

struct ki_store {
    ki_store_config config;
    ki_shape shape;
    char *path; /* NULL in memory */
    int file;   /* -1 in memory */

    /* under the gate */
    ki_slab slab;
    ki_arena recs_arena, live_arena;
    ki_arena graves_arena; /* touched by rows that die, and only so paid for */
    ki_rec *recs;
    ki_grave *grave;         /* by row number */
    ki_directory *directory; /* live rows by key */
    ki_directory *graves;    /* by key, the newest dead row that a snapshot sees */
    ki_rowset vacant;
    ki_fifo unseen, seen; /* dead rows in order of death, by whether a snapshot saw them die */
    ki_aside *asides;
    uint32_t aside_room, aside_used;  /* places there are; that were ever in use */
    uint32_t aside_spare;             /* the first of those that no longer are */
    ki_fifo aside_unseen, aside_seen; /* as with rows */
    ki_directory *aside_rows;         /* by row number, the newest aside that a snapshot sees */
    size_t pending_deaths; /* of the commit that is on its way: room a new snapshot must make */
    uint64_t deaths;       /* ever */
    ki_snapshot *newest, *oldest;
    ki_row_watch watch;
    uint32_t pins;
    uint32_t rows; /* row numbers ever used */
    uint64_t live_count;
    uint64_t lsn;            /* readers see all up to here */
    uint64_t released_lsn;   /* nothing on disk needs rows that died up to here */
    uint64_t opened_lsn;     /* what was free when the file was opened died up to here */
    uint64_t heap_bytes;     /* heap_used as of `lsn` */
    uint64_t heap_live;      /* of them entries of live rows */
    uint64_t live_key_bytes; /* keys and metadata of live rows */

    /* the leader's */
    ki_space space;
    ki_head head; /* as last written */
    ki_record *staged;
    unsigned char *dirty; /* in a file: a byte for each block of RECs that is to be written */
    size_t dirty_room;
    uint32_t *undo;        /* of a staged record: what the overlay held before it */
    ki_directory *overlay; /* by key, the newest staged record; used when more than one is */
    size_t staged_room, staged_count;
    bool overlaid;
    const ki_op **staged_ops;
    uint32_t staged_rows;         /* `rows` with the staged ones */
    uint64_t heap_used;           /* with the staged */
    ki_extents *heap_free;        /* below heap_used */
    uint64_t log_seed, log_first; /* LSN of the record at the log's front */
    uint64_t durable_lsn;         /* atomic */
    uint64_t checkpoint_time_ms;
    ki_run rows_run, aux_run, heap_run;
    unsigned char *run_memory;

    /* All before here changes places in a compaction (copy.c); what follows stays. */
    pthread_rwlock_t gate;
    uint32_t turns; /* atomic: of the gate, odd while it is shut; see ki_store_moment */
    bool meta_past; /* atomic: a snapshot sees metadata that changed since */

    /* the queue */
    pthread_mutex_t queue_lock;
    pthread_cond_t queue_moved;
    ki_request *queue_head, **queue_tail;
    bool led;

    /* the end of writing: set once, never cleared. The lock is held over every sync. */
    pthread_mutex_t poison_lock;
    int poisoned; /* atomic */
    char poison[256];

    /* INTERVAL */
    pthread_t syncer;
    bool syncer_runs, closing; /* closing: under queue_lock */
    pthread_cond_t syncer_wake;
    bool locks_made;
    bool ready; /* opened whole, so that closing has something to save */
};

static inline bool ki_broken(const ki_store *store, uint32_t rule)
{
    return (store->config.broken_rules & rule) != 0;
}

static inline bool ki_in_file(const ki_store *store)
{
    return store->file >= 0;
}

static inline bool ki_aux_apart(const ki_store *store)
{
    return store->slab.aux_arena.base != NULL;
}

static inline uint64_t *ki_live_word(const ki_store *store, uint32_t row)
{
    return (uint64_t *)(void *)store->live_arena.base + row / 64;
}

static inline bool ki_is_live(const ki_store *store, uint32_t row)
{
    return row < store->rows && (*ki_live_word(store, row) >> row % 64 & 1);
}

/* A reader in another process may stand at a checkpoint from before this opening. */
static inline bool ki_may_reuse(const ki_store *store)
{
    return store->released_lsn >= store->opened_lsn || ki_broken(store, KI_RULE_READERS);
}

static inline uint64_t ki_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- state.c: what readers see ---- */
kith_status ki_state_open(ki_store *store);
void ki_state_close(ki_store *store);
/* Room in memory for `rows` row numbers, more keys, more deaths, of which so many are changes of
 * metadata. */
kith_status ki_state_reserve(ki_store *store, uint32_t rows, size_t keys, size_t deaths,
                             size_t changes);
/* With the gate shut: one operation becomes visible. */
void ki_state_apply(ki_store *store, const ki_record *record);
void ki_state_set_live(ki_store *store, uint32_t row);
void ki_state_clear_live(ki_store *store, uint32_t row);
void ki_gate_shut(ki_store *store); /* exclusive */
void ki_gate_open(ki_store *store);

/* ---- look.c: keys and what lies under them ---- */

/* Of a REC, whose four words are stored and read one by one where no lock keeps them together. */
typedef uint64_t __attribute__((__may_alias__)) ki_rec_part;

void ki_rec_key(const ki_store *store, const ki_rec *rec, const void **key, size_t *key_len);
const void *ki_rec_meta(const ki_store *store, const ki_rec *rec, uint32_t *meta_len);
bool ki_row_has_key(const void *store, uint32_t row, const void *key, size_t key_len);

/* ---- quarantine.c: freed rows and snapshots ---- */
kith_status ki_quarantine_reserve(ki_store *store, size_t deaths, size_t changes);
void ki_quarantine_bury(ki_store *store, uint32_t row, uint64_t lsn);
void ki_quarantine_release(ki_store *store); /* what may be, becomes vacant */
bool ki_aside_has_row(const void *store, uint32_t index, const void *key, size_t key_len);
void ki_aside_keep(ki_store *store, uint32_t row, uint64_t lsn);
const ki_rec *ki_rec_as_of(const ki_store *store, uint32_t row, uint64_t lsn);
uint32_t ki_row_as_of(const ki_store *store, const void *key, size_t key_len, uint64_t lsn);
void ki_quarantine_close(ki_store *store);

/* ---- heap_space.c: places for keys and metadata ---- */
kith_status ki_heap_open(ki_store *store);
void ki_heap_close(ki_store *store);
uint64_t ki_heap_take(ki_store *store, uint64_t bytes);  /* where; bytes > 0. Cannot fail. */
void ki_heap_untake(ki_store *store, const ki_rec *rec); /* the last that was taken */
bool ki_heap_give(ki_store *store, const ki_rec *rec);   /* false: no memory to note it */
kith_status ki_heap_find_gaps(ki_store *store);
kith_status ki_heap_check(const ki_store *store);

/* ---- stage.c: operations become records, rows and heap bytes ---- */
kith_status ki_stage_open(ki_store *store);
void ki_stage_close(ki_store *store);
kith_status ki_stage_room(ki_store *store, size_t records);
kith_status ki_stage_request(ki_store *store, ki_request *request);
kith_status ki_stage_write(ki_store *store);       /* rows, side data, heap: all but the log */
void ki_stage_drop(ki_store *store, size_t first); /* gives back all staged from `first` on */
void ki_stage_forget(ki_store *store);             /* before they are published */

/* ---- commit.c: the lead, and what makes a commit certain ---- */
void ki_lead_take(ki_store *store);
void ki_lead_give(ki_store *store);
kith_status ki_sync_file(ki_store *store);                  /* any thread */
kith_status ki_sync_to(ki_store *store, uint64_t lsn);      /* the same; lsn was written */
kith_status ki_poison(ki_store *store, kith_status status); /* with the thread's sentence */
kith_status ki_check_writable(const ki_store *store);
kith_status ki_syncer_start(ki_store *store);
void ki_syncer_stop(ki_store *store);

/* ---- checkpoint.c: heads, what they name, and room ---- */
kith_status ki_check_in_force(ki_store *store); /* is the file still the one that was written? */
kith_status ki_head_write(ki_store *store, const ki_head *next);
kith_status ki_dirty_room(ki_store *store, uint32_t rows);
kith_status ki_grow_space(ki_store *store, uint32_t rows, uint64_t heap); /* looks, as above */
kith_status ki_log_room(ki_store *store, size_t records);
kith_status ki_checkpoint(ki_store *store, bool even_if_same, bool new_salt);
void ki_checkpoint_if_due(ki_store *store);
void ki_log_begin(ki_store *store); /* after the head's last checkpoint */
void ki_let_go(ki_store *store);    /* of what the last checkpoint calls dead, if nobody reads it */
uint64_t ki_now_ms(void);

/* ---- copy.c ---- */

/* Takes away what a compaction left that was killed. The caller holds the writer's lock. */
void ki_copy_clear(const ki_store *store);

/* ---- recover.c, replay.c, reindex.c: while nobody else can see the store ---- */
kith_status ki_recover(ki_store *store, bool *log_was_used);
/* Has the writer in another process saved its state since this one was read? */
kith_status ki_find_newer_head(const ki_store *store, bool *newer);
kith_status ki_replay(ki_store *store, bool *log_was_used); /* used: some record was right */
kith_status ki_index_rows(ki_store *store);

/* ---- store.c ---- */
void ki_head_shape(const ki_head *head, ki_shape *out);
kith_status ki_head_matches(const ki_head *head, const ki_shape *shape);

#endif
