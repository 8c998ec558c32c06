/* fuzz_input.h - a file as a short input, which is what both fuzz targets are given.
 *
 * An input is a byte of choices, the length of the file, and runs {offset, length, bytes} of a file
 * that is zero elsewhere (three, two bytes and so on, little-endian): heads are kilobytes of mostly
 * nothing, and so an input is short and a mutation hits something.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FUZZ_INPUT_HEAD = 4, FUZZ_INPUT_MOST = 1 << 16 };

/* What libFuzzer calls, of either target. 0. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

/* Writes the inputs that fuzzing starts from into the folder. Not 0 when it cannot. */
int fuzz_make(const char *folder);

/* The file of an input of at least FUZZ_INPUT_HEAD bytes, into `file`, which has room for `most`.
 * Returns its length. */
size_t fuzz_unpack(const uint8_t *input, size_t bytes, unsigned char *file, size_t most);

/* The input that stands for a file: its runs of bytes that are not zero. 0 when it gets longer
 * than `room`. */
size_t fuzz_pack(unsigned how, const unsigned char *file, size_t file_bytes, unsigned char *input,
                 size_t room);

/* Packs a file and writes the input as FOLDER/NAME. Not 0 when that fails. */
int fuzz_keep(const char *folder, const char *name, unsigned how, const unsigned char *file,
              size_t file_bytes);

/* Ends with a trap, which a fuzzer takes for a crash, unless it is so. */
void fuzz_demand(bool what, const char *said);

#endif
