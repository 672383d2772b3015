"""`match`: patterns over unions, enums, integers and values; exhaustiveness.

A match whose cases are plain (enum members, integers, classes, a wildcard last) becomes a `Switch`; any other
becomes a chain of tests, in source order.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from neokernel.compiler import ir
from neokernel.compiler.declare import LangName
from neokernel.compiler.diagnostics import suggestion
from neokernel.compiler.ir import Operand
from neokernel.compiler.lower import conditions
from neokernel.compiler.lower.assignment import assign_name
from neokernel.compiler.lower.context import TRUE, Context, Facts, Flow, Path, Untyped, Value, arms_of, union_of
from neokernel.compiler.lower.dispatch import expression, inferred, lower, trial
from neokernel.compiler.lower.memory import read_field
from neokernel.compiler.lower.names import path_of
from neokernel.compiler.types import (
    BOOL,
    NONE,
    EnumType,
    Field,
    FloatType,
    IntType,
    RefType,
    StructType,
    TupleType,
    Type,
    ValueType,
)

Body = Callable[[Context, list[ast.stmt]], None]


class Member(NamedTuple):
    """One value of a union's arm that can be matched value by value: an enum's number, or a bool."""

    arm: Type
    value: int


#: what remains to be matched: numbers of enum members, bools; of a union, arms and `Member`s; None: it can't be listed
Remaining = set[object] | None


@dataclass(slots=True)
class Subject:
    """What is matched: the evaluated operand, and its path if the source names one."""

    operand: Operand
    path: Path | None
    node: ast.expr
    remaining: Remaining = None
    covered: set[object] = field(default_factory=set)


def match(ctx: Context, node: ast.Match, lower_block: Body) -> None:
    operand = inferred(ctx, node.subject)
    subject = Subject(operand, path_of(node.subject), node.subject, _everything(operand.type))
    needed = subject.remaining is not None
    if _is_plain(ctx, node, operand.type):
        _switch(ctx, node, subject, lower_block)
    else:
        _chain(ctx, node, subject, node.cases, lower_block)
    if needed and subject.remaining:
        missing = ", ".join(f"`{item}`" for item in _missing(operand.type, subject.remaining))
        ctx.report("NK0601", f"not every case is handled: {missing}", node.subject, "add a `case`, or `case _:`")
        ctx.may_end = True


def _everything(type_: Type) -> Remaining:
    if isinstance(type_, EnumType):
        return set(type_.members.values())
    if type_ == BOOL:
        return {True, False}
    if len(arms_of(type_)) > 1:
        return _parts(arms_of(type_))
    return None


def _parts(arms: Iterable[Type]) -> set[object]:
    """What is to be matched of these arms of a union."""
    parts: set[object] = set()
    for arm in arms:
        if isinstance(arm, EnumType):
            parts |= {Member(arm, value) for value in arm.members.values()}
        elif arm == BOOL:
            parts |= {Member(BOOL, False), Member(BOOL, True)}
        else:
            parts.add(arm)
    return parts


def _shown(type_: Type, item: object) -> str:
    if isinstance(item, Member):
        return _shown(item.arm, bool(item.value) if item.arm == BOOL else item.value)
    if isinstance(type_, EnumType):
        return f"{type_}.{next(n for n, v in type_.members.items() if v == item)}"
    return str(item)


def _missing(type_: Type, remaining: set[object]) -> list[str]:
    """What is left, for people: an arm of which nothing was matched by its name."""
    items = set(remaining)
    for arm in arms_of(type_) if len(arms_of(type_)) > 1 else ():
        parts = _parts([arm])
        if parts <= items:
            items = (items - parts) | {arm}
    return sorted(_shown(type_, item) for item in items)


def _is_last_resort(ctx: Context, case: ast.match_case, subject: Subject) -> bool:
    """`case _: assert_never(x)` after everything is handled: what type checkers want there, and no code."""
    if subject.remaining is None or subject.remaining or case.guard is not None:
        return False
    match case.pattern, case.body:
        case ast.MatchAs(pattern=None), [ast.Expr(value=ast.Call(func=ast.Name(id=name)))]:
            return ctx.scope.names.get(name) in (LangName("assert_never"), LangName("unreachable"))
    return False


def _is_plain(ctx: Context, node: ast.Match, type_: Type) -> bool:
    union = len(arms_of(type_)) > 1
    if not union and not isinstance(type_, EnumType | IntType):
        return False
    for case in node.cases:
        if case.guard is not None:
            return False
        for pattern in _alternatives(case.pattern):
            match pattern:
                case ast.MatchAs(pattern=None):
                    continue
                case ast.MatchAs(pattern=ast.MatchClass(patterns=[], kwd_patterns=[])) if union:
                    continue
                case ast.MatchClass(patterns=[], kwd_patterns=[]) if union:
                    continue
                case ast.MatchSingleton(value=None) if union:
                    continue
                case ast.MatchValue() if not union:
                    continue
            return False
    return True


def _alternatives(pattern: ast.pattern) -> list[ast.pattern]:
    return pattern.patterns if isinstance(pattern, ast.MatchOr) else [pattern]


def _switch(ctx: Context, node: ast.Match, subject: Subject, lower_block: Body) -> None:
    operand, before = subject.operand, ctx.flow
    cases: list[tuple[tuple[int, ...] | tuple[Type, ...], ir.Block]] = []
    default: ir.Block = []
    flows: list[Flow] = []
    has_default = False
    union = len(arms_of(operand.type)) > 1
    for case in node.cases:
        if not has_default and _is_last_resort(ctx, case, subject):
            continue
        if has_default or (subject.remaining is not None and not subject.remaining):
            raise ctx.reject("NK0602", "this case is never reached: everything is handled above", case.pattern)
        keys: list[object] = []
        names: list[tuple[str, ast.AST]] = []
        wild = False
        for pattern in _alternatives(case.pattern):
            if isinstance(pattern, ast.MatchAs) and pattern.pattern is None:
                wild = True
            else:
                keys += _keys(ctx, subject, pattern)
            if isinstance(pattern, ast.MatchAs) and pattern.name is not None:
                if isinstance(case.pattern, ast.MatchOr):
                    raise ctx.reject("NK0603", "alternatives can't capture", pattern, "write `case A() | B() as x:`")
                names.append((pattern.name, pattern))
        rest = [a for a in arms_of(operand.type) if subject.remaining is not None and _parts([a]) & subject.remaining]
        body: ir.Block = []
        ctx.flow = before.copy()
        with ctx.into(body):
            if union:
                known = union_of(rest if wild else [k for k in keys if isinstance(k, Type)])
                value = _as(ctx, operand, known, case.pattern)
                if subject.path:
                    ctx.flow.narrowed[subject.path] = known
            else:
                value = operand
            for name, place in names:
                _bind(ctx, name, value, place)
            lower_block(ctx, case.body)
        flows.append(ctx.flow)
        if wild:
            has_default, default = True, body
            subject.remaining = set() if subject.remaining is not None else None
        else:
            cases.append((tuple(keys), body))  # type: ignore[arg-type]
            if subject.remaining is not None:
                subject.remaining -= _parts(k for k in keys if isinstance(k, Type)) if union else set(keys)
    exhaustive = not has_default and subject.remaining is not None
    ctx.block.append(ir.Switch(ctx.span(node.subject), operand, cases, default, exhaustive))
    if not has_default and not exhaustive:
        flows.append(before.copy())
    _join(ctx, flows)


def _join(ctx: Context, flows: list[Flow]) -> None:
    result = flows[0]
    for flow in flows[1:]:
        result = result.merge(flow)
    result.dead = all(flow.dead for flow in flows)
    ctx.flow = result


def _keys(ctx: Context, subject: Subject, pattern: ast.pattern) -> list[object]:
    """The switch values of one alternative."""
    keys: list[object]
    match pattern:
        case ast.MatchAs(pattern=ast.pattern() as inner):
            return _keys(ctx, subject, inner)
        case ast.MatchClass(cls=class_node):
            keys = list(conditions.class_arms(ctx, class_node, subject.operand.type))
        case ast.MatchSingleton():
            if NONE not in arms_of(subject.operand.type):
                raise ctx.reject("NK0329", "this is never `None`", pattern)
            keys = [NONE]
        case ast.MatchValue(value=value):
            keys = [_number(ctx, subject.operand.type, value)]
        case _:
            raise AssertionError("no plain pattern")
    for key in keys:
        if key in subject.covered:
            shown = _shown(subject.operand.type, key)
            raise ctx.reject("NK0602", f"`{shown}` is handled above", pattern)
        subject.covered.add(key)
    return keys


def _number(ctx: Context, type_: Type, node: ast.expr) -> int:
    """The integer that a value pattern stands for."""
    operand = expression(ctx, node, type_)
    if isinstance(operand, ir.Const) and isinstance(operand.value, int):
        return operand.value
    raise ctx.reject("NK0603", "a pattern is a constant", node)


def _as(ctx: Context, operand: Operand, known: Type, node: ast.AST) -> Operand:
    if known == operand.type:
        return operand
    if known == NONE:
        return ir.Const(NONE, None)
    return ctx.op(ir.AsArm, node, known, operand)


def _bind(ctx: Context, name: str, value: Operand, node: ast.AST) -> None:
    target = ast.copy_location(ast.Name(name, ast.Store()), node)
    assign_name(ctx, target, value)


def _chain(ctx: Context, node: ast.Match, subject: Subject, cases: list[ast.match_case], lower_block: Body) -> None:
    if not cases:
        if subject.remaining is not None and not subject.remaining:
            # Everything was handled: falling out of the chain can't happen.
            check = ctx.check(ir.Kind.UNREACHABLE, "no case matches", discharged=True)
            ctx.block.append(ir.Fail(ctx.span(node.subject), check))
            ctx.flow.dead = True
        return
    case, rest = cases[0], cases[1:]
    if _is_last_resort(ctx, case, subject):
        _chain(ctx, node, subject, rest, lower_block)
        return
    if subject.remaining is not None and not subject.remaining:
        raise ctx.reject("NK0602", "this case is never reached: everything is handled above", case.pattern)
    captures: list[tuple[str, Operand, ast.AST]] = []
    ends: list[Flow] = []
    facts: Facts = {}
    handled: set[object] = set()
    test = _test(ctx, case.pattern, subject.operand, handled)
    left = subject.remaining
    if subject.path and len(arms_of(subject.operand.type)) > 1:
        facts[subject.path] = union_of(_matched(ctx, case.pattern, subject.operand.type, left))
    if case.guard is None:
        irrefutable = test is None
        if subject.remaining is not None:
            subject.remaining = set() if irrefutable else subject.remaining - handled
        elif irrefutable:
            subject.remaining = set()
        if irrefutable and rest:
            raise ctx.reject("NK0602", "this case is never reached: everything is handled above", rest[0].pattern)
    captured_rest = rest

    def body() -> None:
        _capture(ctx, case.pattern, subject.operand, captures, left)
        for name, value, place in captures:
            _bind(ctx, name, value, place)
        if case.guard is None:
            lower_block(ctx, case.body)
            return
        # A guard that fails goes on with the next case; where that is, is known by a flag.
        guard, when_true, _ = conditions.condition(ctx, case.guard)
        if any(isinstance(inner, ast.Call | ast.NamedExpr) for inner in ast.walk(case.guard)):
            subject.path = None  # it may name something else now: the cases that follow learn nothing about it

        def guarded() -> None:
            ctx.set(taken, TRUE, case.pattern)
            lower_block(ctx, case.body)
            ends.append(ctx.flow.copy())

        ctx.branch(case.guard, guard, guarded, None, when_true)

    if test is None:
        ctx.flow.narrowed.update(facts)
    if case.guard is None:
        if test is None:
            body()
            return
        ctx.branch(case.pattern, test, body, lambda: _chain(ctx, node, subject, captured_rest, lower_block), facts)
        return
    taken = ctx.hidden("taken", BOOL)
    ctx.set(taken, ir.Const(BOOL, False), case.pattern)
    if test is None:
        body()
    else:
        ctx.branch(case.pattern, test, body, None, facts)
    done = ctx.get(taken, case.pattern)
    if ctx.flow.dead:
        # Both ways through the guard end: only what doesn't match the pattern is left, and nothing is.
        return

    def finished() -> None:
        ctx.flow = ends[0].copy()
        if ctx.flow.dead:
            check = ctx.check(ir.Kind.UNREACHABLE, "the case has ended", discharged=True)
            ctx.block.append(ir.Fail(ctx.span(case.pattern), check))

    ctx.branch(case.pattern, done, finished, lambda: _chain(ctx, node, subject, captured_rest, lower_block))


def _matched(ctx: Context, pattern: ast.pattern, type_: Type, left: Remaining = None) -> list[Type]:
    """The arms of `type_` that a value which matches `pattern` can have; `left`: what cases before have left."""
    arms = arms_of(type_)
    match pattern:
        case ast.MatchAs(pattern=ast.pattern() as inner):
            return _matched(ctx, inner, type_, left)
        case ast.MatchAs() if left is not None and len(arms) > 1:
            found = {item.arm if isinstance(item, Member) else item for item in left}
        case ast.MatchClass(cls=class_node):
            found = set(conditions.class_arms(ctx, class_node, type_))
        case ast.MatchSingleton(value=None):
            found = {NONE}
        case ast.MatchSingleton():
            found = {BOOL}
        case ast.MatchValue(value=value):
            constant = trial(ctx, value)
            number = isinstance(constant, Untyped)
            kind = None if isinstance(constant, Untyped) else constant.type
            found = {arm for arm in arms if arm == kind or (number and isinstance(arm, IntType | FloatType))}
        case ast.MatchOr(patterns=patterns):
            found = {arm for part in patterns for arm in _matched(ctx, part, type_, left)}
        case _:
            found = set(arms)
    return [arm for arm in arms if arm in found] or list(arms)


def _test(ctx: Context, pattern: ast.pattern, operand: Operand, handled: set[object]) -> Operand | None:
    """The condition under which `pattern` matches; None if it always does. `handled` gets what it covers for sure."""
    match pattern:
        case ast.MatchAs(pattern=None):
            handled.update(_everything(operand.type) or ())
            return None
        case ast.MatchAs(pattern=ast.pattern() as inner):
            return _test(ctx, inner, operand, handled)
        case ast.MatchValue(value=value):
            return _test_value(ctx, value, operand, handled)
        case ast.MatchSingleton(value=None):
            if NONE not in arms_of(operand.type):
                raise ctx.reject("NK0329", "this is never `None`", pattern)
            handled.add(NONE)
            return ctx.op(ir.IsArm, pattern, BOOL, operand, (NONE,)) if operand.type != NONE else None
        case ast.MatchSingleton(value=bool() as wanted):
            if len(arms_of(operand.type)) > 1 and BOOL in arms_of(operand.type):
                return _test_arm(ctx, pattern, operand, ir.Const(BOOL, wanted), BOOL, handled)
            if operand.type != BOOL:
                raise ctx.reject("NK0310", f"`{wanted}` never matches a `{operand.type}`", pattern)
            handled.add(wanted)
            return operand if wanted else ctx.op(ir.Unary, pattern, BOOL, "not", ir.Mode.WRAPPING, operand)
        case ast.MatchOr(patterns=patterns):
            return _test_or(ctx, patterns, operand, handled)
        case ast.MatchClass():
            return _test_class(ctx, pattern, operand, handled)
        case ast.MatchSequence(patterns=patterns):
            return _test_tuple(ctx, pattern, patterns, operand)
    raise ctx.reject("NK0603", "this pattern is not in the language", pattern, "match on classes, constants or tuples")


def _test_value(ctx: Context, value: ast.expr, operand: Operand, handled: set[object]) -> Operand:
    if len(arms_of(operand.type)) > 1:
        return _test_arm_value(ctx, value, operand, handled)
    right = lower(ctx, value, operand.type)
    if isinstance(right, ir.Const) and isinstance(operand.type, EnumType):
        handled.add(right.value)
    return conditions.compare(ctx, ast.Eq(), operand, right, value, value, value)


def _test_arm_value(ctx: Context, value: ast.expr, operand: Operand, handled: set[object]) -> Operand:
    """A constant matched against a union: is it the arm that the constant belongs to, and equal?"""
    right = lower(ctx, value)
    may_be_bool = not isinstance(right, Untyped) or right.value in (0, 1)
    numbers = [a for a in arms_of(operand.type) if isinstance(a, IntType | FloatType) or (a == BOOL and may_be_bool)]
    if len(numbers) > 1 and (isinstance(right, Untyped) or right.type in numbers):
        kinds = "`, `".join(map(str, numbers))
        help = f"name the class: `case {numbers[0]}() as x if x == {ast.unparse(value)}:`"
        raise ctx.reject("NK0603", f"to Python this number may equal one of `{kinds}`", value, help)
    if isinstance(right, Untyped):
        arm: Type | None = next((a for a in arms_of(operand.type) if isinstance(a, IntType)), None)
    else:
        arm = right.type if right.type in arms_of(operand.type) else None
    if arm is None:
        raise ctx.reject("NK0329", f"this never matches `{operand.type}`", value)
    return _test_arm(ctx, value, operand, right, arm, handled)


def _test_arm(
    ctx: Context, node: ast.expr | ast.pattern, operand: Operand, right: Value, arm: Type, handled: set[object]
) -> Operand:
    """Is the union's value of this arm, and equal to `right`?"""
    if isinstance(right, ir.Const) and isinstance(right.value, int) and (isinstance(arm, EnumType) or arm == BOOL):
        handled.add(Member(arm, right.value))
    is_arm = ctx.op(ir.IsArm, node, BOOL, operand, (arm,))

    def equal() -> Operand:
        inner = ctx.op(ir.AsArm, node, arm, operand)
        if isinstance(right, ir.Const) and arm == BOOL:
            return inner if right.value else ctx.op(ir.Unary, node, BOOL, "not", ir.Mode.WRAPPING, inner)
        return conditions.compare(ctx, ast.Eq(), inner, right, node, node, node)

    return ctx.both(node, is_arm, equal)


