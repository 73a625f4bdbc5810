/* A stand-in for libnvidia-ml.so.1: as much of it as pynvml is asked for by the tests.
 *
 * What it says stands in a text file, a `key value` a line, that is read anew at each call: its
 * path is in NVML_STAND_IN. Keys of device 1 begin with `1.`, those of its second MIG instance
 * with `1.mig1.`. For every function F of a device:
 *
 *   1.fail.F 3     F returns 3 (of a field value: 1.fail.field82 3)
 *   1.hang.F 30    F takes 30 seconds
 *   1.lost 1       every function of the device returns NVML_ERROR_GPU_IS_LOST
 *
 * If NVML_STAND_IN_CALLS names a file, each call is noted there.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
       INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15 };
typedef unsigned long long u64;
typedef void *device_t;
typedef struct { u64 total, free, used; } memory_t;
typedef struct { unsigned version; u64 total, reserved, free, used; } memory_v2_t;
typedef struct { unsigned gpu, memory; } utilization_t;
typedef struct { unsigned version, sensor; int celsius; } temperature_t;
typedef struct { unsigned pid; u64 used; unsigned gpu_instance, compute_instance; } process_t;
typedef struct {
    uint32_t field, scope;
    int64_t timestamp, latency;
    uint32_t type, result;
    union { double real; unsigned small; u64 large; } value;
} field_value_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int users = 0;
static unsigned life = 0; /* handles of an earlier life are not valid any more */

/* -- the control file -------------------------------------------------------------------- */

static int look_up(const char *key, char *text, size_t size) {
    const char *path = getenv("NVML_STAND_IN");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512];
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        char *space = strchr(line, ' ');
        if (!space) continue;
        *space = 0;
        if (strcmp(line, key)) continue;
        space[1 + strcspn(space + 1, "\n")] = 0;
        snprintf(text, size, "%s", space + 1);
        found = 1;
    }
    if (file) fclose(file);
    return found;
}

static int number(const char *key, u64 *value) {
    char text[64];
    if (!look_up(key, text, sizeof text)) return 0;
    *value = strtoull(text, NULL, 0);
    return 1;
}

static u64 number_or(const char *key, u64 fallback) {
    u64 value;
    return number(key, &value) ? value : fallback;
}

/* -- devices: a handle is a number, of its life, device and MIG instance (0: the device) --- */

#define DEVICE(handle) ((unsigned)((uintptr_t)(handle) >> 8 & 0xff))
#define PART(handle) ((int)((uintptr_t)(handle)&0xff) - 1)

static device_t handle_of(unsigned device, int part) {
    return (device_t)((uintptr_t)life << 16 | (uintptr_t)device << 8 | (uintptr_t)(part + 1));
}

static void key_of(device_t handle, const char *name, char *key) {
    if (PART(handle) < 0) sprintf(key, "%u.%s", DEVICE(handle), name);
    else sprintf(key, "%u.mig%d.%s", DEVICE(handle), PART(handle), name);
}

static void note(const char *function, const char *device) {
    const char *path = getenv("NVML_STAND_IN_CALLS");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) return;
    fprintf(file, "%s %s\n", function, device);
    fclose(file);
}

/* What becomes of a call: hang for a while, fail, or go on. */
static int begin(device_t handle, const char *function) {
    char key[128], name[96], label[32];
    u64 value;
    key_of(handle, "", label);
    note(function, label);
    if (!users) return UNINITIALIZED;
    if ((uintptr_t)handle >> 16 != life) return INVALID_ARGUMENT;
    sprintf(name, "hang.%s", function);
    key_of(handle, name, key);
    if (number(key, &value)) usleep(value * 1000000);
    sprintf(key, "%u.lost", DEVICE(handle));
    if (number_or(key, 0)) return GPU_IS_LOST;
    sprintf(name, "fail.%s", function);
    key_of(handle, name, key);
    return (int)number_or(key, SUCCESS);
}

#define BEGIN(handle) do { int code = begin(handle, __func__); if (code) return code; } while (0)

static int give(device_t handle, const char *name, u64 *value) {
    char key[128];
    key_of(handle, name, key);
    return number(key, value) ? SUCCESS : NOT_SUPPORTED;
}

static int give_small(device_t handle, const char *name, unsigned *value) {
    u64 large = 0;
    int code = give(handle, name, &large);
    *value = (unsigned)large;
    return code;
}

