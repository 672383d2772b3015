/* A guest in C, so that the unwinder is tested without our compiler: nk_start -> middle (inlined) -> crash. */
typedef unsigned long u64;

static volatile u64 sink;

__attribute__((noinline)) void crash(u64 depth) {
    volatile u64 local[8];
    for (int index = 0; index < 8; index++) local[index] = depth + index;
    sink = local[3];
    __asm__ volatile("ebreak"); /* the trap */
    sink = local[4];
}

static inline __attribute__((always_inline)) void middle(u64 depth) {
    crash(depth + 1); /* the inlined call */
    sink = depth;
}

__attribute__((noinline)) void outer(u64 depth) {
    volatile u64 big[6000]; /* more than the upper part of the dump */
    big[0] = depth;
    middle(big[0]); /* the call in outer */
    sink = big[5999];
}

__attribute__((noinline)) u64 overflow(u64 depth) {
    volatile u64 frame[512];
    frame[0] = depth;
    u64 deeper = overflow(depth + 1); /* the recursion */
    return deeper + frame[0];
}

void nk_start(void) {
#ifdef OVERFLOW
    sink = overflow(1);
#else
    outer(7); /* the first call */
#endif
    *(volatile unsigned *)0x100000 = 0x5555;
    for (;;) {}
}
