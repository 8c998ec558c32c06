/* hardware.c - reading /proc and /sys. Each fact is read on its own and may be missing: a
 * container or another architecture hides some of them, and none of them may stop a benchmark.
 */
#include "cli/hardware.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kith.h"

#define CPU_FOLDER "/sys/devices/system/cpu"

/* The first line of a file without its end; "" when there is none. */
static void read_line(const char *path, char *out, size_t size)
{
    FILE *const file = fopen(path, "r");
    out[0] = '\0';
    if (!file)
        return;
    if (!fgets(out, (int)size, file))
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    fclose(file);
}

/* The value after "key<blanks>:" or "key=", without quotes, of the first such line. */
static bool read_value(const char *path, const char *key, char *out, size_t size)
{
    char line[1024];
    const size_t n = strlen(key);
    bool found = false;
    FILE *const file = fopen(path, "r");
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *at = line + n;
        if (strncmp(line, key, n) != 0 || !strchr(" \t:=", *at))
            continue;
        at += strspn(at, " \t:=\"");
        snprintf(out, size, "%.*s", (int)strcspn(at, "\"\n"), at);
        found = true;
    }
    if (file)
        fclose(file);
    return found;
}

/* ---- the processor ------------------------------------------------------------------------ */

static void read_cpu_name(struct hardware *out)
{
    char implementer[32] = "", part[32] = "", flags[4096] = "";
    if (!read_value("/proc/cpuinfo", "model name", out->cpu, sizeof out->cpu) &&
        read_value("/proc/cpuinfo", "CPU implementer", implementer, sizeof implementer) &&
        read_value("/proc/cpuinfo", "CPU part", part, sizeof part))
        snprintf(out->cpu, sizeof out->cpu, "implementer %s part %s", implementer, part);
    FILE *const file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(flags, sizeof flags, file)) {
        if (strncmp(flags, "flags", 5) == 0) {
            out->virtual_machine = strstr(flags, " hypervisor") != NULL;
            break;
        }
    }
    if (file)
        fclose(file);
}

static long read_number(const char *path)
{
    char text[64];
    read_line(path, text, sizeof text);
    return text[0] ? strtol(text, NULL, 10) : -1;
}

/* Cores are counted by the processors that come first in their list of siblings. */
static void count_cores(struct hardware *out)
{
    char path[128];
    long last_package = -1;
    for (unsigned i = 0; i < out->threads; i++) {
        snprintf(path, sizeof path, CPU_FOLDER "/cpu%u/topology/thread_siblings_list", i);
        if (read_number(path) == (long)i)
            out->cores++;
        snprintf(path, sizeof path, CPU_FOLDER "/cpu%u/topology/physical_package_id", i);
        const long package = read_number(path);
        last_package = package > last_package ? package : last_package;
    }
    out->sockets = (uint32_t)(last_package + 1);
}

static void read_caches(struct hardware *out)
{
    char path[128], type[32], text[32];
    for (unsigned i = 0; i < 8; i++) {
        snprintf(path, sizeof path, CPU_FOLDER "/cpu0/cache/index%u/type", i);
        read_line(path, type, sizeof type);
        snprintf(path, sizeof path, CPU_FOLDER "/cpu0/cache/index%u/level", i);
        const long level = read_number(path);
        snprintf(path, sizeof path, CPU_FOLDER "/cpu0/cache/index%u/size", i);
        read_line(path, text, sizeof text);
        char *unit = text;
        const uint64_t size = strtoull(text, &unit, 10) << (*unit == 'K'   ? 10
                                                            : *unit == 'M' ? 20
                                                                           : 0);
        if (level == 1 && strcmp(type, "Data") == 0)
            out->l1d_bytes = size;
        else if (level == 2)
            out->l2_bytes = size;
        else if (level == 3)
            out->l3_bytes = size;
    }
}

static void read_processor(struct hardware *out)
{
    cpu_set_t allowed;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const long khz = read_number(CPU_FOLDER "/cpu0/cpufreq/cpuinfo_max_freq");
    out->threads = online > 0 ? (uint32_t)online : 1;
    out->threads_allowed = sched_getaffinity(0, sizeof allowed, &allowed) == 0
                               ? (uint32_t)CPU_COUNT(&allowed)
                               : out->threads;
    out->max_mhz = khz > 0 ? (double)khz / 1000 : 0;
    read_line(CPU_FOLDER "/cpu0/cpufreq/scaling_governor", out->governor, sizeof out->governor);
    read_cpu_name(out);
    count_cores(out);
    read_caches(out);
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void read_system(struct hardware *out)
{
    char text[64];
    struct utsname name;
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    out->memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    read_value("/etc/os-release", "PRETTY_NAME", out->os, sizeof out->os);
    if (uname(&name) == 0)
        snprintf(out->kernel, sizeof out->kernel, "%.30s %.60s %.30s", name.sysname, name.release,
                 name.machine);
    read_line("/proc/loadavg", text, sizeof text);
    out->load_1min = strtod(text, NULL);
}

static void read_build(struct hardware *out)
{
#if defined(__clang__)
    snprintf(out->compiler, sizeof out->compiler, "%s", __VERSION__);
#else
    snprintf(out->compiler, sizeof out->compiler, "gcc %s", __VERSION__);
#endif
    snprintf(out->version, sizeof out->version, "%s", kith_version());
    for (size_t i = 0; kith_cpu_level(i); i++)
        snprintf(out->isa, sizeof out->isa, "%s", kith_cpu_level(i));
}

void hardware_read(struct hardware *out)
{
    *out = (struct hardware){0};
    read_processor(out);
    read_system(out);
    read_build(out);
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void add_text(json_t *object, const char *key, const char *text)
{
    if (text[0])
        json_object_set_new(object, key, json_string(text));
}

static void add_count(json_t *object, const char *key, uint64_t count)
{
    if (count)
        json_object_set_new(object, key, json_integer((json_int_t)count));
}

json_t *hardware_json(const struct hardware *hardware)
{
    json_t *const object = json_object();
    add_text(object, "cpu", hardware->cpu);
    add_count(object, "threads", hardware->threads);
    add_count(object, "threads_allowed", hardware->threads_allowed);
    add_count(object, "cores", hardware->cores);
    add_count(object, "sockets", hardware->sockets);
    if (hardware->max_mhz > 0)
        json_object_set_new(object, "max_mhz", json_real(hardware->max_mhz));
    add_count(object, "l1d_bytes", hardware->l1d_bytes);
    add_count(object, "l2_bytes", hardware->l2_bytes);
    add_count(object, "l3_bytes", hardware->l3_bytes);
    add_count(object, "memory_bytes", hardware->memory_bytes);
    add_text(object, "governor", hardware->governor);
    json_object_set_new(object, "load_1min", json_real(hardware->load_1min));
    add_text(object, "os", hardware->os);
    add_text(object, "kernel", hardware->kernel);
    json_object_set_new(object, "virtual_machine", json_boolean(hardware->virtual_machine));
    add_text(object, "compiler", hardware->compiler);
    add_text(object, "version", hardware->version);
    add_text(object, "isa", hardware->isa);
    json_t *const levels = json_array();
    for (size_t i = 0; kith_cpu_level(i); i++)
        json_array_append_new(levels, json_string(kith_cpu_level(i)));
    json_object_set_new(object, "isa_levels", levels);
    return object;
}
