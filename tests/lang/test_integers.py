"""Widths against exact integers: all of 8 bits, samples of the others."""

import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.lang.integers import WIDTHS, Integer, i8, u8, u16, u32, u64

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
COMPARISONS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
WIDTH_AND_PAIR = st.sampled_from(sorted(WIDTHS.values(), key=str)).flatmap(
    lambda width: st.tuples(
        st.just(width), st.integers(width.lowest, width.highest), st.integers(width.lowest, width.highest)
    )
)


def model(width: type[Integer], symbol: str, left: int, right: int) -> int | type[Exception]:
    """The result, or the failure, that the language page states."""
    if symbol in ("//", "%") and right == 0:
        return lang.DivisionByZero
    exact: int = OPERATORS[symbol](left, right)
    return exact if width.lowest <= exact <= width.highest else lang.IntegerOverflow


def outcome(compute: Callable[..., Any], *operands: Any) -> Any:
    try:
        return compute(*operands)
    except lang.CheckFailed as failure:
        return type(failure)


def check(width: type[Integer], symbol: str, left: int, right: int) -> None:
    expected = model(width, symbol, left, right)
    a, b = width(left), width(right)
    for operands in ((a, b), (a, right), (left, b)):
        result = outcome(OPERATORS[symbol], *operands)
        if isinstance(expected, int):
            assert type(result) is width
            assert int(result) == expected
        else:
            assert result is expected


@pytest.mark.parametrize("symbol", sorted(OPERATORS))
@pytest.mark.parametrize("width", [u8, i8])
def test_every_pair_of_8_bits(width: type[Integer], symbol: str) -> None:
    for left in range(width.lowest, width.highest + 1):
        for right in range(width.lowest, width.highest + 1, 1 if symbol in "*//%" else 3):
            check(width, symbol, left, right)


@pytest.mark.parametrize("width", [u8, i8])
def test_every_comparison_of_8_bits(width: type[Integer]) -> None:
    values = [width(number) for number in range(width.lowest, width.highest + 1)]
    for a in values:
        for b in values[:: 5 if a % 7 else 1]:
            for compare in COMPARISONS:
                assert compare(a, b) is compare(int(a), int(b))


@pytest.mark.parametrize("width", [u8, i8])
def test_every_shift_of_8_bits(width: type[Integer]) -> None:
    for left in range(width.lowest, width.highest + 1):
        for amount in range(12):
            for count in (amount, u8(amount), u64(amount)):
                shifted, back = (
                    outcome(operator.lshift, width(left), count),
                    outcome(operator.rshift, width(left), count),
                )
                if amount >= 8:
                    assert shifted is back is lang.ShiftOutOfRange
                    continue
                exact = left << amount
                assert shifted == (exact if width.lowest <= exact <= width.highest else lang.IntegerOverflow)
                assert back == left >> amount
                assert type(back) is width


@pytest.mark.parametrize("width", [u8, i8])
def test_every_unary_of_8_bits(width: type[Integer]) -> None:
    for number in range(width.lowest, width.highest + 1):
        inverted = ~width(number)
        assert type(inverted) is width
        assert int(inverted) & 0xFF == ~number & 0xFF
        if width.signed:
            assert outcome(operator.neg, width(number)) == (-number if number > -128 else lang.IntegerOverflow)
        assert outcome(abs, width(number)) == (abs(number) if number > -128 else lang.IntegerOverflow)


@given(WIDTH_AND_PAIR, st.sampled_from(sorted(OPERATORS)))
def test_operators(sample: tuple[type[Integer], int, int], symbol: str) -> None:
    check(sample[0], symbol, sample[1], sample[2])


@given(WIDTH_AND_PAIR, st.integers(0, 70))
def test_shifts(sample: tuple[type[Integer], int, int], amount: int) -> None:
    width, number, _ = sample
    if amount >= width.bits:
        assert outcome(operator.lshift, width(number), u32(amount)) is lang.ShiftOutOfRange
        return
    exact = number << amount
    assert outcome(operator.lshift, width(number), u16(amount)) == (
        exact if width.lowest <= exact <= width.highest else lang.IntegerOverflow
    )
    assert width(number) >> amount == number >> amount


