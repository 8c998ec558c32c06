/* Property: kith_index_check is no formality: whichever invariant of graph.h is broken in a valid
 * graph, it answers KITH_ECORRUPT and names the invariant, without reading outside any array; and
 * when the damage is undone the graph is valid again.
 */
#include "index/objects.h"
#include "tests/index_data.h"

#include <string.h>

enum { N = 500, DEAD = 3 };

typedef struct patient {
    matrix rows;
    kith_store *store;
    kith_index *index;
    ki_graph *graph;
} patient;

/* Rows 0..2 were deleted before the build, so that layer 0 has absent nodes. */
static patient open_patient(void)
{
    uint64_t random = check_seed();
    patient p = {.rows = matrix_clustered(KITH_U8, 10, N, 6, &random)};
    p.store = store_of(&p.rows, KITH_L2SQ);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.m = 8;
    options.threads = 1;
    for (uint64_t key = 0; key < DEAD; key++)
        must(kith_store_del_u64(p.store, key));
    p.index = index_on(p.store, &options);
    must(kith_index_build(p.index, NULL, NULL));
    must(kith_index_check(p.index));
    p.graph = p.index->graph;
    assert_true(p.graph->layers >= 3);
    return p;
}

static void close_patient(patient *p)
{
    must(kith_index_check(p->index));
    kith_index_close(p->index);
    kith_store_close(p->store);
    matrix_free(&p->rows);
}

/* Sets a 32-bit number, looks at the verdict and puts the number back. */
static void damage(const patient *p, uint32_t *number, uint32_t value, const char *verdict)
{
    uint32_t before = *number;
    assert_true(before != value);
    *number = value;
    must_fail(kith_index_check(p->index), KITH_ECORRUPT, verdict);
    *number = before;
    must(kith_index_check(p->index));
}

static void damage_byte(const patient *p, unsigned char *number, unsigned char value,
                        const char *verdict)
{
    unsigned char before = *number;
    assert_true(before != value);
    *number = value;
    must_fail(kith_index_check(p->index), KITH_ECORRUPT, verdict);
    *number = before;
    must(kith_index_check(p->index));
}

static kith_index_stats stats_of(const kith_index *index)
{
    kith_index_stats stats = {.size = sizeof stats};
    must(kith_index_stat(index, &stats));
    return stats;
}

/* A node of layer l with at least one link that is no tree link, and two free slots. */
static uint32_t node_with_links(const patient *p, uint32_t l)
{
    const ki_layer *layer = &p->graph->layer[l];
    for (uint32_t id = layer->count; id-- > 0;) {
        uint32_t count = ki_link_count(layer, id);
        if (layer->kept[id] && count > layer->kept[id] && count + 1 < layer->degree)
            return id;
    }
    fail_msg("layer %u has no such node", l);
    return 0;
}

static void links(void **state)
{
    (void)state;
    patient p = open_patient();
    for (uint32_t l = 0; l < 2; l++) {
        ki_layer *layer = &p.graph->layer[l];
        uint32_t id = node_with_links(&p, l), count = ki_link_count(layer, id);
        uint32_t *slots = ki_links(layer, id), *last = &slots[count - 1];
        damage(&p, last, layer->count, "not there");
        damage(&p, last, UINT32_MAX - 1, "not there");
        damage(&p, last, id, "links to itself");
        damage(&p, last, slots[0], "links twice");
        damage(&p, &slots[layer->degree - 1], id ? 0 : 1, "behind the end");
        damage(&p, &slots[0], KI_NO_LINK, "");
    }
    uint32_t id = node_with_links(&p, 0);
    damage(&p, &ki_links(&p.graph->layer[0], id)[ki_link_count(&p.graph->layer[0], id) - 1], 1,
           "not there"); /* an absent row */
    damage(&p, ki_links(&p.graph->layer[0], 1), 10, "absent but has links");
    close_patient(&p);
}

static uint32_t node_with_more(const ki_layer *layer, uint32_t links)
{
    uint32_t id = layer->count;
    while (ki_link_count(layer, --id) <= links)
        assert_true(id > 0);
    return id;
}

static void tree_links(void **state)
{
    (void)state;
    patient p = open_patient();
    for (uint32_t l = 0; l < 2; l++) {
        ki_layer *layer = &p.graph->layer[l];
        uint32_t id = node_with_links(&p, l);
        const uint32_t full = node_with_more(layer, ki_tree_room(layer));
        damage_byte(&p, &layer->kept[full], (unsigned char)(ki_tree_room(layer) + 1), "room");
        damage_byte(&p, &layer->kept[id], 255, "fewer links than tree links");
        damage_byte(&p, &layer->kept[id], 0, "tree link");
        damage_byte(&p, &layer->kept[id], (unsigned char)(layer->kept[id] + 1), "tree link");
    }
    close_patient(&p);
}

static uint32_t place_of(const ki_layer *layer, uint32_t from, uint32_t to)
{
    uint32_t at = 0;
    while (at < layer->degree && ki_links(layer, from)[at] != to)
        at++;
    return at;
}

/* Moves the link to the border of the tree links, so that changing `kept` by one turns it. */
static void move_to(const ki_layer *layer, uint32_t from, uint32_t to, uint32_t place)
{
    uint32_t *links = ki_links(layer, from), at = place_of(layer, from, to);
    links[at] = links[place];
    links[place] = to;
}

static bool has_room(const ki_layer *layer, uint32_t id)
{
    return layer->kept[id] < ki_tree_room(layer);
}

