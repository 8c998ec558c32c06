/* A compiled program is compiled once: the second open takes it from disk. Whatever is wrong with
 * a file of the cache, the program is compiled again, the file is replaced and searches work. */
#include "tests/opencl_check.h"
#include "opencl/cachefile.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *directory;

enum { MAX_FILES = 16, PATH_BYTES = 400 };

/* Paths of the cache's files in the order of their names; returns how many there are. */
static size_t list_files(char paths[MAX_FILES][PATH_BYTES])
{
    struct dirent **entries = NULL;
    const int n = scandir(directory, &entries, NULL, alphasort);
    size_t count = 0;
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.' && count < MAX_FILES)
            snprintf(paths[count++], PATH_BYTES, "%s/%s", directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return count;
}

/* Opens the device, which runs its self-test and so needs programs, and tells how it got them. */
static ki_program_counts open_once(void)
{
    ki_device *device = opencl_open();
    const ki_program_counts counts = ((ki_cl_device *)device)->counts;
    device->ops->close(device);
    return counts;
}

/* After damage: rebuilt once, and then found again. */
static void expect_healed(const ki_program_counts *before, uint32_t rejected, const char *damage)
{
    const ki_program_counts first = open_once();
    if (first.rejected != rejected || first.built != rejected)
        fail_msg("%s: %u rejected and %u built, not %u", damage, first.rejected, first.built,
                 rejected);
    const ki_program_counts second = open_once();
    assert_int_equal(second.built, 0);
    assert_int_equal(second.rejected, 0);
    assert_int_equal(second.loaded, before->built);
}

static void truncate_files(char paths[MAX_FILES][PATH_BYTES], size_t count, off_t keep)
{
    struct stat about;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(stat(paths[i], &about), 0);
        assert_int_equal(truncate(paths[i], keep < 0 ? about.st_size + keep : keep), 0);
    }
}

static void flip_byte(const char *path, off_t at)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    const int byte = fgetc(file);
    assert_int_equal(fseek(file, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    assert_true(fputc(byte ^ 1, file) != EOF);
    assert_int_equal(fclose(file), 0);
}

static void second_open_compiles_nothing(void **unused)
{
    (void)unused;
    char paths[MAX_FILES][PATH_BYTES];
    const ki_program_counts first = open_once();
    assert_true(first.built > 0);
    assert_int_equal(first.loaded, 0);
    assert_int_equal(list_files(paths), first.built);
    const ki_program_counts second = open_once();
    assert_int_equal(second.built, 0);
    assert_int_equal(second.loaded, first.built);
}

static void damaged_files_are_replaced(void **unused)
{
    (void)unused;
    static const off_t flips[] = {0, 8, 12, 16, 31, 32, 40, 48, 1000, -1};
    static const off_t lengths[] = {0, 20, 48, 1000, -1};
    char paths[MAX_FILES][PATH_BYTES];
    const ki_program_counts all = {.built = (uint32_t)list_files(paths)};
    for (size_t i = 0; i < sizeof flips / sizeof flips[0]; i++) {
        flip_byte(paths[0], flips[i]);
        expect_healed(&all, 1, "one byte flipped");
    }
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        truncate_files(paths, 1, lengths[i]);
        expect_healed(&all, 1, "cut short");
    }
    FILE *longer = fopen(paths[0], "ab");
    assert_non_null(longer);
    fputc(0, longer);
    fclose(longer);
    expect_healed(&all, 1, "a byte too long");
}

/* Whole and right, but under the name of another program. */
static void exchanged_files_are_replaced(void **unused)
{
    (void)unused;
    char paths[MAX_FILES][PATH_BYTES], other[PATH_BYTES + 8];
    const ki_program_counts all = {.built = (uint32_t)list_files(paths)};
    assert_true(all.built >= 2);
    snprintf(other, sizeof other, "%s.other", paths[0]);
    assert_int_equal(rename(paths[0], other), 0);
    assert_int_equal(rename(paths[1], paths[0]), 0);
    assert_int_equal(rename(other, paths[1]), 0);
    expect_healed(&all, 2, "exchanged");
}

/* Whole and right, but no program: only the driver can tell. */
static void what_the_driver_refuses_is_replaced(void **unused)
{
    (void)unused;
    char paths[MAX_FILES][PATH_BYTES];
    ki_cache_key key;
    const ki_program_counts all = {.built = (uint32_t)list_files(paths)};
    const char *hex = strrchr(paths[0], '/') + 1;
    for (size_t i = 0; i < sizeof key.bytes; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        key.bytes[i] = (unsigned char)byte;
    }
    ki_cache_write(&key, "not a program", 13);
    expect_healed(&all, 1, "not a program");
}

static void parts_do_not_run_together(void **unused)
{
    (void)unused;
    const char *one[] = {"ab", "c"}, *two[] = {"a", "bc"};
    const size_t one_lengths[] = {2, 1}, two_lengths[] = {1, 2};
    ki_cache_key a, b;
    assert_int_equal(ki_cache_key_make(one, one_lengths, 2, &a), KITH_OK);
    assert_int_equal(ki_cache_key_make(two, two_lengths, 2, &b), KITH_OK);
    assert_memory_not_equal(&a, &b, sizeof a);
}

static void nowhere_to_write_is_no_error(void **unused)
{
    (void)unused;
    static const char *const places[] = {"/proc/kith", "/dev/null/kith", "disabled"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        setenv("KITH_CACHE", places[i], 1);
        const ki_program_counts counts = open_once();
        assert_true(counts.built > 0);
        assert_int_equal(counts.loaded, 0);
    }
    setenv("KITH_CACHE", directory, 1);
}

static void xdg_and_home_are_used(void **unused)
{
    (void)unused;
    char path[PATH_BYTES];
    const char *old_home = getenv("HOME");
    char *home = old_home ? strdup(old_home) : NULL;
    unsetenv("KITH_CACHE");
    setenv("XDG_CACHE_HOME", directory, 1);
    assert_true(open_once().built > 0);
    assert_int_equal(open_once().built, 0);
    setenv("XDG_CACHE_HOME", "relative", 1);
    setenv("HOME", directory, 1);
    assert_true(open_once().built > 0);
    assert_int_equal(open_once().built, 0);
    unsetenv("XDG_CACHE_HOME");
    if (home)
        setenv("HOME", home, 1);
    free(home);
    snprintf(path, sizeof path, "rm -r %s/kith %s/.cache", directory, directory);
    assert_int_equal(system(path), 0);
    setenv("KITH_CACHE", directory, 1);
}

static int make_directory(void **unused)
{
    (void)unused;
    directory = opencl_cache_new();
    return 0;
}

static int drop_directory(void **unused)
{
    (void)unused;
    opencl_cache_drop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_open_compiles_nothing),
        cmocka_unit_test(damaged_files_are_replaced),
        cmocka_unit_test(exchanged_files_are_replaced),
        cmocka_unit_test(what_the_driver_refuses_is_replaced),
        cmocka_unit_test(parts_do_not_run_together),
        cmocka_unit_test(nowhere_to_write_is_no_error),
        cmocka_unit_test(xdg_and_home_are_used),
    };
    return cmocka_run_group_tests(tests, make_directory, drop_directory);
}
