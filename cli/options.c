/* options.c - the option parser and the help text, both from one table.
 *
 * getopt_long() is not used because it accepts abbreviations, which turn into a different option
 * when a new one is added, and because its messages cannot name the allowed range or the option
 * that was probably meant. Parsing is two steps: find the option and its value, then store the
 * value strictly. The first mistake ends it with one sentence and exit code 2.
 */
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/terminal.h"

/* The options that every verb has. */
struct common {
    bool help, json, quiet, no_color;
};
#define COMMON_COUNT 4

static void common_specs(struct common *common, struct option_spec out[COMMON_COUNT])
{
    const struct option_spec specs[COMMON_COUNT] = {
        {.name = "json", .out = &common->json, .help = "results as JSON"},
        {.name = "quiet", .letter = 'q', .out = &common->quiet, .help = "no notes, no progress"},
        {.name = "no-color", .out = &common->no_color, .help = "no colours (also: NO_COLOR)"},
        {.name = "help", .letter = 'h', .out = &common->help, .help = "this text"},
    };
    memcpy(out, specs, sizeof specs);
}

/* ---- nearest name ------------------------------------------------------------------------- */

#define NAME_MOST 40

/* Levenshtein distance by one row of the table; long words are cut, which only makes the
 * suggestion worse. */
static size_t edits(const char *a, const char *b)
{
    const size_t na = strnlen(a, NAME_MOST), nb = strnlen(b, NAME_MOST);
    size_t row[NAME_MOST + 1];
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            const size_t swap = diagonal + (a[i - 1] != b[j - 1]);
            const size_t step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = swap < step ? swap : step;
        }
    }
    return row[nb];
}

/* Near enough is one edit and one more for every three letters, or a prefix. A single letter is
 * near to everything, so it must be right. */
const char *did_you_mean(const char *typed, const void *candidates, size_t count, size_t stride)
{
    const size_t length = strlen(typed);
    const char *best = NULL;
    size_t best_edits = length > 1 ? length / 3 + 2 : 1;
    for (size_t i = 0; i < count; i++) {
        const char *name;
        memcpy(&name, (const char *)candidates + i * stride, sizeof name);
        const bool prefix = length > 1 && strncmp(typed, name, length) == 0;
        const size_t cost = prefix ? 0 : edits(typed, name);
        if (cost < best_edits) {
            best = name;
            best_edits = cost;
        }
    }
    return best;
}

/* ---- storing values ----------------------------------------------------------------------- */

/* Digits only: strtoull would take "-1" and " 7", and stops quietly at the first other letter. */
static bool parse_u64(const char *text, size_t length, uint64_t *out)
{
    uint64_t value = 0;
    if (length == 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

static bool in_range(const struct option_spec *spec, double value)
{
    return value >= spec->least && value <= spec->most;
}

static bool store_list(const struct option_spec *spec, const char *text)
{
    struct u32_list list = {0};
    for (const char *start = text;;) {
        const size_t length = strcspn(start, ",");
        uint64_t value;
        if (list.count == U32_LIST_MOST || !parse_u64(start, length, &value) ||
            !in_range(spec, (double)value) || value > UINT32_MAX)
            return false;
        list.item[list.count++] = (uint32_t)value;
        if (start[length] == '\0')
            break;
        start += length + 1;
    }
    *(struct u32_list *)spec->out = list;
    return true;
}

static bool store_choice(const struct option_spec *spec, const char *text)
{
    const size_t length = strlen(text);
    for (const char *at = spec->choices; length > 0;) {
        const size_t n = strcspn(at, "|");
        if (n == length && memcmp(at, text, n) == 0) {
            *(const char **)spec->out = text;
            return true;
        }
        if (at[n] == '\0')
            break;
        at += n + 1;
    }
    return false;
}

static bool store_f64(const struct option_spec *spec, const char *text)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || !in_range(spec, value))
        return false;
    *(double *)spec->out = value;
    return true;
}

