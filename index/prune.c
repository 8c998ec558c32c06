/* prune.c - see prune.h. Turned inside out: instead of asking for each candidate whether a kept
 * one shadows it (a pair distance at a time, in an order that depends on the data), each newly
 * kept one is made the query of one gather over all who are still alive, and those it shadows
 * leave. The same links result, and the kernel sees dozens of rows in a call.
 *
 * A slack above 1 keeps more links. They fill what a first round without slack left free: in one
 * round with slack the many near links that it keeps would crowd out the few far ones.
 *
 * On ties the candidate goes (not strictly nearer to the node is enough): of many equal vectors a
 * node keeps one, so equal vectors cannot fill a list and form an island that nothing leaves.
 */
#include "index/prune.h"
#include "kernels/keys.h"

kith_status ki_pruner_open(const ki_pruner_options *options, ki_pruner *out)
{
    size_t query_bytes = ki_query_bytes((ki_pairing)options->type, options->dim);
    size_t places = options->places;
    /* Keys of l2sq, cosine and hamming are squared lengths up to a factor, so the slack is squared;
     * a Jaccard distance is a length itself; inner products have no scale to stretch. */
    float slack = options->alpha * options->alpha;
    if (options->metric == KITH_IP)
        slack = 1;
    else if (options->metric == KITH_JACCARD)
        slack = options->alpha;
    ki_pruner pruner = {.kernel = options->kernel, .places = options->places, .slack = slack};
    pruner.query.dim = options->dim;
    pruner.scratch = ki_alloc_aligned(64, query_bytes);
    pruner.alive = ki_alloc_aligned(64, places * sizeof *pruner.alive);
    pruner.ids = ki_alloc_aligned(64, places * sizeof *pruner.ids);
    pruner.keys = ki_alloc_aligned(64, places * sizeof *pruner.keys);
    if (!pruner.scratch || !pruner.alive || !pruner.ids || !pruner.keys) {
        ki_pruner_close(&pruner);
        return ki_no_memory("pruning", query_bytes + places * 16);
    }
    *out = pruner;
    return KITH_OK;
}

void ki_pruner_close(ki_pruner *pruner)
{
    ki_free(pruner->scratch);
    ki_free(pruner->alive);
    ki_free(pruner->ids);
    ki_free(pruner->keys);
    *pruner = (ki_pruner){0};
}

static bool shadows(const ki_pruner *pruner, float slack, uint32_t between, uint32_t to_node)
{
    if (slack == 1)
        return between <= to_node;
    ki_key_form form = pruner->kernel->form;
    return (double)slack * ki_key_distance(form, between) <= ki_key_distance(form, to_node);
}

/* Lets everyone leave alive[0..n-1] whom `keeper` shadows; returns how many stay, in order. */
static uint32_t drop_shadowed(ki_pruner *pruner, const ki_layer *layer, float slack,
                              uint32_t keeper, uint32_t n)
{
    const ki_rows *rows = &layer->rows;
    const unsigned char *row = rows->base + (size_t)ki_layer_row(layer, keeper) * rows->stride;
    pruner->kernel->prepare(row, rows->dim, pruner->scratch, &pruner->query);
    for (uint32_t i = 0; i < n; i++)
        pruner->ids[i] = ki_layer_row(layer, ki_pool_id(pruner->alive[i]));
    pruner->kernel->gather(&pruner->query, rows, pruner->ids, n, pruner->keys);
    uint32_t stay = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!shadows(pruner, slack, pruner->keys[i], ki_pool_key(pruner->alive[i])))
            pruner->alive[stay++] = pruner->alive[i];
    return stay;
}

static bool is_kept(const uint64_t *kept, uint32_t given, uint64_t candidate)
{
    for (uint32_t i = 0; i < given; i++)
        if (ki_pool_id(kept[i]) == ki_pool_id(candidate))
            return true;
    return false;
}

/* One round with one slack, over the candidates that are not kept already. (One cannot rely on a
 * kept one shadowing himself: a cosine with oneself is 1 but for rounding.) */
static uint32_t prune_round(ki_pruner *pruner, const ki_layer *layer, float slack,
                            const uint64_t *candidates, uint32_t n, uint32_t most, uint64_t *kept,
                            uint32_t given)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!is_kept(kept, given, candidates[i]))
            pruner->alive[alive++] = candidates[i];
    n = alive;
    for (uint32_t i = 0; i < given && n; i++)
        n = drop_shadowed(pruner, layer, slack, ki_pool_id(kept[i]), n);
    while (n && given < most) {
        kept[given++] = pruner->alive[0];
        n--;
        memmove(pruner->alive, pruner->alive + 1, n * sizeof *pruner->alive);
        if (n && given < most)
            n = drop_shadowed(pruner, layer, slack, ki_pool_id(kept[given - 1]), n);
    }
    return given;
}

uint32_t ki_prune(ki_pruner *pruner, const ki_layer *layer, const uint64_t *candidates, uint32_t n,
                  uint32_t most, uint64_t *kept, uint32_t given)
{
    given = prune_round(pruner, layer, 1, candidates, n, most, kept, given);
    if (pruner->slack != 1 && given < most)
        given = prune_round(pruner, layer, pruner->slack, candidates, n, most, kept, given);
    return given;
}
