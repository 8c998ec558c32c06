/* png.c - the smallest PNG that is right: 8-bit grey, one IDAT, no filter, deflated by zlib.
 *
 * The report shows what a search found as pictures, and a page that opens from disk without a
 * network must carry them. A PNG is a signature and chunks of (length, name, data, crc32), all of
 * which zlib does the hard part of.
 */
#include "cli/png.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cli/heap.h"

#define HEADER_BYTES 13u
#define CHUNK_FRAME 12u /* length, name, checksum */
#define SIGNATURE_BYTES 8u

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(value >> shift);
    return at;
}

static uint8_t *put_chunk(uint8_t *at, const char name[5], const uint8_t *data, uint32_t bytes)
{
    at = put_u32(at, bytes);
    memcpy(at, name, 4);
    if (bytes)
        memcpy(at + 4, data, bytes);
    uint32_t checksum = (uint32_t)crc32(crc32(0, NULL, 0), at, bytes + 4);
    return put_u32(at + 4 + bytes, checksum);
}

static void write_base64(FILE *out, const uint8_t *data, size_t bytes)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes; i += 3) {
        size_t left = bytes - i;
        uint32_t group = (uint32_t)data[i] << 16;
        group |= left > 1 ? (uint32_t)data[i + 1] << 8 : 0;
        group |= left > 2 ? data[i + 2] : 0;
        putc(digit[group >> 18], out);
        putc(digit[group >> 12 & 63], out);
        putc(left > 1 ? digit[group >> 6 & 63] : '=', out);
        putc(left > 2 ? digit[group & 63] : '=', out);
    }
}

/* Each line of a PNG starts with the number of its filter; 0 is none. */
static void add_filter_bytes(uint8_t *lines, const uint8_t *grey, uint32_t width, uint32_t height)
{
    for (uint32_t y = 0; y < height; y++) {
        *lines++ = 0;
        memcpy(lines, grey + (size_t)y * width, width);
        lines += width;
    }
}

static void write_file(FILE *out, uint8_t *file, uint32_t width, uint32_t height,
                       const uint8_t *packed, uint32_t packed_bytes)
{
    static const uint8_t signature[SIGNATURE_BYTES] = {137, 'P', 'N', 'G', '\r', '\n', 26, '\n'};
    uint8_t header[HEADER_BYTES] = {0};
    put_u32(put_u32(header, width), height);
    header[8] = 8; /* bits a pixel; the four zeros behind it: grey, deflate, adaptive, plain */
    memcpy(file, signature, sizeof signature);
    uint8_t *at = put_chunk(file + sizeof signature, "IHDR", header, HEADER_BYTES);
    at = put_chunk(at, "IDAT", packed, packed_bytes);
    at = put_chunk(at, "IEND", NULL, 0);
    fputs("data:image/png;base64,", out);
    write_base64(out, file, (size_t)(at - file));
}

void png_write_uri(FILE *out, const uint8_t *grey, uint32_t width, uint32_t height)
{
    size_t line_bytes = ((size_t)width + 1) * height;
    uLongf packed_bytes = compressBound((uLong)line_bytes);
    uint8_t *lines = heap_alloc(line_bytes, 1);
    uint8_t *packed = heap_alloc(packed_bytes, 1);
    uint8_t *file = heap_alloc(packed_bytes + SIGNATURE_BYTES + HEADER_BYTES + 3 * CHUNK_FRAME, 1);
    add_filter_bytes(lines, grey, width, height);
    /* Cannot fail: the room is compressBound's, and zlib's own memory is a quarter megabyte. */
    compress2(packed, &packed_bytes, lines, (uLong)line_bytes, 9);
    write_file(out, file, width, height, packed, (uint32_t)packed_bytes);
    free(file);
    free(packed);
    free(lines);
}
