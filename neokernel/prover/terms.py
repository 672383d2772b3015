"""Terms: what the prover computes with, before Z3 sees any of it.

A term is a hash-consed tree: equal terms are one object, so that equality costs nothing, a computation on constants
ends in a constant, and most of what a path decides is decided without a solver. `solve.py` translates what remains.

Sorts are `BOOL`, `REF` (references to objects of any type: memory is kept by field, so types needn't be told apart),
or a number: a bit-vector of that width.

Invariants: a constant bit-vector is kept unsigned; the functions of this file are the only makers of terms; each gives
a term that means the same as its name says for *all* values of its operands (as SMT-LIB has it, where Python has none:
a division by 0, a shift by the width or more).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

BOOL = 0
REF = -1


class Term:
    """`op` with arguments: terms, or numbers and names that belong to the operation."""

    __slots__ = ("args", "bits", "known", "number", "op", "sort")

    def __init__(self, op: str, sort: int, args: tuple[Arg, ...], number: int) -> None:
        self.op, self.sort, self.args, self.number = op, sort, args, number
        #: an upper bound of an unsigned bit-vector
        self.bits = _bound(op, sort, args)
        #: the value of a constant, else None
        self.known: int | None = None

    def __repr__(self) -> str:
        if self.op in ("const", "var"):
            return str(self.args[0])
        return f"({self.op}{''.join(f' {a!r}' for a in self.args)})"

    @property
    def terms(self) -> tuple[Term, ...]:
        return tuple(a for a in self.args if isinstance(a, Term))


Arg = Term | int | str
_table: dict[tuple[str, int, tuple[Arg, ...]], Term] = {}
_comparisons: dict[tuple[Term, Term, bool], Term] = {}


def make(op: str, sort: int, *args: Arg) -> Term:
    key = (op, sort, args)
    found = _table.get(key)
    if found is None:
        found = _table[key] = Term(op, sort, args, len(_table))
    return found


def _bound(op: str, sort: int, args: tuple[Arg, ...]) -> int:
    """No value of the term, as an unsigned number, is greater."""
    if sort <= 0:
        return 0
    full = (1 << sort) - 1
    first, last = (args[0] if args else 0), (args[-1] if args else 0)
    match op:
        case "const":
            assert isinstance(first, int)
            return first
        case "zext" if isinstance(first, Term):
            return first.bits
        case "ite" if isinstance(args[1], Term) and isinstance(last, Term):
            return max(args[1].bits, last.bits)
        case "and" if isinstance(first, Term) and isinstance(last, Term):
            return min(first.bits, last.bits)
        case "or" | "xor" if isinstance(first, Term) and isinstance(last, Term):
            return (1 << max(first.bits.bit_length(), last.bits.bit_length())) - 1
        case "lshr" if isinstance(first, Term) and isinstance(last, Term):
            return first.bits >> last.known if last.known is not None and last.known < sort else first.bits
        case "urem" if isinstance(first, Term) and isinstance(last, Term):
            return min(first.bits, last.known - 1) if last.known else first.bits
        case "udiv" if isinstance(first, Term) and isinstance(last, Term):
            return first.bits // last.known if last.known else full
        case "add" if isinstance(first, Term) and isinstance(last, Term):
            return first.bits + last.bits if first.bits + last.bits <= full else full
        case "sub" if isinstance(first, Term) and isinstance(last, Term):
            return first.known if first.known is not None and last.bits <= first.known else full
        case "shl" if isinstance(first, Term) and isinstance(last, Term):
            return min(first.bits << last.known, full) if last.known is not None and last.known < sort else full
        case "extract" if isinstance(last, Term):
            return min(last.bits >> args[1], full) if isinstance(args[1], int) and last.bits <= full else full
        case "mul" if isinstance(first, Term) and isinstance(last, Term):
            return first.bits * last.bits if first.bits * last.bits <= full else full
    return full


TRUE = make("const", BOOL, 1)
FALSE = make("const", BOOL, 0)
TRUE.known, FALSE.known = 1, 0
NULL = make("null", REF)
_PERMANENT = dict(_table)


def reset() -> None:
    """Forget all terms but the permanent ones: numbers start again, so that a proof doesn't depend on those before."""
    _table.clear()
    _comparisons.clear()
    _table.update(_PERMANENT)


# --- constants and variables ------------------------------------------------------------------------------------------


def boolean(value: bool) -> Term:
    return TRUE if value else FALSE


def number(value: int, width: int) -> Term:
    made = make("const", width, value & ((1 << width) - 1))
    if made.known is None:
        made.known = value & ((1 << width) - 1)
    return made


