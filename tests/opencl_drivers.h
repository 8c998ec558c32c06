/* opencl_drivers.h - which OpenCL drivers a process sees: a folder that names them, and a process
 * for each case, since a driver reads its environment once.
 *
 * May include check.h. The case is this program again, with its name in KITH_TEST_CASE.
 */
#ifndef OPENCL_DRIVERS_H
#define OPENCL_DRIVERS_H

#include "tests/check.h"

extern const char driver_oclgrind[],
    driver_pocl[]; /* Oclgrind's library; the file that names PoCL */

/* Skips the test with a word where the file is not. */
void need_file(const char *file);

/* Of a group of tests: makes and removes the folder. */
int drivers_open(void **state);
int drivers_close(void **state);

/* A file of the folder; NULL text: what the system's own file for PoCL says. */
void driver_name(const char *file, const char *text);
void driver_forget(const char *file);

/* Runs the case, with PoCL's devices if they are named, and fails where it fails. */
void driver_case(const char *name, const char *pocl_devices);

#endif
