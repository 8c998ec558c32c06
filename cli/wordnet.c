/* wordnet.c - see wordnet.h.
 *
 * Every synset is a bag of the words that it lists and of those of its gloss: runs of ASCII
 * letters, in lower case, two or more. A word weighs its count times log2(synsets / synsets that
 * have it). Its direction is 256 sums of four uniform numbers from a hash of the word, nearly
 * Gaussian. All of it is integers and f64 in a fixed order, the logarithm too, so no library's
 * rounding shows in the bytes.
 */
#include "cli/wordnet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/heap.h"

enum { DIM = 256, BAG_MOST = 1024, EACH = 100, PLACES = 1 << 18 };

static const char *const parts[] = {"data.noun", "data.verb", "data.adj", "data.adv"};

struct word {
    uint64_t hash; /* stands for the word: 64 bits for some 70,000 of them */
    uint32_t synsets;
};

struct corpus {
    char *text;   /* the lines of all synsets, each ended by a zero */
    size_t *line; /* where each begins */
    size_t lines;
    struct word *word; /* PLACES, found by hash */
    size_t words;
};

bool wordnet_find(char **folder)
{
    const char *const set = getenv("KITH_DATA");
    const char *const root = set && set[0] ? set : "/usr/share";
    for (int i = 0; i < 2; i++) {
        bool all = true;
        *folder = heap_format("%s%s", root, i ? "/wordnet" : "");
        for (int p = 0; p < 4; p++) {
            char *const path = heap_format("%s/%s", *folder, parts[p]);
            all = all && access(path, R_OK) == 0;
            free(path);
        }
        if (all || i == 1)
            return all;
        free(*folder);
    }
    return false;
}

/* ---- words -------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static int letter(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 'a';
    return c >= 'a' && c <= 'z' ? c : 0;
}

/* The hash of the next word from *at on; 0 when there is none. FNV-1a, then mixed. */
static uint64_t next_word(const char **at)
{
    while (**at) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        size_t length = 0;
        for (; letter(**at); ++*at, length++)
            hash = (hash ^ (uint64_t)letter(**at)) * UINT64_C(0x100000001b3);
        if (length >= 2)
            return mix(hash) | 1;
        if (**at && !length)
            ++*at;
    }
    return 0;
}

/* The words' own columns of a line: w_cnt in hex, then pairs of a word and a digit; and behind the
 * bar the gloss. What lies between are pointers to other synsets. */
