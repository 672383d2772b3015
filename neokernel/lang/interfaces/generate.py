"""From a contract to classes: the client's proxy, the handler's protocol, the server's dispatcher.

    @interface                             @value
    class Log(Protocol):                   class Log:                        # the proxy, under the interface's name
        def write(self, …): …      ──►         slot: u64
                                               def write(self, …): …         # marshals, calls, decodes
                                           class _nki_handler_Log(Protocol)  # what `serve` wants of a server
                                           @value
                                           class _nki_server_Log:            # what `Provides[Log]` is
                                               slot: u64
                                               def dispatch(self, handler, asked): …
                                               async def dispatch_later(self, handler, asked): …
                                               def serve(self, process, handler): …

How a message looks is stated in `runtime/interface.py`. Everything made of a method stands where the method's name
stands in the source, so messages, tracebacks and debug information lead there.

Invariants: a dispatcher calls the handler only after every word has been looked at, with values that the parameter's
type has; a proxy gives a value only after the same of the answer. Nothing that the other side sends fails a check.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Protocol

from neokernel.lang.interfaces.model import (
    FLOATS,
    INTEGERS,
    MAXIMUM_METHODS,
    POST_WORDS,
    REGISTER_WORDS,
    Arm,
    Bytes,
    Capability,
    Contract,
    Enumeration,
    Fill,
    Lent,
    Method,
    Nothing,
    Number,
    Parameter,
    Plain,
    Record,
    Result,
    words_of,
)
from neokernel.lang.trees import walk

#: names that generated code uses begin so
PREFIX = "_nki"
#: and then so, of a method whose handler may wait
LATER = "later_"
#: definitions of functions
Function = ast.FunctionDef | ast.AsyncFunctionDef
LENGTH_SHIFT, CAPABILITIES_SHIFT, KERNEL_SHIFT, STATUS_SHIFT = 32, 42, 45, 48

#: of the module that an interface stands in, before its first class
IMPORTS = f"""
from typing import Protocol as {PREFIX}_Protocol
from neokernel.lang import {
    ", ".join(
        f"{word} as {PREFIX}_{word}"
        for word in (
            *(name for name in INTEGERS),
            *FLOATS,
            "Array",
            "Order",
            "array",
            "byte_swap",
            "float_bits",
            "float_from_bits",
            "inline",
            "text_of",
            "truncate",
            "value",
            "wrapping_sub",
        )
    )
}
from neokernel.abi.buffer import MOVE as {PREFIX}_MOVE
from neokernel.abi.call import Call as {PREFIX}_Call
from neokernel.abi.kinds import Kind as {PREFIX}_Kind
from neokernel.abi.status import WORD as {PREFIX}_WORD, Status as {PREFIX}_Status
from neokernel.runtime.utf8 import is_utf8 as {PREFIX}_is_utf8
from neokernel.abi.description import FIRST_DECLARED as {PREFIX}_FIRST_DECLARED
from neokernel.runtime.process import Process as {PREFIX}_Process, current as {PREFIX}_current
from neokernel.runtime.system import Failure as {PREFIX}_Failure, Message as {PREFIX}_Message
import neokernel.runtime.interface as {PREFIX}
import neokernel.runtime.lend as {PREFIX}_lend
import neokernel.runtime.system as {PREFIX}_system
"""
#: of one with interfaces that can be posted
POST_IMPORTS = f"""
from neokernel.lang import Embedded as {PREFIX}_Embedded, struct as {PREFIX}_struct
from neokernel.runtime.post import Inbox as {PREFIX}_Inbox, Outbox as {PREFIX}_Outbox, Posted as {PREFIX}_Posted
from neokernel.runtime.ring import Broken as {PREFIX}_Broken
"""
#: of one that makes ends of rings
RING_IMPORTS = f"""
import neokernel.runtime.post as {PREFIX}_post
from neokernel.runtime.ring import Ring as {PREFIX}_Ring, Role as {PREFIX}_Role
"""


def is_generated(function: str) -> bool:
    """Is a function, called `module.Class[types].function[types]` or a part of that, none that the user has written?"""
    depth = 0
    plain = ""
    for character in function:
        depth -= character == "]"
        plain += character if depth == 0 else ""
        depth += character == "["
    return any(part.startswith(f"{PREFIX}_") for part in plain.split("."))


#: what people write for a generated class
WRITTEN = {"server": "Provides", "poster": "Posts", "taker": "Takes", "setting": "Setting"}


def as_written(text: str) -> str:
    """A text about a program, with names of generated code as those of what the user wrote.

    `_nki_server_Log.serve` is `Provides[Log].serve`; `_nki_handler_Log`, what a handler must have, is what `Log` has;
    `_nki_later_write` and `_nki_write`, made of a method, are `write`.
    """
    if PREFIX not in text:
        return text
    made = rf"\b{PREFIX}_({'|'.join(WRITTEN)})_(\w+)"
    text = re.sub(made, lambda found: f"{WRITTEN[found[1]]}[{found[2]}]", text)
    return re.sub(rf"\b{PREFIX}_(?:{LATER}|handler_)?(?=\w)", "", text)


def server_name(name: str) -> str:
    return f"{PREFIX}_server_{name}"


def poster_name(name: str) -> str:
    return f"{PREFIX}_poster_{name}"


def taker_name(name: str) -> str:
    return f"{PREFIX}_taker_{name}"


def handler_name(name: str) -> str:
    return f"{PREFIX}_handler_{name}"


def word(name: str) -> str:
    """A word of the language, by the name that the module's imports give it."""
    return name if name == "bool" else f"{PREFIX}_{name}"