/* Two nodes that link to each other, but not as parent and child, and could. */
static void find_pair(const ki_layer *layer, uint32_t *a, uint32_t *b)
{
    for (*a = DEAD; *a < layer->count; ++*a)
        for (uint32_t i = layer->kept[*a]; has_room(layer, *a) && i < ki_link_count(layer, *a);
             i++) {
            *b = ki_links(layer, *a)[i];
            uint32_t back = place_of(layer, *b, *a);
            if (back < layer->degree && back >= layer->kept[*b] && has_room(layer, *b))
                return;
        }
    fail_msg("no node is linked both ways");
}

/* A leaf and its parent let go of each other, and two others become parent and child instead: all
 * counts agree and each tree link is returned, but the tree has a circle and lacks the leaf. */
static void reach(void **state)
{
    (void)state;
    patient p = open_patient();
    ki_layer *layer = &p.graph->layer[0];
    uint32_t a = 0, b = 0, leaf = layer->count - 1;
    while (layer->kept[leaf] != 1)
        leaf--;
    uint32_t parent = ki_links(layer, leaf)[0];
    move_to(layer, parent, leaf, layer->kept[parent] - 1u);
    find_pair(layer, &a, &b);
    move_to(layer, a, b, layer->kept[a]);
    move_to(layer, b, a, layer->kept[b]);
    must(kith_index_check(p.index));
    layer->kept[parent]--;
    layer->kept[leaf]--;
    layer->kept[a]++;
    layer->kept[b]++;
    must_fail(kith_index_check(p.index), KITH_ECORRUPT, "can be reached");
    layer->kept[a]--;
    layer->kept[b]--;
    layer->kept[leaf]++;
    layer->kept[parent]++;
    close_patient(&p);
}

static void heads(void **state)
{
    (void)state;
    patient p = open_patient();
    ki_graph *graph = p.graph;
    uint32_t top = graph->layers - 1;
    damage(&p, &graph->entry, graph->layer[top].count, "entry");
    damage(&p, &graph->entry, UINT32_MAX, "entry");
    damage(&p, &graph->layers, KI_LAYERS_MAX + 1, "");
    damage(&p, &graph->layers, 0, "no entry");
    damage(&p, &graph->layers, top, "rises above");
    for (uint32_t l = 0; l <= top; l++) {
        ki_layer *layer = &graph->layer[l];
        damage(&p, &layer->root, layer->count, "root");
        damage(&p, &layer->root, UINT32_MAX, "root");
        damage(&p, &layer->nodes, layer->nodes + 1, "");
        damage(&p, &layer->nodes, layer->nodes - 1, "");
    }
    damage(&p, &graph->layer[0].root, 1, "root"); /* an absent row */
    damage(&p, &graph->layer[1].count, N + 1, "ids for");
    close_patient(&p);
}

static void levels(void **state)
{
    (void)state;
    patient p = open_patient();
    ki_graph *graph = p.graph;
    uint32_t low = DEAD, high = DEAD;
    while (graph->level[low])
        low++;
    while (!graph->level[high])
        high++;
    damage_byte(&p, &graph->level[low], 1, "");
    damage_byte(&p, &graph->level[low], KI_ABSENT, "");
    damage_byte(&p, &graph->level[low], 200, "rises above");
    damage_byte(&p, &graph->level[high], 0, "");
    damage_byte(&p, &graph->level[high], (unsigned char)graph->layers, "rises above");
    damage_byte(&p, &graph->level[1], 0, ""); /* an absent row, as if it were there */
    close_patient(&p);
}

static void ways_down(void **state)
{
    (void)state;
    patient p = open_patient();
    ki_layer *first = &p.graph->layer[1], *second = &p.graph->layer[2];
    uint32_t low = DEAD;
    while (p.graph->level[low])
        low++;
    damage(&p, &first->down[0], N, "");
    damage(&p, &first->down[0], UINT32_MAX, "");
    damage(&p, &first->down[0], 1, "lower level");
    damage(&p, &first->down[0], low, "lower level");
    damage(&p, &first->down[1], first->down[0], "");
    damage(&p, &second->down[0], first->count, "not there");
    damage(&p, &first->row[0], low, "another row");
    close_patient(&p);
}

/* A mark may not take a node for a row that it does not stand for. */
static void loose_rows(void **state)
{
    (void)state;
    patient p = open_patient();
    ki_graph *graph = p.graph;
    uint64_t usable[N / 64 + 1];
    uint32_t loose[] = {1, DEAD, DEAD + 5};
    const kith_index_stats before = stats_of(p.index);
    memset(usable, 0xff, sizeof usable);
    for (uint32_t row = 0; row < DEAD; row++)
        usable[0] &= ~(UINT64_C(1) << row);
    graph->usable = usable;
    must(kith_index_check(p.index));
    usable[0] |= 1;
    must_fail(kith_index_check(p.index), KITH_ECORRUPT, "row 0 is absent");
    usable[0] &= ~UINT64_C(1);
    graph->loose = loose;
    graph->loose_count = 3;
    must_fail(kith_index_check(p.index), KITH_ECORRUPT, "has a node that is taken for it");
    usable[0] &= ~(UINT64_C(1) << loose[1] | UINT64_C(1) << loose[2]);
    must(kith_index_check(p.index));
    assert_int_equal(stats_of(p.index).bytes - before.bytes, sizeof usable + sizeof loose);
    damage(&p, &loose[2], loose[1], "out of order");
    damage(&p, &loose[2], N, "never seen");
    damage(&p, &loose[2], DEAD + 6, "taken for it");
    graph->loose = NULL;
    graph->loose_count = 0;
    graph->usable = NULL;
    close_patient(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links),      cmocka_unit_test(tree_links), cmocka_unit_test(reach),
        cmocka_unit_test(heads),      cmocka_unit_test(levels),     cmocka_unit_test(ways_down),
        cmocka_unit_test(loose_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
