"""Arithmetic, comparisons and conversions, and the checks that they make.

How overflow is found was chosen by looking at riscv64 code. Where there is a comparison that says what the check found
(`a >= b` for `a - b`, `sum >= a` for `a + b`), it stands for itself: later checks then follow from it and vanish, which
they don't after LLVM's overflow intrinsics. Those serve signed numbers and products. Unsigned bytes and halfwords are
computed in 64 bits, which costs an instruction less.
"""

from __future__ import annotations

from collections.abc import Callable

from neokernel.compiler import ir
from neokernel.compiler.llvm.builder import Builder, float_text, is_reference
from neokernel.compiler.types import BoolType, EnumType, FloatType, IntType, NoneType, Type


def integer(of: Type) -> IntType:
    """The integer that a scalar is stored as."""
    if isinstance(of, EnumType):
        return of.storage
    assert isinstance(of, IntType), of
    return of


# --- unary ------------------------------------------------------------------------------------------------------------


def unary(b: Builder, i: ir.Unary) -> None:
    assert i.result is not None
    of, value = i.operand.type, b.operand(i.operand)
    llvm = b.layout.llvm(of)
    if i.op in ("float_bits", "float_from_bits"):
        b.result(i, f"bitcast {llvm} {value} to {b.layout.llvm(i.result.type)}")
    elif isinstance(of, BoolType):
        b.result(i, f"xor i1 {value}, true")
    elif isinstance(of, FloatType):
        if i.op == "neg":
            b.result(i, f"fneg {llvm} {value}")
        else:
            intrinsic = b.module.intrinsic({"abs": "fabs", "sqrt": "sqrt"}[i.op], f"f{of.bits}", llvm, llvm)
            b.result(i, f"call {llvm} {intrinsic}({llvm} {value})")
    elif i.op == "invert":
        b.result(i, f"xor {llvm} {value}, -1")
    elif i.op == "neg":
        _negate(b, i, integer(of), value)
    elif i.op == "abs":
        _absolute(b, i, integer(of), value)
    elif i.op == "byte_swap":
        if llvm == "i8":
            b.alias(i, value)
        else:
            b.result(i, f"call {llvm} {b.module.intrinsic('bswap', llvm, llvm, llvm)}({llvm} {value})")
    else:
        _count(b, i, integer(of), value)


def _negate(b: Builder, i: ir.Unary, of: IntType, value: str) -> None:
    llvm = f"i{of.bits}"
    if i.mode is ir.Mode.SATURATING:
        name = b.module.intrinsic(f"{'s' if of.signed else 'u'}sub.sat", llvm, llvm, llvm, llvm)
        b.result(i, f"call {llvm} {name}({llvm} 0, {llvm} {value})")
        return
    flags = ""
    if i.mode is ir.Mode.CHECKED:
        check = b.live_check(i, ir.Kind.OVERFLOW)
        if check is not None:
            bad = of.lowest if of.signed else 0
            good = b.value(f"icmp {'ne' if of.signed else 'eq'} {llvm} {value}, {bad}")
            b.guard(check, i.span, good)
        flags = "nsw " if of.signed else "nuw "
    b.result(i, f"sub {flags}{llvm} 0, {value}")


def _absolute(b: Builder, i: ir.Unary, of: IntType, value: str) -> None:
    if not of.signed:
        b.alias(i, value)
        return
    llvm = f"i{of.bits}"
    exact = "false"
    if i.mode is ir.Mode.CHECKED:
        check = b.live_check(i, ir.Kind.OVERFLOW)
        if check is not None:
            b.guard(check, i.span, b.value(f"icmp ne {llvm} {value}, {of.lowest}"))
        exact = "true"
    elif i.mode is ir.Mode.SATURATING:
        value = _extreme(b, "max", of, value, str(of.lowest + 1))
    b.result(i, f"call {llvm} {b.module.intrinsic('abs', llvm, llvm, llvm, 'i1')}({llvm} {value}, i1 {exact})")


def _count(b: Builder, i: ir.Unary, of: IntType, value: str) -> None:
    llvm = f"i{of.bits}"
    base = {"count_leading_zeros": "ctlz", "count_trailing_zeros": "cttz", "count_ones": "ctpop"}[i.op]
    if base == "ctpop":
        count = b.value(f"call {llvm} {b.module.intrinsic(base, llvm, llvm, llvm)}({llvm} {value})")
    else:
        count = b.value(f"call {llvm} {b.module.intrinsic(base, llvm, llvm, llvm, 'i1')}({llvm} {value}, i1 false)")
    b.alias(i, b.resize(count, of.bits, 32))


