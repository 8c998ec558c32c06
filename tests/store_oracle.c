/* store_oracle.c - random commits, and the comparison with what they should have left.
 *
 * May touch store.h and the simulated disk.
 */
#include "tests/store_oracle.h"
#include "tests/random.h"

#include <string.h>

static size_t key_of(const oracle *o, uint32_t i, unsigned char *key)
{
    uint64_t number = i * UINT64_C(0x9e3779b97f4a7c15);
    size_t len = o->config.shape.keys == KITH_KEYS_U64 ? 8 : i % 3 == 0 ? 40 : i % 3 == 1 ? 16 : 5;
    memset(key, 'k', len);
    memcpy(key, &number, len < 8 ? len : 8);
    return len;
}

static void bytes_of(uint32_t i, uint32_t stamp, unsigned char *to, size_t n)
{
    uint64_t state = (uint64_t)stamp << 32 | i;
    memset(to, 0, n);
    memcpy(to, &stamp, 4);
    for (size_t at = 4; at < n; at += 8) {
        uint64_t word = check_random(&state);
        memcpy(to + at, &word, n - at < 8 ? n - at : 8);
    }
}

static size_t meta_of(uint32_t i, uint32_t stamp, unsigned char *to)
{
    size_t n = 4 + stamp % (stamp % 8 ? 40 : ORACLE_META_MOST - 4);
    bytes_of(i, stamp, to, n);
    return n;
}

void oracle_begin(oracle *o, sim *disk, const ki_store_config *config, uint64_t seed)
{
    memset(o, 0, sizeof *o);
    o->disk = disk;
    o->config = *config;
    o->config.vfs = &disk->vfs;
    o->path = "store";
    o->keys = ORACLE_KEYS;
    o->random = seed;
    o->count = 1;
}

void oracle_accuse(oracle *o, const char *what)
{
    if (!o->fault[0])
        snprintf(o->fault, sizeof o->fault, "%s", what);
}

bool oracle_open(oracle *o)
{
    kith_status status = ki_store_open(o->path, &o->config, &o->store);
    if (!status)
        return true;
    if (!o->disk->dead && !o->disk->fault_at)
        oracle_accuse(o, kith_last_error());
    return false;
}

void oracle_close(oracle *o)
{
    if (!o->store)
        return;
    ki_store_close(o->store);
    o->store = NULL;
}

/* ---- Commits ------------------------------------------------------------------------------ */

typedef struct batch {
    ki_op op[8];
    unsigned char key[8][40], row[8][ORACLE_ROW_MOST + 16], meta[8][ORACLE_META_MOST];
} batch;

static void fill_op(oracle *o, batch *b, uint32_t n, bool puts, oracle_state *state)
{
    uint32_t i = check_below(&o->random, o->keys), chance = check_below(&o->random, 10);
    ki_op *op = &b->op[n];
    *op = (ki_op){.key = b->key[n], .key_len = (uint16_t)key_of(o, i, b->key[n])};
    bool present = state->row[i] != 0;
    op->kind = !present     ? (chance < 5 ? KI_PUT : KI_PUT_NEW)
               : chance < 3 ? KI_DEL
               : chance < 6 ? KI_SET_META
               : chance < 8 ? KI_REPLACE
                            : KI_PUT;
    if (puts)
        op->kind = KI_PUT;
    if (op->kind == KI_DEL) {
        state->row[i] = state->meta[i] = 0;
        return;
    }
    op->keep_meta = op->kind != KI_SET_META && check_below(&o->random, 3) == 0;
    if (op->kind != KI_SET_META) {
        state->row[i] = ++o->stamp;
        bytes_of(i, o->stamp, b->row[n], o->config.shape.row_bytes + KI_AUX_BYTES);
        op->elements = b->row[n];
        op->aux = b->row[n] + o->config.shape.row_bytes;
    }
    if (op->keep_meta && present)
        return;
    state->meta[i] = !puts && check_below(&o->random, 2) ? ++o->stamp : 0;
    op->meta_len = state->meta[i] ? (uint32_t)meta_of(i, state->meta[i], b->meta[n]) : 0;
    op->meta = b->meta[n];
}

bool oracle_commit(oracle *o, uint32_t n)
{
    batch b;
    oracle_state next = o->state[o->current];
    for (uint32_t i = 0; i < n; i++)
        fill_op(o, &b, i, n == o->batch, &next);
    if (o->count == ORACLE_STATES) {
        oracle_accuse(o, "the oracle has no room for more states");
        return false;
    }
    o->state[o->count++] = next; /* may be found even when the commit is refused */
    kith_status status = ki_store_commit(o->store, b.op, n, NULL, NULL);
    if (!status)
        o->current = o->count - 1;
    if (!status && o->config.durability == KI_DURABLE_COMMIT)
        o->floor = o->current;
    if (status && !o->disk->dead && !o->disk->fault_at)
        oracle_accuse(o, kith_last_error());
    return !status;
}

