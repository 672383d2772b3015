"""A failing check names its kind and the span of its expression (⟦…⟧ in these texts)."""

from collections.abc import Callable
from typing import Any

import pytest

from neokernel import lang

Fails = Callable[..., lang.CheckFailed]

HOLDER = """
@struct
class S:
    a: u8 = 0
    items: Array[u8] = array(4)
    wide: Array[u32] = array(4)

    def grow(self, by: u8) -> u8:
        return self.a + by

@value
class V:
    x: u8

class Color(Enum):
    RED = 0
"""

CASES: list[tuple[str, str, str, tuple[Any, ...]]] = [
    ("add", "overflow", "def f(a: u8, b: u8) -> u8:\n    return ⟦a + b⟧", (200, 100)),
    ("nested", "overflow", "def f(a: u8, b: u8) -> u8:\n    return (⟦a * b⟧) + 1", (20, 100)),
    ("outer", "overflow", "def f(a: u8, b: u8) -> u8:\n    return ⟦(a // b) + a⟧", (200, 1)),
    ("division", "division", "def f(a: u8, b: u8) -> u8:\n    return 1 + ⟦a // b⟧", (1, 0)),
    ("modulo", "division", "def f(a: u8, b: u8) -> u8:\n    x = ⟦a % b⟧\n    return x", (1, 0)),
    ("negate", "overflow", "def f(a: i8) -> i8:\n    return ⟦-a⟧", (-128,)),
    ("abs", "overflow", "def f(a: i8) -> i8:\n    return ⟦abs(a)⟧", (-128,)),
    ("shift", "shift", "def f(a: u8, b: u8) -> u8:\n    return ⟦a << b⟧", (1, 8)),
    ("shift loses", "overflow", "def f(a: u8, b: u8) -> u8:\n    return ⟦a << b⟧", (2, 7)),
    ("shift right", "shift", "def f(a: u8, b: u8) -> u8:\n    return ⟦a >> b⟧", (2, 9)),
    ("augmented", "overflow", "def f(a: u8, b: u8) -> u8:\n    ⟦a += b⟧\n    return a", (200, 100)),
    (
        "augmented lines",
        "overflow",
        "def f(a: u8, b: u8) -> u8:\n    ⟦a += (\n        b\n    )⟧\n    return a",
        (200, 100),
    ),
    ("augmented field", "overflow", "def f(b: u8) -> None:\n    s = S(a=200)\n    ⟦s.a += b⟧", (100,)),
    (
        "augmented element",
        "overflow",
        "def f(b: u8) -> None:\n    s = S()\n    s.items[1] = 200\n    ⟦s.items[1] += b⟧",
        (100,),
    ),
    ("augmented index", "index", "def f(i: usize) -> None:\n    s = S()\n    ⟦s.items[i]⟧ += 1", (9,)),
    ("augmented value", "overflow", "def f(b: u8) -> None:\n    s = S()\n    s.a += ⟦b * b⟧", (100,)),
    ("lines", "overflow", "def f(a: u8, b: u8) -> u8:\n    return (⟦a\n        + b⟧)", (200, 100)),
    ("characters", "overflow", "def f(ä: u8, b: u8) -> u8:\n    é = 'ü'; return ⟦ä + b⟧", (200, 100)),
    (
        "generator",
        "dead",
        "def f() -> tuple[u8, ...]:\n    s = S(); items = s.items; retire(s)\n    return tuple⟦(x for x in items)⟧",
        (),
    ),
    ("index", "index", "def f(i: usize) -> u8:\n    s = S()\n    return s.items[0] + ⟦s.items[i]⟧", (4,)),
    ("store", "index", "def f(i: usize) -> None:\n    s = S()\n    ⟦s.items[i]⟧ = 1", (4,)),
    ("slice", "index", "def f(i: usize) -> None:\n    s = S()\n    x = ⟦s.wide[i:]⟧", (5,)),
    ("slice order", "index", "def f(i: usize) -> None:\n    s = S()\n    x = ⟦s.wide[i:1]⟧[0:1]", (2,)),
    ("bytes", "index", "def f(x: bytes, i: usize) -> u8:\n    return ⟦x[i]⟧", (b"abc", 3)),
    ("tuple", "index", "T: tuple[u32, ...] = (1, 2)\ndef f(i: usize) -> u32:\n    return ⟦T[i]⟧", (2,)),
    ("conversion", "conversion", "def f(x: u32) -> u8:\n    return 1 + ⟦u8(x)⟧", (256,)),
    ("conversion lines", "conversion", "def f(x: u32) -> u8:\n    return ⟦u8(\n        x,\n    )⟧", (256,)),
    ("enum", "enum", "def f(x: u8) -> Color:\n    return ⟦Color(x)⟧", (7,)),
    ("assert", "assert", "def f(x: u8) -> None:\n    ⟦assert x < 5, 'small'⟧", (7,)),
    ("assert lines", "assert", "def f(x: u8) -> None:\n    ⟦assert (\n        x < 5\n        and x > 2\n    )⟧", (7,)),
    ("in an assert", "overflow", "def f(x: u8) -> None:\n    assert ⟦x + 1⟧ < 5", (255,)),
    ("function", "shift", "def f(x: u8) -> u8:\n    return ⟦wrapping_shl(x, 8)⟧ + 1", (7,)),
    ("unreachable", "unreachable", "def f(x: u8) -> None:\n    ⟦unreachable('no')⟧", (7,)),
    ("never", "unreachable", "def f(x: Color) -> None:\n    ⟦assert_never(x)⟧", (None,)),
    ("dead", "dead", "def f() -> u8:\n    s = S()\n    retire(s)\n    return ⟦s.a⟧ + 1", ()),
    ("dead store", "dead", "def f() -> None:\n    s = S()\n    retire(s)\n    ⟦s.a⟧ = 1", ()),
    ("dead array", "dead", "def f() -> u8:\n    s = S()\n    x = s.items\n    retire(s)\n    return ⟦x[0]⟧", ()),
    ("requires", "contract", "def f(x: u8) -> None:\n    ⟦requires(x < 5)⟧", (5,)),
    ("ensures", "contract", "def f(x: u8) -> u8:\n    ⟦ensures(lambda r: r < 5)⟧\n    return x", (5,)),
    ("loop bound", "contract", "def f(x: u8) -> None:\n    while True:\n        ⟦loop_bound(x)⟧", (5,)),
    (
        "method",
        "overflow",
        HOLDER.replace("self.a + by", "⟦self.a + by⟧") + "\ndef f() -> None:\n    S(a=200).grow(100)",
        (),
    ),
    ("view", "overflow", "def f(v: V) -> u8:\n    return ⟦v.x + v.x⟧", (None,)),
    ("walrus", "overflow", "def f(a: u8) -> u8:\n    return (x := ⟦a + a⟧)", (200,)),
    ("condition", "overflow", "def f(a: u8) -> u8:\n    if ⟦a + a⟧ > 3:\n        pass\n    return a", (200,)),
    ("range", "overflow", "def f(a: u8) -> None:\n    for x in range(⟦a * 2⟧):\n        pass", (200,)),
    ("in a loop", "overflow", "def f(a: u8) -> None:\n    for x in range(10):\n        a = ⟦a * 2⟧", (100,)),
    (
        "bit field",
        "conversion",
        "@wire\nclass W:\n    x: u3\n    y: u5\ndef f(v: u8) -> None:\n    w = W()\n    ⟦w.x⟧ = v",
        (8,),
    ),
    (
        "bit field more",
        "conversion",
        "@wire\nclass W:\n    x: u3\n    y: u5\ndef f(v: u8) -> None:\n    w = W()\n    ⟦w.x⟧ += v",
        (8,),
    ),
    (
        "wire view",
        "index",
        "@wire\nclass W:\n    x: u16\ndef f(s: Span[u8]) -> None:\n    w = ⟦wire_view(W, s)⟧",
        (bytearray(1),),
    ),
    ("comparison", "overflow", "def f(a: u8) -> bool:\n    return 3 < ⟦a + a⟧ < 9", (200,)),
    ("call argument", "overflow", "def g(a: u8) -> None:\n    pass\ndef f(a: u8) -> None:\n    g(⟦a + a⟧)", (200,)),
    ("loop", "index", "def f(i: usize) -> None:\n    s = S()\n    for x in ⟦s.wide[i:]⟧:\n        pass", (5,)),
    ("while", "overflow", "def f(a: u8) -> None:\n    while ⟦a * 2⟧ < 255:\n        a += 50", (100,)),
    ("match", "overflow", "def f(a: u8) -> None:\n    match ⟦a * 2⟧:\n        case 1:\n            pass", (200,)),
    (
        "guard",
        "overflow",
        "def f(a: u8) -> None:\n    match a:\n        case x if ⟦x * 2⟧ > 3:\n            pass",
        (200,),
    ),
    (
        "f-string",
        "overflow",
        "def f(a: u8) -> None:\n    g(f'x{⟦a * 2⟧:>3}')\ndef g(t: str) -> None:\n    pass",
        (200,),
    ),
    ("tuple assignment", "overflow", "def f(a: u8) -> None:\n    x, y = a, ⟦a + a⟧", (200,)),
    ("conditional", "overflow", "def f(a: u8) -> u8:\n    return 0 if a < 5 else ⟦a + a⟧", (200,)),
    ("keyword", "overflow", "def f(a: u8) -> None:\n    S(a=⟦a + a⟧)", (200,)),
    ("constructor of a value", "overflow", "def f(a: u8) -> None:\n    V(⟦a + a⟧)", (200,)),
    ("default", "overflow", "L = u8(255)\n@struct\nclass D:\n    x: u8 = ⟦L + 1⟧\ndef f() -> None:\n    D()", ()),
]


