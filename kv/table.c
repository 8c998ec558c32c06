/* table.c - keys, rows and side data brought together: put, get, delete.
 *
 * May touch table.h and the rest of this room. The one idea: a put first gathers everything that
 * can fail - room in each array, a place in the directory, a block for a long key - and only then
 * begins to change what can be seen. So a failure needs no undoing, and what a failed call leaves
 * behind is spare room.
 *
 * A row number is live, vacant or in quarantine. Live rows have their bit in `live`, vacant ones
 * are in the set of that name, and a row in quarantine is simply neither, so a delete has nothing
 * to allocate. The lowest vacant row is always used next. A stack of free rows would be
 * faster, but its order is the history of the store; the lowest row follows from what is in it,
 * keeps the rows dense for a scan, and comes out the same when a store is opened again.
 *
 * One thread writes and none reads beside it. All the same a row is written in the order in
 * which a reader without a lock would have to find it: elements and key, then the live bit, then
 * the directory. Rows and live words never move.
 */
#include "kv/table.h"

#include "kv/key_column.h"
#include "kv/rowset.h"

#include <assert.h>

struct ki_table {
    ki_slab slab;
    ki_key_column keys;
    ki_arena live; /* words of 64 rows */
    ki_rowset vacant;
    ki_directory *directory;
    uint64_t live_count;
    uint32_t rows; /* row numbers ever used */
    uint32_t pins;
};

static kith_status open_parts(ki_table *table, size_t row_bytes, kith_key_kind keys)
{
    kith_status status = ki_slab_open(row_bytes, KI_MAX_ROWS, &table->slab);
    if (status == KITH_OK)
        status = ki_key_column_open(keys, KI_MAX_ROWS, &table->keys);
    if (status == KITH_OK)
        status = ki_arena_open(KI_MAX_ROWS / 8, &table->live);
    if (status == KITH_OK)
        status = ki_directory_open(ki_key_column_same, &table->keys, &table->directory);
    return status;
}

kith_status ki_table_open(size_t row_bytes, kith_key_kind keys, ki_table **out)
{
    ki_table *table = ki_zalloc(sizeof *table);
    if (table == NULL)
        return ki_no_memory("a table", sizeof *table);
    kith_status status = open_parts(table, row_bytes, keys);
    if (status != KITH_OK) {
        ki_table_close(table);
        return status;
    }
    *out = table;
    return KITH_OK;
}

void ki_table_close(ki_table *table)
{
    if (table == NULL)
        return;
    ki_directory_close(table->directory);
    ki_rowset_close(&table->vacant);
    ki_arena_close(&table->live);
    ki_key_column_close(&table->keys);
    ki_slab_close(&table->slab);
    ki_free(table);
}

/* ---- Rows: live, vacant, in quarantine ---------------------------------------------------- */

static uint64_t *live_word(const ki_table *table, uint32_t row)
{
    return (uint64_t *)(void *)table->live.base + row / 64;
}

static bool is_live(const ki_table *table, uint32_t row)
{
    return row < table->rows && (*live_word(table, row) >> row % 64 & 1);
}

/* Release: who sees the bit also sees the row that was written before it. */
static void set_live(ki_table *table, uint32_t row)
{
    uint64_t *word = live_word(table, row);
    __atomic_store_n(word, *word | UINT64_C(1) << row % 64, __ATOMIC_RELEASE);
    table->live_count++;
}

static void clear_live(ki_table *table, uint32_t row)
{
    uint64_t *word = live_word(table, row);
    __atomic_store_n(word, *word & ~(UINT64_C(1) << row % 64), __ATOMIC_RELEASE);
    table->live_count--;
    if (table->pins == 0)
        ki_rowset_add(&table->vacant, row);
}

/* Room in every array for the row numbers below `rows`. */
static kith_status make_room(ki_table *table, uint64_t rows)
{
    if (rows > KI_MAX_ROWS)
        return ki_fail(KITH_ENOMEM, "%llu rows are more than the %u a store can number",
                       (unsigned long long)rows, KI_MAX_ROWS);
    uint32_t count = (uint32_t)rows;
    kith_status status = ki_slab_grow(&table->slab, count);
    if (status == KITH_OK)
        status = ki_key_column_grow(&table->keys, count);
    if (status == KITH_OK)
        status = ki_arena_grow(&table->live, ((size_t)count + 63) / 64 * sizeof(uint64_t));
    if (status == KITH_OK)
        status = ki_rowset_reserve(&table->vacant, count);
    return status;
}

/* The row that the next put will use; the caller has made room for it. While pinned it is a new
 * one: an index knows the rows below a number of its own as seen, and would never look at a
 * vacant one again. */
static uint32_t next_row(const ki_table *table)
{
    bool reuse = table->pins == 0 && table->vacant.count > 0;
    return reuse ? ki_rowset_lowest(&table->vacant) : table->rows;
}

static void take_row(ki_table *table, uint32_t row)
{
    if (row < table->rows)
        ki_rowset_remove(&table->vacant, row);
    else
        table->rows = row + 1;
}