static bool store(const struct option_spec *spec, const char *text)
{
    uint64_t value = 0;
    switch (spec->kind) {
    case OPTION_FLAG:
        *(bool *)spec->out = true;
        return true;
    case OPTION_TEXT:
        *(const char **)spec->out = text;
        return text[0] != '\0';
    case OPTION_CHOICE:
        return store_choice(spec, text);
    case OPTION_F64:
        return store_f64(spec, text);
    case OPTION_U32_LIST:
        return store_list(spec, text);
    case OPTION_U32:
    case OPTION_U64:
        if (!parse_u64(text, strlen(text), &value) || !in_range(spec, (double)value))
            return false;
        if (spec->kind == OPTION_U64) {
            *(uint64_t *)spec->out = value;
            return true;
        }
        *(uint32_t *)spec->out = (uint32_t)value;
        return value <= UINT32_MAX;
    }
    return false;
}

static int refuse_value(const struct syntax *syntax, const struct option_spec *spec,
                        const char *text)
{
    char *range = NULL;
    if (spec->kind == OPTION_CHOICE)
        range = heap_format("one of %s", spec->choices);
    else if (spec->kind == OPTION_TEXT)
        range = heap_copy("a value that is not empty");
    else
        range = heap_format("%s from %.15g to %.15g",
                            spec->kind == OPTION_F64        ? "a number"
                            : spec->kind == OPTION_U32_LIST ? "whole numbers, comma-separated,"
                                                            : "a whole number",
                            spec->least, spec->most);
    terminal_fail(TOOL_USAGE, "%s: --%s takes %s, not \"%s\"", syntax->verb, spec->name, range,
                  text);
    free(range);
    return TOOL_USAGE;
}

/* ---- finding options ---------------------------------------------------------------------- */

/* The verb's own options, then the common ones. */
struct table {
    const struct option_spec *own, *common;
    size_t own_count;
};

static const struct option_spec *table_at(const struct table *table, size_t i)
{
    if (i < table->own_count)
        return &table->own[i];
    return i - table->own_count < COMMON_COUNT ? &table->common[i - table->own_count] : NULL;
}

static const struct option_spec *find_long(const struct table *table, const char *name, size_t n)
{
    const struct option_spec *spec;
    for (size_t i = 0; (spec = table_at(table, i)); i++)
        if (strncmp(spec->name, name, n) == 0 && spec->name[n] == '\0')
            return spec;
    return NULL;
}

static const struct option_spec *find_short(const struct table *table, char letter)
{
    const struct option_spec *spec;
    for (size_t i = 0; (spec = table_at(table, i)); i++)
        if (spec->letter == letter)
            return spec;
    return NULL;
}

static int refuse_unknown(const struct syntax *syntax, const struct table *table, const char *typed,
                          size_t length)
{
    const char *names[64];
    size_t count = 0;
    const struct option_spec *spec;
    for (size_t i = 0; (spec = table_at(table, i)) && count < COUNT_OF(names); i++)
        names[count++] = spec->name;
    char *const name = heap_format("%.*s", (int)length, typed);
    const char *const bare = name + strspn(name, "-");
    const char *const meant = did_you_mean(bare, names, count, sizeof names[0]);
    if (meant)
        terminal_fail(TOOL_USAGE, "%s: no option %s; did you mean --%s?", syntax->verb, name,
                      meant);
    else
        terminal_fail(TOOL_USAGE, "%s: no option %s; see kith %s --help", syntax->verb, name,
                      syntax->verb);
    free(name);
    return TOOL_USAGE;
}

/* One option at argv[*at]; moves *at over a value that stands alone. A short flag stands alone:
 * `-qh` is refused rather than taken apart. */
static int take_option(const struct syntax *syntax, const struct table *table, int argc,
                       char **argv, int *at)
{
    const char *const typed = argv[*at];
    const bool is_long = typed[1] == '-';
    const size_t length = is_long ? strcspn(typed, "=") : 2;
    const struct option_spec *const spec =
        is_long ? find_long(table, typed + 2, length - 2) : find_short(table, typed[1]);
    const char *value = typed[length] ? typed + length + (is_long ? 1 : 0) : NULL;
    if (!spec || (!is_long && spec->kind == OPTION_FLAG && value))
        return refuse_unknown(syntax, table, typed, is_long ? length : strlen(typed));
    if (spec->kind == OPTION_FLAG && value)
        return terminal_fail(TOOL_USAGE, "%s: --%s takes no value", syntax->verb, spec->name);
    if (spec->kind != OPTION_FLAG && !value) {
        if (*at + 1 >= argc)
            return terminal_fail(TOOL_USAGE, "%s: --%s needs a value (%s)", syntax->verb,
                                 spec->name, spec->value);
        value = argv[++*at];
    }
    return store(spec, value) ? OPTIONS_GO : refuse_value(syntax, spec, value);
}

