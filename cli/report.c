/* report.c - the page: what it shows and in which order.
 *
 * A reader in a hurry reads one sentence; the next one reads a table of three columns; the one
 * who doubts finds every run, the definitions, the machine and the commands further down, and the
 * raw result at the end of the page's source. No script runs on it and nothing is fetched.
 */
#include "cli/report.h"

#include <string.h>

#include "cli/chart.h"
#include "cli/copies.h"
#include "cli/html.h"
#include "cli/leaderboard.h"
#include "cli/output.h"
#include "cli/pictures.h"
#include "cli/report_parts.h"
#include "cli/result.h"
#include "cli/terminal.h"

static void section(FILE *out, const char *title, const char *about)
{
    fputs("<h2>", out);
    html_text(out, title);
    fputs("</h2>\n", out);
    if (about) {
        fputs("<p class='note'>", out);
        html_text(out, about);
        fputs("</p>\n", out);
    }
}

static void write_head(FILE *out, const json_t *result)
{
    fputs("<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
          "<meta name='viewport' content='width=device-width,initial-scale=1'>\n<title>Kith: ",
          out);
    html_text(out, result_text(result, "dataset.name"));
    fputs("</title>\n<style>\n", out);
    fputs(report_style, out);
    fputs("</style>\n</head>\n<body>\n", out);
}

static void write_agreement_line(FILE *out, const json_t *result)
{
    char text[600];
    int agree = leaderboard_agreement(result, text, sizeof text);
    if (agree < 0)
        return;
    fprintf(out, "<p class='%s'>", agree ? "good" : "bad");
    html_print(out, "%c%s.", text[0] == 'e' ? 'E' : text[0], text + 1);
    fputs("</p>\n", out);
}

/* What the short names of devices stand for. */
static void write_devices_line(FILE *out, const json_t *result)
{
    const json_t *devices = json_object_get(result, "devices");
    const char *mark = "<p class='note'>";
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const json_t *device = json_array_get(devices, i);
        if (!json_is_true(result_field(device, "usable")))
            continue;
        fprintf(out, "%s<b>", mark);
        html_text(out, result_text(device, "id"));
        fputs("</b> is ", out);
        html_text(out, result_text(device, "name"));
        if (*result_text(device, "platform") && strcmp(result_text(device, "platform"), "host"))
            html_print(out, " through %s", result_text(device, "platform"));
        mark = "; ";
    }
    if (*mark == ';')
        fputs(".</p>\n", out);
}

static void write_opening(FILE *out, const json_t *result)
{
    char verdict[400], rows[HUMAN_SIZE], queries[HUMAN_SIZE];
    leaderboard_verdict(result, verdict, sizeof verdict);
    fputs("<header><h1>Kith on ", out);
    html_text(out, result_text(result, "dataset.name"));
    fputs("</h1>\n<p class='verdict'>", out);
    html_text(out, verdict);
    fputs("</p>\n<p class='note'>", out);
    human_count(rows, result_count(result, "dataset.rows"));
    human_count(queries, result_count(result, "dataset.queries"));
    html_print(out, "%s vectors of %.0f %s, metric %s; %s queries. Measured %.10s.", rows,
               result_number(result, "dataset.dim"), result_text(result, "dataset.type"),
               result_text(result, "dataset.metric"), queries, result_text(result, "created"));
    fputs("</p>\n", out);
    write_devices_line(out, result);
    if (json_is_true(result_field(result, "interrupted")))
        fputs("<p class='bad'>The run was interrupted; this page shows what was finished.</p>\n",
              out);
    write_agreement_line(out, result);
    double unrest = leaderboard_unrest(result);
    if (unrest > UNREST)
        fprintf(out,
                "<p class='bad'>The machine was not quiet: passes of the same run differ by a "
                "factor of %.1f, and the figures are worth no more than that.</p>\n",
                unrest);
    fputs("</header>\n", out);
}

static void write_measurements(FILE *out, const struct curves *curves)
{
    char about[300];
    double headline = leaderboard_headline(curves);
    section(out, "Leaderboard",
            "Queries a second at a recall of at least the column\u2019s, read from the curves "
            "below. Bars compare within a column. Exact search has a recall of 1, so its speed is "
            "the same in every column.");
    table_leaderboard(out, curves);
    section(out, "Recall against speed",
            "Up and to the right is better. Every mark is one ef, the width of the walk; point at "
            "it for its figures. A pale mark is beaten by another of its curve in both recall and "
            "speed, and the line passes it by.");
    fputs("<div class='wide'>\n", out);
    chart_recall(out, curves);
    fputs("</div>\n", out);
    if (!(headline > 0))
        return;
    snprintf(about, sizeof about,
             "The time of one query, at the narrowest walk of each contender with a recall of at "
             "least %g: the filled mark is the median, then come p95, p99 and p99.9.",
             headline);
    section(out, "Latency", about);
    fputs("<div class='wide'>\n", out);
    chart_latency(out, curves, headline);
    fputs("</div>\n", out);
}

