/* version.c - the version of the library that runs. */
#include "kith.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *kith_version(void)
{
    return TEXT(KITH_VERSION_MAJOR) "." TEXT(KITH_VERSION_MINOR) "." TEXT(KITH_VERSION_PATCH);
}
