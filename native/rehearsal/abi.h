/* The binary interface between ggml and a backend, as far as the rehearsal device needs it.
 *
 * ggml does not install its ggml-backend-impl.h, so the layouts are declared here, in our words. Slots that this
 * device leaves empty are untyped. REHEARSAL_ABI is GGML_BACKEND_API_VERSION of the runtime:
 *   2  ggml 0.11 to 0.21 (read in the source of each release, and of the ROCmFP4 fork's 0.11.1)
 *   3  ggml 0.26 and 0.27 (0.26 in the source, 0.27 in the machine code of Debian's libggml-base: the offset
 *      of every slot that it reads)
 */
#ifndef REHEARSAL_ABI_H
#define REHEARSAL_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ggml-backend.h>
#include <ggml.h>

#ifndef REHEARSAL_ABI
#error "define REHEARSAL_ABI before this header"
#endif

typedef void (*unused_slot)(void);

struct buffer_type_table {
    const char *(*get_name)(ggml_backend_buffer_type_t);
    ggml_backend_buffer_t (*alloc_buffer)(ggml_backend_buffer_type_t, size_t);
#if REHEARSAL_ABI >= 3
    unused_slot alloc_buffer_n;
#endif
    size_t (*get_alignment)(ggml_backend_buffer_type_t);
    size_t (*get_max_size)(ggml_backend_buffer_type_t);
    size_t (*get_alloc_size)(ggml_backend_buffer_type_t, const struct ggml_tensor *);
#if REHEARSAL_ABI >= 3
    unused_slot get_alloc_size_n;
#endif
    bool (*is_host)(ggml_backend_buffer_type_t);
};

struct ggml_backend_buffer_type {
    struct buffer_type_table table;
    ggml_backend_dev_t device;
    void *context;
};

struct buffer_table {
    void (*free_buffer)(ggml_backend_buffer_t);
    void *(*get_base)(ggml_backend_buffer_t);
    unused_slot init_tensor;
    void (*memset_tensor)(ggml_backend_buffer_t, struct ggml_tensor *, uint8_t, size_t, size_t);
    void (*set_tensor)(ggml_backend_buffer_t, struct ggml_tensor *, const void *, size_t, size_t);
    void (*get_tensor)(ggml_backend_buffer_t, const struct ggml_tensor *, void *, size_t, size_t);
    unused_slot set_tensor_2d;
    unused_slot get_tensor_2d;
    bool (*cpy_tensor)(ggml_backend_buffer_t, const struct ggml_tensor *, struct ggml_tensor *);
    void (*clear)(ggml_backend_buffer_t, uint8_t);
    unused_slot reset;
};

struct ggml_backend_buffer {
    struct buffer_table table;
    ggml_backend_buffer_type_t type;
    void *context;
    size_t size;
    enum ggml_backend_buffer_usage usage;
};

/* Exported by libggml-base, declared in no installed header. */
ggml_backend_buffer_t ggml_backend_buffer_init(ggml_backend_buffer_type_t, struct buffer_table, void *, size_t);

struct optimize_params {
    /* Keep `tensor` allocated until `until` is computed. */
    void (*add_alloc_dep)(void *, struct ggml_tensor *tensor, struct ggml_tensor *until);
    void *user_data;
};

struct backend_table {
    const char *(*get_name)(ggml_backend_t);
    void (*free)(ggml_backend_t);
    unused_slot set_tensor_async;
    unused_slot get_tensor_async;
    unused_slot set_tensor_2d_async;
    unused_slot get_tensor_2d_async;
    unused_slot cpy_tensor_async;
    unused_slot synchronize;
    unused_slot graph_plan_create;
    unused_slot graph_plan_free;
    unused_slot graph_plan_update;
    unused_slot graph_plan_compute;
    enum ggml_status (*graph_compute)(ggml_backend_t, struct ggml_cgraph *);
    unused_slot event_record;
    unused_slot event_wait;
#if REHEARSAL_ABI >= 3
    void (*graph_optimize)(ggml_backend_t, struct ggml_cgraph *, struct optimize_params *);
#else
    void (*graph_optimize)(ggml_backend_t, struct ggml_cgraph *);
#endif
};

struct ggml_backend {
    ggml_guid_t guid;
    struct backend_table table;
    ggml_backend_dev_t device;
    void *context;
};

struct device_table {
    const char *(*get_name)(ggml_backend_dev_t);
    const char *(*get_description)(ggml_backend_dev_t);
    void (*get_memory)(ggml_backend_dev_t, size_t *free, size_t *total);
    enum ggml_backend_dev_type (*get_type)(ggml_backend_dev_t);
    void (*get_props)(ggml_backend_dev_t, struct ggml_backend_dev_props *);
    ggml_backend_t (*init_backend)(ggml_backend_dev_t, const char *);
    ggml_backend_buffer_type_t (*get_buffer_type)(ggml_backend_dev_t);
    ggml_backend_buffer_type_t (*get_host_buffer_type)(ggml_backend_dev_t);
    unused_slot buffer_from_host_ptr;
    bool (*supports_op)(ggml_backend_dev_t, const struct ggml_tensor *);
    bool (*supports_buft)(ggml_backend_dev_t, ggml_backend_buffer_type_t);
    bool (*offload_op)(ggml_backend_dev_t, const struct ggml_tensor *);
    unused_slot event_new;
    unused_slot event_free;
    unused_slot event_synchronize;
};

struct ggml_backend_device {
    struct device_table table;
    ggml_backend_reg_t reg;
    void *context;
};

struct reg_table {
    const char *(*get_name)(ggml_backend_reg_t);
    size_t (*get_device_count)(ggml_backend_reg_t);
    ggml_backend_dev_t (*get_device)(ggml_backend_reg_t, size_t);
    void *(*get_proc_address)(ggml_backend_reg_t, const char *);
};

struct ggml_backend_reg {
    int api_version;
    struct reg_table table;
    void *context;
};

#endif
