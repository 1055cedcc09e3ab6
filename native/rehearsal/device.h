/* A device that computes nothing: it reserves address space, ignores what is written and answers zeros.
 *
 * This file is a template: device_abi2.c and device_abi3.c compile it, once for each layout of ggml's tables.
 */
#include "abi.h"
#include "memory.h"
#include "order.h"
#include "settings.h"

#define PASTE(name, abi) name##abi
#define NAME(name, abi) PASTE(name, abi)

/* HIP reads whole rows of quantised tensors (ggml-cuda: MATRIX_ROW_PADDING). */
#define HIP_ROW 512
/* Weights in host memory are copied to the device for so many rows (ggml-cuda, ggml-vulkan: offload_op). */
#define OFFLOAD_ROWS 32

static const struct settings *settings;
static struct ggml_backend_reg reg;
static struct ggml_backend_device device;
static struct ggml_backend_buffer_type device_type, host_type;

/* Buffers of the device */

static void device_free(ggml_backend_buffer_t buffer) {
    memory_release(buffer->context, buffer->size);
    memory_give_back(buffer->size);
}

static void *device_base(ggml_backend_buffer_t buffer) {
    return buffer->context;
}

static void device_memset(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor, uint8_t value, size_t offset,
                          size_t size) {
    (void) buffer, (void) tensor, (void) value, (void) offset, (void) size;
}

static void device_set(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor, const void *data, size_t offset,
                       size_t size) {
    (void) buffer, (void) tensor, (void) data, (void) offset, (void) size;
}

static void device_get(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor, void *data, size_t offset,
                       size_t size) {
    (void) buffer, (void) tensor, (void) offset;
    memory_zero(data, size);
}

static bool device_copy(ggml_backend_buffer_t buffer, const struct ggml_tensor *from, struct ggml_tensor *to) {
    (void) buffer, (void) from, (void) to;
    return true;
}

static void device_clear(ggml_backend_buffer_t buffer, uint8_t value) {
    (void) buffer, (void) value;
}

static const struct buffer_table device_buffer_table = {
    .free_buffer = device_free,
    .get_base = device_base,
    .memset_tensor = device_memset,
    .set_tensor = device_set,
    .get_tensor = device_get,
    .cpy_tensor = device_copy,
    .clear = device_clear,
};

static ggml_backend_buffer_t device_alloc(ggml_backend_buffer_type_t type, size_t size) {
    if (!memory_take(size, settings->free)) {
        return NULL;
    }
    void *base = memory_reserve(size, false);
    if (base == NULL) {
        memory_give_back(size);
        return NULL;
    }
    return ggml_backend_buffer_init(type, device_buffer_table, base, size);
}

static const char *device_type_name(ggml_backend_buffer_type_t type) {
    (void) type;
    return settings->device;
}

static size_t device_alignment(ggml_backend_buffer_type_t type) {
    (void) type;
    return settings->alignment;
}

static size_t device_max_size(ggml_backend_buffer_type_t type) {
    (void) type;
    return settings->block;
}

/* f16 copies of K and V beside the result of flash attention, for more query tokens than its vector kernel
 * takes (ggml-cuda since ABI 3: ggml_cuda_flash_attn_ext_get_alloc_size). Before, they lay in a pool of the
 * backend's own that no log shows. */
static size_t attention_copies(const struct ggml_tensor *tensor, size_t size) {
    if (REHEARSAL_ABI < 3 || tensor->op != GGML_OP_FLASH_ATTN_EXT || tensor->src[0]->ne[1] <= 2) {
        return size;
    }
    for (int side = 1; side <= 2; side++) {
        const struct ggml_tensor *cache = tensor->src[side];
        if (cache->type != GGML_TYPE_F16) {
            size = (size + 127) / 128 * 128 + (size_t) ggml_nelements(cache) * 2;
        }
    }
    return size;
}

