"""Pass 2, declare: the names of each module and what they stand for; bodies are not looked into.

Invariant: a `Scope` maps every top-level name of a module to exactly one declaration. Types of fields, parameters and
constants stay syntax here; `generics.py` and `lower/` give them meaning on demand.
"""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from neokernel.compiler.diagnostics import Diagnostic, Diagnostics, suggestion
from neokernel.compiler.forgotten import unimported
from neokernel.compiler.source import LANG, STANDARD, Module
from neokernel.compiler.types import INTS, EnumType
from neokernel.compiler.vocabulary import DECORATORS, VOCABULARY


@dataclass(eq=False, slots=True)
class FieldDecl:
    name: str
    annotation: ast.expr
    default: ast.expr | None
    node: ast.AnnAssign


@dataclass(eq=False, slots=True)
class Parameter:
    name: str
    annotation: ast.expr | None
    default: ast.expr | None
    node: ast.arg


@dataclass(eq=False, slots=True)
class FunctionDecl:
    """A function or method. `marks`: its decorators (`ghost`, `writer`, `naked`, `cold`, …), and `async`."""

    name: str
    module: Module
    scope: Scope
    node: ast.FunctionDef
    owner: ClassDecl | None
    marks: frozenset[str]
    parameters: list[Parameter]
    keyword_only: int

    @property
    def is_method(self) -> bool:
        return self.owner is not None and "staticmethod" not in self.marks

    @property
    def title(self) -> str:
        return f"{self.owner.name}.{self.name}" if self.owner else self.name


@dataclass(eq=False, slots=True)
class ClassDecl:
    """A `@struct`, `@value` or `@wire` class; `form` says which. `parameters`: names of its type variables."""

    name: str
    module: Module
    scope: Scope
    node: ast.ClassDef
    form: str
    parameters: tuple[str, ...]
    fields: dict[str, FieldDecl] = field(default_factory=dict)
    methods: dict[str, FunctionDecl] = field(default_factory=dict)
    big_endian: bool = False
    registers: bool = False

    def must_be_given(self, item: FieldDecl) -> bool:
        """Does a constructor want a value for this field? What is embedded is made by its own defaults."""
        match item.annotation:
            case ast.Subscript(value=ast.Name(id=name)) if self.scope.lookup(name) == LangName("Embedded"):
                return False
        return item.default is None


@dataclass(eq=False, slots=True)
class EnumDecl:
    name: str
    module: Module
    node: ast.ClassDef
    type: EnumType


@dataclass(eq=False, slots=True)
class ProtocolDecl:
    name: str
    module: Module
    node: ast.ClassDef


@dataclass(eq=False, slots=True)
class ConstDecl:
    name: str
    module: Module
    scope: Scope
    annotation: ast.expr | None
    value: ast.expr
    node: ast.stmt


@dataclass(eq=False, slots=True)
class AliasDecl:
    name: str
    module: Module
    scope: Scope
    value: ast.expr


@dataclass(eq=False, slots=True)
class TypeVarDecl:
    name: str
    module: Module


@dataclass(frozen=True, slots=True)
class LangName:
    """A name of `neokernel.lang`, of the allowed part of the standard library, or a builtin."""

    name: str


@dataclass(eq=False, slots=True)
class ModuleRef:
    scope: Scope


Declaration: TypeAlias = (
    FunctionDecl | ClassDecl | EnumDecl | ProtocolDecl | ConstDecl | AliasDecl | TypeVarDecl | LangName | ModuleRef
)


@dataclass(eq=False, slots=True)
class Scope:
    """The names of one module. `unsafe`: the reason it gave, if it is an unsafe module."""

    module: Module
    names: dict[str, Declaration] = field(default_factory=dict)
    functions: list[FunctionDecl] = field(default_factory=list)
    classes: list[ClassDecl] = field(default_factory=list)
    constants: list[ConstDecl] = field(default_factory=list)
    assertions: list[ast.Assert] = field(default_factory=list)
    assembly: list[ast.Call] = field(default_factory=list)
    unsafe: str | None = None
    #: what imports that failed may have meant: that the name is missing needn't be said again
    meant: set[str] = field(default_factory=set)

    def lookup(self, name: str) -> Declaration | None:
        found = self.names.get(name)
        if found is None and name in BUILTINS:
            return LangName(name)
        return LangName("<unknown>") if found is None and name in self.meant else found


