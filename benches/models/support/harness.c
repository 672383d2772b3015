/*
 * Runs models on the bare machine, and says what each computed, and how many instructions and how much stack it took.
 *
 * `cases`: a count, then records of 64-bit words: code, constants, arena size, count of inputs, count of outputs, then
 * for each input its place, for each output its size; places count from the start of `cases`. One line for each:
 *
 *     case <index> <instructions> <bytes of stack> <bytes of the outputs, hex>
 */
#include <stdint.h>

typedef void infer_function(const void *constants, void *arena, const void *const *inputs, void *const *outputs);

extern const uint64_t cases[];
/* Memory behind the image, which nobody else uses. */
#define ARENA ((unsigned char *)0x84000000)
#define RESULTS ((unsigned char *)0x87000000)

enum { MOST = 32 };
/* Bytes of the stack that are looked at, and what stands there before. */
enum { WATCHED = 1 << 16 };
#define UNTOUCHED 0x57ac4ed0c0ffee77u

#define UART ((volatile uint8_t *)0x10000000)
#define POWER ((volatile uint32_t *)0x100000)

static void put_character(char character)
{
    while ((UART[5] & 0x20) == 0)
        ;
    UART[0] = (uint8_t)character;
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

static void power_off(uint32_t command)
{
    *POWER = command;
    for (;;)
        ;
}

void harness_trap(uint64_t cause, uint64_t address, uint64_t value)
{
    put_text("trap ");
    put_hex(cause, 16);
    put_character(' ');
    put_hex(address, 16);
    put_character(' ');
    put_hex(value, 16);
    put_character('\n');
    power_off(1u << 16 | 0x3333);
}

static uint64_t instructions(void)
{
    uint64_t value;
    __asm__ volatile("rdinstret %0" : "=r"(value) : : "memory");
    return value;
}

void harness_main(void)
{
    const unsigned char *base = (const unsigned char *)cases;
    const uint64_t *word = cases;
    uint64_t count = *word++;
    for (uint64_t index = 0; index < count; index++) {
        infer_function *infer = (infer_function *)(base + *word++);
        const void *constants = base + *word++;
        uint64_t arena_size = *word++, inputs = *word++, outputs = *word++;
        const void *input[MOST];
        void *output[MOST];
        uint64_t size[MOST];
        unsigned char *next = RESULTS;
        for (uint64_t i = 0; i < inputs; i++)
            input[i] = base + *word++;
        for (uint64_t i = 0; i < outputs; i++) {
            size[i] = *word++;
            output[i] = next;
            next += (size[i] + 63) & ~(uint64_t)63;
        }
        /* What was there before must not matter. */
        for (uint64_t i = 0; i < arena_size; i += 8)
            *(uint64_t *)(ARENA + i) = 0x7ff8dead7fc0beefu;
        volatile uint64_t *stack;
        __asm__ volatile("mv %0, sp" : "=r"(stack));
        for (uint64_t i = 1; i <= WATCHED / 8; i++)
            stack[-(int64_t)i] = UNTOUCHED;
        uint64_t before = instructions();
        infer(constants, ARENA, input, output);
        uint64_t spent = instructions() - before;
        uint64_t used = WATCHED / 8;
        while (used != 0 && stack[-(int64_t)used] == UNTOUCHED)
            used--;
        put_text("case ");
        put_hex(index, 4);
        put_character(' ');
        put_hex(spent, 16);
        put_character(' ');
        put_hex(used * 8, 8);
        put_character(' ');
        for (uint64_t i = 0; i < outputs; i++)
            for (uint64_t j = 0; j < size[i]; j++)
                put_hex(((unsigned char *)output[i])[j], 2);
        put_character('\n');
    }
    put_text("done\n");
    power_off(0x5555);
}
