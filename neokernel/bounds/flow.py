"""The control flow of one function of the image, as far as a case can reach it.

Constants are followed through registers, and through stack slots of functions that give their stack's address to
nobody; so is that a value isn't zero. A branch on such values has one way out, a jump table with a constant index one
target. What isn't known has every value.

Relied on: functions keep `sp` and s0 to s11 for their callers (the calling convention), and memory that is loaded by an
unknown address isn't a spilled register.

Invariants of a `Graph`: `entry` is its first node; every node is reachable; successors are nodes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

from neokernel.bounds.code import Code
from neokernel.bounds.decode import BRANCHES, LOADS, MASK, RA, SP, STORES, T0, Instruction, evaluate, taken
from neokernel.bounds.loops import find_loops

SIP = 0x144
#: values of a0 by which paths are told apart, beside `NONZERO`: what a function finds decides what its caller does next
KEPT = range(16)
A0 = 10
#: what a call leaves unknown: ra, t0 to t6, a0 to a7
SCRATCH = (1, 5, 6, 7, *range(10, 18), *range(28, 32))
ARGUMENTS = range(10, 18)


class Unclear(Exception):
    """The code does something that isn't understood here; it is said where, and what can be done."""


@dataclass(frozen=True)
class Fact:
    """What is known where a function begins: registers, and what is loaded from (register, offset) there."""

    registers: Mapping[int, int] = field(default_factory=dict)
    loads: Mapping[tuple[int, int], int] = field(default_factory=dict)


class Count(Enum):
    """Which paths are looked for. The wait of an idle processor ends those of an entry."""

    #: from the entry, or from a look at interrupts, to the next look or the way out
    STRETCHES = "stretches"
    #: from a look that finds an interrupt to the way out
    PENDING = "pending"
    #: from the wait of an idle processor, which an interrupt ends, to the next wait or the way out
    IDLE = "idle"


@dataclass(frozen=True)
class Case:
    """What is looked at: the paths from `entry` through a call of `through`, if that isn't None.

    `controls`: values of control registers. `facts`: by address of function. `shut`: functions that these paths don't
    enter.
    """

    entry: int
    registers: Mapping[int, int] = field(default_factory=dict)
    through: int | None = None
    controls: Mapping[int, int] = field(default_factory=dict)
    facts: Mapping[int, Fact] = field(default_factory=dict)
    shut: frozenset[int] = frozenset()
    count: Count = Count.STRETCHES


@dataclass(frozen=True)
class Within:
    """Somewhere behind a constant address: in a table, or (`loaded`) what lies there."""

    base: int
    loaded: bool = False


@dataclass(frozen=True)
class Relative:
    """A number of bytes behind what a register held where the function began."""

    register: int
    offset: int


class Some(Enum):
    NONZERO = "nonzero"

    #: of the identity, not of the name: it is part of every key
    __hash__ = object.__hash__


#: a value that isn't zero; which one, isn't known
NONZERO = Some.NONZERO

Value = int | Within | Relative | Some
#: values by register, or by offset from the stack pointer that the function began with
State = dict[int | tuple[str, int], Value]
#: what is known of a0: one of `KEPT`, not zero, or nothing
Result = int | Some | None
#: address, to where the shared piece of code that it is in goes back (LLVM's outlined functions), and what is in a0 and
#: in the registers that results are put together in
Key = tuple[int, int | None, tuple[Result, ...]]
Arguments = tuple[tuple[int, int], ...]
#: the results that a function has on different paths
ResultsOf = Callable[[int, Arguments], Collection[Result]]


def kept(value: Value | None) -> Result:
    if isinstance(value, int):
        return value if value in KEPT else NONZERO
    return value if isinstance(value, Some) else None


@dataclass
class Node:
    """An instruction. `result`: what is known to be in a0 before it. `end`: it leaves the function.

    `call`: what it calls, with the arguments that are known; `after`: where it goes on, by what that returned.

    `look`: interrupts are looked at; `wait`: one is waited for. `out`: the kernel is left.
    """

    instruction: Instruction
    result: Result
    successors: list[Key] = field(default_factory=list)
    call: tuple[int, Arguments] | None = None
    after: dict[Result, Key] = field(default_factory=dict)
    end: bool = False
    look: bool = False
    wait: bool = False
    out: bool = False


