/* hdf5_part.c - one member of an ann-benchmarks HDF5 file, through libhdf5.
 *
 * The library converts what the file holds (f64, i64) to what the tool uses (f32, i32). What the
 * header promises is compared with the bytes that the file really stores for the member, as in
 * every other format; chunks may be compressed by deflate, at most 1,032 times.
 *
 * libhdf5 1.10 was seen to crash on files of which one random byte was changed. So it runs in a
 * child process that sends the rows back through a pipe, and a crash becomes a sentence. A build
 * without libhdf5 keeps the two functions and says so.
 */
#include "cli/formats.h"

#include <errno.h>
#include <string.h>

#include "cli/contained.h"

static const char hdf5_mark[8] = {'\x89', 'H', 'D', 'F', '\r', '\n', '\x1a', '\n'};

static bool has_mark(const char *path)
{
    char head[8];
    FILE *const file = fopen(path, "rb");
    if (!file)
        return false;
    const bool good =
        fread(head, sizeof head, 1, file) == 1 && memcmp(head, hdf5_mark, sizeof head) == 0;
    fclose(file);
    return good;
}

#ifdef KITH_HAVE_HDF5

#include <hdf5.h>

#define DEFLATE_MOST 1032u

/* How a member is stored on the disk decides how it is read. */
static bool element_of(hid_t type, enum element *out, hid_t *memory)
{
    const H5T_class_t class = H5Tget_class(type);
    const bool byte = H5Tget_size(type) == 1;
    if (class == H5T_FLOAT) {
        *out = ELEMENT_F32;
        *memory = H5T_NATIVE_FLOAT;
    } else if (class == H5T_ENUM && byte) { /* what h5py makes of bool */
        *out = ELEMENT_U8;
        *memory = type;
    } else if (class == H5T_INTEGER && byte && H5Tget_sign(type) == H5T_SGN_NONE) {
        *out = ELEMENT_U8;
        *memory = H5T_NATIVE_UINT8;
    } else if (class == H5T_INTEGER && byte) {
        *out = ELEMENT_I8;
        *memory = H5T_NATIVE_INT8;
    } else if (class == H5T_INTEGER) {
        *out = ELEMENT_I32;
        *memory = H5T_NATIVE_INT32;
    } else {
        return false;
    }
    return true;
}

static bool check_stored(const struct input *input, hid_t set, hid_t type, const hsize_t size[2],
                         struct sentence *why)
{
    const unsigned __int128 need =
        (unsigned __int128)size[0] * size[1] * (unsigned __int128)H5Tget_size(type);
    const uint64_t stored = H5Dget_storage_size(set);
    const hid_t plist = H5Dget_create_plist(set);
    const bool chunked = plist >= 0 && H5Pget_layout(plist) == H5D_CHUNKED;
    if (plist >= 0)
        H5Pclose(plist);
    const unsigned __int128 most = (unsigned __int128)stored * (chunked ? DEFLATE_MOST : 1u);
    if (stored <= input->bytes && need <= most)
        return true;
    return sentence_fail(why, "%s: %s promises %llu rows of dimension %llu but stores %llu bytes",
                         input->path, input->part, (unsigned long long)size[0],
                         (unsigned long long)size[1], (unsigned long long)stored);
}

/* The first rows of an open member. */
static bool take_rows(const struct input *input, hid_t set, hid_t type, hid_t space,
                      struct matrix *out, struct sentence *why)
{
    hsize_t size[2] = {0, 0};
    enum element element;
    hid_t memory;
    if (H5Sget_simple_extent_ndims(space) != 2 || H5Sget_simple_extent_dims(space, size, NULL) != 2)
        return sentence_fail(why, "%s: %s does not have two axes", input->path, input->part);
    if (!element_of(type, &element, &memory))
        return sentence_fail(why, "%s: %s holds neither floats nor integers", input->path,
                             input->part);
    if (!check_stored(input, set, type, size, why))
        return false;
    const uint64_t rows = size[0] < input->limit ? size[0] : input->limit;
    if (!matrix_make(input->path, element, rows, size[1], out, why))
        return false;
    const hsize_t start[2] = {0, 0}, taken[2] = {rows, size[1]};
    const hid_t window = H5Screate_simple(2, taken, NULL);
    const bool good = window >= 0 &&
                      H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, taken, NULL) >= 0 &&
                      H5Dread(set, memory, window, space, H5P_DEFAULT, out->data) >= 0;
    if (window >= 0)
        H5Sclose(window);
    return good || sentence_fail(why, "%s: %s is damaged: libhdf5 cannot read its rows",
                                 input->path, input->part);
}

