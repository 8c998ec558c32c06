/* replicas_place.c - which device gets copies of which partitions, and how many rows these have.
 *
 * May touch replicas.h, host.h and checks.h. A device weighs the lesser of its share of the speed
 * and its share of the memory that is needed. Speed is that of a short exact scan of the first
 * rows, which every device can do before there is any copy; it is measured only where it decides
 * something, by a lane that does nothing else: a device may hang there too. Copies are dealt so
 * that each device comes close to a share of copies like its weight; then a partition gets rows as
 * its holders have weight left for it.
 */
#include "index/host.h"
#include "index/replicas.h"

#include <math.h>
#include <string.h>

enum { PROBE_ROWS = 16384, PROBE_BYTES = 8 << 20, PROBE_QUERIES = 16, PROBE_ROUNDS = 3 };

static const double least_part = 0.25; /* of an even share of the rows */

static kith_status open_device(const ki_device_name *name, ki_device **out)
{
    *out = NULL;
    return name->host ? KITH_OK : ki_opencl_open(name->ordinal, name->part, name->parts, out);
}

ki_open_device_fn ki_replicas_open_device = open_device;

/* ---- names ---- */

typedef struct candidates {
    uint32_t count;
    bool share; /* one device may be named more than once */
    ki_device_name name[KI_LANES_MOST];
    double weight[KI_LANES_MOST];
} candidates;

static kith_status add_name(candidates *c, const char *device)
{
    const char *given = device ? device : "cpu"; /* NULL is the host too */
    ki_device_name name;
    char id[KI_DEVICE_ID];
    kith_status status = ki_parse_device(given, &name);
    if (status)
        return status;
    if (c->count == KI_LANES_MOST)
        return ki_fail(KITH_EINVAL, "more than %d devices", KI_LANES_MOST);
    ki_device_id(&name, id);
    for (uint32_t i = 0; i < c->count && !c->share; i++)
        if (ki_same_device(&c->name[i], &name))
            return ki_fail(KITH_EINVAL,
                           "the device '%s' is named twice, the second time as '%.20s'", id, given);
    c->name[c->count++] = name;
    return KITH_OK;
}

static kith_status add_all(candidates *c)
{
    kith_devices *devices = NULL;
    kith_status status = kith_devices_open(&devices);
    for (size_t i = 0; !status && i < kith_devices_count(devices); i++) {
        kith_device_info info = {.size = sizeof info};
        status = kith_devices_get(devices, i, &info);
        if (!status && info.usable)
            status = add_name(c, info.id);
    }
    kith_devices_close(devices);
    return status;
}

static kith_status read_names(const kith_replicas_options *o, candidates *c)
{
    kith_status status = KITH_OK;
    if (!o->devices)
        status = add_all(c);
    for (size_t i = 0; o->devices && i < o->device_count && !status; i++)
        status = add_name(c, o->devices[i]);
    if (!status && !c->count)
        status = ki_fail(KITH_EINVAL, "replicas on 0 devices; name one at least");
    if (!status && o->copies > c->count && !o->share)
        status = ki_fail(KITH_EINVAL,
                         "%u copies of each partition want as many devices, and there %s %u; "
                         "set share to put several on one",
                         o->copies, c->count == 1 ? "is" : "are", c->count);
    return status;
}

/* Copies of one partition on one device are those of several lanes of that name. */
static kith_status repeat_names(const kith_replicas_options *o, candidates *c)
{
    const uint32_t devices = c->count, times = (o->copies + devices - 1) / devices;
    if (times * devices > KI_LANES_MOST)
        return ki_fail(KITH_EINVAL, "%u copies on %u devices are more than %d", o->copies, devices,
                       KI_LANES_MOST);
    for (; c->count < times * devices; c->count++)
        c->name[c->count] = c->name[c->count - devices];
    return KITH_OK;
}

/* ---- weights ---- */

static ki_row_set first_rows(const kith_index *index)
{
    ki_row_set set = ki_store_row_set(index->store->engine, &index->store->options);
    const uint64_t most = PROBE_BYTES / set.rows.stride + 1;
    set.count = set.count < PROBE_ROWS ? set.count : PROBE_ROWS;
    set.count = set.count < most ? set.count : (uint32_t)most;
    set.live = NULL;
    return set;
}

/* Queries a second of the best of a few rounds. */
static kith_status time_scans(ki_device *device, const ki_row_set *set, double *speed)
{
    ki_device_rows *rows = NULL;
    uint64_t answers[PROBE_QUERIES], best = UINT64_MAX;
    const ki_device_queries queries = {set->rows.base, set->rows.stride,
                                       set->count < PROBE_QUERIES ? set->count : PROBE_QUERIES,
                                       set->type == KITH_F32};
    kith_status status = device->ops->put_rows(device, set, &rows);
    for (int round = 0; round < PROBE_ROUNDS && !status; round++) {
        const uint64_t start = ki_now_ns();
        status = device->ops->scan(rows, &queries, 1, answers);
        const uint64_t ns = ki_now_ns() - start;
        best = ns < best ? ns : best;
    }
    if (rows)
        device->ops->drop_rows(rows);
    *speed = 1e9 / (double)(best + 1);
    return status;
}

static kith_status measure(ki_lane *lane)
{
    const kith_replicas *r = lane->replicas;
    const ki_row_set set = first_rows(r->index);
    kith_status status = ki_lane_open_device(lane);
    if (!status && !lane->device)
        status = ki_host_open(&r->index->kernels, r->options.threads, &lane->device);
    lane->speed = 1;
    lane->memory = INFINITY;
    if (status)
        return status;
    if (!lane->name.host && lane->memory_bytes)
        lane->memory = (double)lane->memory_bytes;
    ki_lane_arm(lane, ki_replicas_patience(r, (uint64_t)set.count * set.rows.stride));
    if (set.count)
        status = time_scans(lane->device, &set, &lane->speed);
    ki_lane_arm(lane, 0);
    return status;
}

