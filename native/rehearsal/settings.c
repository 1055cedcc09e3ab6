#include "settings.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t) 1 << 20)

/* An unsigned number from the environment; false after a message if it is none or too large. */
static bool number(const char *name, size_t standard, size_t most, size_t *value) {
    const char *text = getenv(name);
    *value = standard;
    if (text == NULL || *text == '\0') {
        return true;
    }
    char *end = NULL;
    errno = 0;
    const unsigned long long parsed = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' || parsed == 0 || parsed > most) {
        fprintf(stderr, "rehearsal: %s is \"%s\", wanted a number from 1 to %zu\n", name, text, most);
        return false;
    }
    *value = (size_t) parsed;
    return true;
}

static bool power_of_two(const char *name, size_t value) {
    if ((value & (value - 1)) == 0) {
        return true;
    }
    fprintf(stderr, "rehearsal: %s is %zu, wanted a power of two\n", name, value);
    return false;
}

static bool names(struct settings *settings) {
    const char *device = getenv("REHEARSAL_DEVICE");
    if (device == NULL || *device == '\0') {
        device = "Vulkan0";
    }
    const size_t letters = strcspn(device, "0123456789");
    const bool known = strncmp(device, "Vulkan", letters) == 0 || strncmp(device, "ROCm", letters) == 0;
    if (!known || letters < 4 || strlen(device) >= sizeof(settings->device)) {
        fprintf(stderr, "rehearsal: REHEARSAL_DEVICE is \"%s\", wanted Vulkan0 or ROCm0\n", device);
        return false;
    }
    settings->hip = device[0] == 'R';
    snprintf(settings->device, sizeof(settings->device), "%s", device);
    snprintf(settings->backend, sizeof(settings->backend), "%s", settings->hip ? "ROCm" : "Vulkan");
    snprintf(settings->host, sizeof(settings->host), "%s_Host", settings->backend);
    return true;
}

const struct settings *settings_read(void) {
    static struct settings settings;
    size_t total_mib, free_mib;
    if (!names(&settings)) {
        return NULL;
    }
    /* ggml-cuda.cu: 128, host buffers as the CPU's; no limit. Vulkan: what RADV says of its limits
     * (minStorageBufferOffsetAlignment, minMemoryMapAlignment), and ggml-vulkan.cpp's blocks of 1 GiB. */
    const bool hip = settings.hip;
    if (!number("REHEARSAL_TOTAL_MIB", (size_t) 1 << 20, (size_t) 1 << 28, &total_mib) ||
        !number("REHEARSAL_FREE_MIB", total_mib, total_mib, &free_mib) ||
        !number("REHEARSAL_ALIGNMENT", hip ? 128 : 4, 4096, &settings.alignment) ||
        !number("REHEARSAL_HOST_ALIGNMENT", hip ? 32 : 4096, 4096, &settings.host_alignment) ||
        !number("REHEARSAL_BLOCK_BYTES", hip ? SIZE_MAX : 1024 * MIB, SIZE_MAX, &settings.block) ||
        !power_of_two("REHEARSAL_ALIGNMENT", settings.alignment) ||
        !power_of_two("REHEARSAL_HOST_ALIGNMENT", settings.host_alignment)) {
        return NULL;
    }
    settings.total = total_mib * MIB;
    settings.free = free_mib * MIB;
    return &settings;
}