class Places(Protocol):
    """Where words are found."""

    def next(self) -> str: ...


class Words:
    """The places of a message's words, one after the other: in registers, then in the thread's buffer."""

    def __init__(self, message: str, registers: int = REGISTER_WORDS) -> None:
        self.message = message
        self.registers = registers
        self.count = 0

    def next(self) -> str:
        place, self.count = self.count, self.count + 1
        if place < self.registers:
            return f"{self.message}.w{place}"
        return f"{PREFIX}_buffer.words[{place - self.registers}]"


class Types:
    """Names by which the generated code reaches types that the module may not have imported itself."""

    def __init__(self, module: str, known: dict[tuple[str, str], str]) -> None:
        self.module = module
        #: (module, name) to the name here
        self.known = known
        self.imports: list[str] = []

    def name(self, kind: Enumeration | Record | Capability) -> str:
        key = kind.module, kind.name
        if kind.module == self.module:
            return kind.name
        if key not in self.known:
            self.known[key] = f"{PREFIX}_type_{len(self.known)}"
            self.imports.append(f"from {kind.module} import {kind.name} as {self.known[key]}")
        return self.known[key]


# --- values and words -------------------------------------------------------------------------------------------------


def encode(kind: Plain | Nothing | Capability, value: str) -> Iterator[str]:
    """Expressions of the words of a value."""
    match kind:
        case Number("bool"):
            yield f"{PREFIX}_u64({value})"
        case Number(name) if name in FLOATS:
            yield f"{PREFIX}_u64({PREFIX}_float_bits({value}))"
        case Number(name):
            bits, signed = INTEGERS[name]
            if signed:
                value = f"{PREFIX}_truncate({PREFIX}_u{bits}, {value})"
            yield value if bits == 64 else f"{PREFIX}_u64({value})"
        case Enumeration(members=members):
            if min(number for _, number in members) < 0:
                yield f"{PREFIX}_truncate({PREFIX}_u64, {PREFIX}_i64({value}.value))"
            else:
                yield f"{PREFIX}_u64({value}.value)"
        case Record(fields=fields):
            for name, inner in fields:
                yield from encode(inner, f"{value}.{name}")


def decode(kind: Plain, words: Places, tests: list[str], types: Types) -> str:
    """The expression that gives the value, whose type the words fit if all `tests` hold."""
    match kind:
        case Record(fields=fields):
            inside = [f"{name}={decode(inner, words, tests, types)}" for name, inner in fields]
            return f"{types.name(kind)}({', '.join(inside)})"
        case Number("bool"):
            place = words.next()
            tests.append(f"{place} <= 1")
            return f"({place} == 1)"
        case Number(name) if name in FLOATS:
            place = words.next()
            if FLOATS[name] == 64:
                return f"{PREFIX}_float_from_bits({place})"
            tests.append(f"{place} <= {(1 << 32) - 1:#x}")
            return f"{PREFIX}_float_from_bits({PREFIX}_u32({place}))"
        case Number(name):
            bits, signed = INTEGERS[name]
            place = words.next()
            if bits < 64:
                tests.append(f"{place} <= {(1 << bits) - 1:#x}")
                place = f"{PREFIX}_u{bits}({place})"
            return f"{PREFIX}_truncate({PREFIX}_{name}, {place})" if signed else place
        case Enumeration(members=members):
            place = words.next()
            numbers = sorted({number for _, number in members})
            tests.append(is_one_of(place, [number % (1 << 64) for number in numbers]))
            number = f"{PREFIX}_truncate({PREFIX}_i64, {place})" if numbers[0] < 0 else place
            return f"{types.name(kind)}({number})"


