"""`match` on unions with arms that are matched value by value: exhaustive or not, and the same in all readings."""

import pytest

from neokernel import lang
from neokernel.compiler.jit import Library
from neokernel.compiler.pipeline import analyse_source
from tests.fuzz.observations import INPUTS
from tests.support import meanings

HEADER = """\
from enum import Enum
from neokernel.lang import u32, u64, value

class Color(Enum):
    RED = 0
    GREEN = 1
    BLUE = 2

@value
class Point:
    x: u32

"""

PICK = """
class Color(Enum):
    RED = 0
    GREEN = 1
    BLUE = 2

def choose(index: u64) -> u32 | Color | bool | None:
    match index:
        case 0 | 1 | 2:
            return Color(index)
        case 3:
            return True
        case 4:
            return False
        case 5:
            return None
    return u32(7)

def one_by_one(x: u32 | Color | bool | None) -> u64:
    match x:
        case u32() as number:
            return u64(number) + 100
        case Color.RED | Color.GREEN:
            return 1
        case None:
            return 2
        case Color.BLUE:
            return 3
        case False:
            return 4
        case True:
            return 5

def mixed(x: u32 | Color | bool | None) -> u64:
    match x:
        case True:
            return 1
        case Color.BLUE:
            return 2
        case Color() as color if color != Color.RED:
            return 3
        case bool() | Color():
            return 4
        case 7:
            return 5
        case u32() | None:
            return 6

def main(out: Output) -> None:
    for index in range(u64(7)):
        out.put(one_by_one(choose(index)))
        out.put(mixed(choose(index)))
"""

MATCHES = {
    "all members": ("u32 | Color", ["u32()", "Color.RED | Color.GREEN", "Color.BLUE"], ""),
    "a member is left": ("u32 | Color", ["u32()", "Color.RED | Color.GREEN"], "`Color.BLUE`"),
    "the enum is left": ("u32 | Color", ["5", "u32()"], "`Color`"),
    "the class takes the rest": ("u32 | Color", ["u32()", "Color.RED", "Color()"], ""),
    "a guard takes nothing": ("u32 | Color", ["u32()", "Color.RED", "Color() if y"], "`Color.BLUE`, `Color.GREEN`"),
    "bools": ("u32 | bool | None", ["True", "u32()", "False", "None"], ""),
    "a bool is left": ("u32 | bool | None", ["True", "u32() | None"], "`False`"),
    "bool by class": ("u32 | bool", ["bool()", "u32()"], ""),
    "values don't exhaust integers": ("u32 | Color", ["1", "2", "Color()"], "`u32`"),
    "members in a value": ("Point | Color", ["Point(x=1)", "Color()", "Point()"], ""),
}


@pytest.mark.parametrize("name", MATCHES)
def test_what_is_left(name: str) -> None:
    union, patterns, left = MATCHES[name]
    cases = "".join(f"        case {pattern}:\n            return {n}\n" for n, pattern in enumerate(patterns))
    found = analyse_source(f"{HEADER}def f(x: {union}, y: bool) -> u32:\n    match x:\n{cases}").diagnostics
    if not left:
        assert not found, found
    else:
        assert [(d.code, d.message) for d in found] == [("NK0601", f"not every case is handled: {left}")]


def test_nothing_is_left_for_a_later_case() -> None:
    cases = "".join(f"        case {p}:\n            return 1\n" for p in ("u32()", "True", "False", "bool()"))
    found = analyse_source(f"{HEADER}def f(x: u32 | bool) -> u32:\n    match x:\n{cases}").diagnostics
    assert [d.code for d in found] == ["NK0602"]


def test_matches_mean_the_same_everywhere() -> None:
    case = meanings.case("members_one_by_one", PICK)
    told = meanings.ask([case])[case.name]
    meanings.check(case, told)
    assert isinstance(told, dict)
    words = told["cpython"].words[2 + INPUTS :]
    assert words[:14] == (1, 4, 1, 3, 3, 2, 5, 1, 4, 4, 2, 6, 107, 5)


#: errors as values, matched member by member: what is left has the type that is left
NARROWING = """
from enum import Enum
from neokernel.lang import u32

class Error(Enum):
    A = 0
    B = 1
    C = 2

def f(x: u32) -> Error | None:
    if x == 0:
        return None
    return Error(x - 1)

def g(x: u32) -> u32 | Error:
    if x > 10:
        return Error.A if x == 11 else Error.B
    return x

def name(e: Error) -> u32:
    return u32(e.value) + 100

def one(x: u32) -> u32:
    late = f(x)
    match late:
        case None:
            return 0
        case Error.B:
            return 1
        case Error.C:
            return 2
        case Error.A:
            return name(late)

def two(x: u32) -> u32:
    late = f(x)
    match late:
        case None:
            return 0
        case Error.B:
            return 1
        case _:
            return name(late)

def three(x: u32) -> u32:
    match f(x):
        case Error.A | Error.B as e:
            return name(e)
        case Error.C:
            return 7
        case None:
            return 9

def four(x: u32) -> u32:
    y = g(x)
    match y:
        case Error.A:
            return 1
        case Error.B:
            return 2
        case Error.C:
            return 2
        case _:
            return y + 1

def five(x: u32) -> u32:
    match f(x):
        case None:
            return 0
        case Error.B:
            return 1
        case rest:
            return name(rest)

def six(x: u32) -> u32:
    y = g(x)
    match y:
        case 3 | 4 as n:
            return n * 2
        case Error() as e if x == 11:
            return name(e)
        case Error():
            return 5
        case n:
            return n
"""


def test_what_earlier_cases_exclude_is_excluded() -> None:
    analysis = analyse_source(NARROWING)
    assert analysis.diagnostics == [] and analysis.program is not None
    module = lang.load_module(NARROWING, "narrowing_sample")
    functions = {f.name: f.symbol for f in analysis.program.functions}
    library = Library(analysis.program, tuple(functions.values()))
    for name in ("one", "two", "three", "four", "five", "six"):
        for x in range(13 if name in ("four", "six") else 4):
            assert getattr(module, name)(lang.u32(x)) == library.call(functions[name], x), (name, x)
