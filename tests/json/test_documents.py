"""Documents: what Python's reader takes is taken, and means the same; what it refuses is refused. In both readings."""

from __future__ import annotations

import json
import math
import random
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel.json.reader import MOST_DEPTH, Problem, Reader, Token
from neokernel.json.writer import Writer
from neokernel.lang import byte_span
from tests.json import walk
from tests.json.support import MODULE, library

#: what Python can write
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**64), 2**64)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


def refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def number(text: str) -> float | None:
    """As the walks write it."""
    found = float(text)
    return found if math.isfinite(found) else None


def by_python(data: bytes) -> Any:
    """What Python reads, numbers as floats. Raises ValueError."""
    return json.loads(data.decode(), parse_constant=refuse, parse_int=number, parse_float=number)


def transcribed(data: bytes) -> tuple[bytes | None, int, int]:
    """What was written, or None; where and what is wrong. By CPython."""
    into = bytearray(8 * len(data) + 64)
    seen = walk.transcribe(data, byte_span(into))
    done = int(seen.problem) == 0
    return (bytes(into[: int(seen.length)]) if done else None), int(seen.length), int(seen.problem)


def transcribed_compiled(data: bytes) -> tuple[bytes | None, int, int]:
    """The same, compiled."""
    into = bytearray(8 * len(data) + 64)
    length, problem = map(int, library().call(f"{MODULE}.transcribe", data, (into, len(into))))
    return (bytes(into[:length]) if problem == 0 else None), length, problem


def both(data: bytes) -> tuple[bytes | None, int, int]:
    seen = transcribed(data)
    assert transcribed_compiled(data) == seen
    return seen


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 2]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_what_python_writes_is_read(value: Any, escaped: bool, indent: int | None, sort: bool) -> None:
    data = json.dumps(value, ensure_ascii=escaped, indent=indent, sort_keys=sort).encode("utf-8", "surrogatepass")
    try:
        wanted = by_python(data)
    except UnicodeDecodeError:
        wanted = None
    found, _, problem = both(data)
    if any(0xD800 <= ord(letter) < 0xE000 for letter in str(value)) or b"\\ud" in data:
        # Half of a pair may be in it, which Python takes.
        return
    assert problem == 0 and found is not None and by_python(found) == wanted


RIGHT = [
    (b"0", b"0.0"),
    (b" \t\r\n[ ]\n", b"[]"),
    (b"{ }", b"{}"),
    (b'{"a":{"b":[1,{},[],"x",true,false,null]},"c":-0.5e+1}', b'{"a":{"b":[1.0,{},[],"x",true,false,null]},"c":-5.0}'),
    (rb'"\"\\\/\b\f\n\r\t"', rb'"\"\\/\u0008\u000c\u000a\u000d\u0009"'),
    (rb'"\u0041\u00e9\u20ac\uD83D\ude00"', '"Aé€😀"'.encode()),
    (rb'{"\u0061b":1}', b'{"ab":1.0}'),
    ('"é€😀\x7f"'.encode(), '"é€😀\x7f"'.encode()),
    (b"[" * MOST_DEPTH + b"]" * MOST_DEPTH, b"[" * MOST_DEPTH + b"]" * MOST_DEPTH),
]
WRONG = [
    (b"", 0, Problem.CUT),
    (b"  ", 2, Problem.CUT),
    (b"nul", 3, Problem.CUT),
    (b"nulL", 3, Problem.SYNTAX),
    (b"NaN", 0, Problem.SYNTAX),
    (b"Infinity", 0, Problem.SYNTAX),
    (b"-Infinity", 1, Problem.SYNTAX),
    (b"+1", 0, Problem.SYNTAX),
    (b"01", 1, Problem.SYNTAX),
    (b"-", 1, Problem.CUT),
    (b"1.", 2, Problem.CUT),
    (b"1.e5", 2, Problem.SYNTAX),
    (b".5", 0, Problem.SYNTAX),
    (b"1e", 2, Problem.CUT),
    (b"1e+", 3, Problem.CUT),
    (b"0x10", 1, Problem.MORE),
    (b"1 2", 2, Problem.MORE),
    (b"[1,]", 3, Problem.SYNTAX),
    (b"[,1]", 1, Problem.SYNTAX),
    (b"[1 2]", 3, Problem.SYNTAX),
    (b"[1", 2, Problem.CUT),
    (b"[1,", 3, Problem.CUT),
    (b"[1}", 2, Problem.SYNTAX),
    (b"]", 0, Problem.SYNTAX),
    (b'{"a"}', 4, Problem.SYNTAX),
    (b'{"a":}', 5, Problem.SYNTAX),
    (b'{"a":1,}', 7, Problem.SYNTAX),
    (b"{a:1}", 1, Problem.SYNTAX),
    (b"{1:1}", 1, Problem.SYNTAX),
    (b'{"a"', 4, Problem.CUT),
    (b'{"a":', 5, Problem.CUT),
    (b'{"a":1]', 6, Problem.SYNTAX),
    (b"'a'", 0, Problem.SYNTAX),
    (b'"a', 2, Problem.CUT),
    (b'"a\nb"', 2, Problem.TEXT),
    (b'"\x00"', 1, Problem.TEXT),
    (rb'"\x41"', 1, Problem.TEXT),
    (rb'"\u12"', 1, Problem.TEXT),
    (rb'"\u12g4"', 1, Problem.TEXT),
    (b'"\\', 1, Problem.TEXT),
    (rb'"\ud800"', 1, Problem.TEXT),
    (rb'"\ude00\ud83d"', 1, Problem.TEXT),
    (rb'"\ud83dx"', 1, Problem.TEXT),
    (b'"\xff"', 0, Problem.TEXT),
    (b'"\xc0\x80"', 0, Problem.TEXT),
    (b'"\xed\xa0\x80"', 0, Problem.TEXT),
    (b"\xef\xbb\xbf1", 0, Problem.SYNTAX),
    (b"1 // one", 2, Problem.MORE),
    (b"[" * (MOST_DEPTH + 1), MOST_DEPTH, Problem.DEPTH),
    (b"[" * 100_000, MOST_DEPTH, Problem.DEPTH),
]


