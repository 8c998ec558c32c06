/* report_verb.c - `kith report`: the page of a result file that is already there.
 *
 * The pictures are drawn from the data set, and only from the very bytes that the result names:
 * without the set, or with another one, the page has none and says nothing about it.
 */
#include <string.h>

#include "cli/datasets.h"
#include "cli/leaderboard.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/result.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

/* Opens the named set that the result was measured on. */
static bool find_pictures(const json_t *result, struct dataset *out)
{
    struct dataset_wish wish = {.data = result_text(result, "dataset.name"),
                                .rows = result_count(result, "dataset.rows"),
                                .query_rows = result_count(result, "dataset.queries")};
    struct sentence why;
    const struct dataset_name *set;
    if (!json_object_get(result, "pictures"))
        return false;
    for (size_t i = 0; (set = dataset_named(i)); i++)
        if (!strcmp(set->name, wish.data) && dataset_present(set, NULL, 0))
            break;
    if (!set || !dataset_open(&wish, out, &why))
        return false;
    if (!strcmp(out->sha256, result_text(result, "dataset.sha256")))
        return true;
    dataset_close(out);
    return false;
}

static int write_report(const json_t *result, const char *path)
{
    struct sentence why;
    struct dataset dataset;
    bool pictures = find_pictures(result, &dataset);
    bool written = report_write(result, pictures ? &dataset : NULL, path, &why);
    if (pictures)
        dataset_close(&dataset);
    return written ? TOOL_OK : terminal_fail(TOOL_FAILED, "%s", why.text);
}

int report_main(int argc, char **argv)
{
    const char *path = "kith-report.html";
    const struct option_spec options[] = {
        {"out", 'o', OPTION_TEXT, &path, "FILE", "default kith-report.html", 0, 0, NULL},
    };
    const struct syntax syntax = {
        .verb = "report",
        .operands = "RESULT",
        .about = "Prints the leaderboard of a result file and writes its report.",
        .examples = "kith report kith-result.json\n"
                    "kith report old.json -o old.html\n",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 1,
        .operands_most = 1};
    struct arguments arguments;
    struct sentence why;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    if (!output_check(path, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    json_t *result = result_read(arguments.operand[0], &why);
    if (!result)
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    code = write_report(result, path);
    if (!code && arguments.json)
        terminal_json(json_incref(result));
    else if (!code)
        leaderboard_print(stdout, result);
    if (!code)
        terminal_note("wrote %s", path);
    json_decref(result);
    return code;
}