def _test_or(ctx: Context, patterns: list[ast.pattern], operand: Operand, handled: set[object]) -> Operand | None:
    for pattern in patterns:
        for inner in ast.walk(pattern):
            if isinstance(inner, ast.MatchAs) and inner.name is not None:
                raise ctx.reject("NK0603", "alternatives can't capture", inner, "write `case A() | B() as x:`")
    first = _test(ctx, patterns[0], operand, handled)
    if first is None:
        raise ctx.reject("NK0602", "this alternative is never reached", patterns[1])
    for pattern in patterns[1:]:

        def other(pattern: ast.pattern = pattern) -> Operand:
            test = _test(ctx, pattern, operand, handled)
            return TRUE if test is None else test

        first = ctx.choose(pattern, first, lambda: TRUE, other, BOOL)
    return first


def _test_class(ctx: Context, pattern: ast.MatchClass, operand: Operand, handled: set[object]) -> Operand | None:
    arms = conditions.class_arms(ctx, pattern.cls, operand.type)
    parts = _fields(ctx, pattern, arms)
    covered: set[object] = set()
    is_arm: Operand | None = None
    if len(arms_of(operand.type)) > 1:
        is_arm = ctx.op(ir.IsArm, pattern, BOOL, operand, arms)
        covered = _parts(arms)

    def fields() -> Operand | None:
        inner = _as(ctx, operand, arms[0], pattern) if parts else operand
        test: Operand | None = None
        for found, part in parts:
            item = _item(ctx, inner, found, part)
            if test is None:
                test = _test(ctx, part, item, set())
            else:
                first = test

                def rest(part: ast.pattern = part, item: Operand = item) -> Operand:
                    return _test(ctx, part, item, set()) or TRUE

                test = ctx.both(part, first, rest)
        return test

    refutable = any(not _always(part) for _, part in parts)
    if not refutable:
        handled.update(covered)
        return is_arm
    if is_arm is None:
        return fields()
    return ctx.both(pattern, is_arm, lambda: fields() or TRUE)