static size_t bag_of(const char *line, uint64_t *bag)
{
    const char *const bar = strchr(line, '|');
    unsigned count = 0;
    int used = 0;
    size_t n = 0;
    uint64_t hash;
    if (sscanf(line, "%*s %*s %*s %x %n", &count, &used) < 1 || !bar)
        return 0;
    const char *at = line + used;
    for (unsigned i = 0; i < count && at < bar; i++) {
        char *const name = heap_format("%.*s", (int)strcspn(at, " "), at);
        const char *inside = name;
        while (n < BAG_MOST && (hash = next_word(&inside)))
            bag[n++] = hash;
        free(name);
        at += strcspn(at, " ");
        at += strspn(at, " ");
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    for (at = bar + 1; n < BAG_MOST && (hash = next_word(&at));)
        bag[n++] = hash;
    return n;
}

static int by_hash(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static struct word *place_of(const struct corpus *c, uint64_t hash)
{
    size_t at = hash >> 1 & (PLACES - 1);
    while (c->word[at].hash && c->word[at].hash != hash)
        at = (at + 1) & (PLACES - 1);
    return &c->word[at];
}

/* ---- the text ----------------------------------------------------------------------------- */

static bool read_part(const char *folder, const char *name, struct corpus *c, size_t *room,
                      size_t *bytes, struct sentence *why)
{
    char *const path = heap_format("%s/%s", folder, name);
    FILE *const file = fopen(path, "rb");
    char *line = NULL;
    size_t line_room = 0;
    ssize_t length;
    bool good = file || sentence_fail(why, "%s cannot be read", path);
    while (good && (length = getline(&line, &line_room, file)) > 0) {
        if (line[0] == ' ') /* the licence */
            continue;
        const size_t needed = *bytes + (size_t)length + 1;
        if (needed > *room) {
            *room = 2 * needed;
            c->text = heap_grow(c->text, *room);
        }
        if (c->lines % 4096 == 0)
            c->line = heap_grow(c->line, (c->lines + 4096) * sizeof *c->line);
        memcpy(c->text + *bytes, line, (size_t)length + 1);
        c->line[c->lines++] = *bytes;
        *bytes = needed;
    }
    if (good && ferror(file))
        good = sentence_fail(why, "%s cannot be read to its end", path);
    if (file)
        fclose(file);
    free(line);
    free(path);
    return good;
}

static bool read_corpus(const char *folder, struct corpus *c, struct sentence *why)
{
    size_t room = 0, bytes = 0;
    uint64_t bag[BAG_MOST];
    for (int p = 0; p < 4; p++)
        if (!read_part(folder, parts[p], c, &room, &bytes, why))
            return false;
    if (c->lines < 2 * EACH)
        return sentence_fail(why, "%s holds %zu synsets, which is no WordNet", folder, c->lines);
    c->word = heap_alloc(PLACES, sizeof *c->word);
    for (size_t i = 0; i < c->lines; i++) {
        const size_t n = bag_of(c->text + c->line[i], bag);
        qsort(bag, n, sizeof *bag, by_hash);
        for (size_t j = 0; j < n; j++) {
            if (j && bag[j] == bag[j - 1])
                continue;
            struct word *const word = place_of(c, bag[j]);
            c->words += word->hash == 0;
            if (c->words > PLACES / 2)
                return sentence_fail(why, "%s holds too many words for WordNet", folder);
            word->hash = bag[j];
            word->synsets++;
        }
    }
    return true;
}

static void free_corpus(struct corpus *c)
{
    free(c->text);
    free(c->line);
    free(c->word);
}

/* ---- vectors ------------------------------------------------------------------------------ */

/* log2(x) of x >= 1 to 24 binary places: squaring doubles it, and what passes 2 is a one. */
static double log2_of(double x)
{
    double whole = 0, place = 0.5, sum = 0;
    for (; x >= 2; x /= 2)
        whole++;
    for (int i = 0; i < 24; i++, place /= 2) {
        x *= x;
        if (x >= 2) {
            x /= 2;
            sum += place;
        }
    }
    return whole + sum;
}

/* The sum of four uniform numbers of 16 bits, moved to a mean of zero. */
static double direction(uint64_t hash, uint64_t i)
{
    const uint64_t x = mix(hash + i * UINT64_C(0xd1342543de82ef95));
    const int64_t sum =
        (int64_t)((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) + (x >> 48));
    return (double)(sum - 2 * 0xffff) / 65536;
}

static void vector_of(const struct corpus *c, const char *line, float *out)
{
    uint64_t bag[BAG_MOST];
    double sums[DIM] = {0}, norm2 = 0;
    const size_t n = bag_of(line, bag);
    qsort(bag, n, sizeof *bag, by_hash);
    for (size_t j = 0, next; j < n; j = next) {
        for (next = j; next < n && bag[next] == bag[j]; next++)
            ;
        const double weight =
            (double)(next - j) * log2_of((double)c->lines / (double)place_of(c, bag[j])->synsets);
        for (uint64_t i = 0; i < DIM; i++)
            sums[i] += weight * direction(bag[j], i);
    }
    for (int i = 0; i < DIM; i++)
        norm2 += sums[i] * sums[i];
    for (int i = 0; i < DIM; i++)
        out[i] = norm2 > 0 ? (float)(sums[i] / sqrt(norm2)) : 0;
}

static struct matrix rows_of(uint64_t rows)
{
    return (struct matrix){.element = ELEMENT_F32,
                           .dim = DIM,
                           .rows = rows,
                           .data = heap_alloc(rows * DIM, sizeof(float))};
}

bool wordnet_read(const char *folder, struct matrix *base, struct matrix *queries,
                  struct sentence *why)
{
    struct corpus c = {0};
    const bool good = read_corpus(folder, &c, why);
    if (good) {
        uint64_t asked = 0, kept = 0;
        *queries = rows_of(c.lines / EACH);
        *base = rows_of(c.lines - queries->rows);
        for (size_t i = 0; i < c.lines; i++) {
            float *const to = i % EACH == EACH - 1 ? (float *)queries->data + asked++ * DIM
                                                   : (float *)base->data + kept++ * DIM;
            vector_of(&c, c.text + c.line[i], to);
        }
    }
    free_corpus(&c);
    return good;
}
