"""What an `@interface` class says: methods, the types of what they take and give, and the contract's version.

The syntax of the class is all there is to go by: names are followed through modules' imports, nothing is evaluated. So
compiler and import hook, which share this, see the same contract.

Invariant: two classes with equal canonical texts are the same contract; the version is a hash of that text alone.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

LANGUAGE = "neokernel.lang"
SYSTEM = "neokernel.runtime.system"
#: modules whose names are words
VOCABULARY = (LANGUAGE, "typing", "enum")
LENT = ("neokernel.runtime.lend", "Lent")
#: width of each integer type, and whether it has a sign
INTEGERS = {f"{sign}{bits}": (bits, sign == "i") for sign in "ui" for bits in (8, 16, 32, 64)} | {"usize": (64, False)}
FLOATS = {"f32": 32, "f64": 64}
#: what one message holds, in words and capabilities, as `abi/call.py` says (a test holds them to it)
REGISTER_WORDS, MAXIMUM_WORDS, MAXIMUM_CAPABILITIES = 4, 512, 4
#: numbers of a message that is posted into a ring (`runtime/post.py`)
POST_WORDS = 7
#: a label has 8 bits for the method
MAXIMUM_METHODS = 255

#: names that the generated code needs for itself
TAKEN = frozenset({"slot", "len", "isinstance", "bool"})

#: the tree of a module by its name, as it was written; None if there is none
Find: TypeAlias = Callable[[str], ast.Module | None]


class Problem(Exception):
    """Something is wrong at `node`."""

    def __init__(self, code: str, message: str, node: ast.AST, help: str) -> None:
        super().__init__(message)
        self.code, self.message, self.node, self.help = code, message, node, help


# --- names ------------------------------------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class Names:
    """The top level of a module, as far as types are concerned."""

    module: str
    tree: ast.Module
    find: Find
    table: dict[str, ast.stmt] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.tree.body:
            match node:
                case ast.ImportFrom():
                    self.table.update((alias.asname or alias.name, node) for alias in node.names)
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    self.table[name] = node
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    self.table[name] = node

    def follow(self, name: str) -> tuple[Names, str, ast.stmt | None]:
        """Where a name is defined: the module, its name there, the statement. Words of the language have None."""
        names, seen = self, set[tuple[str, str]]()
        while (names.module, name) not in seen:
            seen.add((names.module, name))
            node = names.table.get(name)
            if not isinstance(node, ast.ImportFrom):
                return names, name, node
            original = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
            source = node.module or ""
            if source in VOCABULARY:
                return Names(source, ast.Module([], []), self.find), original, None
            tree = self.find(source)
            if tree is None:
                break
            names, name = Names(source, tree, self.find), original
        return names, name, None

    def origin(self, name: str) -> tuple[str, str]:
        """The module that defines a name, and its name there."""
        where, original, _ = self.follow(name)
        return where.module, original

    def without_module(self, node: ast.expr) -> str:
        """What to write for `module.Name`, or '': imports are followed by the names that they bring in."""
        if not isinstance(node, ast.Attribute):
            return ""
        module = self.module_called(ast.unparse(node.value))
        return f"write `from {module} import {node.attr}`, and `{node.attr}` here" if module else ""

    def module_called(self, name: str) -> str:
        """The module that a name stands for here, dotted or not, or ''."""
        for node in self.tree.body:
            for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
                if (alias.asname or alias.name) == name:
                    return f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
        return ""

    def word(self, node: ast.expr) -> str:
        """The word of the language, of `typing` or of Python that an expression is, or ''."""
        if not isinstance(node, ast.Name):
            return ""
        where, name, found = self.follow(node.id)
        builtin = where is self and found is None and name in ("bool", "bytes", "str")
        return name if found is None and (builtin or where.module in VOCABULARY) else ""

    def decorated(self, node: ast.ClassDef) -> str:
        """The first of the vocabulary's class decorators that the class has."""
        return next((word for item in node.decorator_list if (word := self.word(item))), "")

    def is_enum(self, node: ast.ClassDef) -> bool:
        return any(self.word(base) == "Enum" for base in node.bases)


# --- types ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """An integer, a float or a `bool`: a word."""

    name: str


