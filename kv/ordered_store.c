/* ordered_store.c - the words of a store, said so that an ordered directory understands them.
 *
 * May touch ordered_store.h. Nothing here decides anything. A row is in the directory from its
 * birth until no snapshot sees it, so the births of a key's rows differ: the store says so of the
 * rows that it calls present.
 */
#include "kv/ordered_store.h"

static void key_of(const void *store, uint32_t row, const void **key, size_t *key_len)
{
    ki_store_present_key(store, row, key, key_len);
}

static uint64_t birth_of(const void *store, uint32_t row)
{
    return ki_store_birth(store, row);
}

static bool visible(const void *store, uint32_t row, uint64_t lsn)
{
    return ki_store_visible(store, row, lsn);
}

static bool present(const void *store, uint32_t row)
{
    return ki_store_present(store, row);
}

static kith_status reserve(void *ordered, uint32_t rows)
{
    return ki_ordered_reserve(ordered, rows);
}

static void born(void *ordered, uint32_t row)
{
    ki_ordered_insert(ordered, row);
}

static void gone(void *ordered, uint32_t row)
{
    ki_ordered_remove(ordered, row);
}

static kith_status fill(void *ordered, const ki_store *store)
{
    return ki_ordered_build(ordered, ki_store_rows(store));
}

kith_status ki_ordered_attach(ki_store *store, ki_ordered **out)
{
    ki_order_source source = {.user = store,
                              .key_of = key_of,
                              .birth_of = birth_of,
                              .visible = visible,
                              .present = present};
    ki_ordered *ordered;
    kith_status status = ki_ordered_open(ki_store_keys(store), &source, &ordered);
    if (status != KITH_OK)
        return status;
    ki_row_watch watch = {
        .reserve = reserve, .born = born, .gone = gone, .fill = fill, .user = ordered};
    status = ki_store_watch(store, &watch);
    if (status != KITH_OK) {
        ki_ordered_close(ordered);
        return status;
    }
    *out = ordered;
    return KITH_OK;
}

void ki_ordered_detach(ki_store *store, ki_ordered *ordered)
{
    if (ordered == NULL)
        return;
    (void)ki_store_watch(store, NULL); /* nothing in it can fail */
    ki_ordered_close(ordered);
}
