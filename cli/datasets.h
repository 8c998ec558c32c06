/* datasets.h - data to search in, by name or by file, and its exact neighbours.
 *
 * Named sets come from Debian packages, so that a benchmark needs no download site; the bytes are
 * compared with a pinned SHA-256 before they are believed. A file gives rows and, when it is an
 * ann-benchmarks HDF5 file, queries too; else queries come from a second file, or the last rows
 * are held out (a tenth of them, at most 1,000) and are not in the base.
 */
#ifndef DATASETS_H
#define DATASETS_H

#include "kith.h"
#include "cli/matrix.h"

#define DATASET_DEFAULT "fashion-mnist-784-euclidean"

struct dataset {
    char name[128]; /* the set's name, or the file's name without its folder */
    kith_metric metric;
    kith_type type;
    struct matrix base;    /* f32 or u8 */
    struct matrix queries; /* the same element and dimension */
    char sha256[65];       /* of the base rows' bytes followed by the queries' bytes, as used */
    uint32_t picture_width, picture_height; /* 0 when a row is no picture */
    char note[200]; /* where the queries come from, when that needs saying; else "" */
};

/* What to open. Zero it, then set what is wanted. */
struct dataset_wish {
    const char *data;    /* a name, a path, or NULL for DATASET_DEFAULT */
    const char *queries; /* a path, or NULL */
    const char *metric;  /* a metric's name, or NULL for what the data says, else l2sq */
    uint64_t rows;       /* use only the first ones; 0 for all */
    uint64_t query_rows; /* the same for queries */
};

/* *out is written on success only, and closed with dataset_close (which accepts a zeroed one). */
bool dataset_open(const struct dataset_wish *wish, struct dataset *out, struct sentence *why);
void dataset_close(struct dataset *dataset);

/* The exact k nearest base rows of every query, from the cache or by kith_exact with a progress
 * bar. *rows and *distances (may be NULL) receive queries.rows * k numbers, to be freed. Returns
 * a tool_exit: TOOL_OK, TOOL_FAILED or TOOL_INTERRUPTED, the last two with a sentence. A cache
 * that cannot be read, is damaged or cannot be written is no failure. */
int dataset_truth(const struct dataset *dataset, uint32_t k, uint32_t threads, uint32_t **rows,
                  float **distances, struct sentence *why);

/* The named sets, for `kith data ls`. NULL beyond the last. */
struct dataset_name {
    const char *name;
    const char *package; /* the Debian package that holds it */
    const char *about;   /* one line */
    uint32_t dim;
    uint64_t rows, queries;
    kith_metric metric;
};
const struct dataset_name *dataset_named(size_t i);

/* True when the files of a named set are on this machine. `folder` (may be NULL) receives where,
 * or where they were looked for. */
bool dataset_present(const struct dataset_name *set, char *folder, size_t size);

#endif
