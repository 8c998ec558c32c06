/* hardware.h - the facts about a machine that a benchmark figure is worth nothing without.
 *
 * Read from /proc, /sys and uname; a fact that a machine does not tell is "" or 0 and stays out
 * of the JSON. Host names and serial numbers are never read: result files are made to be shared.
 */
#ifndef HARDWARE_H
#define HARDWARE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct hardware {
    char cpu[128];            /* "AMD EPYC 7B13", or implementer and part on ARM */
    uint32_t threads;         /* online logical processors */
    uint32_t threads_allowed; /* those that this process may use */
    uint32_t cores;           /* physical, 0 when unknown */
    uint32_t sockets;
    double max_mhz;                         /* 0 when unknown */
    uint64_t l1d_bytes, l2_bytes, l3_bytes; /* of one cache of each level */
    uint64_t memory_bytes;
    char governor[32];
    double load_1min;
    char os[128];         /* PRETTY_NAME of os-release */
    char kernel[128];     /* "Linux 6.1.0 x86_64" */
    bool virtual_machine; /* the CPU says that it runs under a hypervisor */
    char compiler[128];   /* that built this tool and, in the same build, the library */
    char version[32];     /* of the library that runs */
    char isa[32];         /* the highest level of the library's ladder */
};

void hardware_read(struct hardware *out);

/* A new reference. */
json_t *hardware_json(const struct hardware *hardware);

#endif
