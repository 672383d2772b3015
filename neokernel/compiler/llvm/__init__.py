"""The LLVM back end: typed IR to LLVM IR text.

The text is deterministic: it depends on the program, the target and the options alone. `toolchain.py` makes objects and
images of it, `jit.py` runs it on the host.
"""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.llvm.checks import read_checks
from neokernel.compiler.llvm.function import FunctionWriter, entry_stub
from neokernel.compiler.llvm.module import Module, quote
from neokernel.compiler.llvm.target import CheckRecord, EmitOptions, Emitted, Failure, Target, riscv64

__all__ = ["CheckRecord", "EmitOptions", "Emitted", "Failure", "Target", "emit", "read_checks", "riscv64"]


def emit(program: ir.Program, target: Target, options: EmitOptions) -> Emitted:
    """LLVM IR text for a whole program, and the checks that it contains code for."""
    module = Module(program, target, options)
    bodies = [FunctionWriter(module, function).text() for function in program.functions if not function.ghost]
    wanted = set(options.entries)
    stubs = [entry_stub(module, function) for function in program.functions if function.symbol in wanted]
    lines = [f'target datalayout = "{target.data_layout}"', f'target triple = "{target.triple}"', ""]
    lines += [f"module asm {quote(line)}" for text in program.assembly for line in text.splitlines()]
    lines += module.helpers
    lines += bodies
    lines += stubs
    lines += module.declarations()
    # Without this a function that calls nothing but what never returns doesn't keep where it was called from, and a
    # traceback would end there.
    callers = " uwtable(sync)" if target.is_riscv else ""
    lines += [
        f"attributes #0 = {{ nounwind norecurse{callers} }}",
        f"attributes #1 = {{ nounwind norecurse alwaysinline{callers} }}",
        "attributes #2 = { nounwind naked noinline }",
        f"attributes #3 = {{ nounwind norecurse optsize{callers} }}",
        f"attributes #4 = {{ nounwind norecurse cold noinline optsize minsize{callers} }}",
    ]
    flags = [module.metadata.node('!{i32 1, !"wchar_size", i32 4}')]
    if module.debug is not None:
        flags.append(module.metadata.node('!{i32 2, !"Debug Info Version", i32 3}'))
        flags.append(module.metadata.node('!{i32 7, !"Dwarf Version", i32 5}'))
        units = ", ".join(unit for _, unit in module.debug.units.values())
        lines.append(f"!llvm.dbg.cu = !{{{units}}}")
    if target.is_riscv:
        flags.append(module.metadata.node(f'!{{i32 1, !"target-abi", !"{target.abi}"}}'))
        flags.append(module.metadata.node('!{i32 1, !"Code Model", i32 3}'))
    lines.append(f"!llvm.module.flags = !{{{', '.join(flags)}}}")
    lines += module.metadata.lines
    return Emitted("\n".join(lines) + "\n", module.checks)
