/* The order in which the Vulkan backend computes a graph, since the size of the compute buffer depends on it.
 *
 * Vulkan moves nodes forward that need nothing that is still to come, so that they run at the same time, and keeps
 * together what it computes as one. The rules were read in ggml-vulkan.cpp (ggml_vk_graph_optimize); the code is ours.
 */
#ifndef REHEARSAL_ORDER_H
#define REHEARSAL_ORDER_H

#include <ggml.h>

/* Holds a tensor's memory until another is computed (ggml 0.26 and later). */
typedef void (*keep_until)(void *user_data, struct ggml_tensor *tensor, struct ggml_tensor *until);

/* The rules of ggml 0.11 to 0.21. */
void order_vulkan_first(struct ggml_tensor **nodes, int count);

/* The rules of ggml 0.26 and 0.27. */
void order_vulkan_recent(struct ggml_tensor **nodes, int count, keep_until keep, void *user_data);

#endif
