/* kernels_on_qemu.c - the kernel checks as a program without a test framework.
 *
 *     kernels_on_qemu LEVEL
 *
 * May include kernels/ headers and the C library. LEVEL is the highest level that the emulated
 * processor has, so that detection is tested too. Fewer dimensions and rows than the native tests
 * take, because each instruction is emulated; the same checks. Prints one line and exits with 0,
 * or the sentence of the first failure and exits with 1.
 */
#include "tests/kernel_cases.h"
#include <string.h>

enum { ROWS = 41 };

static const uint32_t dims[] = {1,  2,  3,  4,  5,  7,  8,  9,  15, 16,  17,  19,  23,
                                31, 32, 33, 47, 48, 63, 64, 65, 97, 100, 128, 130, 784};

static const char *check_fill(const kc_slot *slot, uint32_t dim, int fill, uint64_t *random)
{
    kc_truth truths[ROWS];
    kc_set set;
    kc_open(&set, slot->type, dim, ROWS, fill, check_random(random));
    for (uint32_t r = 0; r < ROWS; r++)
        truths[r] = kc_true_distance(slot->metric, slot->type, set.query,
                                     set.rows + r * set.row_bytes, dim);
    size_t n = check_below(random, 24);
    const char *why = kc_check_truth(slot, &set, truths, n, random);
    if (!why)
        why = kc_check_shapes(slot, &set, check_below(random, 64), random);
    if (!why && fill == 0)
        why = kc_check_fence(slot, &set, n, random);
    kc_close(&set);
    return why;
}

static const char *check_slot(const kc_slot *slot, uint64_t *random)
{
    const char *why = NULL;
    for (size_t i = 0; i < sizeof dims / sizeof *dims && !why; i++)
        for (int fill = 0; fill < kc_fills(slot->type) && !why; fill++)
            why = check_fill(slot, dims[i], fill, random);
    if (!why)
        why = kc_check_rules(slot, 3, random);
    return why ? why : kc_check_rules(slot, 33, random);
}

/* The widest slots must come from where they should: u8 from the top level, f32 from neon. */
static const char *check_provenance(const kc_slot *slot)
{
    ki_isa from = slot->kernel->from[KI_GATHER];
    bool dotprod = !strcmp(slot->level, "dotprod") && slot->type == KITH_F32;
    const char *wanted = dotprod ? "neon" : slot->level;
    if (strcmp(ki_isa_name(from), wanted))
        return kc_say(slot, NULL, "gather is filled by %s, not by %s", ki_isa_name(from), wanted);
    return NULL;
}

static const char *check_bytes_agree(const kc_level *levels, size_t n, uint64_t *random)
{
    const char *why = NULL;
    for (size_t i = 0; i < sizeof dims / sizeof *dims && !why; i++) {
        kc_set set;
        kc_open(&set, KITH_U8, dims[i], ROWS, KC_BYTES, check_random(random));
        why = kc_check_levels_agree(levels, n, &set);
        kc_close(&set);
    }
    return why;
}

int main(int argc, char **argv)
{
    kc_level levels[KI_ISA_COUNT];
    uint64_t random = check_seed();
    size_t n = kc_levels(levels);
    if (argc != 2 || strcmp(levels[n - 1].name, argv[1])) {
        printf("the highest level found is %s, not %s\n", levels[n - 1].name,
               argc > 1 ? argv[1] : "(no argument)");
        return 1;
    }
    const char *why = check_bytes_agree(levels, n, &random);
    for (size_t l = 0; l < n; l++)
        for (int slots = 0; slots < KI_METRIC_COUNT * KI_TYPE_COUNT && !why; slots++) {
            kc_slot slot = kc_slot_of(&levels[l], (kith_metric)(slots / KI_TYPE_COUNT),
                                      (kith_type)(slots % KI_TYPE_COUNT));
            why = check_provenance(&slot);
            if (!why)
                why = check_slot(&slot, &random);
        }
    if (why) {
        printf("%s\n", why);
        return 1;
    }
    printf("%zu levels up to %s: all kernels right\n", n, levels[n - 1].name);
    return 0;
}
