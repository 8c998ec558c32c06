/* sim_power.c - what a power cut leaves on the simulated disk.
 *
 * May touch sim_vfs.h. A sector of 512 bytes is what a disk writes whole or not; those that were
 * not synced keep any prefix of their writes, one sector independently of another.
 */
#include "tests/sim_vfs.h"
#include "tests/random.h"

#include <string.h>

enum { SECTOR = 512 };

/* ---- What reaches the disk ---------------------------------------------------------------- */

void sim_settle(sim_file *f)
{
    for (size_t i = 0; i < f->write_count; i++)
        memcpy(f->firm + f->writes[i].offset, f->data + f->writes[i].at, f->writes[i].bytes);
    f->firm_bytes = f->now_bytes;
    f->write_count = f->data_used = 0;
}

/* Where a write is torn: anywhere, but mostly where it shows, at one of the bytes that differ. */
static uint32_t tear(sim *disk, const unsigned char *old, const unsigned char *new, uint32_t bytes)
{
    uint32_t differ = 0, at = 0;
    if (check_below(&disk->random, 4) == 0)
        return check_below(&disk->random, bytes + 1);
    for (uint32_t i = 0; i < bytes; i++)
        differ += old[i] != new[i];
    differ = differ ? check_below(&disk->random, differ + 1) : 0;
    for (; at < bytes && differ > 0; at++)
        differ -= old[at] != new[at];
    return at;
}

/* One write is lost, or what lies on one side of a tear in it. Often it is the oldest, which all
 * others came after. */
typedef struct loss {
    size_t write;
    uint64_t first, end; /* bytes of the file that it did not write */
} loss;

static loss choose_loss(sim *disk, const sim_file *f)
{
    loss it = {f->write_count, 0, 0};
    if (f->write_count == 0 || check_below(&disk->random, 2))
        return it;
    if (check_below(&disk->random, 2))
        it.write = check_below(&disk->random, (uint32_t)f->write_count);
    else
        it.write = 0;
    const sim_write *w = &f->writes[it.write];
    it.first = w->offset;
    it.end = w->offset + w->bytes;
    uint32_t how = check_below(&disk->random, 5), at;
    if (how > 0) {
        at = tear(disk, f->firm + w->offset, f->data + w->at, (uint32_t)w->bytes);
        *(how > 2 ? &it.first : &it.end) = w->offset + at;
    }
    return it;
}

/* Of a piece of the write that is torn, what is not lost. */
static void keep_rest(sim_file *f, uint64_t at, const unsigned char *bytes, size_t part,
                      const loss *lost)
{
    for (size_t i = 0; i < part; i++)
        if (at + i < lost->first || at + i >= lost->end)
            f->firm[at + i] = bytes[i];
}

/* Each sector keeps a prefix of its writes; the piece that ends it may be torn. Sometimes one write
 * is lost and all others are there: so the disk shows best that it knows no order. */
void sim_settle_some(sim *disk, sim_file *f)
{
    static unsigned char stopped[SIM_BYTES / SECTOR];
    uint32_t keep = (uint32_t[]){0, 30, 50, 90, 97, 100}[check_below(&disk->random, 6)];
    const loss lost = choose_loss(disk, f);
    if (lost.write < f->write_count)
        keep = 100;
    memset(stopped, 0, sizeof stopped);
    for (size_t i = 0; i < f->write_count; i++) {
        const sim_write *w = &f->writes[i];
        size_t part;
        for (uint64_t at = w->offset; at < w->offset + w->bytes; at += part) {
            size_t sector = (size_t)(at / SECTOR);
            part = SECTOR - (size_t)(at % SECTOR);
            if (part > w->offset + w->bytes - at)
                part = (size_t)(w->offset + w->bytes - at);
            if (stopped[sector])
                continue;
            const unsigned char *bytes = f->data + w->at + (at - w->offset);
            uint32_t chance = check_below(&disk->random, 100), head = 0, tail = (uint32_t)part;
            if (i == lost.write && lost.first < at + part && lost.end > at) {
                stopped[sector] = true;
                keep_rest(f, at, bytes, part, &lost);
                continue;
            }
            stopped[sector] = chance >= keep;
            if (chance >= keep && check_below(&disk->random, 2))
                continue;
            if (chance >= keep && check_below(&disk->random, 2))
                tail = tear(disk, f->firm + at, bytes, tail);
            else if (chance >= keep)
                head = tear(disk, f->firm + at, bytes, tail);
            memcpy(f->firm + at + head, bytes + head, tail - head);
        }
    }
    f->write_count = f->data_used = 0;
}