def signed(term: Term) -> int:
    """A known bit-vector as a signed number."""
    assert term.known is not None
    return term.known - (1 << term.sort) if term.known >> (term.sort - 1) else term.known


def variable(name: str, sort: int) -> Term:
    return make("var", sort, name)


def apply(name: str, sort: int, *args: Term) -> Term:
    """An uninterpreted function."""
    return make("app", sort, name, *args)


# --- bools ------------------------------------------------------------------------------------------------------------


def invert(a: Term) -> Term:
    if a.known is not None:
        return boolean(not a.known)
    if a.op == "not":
        inner = a.args[0]
        assert isinstance(inner, Term)
        return inner
    return make("not", BOOL, a)


def _literals(op: str, terms: Iterable[Term]) -> list[Term] | None:
    """The operands of a nested `and` or `or`, each once; None if two contradict each other, or one decides."""
    neutral = TRUE if op == "all" else FALSE
    found: dict[Term, None] = {}
    for term in terms:
        if term.known is not None:
            if term is not neutral:
                return None
            continue
        for part in term.terms if term.op == op else (term,):
            if invert(part) in found:
                return None
            found[part] = None
    return list(found)


def conjunction(*terms: Term) -> Term:
    parts = _literals("all", terms)
    if parts is None:
        return FALSE
    if len(parts) < 2:
        return parts[0] if parts else TRUE
    return make("all", BOOL, *parts)


def disjunction(*terms: Term) -> Term:
    parts = _literals("any", terms)
    if parts is None:
        return TRUE
    if len(parts) < 2:
        return parts[0] if parts else FALSE
    return make("any", BOOL, *parts)


def implies(a: Term, b: Term) -> Term:
    return disjunction(invert(a), b)


def choose(condition: Term, a: Term, b: Term) -> Term:
    if condition.known is not None:
        return a if condition.known else b
    if a is b:
        return a
    if a.sort == BOOL:
        if a.known is not None:
            return disjunction(condition, b) if a.known else conjunction(invert(condition), b)
        if b.known is not None:
            return disjunction(invert(condition), a) if b.known else conjunction(condition, a)
    if condition.op == "not":
        condition, a, b = condition.terms[0], b, a
    if a.op == "ite" and a.args[0] is condition:
        a = a.terms[1]
    if b.op == "ite" and b.args[0] is condition:
        b = b.terms[2]
    return a if a is b else make("ite", a.sort, condition, a, b)


def equal(a: Term, b: Term) -> Term:
    if a is b:
        return TRUE
    if a.known is not None and b.known is not None:
        return boolean(a.known == b.known)
    if a.sort == BOOL:
        if a.known is not None:
            return b if a.known else invert(b)
        if b.known is not None:
            return a if b.known else invert(a)
    if a.sort == REF:
        return _equal_references(a, b)
    if a.known is not None or (b.known is None and a.number > b.number):
        a, b = b, a
    if b.known is not None:
        if a.bits < b.known:
            return FALSE
        if a.op == "ite" and (a.terms[1].known is not None or a.terms[2].known is not None):
            return choose(a.terms[0], equal(a.terms[1], b), equal(a.terms[2], b))
        if a.op == "zext":
            inner = a.terms[0]
            return equal(inner, number(b.known, inner.sort))
        if a.op == "or" and any(part.known is not None and part.known & ~b.known for part in a.terms):
            return FALSE
    return make("eq", BOOL, a, b)


# --- references -------------------------------------------------------------------------------------------------------
#
# `null`; `new` (an object in a frame, by number); `table` (constant data); `field` (name, container: what lies in it);
# `element` (array, index: what lies there). All others (`var`, `app`, `ite`) may be any object.


def new(identity: int) -> Term:
    return make("new", REF, identity)


def table(identity: int) -> Term:
    return make("table", REF, identity)


def inline_field(name: str, container: Term) -> Term:
    return make("field", REF, name, container)


def inline_element(array: Term, index: Term) -> Term:
    return make("element", REF, array, index)


_MADE = frozenset({"null", "new", "table", "field", "element"})


def is_made(reference: Term) -> bool:
    """Does it say how the object was made? Those made in different ways are different."""
    return reference.op in _MADE


def outermost(reference: Term) -> Term:
    """The object that a reference leads into."""
    while reference.op in ("field", "element"):
        reference = reference.terms[0]
    return reference


