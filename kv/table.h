/* table.h - the store's engine: keys, rows, side data, free rows; put, get, delete.
 *
 * May include rows.h and directory.h. Computes no distance and judges no vector: the caller
 * (index/api_store.c) has checked the elements and brings the side data with them.
 *
 * A row is written once, in a free place, and never in the place of a live one: a replaced or
 * deleted row is freed, and while the table is pinned (an index may still point at it) it waits
 * in quarantine, and no free row is used. A failed call changes nothing.
 */
#ifndef KI_TABLE_H
#define KI_TABLE_H

#include "kv/directory.h"
#include "kv/rows.h"

enum { KI_KEY_MAX = 512 };
#define KI_MAX_ROWS (UINT32_C(1) << 31) /* row numbers have 31 bits: graphs need the last one */

typedef struct ki_table ki_table;

kith_status ki_table_open(size_t row_bytes, kith_key_kind keys, ki_table **out);
void ki_table_close(ki_table *table);

/* Puts one row; *row (may be NULL) is where it went. u64 keys are 8 bytes in host order. */
kith_status ki_table_put(ki_table *table, const void *key, size_t key_len, const void *elements,
                         const void *aux, uint32_t *row);

/* Makes room, so that the next n puts of keys of up to 8 bytes cannot fail. */
kith_status ki_table_reserve(ki_table *table, size_t n);

/* The row of a key, KI_NO_ROW when absent. */
uint32_t ki_table_find(const ki_table *table, const void *key, size_t key_len);

/* ENOTFOUND when absent. */
kith_status ki_table_del(ki_table *table, const void *key, size_t key_len);

/* The key of a live row; false when it is not live. Valid until the table changes. */
bool ki_table_key(const ki_table *table, uint32_t row, const void **key, size_t *key_len);

/* While pinned (counted), freed rows are not used again. */
void ki_table_pin(ki_table *table);
void ki_table_unpin(ki_table *table);
uint32_t ki_table_pins(const ki_table *table);

/* The rows, their liveness (bit i of word i/64), how many row numbers were ever used. The arrays
 * never move; `live` bits change with put and del. */
const ki_slab *ki_table_slab(const ki_table *table);
const uint64_t *ki_table_live(const ki_table *table);
uint32_t ki_table_rows(const ki_table *table);
uint64_t ki_table_live_count(const ki_table *table);
kith_key_kind ki_table_keys(const ki_table *table);
size_t ki_table_bytes(const ki_table *table); /* memory held */

#endif
