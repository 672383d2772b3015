"""DWARF: where each instruction comes from, and what variables and types look like to a debugger.

Invariants: file names are those of the spans (relative to the project), and no node names a directory of this machine.
The language is given as C, because debuggers then know how to print structs, follow references and index arrays.
"""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.layout import Layout, record_fields
from neokernel.compiler.llvm.metadata import Metadata
from neokernel.compiler.types import (
    ArrayType,
    BoolType,
    EnumType,
    FloatType,
    IntType,
    NeverType,
    NoneType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireType,
)
from neokernel.lang.interfaces.generate import as_written, is_generated


def _escape(text: str) -> str:
    return "".join(chr(c) if 32 <= c < 127 and c not in b'"\\' else f"\\{c:02X}" for c in text.encode())


class DebugInfo:
    """Debug metadata of one module: a compile unit for each source file."""

    def __init__(self, metadata: Metadata, layout: Layout, optimised: bool) -> None:
        self.metadata = metadata
        self.layout = layout
        self.optimised = optimised
        self.units: dict[str, tuple[str, str]] = {}
        self._types: dict[Type, str] = {}

    def unit(self, file: str) -> tuple[str, str]:
        """(file node, compile unit node) of a source file."""
        known = self.units.get(file)
        if known is None:
            file_node = self.metadata.node(f'!DIFile(filename: "{_escape(file)}", directory: "")')
            unit = self.metadata.distinct(
                f'!DICompileUnit(language: DW_LANG_C11, file: {file_node}, producer: "neokernel", '
                f"isOptimized: {str(self.optimised).lower()}, runtimeVersion: 0, emissionKind: FullDebug, "
                "nameTableKind: None)"
            )
            known = self.units[file] = (file_node, unit)
        return known

    def subprogram(self, function: ir.Function, local: bool) -> str:
        file, unit = self.unit(function.span.file)
        types = ["null" if isinstance(function.result, (NoneType, NeverType)) else self.type(function.result)]
        types += [self.type(parameter.type) for parameter in function.parameters]
        signature = self.metadata.node(f"!DISubroutineType(types: {self.metadata.node('!{' + ', '.join(types) + '}')})")
        flags = "DISPFlagDefinition"
        flags += " | DISPFlagLocalToUnit" if local else ""
        flags += " | DISPFlagOptimized" if self.optimised else ""
        name = function.name
        if not name.startswith(function.module + "."):
            name = f"{function.module}.{name}"
        # What is generated for an interface has the name that the user wrote, and is marked (DW_AT_artificial).
        # Debuggers prefer a linkage name where there is one, so that such a function's is only in the symbol table.
        written, made = as_written(name), " | DIFlagArtificial" if is_generated(name) else ""
        symbol = f'linkageName: "{_escape(function.symbol)}", ' if written == name else ""
        return self.metadata.distinct(
            f'!DISubprogram(name: "{_escape(written)}", {symbol}'
            f"scope: {file}, file: {file}, line: {function.span.line}, type: {signature}, "
            f"scopeLine: {function.span.line}, flags: DIFlagPrototyped{made}, spFlags: {flags}, unit: {unit})"
        )

    def location(self, span: ir.Span, subprogram: str) -> str:
        # LLVM keeps 16 bits of the column
        column = span.column + 1 if span.column < 65535 else 0
        return self.metadata.node(f"!DILocation(line: {span.line}, column: {column}, scope: {subprogram})")

    def variable(self, var: ir.Var, argument: int, span: ir.Span, subprogram: str) -> str:
        file, _ = self.unit(span.file)
        position = f"arg: {argument}, " if argument else ""
        return self.metadata.node(
            f'!DILocalVariable(name: "{_escape(as_written(var.name))}", {position}scope: {subprogram}, file: {file}, '
            f"line: {span.line}, type: {self.type(var.type)})"
        )

    # --- types --------------------------------------------------------------------------------------------------------

    def type(self, of: Type) -> str:
        known = self._types.get(of)
        if known is None:
            known = self._types[of] = self.metadata.reserve()  # before its parts: types may refer to each other
            self.metadata.define(known, self._describe(of, known))
        return known

    def _describe(self, of: Type, node: str) -> str:
        bits = self.layout.size(of) * 8
        if isinstance(of, IntType):
            return _basic(str(of), bits, "DW_ATE_signed" if of.signed else "DW_ATE_unsigned")
        if isinstance(of, FloatType):
            return _basic(str(of), bits, "DW_ATE_float")
        if isinstance(of, BoolType):
            return _basic("bool", bits, "DW_ATE_boolean")
        if isinstance(of, (NoneType, NeverType)):
            return '!DIBasicType(tag: DW_TAG_unspecified_type, name: "None")'
        if isinstance(of, EnumType):
            return self._enumeration(str(of), of.members, of.storage)
        if isinstance(of, RefType):
            return f"!DIDerivedType(tag: DW_TAG_pointer_type, baseType: {self.type(of.target)}, size: 64)"
        if isinstance(of, ArrayType):
            element = self.type(self.layout.element_type(of))
            count = self.metadata.node(f"!DISubrange(count: {of.length})")
            return (
                f"!DICompositeType(tag: DW_TAG_array_type, baseType: {element}, size: {bits}, "
                f"elements: {self.metadata.node(f'!{{{count}}}')})"
            )
        if isinstance(of, UnionType) and of.is_optional_reference:
            reference = next(arm for arm in of.arms if isinstance(arm, RefType))
            return f"!DIDerivedType(tag: DW_TAG_pointer_type, baseType: {self.type(reference.target)}, size: 64)"
        members = [
            f'!DIDerivedType(tag: DW_TAG_member, name: "{_escape(name)}", scope: {node}, baseType: {kind}, '
            f"size: {size}, offset: {offset}{extra})"
            for name, kind, size, offset, extra in self._members(of)
        ]
        elements = self.metadata.node("!{" + ", ".join(self.metadata.node(member) for member in members) + "}")
        name = _escape(as_written(str(of)))
        return (
            f'distinct !DICompositeType(tag: DW_TAG_structure_type, name: "{name}", size: {bits}, elements: {elements})'
        )

    def _enumeration(self, name: str, members: dict[str, int], storage: IntType) -> str:
        unsigned = "" if storage.signed else ", isUnsigned: true"
        enumerators = [
            self.metadata.node(f'!DIEnumerator(name: "{_escape(member)}", value: {value}{unsigned})')
            for member, value in members.items()
        ]
        elements = self.metadata.node("!{" + ", ".join(enumerators) + "}")
        return (
            f'distinct !DICompositeType(tag: DW_TAG_enumeration_type, name: "{_escape(name)}", '
            f"baseType: {self.type(storage)}, size: {storage.bits}, elements: {elements})"
        )

    def _members(self, of: Type) -> list[tuple[str, str, int, int, str]]:
        """(name, type node, bits, bit offset, further attributes) of each member of an aggregate."""
        if isinstance(of, StructType):
            offsets = self.layout.struct(of).offsets
            stored = [(field.name, self.layout.stored_type(field)) for field in of.fields.values() if not field.ghost]
            return [
                (name, self.type(field), self.layout.size(field) * 8, offsets[name] * 8, "") for name, field in stored
            ]
        if isinstance(of, SpanType):
            element = self.type(self.layout.element_type(of))
            pointer = self.metadata.node(f"!DIDerivedType(tag: DW_TAG_pointer_type, baseType: {element}, size: 64)")
            return [("pointer", pointer, 64, 0, ""), ("length", self.type(IntType(64, False)), 64, 64, "")]
        if isinstance(of, (ValueType, TupleType)):
            members = []
            offset = 0
            for name, item in record_fields(of):
                if isinstance(item, NoneType):
                    continue
                size, alignment = self.layout.size(item), self.layout.alignment(item)
                offset = (offset + alignment - 1) // alignment * alignment
                name = f"_{name}" if name.isdigit() else name
                members.append((name, self.type(item), size * 8, offset * 8, ""))
                offset += size
            return members
        if isinstance(of, WireType):
            return self._wire_members(of)
        if isinstance(of, UnionType):
            return self._union_members(of)
        raise TypeError(f"{of} has no members")

    def _wire_members(self, of: WireType) -> list[tuple[str, str, int, int, str]]:
        members = []
        for field in of.fields.values():
            if not isinstance(field.type, (IntType, BoolType)):
                inner = field.type.target if isinstance(field.type, RefType) else field.type
                members.append((field.name, self.type(inner), self.layout.size(inner) * 8, field.offset * 8, ""))
            elif field.bits == field.unit_bits and field.bits in (8, 16, 32, 64):
                members.append((field.name, self.type(field.type), field.bits, field.offset * 8, ""))
            elif not field.big:
                extra = f", flags: DIFlagBitField, extraData: i64 {field.offset * 8}"
                members.append((field.name, self.type(field.type), field.bits, field.offset * 8 + field.shift, extra))
        return members

    def _union_members(self, of: UnionType) -> list[tuple[str, str, int, int, str]]:
        """`arm` names the arm in force; each arm with content follows, all of them over the same slots."""
        union = self.layout.union(of)
        arms = self.metadata.reserve()
        names = {str(arm): placed.tag for arm, placed in union.arms.items()}
        self.metadata.define(arms, self._enumeration(f"arms of {of}", names, IntType(8, False)))
        members = [("arm", arms, 8, 0, "")]
        for arm, placed in union.arms.items():
            for leaf, slot in zip(placed.leaves, placed.slots, strict=True):
                name = f"{arm}.{leaf.name}" if leaf.name else str(arm)
                if leaf.type is not None:
                    kind = self.type(leaf.type)
                else:
                    kind = self.type(IntType(64 if leaf.is_pointer else leaf.size * 8, False))
                members.append((name, kind, leaf.size * 8, union.slot_offset(slot) * 8, ""))
        return members


def _basic(name: str, bits: int, encoding: str) -> str:
    return f'!DIBasicType(name: "{name}", size: {bits}, encoding: {encoding})'
