"""Builds typed IR by hand, for tests of the back end.

Every instruction gets a span of its own line, and the checks that `ir.py` says its operation makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from neokernel.compiler import ir
from neokernel.compiler.types import (
    BOOL,
    NEVER,
    NONE,
    U32,
    U64,
    ArrayType,
    EnumType,
    FloatType,
    IntType,
    RefType,
    SpanType,
    StructType,
    Type,
    UnionType,
)

FILE = "samples/sample.py"


def const(of: Type, value: int | float | bool | bytes | tuple[ir.ConstValue, ...] | None) -> ir.Const:
    return ir.Const(of, value)


def binary_kinds(op: str, mode: ir.Mode, of: Type) -> list[ir.Kind]:
    """The checks of a Binary instruction, in order."""
    if not isinstance(of, IntType):
        return []
    if op in ("add", "sub", "mul"):
        return [ir.Kind.OVERFLOW] if mode is ir.Mode.CHECKED else []
    if op == "floordiv":
        return [ir.Kind.DIVISION, ir.Kind.OVERFLOW] if of.signed else [ir.Kind.DIVISION]
    if op == "mod":
        return [ir.Kind.DIVISION]
    if op == "shl":
        return [ir.Kind.SHIFT, ir.Kind.OVERFLOW] if mode is ir.Mode.CHECKED else [ir.Kind.SHIFT]
    return [ir.Kind.SHIFT] if op == "shr" else []


def convert_kinds(source: Type, wanted: Type, truncate: bool) -> list[ir.Kind]:
    """The checks of a Convert instruction."""
    if truncate or isinstance(wanted, FloatType):
        return []
    if isinstance(source, FloatType):
        return [ir.Kind.CONVERSION]
    if isinstance(wanted, EnumType):
        return [ir.Kind.ENUM]
    if isinstance(source, EnumType) and isinstance(wanted, IntType):
        return [] if all(map(wanted.holds, source.members.values())) else [ir.Kind.CONVERSION]
    if isinstance(source, IntType) and isinstance(wanted, IntType):
        fits = wanted.holds(source.lowest) and wanted.holds(source.highest)
        return [] if fits else [ir.Kind.CONVERSION]
    return []


class FunctionBuilder:
    """One function under construction; methods append instructions to the current block."""

    def __init__(
        self,
        symbol: str,
        parameters: Sequence[tuple[str, Type]] = (),
        result: Type = NONE,
        *,
        discharged: bool = False,
        file: str = FILE,
    ) -> None:
        self.discharged = discharged
        self.file = file
        self.line = 1
        module, _, name = symbol.rpartition(".")
        variables = [ir.Var(name, of, number) for number, (name, of) in enumerate(parameters)]
        self.function = ir.Function(name, symbol, module or "sample", self.span(), list(variables), result)
        self.function.variables = list(variables)
        self.block: ir.Block = self.function.body
        self._labels = 0

    def span(self) -> ir.Span:
        self.line += 1
        return ir.Span(self.file, self.line, 4, self.line, 12)

    def temp(self, of: Type) -> ir.Temp:
        self.function.temps += 1
        return ir.Temp(self.function.temps - 1, of)

    def checks(self, kinds: Sequence[ir.Kind], message: str = "", discharged: bool = False) -> tuple[ir.Check, ...]:
        made = []
        for kind in kinds:
            made.append(ir.Check(self.function.checks, kind, self.discharged or discharged, message))
            self.function.checks += 1
        return tuple(made)

    def add(self, statement: ir.Statement) -> None:
        self.block.append(statement)

    # --- variables ----------------------------------------------------------------------------------------------------

    def parameter(self, index: int) -> ir.Temp:
        return self.get(self.function.parameters[index])

    def variable(self, name: str, of: Type) -> ir.Var:
        var = ir.Var(name, of, len(self.function.variables), self.span())
        self.function.variables.append(var)
        return var

    def get(self, var: ir.Var) -> ir.Temp:
        result = self.temp(var.type)
        self.add(ir.Get(self.span(), result, (), var))
        return result

    def set(self, var: ir.Var, value: ir.Operand) -> None:
        self.add(ir.Set(self.span(), None, (), var, value))

    # --- scalars ------------------------------------------------------------------------------------------------------

    def binary(self, op: str, left: ir.Operand, right: ir.Operand, mode: ir.Mode = ir.Mode.CHECKED) -> ir.Temp:
        result = self.temp(left.type)
        checks = self.checks(binary_kinds(op, mode, left.type))
        self.add(ir.Binary(self.span(), result, checks, op, mode, left, right))
        return result

    def unary(self, op: str, operand: ir.Operand, mode: ir.Mode = ir.Mode.CHECKED, of: Type | None = None) -> ir.Temp:
        if of is None:
            of = U32 if op.startswith("count") else operand.type
        overflows = op in ("neg", "abs") and mode is ir.Mode.CHECKED and isinstance(operand.type, IntType)
        result = self.temp(of)
        checks = self.checks([ir.Kind.OVERFLOW] if overflows else [])
        self.add(ir.Unary(self.span(), result, checks, op, mode, operand))
        return result

    def compare(self, op: str, left: ir.Operand, right: ir.Operand) -> ir.Temp:
        result = self.temp(BOOL)
        self.add(ir.Compare(self.span(), result, (), op, left, right))
        return result

    def convert(self, operand: ir.Operand, wanted: Type, truncate: bool = False) -> ir.Temp:
        result = self.temp(wanted)
        checks = self.checks(convert_kinds(operand.type, wanted, truncate))
        self.add(ir.Convert(self.span(), result, checks, operand, truncate))
        return result

    def select(self, condition: ir.Operand, left: ir.Operand, right: ir.Operand) -> ir.Temp:
        result = self.temp(left.type)
        self.add(ir.Select(self.span(), result, (), condition, left, right))
        return result

    # --- aggregates ---------------------------------------------------------------------------------------------------

    def record(self, of: Type, *items: ir.Operand) -> ir.Temp:
        result = self.temp(of)
        self.add(ir.MakeRecord(self.span(), result, (), items))
        return result

    def item(self, record: ir.Operand, index: int, of: Type) -> ir.Temp:
        result = self.temp(of)
        self.add(ir.Item(self.span(), result, (), record, index))
        return result

    def union(self, of: UnionType, value: ir.Operand) -> ir.Temp:
        result = self.temp(of)
        self.add(ir.MakeUnion(self.span(), result, (), value))
        return result

    def is_arm(self, union: ir.Operand, *arms: Type) -> ir.Temp:
        result = self.temp(BOOL)
        self.add(ir.IsArm(self.span(), result, (), union, arms))
        return result

    def as_arm(self, union: ir.Operand, of: Type) -> ir.Temp:
        result = self.temp(of)
        self.add(ir.AsArm(self.span(), result, (), union))
        return result

    # --- memory -------------------------------------------------------------------------------------------------------

    def new(self, target: Type, zero: bool = True) -> ir.Temp:
        result = self.temp(RefType(target))
        self.add(ir.New(self.span(), result, (), zero))
        return result

    def load(self, base: ir.Operand, struct: StructType, field: str) -> ir.Temp:
        result = self.temp(struct.fields[field].type)
        self.add(ir.LoadField(self.span(), result, (), base, struct, field))
        return result

    def store(self, base: ir.Operand, struct: StructType, field: str, value: ir.Operand) -> None:
        self.add(ir.StoreField(self.span(), None, (), base, struct, field, value))

    def field_ref(self, base: ir.Operand, struct: StructType, field: str) -> ir.Temp:
        of = struct.fields[field].type
        result = self.temp(of if isinstance(of, RefType) else RefType(of))
        self.add(ir.FieldRef(self.span(), result, (), base, struct, field))
        return result

    def element(self, base: ir.Operand, index: ir.Operand, checked: bool = True) -> ir.Temp:
        result = self.temp(_container(base).element)
        checks = self.checks([ir.Kind.INDEX], discharged=not checked)
        self.add(ir.LoadElement(self.span(), result, checks, base, index))
        return result

    def set_element(self, base: ir.Operand, index: ir.Operand, value: ir.Operand, checked: bool = True) -> None:
        checks = self.checks([ir.Kind.INDEX], discharged=not checked)
        self.add(ir.StoreElement(self.span(), None, checks, base, index, value))

    def element_ref(self, base: ir.Operand, index: ir.Operand) -> ir.Temp:
        result = self.temp(RefType(_container(base).element))
        self.add(ir.ElementRef(self.span(), result, self.checks([ir.Kind.INDEX]), base, index))
        return result

    def fill(self, base: ir.Operand, value: ir.Operand) -> None:
        self.add(ir.FillArray(self.span(), None, (), base, value))

    def span_of(self, base: ir.Operand, of: SpanType) -> ir.Temp:
        result = self.temp(of)
        self.add(ir.MakeSpan(self.span(), result, (), base))
        return result

    def slice(self, base: ir.Operand, start: ir.Operand, stop: ir.Operand | None, of: SpanType) -> ir.Temp:
        result = self.temp(of)
        self.add(ir.Slice(self.span(), result, self.checks([ir.Kind.INDEX]), base, start, stop))
        return result

    def length(self, base: ir.Operand) -> ir.Temp:
        result = self.temp(U64)
        self.add(ir.Length(self.span(), result, (), base))
        return result

    # --- control ------------------------------------------------------------------------------------------------------

    def call(self, function: ir.Function, *arguments: ir.Operand) -> ir.Temp | None:
        result = None if function.result in (NONE, NEVER) else self.temp(function.result)
        self.add(ir.Call(self.span(), result, (), function, arguments))
        return result

    def require(self, condition: ir.Operand, message: str = "") -> None:
        self.add(ir.Require(self.span(), None, self.checks([ir.Kind.ASSERT], message), condition))

    def fail(self, message: str = "") -> None:
        self.add(ir.Fail(self.span(), self.checks([ir.Kind.UNREACHABLE], message)[0]))

    def ret(self, value: ir.Operand | None = None) -> None:
        self.add(ir.Return(self.span(), value))

    @contextmanager
    def within(self, block: ir.Block) -> Iterator[None]:
        outer, self.block = self.block, block
        yield
        self.block = outer

    def branch(self, condition: ir.Operand) -> tuple[ir.Block, ir.Block]:
        statement = ir.If(self.span(), condition, [], [])
        self.add(statement)
        return statement.then, statement.otherwise

    def loop(self, trip: ir.Operand | None = None) -> ir.Loop:
        self._labels += 1
        statement = ir.Loop(self.span(), [], [], self._labels, trip=trip)
        self.add(statement)
        return statement

    @contextmanager
    def counted(self, name: str, stop: ir.Operand) -> Iterator[ir.Temp]:
        """`for name in range(stop)`: gives the index in the body."""
        index = self.variable(name, U64)
        self.set(index, const(U64, 0))
        loop = self.loop(stop)
        with self.within(loop.step):
            following = self.temp(U64)
            now = self.get(index)
            checks = self.checks([ir.Kind.OVERFLOW], discharged=True)
            self.add(ir.Binary(self.span(), following, checks, "add", ir.Mode.CHECKED, now, const(U64, 1)))
            self.set(index, following)
        with self.within(loop.body):
            now = self.get(index)
            then, otherwise = self.branch(self.compare("lt", now, stop))
            with self.within(otherwise):
                self.add(ir.Break(self.span(), loop.label))
            del then
            yield now


def _container(base: ir.Operand) -> ArrayType | SpanType:
    of = base.type.target if isinstance(base.type, RefType) else base.type
    assert isinstance(of, (ArrayType, SpanType))
    return of


def program(*builders: FunctionBuilder) -> ir.Program:
    return ir.Program([builder.function for builder in builders], [], {FILE: ""})
