/* chart_latency.c - how long a query waits, from the median to the slowest in a thousand.
 *
 * One line for each contender, on a logarithmic axis: a bar from p50 to p99.9 with marks at p50,
 * p95, p99 and p99.9. Contenders are compared at about the same recall, since a latency without
 * its recall says nothing.
 */
#include "cli/chart.h"

#include <math.h>
#include <stdlib.h>

#include "cli/heap.h"
#include "cli/html.h"
#include "cli/marks.h"
#include "cli/result.h"

#define WIDTH 960.0
#define LINE_HEIGHT 30.0
#define LEFT 225.0
#define RIGHT 930.0
#define TOP 40.0

struct bar {
    size_t curve;
    const struct point *point;
};

struct scale {
    double least, most; /* logarithms of microseconds */
};

static double x_of(struct scale scale, double us)
{
    return LEFT + (log10(us) - scale.least) / (scale.most - scale.least) * (RIGHT - LEFT);
}

static bool is_time(const json_t *run)
{
    double p50 = result_number(run, "latency_us.p50"), p999 = result_number(run, "latency_us.p999");
    return p50 > 1e-3 && p999 >= p50 && p999 < 1e12;
}

/* Points are ordered by recall, so the first that suffices is the cheapest. Searches that
 * answer batches, as exact ones do, have no latency of one query. */
static size_t choose_bars(const struct curves *curves, double recall, struct bar *bars)
{
    size_t n = 0;
    for (size_t i = 0; i < curves->count; i++) {
        const struct curve *c = &curves->items[i];
        size_t p = 0;
        while (p < c->count && c->points[p].recall < recall)
            p++;
        if (!c->exact && c->batch <= 1 && p < c->count && is_time(c->points[p].run))
            bars[n++] = (struct bar){i, &c->points[p]};
    }
    return n;
}

static struct scale fit(const struct bar *bars, size_t n)
{
    struct scale scale = {INFINITY, -INFINITY};
    for (size_t i = 0; i < n; i++) {
        double p50 = result_number(bars[i].point->run, "latency_us.p50");
        double p999 = result_number(bars[i].point->run, "latency_us.p999");
        scale.least = fmin(scale.least, log10(p50));
        scale.most = fmax(scale.most, log10(fmax(p999, p50)));
    }
    scale.least -= 0.08;
    scale.most += 0.08;
    return scale;
}

static void draw_ticks(FILE *out, struct scale scale, double bottom)
{
    static const double step[] = {1, 2, 5};
    for (int decade = (int)floor(scale.least); decade <= (int)ceil(scale.most); decade++) {
        for (int s = 0; s < 3; s++) {
            double us = step[s] * pow(10, decade), x = x_of(scale, us);
            if (x < LEFT || x > RIGHT)
                continue;
            fprintf(out, "<path class='grid' d='M%.1f,%.1fV%.1f'/>", x, TOP - 8, bottom);
            fprintf(out, "<text class='tick' x='%.1f' y='%.1f' text-anchor='middle'>", x, TOP - 16);
            if (us >= 1000)
                fprintf(out, "%g ms</text>\n", us / 1000);
            else
                fprintf(out, "%g \u00b5s</text>\n", us);
        }
    }
}

static void draw_bar(FILE *out, const struct curves *curves, const struct bar *bar,
                     struct scale scale, double y)
{
    static const char *const field[] = {"latency_us.p50", "latency_us.p95", "latency_us.p99",
                                        "latency_us.p999"};
    static const char *const name[] = {"p50", "p95", "p99", "p99.9"};
    const struct curve *curve = &curves->items[bar->curve];
    const json_t *run = bar->point->run;
    fprintf(out, "<g class='hue%u'><text class='name' x='%.1f' y='%.1f' text-anchor='end'>",
            look_of(curves, bar->curve).hue, LEFT - 14, y + 4);
    html_text(out, curve->label);
    fprintf(out, "</text><path class='range' d='M%.1f,%.1fH%.1f'/>\n",
            x_of(scale, result_number(run, field[0])), y,
            x_of(scale, result_number(run, field[3])));
    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        double us = result_number(run, field[i]);
        if (us > 0)
            fprintf(out,
                    "<circle class='mark%s' cx='%.1f' cy='%.1f' r='%s'><title>%s %.0f \u00b5s, ef "
                    "%.0f, recall %.4f</title></circle>\n",
                    i ? " hollow" : "", x_of(scale, us), y, i ? "3.6" : "5", name[i], us,
                    result_number(run, "params.ef"), bar->point->recall);
    }
    fputs("</g>\n", out);
}

void chart_latency(FILE *out, const struct curves *curves, double recall)
{
    struct bar *bars = heap_alloc(curves->count, sizeof *bars);
    size_t n = choose_bars(curves, recall, bars);
    if (n) {
        struct scale scale = fit(bars, n);
        double bottom = TOP + LINE_HEIGHT * (double)n;
        fprintf(out, "<svg viewBox='0 0 %.0f %.0f' role='img' aria-label='Latency percentiles'>\n",
                WIDTH, bottom + 6);
        draw_ticks(out, scale, bottom);
        for (size_t i = 0; i < n; i++)
            draw_bar(out, curves, &bars[i], scale, TOP + LINE_HEIGHT * ((double)i + 0.5));
        fputs("</svg>\n", out);
    }
    free(bars);
}
