/* terminal.c - stdout, stderr, colours, the progress bar and ^C.
 *
 * The only module of cli/ with state of its own: what the streams are and whether ^C was pressed
 * are facts of the process. They are set once at the start, apart from the ^C flag, which only
 * the signal handler writes and which goes from 0 to 1 once.
 */
#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/heap.h"
#include "cli/options.h"

static struct {
    bool quiet, no_color;
} settings;

static volatile sig_atomic_t interrupted;

void terminal_setup(bool quiet, bool no_color)
{
    settings.quiet = quiet;
    settings.no_color = no_color;
}

/* A bar that is redrawn and colours need a terminal that can do more than print. */
static bool terminal_is_smart(FILE *stream)
{
    const char *const term = getenv("TERM");
    return isatty(fileno(stream)) && term && strcmp(term, "dumb") != 0;
}

static bool terminal_has_color(FILE *stream)
{
    const char *const no_color = getenv("NO_COLOR");
    return !settings.no_color && !(no_color && no_color[0]) && terminal_is_smart(stream);
}

const char *terminal_style(FILE *stream, enum style style)
{
    static const char *const sequence[] = {[STYLE_OFF] = "\033[0m",
                                           [STYLE_BOLD] = "\033[1m",
                                           [STYLE_DIM] = "\033[2m",
                                           [STYLE_GOOD] = "\033[32m",
                                           [STYLE_BAD] = "\033[31m"};
    return terminal_has_color(stream) ? sequence[style] : "";
}

int terminal_fail(int code, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "%skith:%s ", terminal_style(stderr, STYLE_BAD),
            terminal_style(stderr, STYLE_OFF));
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

void terminal_note(const char *format, ...)
{
    if (settings.quiet)
        return;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

json_t *terminal_text(const char *text)
{
    json_t *const plain = json_string(text);
    if (plain)
        return plain;
    char *const ascii = heap_copy(text);
    for (char *at = ascii; *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    json_t *const value = json_string(ascii);
    free(ascii);
    return value;
}

void terminal_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    putchar('\n');
    json_decref(value);
}

/* Whether stdout leads to a reader that can go away before it has read all, as `head` does. */
static bool stdout_is_pipe(void)
{
    struct stat info;
    return fstat(fileno(stdout), &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
}

int terminal_finish(int code)
{
    errno = 0;
    const bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (!lost || code != TOOL_OK)
        return code;
    if (stdout_is_pipe())
        return TOOL_FAILED;
    return terminal_fail(TOOL_FAILED, "the results could not be written to stdout: %s",
                         errno ? strerror(errno) : "an earlier write failed");
}

/* ---- progress ----------------------------------------------------------------------------- */

#define REDRAW_SECONDS 0.1
#define BAR_CELLS 24

void progress_begin(struct progress *progress, const char *label)
{
    *progress = (struct progress){
        .label = label,
        .started = seconds_now(),
        .visible = !settings.quiet && terminal_is_smart(stderr),
    };
}

static void draw(const struct progress *progress, double part, double now)
{
    char bar[BAR_CELLS + 1];
    char left[HUMAN_SIZE] = "";
    const int full = (int)(part * BAR_CELLS);
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    const double spent = now - progress->started;
    if (part > 0.02 && spent > 1)
        human_seconds(left, spent / part - spent);
    fprintf(stderr, "\r%s [%s] %3d%% %s%s\033[K", progress->label, bar, (int)(part * 100), left,
            left[0] ? " left" : "");
    fflush(stderr);
}

int progress_step(void *user, uint64_t done, uint64_t total)
{
    struct progress *const progress = user;
    const double now = seconds_now();
    if (progress->visible && now - progress->drawn >= REDRAW_SECONDS) {
        const double part = total ? (double)done / (double)total : 0;
        draw(progress, part < 1 ? part : 1, now);
        progress->drawn = now;
    }
    return interrupt_pending();
}

void progress_end(struct progress *progress)
{
    if (progress->visible && progress->drawn > 0)
        fputs("\r\033[K", stderr);
    progress->visible = false;
}

/* ---- ^C ----------------------------------------------------------------------------------- */

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* SA_RESETHAND gives the second ^C its default meaning. */
void interrupt_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    action.sa_flags = (int)SA_RESETHAND | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

bool interrupt_pending(void)
{
    return interrupted != 0;
}

/* A read() that ^C interrupts would begin anew by itself, and one that comes just before the read
 * would wait with it: so ^C is let through while the system waits, and only then. */
bool interrupt_wait(int fd)
{
    struct pollfd asked = {.fd = fd, .events = POLLIN};
    sigset_t with, before;
    sigemptyset(&with);
    sigaddset(&with, SIGINT);
    pthread_sigmask(SIG_BLOCK, &with, &before);
    while (!interrupted && ppoll(&asked, 1, NULL, &before) < 0 && errno == EINTR)
        continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !interrupted;
}

/* ---- numbers for people ------------------------------------------------------------------- */

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

const char *human_bytes(char *out, uint64_t bytes)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t i = 0;
    while (value >= 1024 && i + 1 < COUNT_OF(unit)) {
        value /= 1024;
        i++;
    }
    snprintf(out, HUMAN_SIZE, i == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, unit[i]);
    return out;
}

const char *human_count(char *out, uint64_t count)
{
    char digits[24];
    const size_t n = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[to++] = ',';
        out[to++] = digits[i];
    }
    out[to] = '\0';
    return out;
}

const char *human_seconds(char *out, double seconds)
{
    const double whole = seconds + 0.5;
    if (!(seconds < 3600.0 * 1000000)) /* also true for NaN */
        snprintf(out, HUMAN_SIZE, "unknown");
    else if (seconds >= 99.95)
        snprintf(out, HUMAN_SIZE, "%d min %02d s", (int)(whole / 60), (int)whole % 60);
    else if (seconds >= 0.9995)
        snprintf(out, HUMAN_SIZE, "%.1f s", seconds);
    else
        snprintf(out, HUMAN_SIZE, "%.0f ms", seconds * 1e3);
    return out;
}
