"""Annotations to types, and class declarations to instances with fields.

Invariant: one type object per (class, type arguments, array lengths): instance types compare by identity.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from neokernel.compiler.declare import (
    AliasDecl,
    ClassDecl,
    Declaration,
    EnumDecl,
    FieldDecl,
    LangName,
    ModuleRef,
    Parameter,
    ProtocolDecl,
    Scope,
    TypeVarDecl,
)
from neokernel.compiler.diagnostics import Diagnostic, Rejected, suggestion
from neokernel.compiler.forgotten import nearly, unimported
from neokernel.compiler.generics import (
    Application,
    Bindings,
    OpenArray,
    OpenCoroutine,
    Origin,
    TypeParameter,
    is_open,
)
from neokernel.compiler.types import (
    BOOL,
    BYTES,
    F32,
    F64,
    INTS,
    NEVER,
    NONE,
    STR,
    USIZE,
    ArrayType,
    Field,
    FloatType,
    IntType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireField,
    WireType,
)
from neokernel.compiler.vocabulary import BIT_FIELDS, ENDIAN, WIDTHS

_SCALARS: dict[str, Type] = {
    **INTS,
    "usize": USIZE,
    "f32": F32,
    "f64": F64,
    "bool": BOOL,
    "str": STR,
    "bytes": BYTES,
    "NoReturn": NEVER,
}


def reject(scope: Scope, code: str, message: str, node: ast.AST, help: str = "") -> Rejected:
    """The exception that carries a diagnostic at `node`."""
    return Rejected(Diagnostic(code, message, scope.module.span(node), help))


#: a generic class within itself, with other arguments each time: a program that means it stops sooner
_MOST_NESTED = 32


def not_a_type(scope: Scope, node: ast.expr) -> Rejected:
    shown = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)
    return reject(scope, "NK0301", f"`{shown}` is not a type", node, "a type is a name, `A | B`, or `Name[…]`")


@dataclass(eq=False, slots=True)
class Resolver:
    """Types of a whole program. `length_of` evaluates a constant expression to an array length, `frames_of` the type of
    `tasks(f, n)`.

    `handle`: the declaration of `Handle[T]`, from the prelude. `report` takes what is wrong with a class: the
    instance is made all the same, without the fields that can't be had, and `is_whole` says so.
    """

    length_of: Callable[[ast.expr, Scope], int]
    handle: ClassDecl
    report: Callable[[Rejected], None]
    frames_of: Callable[[ast.Call, Scope], ArrayType]
    instances: dict[Origin, StructType | ValueType | WireType] = field(default_factory=dict)
    origins: dict[Type, Origin] = field(default_factory=dict)
    _making: list[Type] = field(default_factory=list)
    _aliases: list[AliasDecl] = field(default_factory=list)

    # --- annotations ---

    def resolve(self, node: ast.expr, scope: Scope, bindings: Bindings) -> Type:
        """The type of a variable annotated `node`. Open where `bindings` or lengths are missing."""
        match node:
            case ast.Constant(value=None):
                return NONE
            case ast.Constant(value=str() as text):
                return self.resolve(self._parse(text, node, scope), scope, bindings)
            case ast.Name() | ast.Attribute():
                return self._named(self.find(node, scope), node, scope, bindings)
            case ast.BinOp(op=ast.BitOr()):
                return self._union(node, scope, bindings)
            case ast.Subscript():
                return self._subscript(node, scope, bindings)
        raise not_a_type(scope, node)

    def parameter(self, parameter: Parameter, scope: Scope, bindings: Bindings) -> Type:
        """The type of a parameter. One annotated with a protocol is generic: it takes any struct with those methods."""
        assert parameter.annotation is not None
        protocol = self.protocol(parameter, scope)
        if protocol is not None:
            name = f"{parameter.name}: {protocol}"
            return bindings.get(name, TypeParameter(name))
        if isinstance(parameter.annotation, ast.Subscript):
            if self.find(parameter.annotation.value, scope) == LangName("Coroutine"):
                return OpenCoroutine(self.resolve(parameter.annotation.slice, scope, bindings))
        return self.resolve(parameter.annotation, scope, bindings)

    def protocol(self, parameter: Parameter, scope: Scope) -> str | None:
        """The name of the protocol that a parameter is annotated with."""
        if isinstance(parameter.annotation, ast.Name | ast.Attribute):
            found = self.find(parameter.annotation, scope)
            return found.name if isinstance(found, ProtocolDecl) else None
        return None

    def _parse(self, text: str, node: ast.Constant, scope: Scope) -> ast.expr:
        try:
            parsed = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise not_a_type(scope, node) from None
        for inner in ast.walk(parsed):
            ast.copy_location(inner, node)
        return parsed

    def find(self, node: ast.expr, scope: Scope) -> Declaration:
        """The declaration that a name or dotted name stands for."""
        match node:
            case ast.Name(id=name):
                found = scope.lookup(name)
                if found is None:
                    help = unimported(scope.module, name) or _unknown(name, [*scope.names, *_SCALARS])
                    raise reject(scope, "NK0208", f"`{name}` is not defined", node, help)
                return found
            case ast.Attribute(value=value, attr=name):
                outer = self.find(value, scope)
                if isinstance(outer, ModuleRef):
                    inner = outer.scope.names.get(name)
                    if inner is None:
                        known = list(outer.scope.names)
                        raise reject(
                            scope,
                            "NK0204",
                            f"`{outer.scope.module.name}` has no `{name}`",
                            node,
                            suggestion(name, known),
                        )
                    return inner
        raise not_a_type(scope, node)

    def _named(self, found: Declaration, node: ast.expr, scope: Scope, bindings: Bindings) -> Type:
        match found:
            case LangName(name) if name in _SCALARS:
                return _SCALARS[name]
            case LangName("<unknown>"):
                raise Rejected.silent()
            case EnumDecl():
                return found.type
            case TypeVarDecl():
                return bindings.get(found.name, TypeParameter(found.name))
            case AliasDecl():
                if found in self._aliases:
                    raise reject(scope, "NK0301", f"`{found.name}` stands for itself", node, "break the circle")
                self._aliases.append(found)
                try:
                    return self.resolve(found.value, found.scope, bindings)
                finally:
                    self._aliases.pop()
            case ClassDecl():
                if found.parameters:
                    wanted = ", ".join(found.parameters)
                    raise reject(
                        scope, "NK0302", f"`{found.name}` needs type arguments", node, f"write `{found.name}[{wanted}]`"
                    )
                return self.applied(found, ())
            case LangName(name):
                raise reject(scope, "NK0301", f"`{name}` can't stand here as a type", node, _wrong(name))
            case ProtocolDecl():
                raise reject(
                    scope,
                    "NK0303",
                    f"protocol `{found.name}` is not a type of the language",
                    node,
                    "it stands as the type of a parameter, which makes the function generic",
                )
        raise not_a_type(scope, node)

    def applied(self, declaration: ClassDecl, arguments: tuple[Type, ...]) -> Type:
        """The variable type of a class applied to arguments: an instance, or an `Application` while that is open."""
        if any(map(is_open, arguments)) or self.open_fields(declaration):
            base: Type = Application(declaration, arguments)
        else:
            base = self.instance(declaration, arguments, ())
        return base if declaration.form == "value" else RefType(base)

    def _union(self, node: ast.expr, scope: Scope, bindings: Bindings) -> Type:
        parts: list[tuple[Type, ast.expr]] = []

        def collect(part: ast.expr) -> None:
            if isinstance(part, ast.BinOp) and isinstance(part.op, ast.BitOr):
                collect(part.left)
                collect(part.right)
                return
            resolved = self.resolve(part, scope, bindings)
            arms = resolved.arms if isinstance(resolved, UnionType) else (resolved,)
            parts.extend((arm, part) for arm in arms)

        collect(node)
        arms: list[Type] = []
        for arm, part in parts:
            if arm in arms:
                continue
            clash = next((a for a in arms if _same_kind(a, arm)), None)
            if clash is not None:
                raise reject(
                    scope,
                    "NK0304",
                    f"`{clash}` and `{arm}` can't be arms of one union: at run time they could not be told apart",
                    part,
                    "wrap one of them in a `@value`",
                )
            if arm == NEVER:
                raise reject(scope, "NK0304", "`NoReturn` can't be an arm of a union", part)
            arms.append(arm)
        return arms[0] if len(arms) == 1 else UnionType(tuple(arms))

    def _subscript(self, node: ast.Subscript, scope: Scope, bindings: Bindings) -> Type:
        found = self.find(node.value, scope)
        if found == LangName("Handle"):
            found = self.handle
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        match found:
            case LangName("tuple"):
                if len(items) == 2 and isinstance(items[1], ast.Constant) and items[1].value is ...:
                    return SpanType(self.resolve(items[0], scope, bindings), mutable=False)
                return TupleType(tuple(self.resolve(item, scope, bindings) for item in items))
            case LangName("Array" | "Span" as name):
                if len(items) != 1:
                    raise reject(scope, "NK0301", f"`{name}` has one type argument", node)
                element, inline, atomic = self.element(items[0], scope, bindings)
                if name == "Array":
                    return RefType(OpenArray(element, inline, atomic))
                return SpanType(element, mutable=True, inline=inline, atomic=atomic)
            case LangName("Coroutine"):
                raise reject(
                    scope,
                    "NK0421",
                    "a coroutine is no value that is kept: `Coroutine[…]` is the type of a parameter",
                    node,
                    "run it in the function that it is handed to, or `start` it in a field `Tasks`",
                )
            case LangName("Embedded" | "Atomic" | "Ghost" as name):
                raise reject(
                    scope,
                    "NK0305",
                    f"`{name}[...]` says how a field is stored; it is not the type of a variable",
                    node,
                    "write the type that stands inside the brackets" if name != "Atomic" else "",
                )
            case LangName("Final"):
                return self.resolve(items[0], scope, bindings)
            case LangName("<unknown>"):
                raise Rejected.silent()
            case ClassDecl():
                if len(items) != len(found.parameters):
                    count = len(found.parameters)
                    raise reject(scope, "NK0302", f"`{found.name}` has {count} type argument{'s' * (count != 1)}", node)
                return self.applied(found, tuple(self.resolve(item, scope, bindings) for item in items))
        raise not_a_type(scope, node)

    def element(self, node: ast.expr, scope: Scope, bindings: Bindings) -> tuple[Type, bool, bool]:
        """(element type, inline, atomic) of `Array[node]` or `Span[node]`."""
        match node:
            case ast.Subscript(value=ast.Name() | ast.Attribute() as value):
                found = self.find(value, scope)
                if found == LangName("Embedded"):
                    inner = self.resolve(node.slice, scope, bindings)
                    if isinstance(inner, TypeParameter):
                        return inner, True, False
                    if not isinstance(inner, RefType) or isinstance(inner.target, OpenArray):
                        raise reject(scope, "NK0306", f"`Embedded` wants a struct, and `{inner}` is none", node)
                    if isinstance(inner.target, Application) and self.open_fields(inner.target.declaration):
                        message = f"the length of `{inner}` isn't known here"
                        raise reject(scope, "NK0307", message, node, "give its array a default: `= array(64)`")
                    return inner.target, True, False
                if found == LangName("Atomic"):
                    return self.atomic(node, scope, bindings), False, True
        element = self.resolve(node, scope, bindings)
        if isinstance(element, RefType) and isinstance(element.target, ArrayType | OpenArray):
            raise reject(
                scope,
                "NK0306",
                "an array of arrays",
                node,
                "use one array of rows × columns elements, or embed a struct",
            )
        if element in (NONE, NEVER):
            raise reject(scope, "NK0306", f"an array of `{element}` holds nothing", node)
        return element, False, False

    def atomic(self, node: ast.Subscript, scope: Scope, bindings: Bindings) -> IntType:
        inner = self.resolve(node.slice, scope, bindings)
        if not isinstance(inner, IntType):
            raise reject(scope, "NK0306", f"`Atomic` wants an integer width, not `{inner}`", node)
        return inner

    # --- classes ---

    def open_fields(self, declaration: ClassDecl) -> list[FieldDecl]:
        """The fields of a struct that are arrays without a default: the class is generic in their lengths."""
        if declaration.form != "struct":
            return []
        return [
            f
            for f in declaration.fields.values()
            if f.default is None and (self._is_array(f, declaration) or self.is_tasks(f, declaration))
        ]

    def _is_array(self, field_: FieldDecl, declaration: ClassDecl) -> bool:
        value = field_.annotation.value if isinstance(field_.annotation, ast.Subscript) else None
        return isinstance(value, ast.Name) and declaration.scope.names.get(value.id) == LangName("Array")

    def is_tasks(self, field_: FieldDecl, declaration: ClassDecl) -> bool:
        name = field_.annotation
        return isinstance(name, ast.Name) and declaration.scope.names.get(name.id) == LangName("Tasks")

    def instance(
        self, declaration: ClassDecl, arguments: tuple[Type, ...], lengths: tuple[int | ArrayType, ...]
    ) -> StructType | ValueType | WireType:
        """The instance of a class, with its fields filled in."""
        origin = Origin(declaration, arguments, lengths)
        found = self.instances.get(origin)
        if found is not None:
            if found in self._making and declaration.form == "value":
                raise reject(declaration.scope, "NK0708", f"`{declaration.name}` contains itself", declaration.node)
            return found
        if sum(self.origins[made].declaration is declaration for made in self._making) > _MOST_NESTED:
            message = f"`{declaration.name}` needs itself with ever larger type arguments"
            raise reject(declaration.scope, "NK0708", message, declaration.node)
        inner = ", ".join([*map(str, arguments), *map(str, lengths)])
        name = f"{declaration.name}[{inner}]" if inner else declaration.name
        made: StructType | ValueType | WireType
        match declaration.form:
            case "struct":
                made = StructType(name, declaration.module.name)
            case "value":
                made = ValueType(name, declaration.module.name)
            case _:
                made = WireType(name, declaration.module.name, registers=declaration.registers)
        self.instances[origin] = made
        self.origins[made] = origin
        self._making.append(made)
        try:
            if isinstance(made, WireType):
                _lay_out_wire(self, declaration, made)
            else:
                bindings = dict(zip(declaration.parameters, arguments, strict=True))
                open_lengths = dict(zip((f.name for f in self.open_fields(declaration)), lengths, strict=True))
                for item in declaration.fields.values():
                    try:
                        member = self._field(declaration, item, bindings, open_lengths.get(item.name))
                        made.fields[item.name] = replace(member, required=declaration.must_be_given(item))
                    except Rejected as rejected:
                        self.report(rejected)
        except Rejected as rejected:
            self.report(rejected)
        finally:
            self._making.pop()
        return made

    def is_whole(self, type_: StructType | ValueType | WireType) -> bool:
        """Has the instance all the fields that its class declares? (If not, that has been reported.)"""
        origin = self.origins.get(type_)
        return origin is None or len(type_.fields) == len(origin.declaration.fields)

    def bindings_of(self, type_: Type) -> Bindings:
        """The type arguments of an instance type, by variable."""
        origin = self.origins.get(type_)
        if origin is None:
            return {}
        return dict(zip(origin.declaration.parameters, origin.arguments, strict=True))

    def _field(
        self, declaration: ClassDecl, item: FieldDecl, bindings: Bindings, length: int | ArrayType | None
    ) -> Field:
        scope, node = declaration.scope, item.annotation
        if self.is_tasks(item, declaration) and declaration.form == "struct":
            return Field(item.name, self._frames(declaration, item, length), inline=True)
        assert not isinstance(length, ArrayType)
        wrapper, inner = "", node
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            found = scope.lookup(node.value.id)
            if isinstance(found, LangName) and found.name in ("Embedded", "Atomic", "Ghost", "Array"):
                wrapper, inner = found.name, node.slice
        if declaration.form == "value" and wrapper in ("Embedded", "Atomic", "Array"):
            raise reject(
                scope,
                "NK0709",
                f"a `@value` is copied, so it can't hold `{wrapper}`",
                node,
                "make it a `@struct`, or hold a reference, `Span` or tuple",
            )
        match wrapper:
            case "Embedded":
                return self._embedded(declaration, item, inner, bindings)
            case "Atomic":
                assert isinstance(node, ast.Subscript)
                return Field(item.name, self.atomic(node, scope, bindings), atomic=True)
            case "Ghost":
                return Field(item.name, self.resolve(inner, scope, bindings), ghost=True)
            case "Array":
                element, inline, atomic = self.element(inner, scope, bindings)
                if inline and self._contains(element, self._making[-1]):
                    raise reject(scope, "NK0708", f"`{declaration.name}` contains itself", node)
                count = length if length is not None else self.default_length(item, declaration)
                return Field(item.name, ArrayType(element, count, inline, atomic), inline=True)
        type_ = self.resolve(node, scope, bindings)
        if is_open(type_):
            raise reject(
                scope,
                "NK0307",
                f"a reference to `{type_}` of any length can't be a field: code that reads it must know the length",
                node,
                "hold a `Span[T]`, or embed it with its length: `Embedded[...] = ...(slots=array(64))`",
            )
        if type_ == NEVER:
            raise reject(scope, "NK0301", "`NoReturn` is the result of a function only", node)
        return Field(item.name, type_)

    def _frames(self, declaration: ClassDecl, item: FieldDecl, given: int | ArrayType | None) -> ArrayType:
        """The type of a field `Tasks`: what its default says, or what the constructor was given."""
        if isinstance(given, ArrayType):
            return given
        assert item.default is not None
        return self.tasks_of(item.default, declaration.scope)

    def tasks_of(self, node: ast.expr, scope: Scope) -> ArrayType:
        """The type of the frames that `tasks(f, n)` makes."""
        match node:
            case ast.Call(func=ast.Name(id=name)) if scope.names.get(name) == LangName("tasks"):
                return self.frames_of(node, scope)
        raise reject(scope, "NK0423", "frames are made where they stand", node, "write `tasks(function, number)`")

    def _embedded(self, declaration: ClassDecl, item: FieldDecl, inner: ast.expr, bindings: Bindings) -> Field:
        scope = declaration.scope
        type_ = self.resolve(inner, scope, bindings)
        if not isinstance(type_, RefType) or isinstance(type_.target, OpenArray):
            raise reject(
                scope,
                "NK0306",
                f"`Embedded` wants a struct, and `{type_}` is none",
                inner,
                f"write `{item.name}: {type_}`",
            )
        target = type_.target
        if isinstance(target, Application):
            lengths = self._constructor_lengths(target.declaration, item.default, inner, scope)
            target = self.instance(target.declaration, target.arguments, lengths)
        if self._contains(target, self._making[-1]):
            raise reject(scope, "NK0708", f"`{declaration.name}` contains itself", item.annotation)
        return Field(item.name, target, inline=True)

    @staticmethod
    def _contains(outer: Type, inner: Type) -> bool:
        """Does an object of `outer` have one of `inner` inside, by the fields known so far?

        Asked as each embedding is added: of those that would form a circle, the last one closes it.
        """
        left, seen = [outer], set[Type]()
        while left:
            type_ = left.pop()
            if type_ is inner:
                return True
            if isinstance(type_, ArrayType) and type_.inline:
                left.append(type_.element)
            elif isinstance(type_, StructType) and type_ not in seen:
                seen.add(type_)
                left += [field.type for field in type_.fields.values() if field.inline]
        return False

    def _constructor_lengths(
        self, wanted: ClassDecl, default: ast.expr | None, node: ast.expr, scope: Scope
    ) -> tuple[int | ArrayType, ...]:
        if not isinstance(default, ast.Call):
            field_ = self.open_fields(wanted)[0].name
            raise reject(
                scope,
                "NK0307",
                f"the length of `{wanted.name}` isn't known here",
                default or node,
                f"give the field a default: `{wanted.name}({field_}=array(64))`",
            )
        return self.lengths_in_call(wanted, default, scope)

    def lengths_in_call(self, wanted: ClassDecl, call: ast.Call, scope: Scope) -> tuple[int | ArrayType, ...]:
        """The lengths that a constructor call of `wanted` gives to its open fields; of `Tasks`, the whole type."""
        lengths: list[int | ArrayType] = []
        for open_field in self.open_fields(wanted):
            argument = next((k.value for k in call.keywords if k.arg == open_field.name), None)
            is_tasks = self.is_tasks(open_field, wanted)
            if argument is None:
                help = f"write `{open_field.name}={'tasks(function, 64)' if is_tasks else 'array(64)'}`"
                raise reject(scope, "NK0710", f"field `{open_field.name}` of `{wanted.name}` is missing", call, help)
            lengths.append((self.tasks_of if is_tasks else self.array_length)(argument, scope))
        return tuple(lengths)

    def default_length(self, item: FieldDecl, declaration: ClassDecl) -> int:
        if item.default is None:
            raise reject(
                declaration.scope,
                "NK0307",
                f"the length of array `{item.name}` isn't known",
                item.node,
                f"write `{item.name}: ... = array(64)`",
            )
        return self.array_length(item.default, declaration.scope)

    def array_length(self, node: ast.expr, scope: Scope) -> int:
        """The length of the array that `array(n)`, `array(n, fill)` or `array_of(...)` makes."""
        match node:
            case ast.Call(func=ast.Name(id=name), args=arguments):
                match scope.names.get(name), arguments:
                    case LangName("array"), [length, *_]:
                        return self.length_of(length, scope)
                    case LangName("array_of"), _:
                        return len(arguments)
        raise reject(
            scope,
            "NK0308",
            "an array is made where it stands",
            node,
            "write `array(n)`, `array(n, fill)` or `array_of(a, b, c)`",
        )


def _lay_out_wire(resolver: Resolver, declaration: ClassDecl, made: WireType) -> None:
    """Offsets of a wire class: packed in declared order; runs of bit fields share a unit of whole bytes."""
    scope, big = declaration.scope, declaration.big_endian
    offset = 0
    pending: list[tuple[FieldDecl, int]] = []

    def flush() -> None:
        nonlocal offset
        total = sum(bits for _, bits in pending)
        if not total:
            return
        if total % 8 or total > 64:
            raise reject(
                scope,
                "NK0711",
                f"this run of bit fields has {total} bits",
                pending[0][0].node,
                "a run fills whole bytes, 64 bits at most: add a reserved field",
            )
        position = 0
        for item, bits in pending:
            seen = next(t for t in (INTS["u8"], INTS["u16"], INTS["u32"], INTS["u64"]) if t.bits >= bits)
            shift = total - position - bits if big else position
            made.fields[item.name] = WireField(item.name, seen, offset, total, bits, shift, big)
            position += bits
        offset += total // 8
        pending.clear()

    for item in declaration.fields.values():
        name = item.annotation.id if isinstance(item.annotation, ast.Name) else ""
        found = scope.lookup(name) if name else None
        if isinstance(found, LangName) and found.name in BIT_FIELDS:
            pending.append((item, int(found.name[1:])))
            continue
        flush()
        match item.default:
            case ast.Call(func=ast.Name(id=called), args=[place]) if scope.names.get(called) == LangName("at"):
                position = resolver.length_of(place, scope)
                if position < offset:
                    message = f"`{item.name}` would overlap what stands before it (that ends at {offset:#x})"
                    raise reject(scope, "NK0711", message, item.node)
                offset = position
        offset += _wire_field(resolver, declaration, item, made, offset, found)
    flush()
    made.size = offset


def _wire_field(
    resolver: Resolver, declaration: ClassDecl, item: FieldDecl, made: WireType, offset: int, found: Declaration | None
) -> int:
    """Add a field that isn't a bit field; returns its size in bytes."""
    scope, name = declaration.scope, item.name
    if isinstance(found, LangName) and found.name in WIDTHS:
        type_ = _SCALARS[found.name]
        assert isinstance(type_, IntType)
        made.fields[name] = WireField(name, type_, offset, type_.bits, type_.bits, 0, declaration.big_endian)
        size = type_.bits // 8
    elif isinstance(found, LangName) and found.name in ENDIAN:
        type_ = INTS[found.name[:-2]]
        made.fields[name] = WireField(name, type_, offset, type_.bits, type_.bits, 0, found.name.endswith("be"))
        size = type_.bits // 8
    elif isinstance(item.annotation, ast.Subscript):
        inner = _wire_inline(resolver, declaration, item)
        size = inner.size if isinstance(inner, WireType) else inner.length
        made.fields[name] = WireField(name, inner, offset, size * 8, size * 8)
        return size
    else:
        raise reject(
            scope,
            "NK0711",
            f"`{name}` can't be a field of a wire class",
            item.annotation,
            "wire fields are integers (`u16`, `u16be`, `u4`), `Array[u8] = array(n)` and `Embedded[OtherWire]`",
        )
    if made.registers and offset % size:
        message = f"register `{name}` stands at {offset:#x}, which is no multiple of its {size} bytes"
        raise reject(scope, "NK0711", message, item.node)
    return size