static size_t device_alloc_size(ggml_backend_buffer_type_t type, const struct ggml_tensor *tensor) {
    (void) type;
    size_t size = ggml_nbytes(tensor);
    if (!settings->hip) {
        return size;
    }
    size = attention_copies(tensor, size);
    const int64_t beyond = tensor->ne[0] % HIP_ROW;
    if (ggml_is_quantized(tensor->type) && beyond != 0) {
        size += ggml_row_size(tensor->type, HIP_ROW - beyond);
    }
    return size;
}

static bool device_is_host(ggml_backend_buffer_type_t type) {
    (void) type;
    return false;
}

/* Buffers in host memory: real memory, handled by ggml's own code for the CPU */

static void host_free(ggml_backend_buffer_t buffer) {
    memory_release(buffer->context, buffer->size);
}

static ggml_backend_buffer_t host_alloc(ggml_backend_buffer_type_t type, size_t size) {
    size += 32; /* as both real backends do */
    void *base = memory_reserve(size, true);
    if (base == NULL) {
        return NULL;
    }
    ggml_backend_buffer_t buffer = ggml_backend_cpu_buffer_from_ptr(base, size);
    buffer->type = type;
    buffer->table.free_buffer = host_free;
    return buffer;
}

static const char *host_type_name(ggml_backend_buffer_type_t type) {
    (void) type;
    return settings->host;
}

static size_t host_alignment(ggml_backend_buffer_type_t type) {
    (void) type;
    return settings->host_alignment;
}

static size_t host_alloc_size(ggml_backend_buffer_type_t type, const struct ggml_tensor *tensor) {
    (void) type;
    return ggml_nbytes(tensor);
}

static bool host_is_host(ggml_backend_buffer_type_t type) {
    (void) type;
    return true;
}

/* The backend */

static const char *backend_name(ggml_backend_t backend) {
    (void) backend;
    return settings->device;
}

static void backend_free(ggml_backend_t backend) {
    (void) backend; /* the only one, static */
}

static enum ggml_status backend_compute(ggml_backend_t backend, struct ggml_cgraph *graph) {
    (void) backend, (void) graph;
    return GGML_STATUS_SUCCESS;
}

#if REHEARSAL_ABI >= 3
static void backend_optimize(ggml_backend_t backend, struct ggml_cgraph *graph, struct optimize_params *params) {
    (void) backend;
    order_vulkan_recent(ggml_graph_nodes(graph), ggml_graph_n_nodes(graph), params->add_alloc_dep, params->user_data);
}
#else
static void backend_optimize(ggml_backend_t backend, struct ggml_cgraph *graph) {
    (void) backend;
    order_vulkan_first(ggml_graph_nodes(graph), ggml_graph_n_nodes(graph));
}
#endif

/* The device */

static const char *get_name(ggml_backend_dev_t dev) {
    (void) dev;
    return settings->device;
}

static const char *get_description(ggml_backend_dev_t dev) {
    (void) dev;
    return "strixkit rehearsal: no GPU, computes nothing";
}

static void get_memory(ggml_backend_dev_t dev, size_t *free, size_t *total) {
    (void) dev;
    *free = memory_left(settings->free);
    *total = settings->total;
}

static enum ggml_backend_dev_type get_type(ggml_backend_dev_t dev) {
    (void) dev;
    return GGML_BACKEND_DEVICE_TYPE_IGPU;
}

static void get_props(ggml_backend_dev_t dev, struct ggml_backend_dev_props *props) {
    *props = (struct ggml_backend_dev_props) {
        .name = get_name(dev),
        .description = get_description(dev),
        .type = get_type(dev),
        .caps = {.async = true, .host_buffer = true},
    };
    get_memory(dev, &props->memory_free, &props->memory_total);
}

