/* replicas_opencl.h - what the tests of replicas on OpenCL devices share: which devices there are,
 * and a search that must give the hits of the index itself.
 *
 * May include shaky_device.h. The devices are those of PoCL, a driver that runs on any CPU and can
 * be told by POCL_DEVICES what to show; it reads that once, so each program has one such setting.
 */
#ifndef REPLICAS_OPENCL_H
#define REPLICAS_OPENCL_H

#include "tests/shaky_device.h"

/* Before the library is touched: PoCL shows these devices, and programs are kept in a directory
 * of the test's own. To be called by main, and dropped behind the last test. */
void opencl_shows(const char *pocl_devices);
void opencl_shows_no_more(void);

/* Skips the test with a word unless the first `count` OpenCL devices are usable and PoCL's. */
void need_pocl(uint32_t count);

/* Replicas on `count` of the devices named; one thread on the host. */
kith_replicas *replicas_on(const shaky_bench *b, const char *const *names, size_t count,
                           uint32_t partitions, uint32_t copies);

/* Asks the replicas and the index for the k nearest of the first nq queries of the bench: equal
 * row by row, key by key, bit by bit. The report may be NULL. */
void search_as_index(const shaky_bench *b, kith_replicas *r, size_t nq,
                     const kith_search_options *search, kith_replicas_report *report,
                     const char *what);

/* Every copy of a partition holds the same; there are `copies` of them, all in order, and all
 * together they hold `rows` rows once. */
void check_copies(const kith_replicas *r, uint32_t partitions, uint32_t copies, uint64_t rows);

#endif
