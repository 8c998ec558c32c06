/* contained.h - work in a child process, so that its crash is a failure and not the end.
 *
 * For parsers of other people that are known to crash on damaged files. The child inherits all of
 * memory, does the work, and sends what it found through a pipe; what it leaks or breaks goes
 * away with it.
 */
#ifndef CONTAINED_H
#define CONTAINED_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct contained {
    pid_t child;
    FILE *from; /* what the child writes; the end of it is the end of the child */
};

/* Starts `work` in a child, which writes its answer to `to` and returns. False when there can be
 * no child; errno says why. */
bool contained_start(void (*work)(FILE *to, void *user), void *user, struct contained *out);

/* Waits for the child. True when it returned from its work with all of its answer sent. */
bool contained_end(struct contained *contained);

#endif
