/* int_words_tmpl.h - a template: the words of a vocabulary that all integer sums share.
 *
 * Included once for each type by the files of cpu/, which first define V(x), the vocabulary
 * (sums_tmpl.h), and have the words int_vec, int_total, int_zero, int_total1, int_total4 and so on
 * of ymm_ints.h, zmm_ints.h or arm_ints.h. What is left to write is how rows and queries are read:
 * chunk, bits_each, query, query_at, load and tail. V is undefined again at the end.
 */
typedef int_vec V(vec);
typedef int_total V(total);

enum { V(sums) = 1 };

INLINE V(vec) V(zero)(void)
{
    return int_zero();
}

INLINE V(vec) V(add)(V(vec) a, V(vec) b)
{
    return a + b;
}

INLINE V(total) V(total1)(V(vec) a)
{
    return int_total1(a);
}

INLINE V(total) V(total4)(V(vec) a, V(vec) b, V(vec) c, V(vec) d)
{
    return int_total4(a, b, c, d);
}

#ifdef EIGHT_ROWS
typedef int_totals V(totals);

INLINE V(totals)
    V(total8)(V(vec) a, V(vec) b, V(vec) c, V(vec) d, V(vec) e, V(vec) f, V(vec) g, V(vec) h)
{
    return int_total8(a, b, c, d, e, f, g, h);
}
#endif

#undef V