static int give_text(device_t handle, const char *name, char *text, unsigned size) {
    char key[128];
    key_of(handle, name, key);
    return look_up(key, text, size) ? SUCCESS : NOT_SUPPORTED;
}

/* -- the library --------------------------------------------------------------------------- */

int nvmlInitWithFlags(unsigned flags) {
    u64 code = number_or("init_error", SUCCESS);
    (void)flags;
    note("nvmlInitWithFlags", "");
    if (code) return (int)code;
    pthread_mutex_lock(&lock);
    if (!users++) life++;
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}
int nvmlInit(void) { return nvmlInitWithFlags(0); }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    int code = SUCCESS;
    note("nvmlShutdown", "");
    pthread_mutex_lock(&lock);
    if (users) users--;
    else code = UNINITIALIZED;
    pthread_mutex_unlock(&lock);
    return code;
}

const char *nvmlErrorString(int code) { (void)code; return "an error of the stand-in"; }

int nvmlSystemGetDriverVersion(char *text, unsigned size) {
    if (!users) return UNINITIALIZED;
    return look_up("driver_version", text, size) ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    note("nvmlDeviceGetCount_v2", "");
    if (!users) return UNINITIALIZED;
    *count = (unsigned)number_or("devices", 0);
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device_t *handle) {
    if (!users) return UNINITIALIZED;
    if (index >= number_or("devices", 0)) return INVALID_ARGUMENT;
    BEGIN(handle_of(index, -1));
    *handle = handle_of(index, -1);
    return SUCCESS;
}

int nvmlDeviceGetUUID(device_t device, char *text, unsigned size) {
    BEGIN(device);
    return give_text(device, "uuid", text, size);
}

int nvmlDeviceGetName(device_t device, char *text, unsigned size) {
    BEGIN(device);
    return give_text(device, "name", text, size);
}

int nvmlDeviceGetHandleByUUID(const char *uuid, device_t *handle) {
    char text[128];
    unsigned count = (unsigned)number_or("devices", 0);
    if (!users) return UNINITIALIZED;
    for (unsigned device = 0; device < count; device++)
        for (int part = -1; part < 8; part++) {
            *handle = handle_of(device, part);
            if (!give_text(*handle, "uuid", text, sizeof text) && !strcmp(text, uuid)) {
                BEGIN(*handle);
                return SUCCESS;
            }
        }
    return NOT_FOUND;
}

int nvmlDeviceGetUtilizationRates(device_t device, utilization_t *rates) {
    BEGIN(device);
    rates->memory = 0;
    return give_small(device, "utilization", &rates->gpu);
}

