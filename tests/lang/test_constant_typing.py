"""Constants away from what decides their width."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from neokernel import lang
from neokernel.lang.integers import u8, u16, u32, u64

Load = Callable[[str], ModuleType]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("x: u16 = 3; return_(x)", u16),
        ("x: u16 = 3; x = 4; return_(x)", u16),
        ("x = u16(3); x = 4; return_(x)", u16),
        ("x = a + 1; x = 4; return_(x)", u8),
        ("x = a; x = LIMIT; return_(x)", u8),
        ("x = s.wide; x = 4; return_(x)", u32),
        ("x = s.wide * 2; x = -(-4); return_(x)", u32),
        ("x = 0 if flag else a; return_(x)", u8),
        ("x = a if flag else 0; x = 3 if flag else 4; return_(x)", u8),
        ("x = len(s.items); x = 0; return_(x)", u64),
        ("x: u16; x = 4; return_(x)", u16),
        ("x = y = a; y = 3; return_(x)", u8),
        ("x: u16 = 0; y: u16 = 0; x, y = 1, 2; return_(x)", u16),
        ("x: u16 = 0; (x := 5); return_(x)", u16),
        ("x = 0 if flag else s.wide; return_(x)", u32),
        ("y = s.items; x = y[2] if not flag else 7; return_(x)", u16),
        ("y = s.wide; x = 0 if flag else y; return_(x)", u32),
        ("x = min(a, 5); return_(x)", u8),
        ("x = max(5, a); return_(x)", u8),
        ("x = s.items[0]; x = 7; return_(x)", u16),
        ("y = n; x = half(); x = y = 0; return_(x)", u16),
        ("y = n; x = half(); y = x = 0; return_(x)", u16),
        ("x, y = pair(); x, y = 1, 2; return_(x)", u16),
        ("(x, y), z = pair(), a; (x, y), z = (1, 2), z; return_(x)", u16),
        ("x = a; y, x = half(), 0; return_(x)", u8),
        ("for x in range(n): x = 0; return_(x)", u32),
        ("if (x := half()) == 0: x = 7; return_(x)", u16),
        ("x = 0 if flag else half(); return_(x)", u16),
        ("x = 0 if flag else -(1 + half()); return_(x)", u16),
        ("x = 0 if flag else s.double(); return_(x)", u32),
        ("x = 0 if flag else S.most(); return_(x)", u64),
        ("x = 0 if flag else u16(1); return_(x)", u16),
    ],
)
def test_the_width_that_follows(load: Load, body: str, kind: type) -> None:
    m: Any = load(
        """
        LIMIT = 4

        @struct
        class S:
            wide: u32 = 0
            items: Array[u16] = array(3)

            def double(self) -> u32:
                return self.wide * 2

            @staticmethod
            def most() -> u64:
                return 9

        def half() -> u16:
            return 0

        def pair() -> tuple[u16, u8]:
            return 0, 0

        def f(a: u8, n: u32, flag: bool, s: S) -> object:
            BODY

        """.replace("BODY", body.replace("; ", "\n            ").replace("return_(x)", "return x"))
    )
    assert type(m.f(3, 5, True, m.S())) is kind


def test_either_branch_first(load: Load) -> None:
    m: Any = load(
        """
        def f(c: bool) -> object:
            if c:
                x = u32(1)
            else:
                x = 0
            return x

        def g(c: bool, s: tuple[u16, u16]) -> object:
            for item in s:
                x = item
                if c:
                    x = 0
            return x
        """
    )
    assert type(m.f(True)) is type(m.f(False)) is u32
    assert type(m.g(True, (1, 2))) is u16


def test_module_constants(load: Load) -> None:
    m: Any = load(
        """
        SIZE = 4096
        TYPED: u16 = SIZE // 2
        LAST: Final = SIZE - 1
        ALSO: Final[u32] = 1 << 12
        Alias: TypeAlias = "u8 | None"
        PAIR: tuple[u8, bool] = (1, True)

        def f(x: Alias) -> Alias:
            return x
        """
    )
    assert type(m.SIZE) is type(m.LAST) is int
    assert type(m.TYPED) is u16
    assert type(m.ALSO) is u32
    assert type(m.PAIR[0]) is u8
    assert type(m.f(3)) is u8
    assert m.f(None) is None
    with pytest.raises(lang.StaticError):
        m.f(True)
    with pytest.raises(lang.ConstantError):
        load("\nX: u8 = 256\n")
