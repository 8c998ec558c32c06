/* cli_run.h - runs the tool as a user does, through the shell, and keeps what it said.
 *
 * KITH_TOOL_PATH comes from the build. stdout, stderr and the exit code are kept apart, because
 * that is half of what the tests ask about.
 */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "tests/cli_files.h"

#include <jansson.h>
#include <stdarg.h>
#include <sys/wait.h>

struct run {
    int code;
    char *out, *err; /* freed by run_free */
};

static inline void run_free(struct run *run)
{
    free(run->out);
    free(run->err);
}

/* `format` is a shell command in which $kith is the tool and $dir the test's folder. Both may hold
 * spaces: words are split at line ends alone. */
__attribute__((format(printf, 1, 2))) static inline struct run run_tool(const char *format, ...)
{
    char command[2048];
    size_t size;
    struct run run = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    setenv("kith", KITH_TOOL_PATH, 1);
    setenv("dir", files_folder, 1);
    char *const script = malloc(sizeof command + 512);
    assert_non_null(script);
    snprintf(script, sizeof command + 512, "IFS='\n'\n{ %s\n} >'%s/run.out' 2>'%s/run.err'",
             command, files_folder, files_folder);
    const int status = system(script);
    free(script);
    run.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
    run.out = files_take(files_path("run.out"), &size);
    run.err = files_take(files_path("run.err"), &size);
    return run;
}

/* Expects a failure: this code, nothing on stdout, one sentence with these words on stderr. */
static inline void expect_sentence(struct run run, int code, const char *words)
{
    const char *const end = strchr(run.err, '\n');
    if (run.code != code || run.out[0] || strncmp(run.err, "kith: ", 6) != 0 ||
        !strstr(run.err, words) || !end || end[1])
        fail_msg("code %d, stdout \"%.60s\", stderr \"%s\"; expected %d and \"%s\"", run.code,
                 run.out, run.err, code, words);
    run_free(&run);
}

/* A command that must succeed and print these words; what it notes on stderr does not matter. */
static inline void runs(const char *command, const char *words)
{
    struct run run = run_tool("%s", command);
    if (run.code != 0 || !strstr(run.out, words))
        fail_msg("%s: code %d, out '%s', err '%s'", command, run.code, run.out, run.err);
    run_free(&run);
}

/* A command that must fail, as expect_sentence has it. */
static inline void refuses(const char *command, int code, const char *words)
{
    expect_sentence(run_tool("%s", command), code, words);
}

/* Shell: waits until the tool that was started last, in the background, hears ^C. Before that, a
 * shell that is no person's has it pass over the signal. */
#define TOOL_HEARS                                                                                 \
    "n=0; until grep -q '^SigCgt.*[2367abef]$' /proc/$!/status || [ $((n += 1)) -gt 2000 ]; "      \
    "do :; done; "

/* Expects success, nothing on stderr, and one JSON value on stdout: a new reference. */
static inline json_t *expect_json(struct run run)
{
    json_error_t error;
    if (run.code != 0 || run.err[0])
        fail_msg("code %d, stderr \"%s\"", run.code, run.err);
    json_t *const value = json_loads(run.out, 0, &error);
    if (!value)
        fail_msg("line %d: %s in %s", error.line, error.text, run.out);
    run_free(&run);
    return value;
}

/* Expects success, these words on stdout and nothing on stderr. */
static inline void expect_words(struct run run, const char *words)
{
    if (run.code != 0 || run.err[0] || !strstr(run.out, words))
        fail_msg("code %d, stdout \"%s\", stderr \"%s\"; expected \"%s\"", run.code, run.out,
                 run.err, words);
    run_free(&run);
}

#endif
