/* store.h - keys, rows and metadata that outlive the process: the contract of this room.
 *
 * May include rows.h and directory.h. Computes no distance and judges no vector: the caller has
 * checked the elements and brings the 16 bytes of side data (aux) with them. A store lives in
 * memory (path NULL) or in one file; what can be called is the same, and so is what it does.
 *
 * Words. A *row* is a numbered place of fixed length; it is written once while it is free, never
 * moves and never changes while it lives. A *commit* is a batch of operations that happens whole
 * or not at all. Every operation has a number, its *LSN*; they count up by one without a gap. A
 * *snapshot* is the state after one LSN. A freed row waits in *quarantine* until nothing can need
 * its old contents any more: no snapshot, no index, no checkpoint on disk, no other process.
 *
 * Durability. KI_DURABLE_COMMIT: what is acknowledged is on disk. KI_DURABLE_INTERVAL: it is
 * within interval_ms. KI_DURABLE_NONE: from the next ki_store_sync, checkpoint or close on. In
 * every one of them what a power cut leaves is the state after some commit, at least the last
 * one that was promised; nothing can break the file. A failed sync turns the store read-only for
 * good: what the disk holds is then unknown until it is opened again, and a second sync that
 * reports success would prove nothing.
 *
 * Others. A process that is killed loses nothing that was acknowledged, and what the next one finds
 * is on disk before it builds on it. Who cuts the file short, or writes something else over it,
 * takes what lies there. The next commit or checkpoint finds another file in the place of this one
 * and leaves it as it is; a missing end shows at the next sync or checkpoint, and either turns the
 * store read-only. But a row whose place in the file is gone cannot be read, and the system ends
 * who tries (SIGBUS), as it does where the disk has gone bad. A child of fork may close a store of
 * its parent's, and no more: it cannot see what its parent writes, and its own commits are refused
 * (EBUSY).
 *
 * Threads. All of this may be called from any thread at any time, but open and close, and what
 * says otherwise. Writers queue, and one of them syncs for all that wait. Readers hold a short
 * shared lock and never wait for a sync. ki_store_slab, _live, _rows and the row's bytes may be
 * read without a lock: a live bit is set after its row is written, and rows never move.
 *
 * A failed call changes nothing, and results are untouched; exceptions say so.
 */
#ifndef KI_STORE_H
#define KI_STORE_H

#include "kv/directory.h"
#include "kv/rows.h"
#include "kv/vfs.h"

enum { KI_KEY_MAX = 512, KI_META_MAX = 65536, KI_UUID_BYTES = 16 };
#define KI_MAX_ROWS (UINT32_C(1) << 31) /* row numbers have 31 bits: graphs need the last one */
#define KI_NEWEST UINT64_MAX            /* as an LSN: the state of now */

typedef struct ki_store ki_store;
typedef struct ki_snapshot ki_snapshot;

typedef enum ki_durability {
    KI_DURABLE_COMMIT,
    KI_DURABLE_INTERVAL,
    KI_DURABLE_NONE
} ki_durability;

/* What the rows are. dim, type (a kith_type) and metric (a kith_metric) are the caller's: kept in
 * the file, compared at open, named when they differ, not understood here. */
typedef struct ki_shape {
    uint32_t row_bytes; /* elements of one row, without padding; from 1 */
    uint32_t dim, type, metric;
    kith_key_kind keys;
} ki_shape;

/* ki_store_defaults() fills it. */
typedef struct ki_store_config {
    ki_shape shape;
    ki_durability durability;
    uint32_t interval_ms;   /* for KI_DURABLE_INTERVAL */
    bool read_only;         /* at the newest state the file shows; any number of processes */
    bool must_exist;        /* do not create */
    bool must_create;       /* do not open what is there: EEXISTS */
    bool any_shape;         /* of an existing file: take its shape, whatever `shape` says */
    uint64_t log_bytes;     /* a checkpoint is taken when the log is this long */
    uint32_t checkpoint_ms; /* or when this much time has passed at a commit; 0: never */
    uint32_t unit_bytes;    /* of a new file: extents are multiples, 4096.. a power of two */
    uint32_t grow_units;    /* of a new file: the least that a section grows by */
    const ki_vfs *vfs;      /* NULL: the system's files */
    uint32_t broken_rules;  /* tests only: KI_RULE_ bits of protocol.h to break; 0 */
} ki_store_config;