BUILTINS = frozenset(
    {"range", "len", "min", "max", "abs", "enumerate", "zip", "reversed", "isinstance", "bool", "str", "bytes", "tuple"}
    | {"int", "float", "object", "type", "staticmethod"}
)


def declare(modules: list[Module], diagnostics: Diagnostics) -> dict[str, Scope]:
    """The scope of each module, by module name. `modules` in dependency order."""
    scopes: dict[str, Scope] = {}
    for module in modules:
        scopes[module.name] = _Declarer(module, scopes, diagnostics).run()
    return scopes


class _Declarer:
    def __init__(self, module: Module, scopes: dict[str, Scope], diagnostics: Diagnostics) -> None:
        self.module = module
        self.scopes = scopes
        self.diagnostics = diagnostics
        self.scope = Scope(module)

    def run(self) -> Scope:
        for index, node in enumerate(self.module.tree.body):
            self._statement(node, index)
        return self.scope

    def error(self, code: str, message: str, node: ast.AST, help: str = "") -> None:
        self.diagnostics.add(Diagnostic(code, message, self.module.span(node), help))

    def bind(self, name: str, declaration: Declaration, node: ast.AST) -> None:
        if name in self.scope.names:
            self.error("NK0205", f"`{name}` is already defined in this module", node, "give one of them another name")
            return
        self.scope.names[name] = declaration

    def _statement(self, node: ast.stmt, index: int) -> None:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                if index != 0:
                    self.error("NK0102", "a text that does nothing", node, "use a `#` comment")
            case ast.Expr(value=ast.Call(func=ast.Name(id="unsafe")) as call):
                self._unsafe(call)
            case ast.Expr(value=ast.Call(func=ast.Name(id="assembly")) as call):
                self.scope.assembly.append(call)
            case ast.Import():
                self._import(node)
            case ast.ImportFrom():
                self._import_from(node)
            case ast.ClassDef():
                self._class(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                function = self._function(node, None)
                self.scope.functions.append(function)
                self.bind(node.name, function, node)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._assign(name, None, value, node)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
                self._assign(name, annotation, value, node)
            case ast.Assert():
                self.scope.assertions.append(node)
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=[]):
                for inner in node.body:
                    if isinstance(inner, ast.Import | ast.ImportFrom):
                        self._statement(inner, 1)
                    else:
                        self.error("NK0102", "only imports can stand under TYPE_CHECKING", inner, "move it out")
            case ast.Pass():
                pass
            case _:
                what = _STATEMENT_NAMES.get(type(node), "this statement")
                self.error(
                    "NK0102",
                    f"{what} can't stand at the top level of a target module",
                    node,
                    "a module holds imports, classes, functions, constants and assertions",
                )

    def _unsafe(self, call: ast.Call) -> None:
        match call.args:
            case [ast.Constant(value=str() as reason)] if reason.strip() and not call.keywords:
                self.scope.unsafe = reason
            case _:
                self.error("NK0801", "`unsafe` wants the reason, as one text", call, 'write `unsafe("why it must be")`')

    # --- imports ---

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name == LANG or alias.name in STANDARD:
                self.error(
                    "NK0202",
                    f"import names from `{alias.name}`, not the module",
                    node,
                    f"write `from {alias.name} import …`",
                )
            elif alias.name in self.scopes:
                if alias.asname is None and "." in alias.name:
                    last = alias.name.rpartition(".")[2]
                    self.error("NK0202", "a dotted import needs a name", node, f"write `import {alias.name} as {last}`")
                else:
                    self.bind(alias.asname or alias.name, ModuleRef(self.scopes[alias.name]), node)

    def _import_from(self, node: ast.ImportFrom) -> None:
        source = node.module
        if node.level or source is None:
            self.error("NK0202", "relative imports are not in the language", node, "write the module's full name")
            return
        for alias in node.names:
            name = alias.asname or alias.name
            if alias.name == "*":
                self.error("NK0202", "`import *` hides where names come from", node, "list the names")
            elif source == LANG:
                if alias.name in VOCABULARY:
                    self.bind(name, LangName(alias.name), alias)
                else:
                    help = _width(alias.name) or suggestion(alias.name, VOCABULARY)
                    self._lacks(LANG, alias, help)
            elif source in STANDARD:
                if alias.name in STANDARD[source]:
                    if source != "__future__":
                        self.bind(name, LangName(alias.name), alias)
                else:
                    known = ", ".join(sorted(STANDARD[source]))
                    message = f"`{source}.{alias.name}` is not in the language"
                    self.error("NK0202", message, alias, f"of `{source}`: {known}")
                    self.scope.names[name] = LangName("<unknown>")
            elif source in self.scopes:
                self._import_name(source, alias, name)
            else:
                # The loader has reported it; don't report each use.
                self.scope.names[name] = LangName("<unknown>")

    def _import_name(self, source: str, alias: ast.alias, name: str) -> None:
        target = self.scopes[source].names.get(alias.name)
        submodule = self.scopes.get(f"{source}.{alias.name}")
        if target is not None:
            self.bind(name, target, alias)
        elif submodule is not None:
            self.bind(name, ModuleRef(submodule), alias)
        else:
            help = self._elsewhere(source, alias.name) or suggestion(alias.name, self.scopes[source].names)
            self._lacks(source, alias, help)

    def _lacks(self, source: str, alias: ast.alias, help: str) -> None:
        """The module has no such name. Uses of it, and of what `help` says that was meant, are no further errors."""
        self.error("NK0204", f"`{source}` has no `{alias.name}`", alias, help)
        self.scope.names[alias.asname or alias.name] = LangName("<unknown>")
        meant = re.fullmatch(r"did you mean `(\w+)`\?", help)
        if meant is not None:
            self.scope.meant.add(meant[1])

    def _elsewhere(self, package: str, name: str) -> str:
        """The import of a name from a module of the package, if a file there is called so."""
        module = f"{package}.{name.lower()}"
        known = any((folder / f"{name.lower()}.py").is_file() for folder in _folders(self.scopes[package].module))
        return f"write `from {module} import {name}`" if known and name[:1].isupper() else ""

    # --- constants, aliases, type variables ---

    def _assign(self, name: str, annotation: ast.expr | None, value: ast.expr, node: ast.stmt) -> None:
        if isinstance(value, ast.Call) and self._is_lang(value.func, "TypeVar"):
            self._type_variable(name, value, node)
        elif self._is_type(value) if annotation is None else self._is_lang(annotation, "TypeAlias"):
            self.bind(name, AliasDecl(name, self.module, self.scope, value), node)
        else:
            if isinstance(annotation, ast.Name) and self._is_lang(annotation, "Final"):
                annotation = None
            elif isinstance(annotation, ast.Subscript) and self._is_lang(annotation.value, "Final"):
                annotation = annotation.slice
            constant = ConstDecl(name, self.module, self.scope, annotation, value, node)
            self.scope.constants.append(constant)
            self.bind(name, constant, node)

    def _type_variable(self, name: str, call: ast.Call, node: ast.stmt) -> None:
        match call.args:
            case [ast.Constant(value=str() as spelled)] if spelled == name:
                pass
            case _:
                self.error("NK0206", f'a type variable is made as `{name} = TypeVar("{name}")`', node)
        for keyword in call.keywords:
            if keyword.arg != "bound":
                self.error("NK0206", f"`{keyword.arg}` of TypeVar is not in the language", keyword, "only `bound=` is")
        self.bind(name, TypeVarDecl(name, self.module), node)

    def _is_lang(self, node: ast.expr, name: str) -> bool:
        return isinstance(node, ast.Name) and self.scope.names.get(node.id) == LangName(name)

    def _is_type(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=name):
                found = self.scope.names.get(name)
                if found is None:
                    return name in ("bool", "str", "bytes")
                if isinstance(found, LangName):
                    return found.name in INTS or found.name in ("usize", "f32", "f64")
                return isinstance(found, ClassDecl | EnumDecl | AliasDecl)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                both = [self._is_type(side) or _is_none(side) for side in (left, right)]
                return all(both) and not (_is_none(left) and _is_none(right))
            case ast.Subscript(value=ast.Name(id=name)):
                found = self.scope.names.get(name)
                if isinstance(found, LangName):
                    return found.name in ("Array", "Span", "Handle")
                return name == "tuple" or isinstance(found, ClassDecl)
        return False

    # --- classes ---

    def _class(self, node: ast.ClassDef) -> None:
        if node.keywords:
            self.error("NK0701", "class keywords are not in the language", node.keywords[0], "leave it out")
        bases = [self._base(base) for base in node.bases]
        forms = [self._decorator(d) for d in node.decorator_list]
        special = next((base for base in bases if base in ("Enum", "Protocol")), None)
        if special is not None and len(bases) > 1 and "" not in bases:
            self.error("NK0703", f"`{special}` is the only base class", node, "leave the others out")
        if special is not None and any(name for name, _ in forms):
            self.error("NK0704", f"`{node.name}` is made by `{special}` alone", node.decorator_list[0], "leave it out")
        if "Enum" in bases:
            self._enum(node)
            return
        if "Protocol" in bases:
            self.bind(node.name, ProtocolDecl(node.name, self.module, node), node)
            return
        known = [f for f, _ in forms if f in ("struct", "value", "wire")]
        if len(forms) != 1 or (forms[0][0] and not known):
            said = " and ".join(f"`@{f}`" for f, _ in forms)
            self.error(
                "NK0702",
                f"class `{node.name}` can't be {said}" if said else f"class `{node.name}` must say what it is",
                node,
                "decorate it with one of `@struct` (an object with identity), `@value` (a frozen record) or `@wire`"
                " (a layout of shared memory), or derive it from `Enum`",
            )
        form = known[0] if known else "struct"
        declaration = ClassDecl(node.name, self.module, self.scope, node, form, self._parameters(node))
        for name, keywords in forms:
            if name == form:
                self._options(declaration, keywords)
        self.bind(node.name, declaration, node)
        self.scope.classes.append(declaration)
        self._members(declaration)

    def _base(self, node: ast.expr) -> str:
        target = node.value if isinstance(node, ast.Subscript) else node
        if isinstance(target, ast.Name):
            found = self.scope.names.get(target.id)
            if isinstance(found, LangName) and found.name in ("Enum", "Generic", "Protocol"):
                return found.name
        self.error(
            "NK0703",
            "a class of the language has no base class",
            node,
            "embed the other struct as a field (`Embedded[...]`), or make a union of values; only `Enum`, `Generic[T]`"
            " and `Protocol` can stand here",
        )
        return ""

    def _parameters(self, node: ast.ClassDef) -> tuple[str, ...]:
        names: list[str] = []
        for base in node.bases:
            if isinstance(base, ast.Subscript) and self._is_lang(base.value, "Generic"):
                items = base.slice.elts if isinstance(base.slice, ast.Tuple) else [base.slice]
                for item in items:
                    if isinstance(item, ast.Name) and item.id in names:
                        self.error("NK0206", f"`{item.id}` stands here twice", item, "name each variable once")
                    elif isinstance(item, ast.Name) and isinstance(self.scope.names.get(item.id), TypeVarDecl):
                        names.append(item.id)
                    else:
                        help = 'make one: `T = TypeVar("T")`'
                        self.error("NK0206", "`Generic[...]` wants type variables", item, help)
        return tuple(names)

    def _decorator(self, node: ast.expr) -> tuple[str, list[ast.keyword]]:
        """(name, keywords) of a decorator of the vocabulary; reports any other."""
        target = node.func if isinstance(node, ast.Call) else node
        keywords = node.keywords if isinstance(node, ast.Call) else []
        if isinstance(target, ast.Name):
            found = self.scope.lookup(target.id)
            if isinstance(found, LangName) and found.name in DECORATORS:
                if isinstance(node, ast.Call) and node.args:
                    self.error("NK0701", f"`@{found.name}` takes keywords only", node)
                return found.name, keywords
            if found == LangName("<unknown>"):
                return "", []
            missing = unimported(self.module, target.id) if found is None else ""
            if missing:
                self.error("NK0208", f"`{target.id}` is not defined", target, missing)
                return "", []
        name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
        help = _DECORATED.get(name) or suggestion(name, DECORATORS)
        self.error(
            "NK0704",
            "this decorator is not in the language",
            node,
            help or "there are: " + ", ".join(f"@{d}" for d in sorted(DECORATORS | {"interface"})),
        )
        return "", []

    def _options(self, declaration: ClassDecl, keywords: list[ast.keyword]) -> None:
        for keyword in keywords:
            match declaration.form, keyword.arg, keyword.value:
                case "wire", "endian", ast.Constant(value="big" | "little" as endian):
                    declaration.big_endian = endian == "big"
                case "wire", "registers", ast.Constant(value=bool() as registers):
                    declaration.registers = registers
                case _:
                    self.error(
                        "NK0701",
                        f"`@{declaration.form}` has no such option",
                        keyword,
                        'only `@wire` has options: `endian="big"` and `registers=True`',
                    )

    def _leaves_at_once(self, node: ast.FunctionDef) -> None:
        """`__aexit__` runs when a coroutine is cancelled, too, and then nobody is there to wait."""
        for inner in (each for statement in node.body for each in ast.walk(statement)):
            if isinstance(inner, _WAITING):
                help = "wait before the block ends; here, do what can be done at once"
                message = "`__aexit__` can't wait: it runs when the coroutine is cancelled, too"
                self.error("NK0425", message, inner, help)
                break

    def _members(self, declaration: ClassDecl) -> None:
        for index, node in enumerate(declaration.node.body):
            match node:
                case ast.Expr(value=ast.Constant(value=str())) if index == 0:
                    pass
                case ast.Pass():
                    pass
                case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=default):
                    self._member(declaration, name, node)
                    declaration.fields[name] = FieldDecl(name, annotation, default, node)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    self._member(declaration, name, node)
                    special = ASYNC_METHODS if isinstance(node, ast.AsyncFunctionDef) else SPECIAL_METHODS
                    if name.startswith("__") and name not in special:
                        known = ", ".join(sorted(special))
                        self.error("NK0706", f"`{name}` is not in the language", node, f"special methods are: {known}")
                    declaration.methods[name] = self._function(node, declaration)
                case ast.Assign():
                    self.error(
                        "NK0705",
                        "a class has no attributes of its own",
                        node,
                        "a field needs a type: `name: u32 = 0`; a constant belongs at the top level of the module",
                    )
                case _:
                    self.error("NK0705", "a class holds fields and methods only", node, "move it to the top level")

    def _member(self, declaration: ClassDecl, name: str, node: ast.AST) -> None:
        if name in declaration.fields or name in declaration.methods:
            self.error("NK0205", f"`{declaration.name}` already has a member `{name}`", node)

    def _enum(self, node: ast.ClassDef) -> None:
        enum = EnumType(node.name, self.module.name)
        before = len(self.diagnostics.items)
        for index, member in enumerate(node.body):
            match member:
                case ast.Expr(value=ast.Constant(value=str())) if index == 0:
                    continue
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._enum_member(enum, name, value, member)
                case _:
                    self.error("NK0707", "an Enum holds members only", member, "write `NAME = number`")
        if not enum.members:
            if len(self.diagnostics.items) == before:
                self.error("NK0707", f"`{node.name}` has no members", node, "write `NAME = number`")
        else:
            lowest, highest = min(enum.members.values()), max(enum.members.values())
            fitting = [t for t in INTS.values() if t.holds(lowest) and t.holds(highest)]
            fitting.sort(key=lambda t: (t.bits, t.signed))
            if fitting:
                enum.storage = fitting[0]
            else:
                message = f"no integer type holds both {lowest} and {highest}"
                self.error("NK0707", message, node, "an enum is stored in 64 bits at most, signed or unsigned")
        self.bind(node.name, EnumDecl(node.name, self.module, node, enum), node)

    def _enum_member(self, enum: EnumType, name: str, value: ast.expr, node: ast.stmt) -> None:
        try:
            number = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError):
            number = None
        if not isinstance(number, int) or isinstance(number, bool):
            self.error("NK0707", "an enum's member is an integer literal", node, f"write `{name} = 1`")
        elif not -(1 << 63) <= number < 1 << 64:
            self.error("NK0707", f"{number} doesn't fit in 64 bits", value)
        elif name in enum.members:
            self.error("NK0205", f"`{enum.name}` already has a member `{name}`", node)
        elif number in enum.members.values():
            self.error("NK0707", f"two members of `{enum.name}` have the value {number}", node)
        else:
            enum.members[name] = number

    # --- functions ---

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, owner: ClassDecl | None) -> FunctionDecl:
        marks: set[str] = set()
        if isinstance(node, ast.AsyncFunctionDef):
            marks.add("async")
            parts = {name: getattr(node, name) for name in node._fields}
            node = ast.copy_location(ast.FunctionDef(**parts), node)
            if node.name == "__aexit__":
                self._leaves_at_once(node)
                marks.discard("async")
        for decorator in node.decorator_list:
            name, keywords = self._decorator(decorator)
            if keywords:
                self.error("NK0701", f"`@{name}` has no options", decorator)
            if name in ("struct", "value", "wire") or (owner is None and name in METHOD_MARKS):
                what = "a function" if owner is None else "a method"
                self.error("NK0704", f"`@{name}` can't decorate {what}", decorator)
            if name in ("ghost", "writer", "invariant", "naked") and "async" in marks:
                self.error("NK0704", f"`@{name}` can't decorate an `async def`", decorator, "leave one of them out")
                continue
            marks.add(name)
        arguments = node.args
        for extra in (arguments.vararg, arguments.kwarg):
            if extra is not None and not (node.name in LEAVING and extra is arguments.vararg):
                self.error("NK0106", "`*args` and `**kwargs` are not in the language", extra, "name the parameters")
        if arguments.posonlyargs:
            self.error("NK0106", "`/` is not in the language", arguments.posonlyargs[-1], "leave it out")
        positional = [*arguments.posonlyargs, *arguments.args]
        required = len(positional) - len(arguments.defaults)
        defaults: list[ast.expr | None] = [*[None] * required, *arguments.defaults]
        defaults += arguments.kw_defaults
        everything = [*positional, *arguments.kwonlyargs]
        parameters = [Parameter(a.arg, a.annotation, d, a) for a, d in zip(everything, defaults, strict=True)]
        function = FunctionDecl(
            node.name, self.module, self.scope, node, owner, frozenset(marks), parameters, len(arguments.kwonlyargs)
        )
        if function.is_method and (not parameters or parameters[0].name != "self"):
            help = f"write `def {node.name}(self, …)`, or mark it `@staticmethod`"
            self.error("NK0706", f"the first parameter of method `{node.name}` is `self`", node, help)
            if not parameters:
                parameters.append(Parameter("self", None, None, ast.copy_location(ast.arg("self"), node)))
        for parameter in parameters[1 if function.is_method else 0 :]:
            if parameter.annotation is None:
                help = f"write `{parameter.name}: TYPE`"
                self.error("NK0207", f"parameter `{parameter.name}` has no type", parameter.node, help)
        if node.returns is None:
            self.error("NK0207", f"`{node.name}` doesn't say what it returns", node, "write `-> None` if nothing")
        return function


