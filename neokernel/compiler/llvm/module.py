"""What the functions of a module share: constants, declarations, helpers, check numbers.

Invariant: everything is named and ordered by first use, so equal programs give equal text.
"""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.layout import Layout
from neokernel.compiler.lives import Mortals
from neokernel.compiler.llvm.debug import DebugInfo
from neokernel.compiler.llvm.equality import write_equality
from neokernel.compiler.llvm.metadata import Metadata
from neokernel.compiler.llvm.target import CheckRecord, EmitOptions, Failure, Target
from neokernel.compiler.types import NeverType, NoneType, RefType, Type

_PLAIN_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._")


def quote(text: str) -> str:
    """`text` as an LLVM string, with its quotes."""
    raw = text.encode()
    return '"' + "".join(chr(c) if 32 <= c < 127 and c not in b'"\\' else f"\\{c:02X}" for c in raw) + '"'


def symbol_name(symbol: str) -> str:
    """A global's name as LLVM writes it."""
    return f"@{symbol}" if _PLAIN_NAME.issuperset(symbol) and not symbol[0].isdigit() else "@" + quote(symbol)


class Module:
    """State of one emission."""

    def __init__(self, program: ir.Program, target: Target, options: EmitOptions) -> None:
        self.program = program
        self.target = target
        self.options = options
        self.layout = Layout()
        self.metadata = Metadata(self.layout, trust_memory=not options.poison)
        self.debug = DebugInfo(self.metadata, self.layout, options.level > 0) if options.debug else None
        watched = options.poison and options.failure is Failure.HOST
        mortals = Mortals(program) if watched else None
        #: what may be retired; None when accesses aren't tested
        self.mortals = mortals if mortals is not None and mortals.ends else None
        self.checks: list[CheckRecord] = []
        self.helpers: list[str] = []
        self.defined = {function.symbol for function in program.functions}
        self._constants: dict[str, str] = {}
        self._declarations: dict[str, str] = {}
        self._equality: dict[Type, str] = {}
        self._parameters: dict[Type, str] = {}
        self._signatures: dict[ir.Function, tuple[str, str, str]] = {}

    # --- globals ------------------------------------------------------------------------------------------------------

    def constant(self, typed_value: str, alignment: int) -> str:
        """A read-only global that holds `typed_value` (`[3 x i8] c"abc"`)."""
        known = self._constants.get(typed_value)
        if known is None:
            name = f"@nk.constant.{len(self._constants)}"
            known = self._constants[typed_value] = name
            self.helpers.append(f"{name} = private unnamed_addr constant {typed_value}, align {alignment}")
        return known

    def declare(self, name: str, declaration: str) -> str:
        """Make sure that the function `name` is declared: `i64 @llvm.umin.i64(i64, i64)`."""
        self._declarations.setdefault(name, declaration)
        return name

    def intrinsic(self, base: str, llvm: str, result: str, *parameters: str) -> str:
        """An overloaded intrinsic: `intrinsic("umin", "i64", "i64", "i64", "i64")` is `@llvm.umin.i64`."""
        name = f"@llvm.{base}.{llvm}"
        if name not in self._declarations:
            self._declarations[name] = f"declare {result} {name}({', '.join(parameters)})"
        return name

    def declarations(self) -> list[str]:
        return [text for name, text in self._declarations.items() if name not in self.provided()]

    def provided(self) -> set[str]:
        return {symbol_name(symbol) for symbol in self.defined}

    # --- checks -------------------------------------------------------------------------------------------------------

    def record_check(self, symbol: str, check: ir.Check, span: ir.Span) -> int:
        number = self.options.first_check + len(self.checks)
        self.checks.append(CheckRecord(number, symbol, check.index, check.kind, span, check.message))
        return number

    # --- signatures ---------------------------------------------------------------------------------------------------

    def is_exported(self, function: ir.Function) -> bool:
        return function.exported or function.naked or function.symbol in self.options.exported

    def convention(self, function: ir.Function) -> str:
        """`fastcc ` for functions that only we call."""
        return "" if self.is_exported(function) or function.symbol not in self.defined else "fastcc "

    def extension(self, of: Type) -> str:
        """How the machine's calling convention widens a small integer."""
        llvm = self.layout.llvm(of)
        if llvm in ("i1", "i8", "i16", "i32"):
            storage = getattr(of, "storage", of)
            signed = getattr(storage, "signed", False) or (llvm == "i32" and self.target.is_riscv)
            return "signext " if signed else "zeroext "
        return ""

    def parameter(self, of: Type) -> str:
        """Type and attributes of a parameter."""
        known = self._parameters.get(of)
        if known is None:
            known = self._parameters[of] = f"{self.layout.llvm(of)} {self._attributes(of)}"
        return known

    def _attributes(self, of: Type) -> str:
        if isinstance(of, RefType):
            attributes = "noundef nonnull "
            alignment, size = self.layout.alignment(of.target), self.layout.size(of.target)
            if alignment > 1:
                attributes += f"align {alignment} "
            if size and not self.options.poison:
                attributes += f"dereferenceable({size}) "
            return attributes
        return ("noundef " if self.layout.llvm(of)[0] in "ifd" else "") + self.extension(of)

    def signature(self, function: ir.Function) -> tuple[str, str, str]:
        """Calling convention, result with its attributes, and name."""
        known = self._signatures.get(function)
        if known is None:
            result = function.result
            if isinstance(result, (NoneType, NeverType)):
                returned = "void"
            else:
                llvm = self.layout.llvm(result)
                attributes = "noundef " if llvm[0] in "ifd" else ""
                if isinstance(result, RefType):
                    attributes = "noundef nonnull "
                returned = f"{attributes}{self.extension(result)}{llvm}"
            known = (self.convention(function), returned, symbol_name(function.symbol))
            self._signatures[function] = known
            if function.symbol not in self.defined:
                parameters = ", ".join(self.parameter(p.type) for p in stored_parameters(function))
                self.declare(known[2], f"declare {returned} {known[2]}({parameters})")
        return known

    # --- equality -----------------------------------------------------------------------------------------------------

    def equality(self, of: Type) -> str:
        """The helper that compares two values of an aggregate type structurally."""
        known = self._equality.get(of)
        if known is None:
            known = self._equality[of] = f"@nk.equal.{len(self._equality)}"
            self.helpers.append(write_equality(self, of, known))
        return known


def stored_parameters(function: ir.Function) -> list[ir.Var]:
    """The parameters that are passed at all."""
    return [parameter for parameter in function.parameters if not isinstance(parameter.type, NoneType)]
