/* Address space instead of memory. */
#ifndef REHEARSAL_MEMORY_H
#define REHEARSAL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Reserve `size` bytes of address space; `usable` memory becomes real where it is written. NULL if there is none. */
void *memory_reserve(size_t size, bool usable);
void memory_release(void *base, size_t size);

/* Fill with zeros, and give whole pages of a usable reservation back to the system instead of filling them. */
void memory_zero(void *data, size_t size);

/* Count `size` bytes of the device as taken, unless more than `most` were then. */
bool memory_take(size_t size, size_t most);
void memory_give_back(size_t size);
size_t memory_left(size_t most);

/* The most bytes of the device that were taken at once. */
size_t memory_peak(void);

#endif
