/* chart.c - the recall chart.
 *
 * Coordinates are those of a drawing 960 wide; the page scales it. Text sizes are chosen for that
 * width. Nothing here is random and nothing is measured: the same result gives the same drawing.
 */
#include "cli/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/html.h"
#include "cli/marks.h"
#include "cli/result.h"
#include "cli/terminal.h"

#define WIDTH 960.0
#define TICK_GAP 46.0    /* ticks of the recall axis nearer than this would touch */
#define LABEL_GAP 16.0   /* of lines of text */
#define MOST_RECALL 4.0  /* -log10(1 - 0.9999): beyond that, few data sets have enough queries */
#define LABEL_ROOM 200.0 /* left of the curves, for their names; at least so much */
#define LETTER 7.3       /* of such a name: wide enough for the bold face of most systems */
#define EXACT_ROOM 240.0 /* right of the curves, for exact searches */

struct plot {
    double left, right, top, bottom; /* of the area that data falls in */
    double axis;                     /* left of the names, where the grid begins */
    double x0, x1, y0, y1;           /* the values at its edges */
};

static double place(double value, double v0, double v1, double p0, double p1)
{
    return p0 + (value - v0) / (v1 - v0) * (p1 - p0);
}

static double plot_x(const struct plot *p, double value)
{
    return place(value, p->x0, p->x1, p->left, p->right);
}

static double plot_y(const struct plot *p, double value)
{
    return place(value, p->y0, p->y1, p->bottom, p->top);
}

/* Recall stretched: 0.9 at 1, 0.99 at 2, 0.999 at 3. */
static double stretched(double recall)
{
    double missing = 1 - fmin(fmax(recall, 0), 1);
    return missing > 0 ? fmin(-log10(missing), MOST_RECALL) : MOST_RECALL;
}

static void widen(double *least, double *most, double value)
{
    *least = fmin(*least, value);
    *most = fmax(*most, value);
}

/* The edges of the data, with a little air. False when there is no point at all. */
static bool fit(struct plot *p, const struct curves *curves)
{
    *p = (struct plot){.x0 = INFINITY, .x1 = -INFINITY, .y0 = INFINITY, .y1 = -INFINITY};
    bool walked = false;
    for (size_t i = 0; i < curves->count; i++) {
        const struct curve *c = &curves->items[i];
        for (size_t n = 0; n < c->count; n++) {
            widen(&p->y0, &p->y1, log10(c->points[n].qps));
            if (!c->exact)
                widen(&p->x0, &p->x1, stretched(c->points[n].recall));
        }
        walked = walked || !c->exact;
    }
    if (!walked)
        p->x0 = 0, p->x1 = 1;
    p->x0 = fmax(p->x0 - 0.06, 0);
    p->x1 += 0.06;
    p->y0 -= 0.12;
    p->y1 += 0.12;
    return curves->count > 0;
}

static bool is_near(double x, const double *others, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fabs(x - others[i]) < TICK_GAP)
            return true;
    return false;
}

/* In order of importance: a tick that would touch an earlier one is left out. */
static void recall_ticks(FILE *out, const struct plot *p)
{
    static const double ticks[] = {0.9,   0.99, 0.999, 0.9999, 0,   0.5, 0.95, 0.8,
                                   0.995, 0.98, 0.998, 0.9995, 0.7, 0.3, 0.975};
    double placed[sizeof ticks / sizeof *ticks];
    size_t n = 0;
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
        double value = stretched(ticks[i]), x = plot_x(p, value);
        if (value < p->x0 || value > p->x1 || is_near(x, placed, n))
            continue;
        placed[n++] = x;
        fprintf(out, "<path class='grid' d='M%.1f,%.1fV%.1f'/>", x, p->top, p->bottom);
        fprintf(out, "<text class='tick' x='%.1f' y='%.1f' text-anchor='middle'>%s%g</text>\n", x,
                p->bottom + 20, ticks[i] >= 0.9999 ? "\u2265 " : "", ticks[i]);
    }
}

