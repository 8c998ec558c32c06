/* replicas.h - the insides of a set of replicas, shared by the files replicas*.c.
 *
 * May include copy.h, parts.h, device_name.h and what they may. Words: a *holder* is a copy of one
 * partition as the scheduler sees it; a *lane* is one device with its holders and the one thread
 * that ever calls it; a *ticket* is a request; a *piece* is what a lane takes at a time: queries of
 * one partition, of one ticket or several, in *spans*.
 *
 * The one idea: a device can hang, and then the memory that it was given must stay. So a lane
 * copies queries in and answers out, through memory of its own, and nobody else touches its copies,
 * its device or that memory. To give up on a lane is to give its spans back under the mutex; what
 * it answers afterwards is no one's. A lane that never comes back is replaced by another with the
 * same name, and waits among the orphans until it does.
 *
 * Locks, in the order in which they may be held together: upkeep (add, drop, refresh), the gate of
 * the index (objects.h), links, the mutex. Under the mutex the others may be tried, not waited for.
 * A device is called under none of them, but for upkeep, whose holder waits with a deadline.
 */
#ifndef KI_REPLICAS_H
#define KI_REPLICAS_H

#include "index/copy.h"
#include "index/device_name.h"
#include <stdio.h>

enum { KI_LANES_MOST = 64, KI_COPIES_MOST = 16, KI_SPANS_MOST = 64, KI_SENTENCE = 256 };

/* Opens a device by name, NULL in *out for the host. Tests put another function here. */
typedef kith_status (*ki_open_device_fn)(const ki_device_name *name, ki_device **out);
extern ki_open_device_fn ki_replicas_open_device;

/* How long a device may be silent in a call that opens it, sends to it or tries it out, if it is
 * not given more for the bytes it is sent; a minute. Tests make it less. */
extern _Atomic uint64_t ki_replicas_patience_ns;

/* ---- tickets ---- */

typedef enum ki_query_state { KI_WAITS, KI_GIVEN, KI_ANSWERED, KI_REFUSED } ki_query_state;

/* A ticket in the queue of a partition, while some of its queries wait there. */
typedef struct ki_place {
    kith_ticket *before, *after;
    bool queued;
    bool host_only; /* a device refused what it asks for: the host alone takes it */
    bool missing;   /* somebody should have answered and nobody could; only with `partial` */
    size_t waiting; /* queries that wait */
    size_t cursor;  /* none waits before this one */
} ki_place;

struct kith_ticket {
    kith_replicas *replicas;
    const unsigned char *queries; /* the caller's */
    size_t nq, query_bytes;
    bool f32; /* queries are, rows are not */
    kith_search_options options;
    kith_search_options part_options; /* the same, ef as a partition walks with */
    double cost;                      /* of a query, in any unit that speeds are in */
    kith_hit *hits;                   /* the caller's */
    uint64_t *answers;                /* [partition][query][k] */
    unsigned char *state;             /* [partition][query], of ki_query_state */
    pthread_cond_t done;
    /* under the mutex: */
    size_t pending; /* queries that are to be answered, each partition counted */
    uint32_t seen;  /* rows from this one on are compared by the host */
    uint32_t retries, on_host;
    ki_copy_counts counts;
    kith_status status;
    char sentence[KI_SENTENCE];
    ki_place place[]; /* one a partition */
};

/* ---- lanes ---- */

typedef struct ki_holder {
    uint32_t partition;
    ki_copy *copy;                /* the lane's thread alone touches this and the next */
    uint32_t lessons;             /* of the codes when it was refreshed; 0: without codes */
    kith_copy_state state;        /* from here on under the mutex */
    uint64_t held;                /* bytes on its device, from before it is sent until it is gone */
    uint64_t retry_at;            /* dead, and its lane is not: when to try again */
    uint32_t failures;            /* to be made or refreshed, since it went well */
    ki_copy_facts facts;          /* of its last refresh */
    uint64_t queries;             /* answered */
    double speed;                 /* cost of tickets a second, a moving average; 0: unknown */
    double queries_per_second;    /* the same in queries */
    kith_search_options answered; /* the options of its last piece: k 0 before the first */
    char reason[KI_SENTENCE];
} ki_holder;

typedef struct ki_span {
    kith_ticket *ticket;
    size_t first, count;
} ki_span;