# --- classes ----------------------------------------------------------------------------------------------------------


class Generator:
    """The classes of one interface."""

    def __init__(self, contract: Contract, types: Types) -> None:
        self.contract = contract
        self.types = types
        #: 24 bits of the version above 8 for the method
        self.base = contract.version >> 40 << 8

    def classes(self) -> list[ast.stmt]:
        """The proxy, the protocol, the dispatcher."""
        made: list[ast.stmt] = []
        texts = [self.proxy(), self.protocol(), self.server()]
        if self.contract.is_posted:
            texts += [self.poster(), self.taker()]
        for text in texts:
            (node,) = ast.parse(text).body
            assert isinstance(node, ast.ClassDef)
            made.append(self.placed(node))
        opening = self.contract.node.body[0]
        if isinstance(opening, ast.Expr) and isinstance(opening.value, ast.Constant) and opening.value.value is not ...:
            assert isinstance(made[0], ast.ClassDef)
            made[0].body.insert(0, opening)
        return made

    def placed(self, made: ast.ClassDef) -> ast.ClassDef:
        """Each part where what it is made of stands."""
        relocate(made, self.contract.node)
        methods = {method.name: method for method in self.contract.methods}
        for member in made.body:
            name = member.name if isinstance(member, Function) else ""
            method = methods.get(name) or methods.get(name.removeprefix(f"{PREFIX}_").removeprefix(LATER))
            if method is not None:
                relocate(member, method.node)
        return made

    # --- the client ---------------------------------------------------------------------------------------------------

    def proxy(self) -> str:
        methods = "".join(indented(self.proxy_method(number, m)) for number, m in enumerate(self.contract.methods, 1))
        return f"@{PREFIX}_value\nclass {self.contract.name}:\n    slot: {PREFIX}_u64\n{methods}"

    def proxy_method(self, number: int, method: Method) -> str:
        parameters = "".join(f", {p.name}: {ast.unparse(p.annotation)}" for p in method.parameters)
        results = " | ".join([*(ast.unparse(arm.annotation) for arm in method.arms), f"{PREFIX}_Failure"])
        lines = [f"def {method.name}(self{parameters}) -> {results}:"]
        words: list[str] = []
        for place, parameter in enumerate(method.parameters):
            match parameter.kind:
                case Bytes(most, text):
                    encoded = f"{PREFIX}_{parameter.name}"
                    lines.append(f"    {encoded} = {parameter.name}{'.encode()' if text else ''}")
                    lines.append(f"    if len({encoded}) > {most}:")
                    lines.append(f"        return {PREFIX}.too_long({place})")
                    words.append(f"len({encoded})")
                case Fill(most):
                    lines.append(f"    if len({parameter.name}) > {most}:")
                    lines.append(f"        return {PREFIX}.too_long({place})")
                    words.append(f"len({parameter.name})")
                case Lent():
                    offset = f"{PREFIX}_offset_{parameter.name}"
                    lines.append(f"    {offset} = {PREFIX}_lend.offset_in(self.slot, {parameter.name})")
                    lines.append(f"    if {offset} >= {PREFIX}_lend.ELSEWHERE:")
                    lines.append(f"        return {PREFIX}.not_lent({place})")
                    words += [offset, f"{parameter.name}.length"]
                case Capability():
                    pass
                case kind:
                    words += encode(kind, parameter.name)
        if self.needs_buffer(method):
            lines += [f"    {PREFIX}_process = {PREFIX}_current()", f"    {PREFIX}_buffer = {PREFIX}_process.buffer"]
        for place, expression in enumerate(words[REGISTER_WORDS:]):
            lines.append(f"    {PREFIX}_buffer.words[{place}] = {expression}")
        end = self.put_all(lines, [f"{PREFIX}_{p.name}" for p in method.of(Bytes)], max(len(words) - REGISTER_WORDS, 0))
        capabilities = method.of(Capability)
        for place, parameter in enumerate(capabilities):
            assert isinstance(parameter.kind, Capability)
            move = f" | {PREFIX}_MOVE" if parameter.kind.given else ""
            sent = f"{PREFIX}_u32({parameter.name}.slot){move}"
            lines.append(f"    {PREFIX}_buffer.capabilities[{place}].store({sent}, {PREFIX}_Order.RELAXED)")
        takes = any(isinstance(arm.kind, Capability) for arm in method.arms)
        if takes:
            lines += [
                f"    {PREFIX}_into = {PREFIX}_process.slot()",
                f"    if isinstance({PREFIX}_into, {PREFIX}_Failure):",
                f"        return {PREFIX}_into",
                f"    {PREFIX}_system.window({PREFIX}_buffer, {PREFIX}_into, 1)",
            ]
        sent = ", ".join(
            ["self.slot", self.word(self.base | number, end, words, len(capabilities)), *words[:REGISTER_WORDS]]
        )
        lines.append(f"    {PREFIX}_answer = {PREFIX}_system.call({sent})")
        lines += [
            f"    {PREFIX}.gave({PREFIX}_process, {p.name}.slot)"
            for p in capabilities
            if isinstance(p.kind, Capability) and p.kind.given
        ]
        unused = [f"        {PREFIX}.unused({PREFIX}_process, {PREFIX}_into)"] * takes
        lines += [f"    if isinstance({PREFIX}_answer, {PREFIX}_Failure):", *unused, f"        return {PREFIX}_answer"]
        fills = [p.name for p in method.of(Fill)]
        for label, arm in enumerate(method.arms):
            lines += self.accept(label, arm, fills if label == method.success else [], takes)
        lines += [line[4:] for line in unused]
        lines.append(f"    return {PREFIX}.refusal({PREFIX}_answer)")
        opening = method.node.body[0]
        if isinstance(opening, ast.Expr) and isinstance(opening.value, ast.Constant) and opening.value.value is not ...:
            lines.insert(1, f"    {opening.value.value!r}")
        return "\n".join(lines) + "\n"

    def accept(self, label: int, arm: Arm, fills: list[str], takes: bool) -> list[str]:
        """Return this arm, if the answer is one; what fits no arm is a refusal, or wrong."""
        words, tests = Words(f"{PREFIX}_answer"), list[str]()
        capability = isinstance(arm.kind, Capability)
        if isinstance(arm.kind, Nothing):
            value = "None"
        elif isinstance(arm.kind, Capability):
            value = f"{self.types.name(arm.kind)}({PREFIX}_into)"
        else:
            value = decode(arm.kind, words, tests, self.types)
        first = max(words.count - REGISTER_WORDS, 0)
        lengths = "".join(f" + (len({name}) + 7) // 8" for name in fills)
        wanted = str(first) + lengths if fills else None
        expected = self.word(label, wanted, [""] * words.count, int(capability))
        lines = [f"    if {' and '.join([f'{PREFIX}_answer.word == {expected}', *tests])}:"]
        place = str(first)
        for name in fills:
            lines.append(f"        {PREFIX}.get_bytes({PREFIX}_buffer, {place}, {name})")
            place += f" + (len({name}) + 7) // 8"
        if takes:
            lines.append(f"        {PREFIX}_system.window({PREFIX}_buffer, 0, 0)")
            if not capability:
                lines.append(f"        {PREFIX}_process.slots().release({PREFIX}_into)")
        return [*lines, f"        return {value}"]

    def word(self, label: int, end: str | None, words: list[str], capabilities: int) -> str:
        """The message word, as an expression. `end`: words in the buffer, if bytes are among them."""
        carried = capabilities << CAPABILITIES_SHIFT
        if end is None:
            return hex(label | len(words) << LENGTH_SHIFT | carried)
        return f"{hex(label | REGISTER_WORDS << LENGTH_SHIFT | carried)} + (({end}) << {LENGTH_SHIFT})"

    def put_all(self, lines: list[str], names: list[str], first: int, indent: str = "    ") -> str | None:
        """Put bytes into the buffer, from word `first` on; the expression of where they end, None without any."""
        end = str(first)
        for name in names:
            lines.append(f"{indent}{PREFIX}.put_bytes({PREFIX}_buffer, {end}, {name})")
            end += f" + (len({name}) + 7) // 8"
        return end if names else None

    @staticmethod
    def needs_buffer(method: Method) -> bool:
        beyond = max(words_of(arm.kind) for arm in method.arms) > REGISTER_WORDS
        carried = any(isinstance(arm.kind, Capability) for arm in method.arms)
        return method.words > REGISTER_WORDS or beyond or carried or bool(method.of(Bytes, Fill, Capability))

    # --- the server ---------------------------------------------------------------------------------------------------

    def protocol(self) -> str:
        lines = [f"class {handler_name(self.contract.name)}({PREFIX}_Protocol):"]
        for method in self.contract.methods:
            parameters = "".join(f", {p.name}: {ast.unparse(p.annotation)}" for p in method.parameters)
            lines.append(f"    def {method.name}(self{parameters}) -> {results_of(method)}: ...")
        return "\n".join(lines) + "\n"

    def server(self) -> str:
        name, handler = self.contract.name, handler_name(self.contract.name)
        cases = "".join(
            f"            case {number}:\n                return self.{PREFIX}_{method.name}(handler, asked)\n"
            for number, method in enumerate(self.contract.methods, 1)
        )
        numbered = list(enumerate(self.contract.methods, 1))
        later = "".join(
            f"            case {n}:\n                return await self.{PREFIX}_{LATER}{method.name}(handler, asked)\n"
            for n, method in numbered
        )
        methods = "".join(indented(self.server_method(*each, waits)) for waits in (False, True) for each in numbered)
        window = max(len(method.of(Capability)) for method in self.contract.methods)
        return f"""
@{PREFIX}_value
class {server_name(name)}:
    slot: {PREFIX}_u64
    only: {PREFIX}_u64 = 0

    @{PREFIX}_inline
    def dispatch(
        self, handler: {handler}, asked: {PREFIX}_Message, reply: {PREFIX}_u64 = 0
    ) -> {PREFIX}.Answer:
        match {PREFIX}_wrapping_sub({PREFIX}_truncate({PREFIX}_u32, asked.word), {self.base:#x}):
{cases}            case _:
                word = {PREFIX}.no_such_method(asked, {self.base:#x}, reply)
                return {PREFIX}.Answer(word, {self.contract.version:#x}, 0, 0, 0, 0, 0)

    async def dispatch_later(self, handler: {handler}, asked: {PREFIX}_Message) -> {PREFIX}.Answer:
        match {PREFIX}_wrapping_sub({PREFIX}_truncate({PREFIX}_u32, asked.word), {self.base:#x}):
{later}            case _:
                word = {PREFIX}.no_such_method(asked, {self.base:#x}, 0)
                return {PREFIX}.Answer(word, {self.contract.version:#x}, 0, 0, 0, 0, 0)

    def serve(self, process: {PREFIX}_Process, handler: {handler}) -> {PREFIX}_Failure:
        reply = process.make({PREFIX}_Kind.REPLY)
        if isinstance(reply, {PREFIX}_Failure):
            return reply
        while True:
            ended = self.serve_until_signals(process, handler, reply)
            if isinstance(ended, {PREFIX}_Failure):
                return ended

    def serve_until_signals(
        self, process: {PREFIX}_Process, handler: {handler}, reply: {PREFIX}_u64
    ) -> {PREFIX}_u64 | {PREFIX}_Failure:
{self.opened(window, "        ")}        asked = {PREFIX}.receive(self.slot, reply)
        while True:
            if asked.word >> {KERNEL_SHIFT} != 0:
                if asked.is_signals():
{self.closed(window, "                    ")}                    return asked.badge
                if asked.word >> {STATUS_SHIFT} != 0:
                    asked = {PREFIX}.unanswered(self.slot, reply)
                    if asked.word >> {STATUS_SHIFT} != 0:
{self.closed(window, "                        ")}                        return {PREFIX}.failed(asked)
                    continue
            process.client = asked.badge
            if {PREFIX}.is_for(asked.badge, self.only):
                answer = self.dispatch(handler, asked, reply)
            else:
                answer = {PREFIX}.refused({PREFIX}_Status.WRONG_KIND, {PREFIX}_WORD)
{self.reopened(window, "            ")}            asked = {PREFIX}_system.enter_with(
                reply, {PREFIX}_Call.REPLY_RECEIVE, self.slot, answer.word, answer.w0, answer.w1, answer.w2, answer.w3
            )
{self.handed_over("            ")}{methods}"""

    def opened(self, window: int, indent: str) -> str:
        """Where capabilities may arrive, before the first message."""
        if not window:
            return ""
        return (
            f"{indent}opened = {PREFIX}.open_window(process, {window})\n"
            f"{indent}if isinstance(opened, {PREFIX}_Failure):\n{indent}    return opened\n"
            f"{indent}window = opened\n"
        )

    def closed(self, window: int, indent: str) -> str:
        """Nothing arrives any more."""
        return f"{indent}{PREFIX}.close_window(process, window, {window})\n" if window else ""

    def reopened(self, window: int, indent: str) -> str:
        """The same before the next one: the handler has what arrived."""
        if not window:
            return ""
        return (
            f"{indent}again = {PREFIX}.next_window(process, window, {window}, asked.capabilities(), answer.taken)\n"
            f"{indent}if isinstance(again, {PREFIX}_Failure):\n{indent}    return again\n"
            f"{indent}window = again\n"
        )

    def handed_over(self, indent: str) -> str:
        """The slot of a capability that went with the answer is free, if any method gives one away."""
        kinds = (arm.kind for method in self.contract.methods for arm in method.arms)
        if not any(isinstance(kind, Capability) and kind.given for kind in kinds):
            return ""
        return f"{indent}if answer.moved != 0:\n{indent}    {PREFIX}.handed_over(process, answer.moved)\n"

    def server_method(self, number: int, method: Method, waits: bool) -> str:
        """`waits`: the handler's method is an `async def`. Nothing is read from the buffer once it has begun."""
        handler = handler_name(self.contract.name)
        parameters = f"(self, handler: {handler}, asked: {PREFIX}_Message) -> {PREFIX}.Answer:"
        if waits:
            lines = [f"async def {PREFIX}_{LATER}{method.name}{parameters}"]
        else:
            lines = [f"@{PREFIX}_inline", f"def {PREFIX}_{method.name}{parameters}"]
        if self.needs_buffer(method):
            lines.append(f"    {PREFIX}_buffer = {PREFIX}_current().buffer")
        words = Words("asked")
        tests: list[tuple[int, str]] = []
        arguments: list[str] = []
        lengths: dict[str, str] = {}
        looks: list[str] = []
        for place, parameter in enumerate(method.parameters):
            match parameter.kind:
                case Bytes(most) | Fill(most):
                    length = lengths[parameter.name] = f"{PREFIX}_length_{parameter.name}"
                    lines += [f"    {length} = {words.next()}", f"    if {length} > {most}:"]
                    lines.append(f"        return {self.refused('OUT_OF_RANGE', place, method)}")
                    local = f"{PREFIX}_{parameter.name}[:{length}]"
                    arguments.append(local if isinstance(parameter.kind, Fill) else f"{PREFIX}_given_{parameter.name}")
                case Lent():
                    borrowed = f"{PREFIX}_borrowed_{parameter.name}"
                    given = f"asked.badge, {words.next()}, {words.next()}"
                    refused = f"{PREFIX}.refused({borrowed}, {PREFIX}.FIRST_PARAMETER + {place})"
                    looks += [
                        f"    {borrowed} = {PREFIX}_lend.borrowed({given})",
                        f"    if isinstance({borrowed}, {PREFIX}_Status):",
                        f"        return {refused}",
                    ]
                    arguments.append(borrowed)
                case Capability():
                    index = sum(isinstance(p.kind, Capability) for p in method.parameters[:place])
                    first = f"{PREFIX}_u64({PREFIX}_buffer.window_first.load({PREFIX}_Order.RELAXED)) + {index}"
                    arguments.append(f"{self.types.name(parameter.kind)}({first})")
                case kind:
                    found: list[str] = []
                    arguments.append(decode(kind, words, found, self.types))
                    tests += [(place, test) for test in found]
        beyond = max(words.count - REGISTER_WORDS, 0)
        inputs = method.of(Bytes)
        end = str(beyond) + "".join(f" + ({lengths[p.name]} + 7) // 8" for p in inputs)
        label = self.base | number
        expected = self.word(label, end if inputs else None, [""] * words.count, len(method.of(Capability)))
        lines.append(f"    if asked.word != {expected}:")
        lines.append(f"        return {PREFIX}.refused({PREFIX}_Status.OUT_OF_RANGE, {PREFIX}_WORD)")
        lines += looks
        for place in sorted({place for place, _ in tests}):
            wrong = " or ".join(f"not ({test})" for at, test in tests if at == place)
            lines += [f"    if {wrong}:", f"        return {self.refused('OUT_OF_RANGE', place, method)}"]
        lines += self.local_bytes(method, lengths, beyond)
        call = f"{'await ' if waits else ''}handler.{method.name}({', '.join(arguments)})"
        lines += self.answers(method, call, lengths)
        return "\n".join(lines) + "\n"

    def refused(self, status: str, place: int, method: Method) -> str:
        return f"{PREFIX}.refused({PREFIX}_Status.{status}, {PREFIX}.FIRST_PARAMETER + {place})"

    def local_bytes(self, method: Method, lengths: dict[str, str], first: int) -> list[str]:
        """Copies of the bytes that came, and room for those that go: the handler's own calls use the buffer."""
        lines: list[str] = []
        end = str(first)
        for place, parameter in enumerate(method.parameters):
            if not isinstance(parameter.kind, Bytes | Fill):
                continue
            local, length = f"{PREFIX}_{parameter.name}", lengths[parameter.name]
            lines.append(f"    {local}: {PREFIX}_Array[{PREFIX}_u8] = {PREFIX}_array({parameter.kind.most})")
            if isinstance(parameter.kind, Bytes):
                given = f"{PREFIX}_given_{parameter.name}"
                lines.append(f"    {PREFIX}.get_bytes({PREFIX}_buffer, {end}, {local}[:{length}])")
                if parameter.kind.text:
                    lines.append(f"    if not {PREFIX}_is_utf8({local}[:{length}].bytes()):")
                    lines.append(f"        return {self.refused('OUT_OF_RANGE', place, method)}")
                    lines.append(f"    {given} = {PREFIX}_text_of({local}[:{length}].bytes())")
                else:
                    lines.append(f"    {given} = {local}[:{length}].bytes()")
                end += f" + ({length} + 7) // 8"
        return lines

    def answers(self, method: Method, call: str, lengths: dict[str, str]) -> list[str]:
        """Call the handler, and put what it gives into words."""
        taken = len(method.of(Capability))
        fills = method.of(Fill)
        if [arm.kind for arm in method.arms] == [Nothing()]:
            return [
                f"    {PREFIX}_result: None = {call}",
                *self.answer(0, Nothing(), "", fills, lengths, taken, "    "),
            ]
        result = f"{PREFIX}_result"
        lines = [f"    {result}: {results_of(method)} = {call}"]
        # The success is what is left after the others.
        for label, arm in sorted(enumerate(method.arms), key=lambda item: item[0] == method.success):
            indent = "    "
            if label != method.success:
                shown = ast.unparse(arm.annotation)
                test = f"{result} is None" if isinstance(arm.kind, Nothing) else f"isinstance({result}, {shown})"
                lines.append(f"    if {test}:")
                indent = "        "
            lines += self.answer(
                label, arm.kind, result, fills if label == method.success else [], lengths, taken, indent
            )
        return lines

    def answer(
        self,
        label: int,
        kind: Result,
        value: str,
        fills: list[Parameter],
        lengths: dict[str, str],
        taken: int,
        indent: str,
    ) -> list[str]:
        lines: list[str] = []
        words = list(encode(kind, value))
        for place, expression in enumerate(words[REGISTER_WORDS:]):
            lines.append(f"{indent}{PREFIX}_buffer.words[{place}] = {expression}")
        names = [f"{PREFIX}_{p.name}[:{lengths[p.name]}].bytes()" for p in fills]
        end = self.put_all(lines, names, max(len(words) - REGISTER_WORDS, 0), indent)
        if isinstance(kind, Capability):
            move = f" | {PREFIX}_MOVE" if kind.given else ""
            sent = f"{PREFIX}_u32({value}.slot){move}"
            lines.append(f"{indent}{PREFIX}_buffer.capabilities[0].store({sent}, {PREFIX}_Order.RELAXED)")
        word = self.word(label, end, words, int(isinstance(kind, Capability)))
        registers = [*words[:REGISTER_WORDS], "0", "0", "0", "0"][:REGISTER_WORDS]
        moved = f"{value}.slot" if isinstance(kind, Capability) and kind.given else "0"
        lines.append(f"{indent}return {PREFIX}.Answer({word}, {', '.join(registers)}, {taken}, {moved})")
        return lines

    # --- rings --------------------------------------------------------------------------------------------------------

    def poster(self) -> str:
        methods = "".join(indented(self.poster_method(number, m)) for number, m in enumerate(self.contract.methods, 1))
        head = f"@{PREFIX}_struct\nclass {poster_name(self.contract.name)}:\n"
        return f"{head}    outbox: {PREFIX}_Embedded[{PREFIX}_Outbox]\n{methods}"

    def poster_method(self, number: int, method: Method) -> str:
        parameters = "".join(f", {p.name}: {ast.unparse(p.annotation)}" for p in method.parameters)
        lines = [f"def {method.name}(self{parameters}) -> None | {PREFIX}_Failure:"]
        words: list[str] = []
        for place, parameter in enumerate(method.parameters):
            if isinstance(parameter.kind, Lent):
                offset = f"{PREFIX}_offset_{parameter.name}"
                lines.append(f"    {offset} = self.outbox.offset_of({parameter.name})")
                lines.append(f"    if {offset} >= {PREFIX}_lend.ELSEWHERE:")
                lines.append(f"        return {PREFIX}.not_lent({place})")
                words += [offset, f"{parameter.name}.length"]
            elif isinstance(parameter.kind, Number | Enumeration | Record):
                words += encode(parameter.kind, parameter.name)
        lines += [
            f"    {PREFIX}_slot = self.outbox.next()",
            f"    if isinstance({PREFIX}_slot, {PREFIX}_Failure):",
            f"        return {PREFIX}_slot",
            f"    {PREFIX}_slot.word = {self.word(self.base | number, None, words, 0)}",
        ]
        lines += [f"    {PREFIX}_slot.w{place} = {expression}" for place, expression in enumerate(words)]
        lines.append("    return self.outbox.hand_over()")
        return "\n".join(lines) + "\n"

    def taker(self) -> str:
        name, handler = self.contract.name, handler_name(self.contract.name)
        cases = "".join(
            f"                case {number}:\n                    known = self.{PREFIX}_{method.name}(handler, asked)\n"
            for number, method in enumerate(self.contract.methods, 1)
        )
        methods = "".join(indented(self.taker_method(number, m)) for number, m in enumerate(self.contract.methods, 1))
        return f"""
@{PREFIX}_struct
class {taker_name(name)}:
    inbox: {PREFIX}_Embedded[{PREFIX}_Inbox]

    def take(self, handler: {handler}, most: {PREFIX}_u32) -> {PREFIX}_u32 | {PREFIX}_Broken:
        found = self.inbox.waiting(most)
        if isinstance(found, {PREFIX}_Broken):
            return found
        count = min(found, most)
        for number in range(count):
            asked = self.inbox.read(number)
            known = False
            match {PREFIX}_wrapping_sub({PREFIX}_truncate({PREFIX}_u32, asked.word), {self.base:#x}):
{cases}                case _:
                    pass
            if not known:
                self.inbox.refused += 1
        _ = self.inbox.done(count)
        return count

    def may_sleep(self) -> bool | {PREFIX}_Broken:
        return self.inbox.may_sleep()

    def refused(self) -> {PREFIX}_u64:
        return self.inbox.refused
{methods}"""

    def taker_method(self, number: int, method: Method) -> str:
        handler = handler_name(self.contract.name)
        lines = [
            f"@{PREFIX}_inline",
            f"def {PREFIX}_{method.name}(self, handler: {handler}, asked: {PREFIX}_Posted) -> bool:",
        ]
        words = Words("asked", POST_WORDS)
        tests: list[str] = []
        arguments: list[str] = []
        looks: list[str] = []
        for parameter in method.parameters:
            if isinstance(parameter.kind, Lent):
                borrowed = f"{PREFIX}_borrowed_{parameter.name}"
                looks.append(f"    {borrowed} = self.inbox.lent({words.next()}, {words.next()})")
                looks += [f"    if isinstance({borrowed}, {PREFIX}_Status):", "        return False"]
                arguments.append(borrowed)
            elif isinstance(parameter.kind, Number | Enumeration | Record):
                arguments.append(decode(parameter.kind, words, tests, self.types))
        expected = self.word(self.base | number, None, [""] * words.count, 0)
        wrong = [f"asked.word != {expected}", *(f"not ({test})" for test in tests)]
        lines += [f"    if {' or '.join(wrong)}:", "        return False", *looks]
        lines += [f"    {PREFIX}_result: None = handler.{method.name}({', '.join(arguments)})", "    return True"]
        return "\n".join(lines) + "\n"