static void qps_ticks(FILE *out, const struct plot *p, double right)
{
    static const double step[] = {1, 2, 5};
    bool sparse = p->y1 - p->y0 > 3.6;
    for (int decade = (int)floor(p->y0); decade <= (int)ceil(p->y1); decade++) {
        for (int s = 0; s < (sparse ? 1 : 3); s++) {
            double value = step[s] * pow(10, decade), y = plot_y(p, log10(value));
            if (y < p->top || y > p->bottom)
                continue;
            char text[HUMAN_SIZE];
            if (value < 1)
                snprintf(text, sizeof text, "%g", value);
            else
                human_count(text, (uint64_t)llround(value));
            fprintf(out, "<path class='grid' d='M%.1f,%.1fH%.1f'/>", p->axis, y, right);
            fprintf(out, "<text class='tick' x='%.1f' y='%.1f' text-anchor='end'>%s</text>\n",
                    p->axis - 8, y + 4, text);
        }
    }
}

static void point_title(FILE *out, const struct curve *curve, const struct point *point)
{
    char qps[HUMAN_SIZE];
    fputs("<title>", out);
    html_text(out, curve->label);
    if (result_field(point->run, "params.ef"))
        fprintf(out, ", ef %.0f", result_number(point->run, "params.ef"));
    fprintf(out, "\nrecall %.4f (ann-benchmarks %.4f)\n%s queries a second\n", point->recall,
            result_number(point->run, "recall_annb"), human_count(qps, (uint64_t)point->qps));
    fprintf(out, "p50 %.0f \u00b5s, p99 %.0f \u00b5s</title>",
            result_number(point->run, "latency_us.p50"),
            result_number(point->run, "latency_us.p99"));
}

static void draw_point(FILE *out, const struct plot *p, const struct curve *curve,
                       const struct point *point, struct look look, double x)
{
    fprintf(out, "<g%s>", point->beaten ? " class='beaten'" : "");
    point_title(out, curve, point);
    mark_write(out, look, x, plot_y(p, log10(point->qps)));
    fputs("</g>\n", out);
}

static void draw_curve(FILE *out, const struct plot *p, const struct curve *curve, struct look look)
{
    fprintf(out, "<g class='hue%u'><path class='line%s' d='", look.hue,
            look.dashed ? " dashed" : "");
    char step = 'M';
    for (size_t i = 0; i < curve->count; i++) {
        if (curve->points[i].beaten)
            continue;
        fprintf(out, "%c%.1f,%.1f", step, plot_x(p, stretched(curve->points[i].recall)),
                plot_y(p, log10(curve->points[i].qps)));
        step = 'L';
    }
    fputs("'/>\n", out);
    for (size_t i = 0; i < curve->count; i++)
        draw_point(out, p, curve, &curve->points[i], look,
                   plot_x(p, stretched(curve->points[i].recall)));
    fputs("</g>\n", out);
}

static void draw_exact(FILE *out, const struct plot *p, const struct curve *curve, struct look look,
                       double x)
{
    fprintf(out, "<g class='hue%u'>", look.hue);
    for (size_t i = 0; i < curve->count; i++)
        draw_point(out, p, curve, &curve->points[i], look, x);
    fputs("</g>\n", out);
}

/* A label and a hairline from it to the mark that it names. */
static void draw_label(FILE *out, const char *name, unsigned hue, const char *anchor, double x,
                       double y, double from_x, double from_y)
{
    fprintf(out, "<g class='hue%u'><path class='lead' d='M%.1f,%.1fL%.1f,%.1f'/>", hue, from_x,
            from_y, x, y);
    fprintf(out, "<text class='name' x='%.1f' y='%.1f' text-anchor='%s'>",
            x + (anchor[0] == 'e' ? -4 : 4), y + 4, anchor);
    html_text(out, name);
    fputs("</text></g>\n", out);
}