int nvmlDeviceGetMemoryInfo_v2(device_t device, memory_v2_t *memory) {
    BEGIN(device);
    if (memory->version != (sizeof(memory_v2_t) | 2u << 24)) return 25;
    if (give(device, "memory_total", &memory->total)) return NOT_SUPPORTED;
    give(device, "memory_used", &memory->used);
    memory->reserved = 0;
    give(device, "memory_reserved", &memory->reserved);
    memory->free = memory->total - memory->reserved - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(device_t device, memory_t *memory) {
    memory_v2_t two = {sizeof(memory_v2_t) | 2u << 24, 0, 0, 0, 0};
    int code;
    BEGIN(device);
    code = give(device, "memory_total", &two.total);
    give(device, "memory_used", &two.used);
    give(device, "memory_reserved", &two.reserved);
    memory->total = two.total;
    memory->used = two.used + two.reserved; /* version 1 counts what is reserved as used */
    memory->free = memory->total - memory->used;
    return code;
}

/* `processes`: "pid:bytes pid:bytes ..."; 2**64 - 1 bytes are those that the
 * driver does not know. */
static int give_processes(device_t device, unsigned *count, process_t *found) {
    char text[400] = "", *rest = text;
    unsigned size = *count, seen = 0;
    give_text(device, "processes", text, sizeof text);
    for (char *end; *rest; rest = end + strspn(end, " "), seen++) {
        unsigned pid = (unsigned)strtoul(rest, &end, 10);
        u64 used = strtoull(end + 1, &end, 10);
        if (found && seen < size) found[seen] = (process_t){pid, used, ~0u, ~0u};
    }
    *count = seen;
    return seen > size ? INSUFFICIENT_SIZE : SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(device_t device, unsigned *count, process_t *found) {
    BEGIN(device);
    return give_processes(device, count, found);
}
int nvmlDeviceGetComputeRunningProcesses_v2(device_t device, unsigned *count, process_t *found) {
    BEGIN(device);
    return give_processes(device, count, found);
}

int nvmlDeviceGetPowerUsage(device_t device, unsigned *milliwatts) {
    BEGIN(device);
    return give_small(device, "power_mw", milliwatts);
}

int nvmlDeviceGetEnforcedPowerLimit(device_t device, unsigned *milliwatts) {
    BEGIN(device);
    return give_small(device, "power_limit_mw", milliwatts);
}

int nvmlDeviceGetTemperature(device_t device, unsigned sensor, unsigned *celsius) {
    BEGIN(device);
    if (sensor) return INVALID_ARGUMENT;
    return give_small(device, "temperature", celsius);
}

int nvmlDeviceGetTemperatureV(device_t device, temperature_t *is) {
    BEGIN(device);
    if (is->sensor) return INVALID_ARGUMENT;
    return give_small(device, "temperature", (unsigned *)&is->celsius);
}

int nvmlDeviceGetTemperatureThreshold(device_t device, unsigned which, unsigned *celsius) {
    BEGIN(device);
    return which == 1 ? give_small(device, "slowdown_temperature", celsius) : NOT_SUPPORTED;
}

int nvmlDeviceGetClockInfo(device_t device, unsigned which, unsigned *mhz) {
    BEGIN(device);
    if (which == 1) return give_small(device, "sm_clock", mhz);
    return which == 2 ? give_small(device, "memory_clock", mhz) : NOT_SUPPORTED;
}

int nvmlDeviceGetCurrentClocksEventReasons(device_t device, u64 *bits) {
    BEGIN(device);
    return give(device, "throttle", bits);
}
int nvmlDeviceGetCurrentClocksThrottleReasons(device_t device, u64 *bits) {
    BEGIN(device);
    return give(device, "throttle", bits);
}

int nvmlDeviceGetPcieThroughput(device_t device, unsigned which, unsigned *kilobytes) {
    BEGIN(device);
    usleep(20000); /* as long as the driver counts */
    return give_small(device, which ? "pcie_receive_kb" : "pcie_send_kb", kilobytes);
}

int nvmlDeviceGetFanSpeed(device_t device, unsigned *percent) {
    BEGIN(device);
    return give_small(device, "fan", percent);
}

int nvmlDeviceGetNvLinkState(device_t device, unsigned link, unsigned *is_active) {
    char key[32];
    BEGIN(device);
    sprintf(key, "nvlink%u", link);
    return give_small(device, key, is_active) ? INVALID_ARGUMENT : SUCCESS;
}

/* `field82` and the like; `0.field138` is the sum of all links, for which the scope is ~0. */
int nvmlDeviceGetFieldValues(device_t device, int count, field_value_t *values) {
    BEGIN(device);
    for (int place = 0; place < count; place++) {
        field_value_t *each = values + place;
        char name[64], key[128], label[96];
        sprintf(name, "field%u", each->field);
        key_of(device, name, label);
        note("field", label);
        each->type = 3;
        each->result = give(device, name, &each->value.large);
        if (each->field >= 138 && each->field <= 141 && each->scope != ~0u)
            each->result = INVALID_ARGUMENT;
        if (each->field == 82) each->type = 1; /* an unsigned int, as the driver has it */
        sprintf(name, "fail.field%u", each->field);
        key_of(device, name, key);
        each->result = (uint32_t)number_or(key, each->result);
    }
    return SUCCESS;
}

/* -- MIG: `1.migs 2` turns it on, with two instances --------------------------------------- */

int nvmlDeviceGetMigMode(device_t device, unsigned *current, unsigned *pending) {
    u64 count;
    BEGIN(device);
    if (give(device, "migs", &count)) return NOT_SUPPORTED;
    *current = *pending = 1;
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(device_t device, unsigned *count) {
    BEGIN(device);
    *count = 7;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(device_t device, unsigned index, device_t *part) {
    u64 count = 0;
    BEGIN(device);
    give(device, "migs", &count);
    *part = handle_of(DEVICE(device), (int)index);
    return index < count ? SUCCESS : NOT_FOUND;
}

int nvmlDeviceGetGpuInstanceId(device_t device, unsigned *number) {
    BEGIN(device);
    return give_small(device, "gpu_instance", number);
}

int nvmlDeviceGetComputeInstanceId(device_t device, unsigned *number) {
    BEGIN(device);
    return give_small(device, "compute_instance", number);
}
