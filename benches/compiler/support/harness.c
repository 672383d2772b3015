/*
 * The harness of the compiler benchmarks: run one kernel's cases through each side and say what it cost.
 *
 * Every side is `void run(struct work *)`. Each case is an initial image of the kernel's work object; a side gets a fresh
 * copy of it. What is printed, one line for each (case, side):
 *
 *     case <index> <side> <instructions> <first result_size bytes of the work object, hex>
 *
 * Instructions are counted by `rdinstret`, less the cost of an empty call. Invariant: nothing but the call lies between
 * the two readings, and no interrupt is enabled.
 */
#include <stddef.h>
#include <stdint.h>

typedef void side_function(void *work);

void c_run(void *work);
void checked_run(void *work);
void unchecked_run(void *work);

struct cases_header {
    uint64_t count;
    uint64_t work_size;
    uint64_t result_size;
    uint64_t reserved;
};

extern const struct cases_header cases;

enum { WORK_LIMIT = 1 << 17 };

static _Alignas(64) unsigned char work_area[WORK_LIMIT];

#define UART ((volatile uint8_t *)0x10000000)
#define POWER ((volatile uint32_t *)0x100000)

enum { UART_DATA = 0, UART_LINE_STATUS = 5, UART_TRANSMIT_EMPTY = 0x20 };
enum { POWER_PASS = 0x5555, POWER_FAIL = 0x3333 };

void *memcpy(void *restrict target, const void *restrict source, size_t size)
{
    unsigned char *to = target;
    const unsigned char *from = source;
    if (((uintptr_t)to | (uintptr_t)from) % 8 == 0) {
        for (; size >= 8; size -= 8, to += 8, from += 8)
            *(uint64_t *)to = *(const uint64_t *)from;
    }
    while (size-- != 0)
        *to++ = *from++;
    return target;
}

void *memmove(void *target, const void *source, size_t size)
{
    unsigned char *to = target;
    const unsigned char *from = source;
    if ((uintptr_t)to - (uintptr_t)from >= size)
        return memcpy(target, source, size);
    while (size-- != 0)
        to[size] = from[size];
    return target;
}

void *memset(void *target, int value, size_t size)
{
    unsigned char *to = target;
    uint64_t pattern = (uint8_t)value * 0x0101010101010101u;
    while ((uintptr_t)to % 8 != 0 && size != 0) {
        *to++ = (unsigned char)value;
        size--;
    }
    for (; size >= 8; size -= 8, to += 8)
        *(uint64_t *)to = pattern;
    while (size-- != 0)
        *to++ = (unsigned char)value;
    return target;
}

int memcmp(const void *left, const void *right, size_t size)
{
    const unsigned char *a = left, *b = right;
    for (; size != 0; size--, a++, b++) {
        if (*a != *b)
            return *a < *b ? -1 : 1;
    }
    return 0;
}

static void put_character(char character)
{
    while ((UART[UART_LINE_STATUS] & UART_TRANSMIT_EMPTY) == 0)
        ;
    UART[UART_DATA] = (uint8_t)character;
}

static void put_text(const char *text)
{
    while (*text != '\0')
        put_character(*text++);
}

static void put_hex(uint64_t value, unsigned digits)
{
    while (digits-- != 0)
        put_character("0123456789abcdef"[(value >> (4 * digits)) & 15]);
}

static void put_decimal(uint64_t value)
{
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count != 0)
        put_character(digits[--count]);
}

static void power_off(uint32_t command)
{
    *POWER = command;
    for (;;)
        ;
}

static uint64_t instructions(void)
{
    uint64_t value;
    __asm__ volatile("rdinstret %0" : "=r"(value) : : "memory");
    return value;
}

static void empty(void *work)
{
    (void)work;
}

/* Not inlined, so that every side is called through the same instructions. */
__attribute__((noinline)) static uint64_t cost(side_function *side)
{
    uint64_t before = instructions();
    side(work_area);
    return instructions() - before;
}

void harness_trap(uint64_t cause, uint64_t address, uint64_t value)
{
    put_text("trap ");
    put_decimal(cause);
    put_character(' ');
    put_hex(address, 16);
    put_character(' ');
    put_hex(value, 16);
    put_character('\n');
    power_off(1u << 16 | POWER_FAIL);
}

static const struct {
    const char *name;
    side_function *run;
} sides[] = {
    {"c", c_run},
    {"checked", checked_run},
    {"unchecked", unchecked_run},
};

void harness_main(void)
{
    const unsigned char *images = (const unsigned char *)(&cases + 1);
    uint64_t overhead = cost(empty);

    if (cases.work_size > WORK_LIMIT)
        power_off(2u << 16 | POWER_FAIL);
    for (uint64_t index = 0; index < cases.count; index++) {
        for (size_t side = 0; side < sizeof sides / sizeof *sides; side++) {
            memcpy(work_area, images + index * cases.work_size, cases.work_size);
            uint64_t spent = cost(sides[side].run) - overhead;
            put_text("case ");
            put_decimal(index);
            put_character(' ');
            put_text(sides[side].name);
            put_character(' ');
            put_decimal(spent);
            put_character(' ');
            for (uint64_t i = 0; i < cases.result_size; i++)
                put_hex(work_area[i], 2);
            put_character('\n');
        }
    }
    put_text("done\n");
    power_off(POWER_PASS);
}
