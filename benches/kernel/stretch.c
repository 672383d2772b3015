/* QEMU plugin (API 1, QEMU 7.2): the longest run of kernel instructions in which no interrupt is looked at. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <inttypes.h>
typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb; struct qemu_plugin_insn;
#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, int, void *, uint64_t);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
extern void qemu_plugin_outs(const char *);

static uint64_t count, last, last_pc, longest, from, to;
/* a chronological list of each new record above a threshold, per mark */
static char out[256];
static unsigned marks;
static void looked(unsigned cpu, void *pc) {
    uint64_t n = count - last;
    if (n > longest) { longest = n; from = last_pc; to = (uint64_t)pc; }
    last = count; last_pc = (uint64_t)pc;
}
static void tell(void) {
    snprintf(out, sizeof out, "stretch %u: %" PRIu64 " from %" PRIx64 " to %" PRIx64 "\n", marks, longest, from, to);
    qemu_plugin_outs(out);
}
static void mark(unsigned cpu, void *n) {
    tell(); marks++; longest = 0; last = count;
}
static void trans(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    size_t n = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t pc = qemu_plugin_insn_vaddr(insn);
        uint32_t w = 0; size_t size = qemu_plugin_insn_size(insn);
        memcpy(&w, qemu_plugin_insn_data(insn), size < 4 ? size : 4);
        if (pc >> 32 == 0xffffffff) {
            qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &count, 1);
            int is_sip = size == 4 && (w & 0xfff0007f) == 0x14400073;
            if (is_sip || w == 0x10200073 || w == 0x10500073)
                qemu_plugin_register_vcpu_insn_exec_cb(insn, looked, 0, (void *)pc);
        } else if (pc < 0x4000000000 && size == 4 && w == 0x00102013)   /* slti x0, x0, 1: a hint */
            qemu_plugin_register_vcpu_insn_exec_cb(insn, mark, 0, (void *)pc);
    }
}
static void end(qemu_plugin_id_t id, void *p) { tell(); }
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    qemu_plugin_register_vcpu_tb_trans_cb(id, trans);
    qemu_plugin_register_atexit_cb(id, end, 0);
    return 0;
}
