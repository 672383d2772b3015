"""Open types: what annotations of generic code mean before an instance is made, and the matching that makes one.

Three types live only here, never in the IR: `TypeParameter` (a type variable), `OpenArray` (an array of any length) and
`Application` (a class applied to open arguments, or whose array lengths are still open).

Invariant: `close` of a type under complete bindings, and the `actual` that `match` returns, are closed.
"""

from __future__ import annotations

from dataclasses import dataclass

from neokernel.compiler.declare import ClassDecl
from neokernel.compiler.types import (
    ArrayType,
    CoroutineType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
)

Bindings = dict[str, Type]


@dataclass(frozen=True)
class TypeParameter(Type):
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class OpenArray(Type):
    """`Array[T]` where the length isn't said: any length."""

    element: Type
    inline: bool = False
    atomic: bool = False

    def __str__(self) -> str:
        return f"Array[Embedded[{self.element}]]" if self.inline else f"Array[{self.element}]"


@dataclass(frozen=True)
class Application(Type):
    """A class applied to `arguments`, which are open or whose instance still lacks array lengths."""

    declaration: ClassDecl
    arguments: tuple[Type, ...]

    def __str__(self) -> str:
        name = self.declaration.name
        return f"{name}[{', '.join(map(str, self.arguments))}]" if self.arguments else name


@dataclass(frozen=True)
class OpenCoroutine(Type):
    """`Coroutine[T]`, the type of a parameter: a call of any `async def` with that result."""

    result: Type

    def __str__(self) -> str:
        return f"Coroutine[{self.result}]"


@dataclass(frozen=True)
class Origin:
    """Where an instance of a class comes from: the declaration, its type arguments, the lengths of its open fields.

    Of `Tasks`, a length is the whole array of frames.
    """

    declaration: ClassDecl
    arguments: tuple[Type, ...]
    lengths: tuple[int | ArrayType, ...]


def is_open(type_: Type) -> bool:
    """Does anything in `type_` still need an instance?"""
    match type_:
        case TypeParameter() | OpenArray() | Application() | OpenCoroutine():
            return True
        case RefType(target):
            return is_open(target)
        case ArrayType(element) | SpanType(element):
            return is_open(element)
        case TupleType(items):
            return any(map(is_open, items))
        case UnionType(arms):
            return any(map(is_open, arms))
    return False


class Matcher:
    """Matches patterns (parameter types) with actual types, collecting bindings of type variables.

    `origins` tells which class an instance type was made from.
    """

    def __init__(self, origins: dict[Type, Origin], bindings: Bindings) -> None:
        self.origins = origins
        self.bindings = bindings

    def match(self, pattern: Type, actual: Type) -> Type | None:
        """The closed type that `pattern` becomes for an argument of type `actual`, or None when they don't match.

        Implicit conversions that change the type (array to span, arm to union) are taken into account.
        """
        if not is_open(pattern):
            return pattern
        match pattern, actual:
            case TypeParameter(name), _:
                return self.bindings.setdefault(name, actual)
            case RefType(TypeParameter(name)), RefType():
                return self.bindings.setdefault(name, actual)
            case RefType(OpenArray(element, inline, atomic)), RefType(ArrayType() as array):
                same = (inline, atomic) == (array.inline, array.atomic)
                return actual if same and self._element(element, array.element, inline) else None
            case RefType(Application() as application), RefType(StructType() as struct):
                return actual if self._application(application, struct) else None
            case Application() as application, ValueType() as value:
                return actual if self._application(application, value) else None
            case SpanType(element, mutable, text, inline, _), SpanType(actual_element):
                same = (mutable, text, inline) == (actual.mutable, actual.text, actual.inline)
                return actual if same and self._element(element, actual_element, inline) else None
            case SpanType(element, True, _, inline, atomic), RefType(ArrayType(actual_element, _, actual_inline)):
                if inline != actual_inline or not self._element(element, actual_element, inline):
                    return None
                return SpanType(actual_element, True, inline=inline, atomic=atomic)
            case TupleType(items), TupleType(actual_items) if len(items) == len(actual_items):
                closed = [self.match(p, a) for p, a in zip(items, actual_items, strict=True)]
                return None if None in closed else TupleType(tuple(c for c in closed if c is not None))
            case OpenCoroutine(result), CoroutineType():
                return actual if self.match(result, actual.result) == actual.result else None
            case UnionType(arms), UnionType(actual_arms) if len(arms) == len(actual_arms):
                closed = [self.match(p, a) for p, a in zip(arms, actual_arms, strict=True)]
                return None if None in closed else UnionType(tuple(c for c in closed if c is not None))
            case UnionType(arms), _:
                for arm in arms:
                    if is_open(arm) and self.match(arm, actual) is not None:
                        closed_union = close(pattern, self.bindings)
                        return None if is_open(closed_union) else closed_union
        return None

    def _element(self, pattern: Type, actual: Type, inline: bool = False) -> bool:
        if inline:
            # A type variable stands for a variable's type, and that of an object is a reference.
            pattern, actual = RefType(pattern), RefType(actual)
        return self.match(pattern, actual) == actual

    def _application(self, application: Application, actual: StructType | ValueType) -> bool:
        origin = self.origins.get(actual)
        if origin is None or origin.declaration is not application.declaration:
            return False
        pairs = zip(application.arguments, origin.arguments, strict=True)
        return all(self._element(pattern, argument) for pattern, argument in pairs)


def close(type_: Type, bindings: Bindings) -> Type:
    """`type_` with type variables replaced. Applications stay (the instance maker resolves them)."""
    match type_:
        case TypeParameter(name):
            return bindings.get(name, type_)
        case RefType(target):
            closed = close(target, bindings)
            # A type variable may stand for a reference already.
            return closed if isinstance(target, TypeParameter) and closed is not target else RefType(closed)
        case OpenArray(element, inline, atomic):
            return OpenArray(_close_element(element, inline, bindings), inline, atomic)
        case ArrayType(element, length, inline, atomic):
            return ArrayType(_close_element(element, inline, bindings), length, inline, atomic)
        case SpanType(element, mutable, text, inline, atomic):
            return SpanType(_close_element(element, inline, bindings), mutable, text, inline, atomic)
        case TupleType(items):
            return TupleType(tuple(close(item, bindings) for item in items))
        case UnionType(arms):
            return UnionType(tuple(close(arm, bindings) for arm in arms))
        case Application(declaration, arguments):
            return Application(declaration, tuple(close(a, bindings) for a in arguments))
        case OpenCoroutine(result):
            return OpenCoroutine(close(result, bindings))
    return type_


def _close_element(element: Type, inline: bool, bindings: Bindings) -> Type:
    if not inline:
        return close(element, bindings)
    closed = close(RefType(element), bindings)
    return closed.target if isinstance(closed, RefType) else closed