@dataclass
class Graph:
    """`targets`: all functions that it calls, or would but for the case; `controls`: those that it reads."""

    entry: Key
    nodes: dict[Key, Node]
    targets: set[int]
    controls: set[int]


class _StackGiven(Exception):
    """The function gives its stack's address away: then slots can't be followed."""


def explore(code: Code, entry: int, arguments: Arguments, case: Case, results_of: ResultsOf) -> Graph:
    """Paths are told apart by results, but not where loops begin: there they meet, or rounds would differ."""

    def explored(meet: frozenset[int] | None) -> Graph:
        try:
            return _Explorer(code, entry, case, results_of, meet, slots=True).run(arguments)
        except _StackGiven:
            return _Explorer(code, entry, case, results_of, meet, slots=False).run(arguments)

    if code.is_straight(entry):
        return explored(frozenset())
    plain = explored(None)
    loops = find_loops(plain.entry, {key: node.successors for key, node in plain.nodes.items()})
    return explored(frozenset(address for address, _, _ in loops.bodies))


class _Explorer:
    """`meet`: where paths aren't told apart; None: nowhere are they."""

    def __init__(
        self, code: Code, entry: int, case: Case, results_of: ResultsOf, meet: frozenset[int] | None, *, slots: bool
    ) -> None:
        self.code, self.entry, self.case, self.results_of = code, entry, case, results_of
        self.meet, self.slots = meet, slots
        self.low, self.high, self.name = code.function(entry)
        self.fact = case.facts.get(entry, Fact())
        self.told = A0, *self.returned()
        self.nodes: dict[Key, Node] = {}
        self.states: dict[Key, State] = {}
        self.work: list[Key] = []
        self.targets, self.controls = set[int](), set[int]()

    def run(self, arguments: Arguments) -> Graph:
        state: State = {}
        state.update(arguments)
        state.update(self.fact.registers.items())
        state |= {register: Relative(register, 0) for register, _ in self.fact.loads}
        state[SP] = Relative(SP, 0)
        first = (self.entry, None, ())
        self.reach(first, state)
        while self.work:
            key = self.work.pop()
            self.step(key, dict(self.states[key]))
        return Graph(first, self.reachable(first), self.targets, self.controls)

    def reachable(self, first: Key) -> dict[Key, Node]:
        found: dict[Key, Node] = {}
        todo = [first]
        while todo:
            key = todo.pop()
            if key not in found:
                found[key] = self.nodes[key]
                todo += found[key].successors
        return found

    def reach(self, key: Key, state: State) -> None:
        """`key` can be reached with these values: look at it again if that is news."""
        known = self.states.get(key)
        if known is None:
            self.states[key] = state
        else:
            joined = _joined(known, state)
            if joined == known:
                return
            self.states[key] = joined
        self.work.append(key)

    def step(self, key: Key, state: State) -> None:
        address, back, _ = key
        i = self.code.instruction(address)
        node = self.nodes[key] = Node(i, kept(state.get(A0)))
        if i.op in BRANCHES:
            self.branch(node, i, back, state)
        elif i.op == "jal":
            self.jump(node, i, i.target, i.rd, back, state)
        elif i.op == "jalr":
            self.indirect(node, i, back, state)
        elif i.op == "ebreak":
            pass  # a check failed: no path of an operation
        elif i.op == "sret":
            node.out = True
        else:
            node.wait = i.op == "wfi"
            node.look = i.op.startswith("csr") and i.imm == SIP and i.rd != 0
            self.compute(i, state)
            self.go(node, (i.next, back), state)

    # --- the flow -----------------------------------------------------------------------------------------------------

    def go(self, node: Node, place: tuple[int, int | None], state: State) -> Key:
        address, back = place
        apart = self.meet is not None and address not in self.meet
        key = (*place, tuple(kept(state.get(register)) for register in self.told) if apart else ())
        if back is None and not self.low <= address < self.high:
            raise Unclear(f"{self.where(node.instruction)}: goes on behind the function's end")
        if key not in node.successors:
            node.successors.append(key)
        self.reach(key, state)
        return key

    def branch(self, node: Node, i: Instruction, back: int | None, state: State) -> None:
        a, b = _number(state, i.rs1), _number(state, i.rs2)
        jumps = taken(i.op, a, b) if a is not None and b is not None else _taken_if_nonzero(i, state)
        if jumps is not False:
            self.jump(node, i, i.target, 0, back, _narrowed(state, i, a, b, jumps=True))
        if jumps is not True:
            self.go(node, (i.next, back), _narrowed(state, i, a, b, jumps=False))

    def jump(self, node: Node, i: Instruction, target: int, link: int, back: int | None, state: State) -> None:
        """To a place in the function, or to another one: a call, or a call in place of the return."""
        if self.code.is_panic(target):
            return
        if target in self.case.shut:
            self.targets.add(target)
            return
        if link == T0:
            if back is not None:
                raise Unclear(f"{self.where(i)}: shared code that jumps to shared code")
            self.go(node, (target, i.next), state)
            return
        if link == 0:
            low, high, _ = self.code.function(i.address)
            if low <= target < high:
                self.go(node, (target, back), state)
                return
            node.end = True
        elif link != RA:
            raise Unclear(f"{self.where(i)}: links by x{link}")
        node.call = target, self.passed(target, state)
        self.targets.add(target)
        if link == RA:
            for register in SCRATCH:
                state.pop(register, None)
            for result in self.results_of(*node.call):
                _set(state, A0, result)
                node.after[result] = self.go(node, (i.next, back), dict(state))

    def indirect(self, node: Node, i: Instruction, back: int | None, state: State) -> None:
        target = state.get(i.rs1)
        if i.rd == 0 and i.rs1 == T0 and back is not None:
            self.go(node, (back, None), state)
        elif isinstance(target, int):
            self.jump(node, i, (target + i.imm) & MASK, i.rd, back, state)
        elif i.rd == 0 and i.rs1 == RA:
            node.end = True
        elif i.rd == 0 and isinstance(target, Within) and target.loaded:
            places = self.code.table(target.base, self.low, self.high)
            if not places:
                raise Unclear(f"{self.where(i)}: its jump table doesn't lead into the function")
            for place in places:
                self.go(node, (place, back), dict(state))
        else:
            raise Unclear(f"{self.where(i)}: it isn't known where this jumps to")

    def passed(self, target: int, state: State) -> Arguments:
        """Into the midst of assembly all registers count, elsewhere those of the calling convention."""
        registers = ARGUMENTS if self.code.function(target)[0] == target else range(1, 32)
        known = [(register, _number(state, register)) for register in registers]
        return tuple((register, value) for register, value in known if value is not None)

    def returned(self) -> list[int]:
        """The registers that a0 is taken from where the function ends, or whether they are zero.

        Results are put together in them.
        """
        found: list[int] = []
        address, moved = self.low, 0
        while address < self.high:
            i = self.code.instruction(address)
            if i.op in ("add", "sltu") and i.rd == A0 and i.rs1 == 0:
                moved = i.rs2
            elif i.op == "sltiu" and i.rd == A0 and i.imm == 1:
                moved = i.rs1
            elif i.op in BRANCHES or i.op == "jal" or i.rd == A0:
                moved = 0
            elif i.op == "jalr":
                if i.rd == 0 and i.rs1 == RA and moved and moved not in found:
                    found.append(moved)
                moved = 0
            address = i.next
        return found

    def where(self, i: Instruction) -> str:
        return f"{self.name}, {i.address:#x} ({i.op})"

    # --- values -------------------------------------------------------------------------------------------------------

    def compute(self, i: Instruction, state: State) -> None:
        if i.op in STORES:
            self.store(i, state)
        elif i.op in LOADS:
            _set(state, i.rd, self.load(i, state))
        elif i.op == "addi":
            _set(state, i.rd, self.moved(i, state))
        else:
            # Whatever else is done with the stack's address, slots aren't followed then.
            if self.slots and any(_is_stack(state.get(register)) for register in (i.rs1, i.rs2)):
                raise _StackGiven
            if i.op.startswith("csr"):
                self.controls.add(i.imm)
                _set(state, i.rd, self.case.controls.get(i.imm))
            elif i.op == "ecall":
                for register in (10, 11):
                    state.pop(register, None)
            else:
                _set(state, i.rd, self.result(i, state))

    def moved(self, i: Instruction, state: State) -> Value | None:
        """A value, or an address, and a constant."""
        value = state.get(i.rs1)
        if isinstance(value, Relative):
            if self.slots and _is_stack(value) and i.rd != SP:
                raise _StackGiven
            return Relative(value.register, value.offset + i.imm)
        if isinstance(value, Some):
            return value if i.imm == 0 else None
        return evaluate(i, _number(state, i.rs1), None)

    def result(self, i: Instruction, state: State) -> Value | None:
        a, b = (state.get(register) for register in (i.rs1, i.rs2))
        if i.op == "add" and i.rs1 == 0 and isinstance(b, Relative | Some):
            return b
        if i.op == "add" and i.rs1 != 0 and i.rs2 != 0:
            for one, other in ((a, b), (b, a)):
                if isinstance(one, int) and other is None and self.code.constant(one) is not None:
                    return Within(one)
        if i.op == "sltu" and i.rs1 == 0 and b is NONZERO:
            return 1
        if i.op == "sltiu" and i.imm == 1 and a is NONZERO:
            return 0
        if i.op == "or" and NONZERO in (a, b):
            return NONZERO
        return evaluate(i, _number(state, i.rs1), _number(state, i.rs2))

    def load(self, i: Instruction, state: State) -> Value | None:
        base = state.get(i.rs1)
        if i.op != "ld":
            return None
        if isinstance(base, int):
            return self.code.constant((base + i.imm) & MASK)
        if isinstance(base, Within) and not base.loaded:
            return Within(base.base + i.imm, loaded=True)
        if isinstance(base, Relative):
            if base.register == SP:
                return state.get(("slot", base.offset + i.imm))
            return self.fact.loads.get((base.register, base.offset + i.imm))
        return None

    def store(self, i: Instruction, state: State) -> None:
        base, stored = state.get(i.rs1), state.get(i.rs2)
        if _is_stack(stored) and self.slots:
            raise _StackGiven
        if isinstance(base, Relative) and base.register == SP and self.slots:
            offset = base.offset + i.imm
            for place in range(offset - 7, offset + 8):
                state.pop(("slot", place), None)
            value = 0 if i.rs2 == 0 else stored
            if i.op == "sd" and value is not None:
                state["slot", offset] = value


