/* report_tables.c - the tables of the page.
 *
 * Every text goes through html.c; every number is formatted here. A field that a result does not
 * have is an empty cell or no row, never a zero that looks measured.
 */
#include "cli/report_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/html.h"
#include "cli/leaderboard.h"
#include "cli/marks.h"
#include "cli/result.h"
#include "cli/terminal.h"

#define RUN_COLUMNS 10

static void cell_text(FILE *out, const char *text)
{
    fputs("<td>", out);
    html_text(out, text);
    fputs("</td>", out);
}

static void cell_number(FILE *out, const json_t *value, const char *field, int digits)
{
    const json_t *number = result_field(value, field);
    if (!json_is_number(number))
        fputs("<td class='n'></td>", out);
    else
        fprintf(out, "<td class='n'>%.*f</td>", digits, json_number_value(number));
}

static void cell_count(FILE *out, const json_t *value, const char *field)
{
    char text[HUMAN_SIZE];
    const json_t *number = result_field(value, field);
    if (!json_is_number(number) || !(json_number_value(number) >= 0))
        fputs("<td class='n'></td>", out);
    else
        fprintf(out, "<td class='n'>%s</td>", human_count(text, result_count(value, field)));
}

static void cell_who(FILE *out, const struct curves *curves, size_t i)
{
    fprintf(out, "<td class='who hue%u'>", look_of(curves, i).hue);
    html_text(out, curves->items[i].label);
    fputs("</td>", out);
}

static double best_at(const struct curves *curves, double goal)
{
    double best = 0;
    for (size_t i = 0; i < curves->count; i++)
        best = fmax(best, curve_qps(&curves->items[i], goal));
    return best;
}

static void cell_goal(FILE *out, const struct curve *curve, double goal, double best)
{
    char text[HUMAN_SIZE];
    double qps = curve_qps(curve, goal);
    if (qps > 0)
        fprintf(out, "<td class='n goal'>%s<span class='bar' style='--w:%.1f%%'></span></td>",
                human_count(text, (uint64_t)llround(qps)), 100 * qps / best);
    else
        fputs("<td class='n goal'>not reached</td>", out);
}

void table_leaderboard(FILE *out, const struct curves *curves)
{
    double best[GOALS];
    fputs("<div class='wide'><table class='goals'><thead><tr><th>contender</th>", out);
    for (size_t g = 0; g < GOALS; g++) {
        best[g] = best_at(curves, leaderboard_goals[g]);
        fprintf(out, "<th class='n'>QPS at<br>recall \u2265 %g</th>", leaderboard_goals[g]);
    }
    fputs("</tr></thead><tbody>\n", out);
    size_t *order = leaderboard_order(curves);
    for (size_t i = 0; i < curves->count; i++) {
        fprintf(out, "<tr class='hue%u'>", look_of(curves, order[i]).hue);
        cell_who(out, curves, order[i]);
        for (size_t g = 0; g < GOALS; g++)
            cell_goal(out, &curves->items[order[i]], leaderboard_goals[g], best[g]);
        fputs("</tr>\n", out);
    }
    free(order);
    fputs("</tbody></table></div>\n", out);
}

/* "5,812 (5,790 to 5,840)": the spread of the passes says how much the figure is worth. */
static void cell_qps(FILE *out, const json_t *run)
{
    char qps[HUMAN_SIZE], least[HUMAN_SIZE], most[HUMAN_SIZE];
    struct spread times = result_spread(run);
    double queries = result_number(run, "params.queries");
    fprintf(out, "<td class='n'>%s</td>", human_count(qps, result_count(run, "qps")));
    if (times.passes > 1 && queries > 0 && queries / times.quickest < 1e15)
        fprintf(out, "<td class='n note'>%s\u2013%s</td>",
                human_count(least, (uint64_t)(queries / times.slowest)),
                human_count(most, (uint64_t)(queries / times.quickest)));
    else
        fputs("<td></td>", out);
}

