/* order_model.c - the naive answer: look at every row.
 */
#include "tests/order_model.h"

static void key_of(const void *user, uint32_t row, const void **key, size_t *key_len)
{
    const model_row *at = &((const order_model *)user)->row[row];
    assert_true(at->key_len > 0);
    *key = at->key;
    *key_len = at->key_len;
}

static uint64_t birth_of(const void *user, uint32_t row)
{
    return ((const order_model *)user)->row[row].birth;
}

static bool is_visible(const model_row *at, uint64_t lsn)
{
    return at->present && at->birth <= lsn && (at->death > lsn || at->death == UINT64_MAX);
}

static bool visible(const void *user, uint32_t row, uint64_t lsn)
{
    return is_visible(&((const order_model *)user)->row[row], lsn);
}

static bool present(const void *user, uint32_t row)
{
    return ((const order_model *)user)->row[row].present;
}

void order_model_open(order_model *model, kith_key_kind kind, uint32_t rows)
{
    ki_order_source source = {
        .user = model, .key_of = key_of, .birth_of = birth_of, visible, present};
    *model = (order_model){.kind = kind, .rows = rows, .row = calloc(rows, sizeof(model_row))};
    assert_non_null(model->row);
    assert_int_equal(ki_ordered_open(kind, &source, &model->ordered), KITH_OK);
    assert_int_equal(ki_ordered_reserve(model->ordered, rows), KITH_OK);
}

void order_model_close(order_model *model)
{
    ki_ordered_close(model->ordered);
    free(model->row);
}

void order_model_born(order_model *model, uint32_t row, const void *key, size_t key_len,
                      uint64_t birth)
{
    model_row *at = &model->row[row];
    assert_false(at->present);
    *at = (model_row){.key_len = key_len, .birth = birth, .death = UINT64_MAX, .present = true};
    memcpy(at->key, key, key_len);
    ki_ordered_insert(model->ordered, row);
}

void order_model_gone(order_model *model, uint32_t row)
{
    assert_true(model->row[row].present);
    ki_ordered_remove(model->ordered, row);
    model->row[row].present = false;
}

static uint64_t number(const model_row *row)
{
    uint64_t value;
    memcpy(&value, row->key, sizeof value);
    return value;
}

int order_model_compare(const order_model *model, const model_row *a, const model_row *b)
{
    if (model->kind == KITH_KEYS_U64 && number(a) != number(b))
        return number(a) < number(b) ? -1 : 1;
    for (size_t i = 0; model->kind == KITH_KEYS_BYTES; i++) {
        if (i == a->key_len || i == b->key_len) {
            if (a->key_len != b->key_len)
                return a->key_len < b->key_len ? -1 : 1;
            break;
        }
        if (a->key[i] != b->key[i])
            return a->key[i] < b->key[i] ? -1 : 1;
    }
    return a->birth == b->birth ? 0 : a->birth > b->birth ? -1 : 1;
}

uint32_t order_model_near(const order_model *model, const model_row *from, bool at, ki_side side,
                          uint64_t lsn, const void *prefix, size_t prefix_len)
{
    uint32_t nearest = KI_NO_ROW;
    for (uint32_t row = 0; row < model->rows; row++) {
        const model_row *here = &model->row[row];
        if (!is_visible(here, lsn) || here->key_len < prefix_len ||
            memcmp(here->key, prefix, prefix_len) != 0)
            continue;
        int order = from ? order_model_compare(model, here, from) : side == KI_RIGHT ? 1 : -1;
        if (order == 0 ? !at : (order > 0) != (side == KI_RIGHT))
            continue;
        if (nearest == KI_NO_ROW ||
            (order_model_compare(model, here, &model->row[nearest]) < 0) == (side == KI_RIGHT))
            nearest = row;
    }
    return nearest;
}
