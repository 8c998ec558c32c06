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

#endif