ki_store_config ki_store_defaults(const ki_shape *shape);

/* Opens or creates. A file is recovered: what was committed is there, what was not is gone.
 * Errors: EINVAL (shape differs, not a regular file), EUNSUPPORTED (another version, feature,
 * byte order), ECORRUPT (damage that no power cut explains; nothing is changed then), EBUSY
 * (another process writes to it; read-only: saves it faster than it can be read), EEXISTS,
 * ENOTFOUND, EIO, ENOMEM. No new file stays after an error, but where the folder refuses to let it
 * go: an empty store, or one under a passing name. */
kith_status ki_store_open(const char *path, const ki_store_config *config, ki_store **out);

/* Takes a checkpoint if there is anything to save, and frees. Snapshots must be released and pins
 * gone. Accepts NULL. A failure to save is no loss of what was acknowledged durable; who wants to
 * know calls ki_store_checkpoint before. */
void ki_store_close(ki_store *store);

/* ---- Writing ------------------------------------------------------------------------------ */

typedef enum ki_op_kind {
    KI_PUT,     /* row and metadata, whether or not the key is there */
    KI_PUT_NEW, /* EEXISTS when the key is there */
    KI_REPLACE, /* ENOTFOUND when it is not */
    KI_DEL,     /* ENOTFOUND when it is not */
    KI_SET_META /* metadata alone; the row stays. ENOTFOUND when the key is not there */
} ki_op_kind;

typedef struct ki_op {
    ki_op_kind kind;
    bool keep_meta; /* a put over a row that is there keeps its metadata; meta is then ignored */
    uint16_t key_len;
    uint32_t meta_len;    /* 0: none */
    const void *key;      /* u64 keys: 8 bytes in host order */
    const void *elements; /* shape.row_bytes */
    const void *aux;      /* KI_AUX_BYTES */
    const void *meta;
} ki_op;

/* One commit: the operations take effect in order (a key may come twice), all or none, and no
 * reader sees some without the others. Returns when it is as durable as was chosen. `rows` (n
 * places, or NULL) receives the row of each put; of other operations the row that they touched.
 * `lsn` (or NULL) receives the LSN of the last operation. n = 0 does nothing.
 * Errors: EINVAL, EEXISTS, ENOTFOUND (the sentence names the operation), ENOMEM, EIO. */
kith_status ki_store_commit(ki_store *store, const ki_op *ops, size_t n, uint32_t *rows,
                            uint64_t *lsn);

/* Commits of one operation. */
kith_status ki_store_put(ki_store *store, const void *key, size_t key_len, const void *elements,
                         const void *aux, uint32_t *row);
kith_status ki_store_del(ki_store *store, const void *key, size_t key_len);

/* Makes room for n further puts of keys of up to 16 bytes without metadata: one by one, or in
 * commits of up to `batch` operations, they cannot fail for want of memory or of disk space for
 * rows. */
kith_status ki_store_reserve(ki_store *store, size_t n, size_t batch);

/* Waits until all that was committed is on disk. */
kith_status ki_store_sync(ki_store *store);

/* Saves the state so that the log can begin anew and freed rows leave quarantine. */
kith_status ki_store_checkpoint(ki_store *store);

/* ---- Reading ------------------------------------------------------------------------------ */

/* The row of a key now; KI_NO_ROW when absent. */
uint32_t ki_store_find(const ki_store *store, const void *key, size_t key_len);

/* What is stored under a key. The pointers lead into the store. */
typedef struct ki_view {
    uint32_t row;
    uint32_t meta_len;
    const void *elements;
    const void *meta; /* NULL when there is none */
    const void *key;  /* as it lies with the row */
    size_t key_len;
    uint64_t lsn; /* of the operation that put the row */
} ki_view;

