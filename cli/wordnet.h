/* wordnet.h - vectors of the definitions in WordNet, a text set that needs no download.
 *
 * The recipe is that of ann-benchmarks' nytimes-256-angular: bags of words, weighted by TF-IDF, and
 * a random projection to 256 dimensions. Real text and hard to search, but no learned embedding.
 */
#ifndef WORDNET_H
#define WORDNET_H

#include "cli/matrix.h"

/* The folder with data.noun, data.verb, data.adj and data.adv, to be freed: $KITH_DATA/wordnet,
 * $KITH_DATA or, where it is not set, /usr/share/wordnet. False when one is missing; *folder then
 * says where they were looked for. */
bool wordnet_find(char **folder);

/* Unit vectors of f32, one a synset in the order of the files: every hundredth is a query, all
 * others are the base. The same bytes on every machine. */
bool wordnet_read(const char *folder, struct matrix *base, struct matrix *queries,
                  struct sentence *why);

#endif
