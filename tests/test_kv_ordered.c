/* Property: whatever rows come and go, with several versions of a key and keys that are prefixes
 * of one another, every cursor comes to the row that looking at all of them finds, before and
 * after its own row is removed or used for another key; built at once or row by row, the order is
 * the same.
 */
#include "tests/order_model.h"

enum { ROWS = 120, CURSORS = 6, STEPS = 12000 };

/* Keys of few different bytes, 0xff and 0 among them, of 1 to 4 and sometimes 512. */
static size_t draw_key(uint64_t *random, kith_key_kind kind, unsigned char *key)
{
    static const unsigned char bytes[] = {0, 1, 'a', 0xfe, 0xff, 0xff};
    uint64_t value = check_below(random, 200) * UINT64_C(0x0100000000000001);
    if (kind == KITH_KEYS_U64) {
        memcpy(key, &value, sizeof value);
        return sizeof value;
    }
    size_t len = check_below(random, 40) ? 1 + check_below(random, 4) : KI_ORDERED_KEY_MAX;
    memset(key, 0xff, len);
    for (size_t i = 0; i < len && i < 4; i++)
        key[i] = bytes[check_below(random, sizeof bytes)];
    return len;
}

static bool same_key(const model_row *row, const unsigned char *key, size_t key_len)
{
    return row->key_len == key_len && memcmp(row->key, key, key_len) == 0;
}

/* As a store would: the live row of the key dies, and a new one may be born. Dead rows stay for a
 * while, since someone might look back. */
static void change(order_model *model, uint64_t *random, uint64_t lsn)
{
    unsigned char key[KI_ORDERED_KEY_MAX];
    size_t key_len = draw_key(random, model->kind, key);
    uint32_t row = check_below(random, ROWS);
    for (uint32_t i = 0; i < ROWS; i++)
        if (model->row[i].present && model->row[i].death == UINT64_MAX &&
            same_key(&model->row[i], key, key_len))
            model->row[i].death = lsn;
    if (model->row[row].present)
        order_model_gone(model, row);
    if (check_below(random, 4) > 0)
        order_model_born(model, row, key, key_len, lsn);
}

/* A cursor, and where the model says it stands. */
typedef struct walker {
    ki_cursor cursor;
    model_row at; /* when on a key */
    uint64_t lsn;
    unsigned char prefix[4];
    size_t prefix_len;
} walker;

static void start(walker *w, const order_model *model, uint64_t *random, uint64_t lsn)
{
    unsigned char key[KI_ORDERED_KEY_MAX];
    size_t key_len = draw_key(random, model->kind, key);
    w->lsn = check_below(random, 2) ? UINT64_MAX : lsn - check_below(random, 60);
    w->prefix_len = model->kind == KITH_KEYS_BYTES ? check_below(random, 3) : 0;
    if (w->prefix_len > key_len)
        w->prefix_len = key_len;
    memcpy(w->prefix, key, w->prefix_len);
    ki_cursor_init(&w->cursor, model->ordered, w->lsn, w->prefix, w->prefix_len);
}

static void arrive(walker *w, const order_model *model, uint32_t came, uint32_t should)
{
    assert_int_equal(came, should);
    if (came == KI_NO_ROW)
        return;
    w->at = model->row[came];
    assert_int_equal(w->cursor.key_len, w->at.key_len);
    assert_memory_equal(w->cursor.key, w->at.key, w->at.key_len);
}

static uint32_t near_to(const walker *w, const order_model *model, const model_row *from, bool at,
                        ki_side side)
{
    return order_model_near(model, from, at, side, w->lsn, w->prefix, w->prefix_len);
}

static void seek(walker *w, const order_model *model, uint64_t *random)
{
    model_row from = {.birth = UINT64_MAX};
    from.key_len = draw_key(random, model->kind, from.key);
    uint32_t should = near_to(w, model, &from, true, KI_RIGHT);
    arrive(w, model, ki_cursor_seek(&w->cursor, from.key, from.key_len), should);
}

static void step(walker *w, const order_model *model, ki_side side)
{
    ki_cursor_place off = side == KI_RIGHT ? KI_BEHIND_ALL : KI_BEFORE_ALL;
    const model_row *from = w->cursor.place == KI_ON_KEY ? &w->at : NULL;
    uint32_t should = w->cursor.place == off ? KI_NO_ROW : near_to(w, model, from, false, side);
    uint32_t came = side == KI_RIGHT ? ki_cursor_next(&w->cursor) : ki_cursor_previous(&w->cursor);
    arrive(w, model, came, should);
    assert_int_equal(w->cursor.place, came == KI_NO_ROW ? off : KI_ON_KEY);
}

static void move(walker *w, const order_model *model, uint64_t *random)
{
    switch (check_below(random, 8)) {
    case 0:
        arrive(w, model, ki_cursor_first(&w->cursor), near_to(w, model, NULL, false, KI_RIGHT));
        break;
    case 1:
        arrive(w, model, ki_cursor_last(&w->cursor), near_to(w, model, NULL, false, KI_LEFT));
        break;
    case 2:
    case 3:
        seek(w, model, random);
        break;
    case 4:
    case 5:
        step(w, model, KI_LEFT);
        break;
    default:
        step(w, model, KI_RIGHT);
    }
}

static void check(const order_model *model)
{
    if (ki_ordered_check(model->ordered) != KITH_OK)
        fail_msg("%s", kith_last_error());
}

