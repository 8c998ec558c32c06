/* terminal.h - how the tool speaks: results on stdout, everything else on stderr.
 *
 * Colours and the progress bar appear only where a person looks: on a terminal that is not
 * "dumb", unless NO_COLOR or --no-color says otherwise. --quiet silences notes and progress,
 * never a failure. The module also owns ^C, because progress is where it is noticed.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

/* Called by options_parse(). */
void terminal_setup(bool quiet, bool no_color);

/* "kith: SENTENCE" on stderr; returns `code`, so that `return terminal_fail(TOOL_FAILED, ...)`. */
int terminal_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line for the person who watches, on stderr; nothing when quiet. */
void terminal_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Escape sequences for `stream`, or "" where colours are off. Print STYLE_OFF after the text. */
enum style { STYLE_OFF, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_BAD };
const char *terminal_style(FILE *stream, enum style style);

/* A JSON string of text from outside (paths, names of devices), where bytes may be no UTF-8: then
 * every byte beyond ASCII becomes '?'. Never NULL. */
json_t *terminal_text(const char *text);

/* Prints `value` with two spaces of indent and a line end to stdout and drops the reference. */
void terminal_json(json_t *value);

/* Flushes stdout. Turns TOOL_OK into TOOL_FAILED, with a sentence, when results were lost; a
 * reader that went away (a closed pipe) is not worth a sentence. The last call of main(). */
int terminal_finish(int code);

/* A progress bar on stderr. progress_step is a kith_progress_fn whose `user` is the struct; it
 * returns 1 once ^C was pressed, so that library calls end with KITH_ECANCELLED. */
struct progress {
    const char *label;
    double started, drawn; /* seconds */
    bool visible;
};
void progress_begin(struct progress *progress, const char *label);
int progress_step(void *user, uint64_t done, uint64_t total);
void progress_end(struct progress *progress); /* erases the bar */

/* The first ^C sets a flag, the second kills. */
void interrupt_install(void);
bool interrupt_pending(void);

/* Waits until a file can be read, or has ended; false when ^C was pressed before. */
bool interrupt_wait(int fd);

/* Monotonic seconds. */
double seconds_now(void);

/* Numbers for people. Each writes to `out`, at most HUMAN_SIZE bytes, and returns it. */
#define HUMAN_SIZE 32
const char *human_bytes(char *out, uint64_t bytes);   /* "23.4 GiB", "812 B" */
const char *human_count(char *out, uint64_t count);   /* "60,000" */
const char *human_seconds(char *out, double seconds); /* "840 ms", "12.3 s", "4 min 07 s" */

#endif
