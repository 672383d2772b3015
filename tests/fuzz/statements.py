"""Statements: what a generated function does.

Invariant: every loop ends after a known number of rounds; `Context.cost` counts them.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz import drills
from tests.fuzz.context import Context
from tests.fuzz.expressions import Expressions
from tests.fuzz.kinds import (
    NONE,
    U64,
    Array,
    Bool,
    Enumeration,
    Float,
    Int,
    Kind,
    Span,
    Struct,
    Tuple,
    Union,
    Value,
    Wire,
    is_scalar,
)


class Statements:
    """Writes the statements of one function."""

    def __init__(self, context: Context) -> None:
        self.c = context
        self.random = context.random
        self.e = Expressions(context)

    def several(self, number: int) -> None:
        for _ in range(number):
            self.statement()

    def statement(self) -> None:
        options: list[tuple[int, Callable[[], bool]]] = [
            (6, self.declaration),
            (5, self.assignment),
            (5, self.augmented),
            (6, self.observation),
            (2, self.element_assignment),
            (3, self.call_statement),
            (1, self.assertion),
            (1, self.tuple_assignment),
            (1, self.chained_assignment),
            (1, self.formatted),
            (3, self.wire_access),
            (3, self.atomic_access),
            (1, self.span_assignment),
        ]
        if self.c.declared.drills and self.c.observes:
            options.append((5, self.drill))
        if not self.c.depth:
            options.append((1, self.linked))
        if self.c.depth < 3:
            options += [(3, self.branch), (2, self.match), (2, self.narrowing)]
        if self.c.loops < 2 and self.c.depth < 3:
            options += [(2, self.counting), (2, self.iterating), (1, self.while_loop)]
        if self.c.depth < 2:
            options += [(1, self.with_statement)]
        if self.c.loops:
            options += [(1, self.leave_loop)]
        if self.c.depth > 0:
            options += [(1, self.early_return)]
        for _ in range(8):
            (chosen,) = self.random.choices([option for _, option in options], [weight for weight, _ in options])
            if chosen():
                self.c.spend()
                return

    # --- variables ----------------------------------------------------------------------------------------------------

    def local_kind(self) -> Kind:
        declared = self.c.declared
        pick = self.random.random()
        if pick < 0.55:
            return self.c.scalar_kind()
        if pick < 0.65 and declared.values:
            return self.random.choice(declared.values)
        if pick < 0.72 and declared.unions:
            return self.random.choice(declared.unions)
        if pick < 0.78 and declared.structs:
            return self.random.choice(declared.structs)
        if pick < 0.84:
            return Tuple(tuple(self.c.scalar_kind() for _ in range(self.random.randrange(2, 4))))
        if pick < 0.94:
            return self.array_kind()
        spans = [kind for _, kind, _ in self.c.paths() if isinstance(kind, Array) and not kind.inline]
        if spans:
            return Span(self.random.choice(spans).element, self.c.chance(0.6))
        return self.c.scalar_kind()

    def array_kind(self) -> Array:
        pick = self.random.random()
        declared, length = self.c.declared, self.random.randrange(1, 6)
        whole = [s for s in declared.structs if len(s.defaults) == len(s.fields)]
        if pick < 0.1 and declared.values:
            return Array(self.random.choice(declared.values), length)
        if pick < 0.2 and declared.unions:
            return Array(self.random.choice(declared.unions), length)
        if pick < 0.35 and whole:
            return Array(self.random.choice(whole), length, inline=True)
        if declared.elements and self.c.chance(0.6):
            return Array(self.random.choice(declared.elements), length)
        return Array(self.c.scalar_kind(), length)

    def declaration(self) -> bool:
        kind = self.local_kind()
        if isinstance(kind, Array) and self.c.loops:
            return False  # the frame keeps one for all rounds; what it held before is seen only through a fresh one
        name = self.c.name()
        self.c.emit(self.new_variable(name, kind))
        index_below = 0
        self.c.declare(name, kind, not isinstance(kind, Struct | Array), index_below)
        return True

    def new_variable(self, name: str, kind: Kind) -> str:
        if isinstance(kind, Array):
            return f"{name}: {kind} = {self.e.new_array(kind)}"
        if isinstance(kind, Struct):
            return f"{name} = {self.e.new_struct(kind)}"
        text = self.e.make(kind, 2)
        if isinstance(kind, Union | Span) or self.c.chance(0.4):
            return f"{name}: {kind} = {text}"
        if isinstance(kind, Int) and self.c.chance(0.3):
            number = self.e.number(kind)
            return f"{name}: {kind} = {number}"
        return f"{name} = {text}"

    def assignment(self) -> bool:
        places = self.c.assignable()
        if not places:
            return False
        place, kind = self.random.choice(places)
        if not self.e.can_make(kind):
            return False
        self.c.emit(f"{place} = {self.e.make(kind, 2)}")
        return True

    def element_assignment(self) -> bool:
        place = self.element_place()
        if place is None or not self.e.can_make(place[1]):
            return False
        self.c.emit(f"{place[0]} = {self.e.make(place[1], 2)}")
        return True

    def element_place(self, *, scalars: bool = False) -> tuple[str, Kind] | None:
        """An element that can be assigned."""
        arrays = [(text, of) for text, of, _ in self.c.paths() if isinstance(of, Array)]
        found = [(t, of) for t, of in arrays if not scalars or of.inline or isinstance(of.element, Int)]
        if not found:
            return None
        text, of = self.random.choice(found)
        place, kind = f"{text}[{self.e.index(of.length)}]", of.element
        if of.inline:
            assert isinstance(kind, Struct)
            fields = [(n, f) for n, f in kind.fields if is_scalar(f) and (not scalars or isinstance(f, Int))]
            if not fields:
                return None
            name, kind = self.random.choice(fields)
            place = f"{place}.{name}"
        return place, kind

    def span_assignment(self) -> bool:
        """Write through a span: of any length, so guarded or in danger."""
        found = [(t, of) for t, of, _ in self.c.paths() if isinstance(of, Span) and of.mutable]
        if not found:
            return False
        text, kind = self.random.choice(found)
        operator = "=" if not isinstance(kind.element, Int) else self.random.choice(["=", "=", "^=", "|="])
        if self.c.dangerous():
            self.c.emit(f"{text}[{self.e.risky(U64, 1)}] {operator} {self.e.make(kind.element, 1)}")
            return True
        self.c.emit(f"if len({text}) != 0:")
        with self.c.block():
            place = f"{text}[{self.e.integer(U64, 1)} % len({text})]"
            self.c.emit(f"{place} {operator} {self.e.make(kind.element, 1)}")
        return True

    def drill(self) -> bool:
        self.c.declared.drills -= 1
        beyond = drills.bounds(self.e) if self.c.chance(0.2) else None
        if beyond is not None:
            self.observe(*beyond)
            return True
        declared, text, kind = drills.drill(self.e)
        for name, value in declared:
            self.c.emit(f"{name} = {value}")
        self.observe(text, kind)
        return True

    def linked(self) -> bool:
        """Objects that refer to each other, and a walk over them."""
        if not self.c.observes:
            return False
        first, second, place = self.c.name("node"), self.c.name("node"), self.c.name("place")
        self.c.emit(f"{first} = Node(word={self.e.integer(U64, 1)})")
        self.c.emit(f"{second} = Node(word={self.e.integer(U64, 1)}, next={first})")
        if self.c.chance(0.6):
            other = self.random.choice(["None", first])
            self.c.emit(f"{first}.next = {second} if {self.e.boolean(1)} else {other}")
        self.c.emit(f"{place}: Node | None = {self.random.choice([first, second])}")
        self.c.emit(f"for {self.c.name('count')} in range({self.random.randrange(1, 6)}):")
        with self.c.block(), self.c.repeated(5):
            self.c.emit(f"if {place} is not None:")
            with self.c.block():
                self.c.emit(f"out.put({place}.word)")
                self.c.emit(f"{place}.word ^= {self.e.integer(U64, 1)}")
                self.c.emit(f"{place} = {place}.next")
            self.c.emit(f"out.put(u64({place} is {first}))")
        return True

    def augmented(self) -> bool:
        places: list[tuple[str, Kind]] = []
        places += [place for place in self.c.assignable(scalars=True) if isinstance(place[1], Int | Float)]
        element = self.element_place(scalars=True) if self.c.chance(0.4) else None
        if element is not None:
            places = [element]
        if not places:
            return False
        place, kind = self.random.choice(places)
        if isinstance(kind, Float):
            self.c.emit(f"{place} {self.random.choice('+-*/')}= {self.e.real(kind, 1)}")
            return True
        assert isinstance(kind, Int)
        if self.c.dangerous():
            operator = self.random.choice(["+", "-", "*", "//", "%", "<<", ">>", "&", "|", "^"])
            right = self.e.distance(kind, 1) if operator in ("<<", ">>") else self.e.risky(kind, 1)
        else:
            operator = self.random.choice(["//", "%", ">>", "&", "|", "^", "^"])
            right = self.e.side(kind, 1)
            if operator in ("//", "%"):
                right = f"({self.e.tamed(kind, 1)} + 1)"
            elif operator == ">>":
                right = self.e.distance(kind, 1)
        self.c.emit(f"{place} {operator}= {right}")
        return True

    def tuple_assignment(self) -> bool:
        places = self.c.assignable(scalars=True)
        if len(places) < 2:
            return False
        chosen = self.random.sample(places, self.random.randrange(2, min(len(places), 3) + 1))
        left = ", ".join(place for place, _ in chosen)
        self.c.emit(f"{left} = {', '.join(self.e.make(kind, 1) for _, kind in chosen)}")
        return True

    def chained_assignment(self) -> bool:
        places = self.c.assignable(scalars=True)
        if not places:
            return False
        _, kind = self.random.choice(places)
        same = [place for place, of in places if of == kind]
        chosen = self.random.sample(same, min(len(same), 2))
        self.c.emit(f"{' = '.join(chosen)} = {self.e.make(kind, 2)}")
        return True

    # --- observations -------------------------------------------------------------------------------------------------

    def observation(self) -> bool:
        if not self.c.observes:
            return False
        if self.c.chance(0.4):
            found = [(text, kind) for text, kind, _ in self.c.paths() if not isinstance(kind, Wire)]
            if found:
                self.observe(*self.random.choice(found))
                return True
        kind = self.c.scalar_kind()
        self.observe(self.e.make(kind, 3), kind)
        return True

    def observe(self, text: str, kind: Kind) -> None:
        """Put all of a value into `out`."""
        match kind:
            case Int(signed=True):
                self.c.emit(f"out.put(truncate(u64, {text}))")
            case Int() | Bool():
                self.c.emit(f"out.put(u64({text}))")
            case Float():
                self.c.emit(f"out.put_{kind}({text})")
            case Enumeration():
                self.c.emit(f"out.put({kind.number(f'{text}.value')})")
            case Value():
                self._observe_parts(text, [(f".{name}", of) for name, of in kind.fields], kind)
            case Tuple():
                self._observe_parts(text, [(f"[{place}]", of) for place, of in enumerate(kind.items)], kind)
            case Union():
                self._observe_union(text, kind)
            case Struct():
                for name, of in kind.fields:
                    if is_scalar(of) or (self.c.depth < 2 and self.c.chance(0.5)):
                        self.observe(f"{text}.{name}", of)
            case Array() | Span():
                self._observe_elements(text, kind)

    def _observe_parts(self, text: str, parts: list[tuple[str, Kind]], kind: Kind) -> None:
        if not text.isidentifier():
            name = self.c.name("part")
            self.c.emit(f"{name} = {text}")
            text = name
        for suffix, of in parts:
            self.observe(text + suffix, of)

    def _observe_union(self, text: str, kind: Union) -> None:
        self.c.emit(f"match {text}:")
        for place, arm in enumerate(kind.arms):
            with self.c.block():
                if arm == NONE:
                    self.c.emit("case None:")
                    with self.c.block():
                        self.c.emit(f"out.put({place})")
                else:
                    name = self.c.name("arm")
                    self.c.emit(f"case {arm}() as {name}:")
                    with self.c.block():
                        self.c.emit(f"out.put({place + 16})")
                        self.observe(name, arm)

    def _observe_elements(self, text: str, kind: Array | Span) -> None:
        if isinstance(kind.element, Struct) and self.c.depth > 2:
            return
        name = self.c.name("each")
        self.c.emit(f"for {name} in {text}:")
        with self.c.block(), self.c.repeated(5):
            self.observe(name, kind.element)

    def formatted(self) -> bool:
        if not self.c.observes:
            return False
        parts = []
        for _ in range(self.random.randrange(1, 4)):
            parts.append(self.random.choice(["", " ", "a=", "é", "{{", "0x"]))
            kind = self.c.integer_kind()
            pick = self.random.random()
            if pick < 0.15:
                parts.append(f"{{{self.e.boolean(1)}}}")
            elif pick < 0.3 and self.c.declared.enums:
                enum = self.random.choice(self.c.declared.enums)
                parts.append(f"{{{self.e.enumeration(enum, 1)}}}")
            else:
                parts.append(f"{{{self.e.integer(kind, 1)}{self.format_option()}}}")
        self.c.emit(f'out.write(f"{"".join(parts)}")')
        return True

    def format_option(self) -> str:
        pick = self.random.choice
        if self.c.chance(0.2):
            return ""
        align = pick(["", "", "<", ">", "^", "="])
        fill = pick(["", "*", "_", "0"]) if align else ""
        zero = pick(["", "0"]) if not align else ""
        sign, number = pick(["", "+", "-", " "]), pick(["", "#"])
        return f":{fill}{align}{sign}{number}{zero}{pick(['', '1', '7', '24'])}{pick(['', 'd', 'x', 'X', 'o', 'b'])}"

    # --- calls and failures -------------------------------------------------------------------------------------------

    def call_statement(self) -> bool:
        fitting = [f for f in self.c.declared.functions if self.e.callable(f)]
        if not fitting:
            return False
        function = self.random.choice(fitting)
        text = self.e.call_of(function, 2)
        self.c.emit(text if function.result is None else f"_ = {text}")
        return True

    def assertion(self) -> bool:
        if self.c.dangerous():
            test = self.e.unknown()
            if test is not None and self.c.chance(0.3):
                self.c.emit(f"if {test}:")
                with self.c.block():
                    self.c.emit('unreachable("not so")')
            elif test is not None:
                self.c.emit(f"assert {test}")
            return test is not None
        kind = self.c.integer_kind()
        self.c.emit(f"assert {self.e.tamed(kind, 1)} <= 7, 'small'")
        return True

    def early_return(self) -> bool:
        test = self.e.unknown()
        if test is None or self.c.chance(0.5):
            return False
        if self.c.result is None:
            self.c.emit(f"if {test}:")
            with self.c.block():
                self.c.emit("return")
            return True
        if not self.e.can_make(self.c.result):
            return False
        self.c.emit(f"if {test}:")
        with self.c.block():
            self.c.emit(f"return {self.e.make(self.c.result, 1)}")
        return True

    # --- branches -----------------------------------------------------------------------------------------------------

    def body(self, most: int = 3) -> None:
        with self.c.block():
            self.several(self.random.randrange(1, most + 1))

    def branch(self) -> bool:
        self.c.emit(f"if {self.e.boolean(2)}:")
        self.body()
        if self.c.chance(0.3):
            self.c.emit(f"elif {self.e.boolean(2)}:")
            self.body(2)
        if self.c.chance(0.5):
            self.c.emit("else:")
            self.body()
        return True

    def narrowing(self) -> bool:
        """Use a union's arm after a test."""
        found = [v for v in self.c.variables() if isinstance(v.kind, Union) and v.name not in self.c.fixed]
        if not found:
            return False
        variable = self.random.choice(found)
        kind = variable.kind
        assert isinstance(kind, Union)
        arm = self.random.choice(kind.arms)
        rest = tuple(of for of in kind.arms if of != arm)
        others: Kind = Union(rest) if len(rest) > 1 else rest[0]
        if arm == NONE:
            test = f"{variable.name} is None"
        else:
            test = f"isinstance({variable.name}, {arm})"
            if self.c.chance(0.3) and is_scalar(arm) and not isinstance(arm, Bool):
                with self.c.fixing(variable.name):
                    test += f" and {variable.name} == {self.e.make(arm, 1)}"
                others = kind
        self.c.emit(f"if {test}:")
        self._narrowed(variable.name, arm)
        self.c.emit("else:")
        self._narrowed(variable.name, others)
        return True

    def _narrowed(self, name: str, kind: Kind) -> None:
        """A block in which a variable is known to be of a smaller kind."""
        variable = next(v for v in self.c.variables() if v.name == name)
        before, variable.kind = variable.kind, kind
        with self.c.block(), self.c.fixing(name):
            if self.c.observes and kind != NONE:
                self.observe(name, kind)
            self.several(self.random.randrange(1, 3))
        variable.kind = before

    def match(self) -> bool:
        subjects = [(text, kind) for text, kind, _ in self.c.paths() if isinstance(kind, Union | Enumeration | Value)]
        if not subjects or self.c.chance(0.3):
            return self._match_integer()
        text, kind = self.random.choice(subjects)
        if isinstance(kind, Enumeration):
            return self._match_enum(text, kind)
        # A copy: matching a variable would narrow it, and tests of it in the cases would be rejected.
        subject = self.c.name("subject")
        self.c.emit(f"{subject} = {text}")
        self.c.emit(f"match {subject}:")
        arms = kind.arms if isinstance(kind, Union) else (kind,)
        for arm in arms:
            # To Python, True and 1.0 are 1: such a pattern beside such arms would be rejected.
            alike = isinstance(arm, Int) and any(isinstance(other, Bool | Float) for other in arms)
            if _may_differ(arm) and not alike and self.c.chance(0.3):
                self._case(_pattern(self, arm))
            if isinstance(arm, Value):
                self._value_pattern(arm)
            elif arm == NONE:
                self._case("None")
            else:
                name = self.c.name("arm")
                self._case(f"{arm}() as {name}", (name, arm))
        return True

    def _value_pattern(self, kind: Value) -> None:
        """One that may not match, and one that always does."""
        scalars = [(n, of) for n, of in kind.fields if _may_differ(of)]
        if scalars and self.c.chance(0.6):
            name, of = self.random.choice(scalars)
            self._case(f"{kind}({name}={_pattern(self, of)})")
        names = [(self.c.name("part"), of) for _, of in kind.fields]
        if self.c.chance(0.5):
            self._case(f"{kind}({', '.join(name for name, _ in names)})", *names)
        else:
            keywords = [f"{field}={name}" for (field, _), (name, _) in zip(kind.fields, names, strict=True)]
            self._case(f"{kind}({', '.join(keywords)})", *names)

    def _case(self, pattern: str, *captured: tuple[str, Kind], guard: str = "") -> None:
        with self.c.block():
            self.c.emit(f"case {pattern}{guard}:")
            with self.c.block():
                for name, kind in captured:
                    self.c.declare(name, kind, assignable=False)
                if self.c.observes:
                    for name, kind in captured:
                        if is_scalar(kind):
                            self.observe(name, kind)
                self.several(self.random.randrange(1, 3))

    def _match_enum(self, text: str, kind: Enumeration) -> bool:
        self.c.emit(f"match {text}:")
        members = [name for name, _ in kind.members]
        self.random.shuffle(members)
        taken = len(members) if self.c.chance(0.6) else self.random.randrange(1, len(members) + 1)
        at = 0
        while at < taken:
            number = min(self.random.randrange(1, 3), taken - at)
            self._case(" | ".join(f"{kind}.{name}" for name in members[at : at + number]))
            at += number
        if taken < len(members):
            self._case("_")
        return True

    def _match_integer(self) -> bool:
        kind = self.c.integer_kind()
        self.c.emit(f"match {self.e.integer(kind, 2)}:")
        seen: set[int] = set()
        for _ in range(self.random.randrange(1, 4)):
            numbers = {self.e.number(kind) for _ in range(self.random.randrange(1, 3))} - seen
            seen |= numbers
            if numbers:
                guard = f" if {self.e.boolean(1)}" if self.c.chance(0.2) else ""
                self._case(" | ".join(map(str, sorted(numbers))), guard=guard)
        if self.c.chance(0.4):
            name = self.c.name("other")
            self._case(name, (name, kind))
        else:
            self._case("_")
        return True

    # --- loops --------------------------------------------------------------------------------------------------------

    def loop_body(self, rounds: int, *declared: tuple[str, Kind, int]) -> None:
        with self.c.block(), self.c.repeated(rounds):
            for name, kind, below in declared:
                free = is_scalar(kind) and not below and self.c.chance(0.3)
                self.c.declare(name, kind, assignable=free, index_below=below)
            if self.c.observes and self.c.chance(0.5):
                name, kind, _ = declared[0] if declared else ("1", U64, 0)
                if is_scalar(kind):
                    self.observe(name, kind)
            self.several(self.random.randrange(1, 4))

    def counting(self) -> bool:
        if not self.c.can_spend(30):
            return False
        name = self.c.name("count")
        kind = self.c.integer_kind()
        pick = self.random.random()
        rounds = self.random.randrange(1, 6)
        if pick < 0.25:
            self.c.emit(f"for {name} in range({rounds}):")
            self.loop_body(rounds, (name, U64, rounds))
            return True
        if pick < 0.4:
            self.c.emit(f"for {name} in range({self.e.tamed(kind, 1, 2)}):")
            self.loop_body(3, (name, kind, 0))
            return True
        step = self.random.choice([1, 2, 3, -1, -2, -3, 100, -100])
        room = kind.highest - kind.lowest
        start = self.random.choice([kind.lowest, kind.highest, 0, kind.highest // 2, kind.lowest // 2])
        stop = start + step * rounds - self.random.choice([0, 0, 1, -1])
        stop = min(max(stop, kind.lowest), kind.highest)
        if abs(stop - start) > room or abs(stop - start) // abs(step) > 8:
            return False
        texts = [f"{kind}({start})", f"{kind}({stop})" if self.c.chance(0.6) else f"({stop})"]
        if self.c.chance(0.3) and step == 1:
            self.c.emit(f"for {name} in reversed(range({texts[0]}, {texts[1]})):")
        elif step == 1:
            self.c.emit(f"for {name} in range({texts[0]}, {texts[1]}):")
        else:
            self.c.emit(f"for {name} in range({texts[0]}, {texts[1]}, {step}):")
        self.loop_body(rounds, (name, kind, 0))
        return True

    def iterating(self) -> bool:
        found = [(t, k) for t, k, _ in self.c.paths() if isinstance(k, Array | Span)]
        found += [(name, k) for name, k in self.c.declared.constants if isinstance(k, Span)]
        if not found or not self.c.can_spend(40):
            return False
        text, kind = self.random.choice(found)
        assert isinstance(kind, Array | Span)
        name, pick = self.c.name("each"), self.random.random()
        if pick < 0.6:
            self.c.emit(f"for {name} in {text}:")
            self.loop_body(5, (name, kind.element, 0))
        elif pick < 0.8:
            index = self.c.name("count")
            self.c.emit(f"for {index}, {name} in enumerate({text}):")
            below = kind.length if isinstance(kind, Array) else 0
            self.loop_body(5, (index, U64, below), (name, kind.element, 0))
        else:
            second, other = self.random.choice(found)
            assert isinstance(other, Array | Span)
            name2 = self.c.name("each")
            self.c.emit(f"for {name}, {name2} in zip({text}, {second}):")
            self.loop_body(5, (name, kind.element, 0), (name2, other.element, 0))
        return True

    def while_loop(self) -> bool:
        if not self.c.can_spend(30):
            return False
        name, kind, rounds = self.c.name("n"), self.c.integer_kind(), self.random.randrange(1, 6)
        self.c.emit(f"{name}: {kind} = 0")
        self.c.declare(name, kind, assignable=False)
        self.c.emit(f"while {name} < {rounds}{f' and {self.e.boolean(1)}' if self.c.chance(0.4) else ''}:")
        with self.c.block(), self.c.repeated(rounds):
            self.c.emit(f"{name} += 1")
            self.several(self.random.randrange(1, 4))
        return True

    def leave_loop(self) -> bool:
        test = self.e.unknown()
        if test is None:
            return False
        self.c.emit(f"if {test}:")
        with self.c.block():
            self.c.emit(self.random.choice(["break", "continue"]))
        return True

    def with_statement(self) -> bool:
        if not self.c.observes:
            return False
        name = self.c.name("guard")
        place = self.c.name("held")
        self.c.emit(f"{name} = Guard(out=out, mark={self.e.integer(U64, 1)})")
        self.c.emit(f"with {name} as {place}:" if self.c.chance(0.6) else f"with {name}:")
        with self.c.block():
            self.several(self.random.randrange(1, 4))
        return True

    # --- memory of machines -------------------------------------------------------------------------------------------

    def wire_access(self) -> bool:
        wires = [(v.name, v.kind) for v in self.c.variables() if isinstance(v.kind, Wire)]
        if not self.c.declared.wires:
            return False
        if not wires:
            kind = self.random.choice(self.c.declared.wires)
            if self.c.loops or self.c.depth:
                return False
            name = self.c.name("w")
            if self.c.chance(0.5):
                self.c.emit(f"{name} = {kind}()")
            else:
                memory, size = self.c.name("memory"), kind.size + self.random.choice([0, 1, 5])
                if self.c.dangerous():
                    size = max(kind.size - 1, 1)
                self.c.emit(f"{memory}: Array[u8] = array({size})")
                self.c.declare(memory, Array(Int(8, False), size), assignable=False)
                self.c.emit(f"{name} = wire_view({kind}, {memory})")
            self.c.declare(name, kind, assignable=False)
            wires = [(name, kind)]
        name, of = self.random.choice(wires)
        assert isinstance(of, Wire)
        field, bits, reads = self.random.choice(of.fields)
        if self.c.chance(0.4) and self.c.observes:
            self.c.emit(f"out.put({'truncate(u64, ' if reads.signed else 'u64('}{name}.{field}))")
        elif bits == reads.bits:
            self.c.emit(f"{name}.{field} = {self.e.integer(reads, 2)}")
        elif self.c.dangerous():
            self.c.emit(f"{name}.{field} = {self.e.risky(reads, 1)}")
        else:
            self.c.emit(f"{name}.{field} = {self.e.integer(reads, 1)} & {(1 << bits) - 1}")
        return True

    def atomic_access(self) -> bool:
        if not self.c.declared.wires or not self.c.observes:
            return False  # programs without a machine stay so
        cells = [v.name for v in self.c.variables() if isinstance(v.kind, Struct) and v.kind.name == "Cells"]
        if not cells:
            if self.c.loops or self.c.depth:
                return False
            name = self.c.name("cells")
            self.c.emit(f"{name} = Cells()")
            self.c.declare(name, Struct("Cells", ()), assignable=False)
            cells = [name]
        for _ in range(self.random.randrange(1, 4)):
            self._atomic(self.random.choice(cells))
        return True

    def _atomic(self, name: str) -> None:
        width = self.random.choice([8, 16, 32, 64])
        kind = Int(width, False)
        cell = f"{name}.a{width}" if self.c.chance(0.7) or width != 32 else f"{name}.several[{self.e.index(3)}]"
        order = self.random.choice(["", ", Order.RELAXED", ", Order.ACQUIRE_RELEASE"])
        pick = self.random.choice(["load", "store", "exchange", "compare_exchange", "add", "sub", "and", "or", "xor"])
        if pick == "load":
            self.c.emit(f"out.put(u64({cell}.load({self.random.choice(['', 'Order.ACQUIRE'])})))")
        elif pick == "store":
            self.c.emit(f"{cell}.store({self.e.integer(kind, 1)})")
        elif pick == "exchange":
            self.c.emit(f"out.put(u64({cell}.exchange({self.e.integer(kind, 1)}{order})))")
        elif pick == "compare_exchange":
            expected = f"{cell}.load()" if self.c.chance(0.5) else self.e.integer(kind, 1)
            self.c.emit(f"out.put(u64({cell}.compare_exchange({expected}, {self.e.integer(kind, 1)}{order})))")
        else:
            self.c.emit(f"out.put(u64({cell}.fetch_{pick}({self.e.integer(kind, 1)}{order})))")

    def finish(self) -> None:
        """Observe what is there at the end, or return something."""
        if self.c.observes:
            for variable in list(self.c.variables()):
                if variable.kind != NONE and not isinstance(variable.kind, Wire) and self.c.chance(0.5):
                    self.observe(variable.name, variable.kind)
        if self.c.result is not None:
            self.c.emit(f"return {self.e.make(self.c.result, 2)}")


def _may_differ(kind: Kind) -> bool:
    """May a value of this kind not match a constant pattern?"""
    return isinstance(kind, Int) or (isinstance(kind, Enumeration) and len(kind.members) > 1)


def _pattern(s: Statements, kind: Kind) -> str:
    if isinstance(kind, Enumeration):
        return f"{kind}.{s.random.choice(kind.members)[0]}"
    assert isinstance(kind, Int)
    return str(s.e.number(kind))
