/* What llama-server loads by GGML_BACKEND_PATH: chooses the layout that this ggml has, or refuses. */
#include <stdio.h>
#include <string.h>

#include <ggml-backend.h>
#include <ggml.h>

#include "memory.h"
#include "settings.h"

ggml_backend_reg_t rehearsal_reg_2(const struct settings *);
ggml_backend_reg_t rehearsal_reg_3(const struct settings *);
__attribute__((visibility("default"))) ggml_backend_reg_t ggml_backend_init(void);

/* An allocation in a ggml context has a header of this size (ggml.c: ggml_object). */
#define OBJECT_BYTES 32

static const struct {
    int from, to; /* 1000 * major + minor, both included */
    ggml_backend_reg_t (*reg)(const struct settings *);
} layouts[] = {
    {11, 21, rehearsal_reg_2},
    {26, 27, rehearsal_reg_3},
};

/* The operations that this device looks at: their numbers change when ggml gets new ones. */
static const struct {
    enum ggml_op op;
    const char *name;
} operations[] = {
    {GGML_OP_NONE, "NONE"},           {GGML_OP_ADD, "ADD"},         {GGML_OP_MUL, "MUL"},
    {GGML_OP_RMS_NORM, "RMS_NORM"},   {GGML_OP_MUL_MAT, "MUL_MAT"}, {GGML_OP_MUL_MAT_ID, "MUL_MAT_ID"},
    {GGML_OP_GET_ROWS, "GET_ROWS"},   {GGML_OP_VIEW, "VIEW"},       {GGML_OP_SET_ROWS, "SET_ROWS"},
    {GGML_OP_ROPE, "ROPE"},           {GGML_OP_UNARY, "UNARY"},     {GGML_OP_SSM_CONV, "SSM_CONV"},
    {GGML_OP_FLASH_ATTN_EXT, "FLASH_ATTN_EXT"},
};

/* Whether this ggml is the one of the headers that this file was compiled with. */
static const char *mismatch(void) {
    if (ggml_tensor_overhead() != OBJECT_BYTES + GGML_TENSOR_SIZE) {
        return "a tensor has another size";
    }
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(ggml_op_name(operations[i].op), operations[i].name) != 0) {
            return operations[i].name;
        }
    }
    return NULL;
}

ggml_backend_reg_t ggml_backend_init(void) {
    int major = 0, minor = 0;
    const char *version = ggml_version();
    if (sscanf(version, "%d.%d", &major, &minor) != 2) {
        major = minor = -1;
    }
    const char *wrong = mismatch();
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        const int number = 1000 * major + minor;
        if (number < layouts[i].from || number > layouts[i].to) {
            continue;
        }
        if (wrong != NULL) {
            fprintf(stderr, "rehearsal: compiled with the headers of another ggml than this %s: %s\n", version, wrong);
            return NULL;
        }
        const struct settings *settings = settings_read();
        return settings == NULL ? NULL : layouts[i].reg(settings);
    }
    fprintf(stderr, "rehearsal: ggml %s is not known to this device, which knows 0.11 to 0.21, 0.26 and 0.27\n", version);
    return NULL;
}

/* When the server ends: what no line of its own log tells. */
__attribute__((destructor)) static void report(void) {
    const size_t peak = memory_peak();
    if (peak > 0) {
        fprintf(stderr, "rehearsal: at most %.2f MiB of device memory were taken at once\n", (double) peak / (1 << 20));
    }
}
