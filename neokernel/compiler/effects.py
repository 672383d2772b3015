"""Pass 4, effects: what only the whole program shows.

- *Recursion*: the call graph has no cycle, so every stack has a size known at build time.
- *Escape*: no reference to an object in a frame outlives the frame, or the loop iteration that made it.
- *Ends*: no reference is used after a call that may have retired what it refers to.

Functions are looked at callees first; of each, only its `Summary` is kept. The analysis of a function doesn't
depend on the order of its statements (each variable has one set of origins), except for ends, which follow the
control flow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from neokernel.compiler import ir
from neokernel.compiler.diagnostics import Diagnostic, Diagnostics
from neokernel.compiler.lives import blocks_of, contents, statements
from neokernel.compiler.types import ArrayType, RefType, SpanType, StructType, TupleType, Type, UnionType, ValueType
from neokernel.lang.interfaces.generate import is_generated

# --- origins: where a reference may point -------------------------------------------------------------------------


# Origins are in many sets: their hashes are those of tuples, or of identities, which no Python code is run for.
class Given(NamedTuple):
    """The object that the parameter in this place refers to or, when `inside`, anything that can be reached from it."""

    place: int
    inside: bool = False


@dataclass(eq=False, slots=True)
class Made:
    """An object `of` a type in this function's frame, made in the loops `region` (outermost first)."""

    span: ir.Span
    region: tuple[int, ...]
    of: Type
    content: set[Origin] = field(default_factory=set)


@dataclass(eq=False, slots=True)
class Elsewhere:
    """Memory that is neither; there are these two. `inert`: it holds no references, like a device's registers."""

    inert: bool = False


ELSEWHERE = Elsewhere()
INERT = Elsewhere(inert=True)
Origin = Given | Made | Elsewhere
Origins = frozenset[Origin]
NOWHERE: Origins = frozenset()
Stored = tuple[Given, Origin, Type | None]


@dataclass(slots=True)
class Summary:
    """What a call does with references.

    `returns`: what the result may point to. `stores`: (what, where, type): a reference to `what` is stored in an object
    of that type among `where`, or in elements if it is None.
    `places`: the first place in the source of each.
    `retires`: (struct, where): objects of `struct` among `where` may end. `ends`: it ends some, be it in its own frame.
    """

    returns: set[Origin] = field(default_factory=set)
    stores: set[Stored] = field(default_factory=set)
    places: dict[Stored, ir.Span] = field(default_factory=dict, compare=False)
    retires: set[tuple[StructType, Origin]] = field(default_factory=set)
    ends: bool = False

    def origins(self) -> set[Origin]:
        """All that results and stores are about."""
        return self.returns | {origin for what, where, _ in self.stores for origin in (what, where)}


def check(program: ir.Program, diagnostics: Diagnostics) -> None:
    """Report what is wrong with the program as a whole."""
    functions = [f for f in program.functions if not f.ghost]
    order = _callees_first(functions, diagnostics)
    if order is None:
        return
    summaries: dict[ir.Function, Summary] = {}
    carriers = _Carriers()
    stable = False
    while not stable:
        stable = True
        for function in order:
            found = _Escape(function, summaries, carriers, diagnostics).run()
            # Where a coroutine cancels others of its kind, what `cancel` does is known only in the second round.
            stable &= function.coroutine is None or found == summaries.get(function)
            summaries[function] = found
    mortal = _mortal(functions)
    for function in order:
        if summaries[function].ends or (function.coroutine is not None and mortal):
            _Ends(function, summaries, carriers, mortal, diagnostics).run()


def callees_first(program: ir.Program) -> list[ir.Function]:
    """The functions of a program without recursion."""
    order = _callees_first([f for f in program.functions if not f.ghost], Diagnostics())
    assert order is not None
    return order


