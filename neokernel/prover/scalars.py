"""What instructions on scalars mean, as terms: the result, and for each check what must hold for it not to fail.

Invariant: a result says what the instruction gives if all its checks hold; if one doesn't, it may be anything.
"""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.ir import Kind, Mode
from neokernel.compiler.types import BoolType, EnumType, IntType, Type
from neokernel.prover import terms as t
from neokernel.prover.terms import Term

#: result, and the conditions of the checks in order
Outcome = tuple[Term, tuple[Term, ...]]


def scalar_type(type_: Type) -> IntType:
    """The integer in which a scalar that isn't a float is kept."""
    if isinstance(type_, EnumType):
        return type_.storage
    assert isinstance(type_, IntType), type_
    return type_


def _limit(type_: IntType, highest: bool) -> Term:
    return t.number(type_.highest if highest else type_.lowest, type_.bits)


def _is_negative(a: Term) -> Term:
    return t.below(a, t.number(0, a.sort), True)


# --- one operand ------------------------------------------------------------------------------------------------------


def unary(node: ir.Unary, a: Term) -> Outcome:
    type_ = node.operand.type
    if node.op == "not":
        return t.invert(a), ()
    assert isinstance(type_, IntType)
    width = type_.bits
    match node.op:
        case "neg":
            zero = t.number(0, width)
            fits = t.invert(t.equal(a, _limit(type_, False))) if type_.signed else t.equal(a, zero)
            limit = _limit(type_, True) if type_.signed else zero
            return _by_mode(node.mode, t.negative(a), fits, limit)
        case "abs":
            if not type_.signed:
                return _by_mode(node.mode, a, t.TRUE, a)
            fits = t.invert(t.equal(a, _limit(type_, False)))
            return _by_mode(node.mode, t.choose(_is_negative(a), t.negative(a), a), fits, _limit(type_, True))
        case "invert":
            return t.complement(a), ()
        case "count_leading_zeros":
            return t.resize(_leading_zeros(a), 32, False), ()
        case "count_trailing_zeros":
            return t.resize(_trailing_zeros(a), 32, False), ()
        case "count_ones":
            total = t.number(0, 32)
            for bit in range(width):
                total = t.arithmetic("add", total, t.extend(t.extract(a, bit, bit), 32, False))
            return total, ()
        case "byte_swap":
            result = t.number(0, width)
            for place in range(0, width, 8):
                byte = t.extend(t.extract(a, place + 7, place), width, False)
                moved = t.arithmetic("shl", byte, t.number(width - 8 - place, width))
                result = t.arithmetic("or", result, moved)
            return result, ()
    raise AssertionError(node.op)


def _by_mode(mode: Mode, result: Term, fits: Term, limit: Term) -> Outcome:
    if mode is Mode.CHECKED:
        return result, (fits,)
    return (t.choose(fits, result, limit) if mode is Mode.SATURATING else result), ()


def _leading_zeros(a: Term) -> Term:
    width = a.sort
    zero = t.equal(a, t.number(0, width))
    count, step = t.number(0, width), width // 2
    while step:
        empty = t.below(a, t.number(1 << (width - step), width), False)
        size = t.number(step, width)
        count = t.arithmetic("add", count, t.choose(empty, size, t.number(0, width)))
        a = t.choose(empty, t.arithmetic("shl", a, size), a)
        step //= 2
    return t.choose(zero, t.number(width, width), count)


def _trailing_zeros(a: Term) -> Term:
    width = a.sort
    zero = t.equal(a, t.number(0, width))
    count, step = t.number(0, width), width // 2
    while step:
        low = t.arithmetic("and", a, t.number((1 << step) - 1, width))
        empty = t.equal(low, t.number(0, width))
        size = t.number(step, width)
        count = t.arithmetic("add", count, t.choose(empty, size, t.number(0, width)))
        a = t.choose(empty, t.arithmetic("lshr", a, size), a)
        step //= 2
    return t.choose(zero, t.number(width, width), count)


# --- two operands -----------------------------------------------------------------------------------------------------


def binary(node: ir.Binary, a: Term, b: Term) -> Outcome:
    type_ = node.left.type
    if isinstance(type_, BoolType):
        match node.op:
            case "and":
                return t.conjunction(a, b), ()
            case "or":
                return t.disjunction(a, b), ()
        return t.invert(t.equal(a, b)), ()
    assert isinstance(type_, IntType)
    signed, width = type_.signed, type_.bits
    match node.op:
        case "add" | "sub" | "mul":
            return _sum_or_product(node, type_, a, b)
        case "floordiv":
            nonzero = t.invert(t.equal(b, t.number(0, width)))
            if not signed:
                return t.arithmetic("udiv", a, b), (nonzero,)
            extreme = t.conjunction(t.equal(a, _limit(type_, False)), t.equal(b, t.number(-1, width)))
            return _floor_quotient(a, b), (nonzero, t.invert(extreme))
        case "mod":
            nonzero = t.invert(t.equal(b, t.number(0, width)))
            return t.arithmetic("smod" if signed else "urem", a, b), (nonzero,)
        case "shl":
            amount, inside = _amount(b, width)
            result = t.arithmetic("shl", a, amount)
            if node.mode is Mode.CHECKED:
                back = t.arithmetic("ashr" if signed else "lshr", result, amount)
                return result, (inside, t.equal(back, a))
            return result, (inside,)
        case "shr":
            amount, inside = _amount(b, width)
            return t.arithmetic("ashr" if signed else "lshr", a, amount), (inside,)
        case "and" | "or" | "xor":
            return t.arithmetic(node.op, a, b), ()
        case "min":
            return t.choose(t.below(b, a, signed), b, a), ()
        case "max":
            return t.choose(t.below(a, b, signed), b, a), ()
        case "multiply_high":
            double = 2 * width
            product = t.arithmetic("mul", t.extend(a, double, signed), t.extend(b, double, signed))
            return t.extract(product, double - 1, width), ()
        case "rotate_left" | "rotate_right":
            mask = t.number(width - 1, width)
            amount = t.arithmetic("and", t.resize(b, width, False), mask)
            rest = t.arithmetic("and", t.negative(amount), mask)
            left, right = (amount, rest) if node.op == "rotate_left" else (rest, amount)
            return t.arithmetic("or", t.arithmetic("shl", a, left), t.arithmetic("lshr", a, right)), ()
    raise AssertionError(node.op)


