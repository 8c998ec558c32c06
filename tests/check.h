/* check.h - what every test shares: cmocka in the order it wants, a seed that can be set, and a
 * random generator of our own so that a seed gives the same run everywhere.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "tests/random.h"

/* ThreadSanitizer makes a program some twenty times as slow. What it looks for is who reads what
 * without a lock, and that is met in few rows as well: where this is 1 a test may take fewer. */
#ifdef __SANITIZE_THREAD__
enum { CHECK_RACES = 1 };
#else
enum { CHECK_RACES = 0 };
#endif

#endif
