"""Metadata nodes of a module: numbering, sharing, and the ones that optimisation lives on.

Invariant: nodes are numbered in the order in which they are first asked for, so equal programs give equal text.
"""

from __future__ import annotations

from neokernel.compiler.layout import Layout, Leaf
from neokernel.compiler.types import ArrayType, BoolType, EnumType, RefType, SpanType, StructType, WireType

#: Weights of (fails, goes on), as clang's `__builtin_expect` has them.
RARE, USUAL = 1, 1048575


class Tags(dict[str, str]):
    """What to add to loads and stores of one field or of elements of one type, by the LLVM type of the leaf."""

    def __init__(self, metadata: Metadata, name: str) -> None:
        super().__init__()
        self._metadata = metadata
        self._name = name

    def __missing__(self, llvm: str) -> str:
        made = self[llvm] = self._metadata.tag(self._name, llvm)
        return made


class NoTags(Tags):
    """For accesses that may alias all others."""

    def __init__(self) -> None:
        dict.__init__(self)

    def __missing__(self, llvm: str) -> str:
        return ""


class Metadata:
    """The nodes of one module. A node is written `!7`."""

    def __init__(self, layout: Layout, trust_memory: bool) -> None:
        self.layout = layout
        self.trust_memory = trust_memory
        self.lines: list[str] = []
        self._shared: dict[str, str] = {}
        self._field_tags: dict[tuple[StructType, str], Tags] = {}
        self._leaf_facts: dict[Leaf, str] = {}
        self._element_tags: dict[str, Tags] = {}
        self.fails_if_true = ", !prof " + self.node(f'!{{!"branch_weights", i32 {RARE}, i32 {USUAL}}}')
        self.fails_if_false = ", !prof " + self.node(f'!{{!"branch_weights", i32 {USUAL}, i32 {RARE}}}')
        self.empty = self.node("!{}")
        self._tbaa_root = self.node('!{!"neokernel memory"}')

    def reserve(self) -> str:
        """A number for a node whose text follows with `define` (nodes may be cyclic)."""
        self.lines.append("")
        return f"!{len(self.lines) - 1}"

    def define(self, name: str, text: str) -> None:
        self.lines[int(name[1:])] = f"{name} = {text}"

    def distinct(self, text: str) -> str:
        name = self.reserve()
        self.define(name, f"distinct {text}")
        return name

    def node(self, text: str) -> str:
        """The node with this text, shared by all who ask."""
        known = self._shared.get(text)
        if known is None:
            known = self._shared[text] = self.reserve()
            self.define(known, text)
        return known

    # --- aliasing -----------------------------------------------------------------------------------------------------
    # A field is reached only by its own name in its own struct, an element only as an element of its type: so a tag for
    # each says all that C's struct paths say, and more. Above them stands one node for each scalar type, for accesses
    # that LLVM merges: a store to one of two fields is still known to store a pointer.

    def field_tags(self, struct: StructType, field: str) -> Tags:
        """The tags of accesses to a field, by the LLVM type of the leaf."""
        key = (struct, field)
        known = self._field_tags.get(key)
        if known is None:
            known = self._field_tags[key] = Tags(self, f"{struct.module}.{struct.name}.{field}")
        return known

    def element_tags(self, container: ArrayType | SpanType) -> Tags:
        name = str(container.element)
        known = self._element_tags.get(name)
        if known is None:
            known = self._element_tags[name] = Tags(self, f"element {name}")
        return known

    def tag(self, name: str, llvm: str) -> str:
        escaped = name.replace("\\", "\\5C").replace('"', "\\22")
        kind = self.node(f'!{{!"{llvm}", {self._tbaa_root}, i64 0}}')
        scalar = self.node(f'!{{!"{escaped}", {kind}, i64 0}}')
        return ", !tbaa " + self.node(f"!{{{scalar}, {scalar}, i64 0}}")

    # --- facts about loaded scalars -----------------------------------------------------------------------------------

    def leaf_facts(self, leaf: Leaf) -> str:
        """What a load of this leaf from memory may assume."""
        if not self.trust_memory:
            return ""
        known = self._leaf_facts.get(leaf)
        if known is None:
            known = self._leaf_facts[leaf] = self._compute_facts(leaf)
        return known

    def _compute_facts(self, leaf: Leaf) -> str:
        of = leaf.type
        if leaf.limit is not None:
            return f", !range {self.node(f'!{{i64 0, i64 {leaf.limit}}}')}"
        if isinstance(of, BoolType):
            return f", !range {self.node('!{i8 0, i8 2}')}, !noundef {self.empty}"
        if isinstance(of, EnumType) and of.members:
            low, high = min(of.members.values()), max(of.members.values()) + 1
            bits = of.storage.bits
            if high - low >= 1 << bits:
                return ""
            return f", !range {self.node(f'!{{i{bits} {low}, i{bits} {wrap(high, bits)}}}')}, !noundef {self.empty}"
        if isinstance(of, RefType):
            facts = f", !nonnull {self.empty}, !noundef {self.empty}"
            if isinstance(of.target, (StructType, ArrayType, WireType)):
                size, alignment = self.layout.size(of.target), self.layout.alignment(of.target)
                if alignment > 1:
                    facts += f", !align {self.node(f'!{{i64 {alignment}}}')}"
                if size and not isinstance(of.target, WireType):
                    facts += f", !dereferenceable {self.node(f'!{{i64 {size}}}')}"
            return facts
        return ""


def wrap(value: int, bits: int) -> int:
    """`value` as a number that LLVM takes for a signed `bits` wide constant."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