/* ---- help --------------------------------------------------------------------------------- */

static void print_option(const struct option_spec *spec)
{
    char *const name =
        heap_format("--%s%s%s", spec->name, spec->value ? " " : "", spec->value ? spec->value : "");
    if (spec->letter)
        printf("  -%c, %-24s %s\n", spec->letter, name, spec->help);
    else
        printf("      %-24s %s\n", name, spec->help);
    free(name);
}

static void print_help(const struct syntax *syntax, const struct table *table)
{
    const char *const bold = terminal_style(stdout, STYLE_BOLD);
    const char *const off = terminal_style(stdout, STYLE_OFF);
    printf("%sExamples%s\n", bold, off);
    for (const char *line = syntax->examples; *line;) {
        const size_t n = strcspn(line, "\n");
        printf("  %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
    printf("\n%sUsage%s\n  kith %s%s%s [options]\n\n%s\n\n%sOptions%s\n", bold, off, syntax->verb,
           syntax->operands[0] ? " " : "", syntax->operands, syntax->about, bold, off);
    const struct option_spec *spec;
    for (size_t i = 0; (spec = table_at(table, i)); i++)
        print_option(spec);
}

/* ---- the door ----------------------------------------------------------------------------- */

static int check_operands(const struct syntax *syntax, const struct arguments *arguments)
{
    if (arguments->operand_count >= syntax->operands_least)
        return OPTIONS_GO;
    return terminal_fail(TOOL_USAGE, "%s: %s is missing; see kith %s --help", syntax->verb,
                         syntax->operands, syntax->verb);
}

static int take_operand(const struct syntax *syntax, struct arguments *arguments, const char *text)
{
    if (arguments->operand_count == syntax->operands_most)
        return terminal_fail(TOOL_USAGE, "%s: \"%s\" is one operand too many; see kith %s --help",
                             syntax->verb, text, syntax->verb);
    if (!text[0])
        return terminal_fail(TOOL_USAGE, "%s: operand %zu of %s is empty", syntax->verb,
                             arguments->operand_count + 1, syntax->operands);
    arguments->operand[arguments->operand_count++] = text;
    return OPTIONS_GO;
}

/* A vector may begin with a negative number, and no option begins with a digit or a point. */
static bool is_option(const char *typed)
{
    return typed[0] == '-' && typed[1] && !strchr("0123456789.", typed[1]);
}

int options_parse(const struct syntax *syntax, int argc, char **argv, struct arguments *out)
{
    struct common common = {0};
    struct option_spec common_table[COMMON_COUNT];
    common_specs(&common, common_table);
    const struct table table = {syntax->options, common_table, syntax->option_count};
    struct arguments arguments = {0};
    bool options_over = false;
    for (int i = 1; i < argc; i++) {
        const bool option = !options_over && is_option(argv[i]);
        int status = OPTIONS_GO;
        if (option && strcmp(argv[i], "--") == 0)
            options_over = true;
        else if (option)
            status = take_option(syntax, &table, argc, argv, &i);
        else
            status = take_operand(syntax, &arguments, argv[i]);
        if (status != OPTIONS_GO)
            return status;
    }
    terminal_setup(common.quiet, common.no_color);
    if (common.help) {
        print_help(syntax, &table);
        return TOOL_OK;
    }
    arguments.json = common.json;
    arguments.quiet = common.quiet;
    *out = arguments;
    return check_operands(syntax, &arguments);
}

int verb_run(const char *what, const struct verb *verbs, size_t count, int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < count; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    if (argc < 2)
        return terminal_fail(TOOL_USAGE, "%s needs a verb; see %s --help", what, what);
    const char *const meant = did_you_mean(argv[1], verbs, count, sizeof verbs[0]);
    if (meant)
        return terminal_fail(TOOL_USAGE, "%s has no verb \"%s\"; did you mean %s?", what, argv[1],
                             meant);
    return terminal_fail(TOOL_USAGE, "%s has no verb \"%s\"; see %s --help", what, argv[1], what);
}
