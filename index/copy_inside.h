/* copy_inside.h - what the files of a copy share: copy_life.c, copy_host.c, copy_device.c,
 * copy_flat.c and copy_pack.c.
 *
 * May include copy.h, searcher.h and everything below them. A copy counts its rows from 0 in the
 * order of the store's numbers: *places*. With one partition places are row numbers.
 */
#ifndef KI_COPY_INSIDE_H
#define KI_COPY_INSIDE_H

#include "index/copy.h"
#include "index/searcher.h"

/* Memory that grows when a search needs more than any before it. */
typedef struct ki_copy_room {
    void *bytes;
    size_t size;
} ki_copy_room;

struct ki_copy {
    ki_parts *parts;
    uint32_t p;
    ki_device *device;     /* NULL: the host */
    ki_copy_limits limits; /* of the last refresh */

    /* What it knows since the last refresh. */
    bool made;
    uint64_t version;     /* of the parts */
    const uint32_t *rows; /* the row at each place; NULL: the place itself */
    uint32_t count;       /* places */
    uint64_t lsn, bytes, digest;
    uint32_t seen;

    /* Which rows may be answers: a bit a row of the store below 64 * words. */
    uint64_t *mask; /* those that the copy holds and, with a graph, can reach */
    uint64_t *live; /* of these, those that lived at live_lsn */
    uint32_t words;
    uint64_t live_lsn;
    bool all_live; /* live is mask */
    bool untold;   /* the device does not know them yet */

    ki_workers *workers;
    ki_copy_room answers, queries, ranked;

    /* The host, with a graph. */
    kith_searcher **searchers; /* KI_LANES a worker, made for these: */
    kith_search_options searched;

    /* Devices. The host as a device of its own serves a flat index of one partition. */
    ki_device *own;
    ki_device_rows *sent;
    const ki_codes *codes;             /* that were sent in place of rows; NULL: rows were */
    bool walks;                        /* they have a graph; else it is empty */
    uint32_t sent_count, sent_lessons; /* how many rows, and of which codes */
    uint64_t *local;                   /* the bits of live by places, or NULL: live has them */

    /* Ranking by rows what a device has found. */
    ki_ranker ranker;
    kith_search_options ranked_for;

    double largest_norm; /* flat: of rows below norm_rows */
    uint32_t norm_rows;
};

static inline uint32_t ki_copy_row(const ki_copy *copy, uint32_t place)
{
    return copy->rows ? copy->rows[place] : place;
}

static inline kith_index *ki_copy_index(const ki_copy *copy)
{
    return ki_part_index(copy->parts, copy->p);
}

/* At least `bytes`, aligned to 64; what was there is gone. NULL when there is no memory. */
void *ki_copy_room_of(ki_copy_room *room, size_t bytes);

/* Do these options ask for the same searchers and rankers? */
bool ki_copy_same_search(const kith_search_options *a, const kith_search_options *b);

/* ---- packing: copy_pack.c ---- */

/* A partition as a device is given it: under places. */
typedef struct ki_packed {
    ki_row_set set;
    ki_device_graph graph; /* no layers: none */
    ki_device_layer layer[KI_LAYERS_MAX];
    uint64_t bytes;        /* that a device will need, an estimate from above */
    const ki_slab *slab;   /* the rows, or the codes that stand for them */
    const ki_codes *codes; /* these, and of which lesson; NULL: there are none */
    uint32_t lessons;
    void *owned[3 + 3 * KI_LAYERS_MAX];
    uint32_t owned_count;
} ki_packed;

/* Describes what would be packed of `count` rows: sizes, no contents. */
void ki_pack_size(const ki_copy *copy, uint32_t count, ki_packed *out);

/* Fills in the rows, the graph. What fails has left nothing that ki_pack_close does not free. Rows
 * of the store may be packed while the index changes, codes and the graph not. What is to be sent
 * is kept: copied, where it would change under the device's hands. */
kith_status ki_pack_rows(const ki_copy *copy, ki_packed *packed);
kith_status ki_pack_graph(const ki_copy *copy, bool keep, ki_packed *packed);
void ki_pack_close(ki_packed *packed);

/* Of row numbers, elements, side data and the packed graph. Rows that were not packed are read
 * where they lie. */
uint64_t ki_pack_digest(const ki_copy *copy, const ki_packed *packed);

/* ---- the kinds of copy ---- */

/* Called when count, rows and mask are new; frees what belonged to the old ones. */
kith_status ki_copy_make_host(ki_copy *copy);
kith_status ki_copy_make_device(ki_copy *copy);
void ki_copy_drop_host(ki_copy *copy);
void ki_copy_drop_device(ki_copy *copy);

/* Lets go of the parts for a refresh of a device copy, as often as it is called. */
void ki_copy_let_go(const ki_copy *copy);

/* Tells the device which rows live when that has changed. */
kith_status ki_copy_tell_live(ki_copy *copy);

/* The index is not looked at from here on: lets go of it, and tells the device what lives. */
kith_status ki_copy_turn_to_device(ki_copy *copy, const ki_copy_request *request);

kith_status ki_copy_walk_host(ki_copy *copy, const ki_copy_request *request, uint64_t *answers,
                              ki_copy_counts *counts);
kith_status ki_copy_walk_device(ki_copy *copy, const ki_copy_request *request, uint64_t *answers,
                                ki_copy_counts *counts);
kith_status ki_copy_scan(ki_copy *copy, const ki_copy_request *request, uint64_t *answers,
                         ki_copy_counts *counts);

#endif