@dataclass(frozen=True, slots=True)
class Enumeration:
    """An Enum: its member's number, a word."""

    module: str
    name: str
    members: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A `@value`: its fields, one after the other."""

    module: str
    name: str
    fields: tuple[tuple[str, Plain], ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    """None, as a result."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """`bytes` or `str`, of at most `most` bytes: a word with the length, and the bytes behind all words."""

    most: int
    text: bool


@dataclass(frozen=True, slots=True)
class Fill:
    """`Span[u8]`, of at most `most` bytes, that the server fills: a word with the length; the bytes come back."""

    most: int


@dataclass(frozen=True, slots=True)
class Lent:
    """A part of the memory that the client shares with the server: two words, its place and its length."""


@dataclass(frozen=True, slots=True)
class Capability:
    """A capability: of an interface, or of a kind of kernel object. `given`: the sender has it no longer."""

    module: str
    name: str
    given: bool


Plain: TypeAlias = Number | Enumeration | Record
Argument: TypeAlias = Plain | Bytes | Fill | Lent | Capability
Result: TypeAlias = Plain | Nothing | Capability


def words_of(kind: Argument | Result) -> int:
    """How many words a message has for it."""
    match kind:
        case Record(fields=fields):
            return sum(words_of(inner) for _, inner in fields)
        case Nothing() | Capability():
            return 0
        case Lent():
            return 2
        case _:
            return 1


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: Argument
    #: what the handler's parameter is annotated with
    annotation: ast.expr
    node: ast.arg


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the things that a method can answer."""

    kind: Result
    annotation: ast.expr


@dataclass(frozen=True, slots=True)
class Method:
    name: str
    parameters: tuple[Parameter, ...]
    arms: tuple[Arm, ...]
    node: ast.FunctionDef

    @property
    def words(self) -> int:
        return sum(words_of(parameter.kind) for parameter in self.parameters)

    @property
    def success(self) -> int:
        """The arm that isn't an error: the first that is neither an Enum nor a `@value`; else the first."""
        errors = (Enumeration, Record)
        return next((place for place, arm in enumerate(self.arms) if not isinstance(arm.kind, errors)), 0)

    @property
    def is_posted(self) -> bool:
        """Can nobody wait for it? It has no answer, and fits into a slot of a ring."""
        plain = not self.of(Bytes, Fill, Capability) and self.words <= POST_WORDS
        return plain and [arm.kind for arm in self.arms] == [Nothing()]

    def of(self, *kinds: type) -> list[Parameter]:
        return [parameter for parameter in self.parameters if isinstance(parameter.kind, kinds)]


@dataclass(frozen=True, slots=True)
class Contract:
    """An interface. `methods` are numbered from 1 on."""

    module: str
    name: str
    methods: tuple[Method, ...]
    node: ast.ClassDef

    @property
    def is_posted(self) -> bool:
        return all(method.is_posted for method in self.methods)

    @property
    def text(self) -> str:
        """The canonical text: what both sides must agree on, and nothing else."""
        types: dict[str, str] = {}
        lines = [f"interface {self.name}"]
        for number, method in enumerate(self.methods, 1):
            inputs = ", ".join(f"{item.name}: {described(item.kind, types)}" for item in method.parameters)
            outputs = " | ".join([*(described(arm.kind, types) for arm in method.arms), "Failure"])
            lines.append(f"{number} {method.name}({inputs}) -> {outputs}")
        return "\n".join([*lines, *types.values()]) + "\n"

    @property
    def version(self) -> int:
        """The first 64 bits of the text's SHA-256."""
        return int.from_bytes(hashlib.sha256(self.text.encode()).digest()[:8], "big")


def described(kind: Argument | Result, types: dict[str, str]) -> str:
    """A type in the canonical text; definitions of what it names go into `types`, in the order of first use."""
    match kind:
        case Number(name):
            return "u64" if name == "usize" else name
        case Enumeration(_, name, members):
            types.setdefault(name, f"enum {name}: " + ", ".join(f"{member} = {number}" for member, number in members))
            return name
        case Record(_, name, fields):
            if name not in types:
                types[name] = ""
                inside = ", ".join(f"{field_name}: {described(inner, types)}" for field_name, inner in fields)
                types[name] = f"value {name}: {inside}"
            return name
        case Nothing():
            return "None"
        case Bytes(most, text):
            return f"{'str' if text else 'bytes'}[{most}]"
        case Fill(most):
            return f"Span[u8][{most}]"
        case Lent():
            return "lent"
        case Capability(_, name, given):
            return f"{'given' if given else 'copied'} {name}"


# --- reading ----------------------------------------------------------------------------------------------------------

