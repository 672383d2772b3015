"""Programs that claim more than is true: functions with contracts and assertions, structs with invariants.

All are about two structs, as much as fits: what functions do to each other's objects, also through names of one object,
is where claims about them are lost or kept. A program is a list of units, each of which can be left out by itself.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

#: numbers that are written, and given to functions
NUMBERS = (0, 1, 2, 3, 4, 5, 7, 100, 127, 128, 200, 254, 255)
#: a program's first lines
HEADER = (
    "from __future__ import annotations",
    "from neokernel.lang import Array, Embedded, Ghost, array, ensures, ghost, inline, invariant, loop_invariant, old",
    "from neokernel.lang import renew, requires, struct, u8, wrapping_add",
)


@dataclass(eq=False, slots=True)
class Unit:
    """Lines that go together, of a function or of a struct (""). `claim`: they say something, and do nothing; `write`:
    they change something. Others stay."""

    lines: tuple[str, ...]
    owner: str = ""
    claim: bool = False
    write: bool = False


@dataclass(slots=True)
class Function:
    """All take two Nodes and a number."""

    name: str
    mark: str
    result: str
    #: it changes nothing: contracts may call it
    pure: bool

    @property
    def ghost(self) -> bool:
        return self.mark == "@ghost"


@dataclass(slots=True)
class Sight:
    """What an expression may name. `aside`: it is in ghost code. `after`: `old` may be asked. `calls`: functions may be
    called."""

    objects: list[str]
    numbers: list[str]
    truths: list[str] = field(default_factory=list)
    aside: bool = False
    after: bool = False
    calls: bool = True


class Writer:
    """Writes one program: its `units`."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(f"claims {seed}")
        self.units: list[Unit] = []
        self.functions: list[Function] = []
        self.owner = ""
        self.names = 0
        #: conditions of the function, with the names in them; and what structs keep
        self.said: list[tuple[str, frozenset[str]]] = []
        self.kept: list[tuple[str, frozenset[str]]] = []
        self.structs()
        for number in range(self.chance.randint(1, 7)):
            if self.perhaps(0.3) and self.kept:
                self.truism(number)
            else:
                self.function(number)

    def one(self, *of: str) -> str:
        return self.chance.choice(of)

    def perhaps(self, share: float) -> bool:
        return self.chance.random() < share

    def name(self, letter: str) -> str:
        """A new one."""
        self.names += 1
        return f"{letter}{self.names}"

    def put(self, *lines: str, claim: bool = False, write: bool = False) -> None:
        self.units.append(Unit(lines, self.owner, claim, write))

    # --- expressions --------------------------------------------------------------------------------------------------

    def number(self, sight: Sight, depth: int = 2) -> str:
        """Of type `u8`, or a literal."""
        kind = self.chance.randrange(12 if depth else 6)
        if kind == 0 or not (sight.objects or sight.numbers):
            return str(self.chance.choice(NUMBERS))
        if kind <= 2 and sight.numbers:
            return self.chance.choice(sight.numbers)
        if kind <= 5 and sight.objects:
            place = self.place(sight)
            return f"old({place})" if sight.after and self.perhaps(0.3) else place
        left = self.number(sight, depth - 1) if depth else "1"
        match kind:
            case 10 | 11:
                return self.call(sight, "u8") or left
            case _ if is_literal(left):
                return left
            case 8:
                return f"({left} {self.one('//', '%')} {self.one('2', '4')})"
            case 6:
                return f"wrapping_add({left}, {self.number(sight, depth - 1)})"
            case 7:
                return f"({left} {self.one('+', '-')} {self.one('1', '2', '3')})"
            case 9:
                return f"{self.one('min', 'max')}({left}, {self.number(sight, depth - 1)})"
        return left

    def place(self, sight: Sight) -> str:
        """A number in an object."""
        of = self.chance.choice(sight.objects)
        fields = ["a", "b", "part.c", f"cells[{self.chance.randrange(3)}]"] + (["g"] if sight.aside else [])
        return f"{of}.{self.chance.choice(fields)}"

    def call(self, sight: Sight, result: str) -> str:
        """A call of something that changes nothing, or nothing."""
        able = [f for f in self.functions if f.result == result and f.pure and (sight.aside or not f.ghost)]
        if not able or not sight.objects or not sight.calls:
            return ""
        plain = Sight(sight.objects, sight.numbers, aside=sight.aside, calls=False)
        return f"{self.chance.choice(able).name}({self.arguments(plain)})"

    def arguments(self, sight: Sight) -> str:
        objects = [self.chance.choice(sight.objects) for _ in range(2)]
        return f"{objects[0]}, {objects[1]}, {self.number(sight, 1)}"

    def condition(self, sight: Sight) -> str:
        """Perhaps one that was there before: what holds here may hold there."""
        able = [said for said, words in self.said if words <= {*sight.objects, *sight.numbers, *sight.truths}]
        able = [said for said in able if sight.aside or not self.is_aside(said)]
        if able and self.perhaps(0.4):
            return self.chance.choice(able)
        found = self.any_condition(sight)
        if "old(" not in found:
            names = {"p", "q", "n", "m", "result", "self"} | {name for name in sight.objects if name[0] in "xy"}
            self.said.append((found, frozenset(names & set(re.findall(r"\w+", found)))))
        return found

    def is_aside(self, said: str) -> bool:
        return ".g" in said or any(f.ghost and f"{f.name}(" in said for f in self.functions)

    def any_condition(self, sight: Sight, depth: int = 2) -> str:
        kind = self.chance.randrange(11 if depth else 6)
        if kind <= 4:
            left, right = self.number(sight, depth), self.number(sight, max(depth - 1, 0))
            if is_literal(left):
                left, right = right, left
            if is_literal(left):
                return self.chance.choice(sight.truths) if sight.truths else "True"
            return f"{left} {self.one('<', '<=', '==', '!=', '>=')} {right}"
        if kind == 5 and sight.objects:
            of = self.chance.choice(sight.objects)
            return self.one(f"{of}.flag", f"alone({of})", f"{of} is {self.chance.choice(sight.objects)}")
        match kind:
            case 6:
                left, right = self.any_condition(sight, depth - 1), self.any_condition(sight, depth - 1)
                return f"({left}) {self.one('and', 'or')} ({right})"
            case 7:
                return f"not ({self.any_condition(sight, depth - 1)})"
            case 8 if sight.objects:
                of = self.chance.choice(sight.objects)
                comparison = self.one("<=", "==", ">=")
                return f"{of}.{self.one('a', 'b')} {comparison} behind({of})"
            case 9 | 10:
                return self.call(sight, "bool") or self.any_condition(sight, depth - 1)
        return self.any_condition(sight, depth - 1) if depth else "True"

    # --- declarations -------------------------------------------------------------------------------------------------

    def structs(self) -> None:
        self.put("@struct", "class Part:", f"    c: u8 = {self.one('0', '1', '3')}")
        if self.perhaps(0.6):
            bound = f"c {self.one('<=', '>=', '!=')} {self.chance.choice(NUMBERS)}"
            self.put("    @invariant", "    def kept(self) -> bool:", f"        return self.{bound}", claim=True)
            self.kept += [(f"{name}.part.{bound}", frozenset([name])) for name in ("p", "q")]
        self.put(
            "@struct", "class Node:", "    a: u8 = 0", f"    b: u8 = {self.one('0', '2')}", "    flag: bool = False"
        )
        self.put("    g: Ghost[u8] = 0", "    other: Node | None = None", "    part: Embedded[Part] = Part()")
        self.put("    cells: Array[u8] = array(3)")
        for number in range(self.chance.randint(1, 3)):
            said = self.condition(Sight(["self"], [], aside=True))
            while said.count("self") == 0:
                said = self.condition(Sight(["self"], [], aside=True))
            self.put("    @invariant", f"    def kept_{number}(self) -> bool:", f"        return {said}", claim=True)
            self.kept += [(re.sub(r"\bself\b", name, said), frozenset([name])) for name in ("p", "q")]
        # What the front end sees by itself (*this is never `None`*) it would refuse.
        self.put("def alone(p: Node) -> bool:", "    return p.other is None")
        self.put("def behind(p: Node) -> u8:", "    return p.a if p.other is None else p.other.a")

    def function(self, number: int) -> None:
        mark = self.one("", "", "", "@inline", "@ghost", "private", "private")
        name = f"{'_' if mark == 'private' else ''}f{number}"
        mark = "" if mark == "private" else mark
        made = Function(name, mark, self.one("u8", "bool", "None"), mark == "@ghost" or self.perhaps(0.25))
        if made.pure and made.result == "None":
            made.result = self.one("u8", "bool")
        self.owner, self.said = name, [*self.kept]
        head = f"def {name}(p: Node, q: Node, n: u8) -> {made.result}:"
        self.put(*([mark, head] if mark else [head]))
        given = Sight(["p", "q"], ["n"], aside=True)
        for _ in range(self.chance.choice((0, 0, 1, 1, 2))):
            self.put(f"    requires({self.condition(given)})", claim=True)
        result = "" if made.result == "None" else " result"
        for _ in range(self.chance.choice((0, 1, 2, 3))):
            after = Sight(["p", "q"], ["n"], aside=True, after=True)
            if made.result == "u8":
                after.numbers.append("result")
            elif made.result == "bool":
                after.truths.append("result")
            said = self.condition(after)
            if made.result == "bool" and self.perhaps(0.4):
                said = f"result == ({said})"
            self.put(f"    ensures(lambda{result}: {said})", claim=True)
        if self.perhaps(0.4):
            # Nothing is known of a call then.
            self.put(f"    ensures(lambda{result}: True)", claim=True)
        self.put("    m: u8 = n")
        sight = Sight(["p", "q"], ["n", "m"], aside=mark == "@ghost")
        self.block(sight, made, "    ", self.chance.randint(1, 5))
        if made.result == "None":
            self.put("    pass")
        else:
            what = self.number(sight) if made.result == "u8" else self.condition(sight)
            self.put(f"    return {what}")
        self.functions.append(made)

    def truism(self, number: int) -> None:
        """A function that promises what a struct keeps, or what it requires."""
        mark = self.one("", "@inline", "@ghost", "private")
        self.owner = name = f"{'_' if mark == 'private' else ''}f{number}"
        self.put(*([mark] if mark.startswith("@") else []), f"def {name}(p: Node, q: Node, n: u8) -> bool:")
        said, _ = self.chance.choice(self.kept)
        if self.perhaps(0.5):
            said = self.any_condition(Sight(["p", "q"], ["n"], aside=mark == "@ghost"), 1)
            self.put(f"    requires({said})", claim=True)
        self.put(f"    ensures(lambda result: {self.one('result', f'result and ({said})')})", claim=True)
        self.put(f"    return {said if mark == '@ghost' or not self.is_aside(said) else 'n >= 0'}")
        self.functions.append(Function(name, mark, "bool", pure=True))

    # --- statements ---------------------------------------------------------------------------------------------------

    def block(self, sight: Sight, of: Function, indent: str, length: int) -> None:
        for _ in range(length):
            self.statement(sight, of, indent)
        self.put(f"{indent}pass")

    def statement(self, sight: Sight, of: Function, indent: str) -> None:
        changes, says, goes_deeper = not of.pure, not of.ghost, len(indent) <= 8
        ways = [
            (self.put_write, 5 * changes),
            (self.put_call, 4 * changes),
            (self.put_new, 1 * (changes and goes_deeper)),
            (self.put_assert, 2 * says),
            (self.put_variable, 1),
        ]
        blocks = [(self.put_if, 2), (self.put_other, 1), (self.put_loop, 2 * says), (self.put_detour, 2 * changes)]
        ways_deeper = blocks if goes_deeper else []
        weights = [weight for _, weight in (*ways, *ways_deeper)]
        way = self.chance.choices(range(len(weights)), weights)[0]
        if way < len(ways):
            ways[way][0](sight, indent)
        else:
            ways_deeper[way - len(ways)][0](sight, of, indent)

    def put_assert(self, sight: Sight, indent: str) -> None:
        self.put(f"{indent}assert {self.condition(Sight(sight.objects, sight.numbers))}", claim=True)

    def put_variable(self, sight: Sight, indent: str) -> None:
        self.put(f"{indent}m = {self.number(sight)}", write=True)

    def put_if(self, sight: Sight, of: Function, indent: str) -> None:
        self.put(f"{indent}if {self.condition(sight)}:")
        self.block(sight, of, indent + "    ", self.chance.randint(1, 2))
        if self.perhaps(0.4):
            self.put(f"{indent}else:")
            self.block(sight, of, indent + "    ", self.chance.randint(1, 2))

    def put_other(self, sight: Sight, of: Function, indent: str) -> None:
        """What is done with the object that another one refers to."""
        found = self.name("x")
        self.put(f"{indent}{found} = {self.chance.choice(sight.objects)}.other", f"{indent}if {found} is not None:")
        inner = Sight([*sight.objects, found], sight.numbers, aside=sight.aside)
        self.block(inner, of, indent + "    ", self.chance.randint(1, 3))

    def put_loop(self, sight: Sight, of: Function, indent: str) -> None:
        self.put(f"{indent}for {self.name('i')} in range({self.one('3', '12', 'n', 'n')}):")
        for _ in range(self.chance.randint(0, 2)):
            said = self.condition(Sight(sight.objects, sight.numbers, aside=True))
            self.put(f"{indent}    loop_invariant({said})", claim=True)
        self.block(sight, of, indent + "    ", self.chance.randint(1, 3))

    def put_new(self, sight: Sight, indent: str) -> None:
        made = self.name("y")
        self.put(f"{indent}{made} = Node()")
        if indent == "    ":
            sight.objects.append(made)

    def put_detour(self, sight: Sight, of: Function, indent: str) -> None:
        """Something is changed for a moment."""
        kept = self.name("s")
        place = self.place(Sight(sight.objects, []))
        self.put(f"{indent}{kept} = {place}")
        self.put(f"{indent}{place} = {self.number(sight)}", write=True)
        self.statement(sight, of, indent)
        self.put(f"{indent}{place} = {kept}", write=True)

    def put_call(self, sight: Sight, indent: str) -> None:
        """A call, and something that may be so behind it; perhaps it was so before."""
        able = [f for f in self.functions if not f.ghost]
        if not able:
            return
        called = self.chance.choice(able)
        into = {"u8": "m = ", "bool": "_ = ", "None": ""}[called.result]
        plain = Sight(sight.objects, [name for name in sight.numbers if name != "m"], calls=False)
        place, value = self.place(plain), self.number(plain, 0)
        known = self.perhaps(0.5)
        if known:
            self.put(f"{indent}{place} = {value}", write=True)
        self.put(f"{indent}{into}{called.name}({self.arguments(plain)})", write=True)
        said = f"{place} == {value}" if known else self.condition(Sight(sight.objects, sight.numbers))
        self.put(f"{indent}assert {said}", claim=True)

    def put_write(self, sight: Sight, indent: str) -> None:
        of = self.chance.choice(sight.objects)
        match self.chance.randrange(9):
            case 0:
                self.put(f"{indent}{of}.flag = {self.any_condition(sight, 1)}", write=True)
            case 1:
                self.put(f"{indent}{of}.other = {self.one('None', *sight.objects)}", write=True)
            case 2:
                value = self.number(Sight(sight.objects, sight.numbers, aside=True), 1)
                self.put(f"{indent}{of}.g = {value}", write=True)
            case 3:
                self.put(f"{indent}renew({of}.part)", write=True)
            case _:
                place, value = self.place(Sight([of], [])), self.number(sight)
                self.put(f"{indent}{place} = {value}", write=True)
                if self.perhaps(0.5):
                    place, value = (place, value) if self.perhaps(0.6) else (self.place(sight), self.number(sight, 1))
                    self.put(f"{indent}assert {place} {self.one('==', '==', '<=', '>=')} {value}", claim=True)


def is_literal(text: str) -> bool:
    return text.isdigit()
