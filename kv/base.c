/* base.c - the sentence of the last failure, memory, and sizes that cannot wrap.
 *
 * May touch base.h and the C library. The one idea: everything that can go wrong anywhere in the
 * library goes through this file, so one thread-local sentence and one counter are enough to
 * report a failure and to provoke one.
 *
 * The counter makes the n-th allocation of a thread fail. It is always compiled in: a test then
 * runs the very code that ships, and one decrement is nothing beside a call of malloc.
 */
#include "kv/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCE_BYTES = 256 };

static _Thread_local char sentence[SENTENCE_BYTES];
static _Thread_local uint64_t fail_countdown; /* 0: off */

/* A path or a device's name may carry UTF-8. A cut must not leave half a character behind, so
 * the bytes of the last one go as well. */
static void cut_at_a_character(char *text)
{
    size_t end = SENTENCE_BYTES - 1;
    while (end > 0 && ((unsigned char)text[end - 1] & 0xc0) == 0x80)
        end--;
    if (end > 0 && ((unsigned char)text[end - 1] & 0xc0) == 0xc0)
        end--;
    else
        end = SENTENCE_BYTES - 1;
    text[end] = '\0';
}

/* The text is made beside the sentence and copied over it, because an argument may well be
 * kith_last_error() itself. errno survives, for callers that fail on its account. */
kith_status ki_fail(kith_status status, const char *format, ...)
{
    char text[SENTENCE_BYTES];
    int saved = errno;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0)
        text[0] = '\0';
    else if (length >= SENTENCE_BYTES)
        cut_at_a_character(text);
    memcpy(sentence, text, sizeof sentence);
    errno = saved;
    return status;
}

kith_status ki_no_memory(const char *what, size_t bytes)
{
    return ki_fail(KITH_ENOMEM, "no memory for %s (%zu bytes)", what, bytes);
}

const char *kith_last_error(void)
{
    return sentence;
}

const char *kith_strerror(kith_status status)
{
    switch (status) {
    case KITH_OK:
        return "success";
    case KITH_EINVAL:
        return "invalid argument";
    case KITH_ENOMEM:
        return "out of memory";
    case KITH_EIO:
        return "input or output failed";
    case KITH_ENOTFOUND:
        return "not found";
    case KITH_ECORRUPT:
        return "corrupt data";
    case KITH_EUNSUPPORTED:
        return "not supported";
    case KITH_ENODEVICE:
        return "no such device";
    case KITH_EDEVICE:
        return "device failed";
    case KITH_ECANCELLED:
        return "cancelled";
    case KITH_EEXISTS:
        return "exists already";
    case KITH_EBUSY:
        return "busy";
    }
    return "unknown status";
}

/* ---- Memory ------------------------------------------------------------------------------ */

void ki_alloc_fail_at(uint64_t n)
{
    fail_countdown = n;
}

bool ki_alloc_should_fail(void)
{
    return fail_countdown != 0 && --fail_countdown == 0;
}

/* A size of 0 counts as 1, since malloc(0) may return NULL, which would read as a failure. */
void *ki_alloc(size_t bytes)
{
    return ki_alloc_should_fail() ? NULL : malloc(bytes ? bytes : 1);
}

void *ki_zalloc(size_t bytes)
{
    return ki_alloc_should_fail() ? NULL : calloc(1, bytes ? bytes : 1);
}

void *ki_alloc_aligned(size_t alignment, size_t bytes)
{
    void *block = NULL;
    if (ki_alloc_should_fail() || posix_memalign(&block, alignment, bytes ? bytes : 1))
        return NULL;
    return block;
}

void *ki_realloc(void *block, size_t bytes)
{
    return ki_alloc_should_fail() ? NULL : realloc(block, bytes ? bytes : 1);
}

void ki_free(void *block)
{
    free(block);
}

/* ---- Sizes ------------------------------------------------------------------------------- */

bool ki_mul(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

bool ki_add(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

bool ki_round_up(size_t value, size_t multiple, size_t *out)
{
    size_t sum;
    if (!ki_add(value, multiple - 1, &sum))
        return false;
    *out = sum & ~(multiple - 1);
    return true;
}