def _always(pattern: ast.pattern) -> bool:
    """Does it match whatever it is (of its type)?"""
    return isinstance(pattern, ast.MatchAs) and (pattern.pattern is None or _always(pattern.pattern))


def _fields(ctx: Context, pattern: ast.MatchClass, arms: tuple[Type, ...]) -> list[tuple[Field, ast.pattern]]:
    """The fields that a class pattern looks into, with their patterns."""
    if not pattern.patterns and not pattern.kwd_patterns:
        return []
    inner = arms[0].target if isinstance(arms[0], RefType) else arms[0]
    if len(arms) != 1 or not isinstance(inner, ValueType | StructType):
        raise ctx.reject("NK0603", f"`{arms[0]}` has no fields to match", pattern, "capture it: `case u32() as x:`")
    names = [n for n, f in inner.fields.items() if not f.ghost]
    if pattern.patterns and isinstance(inner, StructType):
        help = f"`{inner}({names[0]}=…)`" if names else ""
        raise ctx.reject("NK0603", "the fields of a struct are matched by name", pattern, help)
    if len(pattern.patterns) > len(names):
        count = len(names)
        raise ctx.reject("NK0603", f"`{inner}` has {count} field{'s' * (count != 1)}", pattern)
    pairs = [(inner.fields[n], p) for n, p in zip(names, pattern.patterns, strict=False)]
    for name, part in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
        if name not in names:
            raise ctx.reject("NK0315", f"`{inner}` has no field `{name}`", part, suggestion(name, names))
        pairs.append((inner.fields[name], part))
    return pairs