def _mortal(functions: list[ir.Function]) -> list[StructType]:
    """The structs whose objects the program may retire."""
    found: dict[StructType, None] = {}
    for function in functions:
        for statement in statements(function.body):
            if isinstance(statement, ir.Retire) and isinstance(statement.reference.type, RefType):
                assert isinstance(statement.reference.type.target, StructType)
                found[statement.reference.type.target] = None
    return list(found)


# --- walking ------------------------------------------------------------------------------------------------------


def operands(statement: ir.Statement) -> Iterator[ir.Temp]:
    """The temps that a statement itself uses."""
    if isinstance(statement, ir.Await):
        yield from (item for item in statement.arguments if isinstance(item, ir.Temp))
        return
    slots = type(statement).__slots__ if isinstance(statement, ir.Instruction) else ("condition", "value")
    for slot in slots:
        found = getattr(statement, slot, None)
        if isinstance(found, ir.Temp):
            yield found
        elif isinstance(found, tuple):
            yield from (item for item in found if isinstance(item, ir.Temp))


def _callees_first(functions: list[ir.Function], diagnostics: Diagnostics) -> list[ir.Function] | None:
    """Functions with callees before callers, or None after reporting a recursion."""
    order: list[ir.Function] = []
    state: dict[ir.Function, bool] = {}
    calls = {f: list(calls_in(f.body)) for f in functions}
    for function in functions:
        if function.coroutine is not None:
            calls[function.coroutine.cancel] = list(_calls_of_cancel(function))
    cycles: set[frozenset[str]] = set()
    for root in functions:
        if root in state:
            continue
        state[root] = False
        path: list[tuple[ir.Function, Iterator[ir.Call]]] = [(root, iter(calls[root]))]
        while path:
            function, remaining = path[-1]
            call = next(remaining, None)
            if call is None:
                state[function] = True
                order.append(function)
                path.pop()
            elif call.function not in calls:
                continue
            elif call.function not in state:
                state[call.function] = False
                path.append((call.function, iter(calls[call.function])))
            elif not state[call.function]:
                entered = [f for f, _ in path]
                cycle = [*entered[entered.index(call.function) :], call.function]
                # Resuming and cancelling coroutines that run each other are the same mistake.
                names = frozenset(f.name for f in cycle)
                if names not in cycles:
                    _report_recursion(cycle, call, diagnostics)
                cycles.add(names)
    return None if cycles else order


def calls_in(block: ir.Block) -> Iterator[ir.Call]:
    return (statement for statement in statements(block) if isinstance(statement, ir.Call))


def _calls_of_cancel(function: ir.Function) -> Iterator[ir.Call]:
    """To cancel a coroutine doesn't run it: what it waits for is cancelled, and its places' clean-up is done."""
    for statement in statements(function.body):
        if isinstance(statement, ir.Await):
            assert statement.function.coroutine is not None
            yield ir.Call(statement.span, None, (), statement.function.coroutine.cancel, ())
        if isinstance(statement, ir.Await | ir.Pause):
            yield from calls_in(statement.cleanup)


def _report_recursion(cycle: list[ir.Function], call: ir.Call, diagnostics: Diagnostics) -> None:
    # A coroutine and what resumes it are one to the reader.
    names = [name for name, _ in groupby(f.name for f in cycle)]
    message = f"recursion: {' → '.join(names)}" if len(names) > 2 else f"`{call.function.name}` calls itself"
    help = "use a loop, with an array as explicit stack: every stack has a size that is known at build time"
    diagnostics.add(Diagnostic("NK0410", message, call.span, help))