typedef struct ki_lane {
    kith_replicas *replicas;
    struct ki_lane *next; /* among the orphans */
    char id[KI_DEVICE_ID];
    ki_device_name name;
    bool measures; /* asks a device how fast it is, and ends; it has no holders */
    bool last;     /* the host behind all others: takes what they cannot, opens copies when asked */
    pthread_t thread;
    bool joined; /* by who closes it */
    pthread_cond_t wake;
    /* the thread's alone: */
    ki_device *device;
    unsigned char *queries;
    uint64_t *answers;
    size_t query_room, answer_room;
    bool entered, entered_links; /* what ki_lane_let_go gives back */
    uint64_t memory_bytes;       /* that may be used of the device; 0: any */
    uint64_t sending;            /* bytes of what is sent to it */
    /* under the mutex: */
    bool started, exited;
    bool retired;                         /* is to take no more work, clean up and end */
    bool down;                            /* is to be raised: device and copies made anew */
    bool raising;                         /* which is under way */
    bool refreshing;                      /* its copies are brought up to date */
    bool searching;                       /* a piece is under way */
    bool stuck;                           /* and has been given up on */
    uint32_t attempts;                    /* to be raised, all of them */
    uint32_t failures;                    /* of these, since a piece went well */
    uint64_t retry_at, dead_at;           /* ns of the monotonic clock */
    _Atomic uint64_t limit_ns, deadline;  /* of the call under way; UINT64_MAX: not armed */
    uint64_t refresh_asked, refresh_done; /* counts */
    ki_holder *serving;                   /* of the piece */
    ki_span span[KI_SPANS_MOST];
    uint32_t spans;
    size_t taken;       /* queries of the piece */
    kith_status status; /* of the last attempt to raise or refresh it */
    char sentence[KI_SENTENCE];
    double speed, memory; /* as measured */
    uint32_t count;
    ki_holder holder[]; /* of different partitions */
} ki_lane;

typedef struct ki_waiting {
    kith_ticket *first, *last;
    size_t queries;
} ki_waiting;

struct kith_replicas {
    kith_index *index;
    kith_replicas_options options; /* the names are gone */
    ki_parts *parts;
    uint32_t partitions;
    pthread_mutex_t upkeep; /* one of add, drop and refresh at a time */
    pthread_rwlock_t links; /* over what following changes */
    uint64_t followed;      /* under links: the build of the index that the parts know */
    pthread_mutex_t mutex;  /* over all that follows */
    pthread_cond_t changed; /* a lane was raised, refreshed, stopped; work ran out */
    pthread_cond_t watch;   /* for the monitor */
    pthread_t monitor;
    bool monitor_started, monitor_idle, stopping;
    size_t pending; /* of all tickets */
    ki_lane *lane[KI_LANES_MOST];
    uint32_t lanes;
    ki_lane *last;   /* NULL when the host does not answer */
    ki_lane *coming; /* is being added; NULL: none */
    ki_lane *orphans;
    ki_waiting waiting[KI_PARTS_MOST];
    kith_replicas *next_left; /* of its index: see replicas.c */
};

/* ---- replicas.c ---- */

/* As kith_replicas_create; the options have been checked. */
kith_status ki_replicas_make(kith_index *index, const kith_replicas_options *options,
                             kith_progress_fn progress, void *user, kith_replicas **out);

/* Closes those of the index that were given up before they were made, because a device hung: all of
 * them, or those of which the devices have come back. */
void ki_replicas_close_left(kith_index *index, bool wait);

/* Is to end when it has done what it does; under the mutex. */
void ki_lane_retire(ki_lane *lane);

/* ---- replicas_upkeep.c ---- */

/* Frees the orphans that have ended. Under upkeep and the mutex, which it gives up meanwhile. */
void ki_replicas_bury(kith_replicas *replicas);

/* ---- replicas_place.c: before a lane has copies ---- */

typedef struct ki_plan {
    uint32_t count; /* of lanes */
    ki_device_name name[KI_LANES_MOST];
    bool holds[KI_LANES_MOST][KI_PARTS_MOST];
    double shares[KI_PARTS_MOST];
} ki_plan;

/* Reads the names, measures devices where it matters, and deals copies to them. A device that
 * hangs is left among the orphans. */
kith_status ki_replicas_plan(kith_replicas *replicas, const kith_replicas_options *options,
                             ki_plan *out);

/* By its thread, under the mutex, which it gives up meanwhile. */
void ki_lane_measure(ki_lane *lane);

/* Deals copies to `count` devices of these weights, which sum to 1: see replicas_place.c. */
void ki_replicas_deal(const double *weight, uint32_t count, uint32_t partitions, uint32_t copies,
                      ki_plan *plan);

/* ---- replicas_queue.c: all under the mutex ---- */

void ki_queue_put(kith_ticket *ticket);

/* Takes a piece for an idle lane: fills span, spans, taken and serving. False when there is none
 * that is for this lane. */
bool ki_queue_take(ki_lane *lane);

/* The spans of a lane: answered, back to the queue, or nobody's any more. */
void ki_queue_deliver(ki_lane *lane, const ki_copy_counts *counts);
void ki_queue_give_back(ki_lane *lane);
void ki_queue_refuse(ki_lane *lane, kith_status status, const char *sentence);

