#define _DEFAULT_SOURCE
#include "memory.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Below this, dropping pages costs more than filling them. */
#define WORTH_DROPPING ((size_t) 1 << 20)
/* A server has a handful of host buffers; what is not listed is filled with zeros. */
#define LISTED 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t taken, peak;
static struct {
    uintptr_t begin, end;
} usable_ranges[LISTED];

static void list(uintptr_t begin, uintptr_t end) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < LISTED; i++) {
        if (usable_ranges[i].begin == 0) {
            usable_ranges[i].begin = begin;
            usable_ranges[i].end = end;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}

static void unlist(uintptr_t begin) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < LISTED; i++) {
        if (usable_ranges[i].begin == begin) {
            usable_ranges[i].begin = usable_ranges[i].end = 0;
        }
    }
    pthread_mutex_unlock(&lock);
}

static bool listed(uintptr_t begin, uintptr_t end) {
    bool found = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < LISTED; i++) {
        found = found || (usable_ranges[i].begin != 0 && usable_ranges[i].begin <= begin && end <= usable_ranges[i].end);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void *memory_reserve(size_t size, bool usable) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *base = mmap(NULL, size ? size : 1, usable ? PROT_READ | PROT_WRITE : PROT_NONE, flags, -1, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
    if (usable) {
        list((uintptr_t) base, (uintptr_t) base + size);
    }
    return base;
}

void memory_release(void *base, size_t size) {
    unlist((uintptr_t) base);
    munmap(base, size ? size : 1);
}

void memory_zero(void *data, size_t size) {
    const uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
    const uintptr_t begin = (uintptr_t) data, end = begin + size;
    const uintptr_t first = (begin + page - 1) / page * page, last = end / page * page;
    if (size < WORTH_DROPPING || !listed(begin, end) || madvise((void *) first, last - first, MADV_DONTNEED) != 0) {
        memset(data, 0, size);
        return;
    }
    memset(data, 0, first - begin);
    memset((void *) last, 0, end - last);
}

bool memory_take(size_t size, size_t most) {
    pthread_mutex_lock(&lock);
    const bool fits = size <= most && taken <= most - size;
    taken += fits ? size : 0;
    peak = taken > peak ? taken : peak;
    pthread_mutex_unlock(&lock);
    return fits;
}

void memory_give_back(size_t size) {
    pthread_mutex_lock(&lock);
    taken -= size;
    pthread_mutex_unlock(&lock);
}

size_t memory_left(size_t most) {
    pthread_mutex_lock(&lock);
    const size_t left = most - taken;
    pthread_mutex_unlock(&lock);
    return left;
}

size_t memory_peak(void) {
    pthread_mutex_lock(&lock);
    const size_t most = peak;
    pthread_mutex_unlock(&lock);
    return most;
}
