/* sketch.c - see sketch.h: a row or query becomes a sketch. What is learnt, in sketch_learn.c.
 *
 * May include sketch.h and kernels/. Queries and rows go the same way: dot products with the
 * directions by the integer kernel of their type, then steps. The direction that is zero tells what
 * a u8 direction's offset of 128 added; the centre as a last line gives the length of what is left.
 */
#include "index/sketch.h"
#include <string.h>

enum {
    LINE = 64,
    OFFSET = 1 << 24, /* an estimate is from below, and must not fall below zero all the same */
    CONSTANT_MOST = 1 << 29 /* of a row or a query: four of them and the offset fit into a key */
};

void ki_sketch_close(ki_sketch *sketch)
{
    if (!sketch)
        return;
    ki_arena_close(&sketch->arena);
    ki_free(sketch->lines);
    ki_free(sketch->sides);
    ki_free(sketch->origin);
    ki_free(sketch);
}

size_t ki_sketch_bytes(const ki_sketch *sketch)
{
    if (!sketch)
        return 0;
    const size_t lines = (size_t)sketch->places + 2;
    return sizeof *sketch + sketch->arena.committed + lines * sketch->directions.stride +
           lines * sizeof *sketch->sides + sketch->places * sizeof *sketch->origin;
}

kith_status ki_sketcher_open(const ki_sketch *sketch, const ki_kernels *kernels, ki_sketcher *out)
{
    const size_t whole = ki_query_bytes((ki_pairing)sketch->type, sketch->dim);
    const size_t brief = ki_query_bytes(KI_Q4, sketch->places);
    const size_t lines = (size_t)sketch->places + 2;
    ki_sketcher sketcher = {.sketch = sketch,
                            .project = &kernels->at[KITH_IP][sketch->type],
                            .estimate = &kernels->at[KITH_L2SQ][KI_Q4]};
    sketcher.whole = ki_alloc_aligned(LINE, whole);
    sketcher.brief = ki_alloc_aligned(LINE, brief);
    sketcher.keys = ki_alloc_aligned(LINE, lines * sizeof *sketcher.keys);
    sketcher.elements = ki_alloc_aligned(LINE, sketch->places);
    sketcher.projected = ki_alloc_aligned(LINE, sketch->places * sizeof *sketcher.projected);
    if (!sketcher.whole || !sketcher.brief || !sketcher.keys || !sketcher.elements ||
        !sketcher.projected) {
        ki_sketcher_close(&sketcher);
        return ki_no_memory("sketching", whole + brief + lines * sizeof *sketcher.keys);
    }
    *out = sketcher;
    return KITH_OK;
}

void ki_sketcher_close(ki_sketcher *sketcher)
{
    ki_free(sketcher->whole);
    ki_free(sketcher->brief);
    ki_free(sketcher->keys);
    ki_free(sketcher->elements);
    ki_free(sketcher->projected);
    *sketcher = (ki_sketcher){0};
}

/* The dot product that an ip key of integers stands for. */
static int32_t dot_of(uint32_t key)
{
    return (int32_t)(UINT32_C(0x80000000) - key);
}

/* To `projected`: where a vector lies along each direction, from the centre. Returns the square of
 * what is left of it, in units. */
static double project(ki_sketcher *sketcher, const void *vector)
{
    const ki_sketch *sketch = sketcher->sketch;
    const uint32_t places = sketch->places;
    ki_query query;
    double seen = 0;
    sketcher->project->prepare(vector, sketch->dim, sketcher->whole, &query);
    sketcher->project->range(&query, &sketch->directions, 0, places + 2, sketcher->keys);
    const int32_t zero = dot_of(sketcher->keys[places]);
    for (uint32_t j = 0; j < places; j++)
        sketcher->projected[j] =
            (double)(dot_of(sketcher->keys[j]) - zero) - (double)sketch->origin[j];
    for (uint32_t j = 0; j < places; j++)
        seen += sketcher->projected[j] * sketcher->projected[j];
    const double whole =
        (double)query.inorm2 - 2.0 * (double)dot_of(sketcher->keys[places + 1]) + sketch->centre2;
    const double unseen = (whole - seen * sketch->length2) / sketch->unit2;
    return unseen > 0 ? unseen : 0;
}

static uint32_t constant(double value)
{
    return value > 0 ? (uint32_t)(value < CONSTANT_MOST ? value : CONSTANT_MOST) : 0;
}

void ki_sketcher_aim(ki_sketcher *sketcher, const void *vector)
{
    const ki_sketch *sketch = sketcher->sketch;
    const double inverse = 16.0 / sketch->step;
    const ki_code_query code = {.elements = sketcher->elements};
    sketcher->unseen = project(sketcher, vector);
    for (uint32_t j = 0; j < sketch->places; j++) {
        double x = sketcher->projected[j] * inverse;
        x = x < 127.0 ? x : 127.0;
        x = x > -127.0 ? x : -127.0;
        sketcher->elements[j] = (signed char)((int)(x + 128.5) - 128);
    }
    sketcher->estimate->prepare(&code, sketch->places, sketcher->brief, &sketcher->query);
    sketcher->query.inorm2 += OFFSET + constant(sketch->share * sketcher->unseen);
}

static unsigned char *sketch_of(const ki_sketch *sketch, uint32_t row)
{
    return sketch->arena.base + row * sketch->rows.stride;
}

/* To a query that is not coded a code is farther away by its own error, which is known here. */
void ki_sketcher_code(ki_sketcher *sketcher, const void *vector, uint32_t row)
{
    const ki_sketch *sketch = sketcher->sketch;
    const double unit = sketch->step / 16.0, unseen = project(sketcher, vector);
    unsigned char *code = sketch_of(sketch, row);
    double norm2 = 0, error2 = 0;
    int32_t sum = 0;
    memset(code, 0, sketch->places / 2);
    for (uint32_t j = 0; j < sketch->places; j++) {
        double x = sketcher->projected[j] / sketch->step + 8.0;
        x = x > 0.0 ? x : 0.0;
        const int c = (int)(x < 15.0 ? x : 15.0), value = 16 * c - 120;
        const double error = sketcher->projected[j] / unit - value;
        code[j / 2] |= (unsigned char)(j % 2 ? c << 4 : c);
        norm2 += (double)(value * value);
        error2 += error * error;
        sum += value;
    }
    const ki_aux aux = {.norm2 = (float)unseen, .inorm2 = constant(norm2 - error2), .sum = sum};
    memcpy(code + sketch->places / 2, &aux, sizeof aux);
}

double ki_sketch_unseen(const ki_sketch *sketch, uint32_t row)
{
    ki_aux aux;
    memcpy(&aux, sketch_of(sketch, row) + sketch->places / 2, sizeof aux);
    return (double)aux.norm2;
}

void ki_sketch_add_share(ki_sketch *sketch, uint32_t row)
{
    unsigned char *side = sketch_of(sketch, row) + sketch->places / 2;
    ki_aux aux;
    memcpy(&aux, side, sizeof aux);
    aux.inorm2 += constant(sketch->share * (double)aux.norm2);
    memcpy(side, &aux, sizeof aux);
}

uint32_t ki_sketch_limit(const ki_sketch *sketch, double distance)
{
    const double limit = distance / sketch->unit2 * sketch->factor + OFFSET;
    return limit < (double)UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
}