static bool take_part(const struct input *input, hid_t file, struct matrix *out,
                      struct sentence *why)
{
    const hid_t set = H5Dopen2(file, input->part, H5P_DEFAULT);
    if (set < 0)
        return sentence_fail(why, "%s has no part \"%s\"", input->path, input->part);
    const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    const bool good = type >= 0 && space >= 0
                          ? take_rows(input, set, type, space, out, why)
                          : sentence_fail(why, "%s: %s is damaged", input->path, input->part);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    H5Dclose(set);
    return good;
}

/* libhdf5 prints its own stack of errors to stderr unless told not to. */
static hid_t open_quietly(const char *path)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
}

/* ---- the child ---------------------------------------------------------------------------- */

/* What the child sends, followed by the rows when it is good. */
struct reply {
    bool good;
    struct sentence why;
    struct matrix shape; /* its data pointer means nothing to the parent */
};

static void send_part(FILE *to, void *user)
{
    const struct input *const input = user;
    struct reply reply = {0};
    const hid_t file = open_quietly(input->path);
    if (file < 0)
        sentence_fail(&reply.why, "%s is damaged: libhdf5 cannot open its %llu bytes", input->path,
                      (unsigned long long)input->bytes);
    else
        reply.good = take_part(input, file, &reply.shape, &reply.why);
    fwrite(&reply, sizeof reply, 1, to);
    if (reply.good)
        fwrite(reply.shape.data, 1, matrix_bytes(&reply.shape), to);
}

static bool receive_part(const struct input *input, FILE *from, struct matrix *out,
                         struct sentence *why)
{
    struct reply reply;
    if (fread(&reply, sizeof reply, 1, from) != 1)
        return sentence_fail(why, "%s is damaged: libhdf5 crashed on it", input->path);
    if (!reply.good)
        return sentence_fail(why, "%s", reply.why.text);
    return matrix_make(input->path, reply.shape.element, reply.shape.rows, reply.shape.dim, out,
                       why) &&
           (fread(out->data, matrix_bytes(out), 1, from) == 1 ||
            sentence_fail(why, "%s could not be received from the process that reads it",
                          input->path));
}

bool read_hdf5(const struct input *input, struct matrix *out, struct sentence *why)
{
    struct contained contained;
    struct input named = *input;
    if (!named.part)
        named.part = "train";
    if (!contained_start(send_part, &named, &contained))
        return sentence_fail(why, "%s cannot be read: no process for it: %s", input->path,
                             strerror(errno));
    const bool good = receive_part(&named, contained.from, out, why);
    contained_end(&contained);
    return good;
}

/* A string attribute, of fixed or of variable length. */
static void take_text(hid_t attribute, char out[32])
{
    const hid_t type = H5Aget_type(attribute);
    const hid_t want = H5Tcopy(H5T_C_S1);
    if (H5Tis_variable_str(type) > 0) {
        char *text = NULL;
        H5Tset_size(want, H5T_VARIABLE);
        H5Tset_cset(want, H5Tget_cset(type));
        if (H5Aread(attribute, want, &text) >= 0 && text)
            snprintf(out, 32, "%s", text);
        H5free_memory(text);
    } else if (H5Tget_class(type) == H5T_STRING) {
        H5Tset_size(want, 32);
        H5Tset_cset(want, H5Tget_cset(type));
        if (H5Aread(attribute, want, out) < 0)
            out[0] = '\0';
        out[31] = '\0';
    }
    H5Tclose(want);
    H5Tclose(type);
}

static void send_metric(FILE *to, void *user)
{
    char metric[32] = "";
    const hid_t file = open_quietly(user);
    if (file >= 0 && H5Aexists(file, "distance") > 0) {
        const hid_t attribute = H5Aopen(file, "distance", H5P_DEFAULT);
        if (attribute >= 0)
            take_text(attribute, metric);
    }
    fwrite(metric, sizeof metric, 1, to);
}

bool matrix_is_hdf5(const char *path, char metric[32])
{
    struct contained contained;
    memset(metric, 0, 32);
    if (!has_mark(path))
        return false;
    if (contained_start(send_metric, (void *)(uintptr_t)path, &contained)) {
        if (fread(metric, 32, 1, contained.from) != 1)
            metric[0] = '\0';
        contained_end(&contained);
    }
    return true;
}

#else

bool read_hdf5(const struct input *input, struct matrix *out, struct sentence *why)
{
    (void)out;
    return sentence_fail(why, "%s is an HDF5 file, and this build of kith has no libhdf5",
                         input->path);
}

bool matrix_is_hdf5(const char *path, char metric[32])
{
    memset(metric, 0, 32);
    return has_mark(path);
}

#endif
