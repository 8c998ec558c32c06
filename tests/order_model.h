/* order_model.h - rows with keys, births and deaths, for the tests of kv/ordered.h.
 *
 * May include cmocka through check.h, and kv/ordered.h. The model is an array of rows; what a
 * cursor should come to is found by looking at every one of them.
 */
#ifndef ORDER_MODEL_H
#define ORDER_MODEL_H

#include "tests/check.h"
#include "kv/ordered.h"

#include <string.h>

typedef struct model_row {
    size_t key_len;
    uint64_t birth, death; /* death UINT64_MAX: alive */
    bool present;          /* in the directory */
    unsigned char key[KI_ORDERED_KEY_MAX];
} model_row;

typedef struct order_model {
    kith_key_kind kind;
    model_row *row;
    uint32_t rows; /* room */
    ki_ordered *ordered;
} order_model;

void order_model_open(order_model *model, kith_key_kind kind, uint32_t rows);
void order_model_close(order_model *model);

/* A row is born with a key, and is gone for good. */
void order_model_born(order_model *model, uint32_t row, const void *key, size_t key_len,
                      uint64_t birth);
void order_model_gone(order_model *model, uint32_t row);

/* Below 0 when a comes before b: keys, then the newest birth first. */
int order_model_compare(const order_model *model, const model_row *a, const model_row *b);

/* The first visible row behind (KI_RIGHT), or last before (KI_LEFT), the place of `from`, of those
 * that begin with the prefix; `at` lets a row of the very place count. NULL: from outside. */
uint32_t order_model_near(const order_model *model, const model_row *from, bool at, ki_side side,
                          uint64_t lsn, const void *prefix, size_t prefix_len);

#endif
