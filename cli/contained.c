/* contained.c - fork, pipe, wait.
 *
 * Only the calling thread exists in the child, which is enough: it calls nothing of the library,
 * whose threads it lacks, and leaves by _exit(), so that no buffer of the parent is written
 * twice. Signals that mean a crash get their default meaning back, whatever the parent did with
 * them, and leave no core file behind.
 */
#include "cli/contained.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_child(int fd, void (*work)(FILE *to, void *user), void *user)
{
    static const int signals[] = {SIGINT, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    const struct rlimit no_core = {0, 0};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        signal(signals[i], SIG_DFL);
    setrlimit(RLIMIT_CORE, &no_core);
    FILE *const to = fdopen(fd, "wb");
    if (!to)
        _exit(1);
    work(to, user);
    _exit(fflush(to) != 0 || ferror(to));
}

bool contained_start(void (*work)(FILE *to, void *user), void *user, struct contained *out)
{
    int end[2];
    if (pipe2(end, O_CLOEXEC) != 0)
        return false;
    const pid_t child = fork();
    if (child == 0) {
        close(end[0]);
        run_child(end[1], work, user);
    }
    close(end[1]);
    FILE *const from = child > 0 ? fdopen(end[0], "rb") : NULL;
    if (!from) {
        close(end[0]);
        return false;
    }
    *out = (struct contained){child, from};
    return true;
}

/* Closing first: a child that still writes, because we stopped reading, must not wait for ever. */
bool contained_end(struct contained *contained)
{
    int status = 0;
    fclose(contained->from);
    while (waitpid(contained->child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
