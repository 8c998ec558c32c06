/* test_cli_kernels.c - `kith kernels` names what fills every slot, in every build, and measures it
 * against limits where the benchmark program lies beside the tool. No time is judged here.
 */
#include "tests/cli_run.h"

#include "kith.h"
#include <jansson.h>

static json_t *json_of(struct run run)
{
    assert_int_equal(run.code, 0);
    json_t *const json = json_loads(run.out, 0, NULL);
    assert_non_null(json);
    run_free(&run);
    return json;
}

static void names_are_those_of_the_library(void **state)
{
    json_t *const json = json_of(run_tool("$kith kernels --names --json"));
    const json_t *const kernels = json_object_get(json, "kernels");
    size_t i = 0;
    kith_kernel_info info = {.size = sizeof info};
    (void)state;
    for (; kith_kernel_list(NULL, i, &info) == KITH_OK; i++) {
        const json_t *const kernel = json_array_get(kernels, i);
        assert_string_equal(json_string_value(json_object_get(kernel, "metric")), info.metric);
        assert_string_equal(json_string_value(json_object_get(kernel, "pairing")), info.pairing);
        assert_string_equal(json_string_value(json_object_get(kernel, "gather")), info.gather);
        assert_string_equal(json_string_value(json_object_get(kernel, "tile")), info.tile);
    }
    assert_true(i > 20);
    assert_int_equal(json_array_size(kernels), i);
    json_decref(json);
}

static void a_cap_is_seen_in_the_names(void **state)
{
    json_t *const json = json_of(run_tool("$kith kernels --names --json --isa scalar"));
    size_t i;
    json_t *kernel;
    (void)state;
    json_array_foreach(json_object_get(json, "kernels"), i, kernel)
        assert_string_equal(json_string_value(json_object_get(kernel, "gather")), "scalar");
    json_decref(json);
}

static void choices_narrow_the_table(void **state)
{
    json_t *const json = json_of(run_tool("$kith kernels --names --json -t b1"));
    (void)state;
    assert_int_equal(json_array_size(json_object_get(json, "kernels")), 2);
    json_decref(json);
    expect_words(run_tool("$kith kernels --names -t u8 -m ip"), "u8");
}

static void what_does_not_exist_is_refused(void **state)
{
    static const struct {
        const char *typed, *words;
    } wrong[] = {
        {"--names -t f32 -m hamming", "no kernel has metric hamming and rows f32"},
        {"--names -t complex", "no kernel has metric any and rows complex"},
        {"--isa mmx", "mmx"},
        {"--dim 100", "one of 128|768|1536"},
        {"--set L4", "one of L1|L2|L3|DRAM"},
        {"--program /nowhere --repetitions 0", "from 1 to 99"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct run run = run_tool("$kith kernels %s", wrong[i].typed);
        assert_int_equal(run.code, 2);
        assert_non_null(strstr(run.err, wrong[i].words));
        run_free(&run);
    }
}

/* Without the program the names are printed and a line says why there is no more. */
static void without_the_program_there_are_names(void **state)
{
    struct run run = run_tool("$kith kernels -t u8 --program /nowhere");
    (void)state;
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.err, "names only"));
    assert_non_null(strstr(run.out, "cosine"));
    run_free(&run);
}

static void measurements_have_limits(void **state)
{
    (void)state;
    struct run run = run_tool("$kith kernels -t f32 -m ip --shape gather --set L1 --dim 128 "
                              "--time 0.0005 --repetitions 2 --json");
    if (strstr(run.err, "names only")) {
        run_free(&run);
        skip();
    }
    json_t *const json = json_of(run);
    const json_t *const slots = json_object_get(json, "slots");
    const json_t *const slot = json_array_get(slots, 0);
    assert_int_equal(json_array_size(slots), 1);
    assert_true(json_number_value(json_object_get(slot, "ns")) > 0);
    assert_true(json_number_value(json_object_get(slot, "gb_per_s")) > 0);
    assert_string_equal(json_string_value(json_object_get(slot, "shape")), "gather");
    assert_true(json_number_value(json_object_get(json_object_get(json, "peaks"), "read/L1")) > 0);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_the_library),
        cmocka_unit_test(a_cap_is_seen_in_the_names),
        cmocka_unit_test(choices_narrow_the_table),
        cmocka_unit_test(what_does_not_exist_is_refused),
        cmocka_unit_test(without_the_program_there_are_names),
        cmocka_unit_test(measurements_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
