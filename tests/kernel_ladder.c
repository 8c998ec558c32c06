/* kernel_ladder.c - every kernel that some set of levels makes, and the sentence of a failure.
 *
 * May include kernels/ headers and the C library. A table is made for every set of the levels that
 * the machine has, not only for those that a cap can make: a matrix tile must read the layout of
 * whichever file prepared the query, and a level that leans on another one shows itself. Tables
 * repeat each other, so of each metric and pairing only the kernels that differ in a function are
 * kept.
 */
#include "tests/kernel_cases.h"
#include "kernels/keys.h"
#include <stdarg.h>
#include <string.h>

enum { NAME_BYTES = 96 };

typedef struct variants {
    size_t count;
    kc_slot slots[KC_MOST_VARIANTS];
    ki_kernel kernels[KC_MOST_VARIANTS];
    char names[KC_MOST_VARIANTS][NAME_BYTES];
} variants;

static variants all[KI_METRIC_COUNT][KI_PAIRING_COUNT];
static char missing[600];
static const char *const slot_names[KI_SLOT_COUNT] = {"prepare", "prepare_f32", "pair", "gather",
                                                      "range",   "pack",        "tile"};

size_t kc_levels(ki_isa levels[KC_MOST_LEVELS])
{
    const uint64_t have = ki_cpu_features();
    size_t n = 0;
    for (int isa = KI_ISA_SCALAR + 1; isa < KI_ISA_COUNT && n < KC_MOST_LEVELS; isa++)
        if (have & KI_BIT(isa))
            levels[n++] = (ki_isa)isa;
    return n;
}

uint64_t kc_features(const ki_isa *levels, size_t n, unsigned chosen)
{
    uint64_t features = 0;
    for (size_t i = 0; i < n; i++)
        if (chosen >> i & 1)
            features |= KI_BIT(levels[i]);
    return features;
}

static void name_set(char *name, const ki_isa *levels, size_t n, unsigned chosen, bool halves)
{
    size_t at = (size_t)snprintf(name, NAME_BYTES, "%s", chosen ? "" : "scalar");
    for (size_t i = 0; i < n && at < NAME_BYTES; i++)
        if (chosen >> i & 1)
            at += (size_t)snprintf(name + at, NAME_BYTES - at, "%s%s", at ? "+" : "",
                                   ki_isa_name(levels[i]));
    if (halves && at < NAME_BYTES)
        snprintf(name + at, NAME_BYTES - at, " preferring 256 bits");
}

static bool same_functions(const ki_kernel *a, const ki_kernel *b)
{
    return a->prepare == b->prepare && a->prepare_f32 == b->prepare_f32 && a->pair == b->pair &&
           a->gather == b->gather && a->range == b->range && a->pack == b->pack &&
           a->tile == b->tile && a->form == b->form;
}

static bool is_there(const ki_kernel *kernel, int slot)
{
    const bool there[KI_SLOT_COUNT] = {kernel->prepare != NULL, kernel->prepare_f32 != NULL,
                                       kernel->pair != NULL,    kernel->gather != NULL,
                                       kernel->range != NULL,   kernel->pack != NULL,
                                       kernel->tile != NULL};
    return there[slot];
}

/* Pack is the kernel's own business; everything else is there or not as the contract says. */
static void note_missing(const kc_slot *slot)
{
    const bool exists = ki_kernel_exists(slot->metric, slot->pairing);
    if (exists && !slot->kernel->pair && strlen(missing) < sizeof missing - 80) {
        const size_t at = strlen(missing);
        snprintf(missing + at, sizeof missing - at, "%s%s %s of %s is empty", at ? "; " : "",
                 kc_metric_name(slot->metric), ki_pairing_name(slot->pairing), slot->level);
        return;
    }
    for (int i = 0; i < KI_SLOT_COUNT; i++) {
        const bool wanted = exists && (i != KI_PREPARE_F32 || kc_takes_f32(slot->pairing));
        const bool there = is_there(slot->kernel, i);
        const size_t at = strlen(missing);
        if (wanted == there || (i == KI_PACK && exists) || at > sizeof missing - 80)
            continue;
        snprintf(missing + at, sizeof missing - at, "%s%s %s %s of %s is %s", at ? "; " : "",
                 kc_metric_name(slot->metric), ki_pairing_name(slot->pairing), slot_names[i],
                 slot->level, wanted ? "empty" : "filled");
    }
}