_ARGUMENTS = (
    "a parameter is an integer, a float, `bool`, an Enum, a `@value` of such, a capability, "
    "`Annotated[bytes, up_to(n)]`, `Annotated[str, up_to(n)]`, `Annotated[Span[u8], up_to(n)]`, or `Lent`"
)
_RESULTS = (
    "a result is None, an integer, a float, `bool`, an Enum, a `@value` of such, a capability, or a union of such"
)


def bound_of(node: ast.expr) -> ast.expr:
    """The `n` of an `Annotated[T, up_to(n)]`, as it is written."""
    match node:
        case ast.Subscript(slice=ast.Tuple(elts=[_, ast.Call(args=[bound])])):
            return bound
    return node


class Reader:
    """Reads the interfaces of one module."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def contract(self, node: ast.ClassDef) -> Contract:
        names = self.names
        if [names.word(base) for base in node.bases] != ["Protocol"] or node.keywords or len(node.decorator_list) != 1:
            raise Problem(
                "NK0720",
                f"`{node.name}` isn't made as an interface is",
                node,
                f"write `@interface` and `class {node.name}(Protocol):`, so that type checkers know servers by their "
                "methods",
            )
        methods: list[Method] = []
        for index, member in enumerate(node.body):
            match member:
                case ast.Expr(value=ast.Constant(value=str())) if index == 0:
                    continue
                case ast.FunctionDef():
                    methods.append(self.method(member))
                    if [method.name for method in methods].count(member.name) > 1:
                        raise Problem("NK0721", f"`{node.name}` has two methods `{member.name}`", member, "rename one")
                case _:
                    raise Problem("NK0720", "an interface holds methods only", member, "write `def name(self, …): ...`")
        if not 1 <= len(methods) <= MAXIMUM_METHODS:
            raise Problem("NK0720", f"`{node.name}` has {len(methods)} methods", node, "an interface has 1 to 255")
        return Contract(names.module, node.name, tuple(methods), node)

    def method(self, node: ast.FunctionDef) -> Method:
        match node.body:
            case [*_, ast.Expr(value=ast.Constant(value=value))] if value is ... and len(node.body) <= 2:
                pass
            case [ast.Expr(value=ast.Constant(value=str()))]:
                pass
            case _:
                message = f"`{node.name}` of an interface has a body"
                raise Problem("NK0721", message, node.body[0], "write `...`: what it does is the server's")
        given = node.args
        odd = given.vararg or given.kwarg or next(iter([*given.posonlyargs, *given.kwonlyargs]), None)
        if node.decorator_list or odd is not None or given.defaults or node.name in TAKEN or node.name[0] == "_":
            where = odd or next(iter([*node.decorator_list, *given.defaults]), node)
            help = "no decorators, no defaults, no `*`; the name is not `slot`, and doesn't begin with `_`"
            raise Problem("NK0721", f"`{node.name}` isn't declared as a method of an interface is", where, help)
        if not given.args or given.args[0].arg != "self":
            message = f"the first parameter of `{node.name}` is `self`"
            raise Problem("NK0721", message, node, f"write `def {node.name}(self, …)`")
        parameters = tuple(self.parameter(argument) for argument in given.args[1:])
        arms = self.result(node)
        method = Method(node.name, parameters, arms, node)
        self.fits(method)
        return method

    def fits(self, method: Method) -> None:
        """Is there room for what travels with the message, and with its answer?"""
        beyond = max(method.words - REGISTER_WORDS, 0)
        sent = beyond + sum((p.kind.most + 7) // 8 for p in method.parameters if isinstance(p.kind, Bytes))
        largest = max((words_of(arm.kind) for arm in method.arms), default=0)
        answered = max(largest - REGISTER_WORDS, 0)
        answered += sum((p.kind.most + 7) // 8 for p in method.parameters if isinstance(p.kind, Fill))
        room = MAXIMUM_WORDS - REGISTER_WORDS
        for what, words in (("message", sent), ("answer", answered)):
            if words > room:
                message = f"the {what} of `{method.name}` takes {words} words beyond the registers; there are {room}"
                help = "lower the bounds: what is larger goes through memory that both sides have mapped"
                raise Problem("NK0724", message, method.node, help)
        if len(method.of(Capability)) > MAXIMUM_CAPABILITIES:
            message = f"`{method.name}` takes more than {MAXIMUM_CAPABILITIES} capabilities"
            raise Problem("NK0724", message, method.node, "split it into two methods")

    def parameter(self, node: ast.arg) -> Parameter:
        if node.arg in TAKEN or node.arg[0] == "_":
            message = f"a parameter of an interface can't be called `{node.arg}`"
            raise Problem("NK0721", message, node, "take another name, without `_` before it")
        if node.annotation is None:
            raise Problem("NK0722", f"parameter `{node.arg}` has no type", node, _ARGUMENTS)
        annotation, bound = self.bounded(node.annotation)
        kind = self.argument(annotation, bound, node.annotation)
        if isinstance(kind, Capability) and kind.given:
            assert isinstance(annotation, ast.Subscript)
            annotation = annotation.slice
        return Parameter(node.arg, kind, annotation, node)

    def bounded(self, node: ast.expr) -> tuple[ast.expr, int | None]:
        """`Annotated[T, up_to(n)]` as (T, n); anything else as itself."""
        if not (isinstance(node, ast.Subscript) and self.names.word(node.value) == "Annotated"):
            return node, None
        match node.slice:
            case ast.Tuple(elts=[inner, ast.Call(func=func, args=[bound], keywords=[])]):
                if self.names.word(func) == "up_to":
                    return inner, self.number(bound, self.names, bound)
            case ast.Tuple(elts=[inner, ast.Constant(value=int() as most)]):
                help = f"write `Annotated[{ast.unparse(inner)}, up_to({most})]`"
                raise Problem("NK0722", "the number of bytes stands in `up_to(…)`", node, help)
        help = "write `Annotated[bytes, up_to(200)]`, or how many bytes there can be"
        raise Problem("NK0722", "`Annotated` says here how long something is", node, help)

    def number(self, node: ast.expr, names: Names, whole: ast.expr) -> int:
        """A constant of the module, or of one that it imports from."""
        match node:
            case ast.Constant(value=int() as value) if not isinstance(value, bool):
                return value
            case ast.Name(id=name):
                where, _, found = names.follow(name)
                if isinstance(found, ast.Assign | ast.AnnAssign) and found.value is not None:
                    return self.number(found.value, where, whole)
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self.number(left, names, whole), self.number(right, names, whole)
                match op:
                    case ast.Add():
                        return a + b
                    case ast.Sub():
                        return a - b
                    case ast.Mult():
                        return a * b
                    case ast.LShift() if 0 <= b < 64:
                        return a << b
                    case ast.FloorDiv() if b:
                        return a // b
        message = "the bound is a number, a constant, or a sum, product or power of two of such"
        raise Problem("NK0722", message, whole, "write it as a literal, or name a module constant")

    def argument(self, node: ast.expr, bound: int | None, whole: ast.expr) -> Argument:
        kind: Argument | None = None
        match node:
            case ast.Name() if self.names.word(node) in ("bytes", "str"):
                if bound is not None and bound > 0:
                    return Bytes(bound, self.names.word(node) == "str")
            case ast.Subscript(value=value, slice=inner) if self.names.word(value) == "Span":
                if self.names.word(inner) == "u8" and bound is not None and bound > 0:
                    return Fill(bound)
            case ast.Subscript(value=value, slice=inner) if self.names.word(value) == "Given":
                kind = self.simple(inner, self.names)
                if bound is None and isinstance(kind, Capability):
                    return Capability(kind.module, kind.name, given=True)
                kind = None
            case ast.Name(id=name) if self.names.origin(name) == LENT:
                kind = Lent()
            case _:
                kind = self.simple(node, self.names)
        if kind is None or bound is not None:
            raise self.not_an_argument(node, bound, whole)
        return kind

    def not_an_argument(self, node: ast.expr, bound: int | None, whole: ast.expr) -> Problem:
        """What is wrong with a parameter's type, with what to write where that can be told."""
        shown = ast.unparse(node)
        size = "200" if bound is None or bound < 1 else ast.unparse(bound_of(whole))
        help = self.names.without_module(node) or _ARGUMENTS
        message = f"`{ast.unparse(whole)}` can't be a parameter of an interface"
        match node:
            case ast.Name() if self.names.word(node) in ("bytes", "str"):
                wanted = shown
            case ast.Subscript(value=ast.Name(id="list" | "Array" | "Span" as kind), slice=inner) if (
                self.names.word(inner) == "u8"
            ):
                # Only a span is what a server can fill; an array is memory of one side's.
                wanted = "Span[u8]" if kind == "Span" else "bytes"
            case ast.Name(id="int"):
                return Problem(
                    "NK0722", "`int` has no width, and a message has", whole, "write `u64`, or how wide it is"
                )
            case _ if bound is not None:
                message = f"`{shown}` has one length: `up_to` is for `bytes`, `str` and `Span[u8]`"
                return Problem("NK0722", message, whole, f"write `{shown}`")
            case _:
                return Problem("NK0722", message, whole, help)
        help = f"write `Annotated[{wanted}, up_to({size})]`"
        if bound is None:
            help += ", or how many bytes there can be"
            message = f"a message has an end: the interface must say how long `{shown}` can be"
        elif bound < 1:
            message = f"`{ast.unparse(whole)}` has room for nothing"
        if wanted == "Span[u8]":
            help += f"; the server fills that: what it is sent is `Annotated[bytes, up_to({size})]`"
        return Problem("NK0722", message, whole, help)

    def simple(self, node: ast.expr, names: Names) -> Plain | Capability | None:
        """A type of fixed size, by its name."""
        word = names.word(node)
        if word in INTEGERS or word in FLOATS or word == "bool":
            return Number(word)
        if not isinstance(node, ast.Name):
            return None
        where, name, found = names.follow(node.id)
        if isinstance(found, ast.Assign | ast.AnnAssign) and found.value is not None:
            return self.simple(found.value, where)
        if not isinstance(found, ast.ClassDef):
            return None
        if where.is_enum(found):
            known = tuple(members(found))
            return Enumeration(where.module, name, known) if known else None
        role = where.decorated(found)
        if role == "interface":
            return Capability(where.module, name, given=False)
        if role != "value" or found.bases:
            return None
        fields = [item for item in found.body if isinstance(item, ast.AnnAssign)]
        if [ast.unparse(item) for item in fields] == ["slot: u64"]:
            return Capability(where.module, name, given=False)
        inside: list[tuple[str, Plain]] = []
        for item in fields:
            kind = self.simple(item.annotation, where)
            if kind is None or isinstance(kind, Capability) or not isinstance(item.target, ast.Name):
                return None
            inside.append((item.target.id, kind))
        return Record(where.module, name, tuple(inside))

    def result(self, node: ast.FunctionDef) -> tuple[Arm, ...]:
        help = "write `-> T | Failure`, with `from neokernel.runtime.system import Failure`"
        if node.returns is None:
            raise Problem("NK0723", f"`{node.name}` doesn't say what it returns", node, help)
        parts = list(self.parts(node.returns, self.names))
        if not any(part is None for part, _ in parts):
            message = f"`{node.name}` can't say that it failed: what crosses into another process may"
            raise Problem("NK0723", message, node.returns, help)
        arms = tuple(Arm(kind, annotation) for kind, annotation in parts if kind is not None)
        if not arms:
            raise Problem("NK0723", f"`{node.name}` can't say that it succeeded", node.returns, "`None | Failure` can")
        return arms

    def parts(self, node: ast.expr, names: Names) -> Iterator[tuple[Result | None, ast.expr]]:
        """The arms of a result; `Failure` as None."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            yield from self.parts(node.left, names)
            yield from self.parts(node.right, names)
            return
        if isinstance(node, ast.Constant) and node.value is None:
            yield Nothing(), node
            return
        inner = node.slice if isinstance(node, ast.Subscript) and names.word(node.value) == "Given" else node
        if isinstance(node, ast.Name):
            where, name, found = names.follow(node.id)
            if (where.module, name) == (SYSTEM, "Failure"):
                yield None, node
                return
            value = found.value if isinstance(found, ast.Assign | ast.AnnAssign) else None
            if isinstance(value, ast.BinOp) and where is names:
                yield from self.parts(value, names)
                return
        kind = self.simple(inner, names)
        if kind is None or (inner is not node and not isinstance(kind, Capability)):
            help = names.without_module(inner) or _RESULTS
            raise Problem("NK0723", f"`{ast.unparse(node)}` can't be a result of an interface", node, help)
        yield (
            (
                Capability(kind.module, kind.name, given=True)
                if isinstance(kind, Capability) and inner is not node
                else kind
            ),
            inner,
        )


def members(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    """The members of an Enum that are numbers: the others are the compiler's to reject."""
    for item in node.body:
        match item:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                try:
                    number = ast.literal_eval(value)
                except (ValueError, TypeError, SyntaxError):
                    continue
                if isinstance(number, int):
                    yield name, number
