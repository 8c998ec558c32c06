/* copies.c - the tables of copies and of scaling.
 *
 * A share is among the copies of one partition: what the fastest of them took off the others. With
 * one copy a partition it is all or nothing.
 */
#include "cli/copies.h"

#include <inttypes.h>
#include <math.h>

#include "cli/html.h"
#include "cli/result.h"
#include "cli/terminal.h"

static bool copy_at(const kith_replicas *replicas, size_t i, kith_copy_info *out)
{
    *out = (kith_copy_info){.size = sizeof *out};
    return !kith_replicas_copy(replicas, i, out);
}

static uint64_t answered(const kith_replicas *replicas, uint32_t partition)
{
    kith_copy_info info;
    uint64_t sum = 0;
    for (size_t i = 0; copy_at(replicas, i, &info); i++)
        sum += info.partition == partition ? info.queries : 0;
    return sum;
}

json_t *copies_json(const kith_replicas *replicas)
{
    json_t *const list = json_array();
    kith_copy_info info;
    for (size_t i = 0; copy_at(replicas, i, &info); i++) {
        const uint64_t all = answered(replicas, info.partition);
        const char *const state = kith_copy_state_name(info.state);
        json_array_append_new(
            list,
            json_pack("{s:I, s:o, s:s, s:I, s:I, s:I, s:f, s:f, s:I, s:o, s:o}", "partition",
                      (json_int_t)info.partition, "device", terminal_text(info.device), "state",
                      state ? state : "unknown", "rows", (json_int_t)info.rows, "bytes",
                      (json_int_t)info.bytes, "queries", (json_int_t)info.queries, "share",
                      all ? (double)info.queries / (double)all : 0.0, "queries_per_second",
                      info.queries_per_second, "lsn", (json_int_t)info.lsn, "digest",
                      json_sprintf("%016" PRIx64, info.digest), "reason",
                      terminal_text(info.reason)));
    }
    return list;
}

uint64_t copies_bytes(const kith_replicas *replicas)
{
    kith_copy_info info;
    uint64_t sum = 0;
    for (size_t i = 0; copy_at(replicas, i, &info); i++)
        sum += info.bytes;
    return sum;
}

void copies_print(FILE *out, const json_t *copies)
{
    fprintf(out, "%s %-10s %9s  %-8s %12s %10s %12s %7s%s\n", terminal_style(out, STYLE_BOLD),
            "device", "partition", "state", "rows", "memory", "queries", "share",
            terminal_style(out, STYLE_OFF));
    for (size_t i = 0; i < json_array_size(copies); i++) {
        const json_t *copy = json_array_get(copies, i);
        char rows[HUMAN_SIZE], bytes[HUMAN_SIZE], queries[HUMAN_SIZE];
        fprintf(out, " %-10s %9.0f  %-8s %12s %10s %12s %6.1f%%", result_text(copy, "device"),
                result_number(copy, "partition"), result_text(copy, "state"),
                human_count(rows, result_count(copy, "rows")),
                human_bytes(bytes, result_count(copy, "bytes")),
                human_count(queries, result_count(copy, "queries")),
                100 * result_number(copy, "share"));
        fprintf(out, "%s%s\n", *result_text(copy, "reason") ? "  " : "",
                result_text(copy, "reason"));
    }
}

/* ---- of a result --------------------------------------------------------------------------- */

static void print_scaling(FILE *out, const json_t *steps)
{
    if (json_array_size(steps) < 2)
        return;
    fprintf(out, "\n%s %-20s %9s %7s %10s %9s %9s%s\n", terminal_style(out, STYLE_BOLD), "devices",
            "copies", "ef", "recall", "QPS", "ratio", terminal_style(out, STYLE_OFF));
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        fprintf(out, " %-20s %5.0f x %1.0f %7.0f %10.4f %9.0f %9.2f\n",
                result_text(step, "devices"), result_number(step, "partitions"),
                result_number(step, "copies"), result_number(step, "ef"),
                result_number(step, "recall"), result_number(step, "qps"),
                result_number(step, "ratio"));
    }
}

void copies_print_result(FILE *out, const json_t *result)
{
    const json_t *replicas = json_object_get(result, "replicas");
    char seconds[HUMAN_SIZE];
    if (!replicas)
        return;
    fprintf(out,
            "\n replicas: %.0f partitions, %.0f copies of each, placed in %s; %.0f pieces of "
            "work given out again\n",
            result_number(replicas, "partitions"), result_number(replicas, "copies"),
            human_seconds(seconds, result_number(replicas, "seconds")),
            result_number(replicas, "retries"));
    copies_print(out, json_object_get(replicas, "held"));
    print_scaling(out, json_object_get(replicas, "scaling"));
}

/* ---- the page ------------------------------------------------------------------------------ */

static void cell(FILE *out, const char *text)
{
    fputs("<td>", out);
    html_text(out, text);
    fputs("</td>", out);
}

static void row_copy(FILE *out, const json_t *copy)
{
    char rows[HUMAN_SIZE], bytes[HUMAN_SIZE], queries[HUMAN_SIZE];
    fputs("<tr>", out);
    cell(out, result_text(copy, "device"));
    fprintf(out, "<td class='n'>%.0f</td>", result_number(copy, "partition"));
    cell(out, result_text(copy, "state"));
    fprintf(out,
            "<td class='n'>%s</td><td class='n'>%s</td><td class='n'>%s</td>"
            "<td class='n'>%.1f %%</td></tr>\n",
            human_count(rows, result_count(copy, "rows")),
            human_bytes(bytes, result_count(copy, "bytes")),
            human_count(queries, result_count(copy, "queries")),
            100 * result_number(copy, "share"));
}

static void write_scaling(FILE *out, const json_t *steps)
{
    if (json_array_size(steps) < 2)
        return;
    fputs("<div class='wide'><table><thead><tr><th>devices</th><th class='n'>partitions</th>"
          "<th class='n'>copies</th><th class='n'>ef</th><th class='n'>recall</th>"
          "<th class='n'>QPS</th><th class='n'>ratio</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        char qps[HUMAN_SIZE];
        fputs("<tr>", out);
        cell(out, result_text(step, "devices"));
        fprintf(out,
                "<td class='n'>%.0f</td><td class='n'>%.0f</td><td class='n'>%.0f</td>"
                "<td class='n'>%.4f</td><td class='n'>%s</td><td class='n'>%.2f</td></tr>\n",
                result_number(step, "partitions"), result_number(step, "copies"),
                result_number(step, "ef"), result_number(step, "recall"),
                human_count(qps, result_count(step, "qps")), result_number(step, "ratio"));
    }
    fputs("</tbody></table></div>\n", out);
}

void copies_write_report(FILE *out, const json_t *result)
{
    const json_t *replicas = json_object_get(result, "replicas");
    const json_t *held = json_object_get(replicas, "held");
    if (!json_array_size(held))
        return;
    fprintf(out,
            "<h2>Replicas</h2>\n<p class='note'>The rows in %.0f partitions, %.0f copies of "
            "each. A share is of the queries that the copies of one partition answered; the "
            "ratio is to the first device alone.</p>\n",
            result_number(replicas, "partitions"), result_number(replicas, "copies"));
    fputs("<div class='wide'><table><thead><tr><th>device</th><th class='n'>partition</th>"
          "<th>state</th><th class='n'>rows</th><th class='n'>memory</th>"
          "<th class='n'>queries</th><th class='n'>share</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < json_array_size(held); i++)
        row_copy(out, json_array_get(held, i));
    fputs("</tbody></table></div>\n", out);
    write_scaling(out, json_object_get(replicas, "scaling"));
}