# --- binary -----------------------------------------------------------------------------------------------------------


def binary(b: Builder, i: ir.Binary) -> None:
    of = i.left.type
    llvm = b.layout.llvm(of)
    left, right = b.operand(i.left), b.operand(i.right)
    if isinstance(of, BoolType):
        b.result(i, f"{i.op} i1 {left}, {right}")
    elif isinstance(of, FloatType):
        _binary_float(b, i, llvm, left, right)
    else:
        _INTEGERS[i.op](b, i, integer(of), left, right)


def _binary_float(b: Builder, i: ir.Binary, llvm: str, left: str, right: str) -> None:
    if i.op in ("min", "max"):
        # as Python: the first one, unless the second is less (greater); a NaN is neither
        better = b.value(f"fcmp {'olt' if i.op == 'min' else 'ogt'} {llvm} {right}, {left}")
        b.result(i, f"select i1 {better}, {llvm} {right}, {llvm} {left}")
    else:
        b.result(i, f"f{i.op} {llvm} {left}, {right}")


def _modular(b: Builder, i: ir.Binary, of: IntType, left: str, right: str) -> None:
    """add, sub, mul."""
    llvm = f"i{of.bits}"
    if i.mode is ir.Mode.WRAPPING:
        b.result(i, f"{i.op} {llvm} {left}, {right}")
        return
    if i.mode is ir.Mode.SATURATING:
        _saturating(b, i, of, left, right)
        return
    check = b.live_check(i, ir.Kind.OVERFLOW)
    if check is None:
        b.result(i, f"{i.op} {'nsw' if of.signed else 'nuw'} {llvm} {left}, {right}")
    elif of.signed:
        value, overflow = _with_overflow(b, f"s{i.op}", llvm, left, right)
        b.guard_not(check, i.span, overflow)
        b.alias(i, value)
    else:
        _unsigned(b, i, of, check, left, right)


def _unsigned(b: Builder, i: ir.Binary, of: IntType, check: ir.Check, left: str, right: str) -> None:
    llvm = f"i{of.bits}"
    if i.op == "sub":
        b.guard(check, i.span, b.value(f"icmp uge {llvm} {left}, {right}"))
        b.result(i, f"sub nuw {llvm} {left}, {right}")
    elif of.bits <= 16:
        wide_left, wide_right = (b.value(f"zext {llvm} {operand} to i64") for operand in (left, right))
        exact = b.value(f"{i.op} nuw nsw i64 {wide_left}, {wide_right}")
        b.guard(check, i.span, b.value(f"icmp ule i64 {exact}, {of.highest}"))
        b.result(i, f"trunc nuw i64 {exact} to {llvm}")
    elif i.op == "add":
        total = b.value(f"add {llvm} {left}, {right}")
        b.guard(check, i.span, b.value(f"icmp uge {llvm} {total}, {left}"))
        b.alias(i, total)
    else:
        _, overflow = _with_overflow(b, "umul", llvm, left, right)
        b.guard_not(check, i.span, overflow)
        b.result(i, f"mul nuw {llvm} {left}, {right}")


def _with_overflow(b: Builder, operation: str, llvm: str, left: str, right: str) -> tuple[str, str]:
    pair = f"{{ {llvm}, i1 }}"
    name = b.module.intrinsic(f"{operation}.with.overflow", llvm, pair, llvm, llvm)
    both = b.value(f"call {pair} {name}({llvm} {left}, {llvm} {right})")
    return b.value(f"extractvalue {pair} {both}, 0"), b.value(f"extractvalue {pair} {both}, 1")


def _saturating(b: Builder, i: ir.Binary, of: IntType, left: str, right: str) -> None:
    llvm, prefix = f"i{of.bits}", "s" if of.signed else "u"
    if i.op != "mul":
        name = b.module.intrinsic(f"{prefix}{i.op}.sat", llvm, llvm, llvm, llvm)
        b.result(i, f"call {llvm} {name}({llvm} {left}, {llvm} {right})")
        return
    value, overflow = _with_overflow(b, f"{prefix}mul", llvm, left, right)
    limit = str(of.highest)
    if of.signed:
        signs = b.value(f"xor {llvm} {left}, {right}")
        negative = b.value(f"icmp slt {llvm} {signs}, 0")
        limit = b.value(f"select i1 {negative}, {llvm} {of.lowest}, {llvm} {of.highest}")
    b.result(i, f"select i1 {overflow}, {llvm} {limit}, {llvm} {value}")


