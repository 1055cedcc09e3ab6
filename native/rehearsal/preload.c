/* Loaded before everything else by LD_PRELOAD: keeps the server from reading its whole model ahead.
 *
 * llama.cpp maps a model with MAP_POPULATE. Of a file without weights that would be gigabytes of zeros in the page
 * cache, for nothing. It stands alone, since it is loaded into whatever starts the server as well.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
    return (void *) syscall(SYS_mmap, address, size, protection, flags & ~MAP_POPULATE, file, offset);
}

EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int file, off64_t offset) {
    return (void *) syscall(SYS_mmap, address, size, protection, flags & ~MAP_POPULATE, file, offset);
}