bool oracle_step(oracle *o)
{
    uint32_t chance = check_below(&o->random, 40);
    uint32_t most = check_below(&o->random, 2) ? 2 : 6;
    if (chance >= 10)
        return oracle_commit(o, o->batch ? o->batch : 1 + check_below(&o->random, most));
    if (chance < 2) {
        bool faults = o->disk->fault_at != 0;
        oracle_close(o);
        if (!o->disk->dead && !faults)
            o->floor = o->current;
        return oracle_open(o) && (!faults || oracle_check(o));
    }
    kith_status status = chance < 4    ? ki_store_sync(o->store)
                         : chance == 4 ? ki_store_compact(o->store, NULL, NULL)
                                       : ki_store_checkpoint(o->store);
    if (!status)
        o->floor = o->current;
    return !status;
}

/* ---- What is there ------------------------------------------------------------------------ */

static bool read_key(oracle *o, const ki_snapshot *snapshot, uint32_t i, oracle_state *found)
{
    unsigned char key[40], row[ORACLE_ROW_MOST], want[ORACLE_META_MOST + ORACLE_ROW_MOST],
        meta[512];
    size_t key_len = key_of(o, i, key), meta_len = 0, row_bytes = o->config.shape.row_bytes;
    kith_status status =
        ki_store_get(o->store, snapshot, key, key_len, row, meta, sizeof meta, &meta_len);
    if (status == KITH_ENOTFOUND)
        return true;
    if (status)
        return oracle_accuse(o, kith_last_error()), false;
    memcpy(&found->row[i], row, 4);
    bytes_of(i, found->row[i], want, row_bytes + KI_AUX_BYTES);
    ki_view view;
    uint32_t at = ki_store_look(o->store, snapshot, key, key_len, &view) ? 0 : view.row;
    if (memcmp(row, want, row_bytes) != 0)
        return oracle_accuse(o, "a get returned bytes that nobody wrote under this key"), false;
    if (memcmp(ki_slab_aux(ki_store_slab(o->store), at), want + row_bytes, KI_AUX_BYTES) != 0)
        return oracle_accuse(o, "side data that nobody wrote under this key"), false;
    if (meta_len == 0)
        return true;
    memcpy(&found->meta[i], meta, 4);
    if (meta_len != meta_of(i, found->meta[i], want) || memcmp(meta, want, meta_len) != 0)
        return oracle_accuse(o, "metadata that nobody wrote under this key"), false;
    return true;
}

bool oracle_read(oracle *o, oracle_state *found)
{
    uint64_t present = 0;
    for (uint32_t i = 0; i < o->keys; i++) {
        if (!read_key(o, NULL, i, found))
            return false;
        present += found->row[i] != 0;
    }
    if (present != ki_store_live_count(o->store))
        return oracle_accuse(o, "the count of live rows is not that of keys"), false;
    return true;
}

bool oracle_look(oracle *o)
{
    oracle_state found = {0};
    if (!oracle_read(o, &found))
        return false;
    if (memcmp(&found, &o->state[o->current], sizeof found) != 0)
        return oracle_accuse(o, "readers see what was never committed, or not what was"), false;
    return true;
}

bool oracle_look_back(oracle *o, const ki_snapshot *snapshot, const oracle_state *state)
{
    oracle_state found = {0};
    uint32_t visible = 0, present = 0;
    for (uint32_t i = 0; i < o->keys; i++) {
        if (!read_key(o, snapshot, i, &found))
            return false;
        present += found.row[i] != 0;
    }
    ki_store_read_lock(o->store);
    for (uint32_t row = 0; row < ki_store_rows(o->store); row++)
        visible += ki_store_visible(o->store, row, ki_snapshot_lsn(snapshot));
    ki_store_read_unlock(o->store);
    if (memcmp(&found, state, sizeof found) != 0)
        return oracle_accuse(o, "a snapshot does not see what it was taken of"), false;
    if (visible != present)
        return oracle_accuse(o, "a snapshot sees more rows, or fewer, than keys"), false;
    return true;
}

void oracle_forget(oracle *o)
{
    o->state[0] = o->state[o->current];
    o->count = 1;
    o->current = o->floor = 0;
}

bool oracle_check(oracle *o)
{
    oracle_state found = {0};
    if (!oracle_read(o, &found))
        return false;
    for (size_t c = o->count; c-- > 0;) {
        if (memcmp(&found, &o->state[c], sizeof found) != 0)
            continue;
        if (c < o->floor)
            return oracle_accuse(o, "a commit that was acknowledged as durable is lost"), false;
        o->state[0] = found;
        o->count = 1;
        o->floor = o->current = 0;
        ki_store_numbers numbers;
        ki_store_count(o->store, &numbers);
        return numbers.heap_bytes <= ORACLE_HEAP_MOST ||
               (oracle_accuse(o, "dead keys and metadata are not used again"), false);
    }
    return oracle_accuse(o, "what survived is the state after no commit"), false;
}

ki_store_config oracle_config(uint32_t variant)
{
    ki_shape shape = {.row_bytes = variant & 1 ? 64 : 44, .dim = 11, .keys = KITH_KEYS_BYTES};
    if (variant & 2)
        shape.keys = KITH_KEYS_U64;
    ki_store_config config = ki_store_defaults(&shape);
    config.unit_bytes = 4096;
    config.grow_units = 1;
    config.log_bytes = 4096;
    config.checkpoint_ms = 0;
    config.durability = variant & 4 ? KI_DURABLE_NONE : KI_DURABLE_COMMIT;
    return config;
}
