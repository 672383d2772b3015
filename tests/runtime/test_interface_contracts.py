"""Contracts made at random: the compiler takes them, and what a proxy sends is what the handler and the client get."""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from neokernel import lang
from neokernel.compiler.pipeline import analyse_source
from neokernel.lang.hook import as_written
from neokernel.lang.interfaces import Problem, contracts_of
from neokernel.lang.interfaces.model import (
    FLOATS,
    INTEGERS,
    Argument,
    Bytes,
    Capability,
    Contract,
    Enumeration,
    Fill,
    Lent,
    Method,
    Nothing,
    Number,
    Record,
    Result,
)
from neokernel.runtime import lend, system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.sim.loopback import Loopback, Party

NUMBERS = [*INTEGERS, "bool", *FLOATS]
WORDS = ", ".join(sorted({*INTEGERS, *FLOATS}))
IMPORTS = (
    "from enum import Enum\nfrom typing import Annotated, Protocol\n"
    f"from neokernel.lang import Given, Span, {WORDS}, interface, up_to, value\n"
    "from neokernel.runtime.lend import Lent\nfrom neokernel.runtime.objects import Notification\n"
    "from neokernel.runtime.system import Failure\n\n"
)
MEMBERS = [0, 1, 2, 3, 5, 9, 100, 255, 256, 70_000, -1, -128, -129, 2**31, 2**40, -(2**40), 2**63 - 1]
BOUNDS = [1, 7, 8, 9, 64, 200]
CLIENT, SERVER_SLOT, BADGE = 8, 40, 5


def contract_text(choose: random.Random) -> str:
    """An interface `I` with the types that it names."""
    text, names = IMPORTS, [*NUMBERS]
    for number in range(choose.randint(1, 3)):
        numbers = choose.sample(MEMBERS if choose.random() < 0.5 else range(8), choose.randint(1, 5))
        lines = "".join(f"    M{place} = {member}\n" for place, member in enumerate(numbers))
        text += f"class E{number}(Enum):\n{lines}\n\n"
        names.append(f"E{number}")
    for number in range(choose.randint(1, 3)):
        lines = "".join(f"    f{place}: {choose.choice(names)}\n" for place in range(choose.randint(1, 4)))
        text += f"@value\nclass V{number}:\n{lines}\n\n"
        names.append(f"V{number}")
    text += "@interface\nclass I(Protocol):\n"
    for number in range(choose.randint(1, 5)):
        parameters = "".join(f", p{place}: {parameter(choose, names)}" for place in range(choose.randint(0, 5)))
        text += f"    def m{number}(self{parameters}) -> {result(choose, names)}: ...\n"
    return text


def parameter(choose: random.Random, names: list[str]) -> str:
    bound = f"up_to({choose.choice(BOUNDS)})"
    bytes_of = [f"Annotated[{kind}, {bound}]" for kind in ("bytes", "str", "Span[u8]")]
    return choose.choice(names if choose.random() < 0.7 else ["Lent", "Notification", *bytes_of])


def result(choose: random.Random, names: list[str]) -> str:
    """One of each sort at most, as arms of a union must be told apart."""
    numbers = [choose.choice([*INTEGERS]), "bool", choose.choice([*FLOATS])]
    chosen = choose.sample([*numbers, "None", "E0", names[-1], "Given[Notification]"], choose.randint(1, 4))
    chosen.insert(choose.randint(0, len(chosen)), "Failure")
    return " | ".join(chosen)