def _item(ctx: Context, base: Operand, found: Field, node: ast.AST) -> Operand:
    return read_field(ctx, base, found.name, node)


def _test_tuple(
    ctx: Context, pattern: ast.MatchSequence, patterns: list[ast.pattern], operand: Operand
) -> Operand | None:
    type_ = operand.type
    if not isinstance(type_, TupleType) or len(type_.items) != len(patterns):
        raise ctx.reject("NK0603", f"this pattern never matches `{type_}`", pattern)
    test: Operand | None = None
    for index, part in enumerate(patterns):
        if _always(part):
            continue

        def one(part: ast.pattern = part, index: int = index) -> Operand:
            item = ctx.op(ir.Item, part, type_.items[index], operand, index)
            return _test(ctx, part, item, set()) or TRUE

        test = one() if test is None else ctx.both(part, test, one)
    return test


def _capture(
    ctx: Context,
    pattern: ast.pattern,
    operand: Operand,
    out: list[tuple[str, Operand, ast.AST]],
    left: Remaining = None,
) -> None:
    """The names that a pattern that has matched binds; `left` as in `_matched`."""
    match pattern:
        case ast.MatchAs(pattern=inner, name=name):
            if inner is not None:
                _capture(ctx, inner, operand, out)
            if name is not None:
                known = union_of(_matched(ctx, pattern, operand.type, left))
                out.append((name, _as(ctx, operand, known, pattern), pattern))
        case ast.MatchClass():
            arms = conditions.class_arms(ctx, pattern.cls, operand.type)
            parts = _fields(ctx, pattern, arms)
            if parts:
                base = _as(ctx, operand, arms[0], pattern)
                for found, part in parts:
                    _capture(ctx, part, _item(ctx, base, found, part), out)
        case ast.MatchSequence(patterns=patterns):
            assert isinstance(operand.type, TupleType)
            for index, part in enumerate(patterns):
                if not (isinstance(part, ast.MatchAs) and part.pattern is None and part.name is None):
                    item = ctx.op(ir.Item, part, operand.type.items[index], operand, index)
                    _capture(ctx, part, item, out)
