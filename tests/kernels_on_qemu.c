/* kernels_on_qemu.c - the kernel checks as a program without a test framework.
 *
 *     kernels_on_qemu LEVEL [brief]
 *
 * May include kernels/ headers and the C library. LEVEL is the highest level that the emulated
 * processor has, so that detection is tested too. Fewer dimensions and rows than the native tests
 * take, because each instruction is emulated; the same checks. Prints one line and exits with 0,
 * or the sentence of the first failure and exits with 1.
 */
#include "tests/kernel_cases.h"
#include <string.h>

enum { ROWS = 23, QUERIES = 9 };

static size_t dim_step = 1; /* brief: every fifth dimension, for a processor like one before */

static const uint32_t dims[] = {1,  2,  3,  4,  5,  7,  8,  9,  15,  16,  17,  19,  23, 31,
                                32, 33, 47, 48, 63, 64, 65, 97, 100, 128, 130, 270, 784};

static const char *check_set(const kc_slot *slots, size_t count, kc_set *set, uint64_t *random)
{
    kc_truth truths[ROWS];
    const char *why = NULL;
    const size_t n = check_below(random, 20);
    for (uint32_t r = 0; r < ROWS; r++)
        truths[r] = kc_true_distance(slots->metric, set, 0, r);
    for (size_t i = 0; i < count && !why; i++) {
        why = kc_check_truth(&slots[i], set, truths, n, random);
        if (!why)
            why = kc_check_shapes(&slots[i], set, check_below(random, 64), random);
        if (!why)
            why = kc_check_tile(&slots[i], set, 1 + check_below(random, QUERIES), (uint32_t)n,
                                check_below(random, 64), random);
    }
    if (!why && kc_exact(set->pairing))
        why = kc_check_same_keys(slots, count, set);
    if (!why && set->fill == 0)
        why = kc_check_fence(slots, count, set, n, random);
    return why;
}

static const char *check_rules(const kc_slot *slots, size_t count, uint64_t *random)
{
    const char *why = NULL;
    for (size_t i = 0; i < count && !why; i++) {
        why = kc_check_rules(&slots[i], 3, false, random);
        if (!why)
            why = kc_check_rules(&slots[i], 33, kc_takes_f32(slots[i].pairing), random);
    }
    return why;
}

/* Every kernel of one metric and pairing: all dimensions, the fills in turn. */
static const char *check_slots(kith_metric metric, ki_pairing pairing, uint64_t *random)
{
    const kc_slot *slots;
    const size_t count = kc_variants(metric, pairing, &slots);
    const char *why = NULL;
    for (size_t i = 0; i < 2 * sizeof dims / sizeof *dims && count && !why; i += dim_step) {
        const bool from_f32 = kc_takes_f32(pairing) && check_below(random, 2);
        const int fill = i % 2 ? (int)(i / 2) % kc_fills(pairing) : 0;
        kc_set set;
        kc_open_queries(&set, pairing, from_f32, dims[i / 2], ROWS, QUERIES, fill,
                        check_random(random));
        why = check_set(slots, count, &set, random);
        kc_close(&set);
    }
    return why ? why : check_rules(slots, count, random);
}

/* Every kernel must come from neon, those of bytes and codes from dotprod where that is there. */
static const char *check_provenance(uint64_t features)
{
    ki_kernels table;
    ki_kernels_fill(features, &table);
    const ki_isa halves = features & KI_BIT(KI_ISA_ARMBF16) ? KI_ISA_ARMBF16 : KI_ISA_NEON;
    const ki_isa bytes = features & KI_BIT(KI_ISA_DOTPROD) ? KI_ISA_DOTPROD : KI_ISA_NEON;
    for (int metric = 0; metric < KI_METRIC_COUNT; metric++)
        for (int pairing = 0; pairing < KI_PAIRING_COUNT; pairing++) {
            const bool byte =
                pairing == KI_U8 || pairing == KI_I8 || pairing == KI_Q4 || pairing == KI_Q1;
            const ki_kernel *kernel = &table.at[metric][pairing];
            if (!ki_kernel_exists((kith_metric)metric, (ki_pairing)pairing))
                continue;
            /* SVE takes f32 where its registers are longer than those of NEON. */
            ki_isa wanted = byte ? bytes : pairing == KI_BF16BF16 ? halves : KI_ISA_NEON;
            if (pairing == KI_F32 && kernel->from[KI_GATHER] == KI_ISA_SVE)
                wanted = features & KI_BIT(KI_ISA_SVE) ? KI_ISA_SVE : wanted;
            if (kernel->from[KI_GATHER] != wanted ||
                kernel->from[KI_TILE] != kernel->from[KI_GATHER])
                return "a kernel is filled by another level than it should be";
        }
    return kc_missing();
}

int main(int argc, char **argv)
{
    ki_isa levels[KC_MOST_LEVELS];
    uint64_t random = check_seed();
    const size_t n = kc_levels(levels);
    const char *highest = ki_isa_name(n ? levels[n - 1] : KI_ISA_SCALAR);
    dim_step = argc == 3 && !strcmp(argv[2], "brief") ? 5 : 1;
    if (argc < 2 || strcmp(highest, argv[1])) {
        printf("the highest level found is %s, not %s\n", highest,
               argc > 1 ? argv[1] : "(no argument)");
        return 1;
    }
    const char *why = check_provenance(ki_cpu_features());
    for (int slots = 0; slots < KI_METRIC_COUNT * KI_PAIRING_COUNT && !why; slots++)
        why = check_slots((kith_metric)(slots / KI_PAIRING_COUNT),
                          (ki_pairing)(slots % KI_PAIRING_COUNT), &random);
    if (why) {
        printf("%s\n", why);
        return 1;
    }
    printf("%zu levels up to %s: all kernels right\n", n + 1, highest);
    return 0;
}