static void row_run(FILE *out, const json_t *run)
{
    fputs("<tr>", out);
    if (result_field(run, "params.ef"))
        cell_count(out, run, "params.ef");
    else
        fputs("<td class='n'>all</td>", out);
    cell_number(out, run, "recall", 4);
    cell_number(out, run, "recall_annb", 4);
    cell_qps(out, run);
    cell_count(out, run, "latency_us.p50");
    cell_count(out, run, "latency_us.p95");
    cell_count(out, run, "latency_us.p99");
    cell_count(out, run, "latency_us.p999");
    cell_count(out, run, "distances_per_query");
    fputs("</tr>\n", out);
}

/* What the runs of a contender have in common, as its first says it. */
static void say_queries(FILE *out, const struct curve *curve)
{
    char timed[HUMAN_SIZE], judged[HUMAN_SIZE];
    const json_t *run = curve->points[0].run;
    if (!result_field(run, "params.recall_queries"))
        return;
    human_count(timed, result_count(run, "params.queries"));
    human_count(judged, result_count(run, "params.recall_queries"));
    fprintf(out, "<span class='note'> \u2002 %s queries timed, %s judged", timed, judged);
    if (curve->batch > 1)
        fprintf(out, "; up to %u in a call", curve->batch);
    if (result_number(run, "params.rerank") > 0)
        fprintf(out, "; rerank %g", result_number(run, "params.rerank"));
    if (result_number(run, "params.slack") > 0)
        fprintf(out, "; slack %g", result_number(run, "params.slack"));
    fputs("</span>", out);
}

void table_runs(FILE *out, const struct curves *curves)
{
    fputs("<div class='wide'><table><thead><tr><th class='n'>ef</th>"
          "<th class='n'>recall<br>strict</th>"
          "<th class='n'>recall<br>ann-b.</th>"
          "<th class='n'>QPS</th><th class='n'>least\u2013most</th><th class='n'>p50</th>"
          "<th class='n'>p95</th><th class='n'>p99</th><th class='n'>p99.9</th>"
          "<th class='n'>distances<br>per query</th></tr></thead>\n",
          out);
    for (size_t i = 0; i < curves->count; i++) {
        fprintf(out, "<tbody><tr><td class='who group hue%u' colspan='%d'>", look_of(curves, i).hue,
                RUN_COLUMNS);
        html_text(out, curves->items[i].label);
        say_queries(out, &curves->items[i]);
        fputs("</td></tr>\n", out);
        for (size_t p = 0; p < curves->items[i].count; p++)
            row_run(out, curves->items[i].points[p].run);
        fputs("</tbody>\n", out);
    }
    fputs("</table></div>\n", out);
}

static void cell_params(FILE *out, const json_t *params)
{
    const char *name;
    json_t *value;
    const char *comma = "";
    fputs("<td class='free'>", out);
    json_object_foreach((json_t *)(uintptr_t)params, name, value)
    {
        html_print(out, "%s%s %g", comma, name, json_number_value(value));
        comma = ", ";
    }
    fputs("</td>", out);
}