/* Finds a key as of `snapshot`, or now (NULL), and shows where its bytes lie: valid until the
 * snapshot is released, without one until the store changes. ENOTFOUND. */
kith_status ki_store_look(const ki_store *store, const ki_snapshot *snapshot, const void *key,
                          size_t key_len, ki_view *out);

/* The row of a key of up to 16 bytes that has no metadata, as of `snapshot` or now, when it can be
 * told without a lock; no row changes or dies for a snapshot. KI_NO_ROW proves nothing: look does.
 * The second: where the key of a row that was found so lies, until its metadata are set. */
uint32_t ki_store_peek(const ki_store *store, const ki_snapshot *snapshot, const void *key,
                       size_t key_len);
const void *ki_store_short_key(const ki_store *store, uint32_t row);

/* The same by copy, whole and consistent beside any writer. `elements` (row_bytes) may be NULL.
 * `meta` takes at most meta_room bytes and may be NULL; *meta_len (may be NULL) is the full
 * length. Errors: ENOTFOUND, EINVAL (meta does not fit in a meta_room above 0). */
kith_status ki_store_get(const ki_store *store, const ki_snapshot *snapshot, const void *key,
                         size_t key_len, void *elements, void *meta, size_t meta_room,
                         size_t *meta_len);

/* The key of a live row; false when it is not live. Valid until the store changes. */
bool ki_store_key(const ki_store *store, uint32_t row, const void **key, size_t *key_len);

/* The same by copy, KI_KEY_MAX bytes at `key`, beside any writer. Returns its length, 0 when the
 * row is not live. */
size_t ki_store_key_copy(const ki_store *store, uint32_t row, void *key);

/* ---- Snapshots ---------------------------------------------------------------------------- */

/* Pins the state of now. Costs nothing but that rows freed from here on stay in quarantine. */
kith_status ki_snapshot_open(ki_store *store, ki_snapshot **out);
void ki_snapshot_close(ki_snapshot *snapshot); /* accepts NULL */
uint64_t ki_snapshot_lsn(const ki_snapshot *snapshot);

/* ---- For ordered directories and cursors --------------------------------------------------
 * A row is *present* from its birth until nothing needs it any more: live, or dead and still seen
 * by a snapshot. Among the present rows a key may occur several times; their LSNs differ, and at
 * most one of them is visible at any LSN. */

/* Key, and birth LSN, of a present row. The caller holds the lock below, or is a watch. */
void ki_store_present_key(const ki_store *store, uint32_t row, const void **key, size_t *key_len);
uint64_t ki_store_birth(const ki_store *store, uint32_t row);

/* Is the row (any number) there at `lsn`: born by then, and not dead by then? */
bool ki_store_visible(const ki_store *store, uint32_t row, uint64_t lsn);
bool ki_store_present(const ki_store *store, uint32_t row);

/* What a present row shows as of `lsn` (its metadata may have changed since). */
void ki_store_show(const ki_store *store, uint32_t row, uint64_t lsn, ki_view *out);

/* Told of every row that becomes present (born) or ceases to be (gone), by the writer under the
 * exclusive lock; neither can fail. `reserve` comes before, outside that lock: room for rows
 * numbered below `rows`; its failure fails the commit. One watch a store; NULL takes it away.
 * Setting it happens under the exclusive lock too; `fill` (may be NULL) runs there once, so that
 * no row is missed. */
typedef struct ki_row_watch {
    kith_status (*reserve)(void *user, uint32_t rows);
    void (*born)(void *user, uint32_t row);
    void (*gone)(void *user, uint32_t row);
    kith_status (*fill)(void *user, const ki_store *store);
    void *user;
} ki_row_watch;

kith_status ki_store_watch(ki_store *store, const ki_row_watch *watch);

/* The readers' lock, for walks over more than one row. Not to be held across calls that take it:
 * find, look, get, key_copy, snapshots, commits. */
void ki_store_read_lock(const ki_store *store);
void ki_store_read_unlock(const ki_store *store);

/* ---- For indexes -------------------------------------------------------------------------- */

