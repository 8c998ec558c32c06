/* test_cli_wordnet.c - the vectors of definitions are unit vectors and the same ones every time,
 * every hundredth is a query; they depend on words alone, not on their case, order or marks; and
 * who shares rarer words is nearer. Files that cannot be WordNet are refused with a sentence.
 *
 * The text is made here: 600 synsets in four files, after the licence, as Debian's package has
 * them. That the real one gives the pinned bytes is a matter of test_cli_data.c.
 */
#include "tests/cli_files.h"

#include <math.h>

#include "cli/wordnet.h"

enum { LINES = 600, DIM = 256, PART = LINES / 4 };

static const char *const parts[] = {"data.noun", "data.verb", "data.adj", "data.adv"};

/* What the lines say that the tests look at; every other has words of its own. */
static const char *special(int line)
{
    switch (line) {
    case 0:
        return "02 river 0 stream 1 001 @ 0000 n 0000 | water that runs to the sea";
    case 1:
        return "02 Stream 0 RIVER 1 000 | the sea; runs (to) \"that\" WATER.";
    case 2:
        return "02 river 0 stream 1 000 | water that falls from a rock";
    case 3:
        return "01 x 0 000 | 7 & 8"; /* no word of two letters: the zero vector */
    case 99:
        return "02 river 0 stream 1 000 | water that runs to the sea"; /* the first query */
    default:
        return NULL;
    }
}

static char letter(int i)
{
    return (char)('a' + i % 26);
}

static void write_parts(int lines)
{
    for (int p = 0; p < 4; p++) {
        FILE *const file = fopen(files_path(parts[p]), "w");
        assert_non_null(file);
        fputs("  1 This is a licence | of words\n", file);
        for (int i = p * PART; i < (p + 1) * PART && i < lines; i++) {
            const char *const text = special(i);
            fprintf(file, "%08d 03 n ", i);
            if (text)
                fprintf(file, "%s\n", text);
            else
                fprintf(file, "01 w%c%cw 0 000 | that thing is z%c%c\n", letter(i), letter(i / 26),
                        letter(i / 7), letter(i / 5));
        }
        assert_int_equal(fclose(file), 0);
    }
}

static void read_parts(struct matrix *base, struct matrix *queries)
{
    struct sentence why;
    if (!wordnet_read(files_folder, base, queries, &why))
        fail_msg("%s", why.text);
    assert_int_equal(base->rows, LINES - LINES / 100);
    assert_int_equal(queries->rows, LINES / 100);
    assert_int_equal(base->dim, DIM);
    assert_int_equal(queries->dim, DIM);
}

static double dot(const float *a, const float *b)
{
    double sum = 0;
    for (int i = 0; i < DIM; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void vectors_are_of_words(void **state)
{
    struct matrix base, queries;
    (void)state;
    write_parts(LINES);
    read_parts(&base, &queries);
    const float *const row = base.data, *const query = queries.data;
    const size_t bytes = DIM * sizeof *row;
    assert_memory_equal(row, row + DIM, bytes); /* same words */
    assert_memory_equal(row, query, bytes);     /* pointers to other synsets are no words */
    const double other = dot(row, row + 2 * DIM);
    assert_true(other > 0.2 && other < 0.98);
    double sum = 0;
    for (size_t i = 4; i < base.rows; i++) {
        assert_true(fabs(dot(row, row + i * DIM)) < other);
        sum += dot(row, row + i * DIM);
    }
    assert_true(fabs(sum) / (double)base.rows < 0.03); /* "that" is in all and weighs next to 0 */
    for (size_t i = 0; i < base.rows; i++)
        assert_true(fabs(dot(row + i * DIM, row + i * DIM) - (i != 3)) < 1e-6);
    matrix_free(&base);
    matrix_free(&queries);
}

static void two_readings_are_equal(void **state)
{
    struct matrix base[2], queries[2];
    (void)state;
    write_parts(LINES);
    for (int i = 0; i < 2; i++)
        read_parts(&base[i], &queries[i]);
    assert_memory_equal(base[0].data, base[1].data, matrix_bytes(&base[0]));
    assert_memory_equal(queries[0].data, queries[1].data, matrix_bytes(&queries[0]));
    for (int i = 0; i < 2; i++) {
        matrix_free(&base[i]);
        matrix_free(&queries[i]);
    }
}

static void what_is_no_wordnet_is_refused(void **state)
{
    struct matrix base, queries;
    struct sentence why;
    (void)state;
    write_parts(150);
    assert_false(wordnet_read(files_folder, &base, &queries, &why));
    assert_non_null(strstr(why.text, "150 synsets, which is no WordNet"));
    assert_int_equal(unlink(files_path("data.adj")), 0);
    assert_false(wordnet_read(files_folder, &base, &queries, &why));
    assert_non_null(strstr(why.text, "data.adj cannot be read"));
}

static void the_folder_is_found(void **state)
{
    char *folder;
    (void)state;
    write_parts(LINES);
    setenv("KITH_DATA", files_folder, 1);
    assert_true(wordnet_find(&folder));
    assert_string_equal(folder, files_folder);
    free(folder);
    assert_int_equal(unlink(files_path("data.verb")), 0);
    assert_false(wordnet_find(&folder));
    free(folder);
    unsetenv("KITH_DATA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_of_words),
        cmocka_unit_test(two_readings_are_equal),
        cmocka_unit_test(what_is_no_wordnet_is_refused),
        cmocka_unit_test(the_folder_is_found),
    };
    return cmocka_run_group_tests(tests, files_make, files_remove);
}
