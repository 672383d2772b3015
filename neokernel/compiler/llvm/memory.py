"""Objects: making them, their fields and elements, wire formats, atomics, and the unsafe instructions."""

from __future__ import annotations

import re

from neokernel.compiler import ir
from neokernel.compiler.llvm import lives
from neokernel.compiler.llvm.arithmetic import integer
from neokernel.compiler.llvm.builder import Builder, float_text
from neokernel.compiler.llvm.values import container, pointer_and_length
from neokernel.compiler.types import (
    BoolType,
    NoneType,
    Order,
    RefType,
    SpanType,
    StructType,
    WireField,
    WireType,
)

RETIRED_BYTE = 0xDB


def new(b: Builder, i: ir.New) -> None:
    assert i.result is not None
    assert isinstance(i.result.type, RefType)
    target = i.result.type.target
    size, alignment = b.layout.size(target), max(b.layout.alignment(target), 1)
    if isinstance(target, WireType):
        alignment = 8  # a wire object of our own is aligned at no cost
    place = b.allocate(f"[{size} x i8], align {alignment}")
    if i.zero and size:
        fill_bytes(b, place, "0", str(size), alignment)
    b.alias(i, place)


def fill_bytes(b: Builder, pointer: str, byte: str, size: str, alignment: int) -> None:
    b.module.declare("@llvm.memset.p0.i64", "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    b.emit(f"call void @llvm.memset.p0.i64(ptr align {alignment} {pointer}, i8 {byte}, i64 {size}, i1 false)")


# --- fields -----------------------------------------------------------------------------------------------------------


def field_place(b: Builder, base: ir.Operand, struct: StructType, field: str) -> str:
    return b.offset(b.operand(base), b.layout.offset(struct, field))


def load_field(b: Builder, i: ir.LoadField) -> None:
    of = i.struct.fields[i.field].type
    if not isinstance(of, NoneType):
        place = field_place(b, i.base, i.struct, i.field)
        b.alias(i, b.load(of, place, b.module.metadata.field_tags(i.struct, i.field)))


def store_field(b: Builder, i: ir.StoreField) -> None:
    of = i.struct.fields[i.field].type
    if not isinstance(of, NoneType):
        place = field_place(b, i.base, i.struct, i.field)
        b.store(of, b.operand(i.value), place, b.module.metadata.field_tags(i.struct, i.field))


def field_ref(b: Builder, i: ir.FieldRef) -> None:
    b.alias(i, field_place(b, i.base, i.struct, i.field))


# --- elements ---------------------------------------------------------------------------------------------------------


def element_place(b: Builder, i: ir.LoadElement | ir.StoreElement | ir.ElementRef) -> str:
    pointer, count = pointer_and_length(b, i.base)
    index = b.as_u64(i.index)
    check = b.live_check(i, ir.Kind.INDEX)
    if check is not None:
        b.guard(check, i.span, b.value(f"icmp ult i64 {index}, {count}"))
    return b.value(f"getelementptr inbounds nuw {b.layout.element(container(i.base))}, ptr {pointer}, i64 {index}")


def load_element(b: Builder, i: ir.LoadElement) -> None:
    of = container(i.base)
    place = element_place(b, i)
    extra = f", !invariant.load {b.module.metadata.empty}" if isinstance(i.base, ir.Const) else ""
    b.alias(i, b.load(of.element, place, b.module.metadata.element_tags(of), extra))


def store_element(b: Builder, i: ir.StoreElement) -> None:
    of = container(i.base)
    place = element_place(b, i)
    b.store(of.element, b.operand(i.value), place, b.module.metadata.element_tags(of))


def element_ref(b: Builder, i: ir.ElementRef) -> None:
    b.alias(i, element_place(b, i))


#: how constants are written of which every byte is 0 (-0.0 isn't one)
_ZEROES = frozenset({"0", "false", "null", float_text(0.0, 64)})


def fill_array(b: Builder, i: ir.FillArray) -> None:
    of = container(i.base)
    pointer, count = pointer_and_length(b, i.base)
    size = b.layout.size(of.element)
    if not size:
        return
    value = b.operand(i.value)
    if isinstance(i.value, ir.Const) and value in _ZEROES and not isinstance(of.element, SpanType):
        total = str(int(count) * size) if count.isdigit() else b.value(f"mul nuw i64 {count}, {size}")
        fill_bytes(b, pointer, "0", total, b.layout.alignment(of.element))
        return
    before, loop, body, after = b.label(), b.label(), b.label(), b.label()
    b.branch(before)
    b.start_block(before)
    b.branch(loop)
    b.start_block(loop)
    index, following = b.fresh(), b.fresh()
    b.emit(f"{index} = phi i64 [ 0, %{before} ], [ {following}, %{body} ]")
    more = b.value(f"icmp ult i64 {index}, {count}")
    b.emit(f"br i1 {more}, label %{body}, label %{after}")
    b.start_block(body)
    place = b.value(f"getelementptr inbounds nuw {b.layout.element(of)}, ptr {pointer}, i64 {index}")
    b.store(of.element, value, place, b.module.metadata.element_tags(of))
    b.emit(f"{following} = add nuw i64 {index}, 1")
    b.branch(loop)
    b.start_block(after)


def copy(b: Builder, i: ir.Copy) -> None:
    of = container(i.target)
    target, count = pointer_and_length(b, i.target)
    source, other = pointer_and_length(b, i.source)
    check = b.live_check(i, ir.Kind.INDEX)
    if check is not None:
        b.guard(check, i.span, b.value(f"icmp eq i64 {count}, {other}"))
    lives.test(b, i)
    size, alignment = b.layout.size(of.element), b.layout.alignment(of.element)
    if not size:
        return
    total = count if size == 1 else b.value(f"mul nuw i64 {count}, {size}")
    b.module.declare("@llvm.memmove.p0.p0.i64", "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)")
    pointers = f"ptr align {alignment} {target}, ptr align {alignment} {source}"
    b.emit(f"call void @llvm.memmove.p0.p0.i64({pointers}, i64 {total}, i1 false)")


# --- wire formats -----------------------------------------------------------------------------------------------------


def _is_one_access(wire: WireType, field: WireField) -> bool:
    return field.unit_bits == 8 or (wire.registers and field.unit_bits in (16, 32, 64))


def _read_unit(b: Builder, wire: WireType, field: WireField, base: str) -> str:
    bits = field.unit_bits
    if _is_one_access(wire, field):
        place = b.offset(base, field.offset)
        value = b.value(f"load volatile i{bits}, ptr {place}, align {bits // 8}")
        return _swapped(b, bits, value) if field.big else value
    whole = "0"
    for position in range(bits // 8):
        place = b.offset(base, field.offset + position)
        byte = b.value(f"zext i8 {b.value(f'load volatile i8, ptr {place}, align 1')} to i{bits}")
        shift = 8 * (bits // 8 - 1 - position if field.big else position)
        part = b.value(f"shl nuw i{bits} {byte}, {shift}") if shift else byte
        whole = part if whole == "0" else b.value(f"or disjoint i{bits} {whole}, {part}")
    return whole


def _write_unit(b: Builder, wire: WireType, field: WireField, base: str, value: str) -> None:
    bits = field.unit_bits
    if _is_one_access(wire, field):
        place = b.offset(base, field.offset)
        value = _swapped(b, bits, value) if field.big else value
        b.emit(f"store volatile i{bits} {value}, ptr {place}, align {bits // 8}")
        return
    for position in range(bits // 8):
        place = b.offset(base, field.offset + position)
        shift = 8 * (bits // 8 - 1 - position if field.big else position)
        part = b.value(f"lshr i{bits} {value}, {shift}") if shift else value
        b.emit(f"store volatile i8 {b.value(f'trunc i{bits} {part} to i8')}, ptr {place}, align 1")


def _swapped(b: Builder, bits: int, value: str) -> str:
    if bits == 8:
        return value
    llvm = f"i{bits}"
    return b.value(f"call {llvm} {b.module.intrinsic('bswap', llvm, llvm, llvm)}({llvm} {value})")


def load_wire(b: Builder, i: ir.LoadWire) -> None:
    assert i.result is not None
    field, unit = i.wire.fields[i.field], i.wire.fields[i.field].unit_bits
    value = _read_unit(b, i.wire, field, b.operand(i.base))
    of = i.result.type
    if field.shift:
        value = b.value(f"lshr i{unit} {value}, {field.shift}")
    if field.bits < unit:
        value = b.value(f"trunc i{unit} {value} to i{field.bits}")
    if isinstance(of, BoolType):
        b.alias(i, value if field.bits == 1 else b.value(f"icmp ne i{field.bits} {value}, 0"))
    else:
        wanted = integer(of)
        b.alias(i, b.resize(value, field.bits, wanted.bits, wanted.signed))


def store_wire(b: Builder, i: ir.StoreWire) -> None:
    field, unit = i.wire.fields[i.field], i.wire.fields[i.field].unit_bits
    of, value = i.value.type, b.operand(i.value)
    if isinstance(of, BoolType):
        value = b.value(f"zext i1 {value} to i{unit}") if unit > 1 else value
    else:
        source = integer(of)
        check = b.live_check(i, ir.Kind.CONVERSION)
        if check is not None and field.bits < source.bits:
            low = b.value(f"trunc i{source.bits} {value} to i{field.bits}")
            again = b.value(f"{'sext' if source.signed else 'zext'} i{field.bits} {low} to i{source.bits}")
            b.guard(check, i.span, b.value(f"icmp eq i{source.bits} {again}, {value}"))
        value = b.resize(value, source.bits, unit, source.signed)
    base = b.operand(i.base)
    if field.bits < unit:
        mask = (1 << field.bits) - 1
        old = _read_unit(b, i.wire, field, base)
        kept = b.value(f"and i{unit} {old}, {((1 << unit) - 1) ^ (mask << field.shift)}")
        part = b.value(f"and i{unit} {value}, {mask}")
        part = b.value(f"shl i{unit} {part}, {field.shift}") if field.shift else part
        value = b.value(f"or disjoint i{unit} {kept}, {part}")
    _write_unit(b, i.wire, field, base, value)


def wire_ref(b: Builder, i: ir.WireRef) -> None:
    assert i.result is not None
    field = i.wire.fields[i.field]
    place = b.offset(b.operand(i.base), field.offset)
    if isinstance(i.result.type, SpanType):
        whole = b.value(f"insertvalue {{ ptr, i64 }} poison, ptr {place}, 0")
        b.result(i, f"insertvalue {{ ptr, i64 }} {whole}, i64 {field.bits // 8}, 1")
    else:
        b.alias(i, place)


def wire_view(b: Builder, i: ir.WireView) -> None:
    assert i.result is not None
    assert isinstance(i.result.type, RefType)
    pointer, count = pointer_and_length(b, i.span_operand)
    check = b.live_check(i, ir.Kind.INDEX)
    if check is not None:
        b.guard(check, i.span, b.value(f"icmp uge i64 {count}, {b.layout.size(i.result.type.target)}"))
    b.alias(i, pointer)


# --- atomics ----------------------------------------------------------------------------------------------------------

# the nearest order, not weaker, that the kind of access has
_LOAD_ORDERS = {Order.RELEASE: Order.SEQUENTIAL, Order.ACQUIRE_RELEASE: Order.SEQUENTIAL}
_STORE_ORDERS = {Order.ACQUIRE: Order.SEQUENTIAL, Order.ACQUIRE_RELEASE: Order.SEQUENTIAL}
_FAILURE_ORDERS = {Order.RELEASE: Order.RELAXED, Order.ACQUIRE_RELEASE: Order.ACQUIRE}


def atomic(b: Builder, i: ir.Atomic) -> None:
    assert isinstance(i.cell.type, RefType)
    of = integer(i.cell.type.target)
    llvm, cell = f"i{of.bits}", b.operand(i.cell)
    operands = [b.operand(operand) for operand in i.operands]
    alignment = of.bits // 8
    if i.op == "load":
        order = _LOAD_ORDERS.get(i.order, i.order).value
        b.result(i, f"load atomic {llvm}, ptr {cell} {order}, align {alignment}")
    elif i.op == "store":
        order = _STORE_ORDERS.get(i.order, i.order).value
        b.emit(f"store atomic {llvm} {operands[0]}, ptr {cell} {order}, align {alignment}")
    elif i.op == "compare_exchange":
        failure = _FAILURE_ORDERS.get(i.order, i.order).value
        expected, wanted = operands
        orders = f"{i.order.value} {failure}"
        both = b.value(f"cmpxchg ptr {cell}, {llvm} {expected}, {llvm} {wanted} {orders}, align {alignment}")
        done = b.value(f"extractvalue {{ {llvm}, i1 }} {both}, 1")
        if i.result is not None:
            b.alias(i, done)
    else:
        operation = "xchg" if i.op == "exchange" else i.op
        old = b.value(f"atomicrmw {operation} ptr {cell}, {llvm} {operands[0]} {i.order.value}, align {alignment}")
        if i.result is not None:
            b.alias(i, old)


def fence(b: Builder, i: ir.Fence) -> None:
    if i.order is None and b.module.target.is_riscv:
        b.emit('call void asm sideeffect "fence iorw, iorw", "~{memory}"()')
    elif i.order is not Order.RELAXED:
        b.emit(f"fence {(i.order or Order.SEQUENTIAL).value}")


# --- ends of lives, and the unsafe ones -------------------------------------------------------------------------------


def retire(b: Builder, i: ir.Retire) -> None:
    if b.module.options.poison and isinstance(i.reference.type, RefType):
        target = i.reference.type.target
        fill_bytes(b, b.operand(i.reference), str(RETIRED_BYTE), str(b.layout.size(target)), b.layout.alignment(target))


def renew(b: Builder, i: ir.Renew) -> None:
    """The object is made where the old one lay; the stores that follow make it."""
    b.alias(i, b.operand(i.reference))


def alive(_: Builder, __: ir.Alive) -> None:
    """Only builds that watch lives make a test of it (`lives.py`)."""


_PLACEHOLDER = re.compile(r"\{(\d+|result)\}")


def asm(b: Builder, i: ir.Asm) -> None:
    """Operands are widened to registers; the template is LLVM's once `$` is doubled and the braces are replaced."""
    # A clobbered input is an output that nobody reads: LLVM takes no register that is both input and clobber.
    unread = tuple(name for name in i.registers if name in i.clobbers)
    outputs = (*i.results, *unread)
    first_input = len(outputs) + (i.result is not None and not i.results)
    template = _PLACEHOLDER.sub(
        lambda match: "${0}" if match[1] == "result" else f"${{{int(match[1]) + first_input}}}",
        i.template.replace("$", "$$"),
    )
    text = "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\{ord(c):02X}" for c in template)
    arguments = [_register_operand(b, operand) for operand in i.inputs]
    # with several instructions a result may be written before the inputs are read
    early = "&" if "\n" in i.template.strip() or ";" in i.template else ""
    constraints = [f"={'' if name in i.registers else early}{{{name}}}" for name in outputs]
    if i.result is not None and not i.results:
        constraints.insert(0, f"={early}r")
    constraints += [f"{{{name}}}" for name in i.registers] or ["r"] * len(arguments)
    constraints += ["~{" + clobber + "}" for clobber in i.clobbers if clobber not in unread]
    if b.module.target.architecture == "x86_64":
        constraints += ["~{dirflag}", "~{fpsr}", "~{flags}"]
    first = "ptr" if i.result is not None and isinstance(i.result.type, RefType) else "i64"
    parts = [first, *["i64"] * (first_input - 1)][:first_input]
    returned = "void" if not parts else parts[0] if len(parts) == 1 else f"{{ {', '.join(parts)} }}"
    call = f'call {returned} asm sideeffect "{text}", "{",".join(constraints)}"({", ".join(arguments)})'
    if i.result is None:
        b.emit(call)
        return
    made = b.value(call)
    if i.results:
        b.alias(i, _tuple_of(b, made, returned, i))
        return
    if len(parts) > 1:
        made = b.value(f"extractvalue {returned} {made}, 0")
    if first == "ptr":
        b.alias(i, made)
    elif isinstance(i.result.type, BoolType):
        b.alias(i, b.value(f"trunc i64 {made} to i1"))
    else:
        b.alias(i, b.resize(made, 64, integer(i.result.type).bits))


def _tuple_of(b: Builder, made: str, returned: str, i: ir.Asm) -> str:
    """The results as a tuple, from what the assembly gives: one number, or these and unread ones."""
    assert i.result is not None
    whole = b.layout.llvm(i.result.type)
    if returned == whole:
        return made
    record = "poison"
    for place in range(len(i.results)):
        part = made if returned == "i64" else b.value(f"extractvalue {returned} {made}, {place}")
        record = b.value(f"insertvalue {whole} {record}, i64 {part}, {place}")
    return record


def _register_operand(b: Builder, operand: ir.Operand) -> str:
    if b.layout.llvm(operand.type) == "ptr":
        return f"ptr {b.operand(operand)}"
    if isinstance(operand.type, BoolType):
        return f"i64 {b.value(f'zext i1 {b.operand(operand)} to i64')}"
    of = integer(operand.type)
    return f"i64 {b.resize(b.operand(operand), of.bits, 64, of.signed)}"


def address_of(b: Builder, i: ir.AddressOf) -> None:
    of = i.reference.type
    pointer = pointer_and_length(b, i.reference)[0] if isinstance(of, SpanType) else b.operand(i.reference)
    b.result(i, f"ptrtoint ptr {pointer} to i64")


def object_at(b: Builder, i: ir.ObjectAt) -> None:
    """An address becomes an object.

    The empty assembly keeps accesses under the memory's earlier type before it: aliasing by type would otherwise let
    them move past (clearing memory as u64s, then placing a struct there).
    """
    address = b.as_u64(i.address)
    pointer = b.value(f'call ptr asm sideeffect "", "=r,0,~{{memory}}"(i64 {address})')
    if i.length is None:
        b.alias(i, pointer)
        return
    whole = b.value(f"insertvalue {{ ptr, i64 }} poison, ptr {pointer}, 0")
    b.result(i, f"insertvalue {{ ptr, i64 }} {whole}, i64 {b.as_u64(i.length)}, 1")