@pytest.mark.parametrize(("kind", "text", "arguments"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_position(fails: Fails, kind: str, text: str, arguments: tuple[Any, ...]) -> None:
    if "class S" not in text:
        text = HOLDER + text
    if "v: V" in text:
        text = text.replace("def f(v: V) -> u8:", "def f(_: None) -> u8:\n    v = V(200)")
    if "x: Color) -> None" in text:
        text = text.replace("def f(x: Color)", "def f(x: object)")
    fails(kind, "\n" + text, *arguments)


def test_innermost_target_frame(fails: Fails) -> None:
    fails(
        "overflow",
        """
        def inner(a: u8) -> u8:
            return ⟦a + 1⟧

        def f(a: u8) -> u8:
            return inner(a)
        """,
        255,
    )


def test_a_failing_check_does_not_unwind(fails: Fails) -> None:
    fails(
        "assert",
        """
        @struct
        class M:
            def __enter__(self) -> None:
                pass

            def __exit__(self, *_: object) -> None:
                assert False, "not run"

        def f() -> None:
            with M():
                ⟦assert False⟧
        """,
    )


def test_multi_line_method_call(fails: Fails) -> None:
    fails(
        "dead",
        """
        @struct
        class S:
            a: Atomic[u8] = Atomic(0)

        def f() -> u8:
            s = S()
            retire(s)
            return (
                ⟦s
                .a⟧
                .load()
            )
        """,
    )


def test_multi_line_call_of_a_method(fails: Fails) -> None:
    fails(
        "index",
        """
        @struct
        class S:
            a: Array[u8] = array(4)

        def f(i: usize) -> u8:
            s = S()
            return ⟦(
                s.a
                .bytes()
            )[i]⟧
        """,
        9,
    )


def test_no_frame_of_a_target_module() -> None:
    with pytest.raises(lang.IntegerOverflow) as caught:
        lang.u8(200) + lang.u8(100)  # type: ignore[unused-ignore]
    assert lang.failure_position(caught.value) is None


def test_no_frames_are_added(load: Callable[[str], Any]) -> None:
    module = load(
        """
        def g(a: u8) -> u8:
            requires(a > 0)
            ensures(lambda result: result > a)
            assert a > 0
            return a + 1

        def f(a: u8) -> u8:
            return g(a)
        """
    )
    with pytest.raises(lang.IntegerOverflow) as caught:
        module.f(255)
    frames = []
    trace = caught.value.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame.f_code.co_name, trace.tb_frame.f_globals is module.__dict__))
        trace = trace.tb_next
    assert [name for name, inside in frames if inside] == ["f", "g"]
