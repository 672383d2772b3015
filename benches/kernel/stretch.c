/* A QEMU plugin: the longest run of kernel instructions in which no interrupt is looked at.
 *
 * Counted are instructions at the kernel's addresses. Interrupts are looked at by `sret`, as user mode has them enabled,
 * by a read of `sip`, and by `wfi`. A program in user mode begins a new count with `slti zero, zero, 1`, a hint that does
 * nothing: `worst.py` does so before and after each work. Lines say: number of the count, the longest run in it, and the
 * addresses of the two looks.
 *
 * A plugin is made for one version of QEMU's plugin API, and QEMU refuses others. With that QEMU's `qemu-plugin.h` (and
 * glib's headers, which newer ones need) on the include path it is made for that version. QEMU 7.2 packages none: without
 * a header it is made for 7.2's API, which is version 1, and says so to any other.
 *
 *     nk build benches/kernel/worst.py -o worst.elf
 *     gcc -shared -fPIC -O2 -o stretch.so benches/kernel/stretch.c    # 7.2; for others, add to it
 *         -I FOLDER_OF_QEMU_PLUGIN_H $(pkg-config --cflags glib-2.0)
 *     qemu-system-riscv64 -M virt -smp 1 -m 512M -bios default -display none -serial stdio -monitor none -no-reboot \
 *         -icount shift=0,sleep=off -seed 1 -rtc base=2025-01-01T00:00:00,clock=vm -kernel worst.elf \
 *         -plugin ./stretch.so -d plugin -D stretch.log
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if __has_include(<qemu-plugin.h>)
#include <qemu-plugin.h>
#if QEMU_PLUGIN_VERSION > 6
#error "this qemu-plugin.h is of a version of the plugin API whose callbacks differ: use a QEMU with version 1 (7.2) to 6"
#endif
#else
#define QEMU_PLUGIN_EXPORT __attribute__((visibility("default")))
#define QEMU_PLUGIN_VERSION 1

typedef uint64_t qemu_plugin_id_t;
/* How it begins; the rest isn't used. */
typedef struct {
    const char *target_name;
    struct {
        int min, cur;
    } version;
} qemu_info_t;
enum { QEMU_PLUGIN_CB_NO_REGS };
struct qemu_plugin_tb;
struct qemu_plugin_insn;

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
extern void qemu_plugin_outs(const char *);
#endif

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* The upper half's last 4 GiB are the kernel's image, the lower half is a user's. */
static const uint64_t kernel = 0xffffffff;
static const uint64_t user_end = UINT64_C(1) << 38;
static const uint32_t sret = 0x10200073, wfi = 0x10500073, read_sip = 0x14400073, csr_mask = 0xfff0007f;
static const uint32_t hint = 0x00102013;

static uint64_t count, last, longest, from, to, last_place;
static unsigned number;

static void counted(unsigned hart, void *place) {
    (void)hart, (void)place;
    count++;
}

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

static uint32_t word_of(const struct qemu_plugin_insn *insn) {
    uint32_t word = 0;
    if (qemu_plugin_insn_size(insn) == 4) {
#if QEMU_PLUGIN_VERSION >= 3
        qemu_plugin_insn_data(insn, &word, sizeof word);
#else
        memcpy(&word, qemu_plugin_insn_data(insn), sizeof word);
#endif
    }
    return word;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
        uint64_t place = qemu_plugin_insn_vaddr(insn);
        uint32_t word = word_of(insn);
        if (place >> 32 == kernel) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, counted, QEMU_PLUGIN_CB_NO_REGS, NULL);
            if (word == sret || word == wfi || (word & csr_mask) == read_sip)
                qemu_plugin_register_vcpu_insn_exec_cb(insn, looked, QEMU_PLUGIN_CB_NO_REGS, (void *)place);
        } else if (place < user_end && word == hint) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, QEMU_PLUGIN_CB_NO_REGS, (void *)place);
        }
    }
}

static void ended(qemu_plugin_id_t id, void *nothing) {
    (void)id, (void)nothing;
    tell();
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int count, char **arguments) {
    (void)count, (void)arguments;
    if (info->version.cur != QEMU_PLUGIN_VERSION) {
        fprintf(stderr, "stretch: made for version %d of the plugin API, and this QEMU has %d: build it with this QEMU's "
                "qemu-plugin.h on the include path (-I)\n", QEMU_PLUGIN_VERSION, info->version.cur);
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
