"""`@struct` and `@value`: their CPython meaning.

Invariants:
- A field holds what its declaration says, coerced when it is stored; there are no other attributes.
- Inline fields (`Embedded`, `Array`, `Atomic`) are set once, by the constructor.
- A struct is compared by identity and always an ordinary object; a value never changes and is compared field by field.

What is known of an object beside its fields stands in its `__dict__` under names with a dot, which no field can have.

Annotations are resolved when the first object is made, so that classes may name each other in any order.
"""

from __future__ import annotations

import re
import sys
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from neokernel.lang.atomics import Atomic
from neokernel.lang.coroutines import Tasks
from neokernel.lang.failures import FieldError, StaticError
from neokernel.lang.sequences import UNSET, Array, Shape, Window, settle
from neokernel.lang.shapes import Embedded, Ghost, element_shape, is_open, shape_of


class Missing:
    """The default of a field that has none, and the mark of an argument that wasn't given."""

    def __repr__(self) -> str:
        return "…"


MISSING = Missing()


class Default:
    """A field's default as the instrumented class body leaves it: an expression, evaluated at each construction."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


class Field:
    """A declared field; `type` and what follows from it are known once the record is resolved."""

    __slots__ = ("annotation", "default", "ghost", "inline", "name", "shape", "type")

    def __init__(self, name: str, annotation: Any, default: Default | None) -> None:
        self.name = name
        self.annotation = annotation
        self.default = default
        self.type: Any = None
        self.shape: Shape
        self.inline = False
        self.ghost = False


def evaluate(annotation: Any, namespace: dict[str, Any]) -> Any:
    """The type that an annotation (text, perhaps quoted twice) stands for."""
    while isinstance(annotation, str):
        annotation = eval(annotation, namespace)  # noqa: S307 - text of the module itself
    return annotation


OUTERMOST = re.compile(r"[\s'\"]*([\w.]+)\s*\[")


def is_embedded(annotation: Any, namespace: dict[str, Any]) -> bool:
    """Is it `Embedded[…]`? What stands in the brackets may not be defined yet."""
    if not isinstance(annotation, str):
        return typing.get_origin(annotation) is Embedded
    outermost = OUTERMOST.match(annotation)
    if outermost is None:
        return False
    first, *others = outermost[1].split(".")
    found = namespace.get(first)
    for name in others:
        found = getattr(found, name, None)
    return found is Embedded


def substitute(annotation: Any, bindings: dict[Any, Any]) -> Any:
    """`annotation` with type variables replaced."""
    if isinstance(annotation, TypeVar):
        return bindings.get(annotation, annotation)
    parameters = getattr(annotation, "__parameters__", ())
    if not parameters or (isinstance(annotation, type) and typing.get_origin(annotation) is None):
        return annotation
    generic: Any = annotation
    return generic[tuple(bindings.get(parameter, parameter) for parameter in parameters)]


class Record:
    """What a decorator knows about its class."""

    def __init__(self, kind: type, role: str) -> None:
        self.kind = kind
        self.role = role
        self.fields: dict[str, Field] = {}
        self.evaluated = False
        self.resolved = False
        #: what equality and patterns look at: ghost fields aren't in images (known once resolved)
        self.compared: tuple[str, ...] = ()
        #: field name to class: values of exactly that class are stored without further ado
        self.expected: dict[str, type] = {}
        #: likewise for unions
        self.exact: dict[str, frozenset[type]] = {}
        self.parameters: tuple[Any, ...] = getattr(kind, "__parameters__", ())
        self.invariants = [member for member in vars(kind).values() if hasattr(member, "_invariant")]
        for name, annotation in kind.__dict__.get("__annotations__", {}).items():  # noqa: RUF063
            default = None
            if name in kind.__dict__:
                given = kind.__dict__[name]
                default = given if isinstance(given, Default) else self.constant_default(name, given)
                delattr(kind, name)
            self.fields[name] = Field(name, annotation, default)
        self.zero: Callable[[], Any] | None = self.make_zero if role == "value" else None

    @staticmethod
    def constant_default(name: str, given: Any) -> Default:
        """A default in a class of the host, not instrumented: evaluated once, so it mustn't have an identity."""
        if isinstance(given, Window) or (hasattr(type(given), "_record") and type(given)._record.role != "value"):
            raise StaticError(f"field {name}: a default with an identity needs an instrumented module")
        return Default(lambda: given)

    def evaluate(self) -> None:
        """Evaluate the annotations: names are those of the class's module."""
        if not self.evaluated:
            namespace = vars(sys.modules[self.kind.__module__]) | {self.kind.__name__: self.kind}
            for field in self.fields.values():
                field.type = evaluate(field.annotation, namespace)
            self.evaluated = True

    def resolve(self) -> None:
        """Find out how each field behaves."""
        self.evaluate()
        for field in self.fields.values():
            origin = typing.get_origin(field.type)
            field.ghost = origin is Ghost
            field.inline = origin in (Embedded, Array, Atomic) or field.type is Tasks
            field.shape = shape_of(field.type)
            if not field.inline and field.shape.expected is not None:
                self.expected[field.name] = field.shape.expected
            elif field.shape.exact:
                self.exact[field.name] = field.shape.exact
        self.compared = tuple(field.name for field in self.fields.values() if not field.ghost)
        if self.role == "value":
            setattr(self.kind, "__match_args__", self.compared)  # noqa: B010 - mypy knows the attribute as final
        self.resolved = True

    def coerce(self, name: str, value: Any, owner: Any = None) -> Any:
        """`value` as field `name` of `owner` holds it."""
        if not self.resolved:
            self.resolve()
        field = self.fields.get(name)
        if field is None:
            raise FieldError(f"{self.kind.__name__} has no field {name}")
        bindings = owner.__dict__.get(".bindings") if owner is not None else None
        shape = field.shape if bindings is None else shape_of(substitute(field.type, bindings))
        try:
            return shape.coerce(value)
        except StaticError as error:
            error.args = (f"{self.kind.__name__}.{name}: {error}",)
            raise

    def embedded(self, name: str, bindings: dict[Any, Any] | None = None) -> Any:
        """What an `Embedded[S]` field without default holds: `S()`, or UNSET until it is known what S is."""
        if not self.resolved:
            self.resolve()
        declared = self.fields[name].type
        shape = element_shape(declared if bindings is None else substitute(declared, bindings))
        return UNSET if shape is None else shape.make_zero()

    def inside(self, instance: Any) -> list[Any]:
        """The objects that are part of this one."""
        held = [instance.__dict__[name] for name, field in self.fields.items() if field.inline]
        return [item for item in held if not isinstance(item, Atomic)]

    def bind(self, instance: Any, bindings: dict[Any, Any]) -> None:
        """Tell a generic struct's object its type arguments, and what is inside it."""
        known = instance.__dict__.get(".bindings")
        if known is not None:
            if known != bindings:
                raise StaticError(f"this {self.kind.__name__} has other type arguments: {known}, not {bindings}")
            return
        instance.__dict__[".bindings"] = bindings
        if not self.resolved:
            self.resolve()
        for field in self.fields.values():
            if not is_open(field.type) or field.name not in instance.__dict__:
                continue
            held = instance.__dict__[field.name]
            if held is UNSET:
                held = self.embedded(field.name, bindings)
            else:
                held = self.coerce(field.name, held, instance)
            if field.inline:
                settle(instance.__dict__, field.name, held)
            else:
                instance.__dict__[field.name] = held

    def make_zero(self, bindings: dict[Any, Any] | None = None) -> Any:
        """The value of zeroes; of a generic class, with these type arguments."""
        if not self.resolved:
            self.resolve()
        known = bindings or {}
        shapes = {f.name: shape_of(substitute(f.type, known)) if known else f.shape for f in self.fields.values()}
        return self.kind(**{name: shape.make_zero() for name, shape in shapes.items()})

    def constructor(self, store: str, keyword_only: bool) -> Callable[..., None]:
        """`__init__` with the fields as parameters, from text: one frame, and arguments checked by CPython itself.

        `store` is the statement that sets a field, with `{name}` for its name and its value.
        """
        parameters, body = [], []
        namespace: dict[str, Any] = {
            "_nk_missing": MISSING,
            "_nk_put": object.__setattr__,
            "_nk_coerce": self.coerce,
            "_nk_expected": self.expected.get,
            "_nk_check_invariants": check_invariants,
            "_nk_embedded": self.embedded,
        }
        module = vars(sys.modules[self.kind.__module__])
        for field in self.fields.values():
            if field.default is None and is_embedded(field.annotation, module):
                parameters.append(f"{field.name}=_nk_missing")
                body.append(f"    if {field.name} is _nk_missing: {field.name} = _nk_embedded({field.name!r})")
            elif field.default is None:
                parameters.append(field.name)
            else:
                parameters.append(f"{field.name}=_nk_missing")
                namespace[f"_nk_default_{field.name}"] = field.default.make
                body.append(f"    if {field.name} is _nk_missing: {field.name} = _nk_default_{field.name}()")
            body.append("    " + store.format(name=field.name))
        if self.invariants:
            body.append("    _nk_check_invariants(_nk_self)")
        star = "*, " if keyword_only and parameters else ""
        text = f"def __init__(_nk_self, {star}{', '.join(parameters)}):\n" + "\n".join(body or ["    pass"])
        exec(compile(text, f"<constructor of {self.kind.__name__}>", "exec"), namespace)  # noqa: S102
        made: Callable[..., None] = namespace["__init__"]
        made.__qualname__ = f"{self.kind.__qualname__}.__init__"
        return made