def _check_division(b: Builder, i: ir.Binary, of: IntType, left: str, right: str) -> None:
    llvm = f"i{of.bits}"
    check = b.live_check(i, ir.Kind.DIVISION)
    if check is not None:
        b.guard(check, i.span, b.value(f"icmp ne {llvm} {right}, 0"))
    check = b.live_check(i, ir.Kind.OVERFLOW)
    if check is not None and of.signed:
        lowest = b.value(f"icmp eq {llvm} {left}, {of.lowest}")
        minus_one = b.value(f"icmp eq {llvm} {right}, -1")
        b.guard_not(check, i.span, b.value(f"and i1 {lowest}, {minus_one}"))


def _power_of_two(operand: ir.Operand) -> int | None:
    """n, when the operand is the constant 2**n."""
    if isinstance(operand, ir.Const) and isinstance(operand.value, int) and operand.value > 0:
        n = operand.value.bit_length() - 1
        return n if operand.value == 1 << n else None
    return None


def _floor_divide(b: Builder, i: ir.Binary, of: IntType, left: str, right: str) -> None:
    llvm = f"i{of.bits}"
    _check_division(b, i, of, left, right)
    shift = _power_of_two(i.right)
    if not of.signed:
        b.result(i, f"udiv {llvm} {left}, {right}")
    elif shift is not None:
        b.result(i, f"ashr {llvm} {left}, {shift}")
    else:
        quotient = b.value(f"sdiv {llvm} {left}, {right}")
        product = b.value(f"mul {llvm} {quotient}, {right}")
        inexact = b.value(f"icmp ne {llvm} {product}, {left}")
        down = b.value(f"and i1 {inexact}, {_signs_differ(b, llvm, left, right)}")
        correction = b.value(f"sext i1 {down} to {llvm}")
        b.result(i, f"add {llvm} {quotient}, {correction}")


def _signs_differ(b: Builder, llvm: str, left: str, right: str) -> str:
    signs = b.value(f"xor {llvm} {left}, {right}")
    return b.value(f"icmp slt {llvm} {signs}, 0")


def _modulo(b: Builder, i: ir.Binary, of: IntType, left: str, right: str) -> None:
    llvm = f"i{of.bits}"
    _check_division(b, i, of, left, right)
    shift = _power_of_two(i.right)
    if not of.signed:
        b.result(i, f"urem {llvm} {left}, {right}")
    elif shift is not None:
        b.result(i, f"and {llvm} {left}, {(1 << shift) - 1}")
    else:
        if not (isinstance(i.right, ir.Const) and i.right.value != -1):
            # MIN % -1 is undefined to LLVM and 0 to us, as anything % 1 is
            minus_one = b.value(f"icmp eq {llvm} {right}, -1")
            right = b.value(f"select i1 {minus_one}, {llvm} 1, {llvm} {right}")
        remainder = b.value(f"srem {llvm} {left}, {right}")
        nonzero = b.value(f"icmp ne {llvm} {remainder}, 0")
        wrong = b.value(f"and i1 {nonzero}, {_signs_differ(b, llvm, remainder, right)}")
        correction = b.value(f"select i1 {wrong}, {llvm} {right}, {llvm} 0")
        b.result(i, f"add {llvm} {remainder}, {correction}")


def _distance(b: Builder, i: ir.Binary, of: IntType) -> str:
    """The right operand of a shift, checked, in the left one's width."""
    bits = integer(i.right.type).bits
    distance = b.operand(i.right)
    check = b.live_check(i, ir.Kind.SHIFT)
    if check is not None:
        b.guard(check, i.span, b.value(f"icmp ult i{bits} {distance}, {of.bits}"))
    return b.resize(distance, bits, of.bits)


def _shift_left(b: Builder, i: ir.Binary, of: IntType, left: str, _: str) -> None:
    llvm = f"i{of.bits}"
    distance = _distance(b, i, of)
    if i.mode is ir.Mode.WRAPPING:
        b.result(i, f"shl {llvm} {left}, {distance}")
        return
    if i.mode is ir.Mode.SATURATING:
        name = b.module.intrinsic(f"{'s' if of.signed else 'u'}shl.sat", llvm, llvm, llvm, llvm)
        b.result(i, f"call {llvm} {name}({llvm} {left}, {llvm} {distance})")
        return
    check = b.live_check(i, ir.Kind.OVERFLOW)
    if check is None:
        b.result(i, f"shl {'nsw' if of.signed else 'nuw'} {llvm} {left}, {distance}")
        return
    if isinstance(i.right, ir.Const) and isinstance(i.right.value, int) and not of.signed and i.right.value < of.bits:
        b.guard(check, i.span, b.value(f"icmp ule {llvm} {left}, {of.highest >> i.right.value}"))
        b.result(i, f"shl nuw {llvm} {left}, {distance}")
        return
    shifted = b.value(f"shl {llvm} {left}, {distance}")
    back = b.value(f"{'ashr' if of.signed else 'lshr'} {llvm} {shifted}, {distance}")
    b.guard(check, i.span, b.value(f"icmp eq {llvm} {back}, {left}"))
    b.alias(i, shifted)


