/* tidy_layout.c - the shape of one file: columns, lengths, macros, marks, the opening comment.
 *
 * Lines are looked at one after the other. The end of a function is a closing brace in the first
 * column, which is where clang-format puts it and nothing else.
 */
#include "tests/tidy.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tidy_say(const struct tidy_report *report, const struct tidy_file *file, const char *where,
              const char *rule, const char *format, ...)
{
    char text[256];
    unsigned line = where != NULL;
    for (const char *at = file->text; where && at < where; at++)
        line += *at == '\n';
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    report->say(report->user, file->path, line, rule, text);
}

/* The end of the comment or literal that starts here; `text` itself when none does. */
static char *skip_blankable(char *text)
{
    char *end;
    if (text[0] == '/' && text[1] == '/')
        return text + strcspn(text, "\n");
    if (text[0] == '/' && text[1] == '*')
        return (end = strstr(text + 2, "*/")) ? end + 2 : text + strlen(text);
    if (*text != '"' && *text != '\'')
        return text;
    for (end = text + 1; *end && *end != *text && *end != '\n'; end++)
        end += *end == '\\' && end[1];
    return *end ? end + 1 : end;
}

void tidy_blank(char *text)
{
    while (*text) {
        char *end = skip_blankable(text);
        if (end == text)
            text++;
        for (; text < end; text++)
            if (*text != '\n')
                *text = ' ';
    }
}

const char *tidy_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool tidy_ends(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

bool tidy_starts(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool tidy_is_c(const char *path)
{
    return tidy_ends(path, ".c") || tidy_ends(path, ".h") || tidy_ends(path, ".cc") ||
           tidy_ends(path, ".cl");
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

const char *tidy_word(const char *from, const char *word)
{
    size_t n = strlen(word);
    const char *start = from;
    for (; (from = strstr(from, word)) != NULL; from++)
        if (!is_word(from[n]) && (from == start || !is_word(from[-1])))
            return from;
    return NULL;
}

/* Characters, not bytes: continuation bytes of UTF-8 take no column. */
static unsigned columns(const char *line, size_t bytes)
{
    unsigned n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)line[i] & 0xc0) != 0x80;
    return n;
}

static void check_lines(const struct tidy_file *file, const struct tidy_report *report)
{
    unsigned lines = 0;
    for (const char *line = file->text; *line; lines++) {
        size_t bytes = strcspn(line, "\n");
        if (columns(line, bytes) > TIDY_COLUMNS)
            tidy_say(report, file, line, "columns", "%u columns, the wall is %d",
                     columns(line, bytes), TIDY_COLUMNS);
        if (memchr(line, '\t', bytes))
            tidy_say(report, file, line, "blanks", "a tab; indent with spaces");
        if (bytes && (line[bytes - 1] == ' ' || line[bytes - 1] == '\r'))
            tidy_say(report, file, line, "blanks", "the line ends with a blank");
        line += bytes + (line[bytes] == '\n');
    }
    const int wall =
        strcmp(file->path, "include/kith.h") == 0 ? TIDY_PROMISE_LINES : TIDY_FILE_LINES;
    if (lines > (unsigned)wall)
        tidy_say(report, file, NULL, "file-length", "%u lines, the wall is %d", lines, wall);
}

static void check_functions(const struct tidy_file *file, const struct tidy_report *report)
{
    const char *open = NULL;
    unsigned lines = 0;
    for (const char *line = file->code; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (*line == '{') {
            open = line;
            lines = 0;
        }
        lines++;
        if (*line != '}' || !open)
            continue;
        if (lines > TIDY_FUNCTION_LINES)
            tidy_say(report, file, file->text + (open - file->code), "function-length",
                     "%u lines, the wall is %d", lines, TIDY_FUNCTION_LINES);
        open = NULL;
    }
}

/* Does the first line of a definition hold some of its body? */
static bool body_begins(const char *define)
{
    const char *at = define + strcspn(define, " \n");
    at += strspn(at, " ");
    while (is_word(*at))
        at++;
    if (*at == '(')
        at += strcspn(at, ")\n");
    at += *at == ')';
    at += strspn(at, " ");
    return *at != '\\' && *at != '\n';
}

static void check_macros(const struct tidy_file *file, const struct tidy_report *report)
{
    for (const char *line = file->text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!tidy_starts(line, "#define "))
            continue;
        const char *end = strchr(line, '\n');
        int lines = body_begins(line);
        for (; end && end[-1] == '\\'; end = strchr(end + 1, '\n'))
            lines++;
        if (lines > TIDY_MACRO_LINES)
            tidy_say(report, file, line, "macro-length", "a body of %d lines, the wall is %d",
                     lines, TIDY_MACRO_LINES);
    }
}

/* Marks of unfinished work. They are spelled in halves, so that this file has none. */
static void check_marks(const struct tidy_file *file, const struct tidy_report *report)
{
    static const char *const marks[] = {"TO"
                                        "DO",
                                        "FIX"
                                        "ME",
                                        "X"
                                        "XX",
                                        "HA"
                                        "CK",
                                        "WI"
                                        "P"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        for (const char *at = file->text; (at = tidy_word(at, marks[i])) != NULL; at++)
            tidy_say(report, file, at, "marks", "finish it, or leave the mark out");
    for (const char *at = file->code; at && (at = strstr(at, "#if 0")) != NULL; at++)
        tidy_say(report, file, file->text + (at - file->code), "marks",
                 "code that is switched off; the history keeps it");
    for (const char *at = file->code; at && (at = tidy_word(at, "goto")) != NULL; at++)
        if (!tidy_starts(at, "goto fail;"))
            tidy_say(report, file, file->text + (at - file->code), "goto",
                     "the one label is fail:");
}

static void check_opening(const struct tidy_file *file, const struct tidy_report *report)
{
    const char *text = file->text;
    const char *mark = tidy_is_c(file->path) ? "/*" : "#";
    if (tidy_starts(text, mark) || (tidy_ends(file->path, ".cc") && tidy_starts(text, "//")))
        return;
    tidy_say(report, file, text, "opening", "open with what the file is, in a comment");
}

/* Options that change results or tie a build to one machine. */
static void check_flags(const struct tidy_file *file, const struct tidy_report *report)
{
    static const char *const flags[] = {"-march=native", "-mcpu=native", "-ffast-math", "-Ofast"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        for (const char *at = file->text; (at = strstr(at, flags[i])) != NULL; at++)
            tidy_say(report, file, at, "flags", "no %s in this house", flags[i]);
}

void tidy_check_layout(const struct tidy_file *file, const struct tidy_report *report)
{
    bool is_c = tidy_is_c(file->path);
    bool is_build = tidy_ends(file->path, ".txt") || tidy_ends(file->path, ".cmake") ||
                    tidy_ends(file->path, "Presets.json");
    if (is_build)
        check_flags(file, report);
    if (!is_c && !tidy_ends(file->path, ".sh") && !tidy_ends(file->path, ".txt") &&
        !tidy_ends(file->path, ".cmake"))
        return;
    check_lines(file, report);
    check_marks(file, report);
    check_opening(file, report);
    if (!is_c)
        return;
    check_functions(file, report);
    check_macros(file, report);
}
