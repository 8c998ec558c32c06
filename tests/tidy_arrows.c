/* tidy_arrows.c - who may include whom, and who may call what.
 *
 * The rooms of the house know as little of each other as they can: the table below is the whole
 * list of what each may include. The second table holds calls that a room must not make, with
 * what stands in their place. Both are read from the lines as written, with no preprocessor, so
 * a branch that this build leaves out is held to them too.
 */
#include "tests/tidy.h"

#include <stdio.h>
#include <string.h>

/* What a room may include, by path from the root: a folder ends with a slash. Rooms that are not
 * named (tests/) may include all. */
static const struct arrow {
    const char *room;
    const char *may[6];
} arrows[] = {
    {"include/", {NULL}},
    {"kernels/", {"kith.h", "kernels/"}},
    {"cpu/", {"kith.h", "kernels/", "cpu/"}},
    {"kv/", {"kith.h", "kv/"}},
    {"opencl/", {"kith.h", "kernels/", "kv/base.h", "opencl/"}},
    {"index/", {"kith.h", "kernels/", "kv/", "index/"}},
    {"cli/", {"kith.h", "cli/"}},
    {"bench/bench_kernel", {"kith.h", "kernels/", "bench/"}},
    {"bench/bench_gpu_stream", {"kith.h", "kernels/", "opencl/", "bench/"}},
    {"bench/bench_kv_order", {"kith.h", "kv/", "bench/"}},
    {"bench/peers/", {"kith.h", "kernels/"}},
    {"bench/", {"kith.h", "bench/"}},
};

/* System headers that belong to one room, and those that a room of pure numbers has no use for. */
static const struct system_header {
    const char *part; /* found anywhere in the name between the brackets */
    const char *home; /* the only room that may include it; NULL when `not_in` speaks */
    const char *not_in;
} system_headers[] = {
    {"intrin.h", "cpu/", NULL},    {"arm_neon.h", "cpu/", NULL}, {"arm_sve.h", "cpu/", NULL},
    {"CL/", "opencl/", NULL},      {"cblas.h", "index/", NULL},  {"stdio.h", NULL, "cpu/"},
    {"stdio.h", NULL, "kernels/"}, {"pthread.h", NULL, "cpu/"},  {"pthread.h", NULL, "kernels/"},
};

enum { LIBRARY = 1, EVERYWHERE = 2 };

/* Calls that are not made, where, and what to write in their place. */
static const struct banned {
    const char *name;
    int where;
    const char *instead;
} banned[] = {
    {"malloc", LIBRARY, "ki_alloc"},
    {"calloc", LIBRARY, "ki_mul and ki_zalloc"},
    {"realloc", LIBRARY, "ki_realloc"},
    {"free", LIBRARY, "ki_free"},
    {"aligned_alloc", LIBRARY, "ki_alloc_aligned"},
    {"posix_memalign", LIBRARY, "ki_alloc_aligned"},
    {"strdup", LIBRARY, "ki_alloc and memcpy"},
    {"alloca", EVERYWHERE, "memory that has an owner"},
    {"strcpy", EVERYWHERE, "memcpy with a length, or snprintf"},
    {"strcat", EVERYWHERE, "snprintf"},
    {"strncpy", EVERYWHERE, "memcpy with a length, or snprintf"},
    {"strncat", EVERYWHERE, "snprintf"},
    {"sprintf", EVERYWHERE, "snprintf"},
    {"vsprintf", EVERYWHERE, "vsnprintf"},
    {"gets", EVERYWHERE, "fgets"},
    {"strtok", EVERYWHERE, "strcspn"},
    {"atoi", EVERYWHERE, "strtoul, and look at where it ended"},
    {"atof", EVERYWHERE, "strtod, and look at where it ended"},
    {"system", LIBRARY, "nothing: a library starts no program"},
    {"popen", LIBRARY, "nothing: a library starts no program"},
    {"rand", EVERYWHERE, "a generator with a seed of its own"},
    {"srand", EVERYWHERE, "a generator with a seed of its own"},
    {"abort", LIBRARY, "return ki_fail(...)"},
    {"exit", LIBRARY, "return ki_fail(...)"},
    {"printf", LIBRARY, "ki_fail, or a result"},
    {"vprintf", LIBRARY, "ki_fail, or a result"},
    {"puts", LIBRARY, "ki_fail, or a result"},
    {"putchar", LIBRARY, "ki_fail, or a result"},
    {"perror", LIBRARY, "ki_fail with strerror(errno)"},
};

