"""Compiled functions inside the host's Python: for differential tests, fuzzing and build-time evaluation.

A function is entered through its stub (`nk.entry.SYMBOL`), which takes arguments from a frame in memory and leaves the
result there. A failed check calls `nk_fail`, which restores the registers saved at entry and returns the check's number
from there: nothing unwinds, and no Python exception passes through compiled frames.

Invariant: the entry functions hold the interpreter's lock, so one saved stack pointer per library suffices.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, TypeAlias

import llvmlite.binding as binding

from neokernel.compiler import ir, objects
from neokernel.compiler.graveyard import Graveyard
from neokernel.compiler.layout import Frame, Layout, entry_frame, record_fields, round_up
from neokernel.compiler.lives import Mortals
from neokernel.compiler.llvm import CheckRecord, EmitOptions, Failure, Target, emit
from neokernel.compiler.types import (
    BoolType,
    EnumType,
    FloatType,
    IntType,
    NeverType,
    NoneType,
    RefType,
    SpanType,
    TupleType,
    Type,
    UnionType,
    ValueType,
)

Value: TypeAlias = Any


class CheckError(Exception):
    """A check failed in compiled code."""

    def __init__(self, record: CheckRecord) -> None:
        span = record.span
        super().__init__(f"{span.file}:{span.line}:{span.column}: {record.kind.value} {record.message}".strip())
        self.record = record
        self.kind: ir.Kind = record.kind
        self.span: ir.Span = record.span
        self.message: str = record.message


@functools.cache
def _initialize() -> None:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    binding.initialize_native_asmparser()


def host_machine(level: int = 2) -> binding.TargetMachine:
    """A new target machine; an execution engine that is made with it takes it over."""
    _initialize()
    features = binding.get_host_cpu_features().flatten()
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=features, opt=level, reloc="pic", codemodel="small", jit=True
    )


@functools.cache
def host() -> Target:
    """The machine we run on."""
    machine = host_machine()
    triple = str(machine.triple)
    architecture = triple.split("-", maxsplit=1)[0]
    if architecture not in _ENTRY:
        raise NotImplementedError(f"no JIT for {architecture}")
    return Target({"arm64": "aarch64"}.get(architecture, architecture), triple, str(machine.target_data))


# `nk_enter(stub, frame, saved)` saves the registers that a function must preserve and the stack pointer, and calls the
# stub; `nk_fail(number)` brings them back. The previous stack pointer is kept, so that entries may nest.
_X86_64 = """
.text
.globl nk_enter
nk_enter:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq (%rdx), %rax
  pushq %rax
  movq %rsp, (%rdx)
  movq %rdi, %rax
  movq %rsi, %rdi
  movq %rdx, %r12
  callq *%rax
  movl $-1, %eax
  movq %r12, %rdx
  jmp nk_leave
.globl nk_fail
nk_fail:
  movq nk_saved@GOTPCREL(%rip), %rdx
  movq (%rdx), %rsp
  movl %edi, %eax