class _Carriers:
    """Which types hold references, and to which structs; computed once per type."""

    def __init__(self) -> None:
        self._carries: dict[Type, bool] = {}
        self._contents: dict[Type, frozenset[Type]] = {}
        self._reached: dict[Type, frozenset[Type]] = {}

    def carries(self, type_: Type) -> bool:
        found = self._carries.get(type_)
        if found is None:
            found = self._carries[type_] = any(True for _ in self.targets(type_))
        return found

    def targets(self, type_: Type) -> Iterator[Type]:
        """What references in a value of this type refer to."""
        match type_:
            case RefType(target):
                yield target
            case SpanType(element):
                yield element
            case UnionType(arms):
                for arm in arms:
                    yield from self.targets(arm)
            case TupleType(items):
                for item in items:
                    yield from self.targets(item)
            case ValueType(fields=fields):
                for item_field in fields.values():
                    if not item_field.ghost:
                        yield from self.targets(item_field.type)

    def contents(self, of: Type) -> frozenset[Type]:
        """The type of an object with those of everything that lies inline in it: what ends with it."""
        found = self._contents.get(of)
        if found is None:
            found = self._contents[of] = frozenset(contents(of))
        return found

    def held(self, of: Type) -> list[Type]:
        """The types of what an object of this type refers to, not counting what lies inline in it."""
        match of:
            case StructType(fields=fields):
                return [each.type for each in fields.values() if not each.inline and not each.ghost]
            case ArrayType(element=element, inline=False):
                return [element]
            case _:
                return []

    def inert(self, of: Type) -> bool:
        """Can an object of this type, with all that lies in it, hold no references?"""
        return not any(self.carries(each) for inside in self.contents(of) for each in self.held(inside))

    def reached(self, type_: Type) -> frozenset[Type]:
        """The types of all objects that references lead to from a value of this type, over others too."""
        found = self._reached.get(type_)
        if found is None:
            reached: set[Type] = set()
            work = list(self.targets(type_))
            while work:
                for inside in self.contents(work.pop()) - reached:
                    reached.add(inside)
                    work += [target for of in self.held(inside) for target in self.targets(of)]
            found = self._reached[type_] = frozenset(reached)
        return found


# --- escape -------------------------------------------------------------------------------------------------------


def _order(span: ir.Span) -> tuple[str, int, int]:
    return span.file, span.line, span.column


