/* float_words_tmpl.h - a template: the words that every widened row shares with f32.
 *
 * Included once a family by a file of cpu/ that has the f32_ words of sums_tmpl.h, and has defined
 * V(x). A chunk of such a row is one register of f32 after it is widened, so accumulators and
 * totals are those of f32; only how a row is read is the family's own. V stays defined.
 */
typedef f32_vec V(vec);
typedef f32_total V(total);

INLINE f32_vec V(zero)(void)
{
    return f32_zero();
}

INLINE f32_vec V(add)(f32_vec a, f32_vec b)
{
    return f32_add(a, b);
}

INLINE f32_total V(total1)(f32_vec a)
{
    return f32_total1(a);
}

INLINE f32_total V(total4)(f32_vec a, f32_vec b, f32_vec c, f32_vec d)
{
    return f32_total4(a, b, c, d);
}

#ifdef EIGHT_ROWS
typedef f32_totals V(totals);

INLINE f32_totals V(total8)(f32_vec a, f32_vec b, f32_vec c, f32_vec d, f32_vec e, f32_vec f,
                            f32_vec g, f32_vec h)
{
    return f32_total8(a, b, c, d, e, f, g, h);
}
#endif
