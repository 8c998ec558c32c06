/* tidy_tree.c - the files together: found, no name twice, and none that nothing builds.
 *
 * A source, an OpenCL program or a CMake script must be named in CMakeLists.txt or in a list that
 * it includes (a test by the name of its program) or in a script; a header must be included by
 * some other file.
 */
#include "tests/tidy.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    long bytes = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *text = bytes >= 0 ? calloc(1, (size_t)bytes + 1) : NULL;
    if (text) {
        rewind(file);
        text[fread(text, 1, (size_t)bytes, file)] = 0;
    }
    if (file)
        fclose(file);
    return text;
}

static bool is_ours(const char *path)
{
    static const char *const ends[] = {".c", ".h", ".cc", ".cl", ".sh", ".txt", ".cmake", ".json"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (tidy_ends(path, ends[i]))
            return true;
    return false;
}

static struct tidy_file take(const char *path, size_t root_length)
{
    struct tidy_file file = {strdup(path + root_length + 1), read_text(path), NULL};
    char *code = tidy_is_c(path) ? read_text(path) : NULL;
    if (code)
        tidy_blank(code);
    file.code = code;
    return file;
}

size_t tidy_walk(char *root, struct tidy_file *files, size_t most)
{
    char *const roots[] = {root, NULL};
    size_t count = 0;
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; walk && (entry = fts_read(walk)) != NULL;) {
        bool top = entry->fts_level == 1;
        bool kept_out = (top && strcmp(entry->fts_name, "build") == 0) ||
                        (entry->fts_level > 0 && entry->fts_name[0] == '.');
        if (entry->fts_info == FTS_D && kept_out)
            fts_set(walk, entry, FTS_SKIP);
        else if (entry->fts_info == FTS_F && is_ours(entry->fts_path) && count < most)
            files[count++] = take(entry->fts_path, strlen(root));
    }
    if (walk)
        fts_close(walk);
    return count;
}

void tidy_forget(struct tidy_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)files[i].path);
        free((void *)files[i].text);
        free((void *)files[i].code);
    }
}

/* Only the two commands of README.md share a name: sh bench/run.sh, sh tests/run.sh. */
static void check_names(const struct tidy_file *files, size_t count,
                        const struct tidy_report *report)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(tidy_name(files[i].path), tidy_name(files[j].path)) == 0 &&
                strcmp(tidy_name(files[i].path), "run.sh") != 0)
                tidy_say(report, &files[i], NULL, "name", "%s has the same name", files[j].path);
}

static bool is_included(const struct tidy_file *files, size_t count, const char *path)
{
    char quoted[192], bare[192];
    snprintf(quoted, sizeof quoted, "#include \"%s\"", path);
    snprintf(bare, sizeof bare, "#include \"%s\"", tidy_name(path));
    for (size_t i = 0; i < count; i++) {
        bool found = strstr(files[i].text, quoted) || strstr(files[i].text, bare);
        if (found && strcmp(files[i].path, path) != 0)
            return true;
    }
    return false;
}

/* Named by its path, or, for a test, by its name without the end; in a list, or in a script that
 * builds the file itself. */
static bool is_listed(const struct tidy_file *files, size_t count, const char *path)
{
    char stem[128];
    snprintf(stem, sizeof stem, "%.*s", (int)strcspn(tidy_name(path), "."), tidy_name(path));
    for (size_t i = 0; i < count; i++) {
        const bool list = strcmp(files[i].path, "CMakeLists.txt") == 0 ||
                          tidy_ends(files[i].path, "/tests.cmake") ||
                          tidy_ends(files[i].path, "/bench.cmake");
        if (list && strcmp(files[i].path, path) != 0 &&
            (tidy_word(files[i].text, path) ||
             (tidy_starts(path, "tests/test_") && tidy_word(files[i].text, stem))))
            return true;
    }
    for (size_t i = 0; i < count; i++)
        if (tidy_ends(files[i].path, ".sh") && strcmp(files[i].path, path) != 0 &&
            tidy_word(files[i].text, path))
            return true;
    return false;
}

static bool must_be_listed(const char *path)
{
    if (tidy_ends(path, ".sh"))
        return tidy_starts(path, "tests/test_");
    return tidy_ends(path, ".c") || tidy_ends(path, ".cc") || tidy_ends(path, ".cl") ||
           tidy_ends(path, ".cmake");
}

void tidy_check_tree(const struct tidy_file *files, size_t count, const struct tidy_report *report)
{
    check_names(files, count, report);
    for (size_t i = 0; i < count; i++) {
        const char *path = files[i].path;
        if (tidy_ends(path, ".h") && !is_included(files, count, path))
            tidy_say(report, &files[i], NULL, "unlisted", "no file includes it");
        if (must_be_listed(path) && !is_listed(files, count, path))
            tidy_say(report, &files[i], NULL, "unlisted", "no list names it");
    }
}
