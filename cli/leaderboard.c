/* leaderboard.c - tables on stdout, made from the result alone.
 *
 * Widths are fixed, since every column's range is known; only the contender's name varies.
 */
#include "cli/leaderboard.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/copies.h"
#include "cli/heap.h"
#include "cli/result.h"
#include "cli/terminal.h"

const double leaderboard_goals[GOALS] = {0.90, 0.95, 0.99, 0.999};

#define HEADLINE 0.99

/* Appends to a text of `size` bytes; cuts what does not fit. */
__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size,
                                                         const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

/* The number of columns a UTF-8 text takes, for letters of one column each. */
static int columns(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static int widest_label(const struct curves *curves)
{
    int width = 10;
    for (size_t i = 0; i < curves->count; i++) {
        int here = columns(curves->items[i].label);
        width = here > width ? here : width;
    }
    return width;
}

static void print_label(FILE *out, const char *label, int width)
{
    fprintf(out, " %s%*s", label, width - columns(label), "");
}

static void print_build(FILE *out, const json_t *build)
{
    char seconds[HUMAN_SIZE], vectors[HUMAN_SIZE];
    human_seconds(seconds, result_number(build, "seconds"));
    human_count(vectors, result_count(build, "nodes"));
    fprintf(out, " build  %s on %s: %s vectors in %s", result_text(build, "index"),
            result_text(build, "device"), vectors, seconds);
    if (result_field(build, "digest"))
        fprintf(out, " (%.0f threads), M %.0f, ef_construction %.0f",
                result_number(build, "threads"), result_number(build, "params.m"),
                result_number(build, "params.ef_construction"));
    fprintf(out, ", %.0f bytes per vector", result_number(build, "bytes_per_vector"));
    if (result_field(build, "digest"))
        fprintf(out, ", digest %s", result_text(build, "digest"));
    fputc('\n', out);
}

/* What was asked of the walks beyond their width, if anything was. */
static void print_walk(FILE *out, const struct curves *curves)
{
    for (size_t i = 0; i < curves->count; i++) {
        const json_t *run = curves->items[i].points[0].run;
        const double rerank = result_number(run, "params.rerank");
        const double slack = result_number(run, "params.slack");
        if (!(rerank > 0 || slack > 0))
            continue;
        fprintf(out, " walk   over %s", curves->items[i].codes);
        if (rerank > 0)
            fprintf(out, ", rerank %g", rerank);
        if (slack > 0)
            fprintf(out, ", slack %g", slack);
        fputc('\n', out);
        return;
    }
}

/* Behind the recall; a run of another library may lack some. */
static const struct {
    const char *path;
    int width;
} numbers[] = {{"qps", 9},
               {"latency_us.p50", 9},
               {"latency_us.p95", 9},
               {"latency_us.p99", 9},
               {"latency_us.p999", 9},
               {"distances_per_query", 11}};

static void print_point(FILE *out, const struct curve *curve, const struct point *point, int width)
{
    const json_t *run = point->run;
    print_label(out, curve->label, width);
    if (result_field(run, "params.ef"))
        fprintf(out, " %5.0f", result_number(run, "params.ef"));
    else
        fprintf(out, " %5s", "all");
    fprintf(out, "    %6.4f  %6.4f", point->recall, result_number(run, "recall_annb"));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (result_field(run, numbers[i].path))
            fprintf(out, " %*.0f", numbers[i].width, result_number(run, numbers[i].path));
        else
            fprintf(out, " %*s", numbers[i].width, "-");
    fputc('\n', out);
}

static void print_points(FILE *out, const struct curves *curves, int width)
{
    const json_t *run = curves->count ? curves->items[0].points[0].run : NULL;
    char head[32];
    snprintf(head, sizeof head, "recall@%.0f", result_number(run, "k"));
    fprintf(out, "\n%s %-*s %5s %9s  (annb) %9s %9s %9s %9s %9s %11s%s\n",
            terminal_style(out, STYLE_BOLD), width, "device", "ef", head, "QPS", "p50 us", "p95 us",
            "p99 us", "p99.9 us", "dist/query", terminal_style(out, STYLE_OFF));
    uint32_t batch = 1;
    for (size_t i = 0; i < curves->count; i++) {
        const struct curve *curve = &curves->items[i];
        for (size_t p = 0; p < curve->count; p++)
            print_point(out, curve, &curve->points[p], width);
        batch = curve->exact && curve->batch > batch ? curve->batch : batch;
    }
    if (batch > 1)
        fprintf(out,
                " (exact search answers up to %u queries a call; its times are those of calls)\n",
                batch);
}

/* The fastest at the highest goal first; who does not reach it is ranked by the next one. */
static bool ranks_before(const struct curve *a, const struct curve *b)
{
    for (size_t g = GOALS; g-- > 0;) {
        double x = curve_qps(a, leaderboard_goals[g]), y = curve_qps(b, leaderboard_goals[g]);
        if (x > y || x < y)
            return x > y;
    }
    return false;
}

size_t *leaderboard_order(const struct curves *curves)
{
    size_t *order = heap_alloc(curves->count, sizeof *order);
    for (size_t i = 0; i < curves->count; i++) {
        size_t at = i;
        for (; at > 0 && ranks_before(&curves->items[i], &curves->items[order[at - 1]]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    return order;
}

static void print_goals(FILE *out, const struct curves *curves, int width)
{
    fprintf(out, "\n%s %-*s", terminal_style(out, STYLE_BOLD), width, "QPS at recall >=");
    for (size_t g = 0; g < GOALS; g++)
        fprintf(out, " %9g", leaderboard_goals[g]);
    fprintf(out, "%s\n", terminal_style(out, STYLE_OFF));
    size_t *order = leaderboard_order(curves);
    for (size_t i = 0; i < curves->count; i++) {
        const struct curve *curve = &curves->items[order[i]];
        print_label(out, curve->label, width);
        for (size_t g = 0; g < GOALS; g++) {
            double qps = curve_qps(curve, leaderboard_goals[g]);
            if (qps > 0)
                fprintf(out, " %9.0f", qps);
            else
                fprintf(out, " %9s", "-");
        }
        fputc('\n', out);
    }
    free(order);
}

void leaderboard_print(FILE *out, const json_t *result)
{
    struct curves curves = curves_collect(result);
    int width = widest_label(&curves);
    width = width > 16 ? width : 16;
    const json_t *builds = json_object_get(result, "builds");
    char rows[HUMAN_SIZE], text[600];
    fprintf(out, " data   %s: %s x %.0f %s, %s\n", result_text(result, "dataset.name"),
            human_count(rows, result_count(result, "dataset.rows")),
            result_number(result, "dataset.dim"), result_text(result, "dataset.type"),
            result_text(result, "dataset.metric"));
    for (size_t i = 0; i < json_array_size(builds); i++)
        print_build(out, json_array_get(builds, i));
    print_walk(out, &curves);
    if (curves.count) {
        print_points(out, &curves, width);
        print_goals(out, &curves, width);
    }
    copies_print_result(out, result);
    double unrest = leaderboard_unrest(result);
    if (unrest > UNREST)
        fprintf(out,
                "\n note: the machine was not quiet: passes of the same run differ by a factor of "
                "%.1f\n",
                unrest);
    int agree = leaderboard_agreement(result, text, sizeof text);
    if (agree >= 0)
        fprintf(out, "\n check: %s%s%s\n", terminal_style(out, agree ? STYLE_GOOD : STYLE_BAD),
                text, terminal_style(out, STYLE_OFF));
    curves_free(&curves);
}

static const struct curve *fastest(const struct curves *curves, double recall, bool exact)
{
    const struct curve *best = NULL;
    for (size_t i = 0; i < curves->count; i++) {
        const struct curve *c = &curves->items[i];
        double qps = c->exact == exact ? curve_qps(c, recall) : 0;
        if (qps > 0 && (!best || qps > curve_qps(best, recall)))
            best = c;
    }
    return best;
}

double leaderboard_headline(const struct curves *curves)
{
    for (size_t g = GOALS; g-- > 0;)
        if (leaderboard_goals[g] <= HEADLINE && fastest(curves, leaderboard_goals[g], false))
            return leaderboard_goals[g];
    return 0;
}

/* A device's name is said once, in the line below the verdict. */
void leaderboard_verdict(const json_t *result, char *out, size_t size)
{
    struct curves curves = curves_collect(result);
    char count[HUMAN_SIZE];
    double goal = leaderboard_headline(&curves);
    const struct curve *best = fastest(&curves, goal, false);
    const struct curve *exact = fastest(&curves, 0, true);
    double qps = best ? curve_qps(best, goal) : 0, all = exact ? curve_qps(exact, 0) : 0;
    out[0] = 0;
    if (best)
        append(out, size, "%s queries a second at recall %g on %s",
               human_count(count, (uint64_t)llround(qps)), goal, best->label);
    if (best && exact && qps >= 2 * all)
        append(out, size, ", %.0f times exact search", qps / all);
    else if (best && exact)
        append(out, size, ", beside exact search");
    if (exact)
        append(out, size, best ? " (%s on %s)" : "%s queries a second, exact, on %s",
               human_count(count, (uint64_t)llround(all)),
               best && !strcmp(best->name, exact->name) ? "the same" : exact->name);
    append(out, size, "%s", best || exact ? "." : "Nothing was measured.");
    curves_free(&curves);
}

double leaderboard_unrest(const json_t *result)
{
    const json_t *runs = json_object_get(result, "runs");
    double *spreads = heap_alloc(json_array_size(runs), sizeof *spreads);
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        struct spread here = result_spread(json_array_get(runs, i));
        if (here.passes >= 3 && here.slowest < 1e6 * here.quickest)
            spreads[n++] = here.slowest / here.quickest;
    }
    double middle = n ? result_median(spreads, n) : 0;
    free(spreads);
    return middle;
}

static bool is_flat(const json_t *check)
{
    return !strcmp(result_text(check, "index"), "flat");
}

static void say_difference(const json_t *check, char *out, size_t size)
{
    const char *device = result_text(check, "device"), *isa = result_text(check, "isa");
    if (is_flat(check))
        snprintf(out, size,
                 "%s %s: exact search differs from the truth: query %.0f, place %.0f: row %.0f "
                 "where row %.0f belongs",
                 device, isa, result_number(check, "first.query"),
                 result_number(check, "first.rank"), result_number(check, "first.found"),
                 result_number(check, "first.expected"));
    else
        snprintf(out, size, "%s %s: the walk differs from that of %s: query %.0f at ef %.0f",
                 device, isa, result_text(check, "compared_with"),
                 result_number(check, "first.query"), result_number(check, "first.ef"));
}

/* "cpu scalar, cpu avx2, ocl0": who was checked at this kind of index, each once. Several
 * numbers of threads follow each other. */
static size_t name_checked(const json_t *checks, bool flat, char *out, size_t size)
{
    size_t named = 0;
    char last[80] = "", text[80];
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        const char *isa = result_text(check, "isa");
        bool say_isa = strcmp(isa, "opencl") != 0; /* the device's id says as much */
        snprintf(text, sizeof text, "%.30s%s%.30s", result_text(check, "device"),
                 say_isa ? " " : "", say_isa ? isa : "");
        if (is_flat(check) != flat || !strcmp(text, last) || result_number(check, "apart") > 0)
            continue;
        append(out, size, "%s %s", named++ ? "," : "", text);
        snprintf(last, sizeof last, "%s", text);
    }
    return named;
}

int leaderboard_agreement(const json_t *result, char *out, size_t size)
{
    const json_t *checks = json_object_get(result, "agreement");
    size_t n = json_array_size(checks);
    for (size_t i = 0; i < n; i++) {
        const json_t *check = json_array_get(checks, i);
        if (!json_is_true(result_field(check, "equal"))) {
            say_difference(check, out, size);
            return 0;
        }
    }
    char flat[300] = "", walk[300] = "";
    out[0] = 0;
    if (name_checked(checks, true, flat, sizeof flat))
        append(out, size, "exact search gives the true ids on%s", flat);
    if (name_checked(checks, false, walk, sizeof walk) > 1)
        append(out, size, "%salks give the same hits on%s", *out ? "; w" : "w", walk);
    if (!*out)
        append(out, size, "no device was checked");
    return n ? 1 : -1;
}
