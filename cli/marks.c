/* marks.c - shapes and hues, and labels that do not lie on each other.
 */
#include "cli/marks.h"

#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"

#define SHAPES 5

static bool same_machine(const struct curve *a, const struct curve *b)
{
    return !strcmp(a->device, b->device) && !strcmp(a->isa, b->isa) &&
           !strcmp(a->library, b->library);
}

static bool seen_before(const struct curves *curves, size_t which)
{
    for (size_t i = 0; i < which; i++)
        if (same_machine(&curves->items[i], &curves->items[which]))
            return true;
    return false;
}

/* The same graph asked otherwise: with one query a call before, and with many in this curve. */
static bool asked_before(const struct curves *curves, size_t which)
{
    const struct curve *wanted = &curves->items[which];
    for (size_t i = 0; i < which && wanted->batch > 1; i++)
        if (same_machine(&curves->items[i], wanted) && curves->items[i].batch <= 1 &&
            !strcmp(curves->items[i].codes, wanted->codes) && !curves->items[i].exact)
            return true;
    return false;
}

struct look look_of(const struct curves *curves, size_t which)
{
    const struct curve *wanted = &curves->items[which];
    unsigned order = 0;
    for (size_t i = 0; i < which && !same_machine(&curves->items[i], wanted); i++)
        order += !seen_before(curves, i);
    bool dashed = !wanted->exact && (wanted->threads > 1 || asked_before(curves, which));
    return (struct look){order % HUES, order % SHAPES, dashed};
}

void mark_write(FILE *out, struct look look, double x, double y)
{
    /* Sizes differ so that areas look alike. */
    static const char *const shape[SHAPES] = {
        "M-4.2,0a4.2,4.2 0 1,0 8.4,0a4.2,4.2 0 1,0 -8.4,0z",
        "M-3.8,-3.8h7.6v7.6h-7.6z",
        "M0,-5.2L4.9,3.6H-4.9z",
        "M0,-5.4L5.4,0L0,5.4L-5.4,0z",
        "M0,5.2L4.9,-3.6H-4.9z",
    };
    fprintf(out, "<path class='mark%s' transform='translate(%.1f %.1f)' d='%s'/>",
            look.dashed ? " hollow" : "", x, y, shape[look.shape]);
}

struct label {
    double y;
    size_t which;
};

static int by_height(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    if (x->y < y->y || x->y > y->y)
        return x->y < y->y ? -1 : 1;
    return (x->which > y->which) - (x->which < y->which);
}

/* One sweep down keeps the gap, one sweep up brings back what fell below the bottom. */
void labels_spread(double *y, size_t n, double gap, double top, double bottom)
{
    struct label *order = heap_alloc(n, sizeof *order);
    for (size_t i = 0; i < n; i++)
        order[i] = (struct label){y[i], i};
    qsort(order, n, sizeof *order, by_height);
    double least = top;
    for (size_t i = 0; i < n; i++) {
        order[i].y = order[i].y > least ? order[i].y : least;
        least = order[i].y + gap;
    }
    double most = bottom;
    for (size_t i = n; i-- > 0;) {
        order[i].y = order[i].y < most ? order[i].y : most;
        most = order[i].y - gap;
    }
    for (size_t i = 0; i < n; i++)
        y[order[i].which] = order[i].y;
    free(order);
}