/* The last pin is gone: a row that is neither live nor vacant was in quarantine. */
static void end_quarantine(ki_table *table)
{
    if (table->live_count + table->vacant.count == table->rows)
        return;
    for (uint32_t first = 0; first < table->rows; first += 64) {
        uint64_t bits = ~(*live_word(table, first) | ki_rowset_word(&table->vacant, first / 64));
        if (table->rows - first < 64)
            bits &= (UINT64_C(1) << (table->rows - first)) - 1;
        for (; bits != 0; bits &= bits - 1)
            ki_rowset_add(&table->vacant, first + (uint32_t)__builtin_ctzll(bits));
    }
}

void ki_table_pin(ki_table *table)
{
    table->pins++;
}

void ki_table_unpin(ki_table *table)
{
    assert(table->pins > 0);
    if (--table->pins == 0)
        end_quarantine(table);
}

uint32_t ki_table_pins(const ki_table *table)
{
    return table->pins;
}

/* ---- Put, find, delete -------------------------------------------------------------------- */

static kith_status check_key(const ki_table *table, size_t key_len)
{
    if (table->keys.kind == KITH_KEYS_U64 && key_len != sizeof(uint64_t))
        return ki_fail(KITH_EINVAL, "a key of %zu bytes; this store has keys of 8", key_len);
    if (key_len < 1 || key_len > KI_KEY_MAX)
        return ki_fail(KITH_EINVAL, "a key of %zu bytes; keys have 1 to %d", key_len, KI_KEY_MAX);
    return KITH_OK;
}

/* All that can fail in putting a new key, or in replacing the row `old`. Afterwards the row `to`
 * has the key, but nothing leads to it yet. */
static kith_status prepare(ki_table *table, const void *key, size_t key_len, uint32_t old,
                           uint32_t to)
{
    kith_status status = make_room(table, (uint64_t)to + 1);
    if (status == KITH_OK)
        status = ki_directory_reserve(table->directory, old == KI_NO_ROW ? 1 : 0);
    if (status != KITH_OK)
        return status;
    if (old == KI_NO_ROW)
        return ki_key_column_set(&table->keys, to, key, key_len);
    ki_key_column_share(&table->keys, old, to);
    return KITH_OK;
}

kith_status ki_table_put(ki_table *table, const void *key, size_t key_len, const void *elements,
                         const void *aux, uint32_t *row)
{
    kith_status status = check_key(table, key_len);
    if (status != KITH_OK)
        return status;
    uint32_t old = ki_directory_find(table->directory, key, key_len), to = next_row(table);
    status = prepare(table, key, key_len, old, to);
    if (status != KITH_OK)
        return status;
    ki_slab_write(&table->slab, to, elements, aux);
    take_row(table, to);
    set_live(table, to);
    ki_directory_set(table->directory, key, key_len, to);
    if (old != KI_NO_ROW) {
        ki_key_column_disown(&table->keys, old);
        clear_live(table, old);
    }
    if (row != NULL)
        *row = to;
    return KITH_OK;
}

/* Vacant rows do not count: the table may be pinned before the puts come. Rights to memory that is
 * never touched cost nothing. */
kith_status ki_table_reserve(ki_table *table, size_t n)
{
    size_t more = n;
    if (more > KI_MAX_ROWS)
        more = (size_t)KI_MAX_ROWS + 1; /* refused all the same, and the sum cannot wrap */
    kith_status status = make_room(table, table->rows + more);
    if (status == KITH_OK)
        status = ki_directory_reserve(table->directory, n);
    return status;
}

uint32_t ki_table_find(const ki_table *table, const void *key, size_t key_len)
{
    return ki_directory_find(table->directory, key, key_len);
}

kith_status ki_table_del(ki_table *table, const void *key, size_t key_len)
{
    kith_status status = check_key(table, key_len);
    if (status != KITH_OK)
        return status;
    uint32_t row = ki_directory_remove(table->directory, key, key_len);
    if (row == KI_NO_ROW)
        return ki_fail(KITH_ENOTFOUND, "no such key among %llu",
                       (unsigned long long)table->live_count);
    clear_live(table, row);
    ki_key_column_drop(&table->keys, row);
    return KITH_OK;
}

/* ---- What is there ------------------------------------------------------------------------ */

bool ki_table_key(const ki_table *table, uint32_t row, const void **key, size_t *key_len)
{
    if (!is_live(table, row))
        return false;
    ki_key_column_get(&table->keys, row, key, key_len);
    return true;
}

const ki_slab *ki_table_slab(const ki_table *table)
{
    return &table->slab;
}

const uint64_t *ki_table_live(const ki_table *table)
{
    return (const uint64_t *)(const void *)table->live.base;
}

uint32_t ki_table_rows(const ki_table *table)
{
    return table->rows;
}

uint64_t ki_table_live_count(const ki_table *table)
{
    return table->live_count;
}

kith_key_kind ki_table_keys(const ki_table *table)
{
    return table->keys.kind;
}

size_t ki_table_bytes(const ki_table *table)
{
    return sizeof *table + ki_slab_bytes(&table->slab) + ki_key_column_bytes(&table->keys) +
           table->live.committed + ki_rowset_bytes(&table->vacant) +
           ki_directory_bytes(table->directory);
}
