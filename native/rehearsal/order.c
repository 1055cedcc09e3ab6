#include "order.h"

void order_vulkan_first(struct ggml_tensor **nodes, int count) {
    (void) nodes, (void) count;
}

void order_vulkan_recent(struct ggml_tensor **nodes, int count, keep_until keep, void *user_data) {
    (void) nodes, (void) count, (void) keep, (void) user_data;
}
