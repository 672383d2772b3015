/* A QEMU plugin: the longest run of kernel instructions in which no interrupt is looked at.
 *
 * Counted are instructions at the kernel's addresses. Interrupts are looked at by `sret`, as user mode has them enabled,
 * by a read of `sip`, and by `wfi`. A program in user mode begins a new count with `slti zero, zero, 1`, a hint that does
 * nothing: `worst.py` does so before and after each work. Lines say: number of the count, the longest run in it, and the
 * addresses of the two looks.
 *
 * For QEMU 7.2 (plugin API 1), whose header isn't packaged: the prototypes below are those of its functions.
 *
 *     nk build benches/kernel/worst.py -o worst.elf
 *     gcc -shared -fPIC -O2 -o stretch.so benches/kernel/stretch.c
 *     qemu-system-riscv64 -M virt -smp 1 -m 512M -bios default -display none -serial stdio -monitor none -no-reboot \
 *         -icount shift=0,sleep=off -seed 1 -rtc base=2025-01-01T00:00:00,clock=vm -kernel worst.elf \
 *         -plugin ./stretch.so -d plugin -D stretch.log
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, int, void *, uint64_t);
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
extern void qemu_plugin_outs(const char *);

EXPORT int qemu_plugin_version = 1;

/* The upper half's last 4 GiB are the kernel's image, the lower half is a user's. */
enum { KERNEL = 0xffffffff, ADD = 0, NO_REGISTERS = 0 };
static const uint64_t user_end = UINT64_C(1) << 38;
static const uint32_t sret = 0x10200073, wfi = 0x10500073, read_sip = 0x14400073, csr_mask = 0xfff0007f;
static const uint32_t hint = 0x00102013;

static uint64_t count, last, longest, from, to, last_place;
static unsigned number;

static void looked(unsigned hart, void *place) {
    (void)hart;
    if (count - last > longest) {
        longest = count - last;
        from = last_place;
        to = (uint64_t)place;
    }
    last = count;
    last_place = (uint64_t)place;
}

static void tell(void) {
    char line[128];
    snprintf(line, sizeof line, "stretch %u: %" PRIu64 " from %" PRIx64 " to %" PRIx64 "\n", number, longest, from, to);
    qemu_plugin_outs(line);
}

static void marked(unsigned hart, void *place) {
    (void)hart, (void)place;
    tell();
    number++;
    longest = 0;
    last = count;
}

static void translated(plugin_id id, struct qemu_plugin_tb *block) {
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
        uint64_t place = qemu_plugin_insn_vaddr(insn);
        uint32_t word = 0;
        if (qemu_plugin_insn_size(insn) == 4)
            memcpy(&word, qemu_plugin_insn_data(insn), 4);
        if (place >> 32 == KERNEL) {
            qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD, &count, 1);
            if (word == sret || word == wfi || (word & csr_mask) == read_sip)
                qemu_plugin_register_vcpu_insn_exec_cb(insn, looked, NO_REGISTERS, (void *)place);
        } else if (place < user_end && word == hint) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, NO_REGISTERS, (void *)place);
        }
    }
}

static void ended(plugin_id id, void *nothing) {
    (void)id, (void)nothing;
    tell();
}

EXPORT int qemu_plugin_install(plugin_id id, const void *information, int count_of_arguments, char **arguments) {
    (void)information, (void)count_of_arguments, (void)arguments;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
