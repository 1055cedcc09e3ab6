/* What the environment says of the device that is played. */
#ifndef REHEARSAL_SETTINGS_H
#define REHEARSAL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

struct settings {
    char device[32];     /* "Vulkan0", as -dev names it */
    char backend[32];    /* "Vulkan": the device without its number */
    char host[40];       /* "Vulkan_Host": the buffers in host memory */
    bool hip;            /* plays ROCm; otherwise Vulkan */
    size_t total, free;  /* bytes */
    size_t alignment;    /* of tensors in device buffers, bytes */
    size_t host_alignment;
    size_t block;        /* largest buffer, bytes */
};

/* The settings, or NULL after a message on stderr about a variable that makes no sense. */
const struct settings *settings_read(void);

#endif
