/* key_column.c - keys by row number: an array of numbers, or cells of 16 bytes.
 *
 * May touch key_column.h and, for long keys, the allocator. The one idea: a cell is either the
 * key or the way to it, told apart by the length alone, so most lookups of the directory end in
 * one line of memory. An empty cell has length 0, which no key has.
 *
 * A long key costs its cell and a block of the system's allocator (8 bytes of its own, rounded
 * to 16). A heap with size classes would save about 10 bytes a key and would have to give
 * fragmented space back by itself; beside a vector of hundreds of bytes that is not worth it.
 */
#include "kv/key_column.h"

#include <assert.h>
#include <string.h>

typedef union cell {
    struct {
        uint16_t key_len; /* at most KI_SHORT_KEY */
        unsigned char key[KI_SHORT_KEY];
    } here;
    struct {
        uint16_t key_len; /* the same bytes as above: read through either */
        unsigned char *key;
    } away;
} cell;

_Static_assert(sizeof(cell) == 16, "four cells to a line");

static cell *cell_at(const ki_key_column *column, uint32_t row)
{
    return (cell *)(void *)column->cells.base + row;
}

static unsigned char *number_at(const ki_key_column *column, uint32_t row)
{
    return column->cells.base + (size_t)row * sizeof(uint64_t);
}

static size_t cell_bytes(kith_key_kind kind)
{
    return kind == KITH_KEYS_U64 ? sizeof(uint64_t) : sizeof(cell);
}

static const unsigned char *key_of(const cell *at)
{
    return at->here.key_len > KI_SHORT_KEY ? at->away.key : at->here.key;
}

/* What a block weighs with the allocator's own 8 bytes; allocators of 16-byte steps are assumed.
 * An estimate, but one that a process's resident memory agrees with. */
static size_t block_weight(size_t key_len)
{
    return (key_len + 8 + 15) / 16 * 16;
}

kith_status ki_key_column_open(kith_key_kind kind, uint32_t max_rows, ki_key_column *out)
{
    ki_key_column column = {.kind = kind};
    kith_status status = ki_arena_open(cell_bytes(kind) * max_rows, &column.cells);
    if (status == KITH_OK)
        *out = column;
    return status;
}

void ki_key_column_close(ki_key_column *column)
{
    for (uint32_t row = 0; row < column->used; row++)
        ki_key_column_drop(column, row);
    ki_arena_close(&column->cells);
    *column = (ki_key_column){0};
}

kith_status ki_key_column_grow(ki_key_column *column, uint32_t rows)
{
    return ki_arena_grow(&column->cells, cell_bytes(column->kind) * rows);
}

kith_status ki_key_column_set(ki_key_column *column, uint32_t row, const void *key, size_t key_len)
{
    if (column->kind == KITH_KEYS_U64) {
        memcpy(number_at(column, row), key, sizeof(uint64_t));
        return KITH_OK;
    }
    cell *at = cell_at(column, row);
    unsigned char *to = at->here.key;
    assert(at->here.key_len == 0 && key_len > 0 && key_len <= UINT16_MAX);
    if (key_len > KI_SHORT_KEY) {
        to = ki_alloc(key_len);
        if (to == NULL)
            return ki_no_memory("a key", key_len);
        at->away.key = to;
        column->block_bytes += block_weight(key_len);
    }
    memcpy(to, key, key_len);
    at->here.key_len = (uint16_t)key_len;
    if (row >= column->used)
        column->used = row + 1;
    return KITH_OK;
}

void ki_key_column_drop(ki_key_column *column, uint32_t row)
{
    if (column->kind == KITH_KEYS_U64)
        return;
    cell *at = cell_at(column, row);
    if (at->here.key_len > KI_SHORT_KEY) {
        column->block_bytes -= block_weight(at->away.key_len);
        ki_free(at->away.key);
    }
    *at = (cell){0};
}

void ki_key_column_share(ki_key_column *column, uint32_t from, uint32_t to)
{
    if (column->kind == KITH_KEYS_U64) {
        memcpy(number_at(column, to), number_at(column, from), sizeof(uint64_t));
        return;
    }
    *cell_at(column, to) = *cell_at(column, from);
    if (to >= column->used)
        column->used = to + 1;
}

void ki_key_column_disown(ki_key_column *column, uint32_t from)
{
    if (column->kind != KITH_KEYS_U64)
        *cell_at(column, from) = (cell){0};
}

bool ki_key_column_same(const void *column, uint32_t row, const void *key, size_t key_len)
{
    const ki_key_column *keys = column;
    if (keys->kind == KITH_KEYS_U64)
        return key_len == sizeof(uint64_t) && memcmp(number_at(keys, row), key, key_len) == 0;
    const cell *at = cell_at(keys, row);
    return at->here.key_len == key_len && memcmp(key_of(at), key, key_len) == 0;
}

void ki_key_column_get(const ki_key_column *column, uint32_t row, const void **key, size_t *key_len)
{
    bool number = column->kind == KITH_KEYS_U64;
    *key = number ? number_at(column, row) : key_of(cell_at(column, row));
    *key_len = number ? sizeof(uint64_t) : cell_at(column, row)->here.key_len;
}

size_t ki_key_column_bytes(const ki_key_column *column)
{
    return column->cells.committed + column->block_bytes;
}
