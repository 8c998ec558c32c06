/* api_open.c - the public calls that open an index with its graph, and mend what the graph lacks.
 *
 * May include everything of index/ and kv/. A graph file may be missing, damaged, of another store,
 * or older than the rows. None of that keeps anybody waiting: the index is there at once, rows that
 * no walk reaches are compared exactly, and a thread links them behind the turnstile and saves the
 * graph. It is the only thread that lives longer than a call, and closing the index ends it.
 */
#include "index/objects.h"
#include "index/unlink.h"

#include <stdio.h>

enum { SENTENCE = 256 };

struct ki_mender {
    kith_index *index;
    pthread_t thread;
    bool runs; /* began, and is not joined: under the mutex */
    atomic_bool closing;
    pthread_mutex_t mutex; /* of who waits: one of them joins */
    kith_status loaded, mended;
    char why_not_loaded[SENTENCE], why_not_mended[SENTENCE];
};

static void note(kith_status status, char *sentence)
{
    if (status)
        snprintf(sentence, SENTENCE, "%s", kith_last_error());
}

static int stop_if_closing(void *user, uint64_t done, uint64_t total)
{
    const ki_mender *m = user;
    (void)done, (void)total;
    return atomic_load(&m->closing);
}

static bool may_save(const kith_index *index)
{
    const ki_store *engine = index->store->engine;
    return ki_store_path(engine) && !ki_store_is_read_only(engine);
}

/* A file that could not be read just now, or that a newer version wrote, may be good. */
static bool may_replace(kith_status loaded)
{
    return loaded == KITH_OK || loaded == KITH_ENOTFOUND || loaded == KITH_ECORRUPT ||
           loaded == KITH_EINVAL;
}

static void *mend(void *user)
{
    ki_mender *m = user;
    m->mended = kith_index_build(m->index, stop_if_closing, m);
    if (!m->mended && may_save(m->index) && may_replace(m->loaded))
        m->mended = kith_index_save(m->index, stop_if_closing, m);
    note(m->mended, m->why_not_mended);
    return NULL;
}

/* Rows that no walk reaches, or that are there under another number, or more dead ones than a build
 * leaves in the graph. */
static bool lacks_rows(const kith_index *index)
{
    const ki_graph *graph = index->graph;
    const ki_moment now = ki_store_moment(index->store->engine);
    const uint32_t nodes = graph->layer[0].nodes;
    return graph->linked < now.rows || graph->loose_count ||
           (now.live < nodes && ki_unlink_pays(graph, nodes - (uint32_t)now.live));
}

static kith_status begin_mending(kith_index *index)
{
    ki_mender *m = index->mender;
    if (ki_store_path(index->store->engine))
        m->loaded = kith_index_load(index, stop_if_closing, m);
    note(m->loaded, m->why_not_loaded);
    if (m->loaded == KITH_ENOMEM)
        return m->loaded;
    if (!lacks_rows(index))
        return KITH_OK;
    m->runs = pthread_create(&m->thread, NULL, mend, m) == 0;
    return m->runs ? KITH_OK : ki_fail(KITH_ENOMEM, "no thread can be had to link rows");
}

kith_status kith_index_open(kith_store *store, const kith_index_options *options, kith_index **out)
{
    kith_index *index = NULL;
    kith_status status = kith_index_create(store, options, &index);
    if (status)
        return status;
    if (!index->graph)
        status = ki_fail(KITH_EINVAL, "a flat index keeps no graph that could be opened");
    else if (!(index->mender = ki_zalloc(sizeof *index->mender)))
        status = ki_no_memory("an index", sizeof *index->mender);
    if (!status) {
        index->mender->index = index;
        pthread_mutex_init(&index->mender->mutex, NULL);
        status = begin_mending(index);
    }
    if (status)
        kith_index_close(index);
    else
        *out = index;
    return status;
}

static void join(ki_mender *m)
{
    pthread_mutex_lock(&m->mutex);
    if (m->runs)
        pthread_join(m->thread, NULL);
    m->runs = false;
    pthread_mutex_unlock(&m->mutex);
}

kith_status kith_index_wait(kith_index *index, kith_status *loaded)
{
    ki_mender *m = index->mender;
    if (!m)
        return ki_fail(KITH_EINVAL, "nothing is mended in an index that kith_index_create made");
    join(m);
    if (m->mended)
        return ki_fail(m->mended, "%s", m->why_not_mended);
    if (m->loaded) /* the sentence, for who asks why */
        (void)ki_fail(m->loaded, "%s", m->why_not_loaded);
    if (loaded)
        *loaded = m->loaded;
    return KITH_OK;
}

void ki_mender_close(ki_mender *m)
{
    if (!m)
        return;
    atomic_store(&m->closing, true);
    join(m);
    pthread_mutex_destroy(&m->mutex);
    ki_free(m);
}