class _Escape:
    """One function: origins of all its references, and where they go."""

    def __init__(
        self,
        function: ir.Function,
        summaries: dict[ir.Function, Summary],
        carriers: _Carriers,
        diagnostics: Diagnostics,
    ) -> None:
        self.function = function
        self.summaries = summaries
        self.carriers = carriers
        self.diagnostics = diagnostics
        self.summary = Summary()
        self.temps: dict[ir.Temp, set[Origin]] = {}
        self.vars: dict[ir.Var, set[Origin]] = {}
        self.made: dict[ir.New, Made] = {}
        self.homes: dict[ir.Var, tuple[int, ...]] = {}
        self.given: dict[Given, set[Origin]] = {}
        #: what is about references, in the order of the source, and the loops around it
        self.concerned: list[tuple[ir.Statement, tuple[int, ...]]] = []
        #: calls by what they pass, each with how much was known when it last had nothing new to say
        self.settled: dict[tuple[ir.Function, tuple[Origins, ...]], int] = {}
        #: what can be reached from where, with how much was known then
        self.behind: dict[Origins, tuple[int, Origins]] = {}
        #: how much is known: how often something new was found
        self.known = 0
        self.reporting = False

    def run(self) -> Summary:
        for index, var in enumerate(self.function.parameters):
            if self.carriers.carries(var.type):
                self.vars[var] = {Given(index)}
        self._prepare(self.function.body, ())
        before = -1
        while self.known != before:
            before = self.known
            self._round()
        if self.made:  # all that can be wrong is about these
            self.reporting = True
            self._round()
        return self.summary

    def _prepare(self, block: ir.Block, region: tuple[int, ...]) -> None:
        """Find the innermost loop that holds all uses of each variable, and the statements that are about references.

        The rounds look at those only: most statements of a program are about numbers.
        """
        carries = self.carriers.carries
        for statement in block:
            match statement:
                case ir.Get(var=var) | ir.Set(var=var):
                    home = self.homes.get(var, region)
                    if home != region:
                        common = 0
                        while common < min(len(home), len(region)) and home[common] == region[common]:
                            common += 1
                        home = home[:common]
                    self.homes[var] = home
                    concerned = carries(var.type)
                case ir.StoreField(value=value) | ir.StoreElement(value=value) | ir.FillArray(value=value):
                    concerned = carries(value.type)
                case ir.Call() | ir.Copy() | ir.Retire() | ir.Renew():
                    concerned = True
                case ir.Instruction(result=result):
                    concerned = result is not None and carries(result.type)
                case ir.Return(value=value):
                    concerned = value is not None and carries(self.function.result)
                case _:
                    concerned = False
            if concerned:
                self.concerned.append((statement, region))
            inner = (*region, statement.label) if isinstance(statement, ir.Loop) else region
            for nested in blocks_of(statement):
                self._prepare(nested, inner)

    def of(self, operand: ir.Operand) -> Origins:
        return frozenset(self.temps.get(operand, ())) if isinstance(operand, ir.Temp) else NOWHERE

    def add(self, into: set[Origin], origins: Origins | set[Origin]) -> None:
        if not origins <= into:
            into |= origins
            self.known += 1

    def _result(self, node: ir.Instruction, origins: Origins | set[Origin]) -> None:
        if node.result is not None and origins:
            self.add(self.temps.setdefault(node.result, set()), origins)

    def _round(self) -> None:
        for statement, region in self.concerned:
            if isinstance(statement, ir.Instruction):
                self._instruction(statement, region)
            elif isinstance(statement, ir.Return) and statement.value is not None:
                self._return(statement, self.of(statement.value))

    def _instruction(self, node: ir.Instruction, region: tuple[int, ...]) -> None:
        carries = self.carriers.carries
        match node:
            case ir.New():
                made = self.made.get(node)
                if made is None:
                    assert node.result is not None and isinstance(node.result.type, RefType)
                    made = self.made[node] = Made(node.span, region, node.result.type.target)
                self._result(node, {made})
            case ir.Get(var=var):
                self._result(node, self.vars.get(var, set()))
            case ir.Set(var=var, value=value) if carries(var.type):
                origins = self.of(value)
                self.add(self.vars.setdefault(var, set()), origins)
                self._check_home(node, var, origins)
            case ir.LoadField(base=base) | ir.LoadElement(base=base):
                if node.result is not None and carries(node.result.type):
                    self._result(node, self.loaded(self.of(base)))
            case ir.StoreField(base=base, value=value) | ir.StoreElement(base=base, value=value):
                self._store(node, self.of(base), self.of(value), base.type)
            case ir.FillArray(base=base, value=value):
                self._store(node, self.of(base), self.of(value), base.type)
            case ir.Copy(target=target, source=source):
                if any(carries(item) for item in self.carriers.targets(source.type)):
                    self._store(node, self.of(target), self.loaded(self.of(source)), target.type)
            case ir.Call():
                self._call(node)
            case ir.ObjectAt():
                targets = [] if node.result is None else self.carriers.targets(node.result.type)
                self._result(node, {INERT if all(map(self.carriers.inert, targets)) else ELSEWHERE})
            case ir.Retire():
                self._end(node)
            case ir.Renew(reference=reference):
                self.summary.ends = True  # for this function only: its callers may hold the living object
                self._result(node, self.of(reference))
            case _ if node.result is not None and carries(node.result.type):
                for operand in operands(node):
                    self._result(node, self.of(operand))

    def _end(self, node: ir.Instruction) -> None:
        for struct, origin in self.ended(node):
            self.summary.ends = True
            if not isinstance(origin, Made):
                self.summary.retires.add((struct, origin))

    def ended(self, node: ir.Instruction) -> Iterator[tuple[StructType, Origin]]:
        """The structs whose objects an instruction may end, and where these objects are."""
        match node:
            case ir.Retire(reference=reference) | ir.Renew(reference=reference):
                target = reference.type
                assert isinstance(target, RefType) and isinstance(target.target, StructType)
                for origin in self.of(reference) or {ELSEWHERE}:
                    yield target.target, origin
            case ir.Call(function=function) if function in self.summaries:
                for struct, where in self.summaries[function].retires:
                    for origin in self._here(node, where):
                        yield struct, origin

    def loaded(self, origins: Origins | set[Origin]) -> set[Origin]:
        """What references stored in these objects may point to."""
        found: set[Origin] = set()
        for origin in origins:
            match origin:
                case Made(content=content):
                    found |= content
                case Given(index):
                    found.add(Given(index, True))
                    found |= self.given.get(Given(index, True), set())
                case Elsewhere(inert=inert):
                    if not inert:
                        found.add(ELSEWHERE)
        return found

    def reachable(self, origins: Origins | set[Origin]) -> set[Origin]:
        """What can be reached from these objects through stored references."""
        found: set[Origin] = set()
        work = self.loaded(origins)
        while work - found:
            found |= work
            work = self.loaded(found)
        return found

    def _call(self, node: ir.Call) -> None:
        summary = self.summaries.get(node.function)
        if summary is None:
            return
        passed = tuple(self.of(argument) for argument in node.arguments)
        # The same call again says the same, but for the line of what is wrong, and for what its result is.
        alike = (node.function, passed)
        before = self.known
        if self.settled.get(alike) == before and not any(isinstance(one, Made) for given in passed for one in given):
            for origin in summary.returns:
                self._result(node, self._here(node, origin))
            self._end(node)
            return
        # Of each origin once: a callee's few are in many stores.
        here = {origin: self._here(node, origin) for origin in summary.origins()}
        for origin in summary.returns:
            self._result(node, here[origin])
        targets: dict[tuple[Origin, Type | None], set[Origin]] = {}
        for stored in summary.stores:
            what, where, of = stored
            if not here[what]:
                continue
            if (where, of) not in targets:
                targets[where, of] = {origin for origin in here[where] if self._may_hold(origin, of)}
            self._store(node, targets[where, of], here[what], of, summary.places[stored])
        self._end(node)
        if self.known == before:
            self.settled[alike] = before

    def _here(self, node: ir.Call, origin: Origin) -> Origins:
        """An origin of the callee as origins of ours."""
        if isinstance(origin, Given):
            direct = self.of(node.arguments[origin.place])
            return self._behind(direct) if origin.inside else direct
        return frozenset({origin})

    def _behind(self, direct: Origins) -> Origins:
        """`reachable`, as long as nothing new is known."""
        known, found = self.behind.get(direct, (-1, NOWHERE))
        if known != self.known:
            found = frozenset(self.reachable(direct))
            self.behind[direct] = self.known, found
        return found

    def _may_hold(self, origin: Origin, of: Type | None) -> bool:
        """Can an object of this type be there? References have types, so they don't lead anywhere."""
        if isinstance(origin, Elsewhere):
            return not origin.inert
        if of is None:
            return True
        if isinstance(origin, Made):
            return of in self.carriers.contents(origin.of)
        given = self.function.parameters[origin.place].type
        if origin.inside:
            return of in self.carriers.reached(given)
        return any(of in self.carriers.contents(target) for target in self.carriers.targets(given))

    def _store(
        self,
        node: ir.Instruction,
        where: Origins | set[Origin],
        what: Origins | set[Origin],
        into: Type | None,
        place: ir.Span | None = None,
    ) -> None:
        """`into`: the type of the reference that is stored through, or of the object. `place`: in a callee."""
        if not what:
            return
        of = into.target if isinstance(into, RefType) else None if isinstance(into, SpanType) else into
        made = [origin for origin in what if isinstance(origin, Made)]
        lasting = what.difference(made)
        given = [origin for origin in lasting if isinstance(origin, Given)]
        here = place or node.span
        places = self.summary.places
        for target in where:
            if isinstance(target, Made):
                self._check_region(node, target, made)
                self.add(target.content, what)
                continue
            for object_ in made:
                self._report(node.span, object_, "is stored where it outlives the function", place)
            for origin in given:
                stored = origin, target, of
                known = places.get(stored)
                if known is None:
                    self.summary.stores.add(stored)
                    places[stored] = here
                    self.known += 1
                elif known is not here and _order(here) < _order(known):
                    places[stored] = here
            if isinstance(target, Given):
                self.add(self.given.setdefault(Given(target.place, True), set()), lasting)

    def _return(self, node: ir.Return, origins: Origins) -> None:
        for origin in origins:
            if isinstance(origin, Made):
                self._report(node.span, origin, "is returned")
            elif origin not in self.summary.returns:
                self.summary.returns.add(origin)
                self.known += 1

    def _check_home(self, node: ir.Set, var: ir.Var, origins: Origins) -> None:
        home = self.homes[var]
        for origin in origins:
            if isinstance(origin, Made) and home[: len(origin.region)] != origin.region:
                self._report_iteration(node.span, origin)

    def _check_region(self, node: ir.Instruction, target: Made, made: list[Made]) -> None:
        for origin in made:
            if target.region[: len(origin.region)] != origin.region:
                self._report_iteration(node.span, origin)

    def _report(self, span: ir.Span, origin: Made, how: str, place: ir.Span | None = None) -> None:
        if not self.reporting:
            return
        if place is not None and is_generated(self.function.symbol):
            # A handler keeps what its dispatcher holds for it, in a frame that nobody has written.
            message = "what a call has brought is kept, and is gone when the method has returned"
            help = "copy it into an `Array[u8]` of the struct that keeps it, with its length beside it"
            note = span, "it comes by this method of the interface"
            self.diagnostics.add(Diagnostic("NK0411", message, place, help, (note,)))
            return
        message = f"a reference to an object of this function's frame {how}"
        help = "let the caller make the object and pass it, or embed it in the struct that keeps it"
        notes = ((origin.span, "the object is made here"),)
        self.diagnostics.add(Diagnostic("NK0411", message, span, help, notes))

    def _report_iteration(self, span: ir.Span, origin: Made) -> None:
        if self.reporting:
            message = "a reference outlives the round of the loop that made its object"
            help = "make the objects before the loop (an `Array[Embedded[...]]`), or keep their values"
            notes = ((origin.span, "the object is made here, anew in each round"),)
            self.diagnostics.add(Diagnostic("NK0411", message, span, help, notes))


