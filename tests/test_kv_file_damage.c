/* Property: any one byte of a store's file may be changed, and the store still opens with the state
 * it had, or says that it is damaged; it never opens with another. The one exception is the last
 * commit before power went: nothing that was written after it can vouch for it, so its records may
 * pass for ones that never reached the disk.
 */
#include "tests/check.h"
#include "tests/store_oracle.h"
#include "kv/format.h"

#include <string.h>

static sim start, disk;
static oracle base, o;
static uint64_t opened, refused, found_by_check;

/* A store that was closed, or one that lost power with a log of several commits. */
static void prepare(uint32_t variant, bool closed)
{
    ki_store_config config = oracle_config(variant);
    sim_open(&start, 11);
    config.log_bytes = 16384;
    oracle_begin(&base, &start, &config, check_seed() * 5 + variant);
    assert_true(oracle_open(&base));
    for (uint32_t i = 0; i < 12; i++) {
        assert_true(oracle_commit(&base, 1 + i % 4));
        if (i == 5)
            assert_int_equal(ki_store_checkpoint(base.store), KITH_OK);
    }
    base.floor = base.current - !closed;
    if (!closed) {
        assert_int_equal(ki_store_sync(base.store), KITH_OK);
        start.dead = true;
    }
    oracle_close(&base);
    sim_cut(&start);
}

static void flip(uint64_t at, unsigned char mask)
{
    int file = sim_find(&start, base.path);
    sim_again(&disk, 12);
    sim_copy(&start, &disk);
    disk.file[file].now[at] ^= mask;
    disk.file[file].firm[at] ^= mask;
    o = base;
    o.disk = &disk;
    o.config.vfs = &disk.vfs;
    disk.fault_at = UINT64_MAX; /* a refusal is an answer */
    if (!oracle_open(&o)) {
        refused++;
        return;
    }
    opened++;
    kith_status status = ki_store_check(o.store, true, NULL, NULL);
    bool right = oracle_check(&o);
    found_by_check += status != KITH_OK;
    if (!right && !status)
        fail_msg("byte %llu changed by %02x: %s, and a full check finds nothing",
                 (unsigned long long)at, mask, o.fault);
    oracle_close(&o);
}

/* Liveness, records and log, whose zeros say something too. */
static bool is_told(const ki_head *head, uint64_t at)
{
    for (uint32_t i = 0; i < head->extent_count; i++) {
        const ki_extent *e = &head->extents[i];
        const uint64_t first = (uint64_t)e->first * head->unit_bytes;
        if (at >= first && at - first < (uint64_t)e->units * head->unit_bytes)
            return e->kind == KI_LIVE_A || e->kind == KI_LIVE_B || e->kind == KI_RECS ||
                   e->kind == KI_LOG;
    }
    return false;
}

/* Every byte that is not zero. Of the zeros: those of the heads, which are long and under one
 * checksum, a quarter for each of the four variants, so that each has its turn; those that tell
 * something, in a store of either kind; of the others, where nothing lies, some. */
static bool is_flipped(const ki_head *head, const unsigned char *file, uint64_t at,
                       uint32_t variant)
{
    if (file[at])
        return true;
    if (at < KI_HEADS_BYTES)
        return at % 4 == variant;
    return (variant < 2 && is_told(head, at)) || at % 61 == 0;
}

/* The newer of the two. */
static ki_head head_of(const unsigned char *file)
{
    ki_head head[2];
    memcpy(head, file, sizeof head);
    return head[head[1].generation > head[0].generation];
}

static void flip_all(uint32_t variant, bool closed)
{
    uint64_t random = check_seed() + variant;
    prepare(variant, closed);
    const sim_file *f = &start.file[sim_find(&start, base.path)];
    const ki_head head = head_of(f->firm);
    for (uint64_t at = 0; at < f->firm_bytes; at++)
        if (is_flipped(&head, f->firm, at, variant))
            flip(at, (unsigned char)(1u << check_below(&random, 8)));
    sim_close(&start);
}