def _number(state: State, register: int) -> int | None:
    value = 0 if register == 0 else state.get(register)
    return value if isinstance(value, int) else None


def _set(state: State, register: int, value: Value | None) -> None:
    if value is None:
        state.pop(register, None)
    elif register != 0:
        state[register] = value


def _is_stack(value: Value | None) -> bool:
    return isinstance(value, Relative) and value.register == SP


def _joined(known: State, more: State) -> State:
    """What is known on both of two ways."""
    found: State = {}
    for place, value in known.items():
        other = more.get(place)
        if value == other:
            found[place] = value
        elif other is not None and kept(value) not in (0, None) and kept(other) not in (0, None):
            found[place] = NONZERO
    return found


def _taken_if_nonzero(i: Instruction, state: State) -> bool | None:
    """Does a branch jump that compares a value that isn't zero with zero?"""
    for zero, register in ((i.rs1, i.rs2), (i.rs2, i.rs1)):
        if zero == 0 and state.get(register) is NONZERO and i.op in ("beq", "bne"):
            return i.op == "bne"
    return None


def _narrowed(state: State, i: Instruction, a: int | None, b: int | None, *, jumps: bool) -> State:
    """The values on one way out of a branch: where two are equal and one is known, so is the other."""
    state = dict(state)
    if i.op not in ("beq", "bne"):
        return state
    equal = jumps == (i.op == "beq")
    for register, known, other in ((i.rs2, a, b), (i.rs1, b, a)):
        if register != 0 and known is not None and other is None:
            if equal:
                state[register] = known
            elif known == 0 and register not in state:
                state[register] = NONZERO
    return state