/* After holders or lanes have changed: refuses what nobody will take, wakes who may now. */
void ki_queue_settle(kith_replicas *replicas);

/* ---- replicas_who.c: all under the mutex ---- */

ki_holder *ki_lane_holder(ki_lane *lane, uint32_t partition); /* NULL: it has none */

/* Which of the two kinds of ticket, that for any and that for the host alone, may the lane take
 * from a partition now? And will anybody take one in the end? */
bool ki_who_may(ki_lane *lane, uint32_t partition, bool may[2]);
bool ki_who_hopes(kith_replicas *replicas, uint32_t partition, bool host_only);

/* Does anything wait in a queue of the lane? */
bool ki_who_has_work(const ki_lane *lane);

/* How many queries like those of the ticket the lane is to take at a time. */
size_t ki_who_takes(ki_lane *lane, const kith_ticket *ticket, uint32_t partition);

/* ---- replicas_gate.c ---- */

/* Brings the parts up to the last build, or in any case up to now when `always`. */
kith_status ki_replicas_follow(kith_replicas *replicas, bool always, kith_progress_fn progress,
                               void *user);

/* Holds the index and the parts for reading, once a build has ended and the parts know of it. Leave
 * gives back both, or the index alone. */
kith_status ki_replicas_enter(kith_replicas *replicas);
void ki_replicas_leave(kith_replicas *replicas, bool links);

/* The let_go of a lane's requests; gives back what it has entered, once. */
void ki_lane_let_go(void *lane);

uint32_t ki_replicas_lessons(const kith_replicas *replicas); /* of the codes now; entered */
bool ki_lane_is_behind(const ki_lane *lane); /* and must be refreshed before it searches */

/* ---- replicas_raise.c: by the lane's thread ---- */

/* These three under the mutex, which they give up meanwhile. Retry tries the copies again that are
 * due: dead, while the lane is not. */
void ki_lane_raise(ki_lane *lane);
void ki_lane_refresh(ki_lane *lane);
void ki_lane_retry(ki_lane *lane);

uint64_t ki_lane_due(const ki_lane *lane); /* when the first of them is; UINT64_MAX: none */

/* How long a device may be silent while it takes so many bytes. */
uint64_t ki_replicas_patience(const kith_replicas *replicas, uint64_t bytes);

kith_status ki_lane_open_device(ki_lane *lane);
void ki_lane_clean_up(ki_lane *lane); /* closes copies and device */

/* Makes a copy that is not there and brings it up to the parts. Entered; a device's leaves. */
kith_status ki_lane_refresh_copy(ki_lane *lane, ki_holder *holder, ki_copy_facts *facts);

/* The lane's own memory for a piece, no less than this. */
kith_status ki_lane_make_room(ki_lane *lane, size_t query_bytes, size_t answer_bytes);

/* By anyone, under the mutex: marks every holder; the lane's device has failed. */
void ki_lane_mark(ki_lane *lane, kith_copy_state state, const char *reason);
void ki_lane_break(ki_lane *lane, const char *reason);

/* ---- replicas_lane.c ---- */

/* A lane that is down, with its thread; the mutex is not needed. Its holders are those of the bits
 * in `partitions` (NULL: all). */
kith_status ki_lane_new(kith_replicas *replicas, const ki_device_name *name, const bool *partitions,
                        bool last, ki_lane **out);
kith_status ki_lane_start(ki_lane *lane); /* puts nothing anywhere */
void ki_lane_join(ki_lane *lane);         /* NULL, or never started: nothing to wait for */
void ki_lane_free(ki_lane *lane);         /* joins it first, if nobody has */

/* ---- replicas_watch.c ---- */

uint64_t ki_now_ns(void);
void ki_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t ns);
void ki_cond_init(pthread_cond_t *cond); /* for ki_wait_until */

/* The lane's thread is to be back from its device after so long; 0: it is back. */
void ki_lane_arm(ki_lane *lane, uint64_t limit_ns);

/* Waits until the lane has been tried once: what came of it. EDEVICE when a deadline passes. */
kith_status ki_lane_await(ki_lane *lane);

/* Under the mutex: has its thread ended? With `wait`, when it has, or when a deadline passes. And
 * until it has no piece in hand, or a deadline passes. */
bool ki_lane_has_ended(ki_lane *lane, bool wait);
void ki_lane_await_hands(ki_lane *lane);

void ki_watch_wake(kith_replicas *replicas); /* under the mutex: there is something to watch */
void *ki_watch_main(void *replicas);

/* ---- replicas_merge.c ---- */

/* From the answers of a ticket to its hits. *again: so many rows died meanwhile that it should be
 * asked once more. Hits are untouched on failure and when *again is set and `final` is not. */
kith_status ki_ticket_merge(kith_ticket *ticket, bool final, bool *again);

#endif
