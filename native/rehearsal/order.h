/* The order in which the Vulkan backend computes a graph, since the compute buffer depends on it. */
#ifndef REHEARSAL_ORDER_H
#define REHEARSAL_ORDER_H

#include <ggml.h>

/* ggml 0.11 to 0.21 */
void order_vulkan_first(struct ggml_tensor **nodes, int count);

/* ggml 0.26 and 0.27; `keep` holds a tensor's memory until another is computed. */
typedef void (*keep_until)(void *user_data, struct ggml_tensor *tensor, struct ggml_tensor *until);
void order_vulkan_recent(struct ggml_tensor **nodes, int count, keep_until keep, void *user_data);

#endif