static bool in_library(const char *path)
{
    static const char *const rooms[] = {"include/", "kernels/", "cpu/", "kv/", "index/", "opencl/"};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        if (tidy_starts(path, rooms[i]))
            return true;
    return false;
}

/* A folder allows what lies in it; a file allows itself. */
static bool allows(const struct arrow *arrow, const char *header)
{
    for (size_t i = 0; i < sizeof arrow->may / sizeof *arrow->may && arrow->may[i]; i++) {
        bool folder = tidy_ends(arrow->may[i], "/");
        if (folder ? tidy_starts(header, arrow->may[i]) : strcmp(header, arrow->may[i]) == 0)
            return true;
    }
    return false;
}

static void check_quoted(const struct tidy_file *file, const struct tidy_report *report,
                         const char *line, const char *header)
{
    if (!strchr(header, '/') && strcmp(header, "kith.h") != 0)
        tidy_say(report, file, line, "include-path", "\"%s\": write the path from the root",
                 header);
    for (size_t i = 0; i < sizeof arrows / sizeof *arrows; i++) {
        if (!tidy_starts(file->path, arrows[i].room))
            continue;
        if (!allows(&arrows[i], header))
            tidy_say(report, file, line, "arrow", "%s must not know \"%s\"", arrows[i].room,
                     header);
        return;
    }
}

static void check_system(const struct tidy_file *file, const struct tidy_report *report,
                         const char *line, const char *header)
{
    /* the peaks of a machine are measured with its own instructions */
    if (tidy_starts(file->path, "tests/") || tidy_starts(file->path, "bench/bench_kernel_peaks"))
        return;
    for (size_t i = 0; i < sizeof system_headers / sizeof *system_headers; i++) {
        const struct system_header *rule = &system_headers[i];
        if (!strstr(header, rule->part))
            continue;
        bool at_home = rule->home && tidy_starts(file->path, rule->home);
        bool unwanted = rule->not_in && tidy_starts(file->path, rule->not_in);
        if ((rule->home && !at_home) || unwanted)
            tidy_say(report, file, line, "arrow", "<%s> has no business here", header);
    }
}

void tidy_check_arrows(const struct tidy_file *file, const struct tidy_report *report)
{
    char header[128];
    for (const char *line = file->text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, "#include \"%127[^\"\n]", header) == 1)
            check_quoted(file, report, line, header);
        else if (sscanf(line, "#include <%127[^>\n]", header) == 1)
            check_system(file, report, line, header);
    }
}

/* A call, and not a member of that name or a word of a declaration: name, then a bracket. */
static bool is_call(const char *code, const char *at, size_t length)
{
    const char *after = at + length + strspn(at + length, " ");
    bool member = at > code && (at[-1] == '.' || at[-1] == '>');
    return *after == '(' && !member;
}

void tidy_check_calls(const struct tidy_file *file, const struct tidy_report *report)
{
    bool library = in_library(file->path);
    bool owns_memory = strcmp(file->path, "kv/base.c") == 0;
    for (size_t i = 0; i < sizeof banned / sizeof *banned; i++) {
        const struct banned *rule = &banned[i];
        bool memory = strstr(rule->instead, "alloc") || strstr(rule->instead, "ki_free");
        if (rule->where == LIBRARY && (!library || (owns_memory && memory)))
            continue;
        for (const char *at = file->code; (at = tidy_word(at, rule->name)) != NULL; at++)
            if (is_call(file->code, at, strlen(rule->name)))
                tidy_say(report, file, file->text + (at - file->code), "call",
                         "no %s here; instead: %s", rule->name, rule->instead);
    }
    static const char *const streams[] = {"stdout", "stderr"};
    for (size_t i = 0; library && i < sizeof streams / sizeof *streams; i++)
        for (const char *at = file->code; (at = tidy_word(at, streams[i])) != NULL; at++)
            tidy_say(report, file, file->text + (at - file->code), "call",
                     "a library does not write to %s", streams[i]);
}
