/* Property: names of types, metrics and instruction sets read back as what they name; unknown ones
 * are refused with the name in the sentence; KITH_CPU caps the ladder of every call and a wrong
 * KITH_CPU is refused, not ignored; the list of devices begins with the host.
 */
#include "tests/index_data.h"

#include <string.h>

static void types_and_metrics(void **state)
{
    (void)state;
    for (int i = KITH_F32; i <= KITH_B1; i++) {
        kith_type type = (kith_type)99;
        must(kith_type_parse(kith_type_name((kith_type)i), &type));
        assert_int_equal(type, i);
    }
    for (int i = KITH_L2SQ; i <= KITH_JACCARD; i++) {
        kith_metric metric = (kith_metric)99;
        must(kith_metric_parse(kith_metric_name((kith_metric)i), &metric));
        assert_int_equal(metric, i);
    }
    kith_type type = KITH_U8;
    kith_metric metric = KITH_IP;
    must_fail(kith_type_parse("F32", &type), KITH_EINVAL, "F32");
    must_fail(kith_metric_parse("", &metric), KITH_EINVAL, "''");
    assert_true(type == KITH_U8 && metric == KITH_IP);
    assert_null(kith_type_name((kith_type)6));
    assert_null(kith_type_name((kith_type)-1));
    assert_null(kith_metric_name((kith_metric)5));
    assert_int_equal(kith_vector_bytes(KITH_F32, 3), 12);
    assert_int_equal(kith_vector_bytes(KITH_U8, 3), 3);
    assert_int_equal(kith_vector_bytes((kith_type)7, 3), 0);
}

/* Each level is taken by an index; KITH_CPU set to it makes it the last. */
static void ladder(void **state)
{
    (void)state;
    char *before = getenv("KITH_CPU"), name[16];
    char *saved = before ? strdup(before) : NULL;
    size_t levels = 0;
    assert_string_equal(kith_cpu_level(0), "scalar");
    while (kith_cpu_level(levels))
        levels++;
    for (size_t i = levels; i-- > 0;) {
        snprintf(name, sizeof name, "%s", kith_cpu_level(i));
        setenv("KITH_CPU", name, 1);
        size_t last = 0; /* a level need not contain all of those before it */
        while (kith_cpu_level(last + 1))
            last++;
        assert_string_equal(kith_cpu_level(last), name);
    }
    if (saved)
        setenv("KITH_CPU", saved, 1);
    else
        unsetenv("KITH_CPU");
    free(saved);
}

static void wrong_environment(void **state)
{
    (void)state;
    char *before = getenv("KITH_CPU");
    char *saved = before ? strdup(before) : NULL;
    float row[2] = {1, 2};
    uint32_t found = 77;
    matrix rows = {.type = KITH_F32, .dim = 2, .n = 1, .bytes = (unsigned char *)row};
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index *index = NULL;
    kith_devices *devices = NULL;
    setenv("KITH_CPU", "nonsense", 1);
    must_fail(kith_index_create(store, NULL, &index), KITH_EINVAL, "nonsense");
    must_fail(kith_devices_open(&devices), KITH_EINVAL, "nonsense");
    must_fail(kith_exact(KITH_L2SQ, KITH_F32, 2, row, 1, row, 1, 1, 1, &found, NULL, NULL, NULL),
              KITH_EINVAL, "nonsense");
    assert_null(kith_cpu_level(0));
    assert_true(!index && !devices && found == 77);
    setenv("KITH_CPU", "", 1); /* empty counts as absent */
    must(kith_index_create(store, NULL, &index));
    kith_index_close(index);
    if (saved)
        setenv("KITH_CPU", saved, 1);
    else
        unsetenv("KITH_CPU");
    free(saved);
    kith_store_close(store);
}

static void devices(void **state)
{
    (void)state;
    kith_devices *list = NULL;
    kith_device_info info = {.size = sizeof info}, before;
    must(kith_devices_open(&list));
    assert_true(kith_devices_count(list) >= 1 && kith_devices_note(list));
    must(kith_devices_get(list, 0, &info));
    assert_string_equal(info.id, "cpu");
    assert_true(info.usable == 1 && info.memory_bytes > 0 && info.compute_units >= 1);
    assert_non_null(memchr(info.name, 0, sizeof info.name));
    before = info;
    must_fail(kith_devices_get(list, kith_devices_count(list), &info), KITH_ENODEVICE, "device");
    assert_memory_equal(&info, &before, sizeof info);
    info.size = 0;
    must_fail(kith_devices_get(list, 0, &info), KITH_EINVAL, "size");
    kith_devices_close(list);
    kith_devices_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_metrics),
        cmocka_unit_test(ladder),
        cmocka_unit_test(wrong_environment),
        cmocka_unit_test(devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
