/* kernel_truth.c - the levels of the ladder, the comparison with the truth, and its sentence.
 *
 * May include kernels/ headers and the C library. kc_compare is the only judge of keys: the main
 * test and the test that plants broken kernels both go through it, so a judge that has gone blind
 * cannot pass unnoticed.
 */
#include "tests/kernel_cases.h"
#include "kernels/keys.h"
#include <math.h>
#include <stdarg.h>

size_t kc_levels(kc_level levels[KI_ISA_COUNT])
{
    uint64_t have = ki_cpu_features(), mask;
    size_t n = 0;
    for (int isa = KI_ISA_SCALAR; isa < KI_ISA_COUNT; isa++) {
        const char *name = ki_isa_name((ki_isa)isa);
        if (isa != KI_ISA_SCALAR && !(have & KI_BIT(isa)))
            continue;
        if (!ki_cpu_mask(name, &mask)) {
            fprintf(stderr, "ki_cpu_mask does not know the level %s\n", name);
            abort();
        }
        levels[n].name = name;
        ki_kernels_fill(have & mask, &levels[n++].table);
    }
    return n;
}

kc_slot kc_slot_of(const kc_level *level, kith_metric metric, kith_type type)
{
    return (kc_slot){&level->table.at[metric][type], level->name, metric, type};
}

const char *kc_say(const kc_slot *slot, const kc_set *set, const char *format, ...)
{
    static const char *const fills[2][KC_F32_FILLS] = {
        {"normal", "lognormal", "near", "one-hot", "equal", "large", "huge", "denormal"},
        {"bytes", "zeros", "full", "alternate"}};
    static const char *const metrics[] = {"l2sq", "ip", "cosine"};
    static char text[512];
    va_list args;
    int at = snprintf(text, sizeof text, "%s %s at level %s", metrics[slot->metric],
                      slot->type == KITH_F32 ? "f32" : "u8", slot->level);
    if (set)
        at +=
            snprintf(text + at, sizeof text - (size_t)at, ", dim %u, fill %s, seed %#llx", set->dim,
                     fills[set->type == KITH_U8][set->fill], (unsigned long long)set->seed);
    at += snprintf(text + at, sizeof text - (size_t)at, ": ");
    va_start(args, format);
    vsnprintf(text + at, sizeof text - (size_t)at, format, args);
    va_end(args);
    return text;
}

static ki_key_form form_of(kith_metric metric, kith_type type)
{
    if (type == KITH_F32 || metric == KITH_COSINE)
        return KI_KEY_FLOAT;
    return metric == KITH_L2SQ ? KI_KEY_UINT : KI_KEY_INT;
}

static bool key_is_right(ki_key_form form, uint32_t key, kc_truth truth)
{
    double distance = ki_key_distance(form, key);
    if (isinf(truth.bound))
        return true;
    if (form == KI_KEY_FLOAT && key == ki_key_from_float(-0.0f))
        return false; /* a zero must be +0: see keys.h */
    if (truth.bound == 0)
        return distance == truth.distance;
    return fabs(distance - truth.distance) <= truth.bound; /* false for NaN */
}

const char *kc_compare(const kc_slot *slot, const kc_set *set, const kc_truth *truths,
                       const char *shape, const uint32_t *ids, size_t n, const uint32_t *keys)
{
    ki_key_form form = form_of(slot->metric, slot->type);
    if (slot->kernel->form != form)
        return kc_say(slot, NULL, "key form is %d, should be %d", slot->kernel->form, form);
    for (size_t i = 0; i < n; i++)
        if (!key_is_right(form, keys[i], truths[ids[i]]))
            return kc_say(slot, set,
                          "%s of %zu rows, key %zu (row %u) is %#x = %.9g, not %.9g "
                          "+- %.3g",
                          shape, n, i, ids[i], keys[i], ki_key_distance(form, keys[i]),
                          truths[ids[i]].distance, truths[ids[i]].bound);
    return NULL;
}

const char *kc_check_truth(const kc_slot *slot, const kc_set *set, const kc_truth *truths, size_t n,
                           uint64_t *random)
{
    uint32_t ids[KC_MOST_ROWS] = {0}, keys[KC_MOST_ROWS] = {0};
    ki_rows rows = kc_view(set);
    ki_query query;
    const char *why;
    slot->kernel->prepare(set->query, set->dim, set->scratch, &query);

    kc_draw_ids(ids, n, set->count, random);
    slot->kernel->gather(&query, &rows, ids, n, keys);
    if ((why = kc_compare(slot, set, truths, "gather", ids, n, keys)))
        return why;
    for (size_t i = 0; i < n; i++)
        keys[i] = slot->kernel->pair(&query, &rows, ids[i]);
    if ((why = kc_compare(slot, set, truths, "pair", ids, n, keys)))
        return why;

    size_t length = n < set->count ? n : set->count;
    uint32_t first = check_below(random, set->count - (uint32_t)length + 1);
    for (size_t i = 0; i < length; i++)
        ids[i] = first + (uint32_t)i;
    slot->kernel->range(&query, &rows, first, length, keys);
    return kc_compare(slot, set, truths, "range", ids, length, keys);
}

const char *kc_check_levels_agree(const kc_level *levels, size_t n, const kc_set *set)
{
    uint32_t keys[2][KC_MOST_ROWS] = {{0}};
    ki_rows rows = kc_view(set);
    for (int metric = 0; metric < KI_METRIC_COUNT; metric++)
        for (size_t l = 0; l < n; l++) {
            kc_slot slot = kc_slot_of(&levels[l], (kith_metric)metric, set->type);
            uint32_t *here = keys[l > 0];
            ki_query query;
            slot.kernel->prepare(set->query, set->dim, set->scratch, &query);
            slot.kernel->range(&query, &rows, 0, set->count, here);
            for (uint32_t r = 0; r < set->count; r++)
                if (here[r] != keys[0][r])
                    return kc_say(&slot, set, "row %u has key %#x, and %#x at level %s", r, here[r],
                                  keys[0][r], levels[0].name);
        }
    return NULL;
}
