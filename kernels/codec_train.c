/* codec_train.c - what a codec learns from rows: centres and scales. See codec.h.
 *
 * May include codec.h, convert.h and the C library. Rows are read four times; all that is kept of
 * them is how many values there are of each size, in bins of a sixteenth of a power of two. Bins
 * are added up as integers, so the order of rows and threads leaves no trace.
 *
 * Outliers. What counts is how many rows have one: a row whose largest element is four times
 * beyond that of 255 rows in 256 is the exception, and its element is counted as that size.
 * Dimensions that are larger than all the others, or nearly always zero, stay whole, since what
 * they hold is not the exception among rows. Below this ceiling the range of the codes is the one
 * with the least squared error: what a step costs inside, and what a cut costs outside.
 *
 * Tried and lost: the least squared error alone, and with a ceiling of 256 times the root mean
 * square. One wrong value among 128,000 made steps 70 times wider. A quantile of each dimension
 * drops the few values of a dimension that is zero in nearly all rows, and they are all it says.
 */
#include "kernels/codec.h"
#include "kernels/convert.h"
#include <float.h>
#include <math.h>

enum { FRACTION_BITS = 4, SHIFT = 23 - FRACTION_BITS };

/* One row in so many may be an outlier, and is one from so many times the others' size. */
static const uint64_t rows_an_outlier = 256;
static const double outlier_factor = 4.0;

static uint32_t bin_of(float size)
{
    return ki_bits_of(size) >> SHIFT;
}

static float low_edge(uint32_t bin)
{
    return ki_f32_of_bits(bin << SHIFT);
}

/* Zeros alone are no estimate: the first bin counts as zero. */
static double middle(uint32_t bin)
{
    return bin ? (double)ki_f32_of_bits(bin << SHIFT | 1u << (SHIFT - 1)) : 0.0;
}

static double value_at(const ki_codec_rows *rows, size_t row, uint32_t i)
{
    float x;
    memcpy(&x, rows->base + row * rows->stride + (size_t)i * sizeof x, sizeof x);
    return rows->factors ? (double)x * rows->factors[row] : (double)x;
}

static void count_size(ki_codec_counts *counts, double value)
{
    const float size = (float)fmin(fabs(value), (double)FLT_MAX);
    counts->most = size > counts->most ? size : counts->most;
    counts->at[bin_of(size)]++;
}

void ki_codec_add_counts(ki_codec_counts *to, const ki_codec_counts *from)
{
    to->most = from->most > to->most ? from->most : to->most;
    for (uint32_t b = 0; b < KI_CODEC_BINS; b++)
        to->at[b] += from->at[b];
}

void ki_codec_count_row(const ki_codec *codec, const ki_codec_rows *rows, bool centred, size_t row,
                        ki_codec_counts *counts)
{
    double most = 0.0;
    for (uint32_t i = 0; i < rows->dim; i++) {
        const double centre = centred ? (double)codec->centre[i] : 0.0;
        const double size = fabs(value_at(rows, row, i) - centre);
        most = size > most ? size : most;
    }
    count_size(counts, most);
}

/* Rows of nothing but zeros are in the first bin, and have no say. */
double ki_codec_ceiling(const ki_codec_counts *counts)
{
    uint64_t n = 0, beyond = 0;
    uint32_t b = KI_CODEC_BINS - 1;
    for (uint32_t i = 1; i < KI_CODEC_BINS; i++)
        n += counts->at[i];
    for (; b > 0 && beyond + counts->at[b] <= n / rows_an_outlier; b--)
        beyond += counts->at[b];
    return fmin((double)counts->most, outlier_factor * (double)low_edge(b + 1));
}

/* Sums over the bins from the largest downwards. */
typedef struct beyond {
    double n, sum, squares;
} beyond;

/* How many steps of a code there are from the centre to the end of its range, and to the last
 * value that it can stand for: 4 bits stand for the middle of a step. */
typedef struct ladder {
    double end, last;
} ladder;

static const ladder of_8_bits = {127.0, 127.0}, of_4_bits = {8.0, 7.5};

/* What is lost in all, as a squared error, when sizes beyond the range are cut to the last value
 * and those within are rounded to steps. */
static double cost_of(const beyond *cut, double all, double step, double last)
{
    const double outside = cut->squares - 2.0 * last * cut->sum + last * last * cut->n;
    return outside + (all - cut->n) * step * step / 12.0;
}

/* The step of the least cost, among those whose ranges end where a bin begins, and the widest. */
static double best_step(const ki_codec_counts *counts, const ladder *codes)
{
    beyond cut = {0.0, 0.0, 0.0};
    double all = 0.0, best = (double)counts->most / codes->end;
    for (uint32_t b = 0; b < KI_CODEC_BINS; b++)
        all += (double)counts->at[b];
    double least = cost_of(&cut, all, best, best * codes->last);
    for (uint32_t b = KI_CODEC_BINS - 1; b > 0; b--) {
        const double n = (double)counts->at[b], step = (double)low_edge(b) / codes->end;
        cut.n += n;
        cut.sum += n * middle(b);
        cut.squares += n * (middle(b) * middle(b));
        const double cost = cost_of(&cut, all, step, step * codes->last);
        if (n > 0.0 && step < best && cost < least) {
            least = cost;
            best = step;
        }
    }
    return best;
}

/* No step is denormal, so that none rounds to nothing; 0 where there is nothing to tell apart. */
static float scale_of(const ki_codec_counts *counts, const ladder *codes)
{
    const double scale = best_step(counts, codes);
    if (counts->most <= 0.0f)
        return 0.0f;
    return scale > (double)FLT_MIN ? (float)scale : FLT_MIN;
}

static double within(double x, double ceiling)
{
    x = x < ceiling ? x : ceiling;
    return x > -ceiling ? x : -ceiling;
}

void ki_codec_centre(ki_codec *codec, const ki_codec_rows *rows, double ceiling, uint32_t first,
                     uint32_t last)
{
    for (uint32_t i = first; i < last; i++) {
        double sum = 0.0;
        for (size_t r = 0; r < rows->count; r++)
            sum += within(value_at(rows, r, i), ceiling);
        codec->centre[i] = (float)(sum / (double)rows->count);
    }
}

void ki_codec_measure(ki_codec *codec, const ki_codec_rows *rows, double ceiling, uint32_t first,
                      uint32_t last, ki_codec_counts *counts, ki_codec_counts *own)
{
    for (uint32_t i = first; i < last; i++) {
        const double centre = (double)codec->centre[i];
        memset(own, 0, sizeof *own);
        for (size_t r = 0; r < rows->count; r++)
            count_size(own, within(value_at(rows, r, i) - centre, ceiling));
        if (codec->scales)
            codec->scales[i] = scale_of(own, &of_8_bits);
        ki_codec_add_counts(counts, own);
    }
}

void ki_codec_finish(ki_codec *codec, const ki_codec_counts *counts)
{
    codec->scale = 0.0f;
    if (codec->code == KITH_SQ8)
        codec->scale = scale_of(counts, &of_8_bits);
    if (codec->code == KITH_SQ4)
        codec->scale = scale_of(counts, &of_4_bits);
}
