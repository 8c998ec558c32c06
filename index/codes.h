/* codes.h - short rows that stand for a store's rows while a graph is built or walked.
 *
 * May include kernels/, codec_object.h, lines.h, turnstile.h, workers.h and kv/. The one idea:
 * whatever a row is made of, it is first spread out as floats (under cosine of unit length, so that
 * l2sq of codes orders as the angle does; with a projection fewer than the row has) and those are
 * quantised by a codec. Codes are integers, so a graph over them is the same on every machine. What
 * is found is ranked again by the rows themselves; see rank.h.
 *
 * KITH_SQ8 codes are rows and queries alike: a build measures code against code. That wants a codec
 * whose steps mean the same on both sides, so under ip it has no centre.
 *
 * Codes may be coded once more, in fewer dimensions or fewer bits: their *source* is then other
 * codes, of 8 bits, and a projection of these is one of integers (lines.h).
 */
#ifndef KI_CODES_H
#define KI_CODES_H

#include "index/codec_object.h"
#include "index/lines.h"
#include "index/turnstile.h"
#include "index/workers.h"
#include "kv/store.h"

/* What there is to be coded, and how. */
typedef struct ki_codes_shape {
    kith_type type; /* of the store's rows: any but b1 */
    kith_metric metric;
    uint32_t dim; /* of the rows */
    kith_code code;
    uint32_t reduced; /* dimensions that a projection leaves; 0: none, all stay */
} ki_codes_shape;

typedef struct ki_codes ki_codes;
struct ki_codes {
    ki_codes_shape shape;
    const ki_codes *source;   /* what is coded in place of rows; outlives these; NULL: rows */
    const ki_kernel *project; /* of rows of a source: ip of i8 */
    kith_codec *codec;        /* NULL until something was learnt */
    float *projection;        /* dim lines of `reduced` floats; NULL without */
    ki_lines lines;           /* the same as integers, with a source as well */
    ki_slab slab;             /* of row r the code, with its side data */
    ki_turnstile *turnstile;  /* of those who read codes at any time; shut while all are coded
                                 anew. NULL: nobody does */
    uint32_t count;           /* rows below this have codes */
    uint32_t learnt;          /* rows there were when the codec was learnt */
    uint32_t lessons;         /* how often something was learnt, or loaded: each is another code */
    uint32_t of_lesson; /* of the source: what it had learnt when its codes were learnt from */
    uint32_t came;      /* rows that were coded since; a codec may not know their like */
    uint32_t dim;       /* of a code */
    ki_pairing pairing; /* of the kernel that measures codes */
    kith_metric metric; /* and its metric: l2sq or ip */
};

/* Nothing is learnt and no row has a code yet. */
kith_status ki_codes_open(const ki_codes_shape *shape, ki_codes **out);
void ki_codes_close(ki_codes *codes); /* accepts NULL */

/* Codes of codes of KITH_SQ8, in `reduced` dimensions, or for 0 in all. Both must outlive *out: the
 * source, and the kernel of ip of i8. */
kith_status ki_codes_open_brief(const ki_codes *source, kith_code code, uint32_t reduced,
                                const ki_kernel *project, ki_codes **out);

/* Gives every row of the store that has no code one. Learns first where nothing was learnt, or
 * where half of the rows there are came since: then *renewed is set and every row has a new code. A
 * failure leaves the codes that were there, and *renewed false. */
kith_status ki_codes_follow(ki_codes *codes, const ki_store *engine, ki_workers *workers,
                            bool *renewed);

size_t ki_codes_bytes(const ki_codes *codes); /* memory; accepts NULL */

/* Makes a query that the kernel's prepare takes from a vector, of the rows' type or of f32.
 * `scratch` has ki_codes_scratch bytes, is aligned to 64 and must live as long as the result. A
 * source's query, which another kernel takes, is made on the way and found in the scratch
 * afterwards; `project` is the kernel for that step, ip of i8, and not used without a source. */
size_t ki_codes_scratch(const ki_codes *codes);
const void *ki_codes_query(const ki_codes *codes, const ki_kernel *project, const void *vector,
                           bool f32, void *scratch);
const void *ki_codes_source_query(const ki_codes *codes, const void *scratch);

/* What was learnt, as bytes, and back. Errors: ECORRUPT (bytes that these codes cannot have
 * written), ENOMEM. */
size_t ki_codes_saved_bytes(const ki_codes *codes);
void ki_codes_save(const ki_codes *codes, void *bytes);
kith_status ki_codes_load(ki_codes *codes, const void *bytes, size_t length);

#endif