_WAITING = ast.Await | ast.AsyncWith | ast.AsyncFor

SPECIAL_METHODS = frozenset({"__len__", "__getitem__", "__setitem__", "__contains__", "__enter__", "__exit__"})
ASYNC_METHODS = frozenset({"__aenter__", "__aexit__"})
#: what `with` and `async with` run at their ends: whatever these are handed, it isn't used
LEAVING = frozenset({"__exit__", "__aexit__"})
METHOD_MARKS = frozenset({"invariant", "writer", "staticmethod"})

#: decorators of Python that are not in the language, and what to write
_DECORATED = {
    "classmethod": "classes are not values: write a `@staticmethod`, or a function",
    "property": "write a method, and call it",
    "dataclass": "write `@struct` (an object with identity) or `@value` (a frozen record)",
    "abstractmethod": "there is no inheritance: write a `Protocol`",
    "cache": "there is no memory behind functions: compute it once, in a module constant or a field",
    "lru_cache": "there is no memory behind functions: compute it once, in a module constant or a field",
    "final": "there is no inheritance: leave it out",
    "override": "there is no inheritance: leave it out",
}

_STATEMENT_NAMES: dict[type[ast.stmt], str] = {
    ast.For: "a loop",
    ast.While: "a loop",
    ast.If: "`if`",
    ast.Expr: "a call or expression",
    ast.Try: "`try`",
    ast.With: "`with`",
    ast.Delete: "`del`",
    ast.AugAssign: "a change of a constant",
    ast.Assign: "this assignment",
    ast.AnnAssign: "a declaration without value",
}


def _width(name: str) -> str:
    """What to say of a width that doesn't exist."""
    matched = re.fullmatch(r"([uif])(\d+)", name)
    if matched is None:
        return ""
    kind, bits = matched[1], int(matched[2])
    if kind == "f":
        return "floats are `f32` and `f64`"
    return f"the widest is `{kind}64`" if bits > 64 else "signed integers are `i8`, `i16`, `i32` and `i64`"


def _folders(module: Module) -> list[Path]:
    return [module.path.parent] if module.path.name == "__init__.py" else []


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


assert all(hasattr(builtins, name) for name in BUILTINS)