def _wire_inline(resolver: Resolver, declaration: ClassDecl, item: FieldDecl) -> WireType | ArrayType:
    scope = declaration.scope
    assert isinstance(item.annotation, ast.Subscript)
    match resolver.find(item.annotation.value, scope):
        case LangName("Array"):
            element, inline, atomic = resolver.element(item.annotation.slice, scope, {})
            if element == INTS["u8"] and not (inline or atomic):
                return ArrayType(element, resolver.default_length(item, declaration))
        case LangName("Embedded"):
            type_ = resolver.resolve(item.annotation.slice, scope, {})
            if isinstance(type_, RefType) and isinstance(type_.target, WireType):
                if type_.target in resolver._making:
                    raise reject(scope, "NK0708", f"`{declaration.name}` contains itself", item.node)
                return type_.target
    raise reject(
        scope,
        "NK0711",
        f"`{item.name}` can't be a field of a wire class",
        item.annotation,
        "wire fields are integers (`u16`, `u16be`, `u4`), `Array[u8] = array(n)` and `Embedded[OtherWire]`",
    )


_WRONG_TYPES = {
    "int": "integers have a width: `u32`, `i64`, `usize`, …",
    "float": "floats have a width: `f32` or `f64`",
    "object": "write the class that it is, or a union of classes",
    "type": "classes are not values",
    "Array": "write `Array[T]`",
    "Coroutine": "write `Coroutine[T]`, with what it gives",
    "Tasks": "it says what a field of a struct holds: hand the struct on that has the field",
    "Span": "write `Span[T]`",
    "tuple": "write `tuple[A, B]`, or `tuple[T, ...]`",
}


def _wrong(name: str) -> str:
    if name in BIT_FIELDS or name in ENDIAN:
        return "it is for fields of `@wire` classes"
    return _WRONG_TYPES.get(name, "")


def _unknown(name: str, known: list[str]) -> str:
    if name in ("list", "List"):
        return "there are no lists: use `Array[T]` (fixed length), `Span[T]` (a view), or a container of the runtime"
    if name in ("dict", "set", "Dict"):
        return "there is no `dict` or `set` in the language: use a container of the runtime"
    if name == "Optional":
        return "write `T | None`"
    if name in _SCALARS:
        return f"write `from neokernel.lang import {name}`"
    return suggestion(name, known) or nearly(name)


def _same_kind(a: Type, b: Type) -> bool:
    """Could a value of `a` not be told from one of `b` under CPython?"""
    if isinstance(a, SpanType) and isinstance(b, SpanType):
        return a.text == b.text
    return any(isinstance(a, kind) and isinstance(b, kind) for kind in (IntType, FloatType, TupleType))
