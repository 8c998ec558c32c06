/* graph_file.h - a graph as a file beside its store: its form, and how to write and read it.
 *
 * May include graph.h and kv/. The file is derived data: whatever happens to it costs time and no
 * vector. It is a head of 4 KiB and then sections, each with its checksum in the head, and the head
 * with its own. Little-endian. It names the store by its uuid, and it keeps for every row that the
 * graph has seen what ki_store_stamp says: a row number that was given to another vector since, or
 * a store that was restored from an older copy and written on, is noticed row by row. Copies of
 * rows and codes are not kept: rows are there, and what a codec learnt is.
 */
#ifndef KI_GRAPH_FILE_H
#define KI_GRAPH_FILE_H

#include "index/graph.h"

enum { KI_GRAPH_HEAD = 4096, KI_GRAPH_SECTIONS = 56 };

typedef enum ki_graph_part {
    KI_PART_STAMPS = 1, /* 8 bytes a row */
    KI_PART_LEVELS,     /* 1 byte a row */
    KI_PART_LINKS,      /* of a layer, as are the next two */
    KI_PART_KEPT,
    KI_PART_DOWN,
    KI_PART_CODES, /* what was learnt for the codes that links were chosen by */
    KI_PART_BRIEF  /* and for the shorter ones that a trial chose */
} ki_graph_part;

typedef struct ki_graph_section {
    uint32_t part, layer;
    uint64_t offset, bytes, sum;
} ki_graph_section;

typedef struct ki_graph_head {
    char magic[8];
    uint32_t version;
    uint32_t byte_order; /* 0x01020304 as this machine writes it */
    uint64_t features;   /* that a reader must know: none yet */
    unsigned char uuid[KI_UUID_BYTES];
    uint64_t lsn; /* of the store when the graph was saved */
    uint32_t dim, type, metric;
    uint32_t m, ef_construction;
    float alpha;
    uint64_t seed;
    uint32_t seen, layers, entry;
    uint32_t codes; /* 0: links were chosen by rows; else kith_code + 1 */
    uint32_t reduced;
    uint32_t sections;
    struct {
        uint32_t count, nodes, root, degree;
    } layer[KI_LAYERS_MAX];
    ki_graph_section section[KI_GRAPH_SECTIONS];
    uint64_t file_bytes;
    uint32_t brief;      /* dimensions that codes of KI_PART_BRIEF have; 0: there are none */
    uint32_t brief_code; /* and their kith_code: KITH_SQ8 of fewer dimensions, KITH_SQ4 of all */
    unsigned char zero[KI_GRAPH_HEAD - 104 - 16 * KI_LAYERS_MAX - 32 * KI_GRAPH_SECTIONS - 24];
    uint64_t sum; /* of all before it */
} ki_graph_head;

_Static_assert(sizeof(ki_graph_head) == KI_GRAPH_HEAD, "the head is what is written");

/* PATH.graph, or PATH.graph.part while it is being written; in memory of the caller's. */
kith_status ki_graph_path(const char *store_path, const char *end, char **out);

/* Writes under a passing name, which takes the place of the old file when all is on disk. Syncs the
 * store first, so that no graph knows rows that a power cut may take back. Errors: EIO, ENOMEM,
 * ECANCELLED. */
kith_status ki_graph_save(const ki_graph *graph, const ki_shape *shape, kith_progress_fn progress,
                          void *user);

/* An open file whose head is believed: sums, form, store and shape are right. */
typedef struct ki_graph_reader {
    const ki_vfs *vfs;
    int file;
    ki_graph_head head;
} ki_graph_reader;

/* Errors: ENOTFOUND, ECORRUPT, EUNSUPPORTED (version, feature, byte order), EINVAL (the graph of
 * another store), EIO. */
kith_status ki_graph_reader_open(const ki_store *engine, ki_graph_reader *out);
void ki_graph_reader_close(ki_graph_reader *reader);

/* The section, or NULL. */
const ki_graph_section *ki_graph_find(const ki_graph_head *head, ki_graph_part part,
                                      uint32_t layer);

/* Reads a whole section into memory of its size and compares its sum. */
kith_status ki_graph_read_part(const ki_graph_reader *reader, const ki_graph_section *section,
                               void *to);

/* Compares the sums of all sections. */
kith_status ki_graph_check_parts(const ki_graph_reader *reader, kith_progress_fn progress,
                                 void *user);

/* Fills an empty graph that was opened with the head's options; its codes must have been loaded if
 * the head has any. Afterwards it is whole (ki_graph_check), and rows that changed since are its
 * `loose` ones. After a failure the graph is of no use but to be closed. Errors: ECORRUPT, EIO,
 * ENOMEM, ECANCELLED. */
kith_status ki_graph_fill(const ki_graph_reader *reader, ki_graph *graph, ki_workers *workers,
                          kith_progress_fn progress, void *user);

#endif
