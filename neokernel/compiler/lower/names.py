"""Names: what a global one stands for, which paths can be narrowed, the static types of both."""

from __future__ import annotations

import ast

from neokernel.compiler import ir
from neokernel.compiler.declare import (
    AliasDecl,
    ClassDecl,
    ConstDecl,
    Declaration,
    EnumDecl,
    FunctionDecl,
    LangName,
    ModuleRef,
    ProtocolDecl,
    TypeVarDecl,
)
from neokernel.compiler.diagnostics import Rejected, suggestion
from neokernel.compiler.forgotten import nearly, unimported
from neokernel.compiler.ir import Const, Operand
from neokernel.compiler.lower import constants
from neokernel.compiler.lower.context import NOTHING, Context, Path, Value
from neokernel.compiler.types import NEVER, NONE, ArrayType, RefType, SpanType, StructType, Type, ValueType
from neokernel.lang.trees import walk


def path_of(node: ast.expr) -> Path | None:
    """`a.b.c` as a path, if `node` is one."""
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=value, attr=name):
            base = path_of(value)
            return (*base, name) if base else None
        case ast.NamedExpr(target=ast.Name(id=name)):
            return (name,)
    return None


def find(ctx: Context, node: ast.expr) -> Declaration:
    """The declaration that a global name or `module.name` stands for."""
    match node:
        case ast.Name(id=name):
            found = ctx.scope.lookup(name)
            if found is None:
                help = _MISSING.get(name, "") or unimported(ctx.scope.module, name)
                help = help or suggestion(name, [*ctx.variables, *ctx.scope.names]) or nearly(name)
                raise ctx.reject("NK0208", f"`{name}` is not defined", node, help)
            if found == LangName("<unknown>"):
                raise Rejected.silent()
            return found
        case ast.Attribute(value=value, attr=name):
            outer = find(ctx, value)
            if isinstance(outer, ModuleRef):
                inner = outer.scope.names.get(name)
                if inner is None:
                    help = suggestion(name, outer.scope.names)
                    raise ctx.reject("NK0204", f"`{outer.scope.module.name}` has no `{name}`", node, help)
                return inner
    raise ctx.reject("NK0103", "this is not a name", node)


def is_global(ctx: Context, node: ast.expr) -> bool:
    """Is `node` a name (dotted, through modules) that isn't a local variable?"""
    match node:
        case ast.Name(id=name):
            return name not in ctx.locals and name not in ctx.variables
        case ast.Attribute(value=value):
            return is_global(ctx, value) and _is_module(ctx, value)
    return False


def _is_module(ctx: Context, node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name):
            return isinstance(ctx.scope.names.get(name), ModuleRef)
        case ast.Attribute(value=value, attr=name) if _is_module(ctx, value):
            return isinstance(find(ctx, node), ModuleRef)
    return False


def declared(ctx: Context, found: Declaration, node: ast.expr, hint: Type | None) -> Value:
    """The value of a global name."""
    match found:
        case ConstDecl():
            return constants.value_of(ctx.compilation, found)
        case FunctionDecl():
            raise ctx.reject(
                "NK0107",
                f"function `{found.name}` is not a value",
                node,
                f"call it: `{found.name}(…)`; choose with `match`",
            )
        case ClassDecl() | EnumDecl() | AliasDecl() | TypeVarDecl() | ProtocolDecl():
            raise ctx.reject("NK0107", f"class `{found.name}` is not a value", node, f"`{found.name}(…)` makes one")
        case LangName(name):
            raise ctx.reject("NK0107", f"`{name}` is not a value", node, "it can only be called or stand in a type")
        case ModuleRef():
            raise ctx.reject("NK0107", "a module is not a value", node, "name something in it")


def narrowed(ctx: Context, path: Path | None, value: Operand, node: ast.AST) -> Operand:
    """`value`, which was read from `path`, as the type that the flow knows it to have here."""
    known = ctx.flow.narrowed.get(path) if path else None
    if known is None or known == value.type:
        return value
    if known == NONE:
        return NOTHING
    if known == NEVER:
        return Const(NEVER, None)
    return ctx.op(ir.AsArm, node, known, value)


_MISSING = {
    "print": "hand text to a writer, such as `process.console.write(…)` in a service",
    "int": "integers have a width: `u32(…)`",
    "float": "floats have a width: `f64(…)`",
    "list": "use `Array[T]`, or a container of the runtime",
    "dict": "use a container of the runtime",
    "sum": "write the loop",
    "any": "write the loop",
    "all": "write the loop",
    "sorted": "write the loop, or use the runtime",
    "divmod": "write `a // b` and `a % b`",
    "ord": 'write `b"a"[0]`',
    "pow": "multiply",
    "round": "convert: `u32(x + 0.5)`",
    "input": "read bytes from a device: a module of the board has the console",
    "open": "there are no files: the program has what it gets from `main`'s machine",
    "hex": 'write it in text: `console.write(f"{x:#x}")`',
    "bin": 'write it in text: `console.write(f"{x:#b}")`',
    "oct": 'write it in text: `console.write(f"{x:#o}")`',
    "chr": "write bytes: a character may be several",
    "repr": 'write it in text: `console.write(f"{x}")`',
    "set": "use a container of the runtime",
    "map": "write the loop",
    "filter": "write the loop",
    "iter": "write the loop",
    "next": "write the loop",
    "super": "there is no inheritance",
    "self": "only methods have `self`",
}


def static_type(ctx: Context, node: ast.expr) -> Type | None:
    """The type of a variable, of a field of one, and so on; None for anything less plain."""
    path = path_of(node)
    if path is not None and path in ctx.flow.narrowed:
        return ctx.flow.narrowed[path]
    match node:
        case ast.Name(id=name):
            var = ctx.variables.get(name)
            return var.type if var else None
        case ast.Attribute(value=value, attr=name):
            base = static_type(ctx, value)
            owner = base.target if isinstance(base, RefType) else base
            if isinstance(owner, StructType | ValueType):
                found = owner.fields.get(name)
                if found is not None:
                    return RefType(found.type) if found.inline else found.type
        case ast.Subscript(value=value):
            base = static_type(ctx, value)
            sequence = base.target if isinstance(base, RefType) else base
            if isinstance(sequence, ArrayType | SpanType):
                return RefType(sequence.element) if sequence.inline else sequence.element
    return None


def assigned_names(body: list[ast.stmt]) -> frozenset[str]:
    """Every name that the statements bind: as in Python, they are local to the whole function."""
    names: set[str] = set()
    for statement in body:
        for node in walk(statement):
            match node:
                case ast.Name(id=name, ctx=ast.Store()):
                    names.add(name)
                case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                    names.add(name)
    return frozenset(names)
