/* output.h - a file that appears complete or not at all.
 *
 * Bytes go to a temporary file in the same folder, which takes the place of the old file only by
 * output_commit(). Until then the old file stays as it was, also when the process is killed.
 * Symbolic links are followed; pipes and devices such as /dev/stdout are written directly.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdio.h>

#include "cli/sentence.h"

struct output {
    FILE *file;
    char *path;      /* what will be replaced; links resolved */
    char *temporary; /* NULL when writing directly */
};

/* True when `path` could be written now; changes nothing. For checks before long work. */
bool output_check(const char *path, struct sentence *why);

/* Opens for writing. On success exactly one of commit and discard must follow. */
bool output_open(const char *path, struct output *out, struct sentence *why);

/* Flushes to the disk and puts the file in place. On failure the output is closed and the old file
 * is still there, unless the folder could not be synced: then the sentence says that the new one
 * is there, and a power cut may bring back the old. */
bool output_commit(struct output *output, struct sentence *why);
void output_discard(struct output *output);

/* Gives a file that is complete, and on the disk, the name that it was made for, unless there is
 * something of that name already. A folder that cannot be synced is told as by output_commit. */
bool output_name(const char *temporary, const char *path, struct sentence *why);

#endif