def struct(kind: Any) -> Any:
    """Class decorator: an object with an identity. Fields are keyword arguments of its constructor."""
    record = Record(kind, "struct")
    expected, exact, nothing, put = record.expected, record.exact, frozenset[type](), object.__setattr__

    def assign(self: Any, name: str, value: Any) -> None:
        if value.__class__ is expected.get(name) or value.__class__ in exact.get(name, nothing):
            put(self, name, value)
            return
        if name == "__orig_class__":  # Ring[u8](…): typing tells the object how it was made
            record.bind(self, dict(zip(record.parameters, typing.get_args(value), strict=True)))
            return
        if value is not UNSET:
            value = record.coerce(name, value, self)
        if not record.fields[name].inline:
            put(self, name, value)
        elif name in self.__dict__:
            raise FieldError(f"{kind.__name__}.{name} is inline: change it in place, it is never rebound")
        else:
            settle(self.__dict__, name, value)

    def remove(_: Any, name: str) -> None:
        raise FieldError(f"{kind.__name__}.{name}: fields can't be deleted")

    kind._record = record
    kind.__setattr__ = assign
    kind.__delattr__ = remove
    kind.__init__ = record.constructor("_nk_self.{name} = {name}", keyword_only=True)
    kind.__repr__ = represent
    return kind


