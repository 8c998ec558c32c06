/* report.h - one page that shows a result: no network, opens from disk, light and dark.
 *
 * Everything on the page but the pictures comes from the result, which the page also carries in
 * full, so that a page that was mailed around is still data.
 */
#ifndef REPORT_H
#define REPORT_H

#include <jansson.h>

#include "cli/datasets.h"

/* Writes the page to `path`, replacing what was there when it is complete. `dataset` gives the
 * pictures and may be NULL. */
bool report_write(const json_t *result, const struct dataset *dataset, const char *path,
                  struct sentence *why);

#endif