void table_builds(FILE *out, const json_t *result)
{
    const json_t *builds = json_object_get(result, "builds");
    fputs(
        "<div class='wide'><table><thead><tr><th>index</th><th>device</th><th>codes</th>"
        "<th>options</th><th class='n'>threads</th><th class='n'>seconds</th>"
        "<th class='n'>bytes per<br>vector</th><th class='n'>index<br>MiB</th><th>digest</th></tr>"
        "</thead><tbody>\n",
        out);
    for (size_t i = 0; i < json_array_size(builds); i++) {
        const json_t *build = json_array_get(builds, i);
        fputs("<tr>", out);
        cell_text(out, result_text(build, "index"));
        cell_text(out, result_text(build, "device"));
        cell_text(out, result_text(build, "codes"));
        cell_params(out, json_object_get(build, "params"));
        cell_count(out, build, "threads");
        cell_number(out, build, "seconds", 2);
        cell_count(out, build, "bytes_per_vector");
        fprintf(out, "<td class='n'>%.1f</td><td><code>", result_number(build, "bytes") / 1048576);
        html_text(out, result_text(build, "digest"));
        fputs("</code></td></tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

static void cell_difference(FILE *out, const json_t *check)
{
    bool flat = !strcmp(result_text(check, "index"), "flat");
    double rounding = result_number(check, "rounding");
    double apart = result_number(check, "apart");
    bool equal = json_is_true(result_field(check, "equal"));
    fprintf(out, "<td class='%s free'>", equal ? "good" : "bad");
    if (equal && rounding > 0)
        fprintf(out, "yes; %.0f places swapped between distances that differ by rounding only",
                rounding);
    else if (equal && apart > 0)
        fprintf(out, "but for %.0f answers: floats are rounded otherwise there", apart);
    else if (equal)
        fputs("yes", out);
    else if (flat)
        fprintf(out, "no: query %.0f, place %.0f: row %.0f where row %.0f belongs",
                result_number(check, "first.query"), result_number(check, "first.rank"),
                result_number(check, "first.found"), result_number(check, "first.expected"));
    else
        fprintf(out, "no: query %.0f at ef %.0f", result_number(check, "first.query"),
                result_number(check, "first.ef"));
    fputs("</td>", out);
}

void table_agreement(FILE *out, const json_t *result)
{
    const json_t *checks = json_object_get(result, "agreement");
    fputs("<div class='wide'><table><thead><tr><th>device</th><th>instruction set</th>"
          "<th>search</th><th>compared with</th><th class='n'>answers</th><th class='n'>k</th>"
          "<th>equal</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        const char *other = result_text(check, "compared_with");
        bool several = result_number(check, "threads") > 1;
        fputs("<tr>", out);
        cell_text(out, result_text(check, "device"));
        cell_text(out, result_text(check, "isa"));
        fputs("<td>", out);
        html_text(out, strcmp(result_text(check, "index"), "flat") ? "walk" : "exact");
        if (several)
            fprintf(out, ", %.0f threads", result_number(check, "threads"));
        fputs("</td>", out);
        cell_text(out, *other ? other : "ground truth");
        cell_count(out, check, "queries");
        cell_count(out, check, "k");
        cell_difference(out, check);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

void table_devices(FILE *out, const json_t *result)
{
    const json_t *devices = json_object_get(result, "devices");
    fputs(
        "<div class='wide'><table><thead><tr><th>id</th><th>device</th><th>platform</th>"
        "<th>driver</th><th class='n'>memory</th><th class='n'>units</th><th>used</th></tr></thead>"
        "<tbody>\n",
        out);
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const json_t *device = json_array_get(devices, i);
        char memory[HUMAN_SIZE];
        fputs("<tr>", out);
        cell_text(out, result_text(device, "id"));
        cell_text(out, result_text(device, "name"));
        cell_text(out, result_text(device, "platform"));
        cell_text(out, result_text(device, "driver"));
        human_bytes(memory, result_count(device, "memory_bytes"));
        fprintf(out, "<td class='n'>%s</td>", memory);
        cell_count(out, device, "compute_units");
        fputs("<td class='free'>", out);
        if (json_is_true(result_field(device, "usable")))
            fputs("yes", out);
        else
            html_print(out, "no: %s", result_text(device, "reason"));
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

/* "l2_bytes" is shown as "l2", since the value carries its unit. */
static void fact(FILE *out, const char *name, const json_t *value)
{
    char text[HUMAN_SIZE], title[80];
    size_t length = strlen(name);
    bool bytes = length > 6 && length < sizeof title && !strcmp(name + length - 6, "_bytes");
    snprintf(title, sizeof title, "%.*s", (int)(bytes ? length - 6 : sizeof title - 1), name);
    for (char *c = title; (c = strchr(c, '_'));)
        *c = ' ';
    fputs("<dt>", out);
    html_text(out, title);
    fputs("</dt><dd>", out);
    if (json_is_string(value))
        html_text(out, json_string_value(value));
    else if (bytes && json_integer_value(value) > 0)
        fputs(human_bytes(text, (uint64_t)json_integer_value(value)), out);
    else if (json_is_number(value))
        fprintf(out, "%g", json_number_value(value));
    else
        fputs(json_is_true(value) ? "yes" : "no", out);
    fputs("</dd>\n", out);
}

void table_hardware(FILE *out, const json_t *result)
{
    const char *name;
    json_t *value;
    fputs("<dl>\n", out);
    json_object_foreach(json_object_get(result, "hardware"), name, value)
    {
        if (!json_is_object(value) && !json_is_array(value))
            fact(out, name, value);
    }
    fputs("</dl>\n", out);
}
