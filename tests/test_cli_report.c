/* test_cli_report.c - a result file is hostile: the page and the table of any JSON are whole,
 * carry its texts as text, and take their figures from where the curve was measured.
 */
#include "tests/cli_files.h"

#include <math.h>
#include <zlib.h>

#include "cli/curves.h"
#include "cli/leaderboard.h"
#include "cli/png.h"
#include "cli/report.h"
#include "cli/result.h"

#define RUN(isa, ef, recall, qps)                                                                  \
    "{\"device\":\"cpu\",\"isa\":\"" isa "\",\"index\":\"hnsw\",\"threads\":1,\"batch\":1,"        \
    "\"params\":{\"ef\":" #ef "},\"recall\":" #recall ",\"qps\":" #qps "}"

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, 0, &error);
    if (!value)
        fail_msg("%s in %s", error.text, text);
    return value;
}

static void expect_near(double value, double wanted)
{
    if (fabs(value - wanted) > 1e-9 * wanted)
        fail_msg("%.12g, not %.12g", value, wanted);
}

/* Halfway in recall is the geometric mean in QPS; the best point that suffices; no extrapolation.
 */
static void test_curve_is_read_between_points(void **state)
{
    (void)state;
    json_t *result = parse("{\"runs\":[" RUN("a", 20, 0.96, 2500) "," RUN(
        "a", 10, 0.92, 10000) "," RUN("b", 10, 0.97, 700) "," RUN("b", 20, 0.98, 900) "]}");
    struct curves curves = curves_collect(result);
    assert_int_equal(curves.count, 2);
    assert_string_equal(curves.items[0].label, "cpu a");
    expect_near(curve_qps(&curves.items[0], 0.94), 5000);
    expect_near(curve_qps(&curves.items[0], 0.90), 10000);
    expect_near(curve_qps(&curves.items[0], 0.96), 2500);
    assert_true(curve_qps(&curves.items[0], 0.961) == 0);
    expect_near(curve_qps(&curves.items[1], 0.95), 900);
    size_t *order = leaderboard_order(&curves);
    assert_int_equal(order[0], 0); /* both fail at 0.99, and a is faster at 0.95 */
    free(order);
    curves_free(&curves);
    json_decref(result);
}

/* A disturbed pass makes a point that is beaten; the curve is that of the others. */
static void test_beaten_points_are_passed_by(void **state)
{
    (void)state;
    json_t *result = parse("{\"runs\":[" RUN("a", 10, 0.90, 9000) "," RUN(
        "a", 20, 0.94, 100) "," RUN("a", 30, 0.98, 1000) "," RUN("a", 40, 0.98, 900) "]}");
    struct curves curves = curves_collect(result);
    const struct point *points = curves.items[0].points;
    assert_int_equal(curves.items[0].count, 4);
    assert_true(!points[0].beaten && points[1].beaten && !points[2].beaten && points[3].beaten);
    expect_near(curve_qps(&curves.items[0], 0.94), 3000);
    expect_near(curve_qps(&curves.items[0], 0.5), 9000);
    assert_true(curve_qps(&curves.items[0], 0.99) == 0);
    curves_free(&curves);
    json_decref(result);
}

/* Three passes say how quiet the machine was; the page warns where it was not. */
static void test_unrest_is_said(void **state)
{
    (void)state;
    json_t *quiet = parse("{\"runs\":[{\"times\":[1,1.1,1]},{\"times\":[1,9]}]}");
    json_t *loud = parse("{\"runs\":[{\"times\":[1,3,2]}]}");
    json_t *empty = parse("{\"runs\":[{\"times\":[0,1,2]}]}");
    expect_near(leaderboard_unrest(quiet), 1.1);
    expect_near(leaderboard_unrest(loud), 3);
    assert_true(leaderboard_unrest(empty) == 0);
    json_decref(quiet);
    json_decref(loud);
    json_decref(empty);
}

/* A walk that differs between instruction sets is told apart from an exact search that is wrong. */
static void test_differences_are_said(void **state)
{
    (void)state;
    char text[600];
    json_t *walk = parse("{\"agreement\":[{\"device\":\"cpu\",\"isa\":\"a\",\"index\":\"flat\","
                         "\"equal\":true},{\"device\":\"cpu\",\"isa\":\"b\",\"index\":\"hnsw\","
                         "\"compared_with\":\"c\",\"equal\":false,\"first\":{\"query\":7,"
                         "\"ef\":20}}]}");
    assert_int_equal(leaderboard_agreement(walk, text, sizeof text), 0);
    assert_string_equal(text, "cpu b: the walk differs from that of c: query 7 at ef 20");
    json_decref(walk);
    json_t *none = parse("{\"agreement\":[]}");
    assert_int_equal(leaderboard_agreement(none, text, sizeof text), -1);
    json_decref(none);
}

/* The page of a result, to be freed. The terminal's table is made too. */
static char *page_of(const char *text)
{
    struct sentence why;
    size_t size;
    json_t *result = parse(text);
    FILE *nowhere = fopen("/dev/null", "w");
    assert_non_null(nowhere);
    leaderboard_print(nowhere, result);
    fclose(nowhere);
    if (!report_write(result, NULL, files_path("page.html"), &why))
        fail_msg("%s", why.text);
    json_decref(result);
    char *page = files_take(files_path("page.html"), &size);
    const char *end = strstr(page, "</html>\n");
    assert_true(end && end[8] == '\0');
    return page;
}