/* Names left of all curves, so that none lies on a curve that begins at a lower recall than its
 * own; or beside the marks of the exact column. */
static void draw_labels(FILE *out, const struct plot *p, const struct curves *curves, bool exact,
                        double exact_x)
{
    double *y = heap_alloc(curves->count, sizeof *y);
    size_t *which = heap_alloc(curves->count, sizeof *which);
    size_t n = 0;
    double column = p->right;
    for (size_t i = 0; i < curves->count; i++) {
        if (curves->items[i].exact != exact)
            continue;
        column = fmin(column, plot_x(p, stretched(curves->items[i].points[0].recall)));
        y[n] = plot_y(p, log10(curves->items[i].points[0].qps));
        which[n++] = i;
    }
    labels_spread(y, n, LABEL_GAP, p->top + 6, p->bottom - 6);
    for (size_t i = 0; i < n; i++) {
        const struct curve *c = &curves->items[which[i]];
        double at = plot_y(p, log10(c->points[0].qps));
        double x = exact ? exact_x : plot_x(p, stretched(c->points[0].recall));
        draw_label(out, exact ? c->name : c->label, look_of(curves, which[i]).hue,
                   exact ? "start" : "end", exact ? x + 16 : column - 16, y[i],
                   exact ? x + 6 : x - 6, at);
    }
    free(which);
    free(y);
}

static void axis_titles(FILE *out, const struct plot *p, double exact_x, bool has_exact)
{
    fprintf(out,
            "<text class='axis' x='%.1f' y='%.1f' text-anchor='middle'>recall, strict "
            "\u2192</text>\n",
            (p->left + p->right) / 2, p->bottom + 44);
    fprintf(out, "<text class='axis' x='%.1f' y='%.1f'>\u2191 queries a second</text>\n",
            p->axis - 48, p->top - 14);
    if (!has_exact)
        return;
    fprintf(out, "<path class='edge' d='M%.1f,%.1fV%.1f'/>", p->right + 14, p->top, p->bottom);
    fprintf(out, "<text class='tick' x='%.1f' y='%.1f' text-anchor='middle'>exact</text>\n",
            exact_x, p->bottom + 20);
}

static bool any_exact(const struct curves *curves)
{
    for (size_t i = 0; i < curves->count; i++)
        if (curves->items[i].exact)
            return true;
    return false;
}

/* A name longer than its room would lie on the ticks of the axis. */
static double label_room(const struct curves *curves)
{
    double room = LABEL_ROOM;
    for (size_t i = 0; i < curves->count; i++)
        if (!curves->items[i].exact)
            room = fmax(room, LETTER * (double)strlen(curves->items[i].label) + 12);
    return fmin(room, WIDTH / 3);
}

void chart_recall(FILE *out, const struct curves *curves)
{
    struct plot p;
    if (!fit(&p, curves))
        return;
    bool has_exact = any_exact(curves);
    double edge = WIDTH - 10, exact_x = edge - EXACT_ROOM + 26;
    p.axis = 62;
    p.left = p.axis + label_room(curves);
    p.right = has_exact ? edge - EXACT_ROOM - 24 : edge;
    p.top = 34;
    p.bottom = 470;
    fprintf(out,
            "<svg viewBox='0 0 %.0f 520' role='img' aria-label='Queries a second over recall'>\n",
            WIDTH);
    recall_ticks(out, &p);
    qps_ticks(out, &p, edge);
    axis_titles(out, &p, exact_x, has_exact);
    draw_labels(out, &p, curves, false, exact_x);
    draw_labels(out, &p, curves, true, exact_x);
    for (size_t i = 0; i < curves->count; i++) {
        struct look look = look_of(curves, i);
        if (curves->items[i].exact)
            draw_exact(out, &p, &curves->items[i], look, exact_x);
        else
            draw_curve(out, &p, &curves->items[i], look);
    }
    fputs("</svg>\n", out);
}
