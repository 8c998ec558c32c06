/* format.h - what the bytes of a store's file mean.
 *
 * May include checksum.h, rows.h and store.h. Little-endian; a machine of the other order refuses
 * the file by its mark. The file is a chain of *extents*, each belonging to one *section*; a
 * section is the extents of its kind one after the other, and only ever grows. Two *heads* at the
 * front, written in turn, hold the list of extents and the last checkpoint; the valid one with the
 * higher generation counts.
 *
 *     heads A, B   16 KiB each: shape, extents, what the last checkpoint found
 *     ROWS         row i at i * stride, zero padded to 64 bytes; side data in the padding
 *     AUX          16 bytes a row, when the padding has no room for them
 *     RECS         32 bytes a row: key, LSN, checksum of the row, where its metadata lie
 *     HEAP         keys and metadata that no REC has room for
 *     LIVE A, B    a bit a row, as of the last checkpoint and of the one before
 *     LOG          64 bytes an operation since the last checkpoint
 *
 * A REC holds a key of up to 16 bytes itself, so that a store of short keys has no heap, and a get
 * touches the REC and the row. With one, a 512-byte row costs 16 + 32 bytes beside it: 9.4 %.
 */
#ifndef KI_FORMAT_H
#define KI_FORMAT_H

#include "kv/checksum.h"
#include "kv/store.h"

#define KI_MAGIC "KITHSTOR"

enum {
    KI_MAJOR = 1, /* another one is refused */
    KI_MINOR = 0, /* a newer one may only add what older readers can ignore */
    KI_ENDIAN_MARK = 0x01020304,
    KI_HEAD_BYTES = 16384,
    KI_HEADS_BYTES = 2 * KI_HEAD_BYTES,
    KI_EXTENTS_MAX = 960,
    KI_HERE_MAX = 16 /* the longest key that a REC holds itself */
};

typedef enum ki_section_kind {
    KI_ROWS,
    KI_AUX,
    KI_RECS,
    KI_HEAP,
    KI_LIVE_A,
    KI_LIVE_B,
    KI_LOG,
    KI_SECTIONS
} ki_section_kind;

typedef struct ki_extent {
    uint32_t kind;
    uint32_t first, units; /* in units of the file */
    uint32_t zero;
} ki_extent;

typedef struct ki_head {
    char magic[8];
    uint32_t endian;
    uint16_t major, minor;
    uint64_t incompat;  /* features that a reader must know */
    uint64_t ro_compat; /* that a writer must know */
    uint64_t compat;    /* that nobody must know */
    unsigned char uuid[KI_UUID_BYTES];
    uint32_t row_bytes, stride, dim, type, metric, keys;
    uint32_t unit_bytes, grow_units;
    uint64_t generation;
    uint64_t checkpoint_lsn; /* the log begins with the next one */
    uint64_t salt;           /* of the log's checksums */
    uint64_t live_sum;       /* of the words of LIVE A or B */
    uint64_t heap_used;
    uint32_t rows, live;
    uint32_t live_side;
    uint32_t extent_count;
    unsigned char zero[512 - 144];
    ki_extent extents[KI_EXTENTS_MAX];
    unsigned char zero_too[KI_HEAD_BYTES - 512 - KI_EXTENTS_MAX * 16 - 8];
    uint64_t sum; /* of all before it */
} ki_head;

/* A row's record. Where a key is longer than KI_HERE_MAX, or there is metadata, both lie in the
 * heap one after the other. */
typedef struct ki_rec {
    uint32_t sum;     /* of the rest, seeded with row number and uuid */
    uint32_t row_sum; /* of elements and side data */
    uint64_t word;    /* LSN << 11 | away << 10 | key length; 0 when never used */
    union {
        unsigned char here[KI_HERE_MAX];
        struct {
            uint64_t offset; /* in the heap */
            uint32_t sum;    /* of key and metadata */
            uint32_t meta_len;
        } away;
    } key;
} ki_rec;

typedef enum ki_record_kind { KI_RECORD_PUT = 1, KI_RECORD_DEL, KI_RECORD_META } ki_record_kind;

enum { KI_RECORD_LAST = 1 }; /* flag: the commit ends here */

/* One operation in the log: all that recovery needs, but for the bytes whose checksums it has. */
typedef struct ki_record {
    uint32_t sum; /* of the rest, seeded with salt and the first LSN of this log */
    uint16_t kind;
    uint16_t flags;
    uint64_t lsn;
    uint64_t durable_lsn; /* known to be on disk when this was written */
    uint32_t row;         /* put: the new row; metadata: the row; delete: KI_NO_ROW */
    uint32_t old_row;     /* put, delete: the row that dies, or KI_NO_ROW */
    ki_rec rec;           /* put, metadata: the row's record from here on */
} ki_record;

_Static_assert(sizeof(ki_head) == KI_HEAD_BYTES, "the head is what is written");
_Static_assert(offsetof(ki_head, extents) == 512, "the extents begin on a sector");
_Static_assert(sizeof(ki_rec) == 32, "RECs never cross a sector");
_Static_assert(sizeof(ki_record) == 64, "records never cross a sector");

#define KI_LSN_MOST ((UINT64_C(1) << 53) - 1)

static inline uint64_t ki_rec_word(uint64_t lsn, bool away, size_t key_len)
{
    return lsn << 11 | (uint64_t)away << 10 | key_len;
}

static inline uint64_t ki_rec_lsn(const ki_rec *rec)
{
    return rec->word >> 11;
}

static inline bool ki_rec_away(const ki_rec *rec)
{
    return rec->word >> 10 & 1;
}

static inline size_t ki_rec_key_len(const ki_rec *rec)
{
    return rec->word & 1023;
}

/* Bytes of the heap that belong to the record: a multiple of 8. */
static inline uint64_t ki_rec_heap_bytes(const ki_rec *rec)
{
    return ki_rec_away(rec) ? (ki_rec_key_len(rec) + rec->key.away.meta_len + 7) & ~UINT64_C(7) : 0;
}

/* The checksums. A row's covers elements and side data, which need not lie together. */
uint64_t ki_head_sum(const ki_head *head);
uint32_t ki_rec_sum(const ki_rec *rec, uint32_t row, const unsigned char *uuid);
uint32_t ki_row_sum(const void *elements, size_t row_bytes, const void *aux);
uint64_t ki_log_seed(uint64_t salt, uint64_t first_lsn);
uint32_t ki_record_sum(const ki_record *record, uint64_t seed);

/* Is it a head of ours that this build can read (and write)? Its numbers are checked among each
 * other and against the length of the file; the checksum has been found right. */
kith_status ki_head_check(const ki_head *head, uint64_t file_bytes, bool write);

/* Do the record's own numbers agree with each other and lie inside the heap? */
bool ki_rec_sane(const ki_rec *rec, kith_key_kind keys, uint64_t heap_bytes);

#endif