def _equal_references(a: Term, b: Term) -> Term:
    if a.number > b.number:
        a, b = b, a
    if a.op in _MADE and b.op in _MADE:
        if a.op != b.op:
            return FALSE
        if a.op == "field":
            return equal(a.terms[0], b.terms[0]) if a.args[0] == b.args[0] else FALSE
        if a.op == "element":
            return conjunction(equal(a.terms[0], b.terms[0]), equal(a.terms[1], b.terms[1]))
        return FALSE
    for one, other in ((a, b), (b, a)):
        if one.op == "ite" and other.op in _MADE and (one.terms[1].op in _MADE or one.terms[2].op in _MADE):
            return choose(one.terms[0], equal(one.terms[1], other), equal(one.terms[2], other))
    return make("eq", BOOL, a, b)


# --- bit-vectors ------------------------------------------------------------------------------------------------------


def _fold2(op: str, a: Term, b: Term) -> Term | None:
    if a.known is None or b.known is None:
        return None
    x, y, width = a.known, b.known, a.sort
    match op:
        case "add":
            return number(x + y, width)
        case "sub":
            return number(x - y, width)
        case "mul":
            return number(x * y, width)
        case "and":
            return number(x & y, width)
        case "or":
            return number(x | y, width)
        case "xor":
            return number(x ^ y, width)
        case "shl":
            return number(x << y if y < width else 0, width)
        case "lshr":
            return number(x >> y if y < width else 0, width)
        case "ashr":
            return number(signed(a) >> min(y, width - 1), width)
        case "udiv":
            return number(x // y if y else -1, width)
        case "urem":
            return number(x % y if y else x, width)
        case "sdiv":
            sx, sy = signed(a), signed(b)
            if sy == 0:
                return number(1 if sx < 0 else -1, width)
            quotient = abs(sx) // abs(sy)
            return number(quotient if (sx < 0) == (sy < 0) else -quotient, width)
        case "smod":
            sx, sy = signed(a), signed(b)
            return number(sx % sy if sy else sx, width)
    raise AssertionError(op)


def arithmetic(op: str, a: Term, b: Term) -> Term:
    """`add sub mul and or xor shl lshr ashr udiv urem sdiv smod`: as SMT-LIB's bit-vectors have them."""
    folded = _fold2(op, a, b)
    if folded is not None:
        return folded
    width, full = a.sort, (1 << a.sort) - 1
    if op in ("add", "mul", "and", "or", "xor") and (a.known is not None or (b.known is None and a.number > b.number)):
        a, b = b, a
    k = b.known
    if k == 0:
        if op in ("add", "sub", "or", "xor", "shl", "lshr", "ashr"):
            return a
        if op in ("mul", "and"):
            return b
    if k == 1 and op in ("mul", "udiv", "sdiv"):
        return a
    if k == 1 and op == "urem":
        return number(0, width)
    if k is not None:
        if op == "and" and k == full:
            return a
        if op == "and" and a.bits & ~k == 0 and (a.bits + 1) & a.bits == 0:
            return a
        if op == "or" and k == full:
            return b
        if op in ("shl", "lshr") and k >= width:
            return number(0, width)
        if op == "sub":
            return arithmetic("add", a, number(-k, width))
        if op == "add" and a.op == "add" and a.terms[1].known is not None:
            return arithmetic("add", a.terms[0], number(k + a.terms[1].known, width))
        if op == "urem" and a.bits < k:
            return a
        if op in ("urem", "udiv") and k & (k - 1) == 0 and k:
            shift = number(k.bit_length() - 1, width)
            return arithmetic("and", a, number(k - 1, width)) if op == "urem" else arithmetic("lshr", a, shift)
    if a is b:
        if op in ("sub", "xor"):
            return number(0, width)
        if op in ("and", "or"):
            return a
    return make(op, width, a, b)


def complement(a: Term) -> Term:
    if a.known is not None:
        return number(~a.known, a.sort)
    if a.op == "bvnot":
        return a.terms[0]
    return make("bvnot", a.sort, a)


def negative(a: Term) -> Term:
    return arithmetic("sub", number(0, a.sort), a)


def below(a: Term, b: Term, is_signed: bool) -> Term:
    """Is a < b?"""
    key = (a, b, is_signed)
    found = _comparisons.get(key)
    if found is None:
        found = _comparisons[key] = _below(a, b, is_signed)
    return found


def _below(a: Term, b: Term, is_signed: bool) -> Term:
    if a is b:
        return FALSE
    if a.known is not None and b.known is not None:
        return boolean(signed(a) < signed(b) if is_signed else a.known < b.known)
    if is_signed:
        top = 1 << (a.sort - 1)
        if a.bits < top and b.bits < top:
            return below(a, b, False)
        return make("slt", BOOL, a, b)
    if b.known is not None and a.bits < b.known:
        return TRUE
    if b.known == 0 or (a.known is not None and b.bits <= a.known):
        return FALSE
    if b.known == 1:
        return equal(a, number(0, a.sort))
    if a.known == 0:
        return invert(equal(b, number(0, b.sort)))
    for x, y, swap in ((a, b, False), (b, a, True)):
        if x.op == "zext" and y.known is not None:
            inner = x.terms[0]
            if y.known >> inner.sort == 0:
                k = number(y.known, inner.sort)
                return below(k, inner, False) if swap else below(inner, k, False)
        if x.op == "ite" and y.known is not None:
            arms = [below(y, arm, False) if swap else below(arm, y, False) for arm in x.terms[1:]]
            if any(arm.op != "ult" for arm in arms):
                return choose(x.terms[0], *arms)
    return make("ult", BOOL, a, b)


def at_most(a: Term, b: Term, is_signed: bool) -> Term:
    """Is a <= b?"""
    return invert(below(b, a, is_signed))


def extend(a: Term, width: int, is_signed: bool) -> Term:
    """To a greater width (or the same)."""
    if width == a.sort:
        return a
    if a.known is not None:
        return number(signed(a) if is_signed else a.known, width)
    if is_signed and a.bits < 1 << (a.sort - 1):
        is_signed = False
    if not is_signed and a.op == "zext":
        a = a.terms[0]
    return make("sext" if is_signed else "zext", width, a)


def extract(a: Term, high: int, low: int) -> Term:
    """Bits `high` … `low`."""
    width = high - low + 1
    if width == a.sort:
        return a
    if a.known is not None:
        return number(a.known >> low, width)
    if a.op in ("zext", "sext"):
        inner = a.terms[0]
        if high < inner.sort:
            return extract(inner, high, low)
        if a.op == "zext" and low == 0:
            return extend(inner, width, False)
    if a.op == "ite" and a.terms[1].known is not None and a.terms[2].known is not None:
        return choose(a.terms[0], extract(a.terms[1], high, low), extract(a.terms[2], high, low))
    return make("extract", width, high, low, a)


def resize(a: Term, width: int, is_signed: bool) -> Term:
    """Longer by its sign or by zeroes, or shorter by its high bits."""
    return extract(a, width - 1, 0) if width < a.sort else extend(a, width, is_signed)


def product_fits(a: Term, b: Term, is_signed: bool) -> Term:
    """Does the exact product fit the width?"""
    width = a.sort
    if a.known is not None and b.known is not None:
        exact = signed(a) * signed(b) if is_signed else a.known * b.known
        if is_signed:
            return boolean(-(1 << (width - 1)) <= exact < 1 << (width - 1))
        return boolean(exact < 1 << width)
    if not is_signed:
        if a.bits * b.bits < 1 << width:
            return TRUE
        if a.known is not None:
            a, b = b, a
        if b.known is not None:
            return at_most(a, number(((1 << width) - 1) // b.known, width), False) if b.known else TRUE
    if a.number > b.number:
        a, b = b, a
    return make("smulok" if is_signed else "umulok", BOOL, a, b)


# --- whole terms ------------------------------------------------------------------------------------------------------


def rebuilt(term: Term, args: tuple[Arg, ...]) -> Term:
    """The same operation on other arguments."""
    if args == term.args:
        return term
    parts = [a for a in args if isinstance(a, Term)]
    match term.op, parts:
        case "all", _:
            return conjunction(*parts)
        case "any", _:
            return disjunction(*parts)
        case "field" | "element" | "app", _:
            return make(term.op, term.sort, *args)
        case "not", [a]:
            return invert(a)
        case "bvnot", [a]:
            return complement(a)
        case "zext" | "sext", [a]:
            return extend(a, term.sort, term.op == "sext")
        case "extract", [a]:
            low = args[1]
            assert isinstance(low, int)
            return extract(a, low + term.sort - 1, low)
        case "eq", [a, b]:
            return equal(a, b)
        case "ult" | "slt", [a, b]:
            return below(a, b, term.op == "slt")
        case "umulok" | "smulok", [a, b]:
            return product_fits(a, b, term.op == "smulok")
        case "ite", [condition, a, b]:
            return choose(condition, a, b)
        case _, [a, b]:
            return arithmetic(term.op, a, b)
    raise AssertionError(term.op)


def choices(term: Term) -> Iterator[Term]:
    """The conditions of the choices in a term, outermost first."""
    seen, work = {term}, deque([term])
    while work:
        top = work.popleft()
        if top.op == "ite":
            yield top.terms[0]
        for part in top.terms:
            if part not in seen:
                seen.add(part)
                work.append(part)