nk_leave:
  popq %rcx
  movq %rcx, (%rdx)
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  retq
"""

_AARCH64 = """
.text
.globl nk_enter
.p2align 2
nk_enter:
  sub sp, sp, #176
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  ldr x9, [x2]
  str x9, [sp, #160]
  mov x9, sp
  str x9, [x2]
  mov x19, x2
  mov x9, x0
  mov x0, x1
  blr x9
  mov w0, #-1
  mov x2, x19
  b nk_leave
.globl nk_fail
nk_fail:
  adrp x2, :got:nk_saved
  ldr x2, [x2, :got_lo12:nk_saved]
  ldr x9, [x2]
  mov sp, x9
nk_leave:
  ldr x9, [sp, #160]
  str x9, [x2]
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #176
  ret
"""

_ENTRY = {"x86_64": _X86_64, "aarch64": _AARCH64, "arm64": _AARCH64}
_PASSED = 0xFFFF_FFFF


def _entry_module(assembly: str) -> str:
    lines = [f'module asm "{line}"' for line in assembly.strip().splitlines()]
    return "\n".join(
        [
            *lines,
            "@nk_saved = global i64 0",
            "declare i32 @nk_enter(ptr, ptr, ptr)",
            "define i32 @nk.enter(ptr %stub, ptr %frame) {",
            "  %number = call i32 @nk_enter(ptr %stub, ptr %frame, ptr @nk_saved)",
            "  ret i32 %number",
            "}",
            "",
        ]
    )


class Library:
    """A program compiled for the host.

    `symbols` are the functions that can be called (default: all that are not ghosts or naked). `poison`: accesses to
    retired objects fail (kind DEAD), and their memory is filled with 0xDB; `forget` when memory of the host that held
    some is given other objects. `externals` gives addresses of functions that the program only declares. `keep`: big
    programs that several processes compile are found again in the store of objects.
    """

    def __init__(
        self,
        program: ir.Program,
        symbols: tuple[str, ...] | None = None,
        *,
        checks: bool = True,
        poison: bool = False,
        level: int = 2,
        externals: Mapping[str, int] | None = None,
        keep: bool = False,
    ) -> None:
        target = host()
        callable_functions = {f.symbol: f for f in program.functions if not (f.ghost or f.naked)}
        names = tuple(callable_functions) if symbols is None else symbols
        self._functions = {name: callable_functions[name] for name in names}
        emit_level: Any = level
        options = EmitOptions(
            checks=checks, debug=False, level=emit_level, entries=names, failure=Failure.HOST, poison=poison
        )
        emitted = emit(program, target, options)
        self.checks = emitted.checks
        self.text = emitted.text
        self.layout = Layout()
        self._codecs: dict[str, _Signature] = {}
        self._graveyard = Graveyard(Mortals(program).ends if poison else {})
        addresses = {**self._graveyard.symbols(), **(externals or {})}
        for name, address in addresses.items():
            binding.add_symbol(name, address)
        text = _merge(emitted.text, _entry_module(_ENTRY[target.architecture]))
        machine = host_machine(level)
        if keep:
            # An object of another LLVM, or for another processor, is another object.
            parts = (version("llvmlite"), binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())
            data = objects.kept(("jit", *parts, str(target), str(level), text), lambda: _object(text, level))
            self._engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
            self._engine.add_object_file(binding.ObjectFileRef.from_data(data))
        else:
            self._engine = binding.create_mcjit_compiler(_optimised(text, machine, level), machine)
        self._engine.finalize_object()
        prototype = ctypes.PYFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)
        self._enter = prototype(self._engine.get_function_address("nk.enter"))

    def forget(self) -> None:
        """No memory holds retired objects."""
        self._graveyard.clear()

    def address(self, symbol: str) -> int:
        """The address of the entry stub of `symbol`."""
        return int(self._engine.get_function_address("nk.entry." + symbol))

    def entry(self, symbol: str) -> Callable[[int], int]:
        """For functions that are called very often.

        A callable that takes the address of a frame, which the caller fills and reads (`frame` says what is where), and
        returns `PASSED` or the number of the check that failed (see `failed`).
        """
        return functools.partial(self._enter, self.address(symbol))

    def frame(self, symbol: str) -> Frame:
        function = self._functions[symbol]
        return entry_frame(self.layout, [parameter.type for parameter in function.parameters], function.result)

    def failed(self, number: int) -> CheckError:
        return CheckError(self.checks[number])

    def call(self, symbol: str, *arguments: Value) -> Value:
        """Call a function with Python values.

        Integers, bools, floats; enums by number; None; ctypes objects or addresses for references; bytes (views), or
        (address, length) for spans; tuples for records; (arm, value) for unions, `arm` being its index or type. Results
        likewise, with references as addresses and spans as (address, length).
        Raises CheckError when a check fails.
        """
        known = self._codecs.get(symbol)
        if known is None:
            known = self._codecs[symbol] = _Signature(self, self._functions[symbol], self.address(symbol))
        return known(arguments)


PASSED = _PASSED


def _optimised(text: str, machine: binding.TargetMachine, level: int) -> binding.ModuleRef:
    """LLVM's module of IR text. Raises RuntimeError if it isn't one."""
    module = binding.parse_assembly(text)
    module.verify()
    tuning = binding.create_pipeline_tuning_options(speed_level=level)
    builder = binding.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, binding.create_pass_builder(machine, tuning))
    return module


def _object(text: str, level: int) -> bytes:
    """Machine code for the host, not yet placed in memory."""
    machine = host_machine(level)
    return bytes(machine.emit_object(_optimised(text, machine, level)))


def _merge(program: str, entry: str) -> str:
    """One module text; the program declares `nk_fail` when it uses it."""
    declaration = "declare void @nk_fail(i32)"
    return program + entry + ("" if declaration in program else declaration + "\n")


class _Signature:
    """How one function is called: where its arguments and result lie."""

    def __init__(self, library: Library, function: ir.Function, address: int) -> None:
        self._library = library
        self._layout = library.layout
        self._address = address
        self._types = [parameter.type for parameter in function.parameters]
        self._result = function.result
        self._frame = library.frame(function.symbol)

    def __call__(self, arguments: tuple[Value, ...]) -> Value:
        if len(arguments) != len(self._types):
            raise TypeError(f"{len(self._types)} arguments expected, {len(arguments)} given")
        frame = (ctypes.c_uint64 * (self._frame.size // 8 + 1))()
        memory = memoryview(frame).cast("B")
        alive: list[Any] = []  # buffers that arguments point into
        for of, offset, argument in zip(self._types, self._frame.arguments, arguments, strict=True):
            write_value(self._layout, of, argument, memory, offset, alive)
        number = self._library._enter(self._address, ctypes.addressof(frame))
        if number != _PASSED:
            raise self._library.failed(number)
        return read_value(self._layout, self._result, memory, self._frame.result)


# --- Python values in memory ------------------------------------------------------------------------------------------

_INTEGER_CODES = {(8, False): "<B", (16, False): "<H", (32, False): "<I", (64, False): "<Q"}
_INTEGER_CODES |= {(bits, True): code.lower() for (bits, _), code in _INTEGER_CODES.items()}


def _scalar_code(of: Type) -> str:
    if isinstance(of, EnumType):
        of = of.storage
    if isinstance(of, IntType):
        return _INTEGER_CODES[of.bits, of.signed]
    if isinstance(of, FloatType):
        return "<f" if of.bits == 32 else "<d"
    return "<B" if isinstance(of, BoolType) else "<Q"


def _address(argument: Value, alive: list[Any]) -> int:
    if argument is None:
        return 0
    if isinstance(argument, int):
        return argument
    if isinstance(argument, (bytearray, memoryview)):
        argument = (ctypes.c_char * len(argument)).from_buffer(argument)
    alive.append(argument)
    return ctypes.addressof(argument)


def write_value(layout: Layout, of: Type, argument: Value, memory: memoryview, offset: int, alive: list[Any]) -> None:
    """Encode a Python value as a value of type `of` at `memory[offset:]`."""
    if isinstance(of, (NoneType, NeverType)):
        return
    if isinstance(of, SpanType):
        if isinstance(argument, str):
            argument = argument.encode()
        if isinstance(argument, bytes):
            length = len(argument)
            address = _address(ctypes.create_string_buffer(argument, length), alive) if length else 0
        else:
            address, length = _address(argument[0], alive), argument[1]
        struct.pack_into("<QQ", memory, offset, address, length)
    elif isinstance(of, RefType) or (isinstance(of, UnionType) and of.is_optional_reference):
        if isinstance(argument, tuple):
            argument = argument[1]
        struct.pack_into("<Q", memory, offset, _address(argument, alive))
    elif isinstance(of, UnionType):
        chosen, content = argument
        arm = of.arms[chosen] if isinstance(chosen, int) else chosen
        union = layout.union(of)
        placed = union.arms[arm]
        memory[offset] = placed.tag
        scratch = memoryview(bytearray(layout.size(arm)))
        write_value(layout, arm, content, scratch, 0, alive)
        for leaf, slot in zip(placed.leaves, placed.slots, strict=True):
            bits = int.from_bytes(scratch[leaf.offset : leaf.offset + leaf.size], "little")
            struct.pack_into("<Q", memory, offset + union.slot_offset(slot), bits)
    elif isinstance(of, (ValueType, TupleType)):
        for (item, place), part in zip(_items(layout, of), argument, strict=True):
            write_value(layout, item, part, memory, offset + place, alive)
    else:
        struct.pack_into(_scalar_code(of), memory, offset, argument)


def read_value(layout: Layout, of: Type, memory: memoryview, offset: int) -> Value:
    """The Python value of what lies at `memory[offset:]` (see `Library.call`)."""
    if isinstance(of, (NoneType, NeverType)):
        return None
    if isinstance(of, SpanType):
        return struct.unpack_from("<QQ", memory, offset)
    if isinstance(of, UnionType) and of.is_optional_reference:
        return struct.unpack_from("<Q", memory, offset)[0] or None
    if isinstance(of, UnionType):
        union = layout.union(of)
        arm, placed = next((arm, placed) for arm, placed in union.arms.items() if placed.tag == memory[offset])
        scratch = bytearray(layout.size(arm))
        for leaf, slot in zip(placed.leaves, placed.slots, strict=True):
            start = offset + union.slot_offset(slot)
            scratch[leaf.offset : leaf.offset + leaf.size] = memory[start : start + leaf.size]
        return of.arms.index(arm), read_value(layout, arm, memoryview(scratch), 0)
    if isinstance(of, (ValueType, TupleType)):
        return tuple(read_value(layout, item, memory, offset + place) for item, place in _items(layout, of))
    value = struct.unpack_from(_scalar_code(of), memory, offset)[0]
    return bool(value) if isinstance(of, BoolType) else value


def _items(layout: Layout, of: Type) -> list[tuple[Type, int]]:
    """Type and byte offset of each field of a record."""
    items = []
    offset = 0
    for _, item in record_fields(of):
        offset = round_up(offset, layout.alignment(item))
        items.append((item, offset))
        offset += layout.size(item)
    return items