@given(WIDTH_AND_PAIR, st.sampled_from(sorted(WIDTHS.values(), key=str)))
def test_conversion(sample: tuple[type[Integer], int, int], target: type[Integer]) -> None:
    _, number, _ = sample
    result = outcome(target, sample[0](number))
    assert result == (number if target.lowest <= number <= target.highest else lang.ConversionFailed)


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(sorted(WIDTHS.values(), key=str)))
def test_conversion_of_floats(number: float, target: type[Integer]) -> None:
    try:
        truncated = int(number)
    except (ValueError, OverflowError):
        assert outcome(target, lang.f64(number)) is lang.ConversionFailed
        return
    expected = truncated if target.lowest <= truncated <= target.highest else lang.ConversionFailed
    assert outcome(target, lang.f64(number)) == expected


@pytest.mark.parametrize("symbol", sorted(OPERATORS))
def test_widths_do_not_mix(symbol: str) -> None:
    for a, b in ((u8(1), u16(1)), (u64(1), i8(1)), (i8(1), True), (u8(1), lang.f64(1.0))):
        with pytest.raises(TypeError):
            OPERATORS[symbol](a, b)
    for constant in (256, -1):
        with pytest.raises(lang.ConstantError):
            OPERATORS[symbol](u8(1), constant)
        with pytest.raises(lang.ConstantError):
            OPERATORS[symbol](constant, u8(1))


def test_what_is_no_operator() -> None:
    attempts: list[Callable[[], Any]] = [
        lambda: u8(1) / u8(1),
        lambda: u8(1) ** 2,
        lambda: 2 ** u8(1),
        lambda: divmod(u8(1), u8(1)),
        lambda: -u8(1),
        lambda: u8(1) << i8(1),
        lambda: u8(1) << -1,
        lambda: u8(1) < u16(2),
        lambda: u8(1) == u16(1),
        lambda: u8("3"),
        lambda: u8(1) + 1.0,
    ]
    for attempt in attempts:
        with pytest.raises(lang.StaticError):
            attempt()


def test_a_constant_shifted_by_a_variable_has_no_width() -> None:
    shifts: list[Callable[[], Any]] = [lambda: 1 << u8(3), lambda: 1 >> u8(3), lambda: 1 << i8(3)]
    for shift in shifts:
        with pytest.raises(lang.StaticError, match="which width"):
            shift()


def test_objects_of_the_host() -> None:
    assert repr(u8(200)) == "u8(200)"
    assert str(u8(200)) == f"{u8(200)}" == "200"
    assert f"{u16(255):#06x}" == "0x00ff"
    assert hash(u8(7)) == hash(7)
    assert type(int(u8(7))) is int
    assert pickle.loads(pickle.dumps(u64(7))) == u64(7)
    text: object = "1"
    assert u8(1) != text
    assert u8(1) is not None
    assert (u8(1) == None) is False  # noqa: E711
    assert lang.usize is lang.u64


def test_kinds_and_builtin_exceptions() -> None:
    for failure, kind, builtin in (
        (lang.IntegerOverflow, "overflow", OverflowError),
        (lang.DivisionByZero, "division", ZeroDivisionError),
        (lang.ShiftOutOfRange, "shift", ValueError),
        (lang.IndexOutOfRange, "index", IndexError),
        (lang.ConversionFailed, "conversion", OverflowError),
        (lang.NotAMember, "enum", ValueError),
        (lang.AssertionFailed, "assert", AssertionError),
        (lang.UnreachableReached, "unreachable", AssertionError),
        (lang.DeadObject, "dead", ReferenceError),
        (lang.ContractFailed, "contract", AssertionError),
    ):
        assert failure.kind == kind
        assert issubclass(failure, builtin)
        assert issubclass(failure, lang.CheckFailed)