@pytest.mark.parametrize(("data", "wanted"), RIGHT, ids=lambda each: repr(each)[:40])
def test_what_is_json(data: bytes, wanted: bytes) -> None:
    assert both(data)[0] == wanted
    assert walk.skipped(data) is Token.END


@pytest.mark.parametrize(("data", "place", "problem"), WRONG, ids=lambda each: repr(each)[:40])
def test_what_is_none(data: bytes, place: int, problem: Problem) -> None:
    found, at, why = both(data)
    assert (found, at, Problem(why)) == (None, place, problem)
    assert walk.skipped(data) is Token.WRONG


#: bytes that mean something
MARKS = b'[]{}",:\\ \t\n0123456789-+.eEtrufalsn/x\x00\x1f\x7f\x80\xc3\xa9\xff'


def test_damaged_documents() -> None:
    """What is left of them is taken if Python takes it, and refused if it doesn't."""
    chance = random.Random(7)
    taken = 0
    for _ in range(6_000):
        value = random_value(chance, 3)
        data = bytearray(json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass"))
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(data) + 1)
            match chance.randrange(3):
                case 0:
                    data[place:place] = bytes([chance.choice(MARKS)])
                case 1:
                    del data[place : place + chance.randrange(1, 4)]
                case _:
                    data[place : place + 1] = bytes([chance.choice(MARKS)])
        found, at, problem = transcribed_compiled(bytes(data))
        try:
            wanted = by_python(bytes(data))
        except (ValueError, RecursionError):
            assert found is None and at <= len(data), bytes(data)
            continue
        if b"\\ud" in data.lower():
            continue
        assert problem == 0 and found is not None, bytes(data)
        assert repr(by_python(found)) == repr(wanted), bytes(data)
        taken += 1
    assert taken > 1_000


def random_value(chance: random.Random, depth: int) -> Any:
    match chance.randrange(9 if depth else 6):
        case 0:
            return chance.choice([True, False, None])
        case 1:
            return chance.randrange(-1000, 1000)
        case 2:
            return chance.uniform(-1e6, 1e6) * 10.0 ** chance.randrange(-300, 300)
        case 3 | 4:
            return "".join(chr(chance.choice([65, 34, 92, 10, 233, 8364, 0x1F600])) for _ in range(chance.randrange(6)))
        case 5:
            return chance.randrange(-(10**25), 10**25)
        case 6 | 7:
            return [random_value(chance, depth - 1) for _ in range(chance.randrange(5))]
        case _:
            return {f"k{place}": random_value(chance, depth - 1) for place in range(chance.randrange(4))}


# --- parts ------------------------------------------------------------------------------------------------------------


def test_a_text_that_has_no_room() -> None:
    reader = Reader(data=rb'"ab\u20acd"')
    assert reader.next() is Token.TEXT
    assert [reader.text(byte_span(bytearray(size))) for size in range(7)] == [None] * 6 + [6]
    assert reader.is_text("ab€d".encode()) and not reader.is_text(b"ab") and not reader.is_text("ab€de".encode())


def test_a_part_is_skipped() -> None:
    reader = Reader(data=b'{"a":[[1],{"b":[]}],"c":2}')
    assert [reader.next() for _ in range(2)] == [Token.OBJECT, Token.NAME]
    assert reader.skip(reader.next()) and reader.next() is Token.NAME and reader.is_text(b"c")
    assert reader.skip(reader.next()) and [reader.next() for _ in range(2)] == [Token.OBJECT_END, Token.END]


def test_a_writer_that_has_no_room_says_so() -> None:
    for size in range(12):
        writer = Writer(into=byte_span(bytearray(size)))
        writer.open(0x5B)
        writer.text(b'a"b')
        writer.truth(True)
        writer.close(0x5D)
        assert writer.full and writer.used <= size
    writer = Writer(into=byte_span(bytearray(13)))
    writer.open(0x5B)
    writer.text(b'a"b')
    writer.truth(True)
    writer.close(0x5D)
    assert not writer.full and bytes(writer.written()) == b'["a\\"b",true]'
