/* options.h - what the user typed: exit codes, verbs and the table-driven option parser.
 *
 * A verb describes itself by a `struct syntax`: an array of options whose `out` pointers aim at
 * the verb's own variables, which hold the defaults. options_parse() does the rest: long and
 * short options, `--name value`, `--name=value`, `-k10`, `--`, strict numbers with the allowed
 * range in the sentence, "did you mean", and the --help text, examples first, from the same
 * table. --help, --json, --quiet and --no-color belong to every verb and are not in its table.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the process returns. Scripts depend on these numbers. */
enum tool_exit {
    TOOL_OK = 0,
    TOOL_FAILED = 1,
    TOOL_USAGE = 2,
    TOOL_REGRESSION = 3,
    TOOL_DISAGREE = 4, /* recall below --min-recall, or devices that disagree */
    TOOL_NO_DEVICE = 5,
    TOOL_INTERRUPTED = 130
};

struct verb {
    const char *name;
    const char *summary;               /* one line for `kith --help` */
    int (*run)(int argc, char **argv); /* argv[0] is the verb; returns a tool_exit */
};

enum option_kind {
    OPTION_FLAG,    /* bool */
    OPTION_TEXT,    /* const char *, pointing into argv */
    OPTION_CHOICE,  /* const char *, one of `choices` */
    OPTION_U32,     /* uint32_t in least..most */
    OPTION_U64,     /* uint64_t in least..most */
    OPTION_F64,     /* double in least..most, finite */
    OPTION_U32_LIST /* struct u32_list: comma-separated, each in least..most */
};

#define U32_LIST_MOST 64
struct u32_list {
    size_t count;
    uint32_t item[U32_LIST_MOST];
};

struct option_spec {
    const char *name; /* without the dashes */
    char letter;      /* 0 for none */
    enum option_kind kind;
    void *out;           /* the verb's variable; holds the default on entry */
    const char *value;   /* how the value is called in --help, for example "N"; NULL for flags */
    const char *help;    /* half a line; names the default where it is not obvious */
    double least, most;  /* of numbers; exact up to 2^53, which every limit of Kith is below */
    const char *choices; /* OPTION_CHOICE: "l2sq|ip|cosine" */
};

struct syntax {
    const char *verb;     /* as typed: "bench", "data get" */
    const char *operands; /* for the usage line: "[DATA]", "IN OUT", "" */
    const char *about;    /* one to three lines: what it does and what it writes */
    const char *examples; /* lines "kith bench ...", shown first in --help */
    const struct option_spec *options;
    size_t option_count;
    size_t operands_least, operands_most; /* most is at most 4 */
};

/* What was typed beside the verb's own options. */
struct arguments {
    const char *operand[4]; /* NULL where there was none */
    size_t operand_count;
    bool json;
    bool quiet;
};

/* options_parse() returns this to say "go on"; anything else is the exit code to return now, its
 * help or sentence already printed. Also sets up colours and quietness of terminal.h. */
enum { OPTIONS_GO = -1 };
int options_parse(const struct syntax *syntax, int argc, char **argv, struct arguments *out);

/* Runs the verb that argv[1] names, or explains: `what` is "kith" or "kith data". */
int verb_run(const char *what, const struct verb *verbs, size_t count, int argc, char **argv);

/* The candidate nearest to what was typed, NULL when none is near enough to be worth saying.
 * Candidates lie `stride` bytes apart, each starting with a const char *. */
const char *did_you_mean(const char *typed, const void *candidates, size_t count, size_t stride);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