void ki_lane_measure(ki_lane *lane)
{
    pthread_mutex_unlock(&lane->replicas->mutex);
    kith_status status = measure(lane);
    pthread_mutex_lock(&lane->replicas->mutex);
    lane->status = status;
    if (status)
        snprintf(lane->sentence, sizeof lane->sentence, "%s", kith_last_error());
    lane->attempts++;
    lane->retired = true;
    pthread_cond_broadcast(&lane->replicas->changed);
}

/* A lane of its own, since the device may hang: then it is an orphan. */
static kith_status ask_lane(kith_replicas *r, const ki_device_name *name, double *speed,
                            double *memory)
{
    static const bool none[KI_PARTS_MOST] = {false};
    ki_lane *lane = NULL;
    kith_status status = ki_lane_new(r, name, none, false, &lane);
    if (status)
        return status;
    lane->measures = true;
    status = ki_lane_start(lane);
    if (!status)
        status = ki_lane_await(lane);
    pthread_mutex_lock(&r->mutex);
    if (!status) {
        *speed = lane->speed;
        *memory = lane->memory;
    }
    lane->retired = true;
    const bool ended = ki_lane_has_ended(lane, true);
    if (!ended) {
        lane->next = r->orphans;
        r->orphans = lane;
    }
    pthread_mutex_unlock(&r->mutex);
    if (ended)
        ki_lane_free(lane);
    return status;
}

/* What all copies need, about: rows and their links. */
static double needed(const kith_index *index, uint32_t copies)
{
    const ki_slab *slab = ki_store_slab(index->store->engine);
    const uint32_t degree = index->graph ? 2 * index->graph->m + 2 : 0;
    return (double)copies * (double)ki_store_rows(index->store->engine) *
           ((double)slab->stride + (double)slab->aux_stride + 4.0 * degree);
}

/* Of the memory of a device each lane on it has an even share. */
static double lanes_on(const candidates *c, uint32_t i)
{
    uint32_t lanes = 0;
    for (uint32_t j = 0; j < c->count; j++)
        lanes += i == j || ki_share_memory(&c->name[i], &c->name[j]);
    return lanes;
}

static kith_status weigh(kith_replicas *r, candidates *c, uint32_t devices)
{
    const kith_replicas_options *o = &r->options;
    double speed[KI_LANES_MOST], memory[KI_LANES_MOST], sum = 0, all = 0;
    const double need = needed(r->index, o->copies) + 1;
    const bool decides = devices > o->copies || (o->partitions > 1 && devices != o->copies);
    for (uint32_t i = 0; i < devices; i++) {
        speed[i] = 1;
        memory[i] = INFINITY;
        kith_status status = decides ? ask_lane(r, &c->name[i], &speed[i], &memory[i]) : KITH_OK;
        if (status)
            return status;
        sum += speed[i];
    }
    for (uint32_t i = 0; i < c->count; i++) {
        const uint32_t d = i % devices;
        c->weight[i] = fmin(speed[d] / sum, memory[d] / lanes_on(c, i) / need);
        all += c->weight[i];
    }
    for (uint32_t i = 0; i < c->count; i++)
        c->weight[i] /= all;
    return KITH_OK;
}

/* ---- dealing ---- */

/* Who of those that lack the partition is farthest behind its due; the earlier of equals. */
static uint32_t most_due(const double *due, uint32_t count, const ki_plan *plan, uint32_t p)
{
    uint32_t best = count;
    for (uint32_t i = 0; i < count; i++)
        if (!plan->holds[i][p] && (best == count || due[i] > due[best] + 1e-9))
            best = i;
    return best;
}

/* Each partition, as many rows as its holders have weight for it, but not too few. */
static void share_rows(const double *weight, uint32_t count, uint32_t partitions, ki_plan *plan)
{
    double sum = 0;
    for (uint32_t p = 0; p < partitions; p++)
        plan->shares[p] = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t held = 0;
        for (uint32_t p = 0; p < partitions; p++)
            held += plan->holds[i][p];
        for (uint32_t p = 0; p < partitions; p++)
            if (plan->holds[i][p])
                plan->shares[p] += weight[i] / held;
    }
    for (uint32_t p = 0; p < partitions; p++)
        sum += plan->shares[p] = fmax(plan->shares[p], least_part / partitions);
    for (uint32_t p = 0; p < partitions; p++)
        plan->shares[p] /= sum;
}

void ki_replicas_deal(const double *weight, uint32_t count, uint32_t partitions, uint32_t copies,
                      ki_plan *plan)
{
    double due[KI_LANES_MOST];
    memset(plan->holds, 0, sizeof plan->holds);
    for (uint32_t i = 0; i < count; i++)
        due[i] = weight[i] * partitions * copies;
    for (uint32_t p = 0; p < partitions; p++)
        for (uint32_t c = 0; c < copies; c++) {
            const uint32_t i = most_due(due, count, plan, p);
            plan->holds[i][p] = true;
            due[i] -= 1;
        }
    share_rows(weight, count, partitions, plan);
    plan->count = count;
}

kith_status ki_replicas_plan(kith_replicas *r, const kith_replicas_options *o, ki_plan *out)
{
    candidates c = {.share = o->share};
    kith_status status = read_names(o, &c);
    const uint32_t devices = c.count;
    if (!status)
        status = repeat_names(o, &c);
    if (!status)
        status = weigh(r, &c, devices);
    if (status)
        return status;
    ki_replicas_deal(c.weight, c.count, o->partitions, o->copies, out);
    memcpy(out->name, c.name, sizeof c.name);
    return KITH_OK;
}