def results_of(method: Method) -> str:
    """What a handler's method gives: it can't fail as a call between processes can."""
    return " | ".join(ast.unparse(arm.annotation) for arm in method.arms)


def is_one_of(place: str, numbers: list[int]) -> str:
    """The test that a word is one of these."""
    numbers = sorted(numbers)
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    tests = [
        f"{place} == {low:#x}"
        if low == high
        else f"{place} <= {high:#x}"
        if low == 0
        else f"{low:#x} <= {place} <= {high:#x}"
        for low, high in runs
    ]
    return tests[0] if len(tests) == 1 else f"({' or '.join(tests)})"


def indented(text: str) -> str:
    return "\n" + "".join(f"    {line}\n" for line in text.splitlines())


def relocate(made: ast.AST, where: ast.stmt) -> None:
    """Let a node, with all inside, stand where a statement stands; of a class or function, where its name does."""
    line, column = where.lineno, where.col_offset
    end_line, end_column = where.end_lineno, where.end_col_offset
    if isinstance(where, ast.ClassDef | ast.FunctionDef):
        column += len("class " if isinstance(where, ast.ClassDef) else "def ")
        end_line, end_column = line, column + len(where.name)
    for node in walk(made):
        if isinstance(node, ast.stmt | ast.expr | ast.arg | ast.keyword | ast.alias | ast.pattern):
            node.lineno, node.col_offset, node.end_lineno, node.end_col_offset = line, column, end_line, end_column
    # A definition begins at its keyword, as elsewhere.
    if isinstance(made, ast.ClassDef | Function):
        made.col_offset = where.col_offset


assert MAXIMUM_METHODS < 1 << 8, "the methods' numbers have 8 bits of the label"