static void test_texts_stay_texts(void **state)
{
    (void)state;
    char *page =
        page_of("{\"schema\":\"kith-result/1\",\"command\":\"<b>&'\\\"</script><img src=x>\","
                "\"dataset\":{\"name\":\"</title><script>x()</"
                "script>\",\"note\":\"<i>\",\"sha256\":\"<u>\"},"
                "\"hardware\":{\"cpu\":\"<em>\",\"<s>\":\"<s>\"},"
                "\"devices\":[{\"id\":\"<q>\",\"usable\":false,\"reason\":\"<q>\"}],"
                "\"builds\":[{\"index\":\"<q>\",\"digest\":\"<q>\",\"params\":{\"m\":1}}],"
                "\"runs\":[" RUN(
                    "<kbd>", 10, 0.9,
                    100) "],"
                         "\"agreement\":[{\"device\":\"<q>\",\"isa\":\"<q>\",\"equal\":true}]}");
    static const char *const tags[] = {"<b>", "<img",  "<i>",      "<u>", "<em>",
                                       "<q>", "<kbd>", "<script>", "<s>"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (strstr(page, tags[i]))
            fail_msg("%s reached the page as a tag", tags[i]);
    const char *script = strstr(page, "</script>");
    assert_true(script && !strstr(script + 1, "</script>"));
    assert_non_null(strstr(page, "&lt;b&gt;&amp;&#39;&quot;&lt;/script&gt;"));
    free(page);
}

static void test_fields_of_any_kind(void **state)
{
    (void)state;
    static const char *const results[] = {
        "{}",
        "{\"runs\":7,\"builds\":\"x\",\"devices\":{},\"agreement\":null,\"dataset\":[]}",
        "{\"runs\":[1,null,{},[]],\"builds\":[1],\"devices\":[2],\"agreement\":[3]}",
        "{\"runs\":[" RUN("a", 10, 5, 1e300) "," RUN("a", -1e300, -2, 3) "," RUN("b", 1, 1, 0) "]}",
        "{\"runs\":[{\"qps\":10,\"recall\":1,\"threads\":-1e99,\"batch\":1e99,\"times\":[0,-1],"
        "\"latency_us\":{\"p50\":1e-300,\"p95\":-1,\"p99\":\"x\",\"p999\":1e300},"
        "\"params\":{\"queries\":1e300}}]}",
        "{\"hardware\":{\"a_bytes\":-5,\"b_bytes\":1e300,\"c\":[],\"d\":true,\"e\":null}}",
        "{\"pictures\":{\"rows\":[{\"truth\":[-1,1e9]}]}}",
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        char *page = page_of(results[i]);
        assert_null(strstr(page, "inf"));
        assert_null(strstr(page, "nan"));
        free(page);
    }
}

/* The bytes of base64, in place; how many there are. */
static size_t unpack(char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t n = 0, used = 0;
    for (char *c = text; *c && *c != '='; c++) {
        const char *digit = strchr(digits, *c);
        assert_non_null(digit);
        bits = bits << 6 | (uint32_t)(digit - digits);
        used += 6;
        if (used >= 8)
            text[n++] = (char)(bits >> (used -= 8));
    }
    return n;
}

/* Two pixels, black and white. The head and the end are the same for every PNG of this size; the
 * pixels between them are what zlib unpacks. */
static void test_picture_is_a_png(void **state)
{
    (void)state;
    static const uint8_t grey[] = {0, 255}, line[] = {0, 0, 255};
    static const char head[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\2\0\0\0\1\b\0\0\0\0"
                               "\xd1\x49\x20\x56";
    static const char end[] = "\0\0\0\0IEND\xae\x42\x60\x82";
    size_t size, head_size = sizeof head - 1, end_size = sizeof end - 1;
    uint8_t pixels[16];
    uLongf count = sizeof pixels;
    FILE *file = fopen(files_path("uri"), "w");
    assert_non_null(file);
    png_write_uri(file, grey, 2, 1);
    fclose(file);
    char *uri = files_take(files_path("uri"), &size), *png = uri + 22;
    assert_int_equal(strncmp(uri, "data:image/png;base64,", 22), 0);
    size = unpack(png);
    assert_memory_equal(png, head, head_size);
    assert_memory_equal(png + size - end_size, end, end_size);
    assert_memory_equal(png + head_size + 4, "IDAT", 4);
    size_t packed = size - head_size - end_size - 12;
    assert_int_equal(uncompress(pixels, &count, (uint8_t *)png + head_size + 8, packed), Z_OK);
    assert_int_equal(count, sizeof line);
    assert_memory_equal(pixels, line, sizeof line);
    free(uri);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curve_is_read_between_points),
        cmocka_unit_test(test_beaten_points_are_passed_by),
        cmocka_unit_test(test_unrest_is_said),
        cmocka_unit_test(test_differences_are_said),
        cmocka_unit_test(test_texts_stay_texts),
        cmocka_unit_test(test_fields_of_any_kind),
        cmocka_unit_test(test_picture_is_a_png),
    };
    return cmocka_run_group_tests(tests, files_make, files_remove);
}
