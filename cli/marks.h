/* marks.h - how one contender looks in every chart: a hue, a shape and a stroke.
 */
#ifndef MARKS_H
#define MARKS_H

#include <stdio.h>

#include "cli/curves.h"

#define HUES 7

struct look {
    unsigned hue;   /* 0..HUES-1, shared by the runs of one device and instruction set */
    unsigned shape; /* as hue, but of another cycle, so that pairs repeat late */
    bool dashed;    /* several threads, or many queries a call where another curve has one */
};

struct look look_of(const struct curves *curves, size_t which);

/* An SVG mark centred on a point. The caller's group has the colour. */
void mark_write(FILE *out, struct look look, double x, double y);

/* Moves labels apart: y[] is sorted in place of its order and no two end nearer than `gap`, all
 * within top..bottom where there is room. */
void labels_spread(double *y, size_t n, double gap, double top, double bottom);

#endif