/* In the middle of walks, and without the row that a cursor stands on. */
static void rebuild(order_model *model, const walker *w)
{
    if (w->cursor.place == KI_ON_KEY)
        model->row[w->cursor.row].present = false;
    assert_int_equal(ki_ordered_build(model->ordered, ROWS), KITH_OK);
}

static void like_looking_at_all(void **state)
{
    static walker walkers[CURSORS];
    uint64_t random = check_seed();
    (void)state;
    for (int kind = KITH_KEYS_U64; kind <= KITH_KEYS_BYTES; kind++) {
        order_model model;
        order_model_open(&model, (kith_key_kind)kind, ROWS);
        for (int i = 0; i < CURSORS; i++)
            start(&walkers[i], &model, &random, 100);
        for (uint64_t lsn = 100; lsn < 100 + STEPS; lsn++) {
            walker *w = &walkers[check_below(&random, CURSORS)];
            if (check_below(&random, 3) == 0)
                change(&model, &random, lsn);
            if (check_below(&random, 50) == 0)
                start(w, &model, &random, lsn);
            move(w, &model, &random);
            if (lsn % 64 == 0)
                check(&model);
            if (lsn % 500 == 0)
                rebuild(&model, w);
        }
        check(&model);
        order_model_close(&model);
    }
}

/* Every present row, from the directory that came to be row by row, and from one built at once. */
static void built_is_the_same(void **state)
{
    enum { MANY = 3000 };
    unsigned char key[KI_ORDERED_KEY_MAX];
    uint64_t random = check_seed();
    (void)state;
    for (int kind = KITH_KEYS_U64; kind <= KITH_KEYS_BYTES; kind++) {
        static uint32_t order[MANY];
        order_model model;
        uint32_t n = 0;
        order_model_open(&model, (kith_key_kind)kind, MANY);
        for (uint32_t row = 0; row < MANY; row += 1 + check_below(&random, 2)) {
            size_t key_len = draw_key(&random, model.kind, key);
            order_model_born(&model, row, key, key_len, MANY - row);
        }
        ki_cursor cursor;
        ki_cursor_init(&cursor, model.ordered, UINT64_MAX, NULL, 0);
        for (uint32_t row; (row = ki_cursor_next(&cursor)) != KI_NO_ROW; n++) {
            order[n] = row;
            if (n > 0)
                assert_true(order_model_compare(&model, &model.row[order[n - 1]], &model.row[row]) <
                            0);
        }
        assert_int_equal(n, ki_ordered_count(model.ordered));
        assert_int_equal(ki_ordered_build(model.ordered, MANY), KITH_OK);
        check(&model);
        assert_int_equal(ki_avl_height(ki_ordered_tree(model.ordered)), 32 - __builtin_clz(n));
        ki_cursor_init(&cursor, model.ordered, UINT64_MAX, NULL, 0);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(ki_cursor_next(&cursor), order[i]);
        assert_int_equal(ki_cursor_next(&cursor), KI_NO_ROW);
        order_model_close(&model);
    }
}

static void nothing_there(void **state)
{
    order_model model;
    ki_cursor cursor;
    (void)state;
    order_model_open(&model, KITH_KEYS_BYTES, 4);
    for (int built = 0; built < 2; built++) {
        check(&model);
        ki_cursor_init(&cursor, model.ordered, UINT64_MAX, "p", (size_t)built);
        assert_int_equal(ki_cursor_next(&cursor), KI_NO_ROW);
        assert_int_equal(ki_cursor_previous(&cursor), KI_NO_ROW);
        assert_int_equal(ki_cursor_seek(&cursor, "x", 1), KI_NO_ROW);
        assert_int_equal(ki_cursor_first(&cursor), KI_NO_ROW);
        assert_int_equal(ki_cursor_last(&cursor), KI_NO_ROW);
        assert_int_equal(ki_ordered_build(model.ordered, 4), KITH_OK);
        assert_int_equal(ki_ordered_count(model.ordered), 0);
    }
    order_model_close(&model);
}

/* A prefix of nothing but 0xff has no successor to seek to. */
static void prefix_of_highest_bytes(void **state)
{
    static unsigned char ff[KI_ORDERED_KEY_MAX];
    order_model model;
    ki_cursor cursor;
    (void)state;
    memset(ff, 0xff, sizeof ff);
    order_model_open(&model, KITH_KEYS_BYTES, 4);
    order_model_born(&model, 0, "\xfe\xff", 2, 1);
    order_model_born(&model, 1, ff, 1, 1);
    order_model_born(&model, 2, ff, sizeof ff, 1);
    for (size_t len = 1; len <= sizeof ff; len += sizeof ff - 1) {
        ki_cursor_init(&cursor, model.ordered, UINT64_MAX, ff, len);
        assert_int_equal(ki_cursor_last(&cursor), 2);
        assert_int_equal(cursor.key_len, sizeof ff);
        assert_int_equal(ki_cursor_next(&cursor), KI_NO_ROW);
        assert_int_equal(ki_cursor_previous(&cursor), 2);
        assert_int_equal(ki_cursor_first(&cursor), len == 1 ? 1 : 2);
    }
    order_model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_looking_at_all),
        cmocka_unit_test(built_is_the_same),
        cmocka_unit_test(nothing_there),
        cmocka_unit_test(prefix_of_highest_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
