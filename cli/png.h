/* png.h - a grey picture as an address that a page can hold in itself.
 */
#ifndef PNG_H
#define PNG_H

#include <stdint.h>
#include <stdio.h>

/* Writes "data:image/png;base64,..." for width*height grey bytes, the first row on top. */
void png_write_uri(FILE *out, const uint8_t *grey, uint32_t width, uint32_t height);

#endif