@dataclass
class Trial:
    """A client and a server of one contract; the handler's results are `answer`."""

    module: ModuleType
    machine: Loopback
    choose: random.Random
    heard: list[tuple[Any, ...]] = field(default_factory=list)
    answer: Any = None
    slot: int = 60

    def __post_init__(self) -> None:
        self.client, self.server = self.machine.process(Process), self.machine.process(Process, range(100, 190))
        memory = bytearray(4096)
        self.machine.map(self.client, lend.LENDS_ADDRESS, memory)
        self.machine.map(self.server, lend.LENT_ADDRESS + BADGE * lend.REGION_SPACE, memory)
        with self.machine.running(self.client):
            self.client.start_info().lends[0] = lang.u16(1)
        with self.machine.running(self.server):
            self.server.start_info().lent[BADGE] = lang.u16(1)

    def __getattr__(self, name: str) -> Any:
        """As the handler."""
        if not name.startswith("m"):
            raise AttributeError(name)

        def method(*arguments: Any) -> Any:
            self.heard.append(arguments)
            for span in (item for item in arguments if isinstance(item, lang.Span)):
                for place in range(len(span)):
                    span[place] = lang.u8(place)
            return self.answer

        return method

    def serve(self, badge: int, word: int, *words: int) -> tuple[int, int, int, int, int]:
        dispatcher = vars(self.module)["_nki_server_I"](lang.u64(CLIENT))
        answer = dispatcher.dispatch(self, system.Message(badge, word, *words))
        return answer.word, answer.w0, answer.w1, answer.w2, answer.w3

    def value(self, kind: Argument | Result, owner: Party) -> Any:
        """Some value of the type; a capability is `owner`'s."""
        choose, named = self.choose, vars(self.module)
        match kind:
            case Number("bool"):
                return choose.random() < 0.5
            case Number(name) if name in FLOATS:
                return getattr(lang, name)(choose.choice([0.0, 1.5, -2.25, 1e10]))
            case Number(name):
                bits, signed = INTEGERS[name]
                low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
                return getattr(lang, name)(choose.choice([low, high, choose.randint(low, high)]))
            case Enumeration(name=name):
                return choose.choice(list(named[name]))
            case Record(name=name, fields=fields):
                return named[name](**{inner: self.value(type_, owner) for inner, type_ in fields})
            case Nothing():
                return None
            case Bytes(most, True):
                text = "".join(choose.choice("aé日") for _ in range(most // 3))
                return text[: choose.randint(0, len(text))]
            case Bytes(most, _):
                return lang.byte_view(choose.randbytes(choose.randint(0, most)))
            case Fill(most):
                return lang.byte_span(bytearray(choose.randint(0, most)))
            case Lent():
                return lend.region(CLIENT).part(choose.randint(0, 100), choose.randint(0, 1000))
            case Capability(name=name):
                self.slot += 1
                owner.table[self.slot] = f"capability {self.slot}", 0
                return named[name](self.slot)

    def call(self, method: Method) -> None:
        client, server = self.machine.party(self.client), self.machine.party(self.server)
        client.table, server.table, self.slot = {}, {}, 60
        self.heard.clear()
        self.machine.grant(self.client, CLIENT, self.machine.endpoint(self.server, self.serve), BADGE)
        system.window(self.server.buffer, SERVER_SLOT, 4)
        arm = self.choose.randrange(len(method.arms))
        kind = method.arms[arm].kind
        with self.machine.running(self.client):
            given = [self.value(item.kind, client) for item in method.parameters]
            held = dict(client.table)
            self.answer = self.value(kind, server)
            answered = dict(server.table)
            found = getattr(vars(self.module)["I"](lang.u64(CLIENT)), method.name)(*given)
        assert not isinstance(found, Failure), found
        if isinstance(kind, Capability):
            assert client.table[found.slot] == answered[self.answer.slot]
        else:
            assert (type(found), found) == (type(self.answer), self.answer)
        (heard,) = self.heard
        for item, sent, arrived in zip(method.parameters, given, heard, strict=True):
            match item.kind:
                case Capability():
                    assert server.table[arrived.slot] == held[sent.slot]
                case Fill():
                    assert bytes(sent.bytes()) == bytes(range(len(sent)) if arm == method.success else len(sent))
                case Lent():
                    moved = lend.LENT_ADDRESS + BADGE * lend.REGION_SPACE - lend.LENDS_ADDRESS
                    assert (arrived.address - sent.address, arrived.length) == (moved, sent.length)
                case Bytes(_, False):
                    assert bytes(arrived) == bytes(sent)
                case _:
                    assert (type(arrived), arrived) == (type(sent), sent)


def contract_of(text: str, name: str) -> Contract | None:
    """None if it doesn't fit into a message."""
    try:
        return contracts_of(ast.parse(text), name, as_written)[0]
    except Problem as problem:
        if problem.code != "NK0724":
            raise
        return None


@pytest.mark.parametrize("seed", range(12))
def test_what_a_random_contract_says_is_what_arrives(seed: int) -> None:
    choose = random.Random(seed)
    text, name = contract_text(choose), f"contract_{seed}"
    contract = contract_of(text, name)
    if contract is None:
        return
    module = lang.load_module(text, name)
    with Loopback() as machine:
        trial = Trial(module, machine, choose)
        for method in contract.methods * 2:
            trial.call(method)


@pytest.mark.parametrize("seed", [100, 101, 102])
def test_the_compiler_takes_random_contracts(seed: int) -> None:
    """Proxies in full; dispatchers as far as they don't depend on a handler."""
    text = contract_text(random.Random(seed))
    if contract_of(text, "program") is not None:
        assert analyse_source(text).diagnostics == []
