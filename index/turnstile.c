/* turnstile.c - see turnstile.h.
 *
 * Two words, each written by one side and then read by the other: a reader says that he is inside
 * and looks whether it is shut, the writer says that it is shut and looks whether somebody is
 * inside. Both in one total order (seq_cst), so at least one of them sees the other. A reader who
 * finds it shut takes his word back and sleeps until it opens; the writer waits for short searches
 * by giving the processor away, and for long ones by sleeping a little.
 *
 * A build shuts and opens in quick turns. A reader who sleeps needs longer to wake than the builder
 * to shut again, and would sleep through a whole build: those who waited are counted when it opens,
 * and let in first.
 */
#include "index/turnstile.h"
#include <sched.h>
#include <time.h>

enum { YIELDS = 64, NAP_NS = 50000 };

void ki_turnstile_init(ki_turnstile *t)
{
    atomic_init(&t->shut, 0);
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->moved, NULL);
    t->waiting = t->admitted = 0;
    t->first = NULL;
}

void ki_turnstile_destroy(ki_turnstile *t)
{
    pthread_cond_destroy(&t->moved);
    pthread_mutex_destroy(&t->mutex);
}

void ki_turnstile_join(ki_turnstile *t, ki_pass *pass)
{
    pthread_mutex_lock(&t->mutex);
    pass->next = t->first;
    pass->from = &t->first;
    if (t->first)
        t->first->from = &pass->next;
    t->first = pass;
    pthread_mutex_unlock(&t->mutex);
}

void ki_turnstile_leave(ki_turnstile *t, ki_pass *pass)
{
    pthread_mutex_lock(&t->mutex);
    if (pass->from)
        *pass->from = pass->next;
    if (pass->next)
        pass->next->from = pass->from;
    *pass = (ki_pass){0};
    pthread_mutex_unlock(&t->mutex);
}

void ki_turnstile_enter(ki_turnstile *t, ki_pass *pass)
{
    atomic_store(&pass->inside, 1);
    if (!atomic_load(&t->shut))
        return;
    atomic_store(&pass->inside, 0);
    pthread_mutex_lock(&t->mutex);
    if (atomic_load(&t->shut)) {
        t->waiting++;
        while (atomic_load(&t->shut))
            pthread_cond_wait(&t->moved, &t->mutex);
        if (--t->admitted == 0)
            pthread_cond_broadcast(&t->moved);
    }
    atomic_store(&pass->inside, 1); /* who shuts it next needs the mutex, and then sees this */
    pthread_mutex_unlock(&t->mutex);
}

void ki_turnstile_exit(ki_pass *pass)
{
    atomic_store_explicit(&pass->inside, 0, memory_order_release);
}

static void wait_for(const ki_pass *pass)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};
    for (unsigned tries = 0; atomic_load(&pass->inside); tries++) {
        if (tries < YIELDS)
            sched_yield();
        else
            nanosleep(&nap, NULL);
    }
}

/* Who is inside never takes the mutex before he is out, so it may be held while waiting; nobody
 * joins or leaves meanwhile, and the list stands still. */
void ki_turnstile_shut(ki_turnstile *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->mutex);
    while (atomic_load(&t->shut) || t->admitted)
        pthread_cond_wait(&t->moved, &t->mutex);
    atomic_store(&t->shut, 1);
    for (const ki_pass *pass = t->first; pass; pass = pass->next)
        wait_for(pass);
    pthread_mutex_unlock(&t->mutex);
}

void ki_turnstile_open(ki_turnstile *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->mutex);
    atomic_store(&t->shut, 0);
    t->admitted = t->waiting;
    t->waiting = 0;
    pthread_cond_broadcast(&t->moved);
    pthread_mutex_unlock(&t->mutex);
}
