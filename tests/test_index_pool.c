/* Property: the pool of a walk is a bounded sorted list: after any sequence of offers, takes and
 * drops it holds what a naive sorted array holds, its cursor stands at the nearest entry that is
 * not expanded, and the visited set answers "first time in this walk" as a plain array of flags
 * does, through growth and through the return of its epoch numbers after 65,535 walks.
 */
#include "index/pool.h"
#include "index/visited.h"
#include "tests/check.h"

#include <stdbool.h>

enum { MOST = 70, IDS = 4096 };

typedef struct model {
    uint64_t entry[MOST + 1]; /* without the flag */
    bool expanded[MOST + 1];
    uint32_t size, capacity;
} model;

/* Appends, lets it sink to its place, and cuts the end off. */
static bool model_offer(model *m, uint64_t entry)
{
    uint32_t i = m->size++;
    m->entry[i] = entry;
    m->expanded[i] = false;
    for (; i && m->entry[i - 1] > entry; i--) {
        m->entry[i] = m->entry[i - 1];
        m->expanded[i] = m->expanded[i - 1];
        m->entry[i - 1] = entry;
        m->expanded[i - 1] = false;
    }
    if (m->size > m->capacity)
        m->size--;
    return i < m->capacity;
}

static uint32_t model_cursor(const model *m)
{
    uint32_t i = 0;
    while (i < m->size && m->expanded[i])
        i++;
    return i;
}

static void compare(const ki_pool *pool, const model *m)
{
    assert_int_equal(pool->size, m->size);
    assert_int_equal(pool->cursor, model_cursor(m));
    for (uint32_t i = 0; i < m->size; i++) {
        assert_true((pool->entry[i] & ~KI_POOL_EXPANDED) == m->entry[i]);
        assert_int_equal(pool->entry[i] & KI_POOL_EXPANDED, m->expanded[i]);
    }
    uint32_t bound = m->size < m->capacity ? UINT32_MAX : (uint32_t)(m->entry[m->size - 1] >> 32);
    assert_int_equal(ki_pool_bound(pool), bound);
}

/* `keys` distinct distances: few make many ties. Ids are distinct, as in a walk. */
static void run_pool(uint32_t capacity, uint32_t keys, uint64_t *random)
{
    uint64_t entry[MOST];
    ki_pool pool = {.entry = entry, .capacity = capacity};
    model m = {.capacity = capacity};
    bool used[IDS] = {false};
    ki_pool_clear(&pool);
    for (int step = 0; step < 1000; step++) {
        uint32_t cursor = model_cursor(&m), choice = check_below(random, 12);
        if (choice == 0 && m.size) {
            ki_pool_drop_last(&pool);
            m.size--;
        } else if (choice < 4 && cursor < m.size) {
            assert_int_equal(ki_pool_take(&pool), (uint32_t)m.entry[cursor] >> 1);
            m.expanded[cursor] = true;
        } else {
            uint32_t id = check_below(random, IDS), key = check_below(random, keys);
            if (used[id])
                continue;
            used[id] = true;
            key = key == keys - 1 ? UINT32_MAX : key; /* a NaN among them */
            uint64_t offered = ki_pool_entry(key, id | (id & 1 ? UINT32_C(1) << 30 : 0));
            bool in = model_offer(&m, offered);
            uint32_t place = ki_pool_offer(&pool, offered);
            assert_int_equal(place < capacity, in);
            if (in)
                assert_true(pool.entry[place] == offered);
        }
        compare(&pool, &m);
    }
}

static void pool_is_a_sorted_list(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (uint32_t capacity = 1; capacity <= MOST; capacity += capacity < 9 ? 1 : 10)
        for (uint32_t keys = 1; keys <= 1000; keys *= 10)
            run_pool(capacity, keys, &random);
}

static void entry_gives_its_parts_back(void **state)
{
    (void)state;
    const uint32_t keys[] = {0, 1, UINT32_MAX}, ids[] = {0, 1, UINT32_MAX >> 1};
    for (int i = 0; i < 9; i++) {
        uint64_t entry = ki_pool_entry(keys[i / 3], ids[i % 3]);
        assert_int_equal(ki_pool_key(entry | KI_POOL_EXPANDED), keys[i / 3]);
        assert_int_equal(ki_pool_id(entry | KI_POOL_EXPANDED), ids[i % 3]);
    }
}

/* One walk of some marks against flags. */
static void walk_once(ki_visited *visited, uint32_t ids, uint32_t marks, uint64_t *random)
{
    static bool seen[1 << 20];
    memset(seen, 0, ids);
    ki_visited_begin(visited);
    for (uint32_t i = 0; i < marks; i++) {
        uint32_t id = check_below(random, ids);
        assert_int_equal(ki_visited_mark(visited, id), !seen[id]);
        seen[id] = true;
    }
}

static void visited_survives_its_epochs(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    ki_visited visited;
    assert_int_equal(ki_visited_open(&visited), KITH_OK);
    assert_int_equal(ki_visited_grow(&visited, 100), KITH_OK);
    for (int walk = 0; walk < 2 * 65535 + 10; walk++)
        walk_once(&visited, 100, 8, &random);
    ki_visited_close(&visited);
}

/* A mark of the first walk must not be taken for one of the walk that gets its epoch again. */
static void visited_forgets_after_a_round(void **state)
{
    (void)state;
    ki_visited visited;
    assert_int_equal(ki_visited_open(&visited), KITH_OK);
    assert_int_equal(ki_visited_grow(&visited, 64), KITH_OK);
    for (int walk = 0; walk < 3 * 65535; walk++) {
        ki_visited_begin(&visited);
        if (walk % 65535 == 0 || walk % 65536 == 0) {
            assert_int_equal(ki_visited_mark(&visited, 17), 1);
            assert_int_equal(ki_visited_mark(&visited, 17), 0);
        }
    }
    ki_visited_close(&visited);
}

static void visited_grows(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    ki_visited visited;
    assert_int_equal(ki_visited_open(&visited), KITH_OK);
    for (uint32_t ids = 1; ids <= 1 << 20; ids *= 4) {
        assert_int_equal(ki_visited_grow(&visited, ids), KITH_OK);
        for (int walk = 0; walk < 20; walk++)
            walk_once(&visited, ids, 2000, &random);
    }
    ki_visited_close(&visited);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_is_a_sorted_list),
        cmocka_unit_test(entry_gives_its_parts_back),
        cmocka_unit_test(visited_survives_its_epochs),
        cmocka_unit_test(visited_forgets_after_a_round),
        cmocka_unit_test(visited_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
