"""The names of `neokernel.lang` as the compiler knows them, by what they are.

A test holds this list against what `neokernel.lang` exports.
"""

from __future__ import annotations

from neokernel.compiler.types import INTS

WIDTHS = frozenset(INTS) | {"usize"}
FLOATS = frozenset({"f32", "f64"})

#: integers of stated endianness, in `@wire` classes only
ENDIAN = frozenset(f"u{bits}{end}" for bits in (16, 32, 64) for end in ("be", "le"))

#: bit fields, in `@wire` classes only
BIT_FIELDS = frozenset(f"u{bits}" for bits in range(1, 64)) - WIDTHS

TYPES = frozenset({"Array", "Span", "Embedded", "Atomic", "Ghost", "Handle", "Order", "Coroutine", "Tasks"})

#: what `lang/interfaces` expands before names are declared: left over, they stand where they can't
INTERFACES = frozenset(
    {
        "interface",
        "uses",
        "provides",
        "setting",
        "up_to",
        "slot_of",
        "posts",
        "takes",
        "outbox_of",
        "Posts",
        "Takes",
        "Uses",
        "Provides",
        "Setting",
        "Given",
    }
)

DECORATORS = frozenset(
    {"struct", "value", "wire", "ghost", "writer", "invariant", "naked", "cold", "inline", "staticmethod"}
)

#: two operands of one width
ARITHMETIC = frozenset(
    {
        "wrapping_add",
        "wrapping_sub",
        "wrapping_mul",
        "wrapping_shl",
        "saturating_add",
        "saturating_sub",
        "saturating_mul",
        "multiply_high",
        "rotate_left",
        "rotate_right",
    }
)
UNARY = frozenset(
    {
        "wrapping_neg",
        "count_leading_zeros",
        "count_trailing_zeros",
        "count_ones",
        "byte_swap",
        "square_root",
        "float_bits",
        "float_from_bits",
    }
)
COROUTINES = frozenset({"pause", "resume", "result_of", "cancel", "start", "tasks"})
CONTRACTS = frozenset({"requires", "ensures", "old", "loop_invariant", "loop_bound"})
UNSAFE = frozenset({"object_at", "new_at", "span_at", "address_of", "asm", "assembly"})
FUNCTIONS = (
    frozenset(
        {
            "truncate",
            "array",
            "array_of",
            "size_of",
            "align_of",
            "offset_of",
            "wire_view",
            "at",
            "fence",
            "device_fence",
            "replace",
            "renew",
            "retire",
            "copy",
            "text_of",
            "unreachable",
            "unsafe",
        }
    )
    | ARITHMETIC
    | UNARY
    | CONTRACTS
    | COROUTINES
    | UNSAFE
)

VOCABULARY = WIDTHS | FLOATS | ENDIAN | BIT_FIELDS | TYPES | INTERFACES | FUNCTIONS | (DECORATORS - {"staticmethod"})
