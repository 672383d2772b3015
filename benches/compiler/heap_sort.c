/* Heap sort of 32-bit integers, in place: the peer of heap_sort.py. */
#include <stddef.h>
#include <stdint.h>

struct work {
    uint32_t values[1024];
    uint64_t length;
};

static void sift_down(uint32_t *heap, size_t length, size_t hole)
{
    uint32_t value = heap[hole];
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= length)
            break;
        if (child + 1 < length && heap[child + 1] > heap[child])
            child++;
        if (heap[child] <= value)
            break;
        heap[hole] = heap[child];
        hole = child;
    }
    heap[hole] = value;
}

static void heap_sort(uint32_t *values, size_t length)
{
    for (size_t root = length / 2; root-- != 0;)
        sift_down(values, length, root);
    for (size_t end = length; end-- > 1;) {
        uint32_t last = values[end];
        values[end] = values[0];
        values[0] = last;
        sift_down(values, end, 0);
    }
}

void c_run(struct work *work)
{
    heap_sort(work->values, work->length);
}
