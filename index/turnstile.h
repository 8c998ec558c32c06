/* turnstile.h - searches go in and out as they like; who changes the graph shuts it for a moment.
 *
 * May include kv/base.h only. Readers must not pay for a writer who is seldom there: going in is a
 * store and a load, on a line of the reader's own, and readers never write to the same place. That
 * is why it is no read-write lock, whose readers all count in one word: at a million searches a
 * second that word would be most of what the processors talk about. The price is the writer's: to
 * shut, he looks at every reader's word.
 */
#ifndef KI_TURNSTILE_H
#define KI_TURNSTILE_H

#include "kv/base.h"
#include <pthread.h>
#include <stdatomic.h>

/* A reader's place: one thread at a time goes in with it. */
typedef struct ki_pass {
    atomic_uint inside;
    struct ki_pass *next, **from; /* among those that joined */
} ki_pass;

typedef struct ki_turnstile {
    atomic_uint shut;
    pthread_mutex_t mutex; /* over what follows, and over changes of `shut` */
    pthread_cond_t moved;
    uint32_t waiting;  /* readers, since it was shut */
    uint32_t admitted; /* of those who waited when it was opened, how many are not in yet */
    ki_pass *first;
} ki_turnstile;

void ki_turnstile_init(ki_turnstile *turnstile);
void ki_turnstile_destroy(ki_turnstile *turnstile); /* nobody has a pass any more */

/* A pass must be zeroed before it joins. Leaving without having joined does nothing. */
void ki_turnstile_join(ki_turnstile *turnstile, ki_pass *pass);
void ki_turnstile_leave(ki_turnstile *turnstile, ki_pass *pass);

/* Not twice with one pass, nor by a thread that is inside with another: it would wait for who waits
 * for it. Waits while the turnstile is shut. */
void ki_turnstile_enter(ki_turnstile *turnstile, ki_pass *pass);
void ki_turnstile_exit(ki_pass *pass);

/* For who is inside for many things: does somebody wait for him? */
static inline bool ki_turnstile_is_wanted(const ki_turnstile *turnstile)
{
    return atomic_load_explicit(&turnstile->shut, memory_order_relaxed) != 0;
}

/* Returns when nobody is inside; nobody gets in until it is opened. Everybody who waited then gets
 * in once before it can be shut again, however soon that is. Another thread that shuts it waits for
 * its turn; the same one would wait for ever. NULL does nothing: no one can be inside. */
void ki_turnstile_shut(ki_turnstile *turnstile);
void ki_turnstile_open(ki_turnstile *turnstile);

#endif