/* While pinned (counted), freed rows are not used again and new rows get new numbers. */
void ki_store_pin(ki_store *store);
void ki_store_unpin(ki_store *store);
uint32_t ki_store_pins(const ki_store *store);

/* The state after one commit, for who looks at rows without a lock while the store is pinned: a row
 * is in it when its number is below `rows` and its live bit is set, or was until an operation after
 * `lsn`. A bit that is found clear (acquired) tells when its row died. Waits for no sync. */
typedef struct ki_moment {
    uint64_t lsn, live; /* keys there were */
    uint32_t rows;
} ki_moment;

ki_moment ki_store_moment(const ki_store *store);
bool ki_store_died_after(const ki_store *store, uint32_t row, uint64_t lsn);

/* The rows, their liveness (bit i of word i/64), how many row numbers were ever used. The arrays
 * never move; `live` bits change with every commit. */
const ki_slab *ki_store_slab(const ki_store *store);
const uint64_t *ki_store_live(const ki_store *store);
uint32_t ki_store_rows(const ki_store *store);
uint64_t ki_store_live_count(const ki_store *store);
kith_key_kind ki_store_keys(const ki_store *store);
const ki_shape *ki_store_shape(const ki_store *store);

/* The LSN of the newest operation that readers see; the newest known to be on disk (in memory:
 * the same); 16 bytes that no other store has, so that a file beside it can tell what it belongs
 * to. Compacting gives a new uuid, since it renumbers the rows. */
uint64_t ki_store_lsn(const ki_store *store);
uint64_t ki_store_durable_lsn(const ki_store *store);
const unsigned char *ki_store_uuid(const ki_store *store);
const char *ki_store_path(const ki_store *store); /* NULL in memory */
const ki_vfs *ki_store_vfs(const ki_store *store);
bool ki_store_is_read_only(const ki_store *store);

/* What tells a live row from any other that had or will have its number: a sum of the operation
 * that put it, its bytes and its key. Metadata do not change it. 0 when the row is not live. */
uint64_t ki_store_stamp(const ki_store *store, uint32_t row);

/* ---- Care --------------------------------------------------------------------------------- */

typedef struct ki_store_numbers {
    uint64_t live, rows;  /* keys; row numbers ever used */
    uint64_t quarantined; /* freed rows that may not be used yet */
    uint64_t lsn, checkpoint_lsn;
    uint64_t file_bytes; /* disk space that the file takes; 0 in memory */
    uint64_t log_bytes;  /* of them the log's */
    uint64_t heap_bytes; /* of long keys and metadata, dead ones included */
    uint64_t heap_dead_bytes;
    uint64_t live_bytes;     /* elements, keys and metadata that a user put and can get */
    uint64_t resident_bytes; /* memory held; pages of the file are not counted */
} ki_store_numbers;

void ki_store_count(const ki_store *store, ki_store_numbers *out);

/* Compares what lies on disk with its checksums and with what is in memory: headers, liveness and
 * records always; with `full` every row, key and metadata byte too. Writers may go on. A writable
 * store takes a checkpoint first. ECORRUPT with the first damage found. */
kith_status ki_store_check(ki_store *store, bool full, kith_progress_fn progress, void *user);

/* Writes the state of now to a new file, while writers go on. The rows are numbered anew, without
 * gaps, and the copy has a uuid of its own. Nothing stands at `path` until the copy is whole and
 * on disk; EEXISTS when something does already. Rows are held against their checksums: ECORRUPT
 * names the first that is damaged. */
kith_status ki_store_backup(ki_store *store, const char *path, kith_progress_fn progress,
                            void *user);

/* Gives dead space back: the same into a new file, which then takes the place of the old one. A
 * power cut leaves one or the other. Needs the store to itself: no snapshot, no pin, no other
 * call, and the file to be where it was opened; EBUSY otherwise. ECORRUPT as for a backup. Rows are
 * renumbered, every pointer into the store is void, and the watch is taken away. Mode and group of
 * the file stay, and its owner where the system lets us give files away. In memory it does
 * nothing. */
kith_status ki_store_compact(ki_store *store, kith_progress_fn progress, void *user);

#endif
