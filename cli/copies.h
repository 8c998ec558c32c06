/* copies.h - what each device holds of an index, as JSON and as a table.
 *
 * May include kith.h and cli/ headers. The JSON is the model: the table in the terminal and the one
 * in the report are made from it, so that a file from another machine reads the same.
 */
#ifndef COPIES_H
#define COPIES_H

#include <stdio.h>

#include <jansson.h>

#include "kith.h"

/* [{partition, device, state, rows, bytes, queries, share, queries_per_second, lsn, digest,
 * reason}], a new reference. `share` is of the queries that the copies of the partition have
 * answered. */
json_t *copies_json(const kith_replicas *replicas);

/* Bytes of all of them, on whatever devices. */
uint64_t copies_bytes(const kith_replicas *replicas);

/* A line each. */
void copies_print(FILE *out, const json_t *copies);

/* What `kith bench` measured of a layout: its copies, and queries a second with more and more
 * devices. Both print nothing where a result has none. */
void copies_print_result(FILE *out, const json_t *result);
void copies_write_report(FILE *out, const json_t *result);

#endif