static void add_variant(variants *to, const kc_slot *found)
{
    for (size_t i = 0; i < to->count; i++)
        if (same_functions(found->kernel, &to->kernels[i]))
            return;
    if (to->count == KC_MOST_VARIANTS) {
        fprintf(stderr, "more than %d kernels of one kind\n", KC_MOST_VARIANTS);
        abort();
    }
    const size_t at = to->count++;
    to->kernels[at] = *found->kernel;
    snprintf(to->names[at], NAME_BYTES, "%s", found->level);
    to->slots[at] = *found;
    to->slots[at].kernel = &to->kernels[at];
    to->slots[at].level = to->names[at];
}

static void add_table(const ki_kernels *table, const char *name)
{
    for (int m = 0; m < KI_METRIC_COUNT; m++)
        for (int p = 0; p < KI_PAIRING_COUNT; p++) {
            const ki_kernel *kernel = &table->at[m][p];
            const kc_slot slot = {kernel, name, (kith_metric)m, (ki_pairing)p};
            const size_t known = all[m][p].count;
            if (kernel->prepare && kernel->pair && kernel->gather && kernel->range &&
                (kernel->prepare_f32 || !kc_takes_f32(slot.pairing)))
                add_variant(&all[m][p], &slot);
            if (all[m][p].count > known || (!kernel->pair && !strcmp(name, "scalar")))
                note_missing(&slot);
        }
}

static void build(void)
{
    ki_isa levels[KC_MOST_LEVELS];
    const size_t n = kc_levels(levels);
    for (size_t size = 0; size <= n; size++)
        for (unsigned chosen = 0; chosen < 1u << n; chosen++) {
            char name[NAME_BYTES];
            ki_kernels table;
            if ((size_t)__builtin_popcount(chosen) != size)
                continue;
            for (int halves = 0; halves < 2; halves++) {
                name_set(name, levels, n, chosen, halves);
                ki_kernels_fill(kc_features(levels, n, chosen) | (halves ? KI_PREFER_256 : 0),
                                &table);
                add_table(&table, name);
            }
        }
}

size_t kc_variants(kith_metric metric, ki_pairing pairing, const kc_slot **found)
{
    static bool built;
    if (!built)
        build();
    built = true;
    *found = all[metric][pairing].slots;
    return all[metric][pairing].count;
}

const char *kc_missing(void)
{
    const kc_slot *any;
    kc_variants(KITH_L2SQ, KI_F32, &any);
    return missing[0] ? missing : NULL;
}

const char *kc_metric_name(kith_metric metric)
{
    static const char *const names[] = {"l2sq", "ip", "cosine", "hamming", "jaccard"};
    return names[metric];
}

const char *kc_say(const kc_slot *slot, const kc_set *set, const char *format, ...)
{
    static const char *const floats[] = {"normal", "lognormal", "near", "one-hot",
                                         "equal",  "large",     "huge", "denormal"};
    static const char *const integers[] = {"any", "zeros", "highest", "lowest", "alternate"};
    static char text[640];
    va_list args;
    int at = snprintf(text, sizeof text, "%s %s at %s", kc_metric_name(slot->metric),
                      ki_pairing_name(slot->pairing), slot->level);
    if (set)
        at += snprintf(text + at, sizeof text - (size_t)at,
                       ", dim %u, %s queries, fill %s, seed %#llx", set->dim,
                       set->from_f32 ? "f32" : "own",
                       (kc_is_float(set->row_kind) ? floats : integers)[set->fill],
                       (unsigned long long)set->seed);
    at += snprintf(text + at, sizeof text - (size_t)at, ": ");
    va_start(args, format);
    vsnprintf(text + at, sizeof text - (size_t)at, format, args);
    va_end(args);
    return text;
}

const ki_query *kc_prepare(const kc_slot *slot, kc_set *set, uint32_t i)
{
    const unsigned char *vector = set->vectors + i * set->query_bytes;
    unsigned char *scratch = set->scratch + i * set->scratch_bytes;
    ki_query *out = &set->prepared[i];
    memset(out, 0xff, sizeof *out);
    if (set->from_f32)
        slot->kernel->prepare_f32(vector, set->dim, scratch, out);
    else if (set->pairing >= KI_Q8)
        slot->kernel->prepare(&set->codes[i], set->dim, scratch, out);
    else
        slot->kernel->prepare(vector, set->dim, scratch, out);
    return out;
}