# --- ends ---------------------------------------------------------------------------------------------------------


class _Ends:
    """One function: is any reference used after its object may have ended? Follows the control flow."""

    def __init__(
        self,
        function: ir.Function,
        summaries: dict[ir.Function, Summary],
        carriers: _Carriers,
        mortal: list[StructType],
        diagnostics: Diagnostics,
    ) -> None:
        self.function = function
        self.summaries = summaries
        self.carriers = carriers
        self.mortal = mortal
        self.diagnostics = diagnostics
        self.escape = _Escape(function, summaries, carriers, Diagnostics())
        self.known: set[ir.Temp | ir.Var] = set()
        #: what others may have ended while this coroutine waited
        self.waited: set[ir.Temp | ir.Var] = set()
        self.leaves: dict[tuple[str, int], list[set[ir.Temp | ir.Var]]] = {}

    def run(self) -> None:
        self.escape.run()
        self.known |= set(self.function.parameters)
        coroutine = self.function.coroutine
        self._block(self.function.body, self._ended_while_waiting() if coroutine and coroutine.detached else set())

    def _block(self, block: ir.Block, ended: set[ir.Temp | ir.Var]) -> set[ir.Temp | ir.Var] | None:
        """What has ended after the block, or None if its end isn't reached."""
        for statement in block:
            for temp in operands(statement):
                if temp in ended:
                    self._report(statement, temp)
                    ended.discard(temp)
            after = self._statement(statement, ended)
            if after is None:
                return None
            ended = after
        return ended

    def _statement(self, node: ir.Statement, ended: set[ir.Temp | ir.Var]) -> set[ir.Temp | ir.Var] | None:
        match node:
            case ir.Get(var=var, result=result) if result is not None:
                self.known.add(result)
                if var in self.waited:
                    self.waited.add(result)
                return ended | {result} if var in ended else ended - {result}
            case ir.Set(var=var, value=value):
                self.known.add(var)
                return ended | {var} if value in ended else ended - {var}
            case ir.Instruction():
                ended = ended | self._ending(node)
                if isinstance(node, ir.Await | ir.Pause):
                    ended |= self._ended_while_waiting()
                    self._block(node.cleanup, set(ended))
                if node.result is not None:
                    self.known.add(node.result)
                    ended = ended - {node.result}
                return ended
            case ir.If():
                return _merge([self._block(node.then, set(ended)), self._block(node.otherwise, set(ended))])
            case ir.Switch():
                parts = [self._block(block, set(ended)) for _, block in node.cases]
                if not node.exhaustive:
                    parts.append(self._block(node.default, set(ended)))
                return _merge(parts)
            case ir.Loop():
                return self._loop(node, ended)
            case ir.Break(label=label):
                self.leaves.setdefault(("break", label), []).append(set(ended))
                return None
            case ir.Continue(label=label):
                self.leaves.setdefault(("continue", label), []).append(set(ended))
                return None
            case ir.Return() | ir.Fail():
                return None
        return ended

    def _loop(self, node: ir.Loop, ended: set[ir.Temp | ir.Var]) -> set[ir.Temp | ir.Var] | None:
        entry = set(ended)
        while True:
            self.leaves[("break", node.label)] = []
            self.leaves[("continue", node.label)] = []
            after = _merge([self._block(node.body, set(entry)), *self.leaves[("continue", node.label)]])
            if after is not None:
                after = self._block(node.step, after)
            if after is None or after <= entry:
                return _merge(list(self.leaves[("break", node.label)]))
            entry |= after

    def _ending(self, node: ir.Instruction) -> set[ir.Temp | ir.Var]:
        """The variables and temps that may refer to what `node` ends.

        An object of this frame is told from all others; any two that aren't of this frame may be the same.
        """
        found: set[ir.Temp | ir.Var] = set()
        for struct, where in self.escape.ended(node):
            targets = self.carriers.contents(struct)
            for holder in self.known - found:
                if any(target in targets for target in self.carriers.targets(holder.type)):
                    origins = self._origins(holder)
                    foreign = not origins or not all(isinstance(origin, Made) for origin in origins)
                    if where in origins or (foreign and not isinstance(where, Made)):
                        found.add(holder)
        return found

    def _ended_while_waiting(self) -> set[ir.Temp | ir.Var]:
        """The variables and temps that may refer to what others end while this coroutine doesn't run."""
        ends = {target for struct in self.mortal for target in self.carriers.contents(struct)}
        found: set[ir.Temp | ir.Var] = set()
        for holder in self.known:
            origins = self._origins(holder)
            foreign = not origins or not all(isinstance(origin, Made) for origin in origins)
            if foreign and any(target in ends for target in self.carriers.targets(holder.type)):
                found.add(holder)
        self.waited |= found
        return found

    def _origins(self, holder: ir.Temp | ir.Var) -> set[Origin]:
        if isinstance(holder, ir.Temp):
            return self.escape.temps.get(holder, set())
        return self.escape.vars.get(holder, set())

    def _report(self, statement: ir.Statement, temp: ir.Temp) -> None:
        message = "this uses a reference whose object may have ended"
        who = "others may have retired it while this coroutine waited" if temp in self.waited else ""
        help = f"{who or 'a call before may have retired it'}: get it again from its handle"
        self.diagnostics.add(Diagnostic("NK0412", message, statement.span, help))


def _merge(parts: list[set[ir.Temp | ir.Var] | None]) -> set[ir.Temp | ir.Var] | None:
    """What may have ended where several ways meet; ways that end don't count."""
    live = [part for part in parts if part is not None]
    return set().union(*live) if live else None
