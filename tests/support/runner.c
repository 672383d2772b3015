/* Runs the functions in `calls` one after another, and writes what became of each to the serial line:

   after the mark, for each call: trap's pc (0: none), cause, value, instructions (u64 each), then the output area.
   Also the four memory functions that compiled code may call. */

typedef unsigned char u8;
typedef unsigned long u64;

extern u64 run_one(void (*function)(void *), void *output);
extern u64 trap_cause[2];
extern void (*const calls[])(void *);
extern const u64 call_count, output_size;
extern const u8 inputs[];
extern u8 output[];

void *memset(void *to, int byte, u64 size)
{
    for (u64 i = 0; i < size; i++)
        ((u8 *)to)[i] = (u8)byte;
    return to;
}

void *memcpy(void *to, const void *from, u64 size)
{
    for (u64 i = 0; i < size; i++)
        ((u8 *)to)[i] = ((const u8 *)from)[i];
    return to;
}

void *memmove(void *to, const void *from, u64 size)
{
    if ((u64)to <= (u64)from)
        return memcpy(to, from, size);
    while (size--)
        ((u8 *)to)[size] = ((const u8 *)from)[size];
    return to;
}

int memcmp(const void *left, const void *right, u64 size)
{
    for (u64 i = 0; i < size; i++)
        if (((const u8 *)left)[i] != ((const u8 *)right)[i])
            return ((const u8 *)left)[i] - ((const u8 *)right)[i];
    return 0;
}

static void write(const void *data, u64 size)
{
    volatile u8 *uart = (volatile u8 *)0x10000000;
    for (u64 i = 0; i < size; i++) {
        while (!(uart[5] & 0x20))
            ;
        uart[0] = ((const u8 *)data)[i];
    }
}

void run_all(void)
{
    write("\nNKRESULTS\n", 11);
    for (u64 i = 0; i < call_count; i++) {
        u64 head[4] = {0, 0, 0, 0};
        memcpy(output, inputs + i * output_size, output_size);
        trap_cause[0] = trap_cause[1] = 0;
        u64 start, end;
        __asm__ volatile("rdinstret %0" : "=r"(start));
        head[0] = run_one(calls[i], output);
        __asm__ volatile("rdinstret %0" : "=r"(end));
        head[1] = trap_cause[0];
        head[2] = trap_cause[1];
        head[3] = end - start;
        write(head, sizeof head);
        write(output, output_size);
    }
    *(volatile unsigned *)0x100000 = 0x5555;
}