static void write_details(FILE *out, const json_t *result, const struct curves *curves)
{
    section(out, "Every run",
            "The percentiles are microseconds. Recall and distances are means over the queries "
            "that were judged.");
    table_runs(out, curves);
    section(out, "Builds",
            "Bytes per vector count the row, its key and the index. Equal digests mean "
            "equal graphs, whatever the number of threads.");
    table_builds(out, result);
    if (json_array_size(result_field(result, "agreement"))) {
        section(out, "Do the devices agree?",
                "The row numbers that exact search returns are compared with the ground truth, "
                "place by place. Where all distances are integers, walks are compared too: every "
                "instruction set has to return the same rows at the same distances, every device "
                "the same rows.");
        table_agreement(out, result);
    }
    section(out, "Devices", NULL);
    table_devices(out, result);
    section(out, "Machine", NULL);
    table_hardware(out, result);
}

static const char definitions[] =
    "<dl>\n<dt>recall, strict</dt><dd>The share of the k hits whose exact distance is at most that "
    "of the k-th true neighbour, mean over the queries. No row counts twice. Distances are "
    "computed again from the row numbers, not taken from the search.</dd>\n"
    "<dt>recall, ann-b.</dt><dd>As ann-benchmarks defines it: the same with 0.001 added to that "
    "distance, on Euclidean distances or 1 \u2212 cosine. Never smaller than the strict one.</dd>\n"
    "<dt>QPS</dt><dd>Queries divided by the wall time of a pass over them: the median of the "
    "passes, with the least and the most beside it. Contenders take turns, so that a slow minute "
    "of the machine hits all of them.</dd>\n"
    "<dt>QPS at a recall</dt><dd>Of the points of a curve, those stay that no other point of it "
    "beats in both recall and QPS. Between two neighbours that stay, the logarithm of QPS is taken "
    "to be straight in recall. A recall below the first point has the first point\u2019s QPS; one "
    "beyond the last is not reached.</dd>\n"
    "<dt>p50 to p99.9</dt><dd>Time of a call, over all passes, by nearest rank: that share of the "
    "calls took at most so long. A call answers one query, or one batch where the batch is "
    "larger than 1.</dd>\n"
    "<dt>distances</dt><dd>Query-to-row distances that were computed for a query, mean.</dd>\n"
    "<dt>queries</dt><dd>Recall is over all queries of the data set wherever the time allowed. "
    "What is timed is an even sample, so large that the slowest contender fits the time; walks "
    "all get the same sample.</dd>\n";

static void write_definitions(FILE *out, const json_t *result)
{
    section(out, "What the figures mean", NULL);
    fputs(definitions, out);
    fputs("<dt>data, sha256</dt><dd><code>", out);
    html_text(out, result_text(result, "dataset.sha256"));
    fputs("</code></dd>\n</dl>\n", out);
    if (*result_text(result, "dataset.note")) {
        fputs("<p class='note'>", out);
        html_text(out, result_text(result, "dataset.note"));
        fputs("</p>\n", out);
    }
    section(out, "The command", "This page again, from the result file: kith report FILE.");
    fputs("<pre>", out);
    html_text(out, result_text(result, "command"));
    fputs("</pre>\n", out);
}

static bool write_page(FILE *out, const json_t *result, const struct dataset *dataset)
{
    struct curves curves = curves_collect(result);
    write_head(out, result);
    write_opening(out, result);
    if (curves.count)
        write_measurements(out, &curves);
    copies_write_report(out, result);
    if (dataset && json_object_get(result, "pictures")) {
        section(out, "What recall looks like", NULL);
        pictures_write(out, result, dataset);
    }
    write_details(out, result, &curves);
    write_definitions(out, result);
    fprintf(out, "<footer class='note'>Kith ");
    html_text(out, result_text(result, "kith"));
    fputs(". The whole result is in this page\u2019s source, as JSON.</footer>\n"
          "<script type='application/json' id='kith-result'>",
          out);
    bool whole = html_json(out, result);
    fputs("</script>\n</body>\n</html>\n", out);
    curves_free(&curves);
    return whole && !ferror(out);
}

bool report_write(const json_t *result, const struct dataset *dataset, const char *path,
                  struct sentence *why)
{
    struct output output;
    if (!output_open(path, &output, why))
        return false;
    if (!write_page(output.file, result, dataset)) {
        output_discard(&output);
        return sentence_fail(why, "%s: cannot write", path);
    }
    return output_commit(&output, why);
}
