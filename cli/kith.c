/* kith.c - the tool's main: which verb, and what holds for all of them.
 *
 * Some things are settled before a verb runs. A closed pipe, or a limit on the size of files,
 * gives a failing write rather than a silent death, so that results that were lost give exit code
 * 1 and nothing is left half done. A file that is cut short under its mapping gives a sentence. A
 * standard stream that was closed is filled with /dev/null, opened for reading, so that no data
 * file can take its number and receive what is printed. And ^C is caught once, for the verbs that
 * can keep what is done.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kith.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

static int help_main(int argc, char **argv);

static const struct verb verbs[] = {
    {"bench", "measure recall and speed on every device of this machine", bench_main},
    {"tune", "find the quickest search that reaches a recall", tune_main},
    {"report", "draw the report of a result file", report_main},
    {"kernels", "name the distance kernels in use, and how near their limits they are",
     kernels_main},
    {"devices", "list the devices that vectors can be searched on", devices_main},
    {"import", "make a store from a file of vectors", import_main},
    {"export", "write the vectors of a store to a file", export_main},
    {"build", "attach a graph to a store, or bring it up to date", build_main},
    {"search", "find the nearest rows of a store for a file of queries", search_main},
    {"put", "put a vector into a store", put_main},
    {"get", "print the vector of a key", get_main},
    {"del", "delete a key", del_main},
    {"scan", "print keys in order", scan_main},
    {"stat", "what a store holds and what it costs", stat_main},
    {"check", "compare a store with its checksums", check_main},
    {"backup", "copy a store, also while it is written to", backup_main},
    {"compact", "give the space of what was deleted back", compact_main},
    {"data", "list, inspect, fetch and convert data sets", data_main},
    {"help", "explain a verb", help_main},
};

static int print_overview(void)
{
    const char *const bold = terminal_style(stdout, STYLE_BOLD);
    const char *const off = terminal_style(stdout, STYLE_OFF);
    printf("%sExamples%s\n"
           "  kith devices                what is there to search on\n"
           "  kith bench                  measure all of it on real data; writes a report\n"
           "  kith help bench             the options of a verb\n\n"
           "%sVerbs%s\n",
           bold, off, bold, off);
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
    printf("\n%sExit codes%s\n"
           "  0 ok   1 failure   2 usage   3 regression found   4 recall too low, or devices\n"
           "  disagree   5 the device asked for is absent   130 interrupted\n",
           bold, off);
    return TOOL_OK;
}

static int help_main(int argc, char **argv)
{
    char help[] = "--help";
    char *arguments[] = {argv[0], argc > 1 ? argv[1] : NULL, help};
    if (argc < 2 || argv[1][0] == '-' || strcmp(argv[1], "help") == 0)
        return print_overview();
    return verb_run("kith", verbs, COUNT_OF(verbs), 3, arguments);
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        terminal_fail(TOOL_USAGE, "no verb; see kith --help");
        return TOOL_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_overview();
    if (strcmp(argv[1], "--version") == 0) {
        printf("kith %s\n", kith_version());
        return TOOL_OK;
    }
    return verb_run("kith", verbs, COUNT_OF(verbs), argc, argv);
}

/* Stores are mapped: one that another program cuts short, or a disk that fails to read, is a bus
 * error here. Nothing can be saved, but a person can be told; only write() is allowed here. */
static void on_lost_page(int signal_number)
{
    static const char why[] = "kith: a file was cut short while it was in use, or its disk cannot "
                              "be read\n";
    (void)signal_number;
    (void)!write(STDERR_FILENO, why, sizeof why - 1);
    _exit(TOOL_FAILED);
}

static void settle_streams(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", O_RDONLY); /* takes the lowest free number, this one */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is then a write that fails */
    signal(SIGBUS, on_lost_page);
}

int main(int argc, char **argv)
{
    settle_streams();
    interrupt_install();
    return terminal_finish(run(argc, argv));
}