def _amount(b: Term, width: int) -> tuple[Term, Term]:
    """A shift's right operand in the left one's width, and that it is less than that width."""
    return t.resize(b, width, False), t.below(b, t.number(width, b.sort), False)


def _floor_quotient(a: Term, b: Term) -> Term:
    """Toward minus infinity: one less than toward 0, where the signs differ and something remains."""
    zero, one = t.number(0, a.sort), t.number(1, a.sort)
    quotient = t.arithmetic("sdiv", a, b)
    remains = t.invert(t.equal(t.arithmetic("smod", a, b), zero))
    differ = t.invert(t.equal(_is_negative(a), _is_negative(b)))
    return t.choose(t.conjunction(remains, differ), t.arithmetic("sub", quotient, one), quotient)


def _sum_or_product(node: ir.Binary, type_: IntType, a: Term, b: Term) -> Outcome:
    signed, width = type_.signed, type_.bits
    result = t.arithmetic(node.op, a, b)
    if node.mode is Mode.WRAPPING:
        return result, ()
    if node.op == "mul":
        fits = t.product_fits(a, b, signed)
    elif signed:
        exact = t.arithmetic(node.op, t.extend(a, width + 1, True), t.extend(b, width + 1, True))
        fits = t.equal(exact, t.extend(result, width + 1, True))
    elif node.op == "sub":
        fits = t.at_most(b, a, False)
    elif a.bits + b.bits <= type_.highest:
        fits = t.TRUE
    elif a.known is not None or b.known is not None:
        constant, other = (a, b) if a.known is not None else (b, a)
        assert constant.known is not None
        fits = t.at_most(other, t.number(type_.highest - constant.known, width), False)
    else:
        fits = t.at_most(a, t.complement(b), False)
    if node.mode is Mode.CHECKED:
        return result, (fits,)
    low, high = _limit(type_, False), _limit(type_, True)
    if not signed:
        limit = low if node.op == "sub" else high
    else:
        down = _is_negative(a)
        if node.op == "mul":
            down = t.invert(t.equal(down, _is_negative(b)))
        limit = t.choose(down, low, high)
    return t.choose(fits, result, limit), ()


# --- comparisons and conversions --------------------------------------------------------------------------------------


def compare(op: str, type_: Type, a: Term, b: Term) -> Term:
    """Of ints, enums and bools."""
    if op in ("eq", "ne"):
        same = t.equal(a, b)
        return same if op == "eq" else t.invert(same)
    if isinstance(type_, BoolType):
        a, b = (t.choose(x, t.number(1, 8), t.number(0, 8)) for x in (a, b))
        signed = False
    else:
        signed = scalar_type(type_).signed
    match op:
        case "lt":
            return t.below(a, b, signed)
        case "le":
            return t.at_most(a, b, signed)
        case "gt":
            return t.below(b, a, signed)
    return t.at_most(b, a, signed)


def convert(node: ir.Convert, a: Term) -> Outcome:
    """Where no float is concerned."""
    assert node.result is not None
    source, target = node.operand.type, node.result.type
    if isinstance(source, BoolType):
        assert isinstance(target, IntType)
        return t.choose(a, t.number(1, target.bits), t.number(0, target.bits)), ()
    of = scalar_type(source)
    if isinstance(target, EnumType):
        members = [m for m in target.members.values() if of.holds(m)]
        is_member = t.disjunction(*(t.equal(a, t.number(m, of.bits)) for m in members))
        return t.resize(a, target.storage.bits, of.signed), (is_member,)
    assert isinstance(target, IntType)
    result = t.resize(a, target.bits, of.signed)
    checks = tuple(_in_range(a, of, target) for check in node.checks if check.kind is Kind.CONVERSION)
    return result, checks


def _in_range(a: Term, of: IntType, target: IntType) -> Term:
    """Does the number have a place in `target`?"""
    conditions = []
    if of.lowest < target.lowest:
        conditions.append(t.at_most(t.number(target.lowest, of.bits), a, of.signed))
    if of.highest > target.highest:
        conditions.append(t.at_most(a, t.number(target.highest, of.bits), of.signed))
    return t.conjunction(*conditions)
