"""Numbers: read as Python reads them, bit for bit, and written so that they are read back. In both readings."""

from __future__ import annotations

import ctypes
import decimal
import math
import random
import struct
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel.json import powers
from neokernel.json.digits import LONGEST
from neokernel.json.numbers import MOST_DIGITS, Integer, integer_of
from neokernel.lang import byte_span, i64, u32, u64
from tests.json import walk
from tests.json.support import MODULE, library

decimal.getcontext().prec = 1200

#: numbers that readers have got wrong: ties, the largest and the smallest, many digits
KNOWN = (
    *(
        "0",
        "-0",
        "0.0",
        "-0.0e5",
        "1",
        "-1",
        "10",
        "123456789012345678901234567890",
        "0.1",
        "1e23",
        "8.41e21",
        "9e-265",
    ),
    *("1e308", "1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308", "1e309", "1e999999999"),
    *("4.9e-324", "5e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "2.2250738585072011e-308", "1e-400"),
    *(
        "2.2250738585072014e-308",
        "9007199254740993",
        "9007199254740992.9999999999999999",
        "1e-999999999",
        "0e999999999",
    ),
    *(
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        "9999999999999999999",
        "0." + "0" * 400 + "1",
    ),
    *("1" + "0" * 400, "1" * 900, "0." + "3" * 900, "7.038531e-26", "3.4028235677973366e38", "1.4e-45", "7e-46"),
    (
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887"
        "910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819"
        "860834936475292719074168444365510704342711559699508093042880"
    ),
)


def bits64(number: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", number))[0])


def bits32(number: float) -> int:
    """As C's conversion rounds, of numbers that are too large, too."""
    return int(struct.unpack("<I", struct.pack("<f", ctypes.c_float(number).value))[0])


def nearest32(text: str) -> int:
    """The bits of the nearest float32: of the one that float64 leads to, and its neighbours."""
    near = float(text)
    if near == 0 or math.isinf(near):
        return bits32(near)
    exact, guess = abs(Fraction(text)), bits32(abs(near))
    found: int = min(
        (bits for bits in (guess - 1, guess, guess + 1) if 0 <= bits <= 0x7F80_0000),
        key=lambda bits: (abs(value32(bits) - exact), bits % 2),
    )
    return found | int(text.startswith("-")) << 31


def value32(bits: int) -> Fraction:
    """Of infinity, the number that would come next."""
    return Fraction(2**128) if bits == 0x7F80_0000 else Fraction(float(np.uint32(bits).view(np.float32)))


def of_bits64(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


def texts(seed: int, count: int) -> Iterator[str]:
    """Numbers of all kinds as JSON has them."""
    chance = random.Random(seed)
    made = 0
    while made < count:
        match chance.randrange(6):
            case 0:
                text = repr(of_bits64(chance.getrandbits(64)))
            case 1:
                text = repr(float(np.uint32(chance.getrandbits(32)).view(np.float32)))
            case 2:
                whole, part = (
                    chance.randrange(10 ** chance.randrange(1, 25)),
                    chance.randrange(10 ** chance.randrange(1, 40)),
                )
                text = f"{'-' if chance.random() < 0.3 else ''}{whole}.{part}e{chance.randrange(-345, 320):+}"
            case 3:
                text = f"{chance.randrange(10 ** chance.randrange(1, 21))}E{chance.randrange(-30, 30)}"
            case 4:
                text = str((chance.getrandbits(53) | 1) * 2 + 1 << chance.randrange(60))
            case _:
                # Halfway between two, or next to that: as many as 767 digits.
                below = of_bits64(chance.getrandbits(63))
                above = math.nextafter(below, math.inf)
                if not math.isfinite(above):
                    continue
                text = str((decimal.Decimal(below) + decimal.Decimal(above)) / 2).replace("E", "e")
                if chance.random() < 0.5:
                    mantissa, letter, exponent = text.partition("e")
                    text = f"{mantissa}{'' if '.' in mantissa else '.'}{'0' * chance.randrange(60)}1{letter}{exponent}"
        if "n" not in text:
            made += 1
            yield text


def read_both(text: str) -> tuple[int, int]:
    compiled, data = library(), text.encode()
    return int(compiled.call(f"{MODULE}.float64", data)), int(compiled.call(f"{MODULE}.float32", data))


def read_by_cpython(text: str) -> tuple[int, int]:
    return int(walk.float64(text.encode())), int(walk.float32(text.encode()))


def expected(text: str) -> tuple[int, int]:
    return bits64(float(text)), nearest32(text)


@pytest.mark.parametrize("text", KNOWN, ids=lambda text: text[:30])
def test_known_numbers(text: str) -> None:
    assert read_both(text) == expected(text)
    assert read_by_cpython(text) == expected(text)


def test_numbers_are_read_as_python_reads_them() -> None:
    for text in texts(1, 40_000):
        assert read_both(text) == expected(text), text


def test_and_by_cpython() -> None:
    for text in texts(2, 30):
        assert read_by_cpython(text) == expected(text), text


def test_more_digits_than_are_kept_still_count() -> None:
    tie = str((decimal.Decimal(1) + decimal.Decimal(math.nextafter(1.0, 2))) / 2)
    for behind, wanted in (("", 1.0), ("0" * MOST_DIGITS, 1.0), ("0" * MOST_DIGITS + "1", math.nextafter(1.0, 2))):
        assert read_both(tie + behind)[0] == bits64(wanted)
        assert int(walk.float64((tie + behind).encode())) == bits64(wanted)


@given(st.integers(0, 2**64 - 1))
def test_float64_becomes_float32_as_in_c(bits: int) -> None:
    wanted = bits32(of_bits64(bits)) if not math.isnan(of_bits64(bits)) else None
    for found in (int(library().call(f"{MODULE}.narrow", bits)), int(walk.narrow(u64(bits)))):
        assert found == wanted if wanted is not None else found & 0x7FFF_FFFF > 0x7F80_0000


@pytest.mark.parametrize("low_bits", [0, 1, 2**22 - 1, 0x15AE_43FD])
def test_float32_is_read_at_once(low_bits: int) -> None:
    """Next to a middle: by way of float64 it would become the middle, and then the even one."""
    for exponent in (0, 1, 100, 200, 254):
        bits = min(exponent << 23 | low_bits & 0x7F_FFFF, 0x7F7F_FFFF)
        middle = (value32(bits) + value32(bits + 1)) / 2
        digits = decimal.Decimal(middle.numerator) / decimal.Decimal(middle.denominator)
        text = f"{digits:e}".replace("E", "e")
        mantissa, letter, power = text.partition("e")
        above = f"{mantissa}{'' if '.' in mantissa else '.'}{'0' * 30}1{letter}{power}"
        assert read_both(text)[1] == read_by_cpython(text)[1] == bits + (bits & 1)
        assert read_both(above)[1] == read_by_cpython(above)[1] == bits + 1
        # What is below differs in a digit that is far behind.
        below = f"{digits - digits.scaleb(-60):e}"
        assert read_both(below)[1] == read_by_cpython(below)[1] == bits


def power_of_ten(exponent: int) -> int:
    """In 128 bits, as the paper has it."""
    five: int = 5 ** abs(exponent)
    bits = five.bit_length()
    if exponent >= 0:
        return five >> bits - 128 if bits > 128 else five << 128 - bits
    # The quotient has at least 128 bits; what lies behind them is left out, but of the first 27 it is rounded up.
    size = (five - 1).bit_length()
    found: int = 2 ** (size + 127 if exponent >= -27 else 2 * size + 128) // five + 1
    return found >> found.bit_length() - 128


def test_powers() -> None:
    exponents = range(powers.LEAST, powers.MOST + 1)
    assert len(powers.POWERS) == 2 * len(exponents)
    for exponent in exponents:
        high, low = int(powers.high(i64(exponent))), int(powers.low(i64(exponent)))
        assert high << 64 | low == power_of_ten(exponent) and high >> 63 == 1, exponent
        exact = Fraction(10) ** exponent * Fraction(2) ** (127 - int(powers.scale(i64(exponent))))
        # As `digits.py` has them: the next integer that isn't less.
        if exponent < -27 or exponent > powers.LAST_EXACT:
            assert low + 1 < 1 << 64 and 0 < (high << 64 | low) + 1 - exact <= 1
        else:
            assert 0 <= (high << 64 | low) - exact < 1 and (exponent < 0 or (high << 64 | low) == exact)


# --- written ----------------------------------------------------------------------------------------------------------


def written(name: str, bits: int) -> str:
    into = bytearray(LONGEST)
    return into[: int(library().call(f"{MODULE}.{name}", bits, (into, LONGEST)))].decode()


def test_float32_is_written_with_the_fewest_digits() -> None:
    chance = random.Random(3)
    samples = [chance.getrandbits(32) for _ in range(20_000)] + [
        1,
        2,
        0x80_0000,
        0x7F_FFFF,
        0x7F7F_FFFF,
        0x3F80_0000,
        0,
        1 << 31,
    ]
    for bits in samples:
        number = np.uint32(bits).view(np.float32)
        if not np.isfinite(number):
            continue
        text = written("text32", bits)
        assert bits32(float(text)) == bits
        # NumPy's are the fewest digits for a reader of float32; by way of float64 it is one more of very few numbers.
        fewest = len(np.format_float_scientific(number, trim="-").partition("e")[0].lstrip("-").replace(".", ""))
        digits = text.partition("e")[0].lstrip("-").replace(".", "").strip("0") or "0"
        assert len(digits) == fewest, text


def test_float32_that_needs_a_digit_more() -> None:
    """Seven digits are nearest to it, and are read as its neighbour, if they are read as float64 first."""
    bits = 0x15AE_43FD
    exact = decimal.Decimal(float(np.uint32(bits).view(np.float32)))
    after = decimal.Decimal(float(np.uint32(bits + 1).view(np.float32)))
    assert abs(decimal.Decimal("7.038531e-26") - exact) < (after - exact) / 2
    assert bits32(float("7.038531e-26")) == bits + 1
    assert written("text32", bits) == "7.0385307e-26"


def test_float64_is_written_as_python_writes_it() -> None:
    chance = random.Random(4)
    samples = [of_bits64(chance.getrandbits(64)) for _ in range(5_000)] + [
        chance.randrange(10**17) / 10.0 ** chance.randrange(20) for _ in range(5_000)
    ]
    for number in [*samples, 0.0, -0.0, 5e-324, 1.7976931348623157e308, 1e16, 1e15, 123456.0, 1e-4, 1e-5, 9.5e22]:
        if math.isfinite(number):
            assert written("text64", bits64(number)) == repr(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=12, deadline=None)
def test_and_also_by_cpython(number: float) -> None:
    into = bytearray(LONGEST)
    assert into[: int(walk.text64(u64(bits64(number)), byte_span(into)))].decode() == repr(number)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@settings(max_examples=25, deadline=None)
def test_float32_by_cpython(number: float) -> None:
    into = bytearray(LONGEST)
    text = into[: int(walk.text32(u32(bits32(number)), byte_span(into)))].decode()
    assert text == written("text32", bits32(number)) and bits32(float(text)) == bits32(number)


def test_float32_of_all_exponents_come_back() -> None:
    """One in 8,191 of all there are."""
    count = 2**32 // 8191
    assert int(library().call(f"{MODULE}.round_trips", 0, 8191, count)) == count


# --- integers ---------------------------------------------------------------------------------------------------------


@given(st.integers(-(2**70), 2**70) | st.sampled_from([0, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]))
def test_integers(number: int) -> None:
    found = integer_of(str(number).encode())
    fits = -(2**63) <= number < 2**64
    assert found == (Integer(number < 0, u64(abs(number))) if fits else None)


@pytest.mark.parametrize("text", [b"1.0", b"1e2", b"-1E0"])
def test_what_is_no_integer(text: bytes) -> None:
    assert integer_of(text) is None