def same(a: Any, b: Any) -> bool:
    """`a == b`, but tuples item by item: Python's take identical objects for equal, and NaN isn't."""
    if a.__class__ is tuple and b.__class__ is tuple:
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def value(kind: Any) -> Any:
    """Class decorator: a frozen record, compared by its fields. They may be given by position."""
    record = Record(kind, "value")

    def assign(_: Any, name: str, value: Any) -> None:
        raise FieldError(f"{kind.__name__} is a value: replace(v, {name}=…) makes a changed copy")

    def remove(_: Any, name: str) -> None:
        raise FieldError(f"{kind.__name__} is a value: its fields can't be deleted")

    def equal(self: Any, other: object) -> Any:
        if other.__class__ is not kind:
            return NotImplemented
        mine, theirs = self.__dict__, other.__dict__
        return all(same(mine[name], theirs[name]) for name in record.compared)

    def hashed(self: Any) -> int:
        return hash((kind, *(self.__dict__[name] for name in record.compared)))

    kind._record = record
    store = '_nk_put(_nk_self, "{name}", {name} if {name}.__class__ is _nk_expected("{name}") '
    store += 'else _nk_coerce("{name}", {name}))'
    kind.__init__ = record.constructor(store, keyword_only=False)
    kind.__setattr__ = assign
    kind.__delattr__ = remove
    kind.__eq__ = equal
    kind.__hash__ = hashed
    kind.__repr__ = represent
    return kind


def replace(original: Any, **changes: Any) -> Any:
    """A copy of a value with some fields changed."""
    record = getattr(type(original), "_record", None)
    if record is None or record.role != "value":
        raise StaticError(f"replace() takes a value, not {type(original).__name__}")
    for name in changes:
        if name not in record.fields:
            raise FieldError(f"{record.kind.__name__} has no field {name}")
    return record.kind(**{**original.__dict__, **changes})


# --- invariants ---------------------------------------------------------------------------------------------------


def invariant(method: Any) -> Any:
    """Decorator: a method that says what holds of the object whenever none of its methods is running."""
    method._invariant = True
    return method


def check_invariants(instance: Any) -> None:
    """Run the invariants; each raises by itself (the instrumentation sees to it), where its `return` stands.

    They may call methods of the object, at whose ends they aren't run again.
    """
    state = instance.__dict__
    state[".depth"] = state.get(".depth", 0) + 1
    try:
        for check in instance._record.invariants:
            check(instance)
    finally:
        state[".depth"] -= 1


# --- representation -----------------------------------------------------------------------------------------------


def show(item: Any, inline: bool) -> str:
    """A field's value on a line: numbers bare, objects inside in full, references by class and address only."""
    if isinstance(item, Enum):
        return str(item)
    if isinstance(item, (int, float)):
        return str(item)
    record = getattr(type(item), "_record", None)
    if record is not None and record.role != "value" and not inline:
        return f"<{type(item).__name__} at {id(item):#x}>"
    return repr(item)


def represent(self: Any) -> str:
    """`S(a=1, b=2)`, over several lines when long. References don't recurse, so cycles end."""
    record: Record = type(self)._record
    shown = [
        f"{name}={show(self.__dict__[name], field.inline)}"
        for name, field in record.fields.items()
        if name in self.__dict__
    ]
    line = f"{type(self).__name__}({', '.join(shown)})"
    if len(line) <= 100 and "\n" not in line:
        return line
    body = ",\n".join(shown).replace("\n", "\n    ")
    return f"{type(self).__name__}(\n    {body},\n)"