static ggml_backend_t init_backend(ggml_backend_dev_t dev, const char *params) {
    (void) params;
    static uint8_t guid[16] = {'s', 't', 'r', 'i', 'x', 'k', 'i', 't', ' ', 'r', 'e', 'h', 'e', 'a', 'r', 's'};
    static struct ggml_backend backend;
    backend = (struct ggml_backend) {
        .guid = &guid,
        .table =
            {
                .get_name = backend_name,
                .free = backend_free,
                .graph_compute = backend_compute,
                .graph_optimize = settings->hip ? NULL : backend_optimize,
            },
        .device = dev,
    };
    return &backend;
}

static ggml_backend_buffer_type_t get_buffer_type(ggml_backend_dev_t dev) {
    (void) dev;
    return &device_type;
}

static ggml_backend_buffer_type_t get_host_buffer_type(ggml_backend_dev_t dev) {
    (void) dev;
    return &host_type;
}

static bool supports_op(ggml_backend_dev_t dev, const struct ggml_tensor *op) {
    (void) dev;
    /* Without GGML_CUDA_FA_ALL_QUANTS, K and V of two types have no kernel (ggml-cuda/fattn.cu). */
    return !(settings->hip && op->op == GGML_OP_FLASH_ATTN_EXT && op->src[1]->type != op->src[2]->type);
}

static bool supports_buft(ggml_backend_dev_t dev, ggml_backend_buffer_type_t type) {
    (void) dev;
    return type == &device_type;
}

static bool offload_op(ggml_backend_dev_t dev, const struct ggml_tensor *op) {
    (void) dev;
    switch (op->op) {
    case GGML_OP_GET_ROWS:
        return false;
    case GGML_OP_MUL_MAT:
        return op->ne[1] >= OFFLOAD_ROWS;
    case GGML_OP_MUL_MAT_ID:
    case GGML_OP_ROPE:
    case GGML_OP_ROPE_BACK:
        return op->ne[2] >= OFFLOAD_ROWS;
    default:
        return ggml_nrows(op) >= OFFLOAD_ROWS;
    }
}

/* The registry entry */

static const char *reg_name(ggml_backend_reg_t entry) {
    (void) entry;
    return settings->backend;
}

static size_t reg_device_count(ggml_backend_reg_t entry) {
    (void) entry;
    return 1;
}

static ggml_backend_dev_t reg_device(ggml_backend_reg_t entry, size_t index) {
    (void) entry, (void) index;
    return &device;
}

ggml_backend_reg_t NAME(rehearsal_reg_, REHEARSAL_ABI)(const struct settings *read);

ggml_backend_reg_t NAME(rehearsal_reg_, REHEARSAL_ABI)(const struct settings *read) {
    settings = read;
    device_type = (struct ggml_backend_buffer_type) {
        .table =
            {
                .get_name = device_type_name,
                .alloc_buffer = device_alloc,
                .get_alignment = device_alignment,
                .get_max_size = device_max_size,
                .get_alloc_size = device_alloc_size,
                .is_host = device_is_host,
            },
        .device = &device,
    };
    host_type = (struct ggml_backend_buffer_type) {
        .table =
            {
                .get_name = host_type_name,
                .alloc_buffer = host_alloc,
                .get_alignment = host_alignment,
                .get_max_size = device_max_size,
                .get_alloc_size = host_alloc_size,
                .is_host = host_is_host,
            },
        .device = &device,
    };
    device = (struct ggml_backend_device) {
        .table =
            {
                .get_name = get_name,
                .get_description = get_description,
                .get_memory = get_memory,
                .get_type = get_type,
                .get_props = get_props,
                .init_backend = init_backend,
                .get_buffer_type = get_buffer_type,
                .get_host_buffer_type = get_host_buffer_type,
                .supports_op = supports_op,
                .supports_buft = supports_buft,
                .offload_op = offload_op,
            },
        .reg = &reg,
    };
    reg = (struct ggml_backend_reg) {
        .api_version = REHEARSAL_ABI,
        .table = {.get_name = reg_name, .get_device_count = reg_device_count, .get_device = reg_device},
    };
    return &reg;
}