def _shift_right(b: Builder, i: ir.Binary, of: IntType, left: str, _: str) -> None:
    distance = _distance(b, i, of)
    b.result(i, f"{'ashr' if of.signed else 'lshr'} i{of.bits} {left}, {distance}")


def _bitwise(b: Builder, i: ir.Binary, of: IntType, left: str, right: str) -> None:
    b.result(i, f"{i.op} i{of.bits} {left}, {right}")


def _extreme(b: Builder, op: str, of: IntType, left: str, right: str) -> str:
    llvm = f"i{of.bits}"
    name = b.module.intrinsic(f"{'s' if of.signed else 'u'}{op}", llvm, llvm, llvm, llvm)
    return b.value(f"call {llvm} {name}({llvm} {left}, {llvm} {right})")


def _minimum_maximum(b: Builder, i: ir.Binary, of: IntType, left: str, right: str) -> None:
    b.alias(i, _extreme(b, i.op, of, left, right))


def _multiply_high(b: Builder, i: ir.Binary, of: IntType, left: str, right: str) -> None:
    llvm, double = f"i{of.bits}", f"i{of.bits * 2}"
    extend, exact = ("sext", "nsw") if of.signed else ("zext", "nuw")
    wide_left, wide_right = (b.value(f"{extend} {llvm} {operand} to {double}") for operand in (left, right))
    product = b.value(f"mul {exact} {double} {wide_left}, {wide_right}")
    high = b.value(f"lshr {double} {product}, {of.bits}")
    b.result(i, f"trunc {double} {high} to {llvm}")


def _rotate(b: Builder, i: ir.Binary, of: IntType, left: str, right: str) -> None:
    llvm = f"i{of.bits}"
    # a funnel shift takes its distance modulo the width, which divides every wider modulus: low bits suffice
    distance = b.resize(right, integer(i.right.type).bits, of.bits)
    base = "fshl" if i.op == "rotate_left" else "fshr"
    name = b.module.intrinsic(base, llvm, llvm, llvm, llvm, llvm)
    b.result(i, f"call {llvm} {name}({llvm} {left}, {llvm} {left}, {llvm} {distance})")


_INTEGERS: dict[str, Callable[[Builder, ir.Binary, IntType, str, str], None]] = {
    "add": _modular,
    "sub": _modular,
    "mul": _modular,
    "floordiv": _floor_divide,
    "mod": _modulo,
    "shl": _shift_left,
    "shr": _shift_right,
    "and": _bitwise,
    "or": _bitwise,
    "xor": _bitwise,
    "min": _minimum_maximum,
    "max": _minimum_maximum,
    "multiply_high": _multiply_high,
    "rotate_left": _rotate,
    "rotate_right": _rotate,
}


# --- comparisons ------------------------------------------------------------------------------------------------------

_FLOAT_PREDICATES = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}


def compare(b: Builder, i: ir.Compare) -> None:
    of = i.left.type
    left, right = b.operand(i.left), b.operand(i.right)
    if isinstance(of, NoneType):
        b.alias(i, "true" if i.op == "eq" else "false")
    elif isinstance(of, FloatType):
        b.result(i, f"fcmp {_FLOAT_PREDICATES[i.op]} {b.layout.llvm(of)} {left}, {right}")
    elif is_reference(of) or is_reference(i.right.type):
        b.result(i, f"icmp {i.op} ptr {left}, {right}")
    elif isinstance(of, (IntType, EnumType, BoolType)):
        signed = not isinstance(of, BoolType) and integer(of).signed
        predicate = i.op if i.op in ("eq", "ne") else ("s" if signed else "u") + i.op
        b.result(i, f"icmp {predicate} {b.layout.llvm(of)} {left}, {right}")
    else:
        equal = b.value(f"call fastcc i1 {b.module.equality(of)}({b.typed(i.left)}, {b.typed(i.right)})")
        b.alias(i, equal if i.op == "eq" else b.value(f"xor i1 {equal}, true"))


# --- conversions ------------------------------------------------------------------------------------------------------