/* ---- Power -------------------------------------------------------------------------------- */

static void end_cut(sim *disk)
{
    bool forget = check_below(&disk->random, 2);
    for (int i = 0; i < SIM_FILES; i++) {
        if (forget)
            disk->name[i].file = disk->name[i].firm;
        else
            disk->name[i].firm = disk->name[i].file;
    }
    for (int i = 0; i < SIM_FILES; i++) {
        sim_file *f = &disk->file[i];
        if (!f->now)
            continue;
        f->write_count = f->data_used = 0;
        f->now_bytes = f->firm_bytes;
        memcpy(f->now, f->firm, (size_t)f->firm_bytes);
    }
    disk->dead = false;
    disk->cut_at = disk->calls = 0;
    disk->cut_sync = 0;
}

void sim_kill(sim *disk)
{
    disk->dead = false;
    disk->cut_at = disk->calls = 0;
    disk->cut_sync = 0;
}

void sim_cut(sim *disk)
{
    for (int i = 0; i < SIM_FILES; i++) {
        sim_file *f = &disk->file[i];
        if (!f->now)
            continue;
        uint64_t longer = f->now_bytes;
        sim_settle_some(disk, f);
        if (longer > f->firm_bytes && check_below(&disk->random, 2))
            f->firm_bytes = longer;
    }
    end_cut(disk);
}

/* The sector as it would be with all of its writes; true when that is not what it is. */
static bool newest(const sim_file *f, size_t sector, unsigned char *bytes)
{
    memcpy(bytes, f->firm + sector * SECTOR, SECTOR);
    for (size_t i = 0; i < f->write_count; i++) {
        const sim_write *w = &f->writes[i];
        uint64_t from = sector * SECTOR, to = from + SECTOR, base = from;
        from = from > w->offset ? from : w->offset;
        to = to < w->offset + w->bytes ? to : w->offset + w->bytes;
        if (from < to)
            memcpy(bytes + (from - base), f->data + w->at + (from - w->offset),
                   (size_t)(to - from));
    }
    return memcmp(bytes, f->firm + sector * SECTOR, SECTOR) != 0;
}

static size_t visit_loose(const sim_file *f, uint64_t keep, bool apply)
{
    unsigned char bytes[SECTOR];
    size_t count = 0;
    for (size_t sector = 0; sector < (f->now_bytes + SECTOR - 1) / SECTOR; sector++) {
        if (!newest(f, sector, bytes))
            continue;
        if (apply && keep >> (count < 63 ? count : 63) & 1)
            memcpy(f->firm + sector * SECTOR, bytes, SECTOR);
        count++;
    }
    return count;
}

size_t sim_loose(const sim *disk, int file)
{
    return visit_loose(&disk->file[file], 0, false);
}

void sim_cut_keeping(sim *disk, uint64_t keep)
{
    for (int i = 0; i < SIM_FILES; i++) {
        sim_file *f = &disk->file[i];
        if (f->now && f->write_count) {
            visit_loose(f, keep, true);
            f->firm_bytes = f->now_bytes;
        }
    }
    end_cut(disk);
}

void sim_copy(const sim *from, sim *to)
{
    for (int i = 0; i < SIM_FILES; i++) {
        const sim_file *source = &from->file[i];
        sim_file *target = &to->file[i];
        to->name[i] = from->name[i];
        if (!source->now)
            continue;
        if (!target->now) {
            target->now = calloc(1, SIM_BYTES);
            target->firm = calloc(1, SIM_BYTES);
        }
        memcpy(target->now, source->now, (size_t)source->now_bytes);
        memcpy(target->firm, source->firm, (size_t)source->now_bytes);
        target->now_bytes = source->now_bytes;
        target->firm_bytes = source->firm_bytes;
        target->write_count = target->data_used = 0;
        for (size_t w = 0; w < source->write_count; w++)
            sim_remember(target, source->data + source->writes[w].at, source->writes[w].bytes,
                         source->writes[w].offset);
    }
    to->dead = from->dead;
}

void sim_again(sim *disk, uint64_t seed)
{
    static sim before;
    before = *disk;
    sim_open(disk, seed);
    for (int i = 0; i < SIM_FILES; i++) {
        disk->file[i] = before.file[i];
        disk->file[i].write_count = disk->file[i].data_used = 0;
    }
    memcpy(disk->range, before.range, sizeof disk->range);
}