static void every_byte_may_be_damaged(void **state)
{
    (void)state;
    for (uint32_t variant = 0; variant < 4; variant++)
        flip_all(variant, variant % 2);
    sim_close(&disk);
    printf("%llu opened all the same, %llu refused, %llu found by the check\n",
           (unsigned long long)opened, (unsigned long long)refused,
           (unsigned long long)found_by_check);
    assert_true(opened + refused > KI_HEADS_BYTES && refused > 1000 && found_by_check > 100);
}

/* Heads that are right by their checksum and wrong in what they say. */
static void impossible_heads_are_refused(void **state)
{
    static const struct {
        size_t at, bytes;
        uint64_t value;
        kith_status want;
    } lies[] = {
        {offsetof(ki_head, endian), 4, 0x04030201, KITH_EUNSUPPORTED},
        {offsetof(ki_head, major), 2, KI_MAJOR + 1, KITH_EUNSUPPORTED},
        {offsetof(ki_head, incompat), 8, 1, KITH_EUNSUPPORTED},
        {offsetof(ki_head, ro_compat), 8, 1, KITH_EUNSUPPORTED},
        {offsetof(ki_head, row_bytes), 4, 0, KITH_ECORRUPT},
        {offsetof(ki_head, row_bytes), 4, UINT32_MAX, KITH_ECORRUPT},
        {offsetof(ki_head, stride), 4, 100, KITH_ECORRUPT},
        {offsetof(ki_head, keys), 4, 7, KITH_ECORRUPT},
        {offsetof(ki_head, unit_bytes), 4, 0, KITH_ECORRUPT},
        {offsetof(ki_head, unit_bytes), 4, 3u << 30, KITH_ECORRUPT},
        {offsetof(ki_head, rows), 4, UINT32_MAX, KITH_ECORRUPT},
        {offsetof(ki_head, rows), 4, 1u << 20, KITH_ECORRUPT},
        {offsetof(ki_head, live), 4, UINT32_MAX, KITH_ECORRUPT},
        {offsetof(ki_head, live_side), 4, 2, KITH_ECORRUPT},
        {offsetof(ki_head, heap_used), 8, UINT64_MAX - 7, KITH_ECORRUPT},
        {offsetof(ki_head, checkpoint_lsn), 8, UINT64_MAX, KITH_ECORRUPT},
        {offsetof(ki_head, extent_count), 4, UINT32_MAX, KITH_ECORRUPT},
        {offsetof(ki_head, extents), 4, 99, KITH_ECORRUPT},
        {offsetof(ki_head, extents) + 4, 4, 0, KITH_ECORRUPT},
        {offsetof(ki_head, extents) + 8, 4, UINT32_MAX, KITH_ECORRUPT},
    };
    (void)state;
    prepare(1, true);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        sim_close(&disk);
        sim_open(&disk, 12);
        sim_copy(&start, &disk);
        sim_file *f = &disk.file[sim_find(&disk, base.path)];
        for (unsigned side = 0; side < 2; side++) {
            ki_head head;
            memcpy(&head, f->now + side * KI_HEAD_BYTES, sizeof head);
            memcpy((unsigned char *)&head + lies[i].at, &lies[i].value, lies[i].bytes);
            head.sum = ki_head_sum(&head);
            memcpy(f->now + side * KI_HEAD_BYTES, &head, sizeof head);
        }
        ki_store_config config = base.config;
        ki_store *store = NULL;
        config.vfs = &disk.vfs;
        config.any_shape = true;
        kith_status status = ki_store_open(base.path, &config, &store);
        if (status != lies[i].want || store)
            fail_msg("lie %zu: status %d, %s", i, (int)status, kith_last_error());
    }
    sim_close(&disk);
    sim_close(&start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_may_be_damaged),
        cmocka_unit_test(impossible_heads_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