def convert(b: Builder, i: ir.Convert) -> None:
    assert i.result is not None
    source, wanted = i.operand.type, i.result.type
    value = b.operand(i.operand)
    if isinstance(wanted, FloatType):
        _to_float(b, i, source, wanted, value)
    elif isinstance(source, FloatType):
        _float_to_integer(b, i, source, integer(wanted), value)
    elif isinstance(source, BoolType):
        b.result(i, f"zext i1 {value} to i{integer(wanted).bits}")
    elif isinstance(wanted, EnumType):
        _to_enum(b, i, integer(source), wanted, value)
    else:
        _between_integers(b, i, integer(source), integer(wanted), value)


def _to_float(b: Builder, i: ir.Convert, source: Type, wanted: FloatType, value: str) -> None:
    llvm = b.layout.llvm(wanted)
    if isinstance(source, FloatType):
        if source.bits == wanted.bits:
            b.alias(i, value)
        else:
            operation = "fptrunc" if wanted.bits < source.bits else "fpext"
            b.result(i, f"{operation} {b.layout.llvm(source)} {value} to {llvm}")
    else:
        signed = not isinstance(source, BoolType) and integer(source).signed
        b.result(i, f"{'si' if signed else 'ui'}tofp {b.layout.llvm(source)} {value} to {llvm}")


def _float_to_integer(b: Builder, i: ir.Convert, source: FloatType, wanted: IntType, value: str) -> None:
    llvm = b.layout.llvm(source)
    check = b.live_check(i, ir.Kind.CONVERSION)
    if check is not None:
        # truncation saves values between lowest - 1 and lowest, where the float type has any
        precision = 24 if source.bits == 32 else 53
        exact = wanted.lowest == 0 or wanted.bits <= precision
        low = float_text(float(wanted.lowest - 1 if exact else wanted.lowest), source.bits)
        high = float_text(float(wanted.highest + 1), source.bits)
        above = b.value(f"fcmp {'ogt' if exact else 'oge'} {llvm} {value}, {low}")
        below = b.value(f"fcmp olt {llvm} {value}, {high}")
        b.guard(check, i.span, b.value(f"and i1 {above}, {below}"))
    b.result(i, f"{'fptosi' if wanted.signed else 'fptoui'} {llvm} {value} to i{wanted.bits}")


def _between_integers(b: Builder, i: ir.Convert, source: IntType, wanted: IntType, value: str) -> None:
    llvm = f"i{source.bits}"
    check = None if i.truncate else b.live_check(i, ir.Kind.CONVERSION)
    if check is not None:
        if source.signed and wanted.signed and wanted.bits < source.bits:
            low = b.value(f"trunc {llvm} {value} to i{wanted.bits}")
            again = b.value(f"sext i{wanted.bits} {low} to {llvm}")
            b.guard(check, i.span, b.value(f"icmp eq {llvm} {again}, {value}"))
            b.alias(i, low)
            return
        if wanted.highest < source.highest:
            # one unsigned comparison also finds negative numbers
            b.guard(check, i.span, b.value(f"icmp ule {llvm} {value}, {wanted.highest}"))
        elif source.signed and not wanted.signed:
            b.guard(check, i.span, b.value(f"icmp sge {llvm} {value}, 0"))
    if wanted.bits < source.bits and not i.truncate:
        flags = ("nuw " if not wanted.signed else "") + ("nsw " if source.signed and wanted.signed else "")
        b.result(i, f"trunc {flags}{llvm} {value} to i{wanted.bits}")
    elif wanted.bits > source.bits and source.signed and not wanted.signed and not i.truncate:
        b.result(i, f"zext nneg {llvm} {value} to i{wanted.bits}")
    else:
        b.alias(i, b.resize(value, source.bits, wanted.bits, source.signed))


def _to_enum(b: Builder, i: ir.Convert, source: IntType, wanted: EnumType, value: str) -> None:
    llvm = f"i{source.bits}"
    check = b.live_check(i, ir.Kind.ENUM)
    if check is not None:
        members = sorted({member for member in wanted.members.values() if source.holds(member)})
        if members and members[-1] - members[0] == len(members) - 1:
            if len(members) < 1 << source.bits:
                distance = b.value(f"sub {llvm} {value}, {members[0]}") if members[0] else value
                b.guard(check, i.span, b.value(f"icmp ule {llvm} {distance}, {len(members) - 1}"))
        else:
            label = b.label()
            failure = b.failing_label(check, i.span)
            cases = " ".join(f"{llvm} {member}, label %{label}" for member in members)
            b.emit(f"switch {llvm} {value}, label %{failure} [{cases}]")
            b.start_block(label)
    b.alias(i, b.resize(value, source.bits, wanted.storage.bits, source.signed))
