"""Fuzzing of system files: valid ones are changed; what comes out must be accepted or refused, never a traceback.

    python -m tests.system.fuzz --count 100000 --seed 1

Beside the system file, the board's, a manifest and programs' sources are changed: all that is read before a build.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import random
import re
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from neokernel.compiler.diagnostics import Diagnostic, render
from neokernel.image import description
from neokernel.image.systemfile import loading, positions
from neokernel.image.systemfile.checking import examine
from neokernel.image.systemfile.codes import CODES
from neokernel.image.systemfile.describing import describe, programs
from neokernel.image.systemfile.drawing import drawing
from neokernel.image.systemfile.graph import ALL_MEMORY, differences, graph_of, ways
from neokernel.image.systemfile.machine import Machine
from neokernel.image.systemfile.needs import needs_of
from tests.system import cases

#: bigger than the other cases: something of everything
RICH = """
@
reserve = "2 MiB"

[service.serial]
program = "./serial.py"
devices.registers = "uart0"
interrupts = { interrupt = "uart0" }
config.speed = 9600
cpu = { priority = 90, budget = "1 ms", period = "10 ms" }

[service.log]
program = "./log.py"
cpu = { budget = "1 ms", period = "40 ms" }
memory = "512 KiB"
uses.line = "serial.serial"
heartbeat = "1 s"
[service.log.restart]
policy = "always"
backoff = "5 ms"
longest_backoff = "1 s"
limit = 3
window = "1 min"
escalate = "restart-dependants"

[service.client]
program = './client.py'
uses = { log = "log" }
cpu.period = "30 ms"

[service."store"]
program = "./store.py"
devices.disk = "disk0"
dma.space = "64 KiB"
trusted = true
preserve = "8 KiB"

[service.owner]
program = "./owner.py"
uses.power = "kernel.power"
pools.heap = "1.5 MiB"
capabilities = 64

[service.settings]
program = "./settings.py"
config = { count = 3, offset = -7, fast = false, greeting = "hi", level = "LOUD", share = 1.5 }
"""
MANIFEST = """
memory = "1 MiB"
capabilities = 128
cpu = { priority = 80, budget = "2 ms", period = "20 ms", passive = false }
restart.policy = "on-failure"
preserve = "64 KiB"
heartbeat = "1 s"
[config]
"""
#: what is changed, and how often in a hundred
TARGETS = {
    "system.toml": 70,
    "board.toml": 12,
    "client.service.toml": 8,
    "serial.py": 4,
    "interfaces.py": 3,
    "settings.py": 3,
}
WORDS = [
    *(Path(__file__).parent / "words.txt").read_text(encoding="utf-8").split(),
    "\t",
    "\r\n",
    "\n",
    "\u202e",
    "\x00",
]
TOKEN = re.compile(r'"[^"\n]*"|\'[^\'\n]*\'|[\w.-]+|[^\w\s]|\s+')


def corpus() -> dict[str, str]:
    """The files of a system with nothing wrong."""
    files = cases.world() | {"system.toml": RICH.lstrip(), "client.service.toml": MANIFEST.lstrip()}
    return {name: cases.expanded(text) for name, text in files.items()}


def alike(token: str, words: list[str], choose: random.Random) -> str:
    """Another word in place of a token; mostly of its sort, so that not every change is one of TOML's grammar."""
    similar = [word for word in words if sort_of(word) == sort_of(token)]
    return choose.choice(similar if similar and choose.random() < 0.9 else words)


def sort_of(token: str) -> str:
    return '"' if token[0] in "\"'" else "0" if token[0].isdigit() else "a" if token[0].isalpha() else token[0]


def changed(text: str, choose: random.Random) -> str:
    """The text with one to five changes."""
    for _ in range(choose.choice((1, 1, 1, 2, 2, 3, 5))):
        tokens = TOKEN.findall(text)
        lines = text.splitlines(keepends=True)
        if not tokens or not lines:
            return text + choose.choice(WORDS)
        solid = [index for index, token in enumerate(tokens) if not token.isspace()]
        at, line = choose.choice(solid or [0]), choose.randrange(len(lines))
        place = choose.randrange(len(text))
        match choose.choice((0, 1, 1, 1, 1, 2, 3, 3, 3, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 11, 12)):
            case 0:
                del tokens[at]
            case 1:
                tokens[at] = alike(tokens[at], WORDS, choose)
            case 2:
                tokens.insert(at, choose.choice(WORDS))
            case 3:
                tokens[at] = alike(tokens[at], tokens, choose)
            case 4:
                tokens[at] = tokens[at].upper() if choose.random() < 0.5 else tokens[at][::-1]
            case 5:
                del lines[line]
                tokens = lines
            case 6:
                lines.insert(choose.randrange(len(lines)), lines[line])
                tokens = lines
            case 7:
                other = choose.randrange(len(lines))
                lines[line], lines[other] = lines[other], lines[line]
                tokens = lines
            case 8:
                tokens = [text[:place]]
            case 9:
                tokens = [text[:place], text[place + 1 :]]
            case 10:
                tokens = [
                    text[:place],
                    chr(choose.choice((0, 9, 13, 34, 46, 61, 91, 123, 0x2028, 0xFEFF))),
                    text[place:],
                ]
            case 11:
                numbers = [index for index, token in enumerate(tokens) if re.search(r"\d", token)]
                if numbers:
                    where = choose.choice(numbers)
                    size = choose.choice(("0", "1", "-1", "255", "256", "65536", "4294967296", str(1 << 64), "9" * 30))
                    tokens[where] = re.sub(r"\d+", size, tokens[where], count=1)
            case _:
                depth = choose.choice((2, 50, 3000))
                tokens.insert(at, choose.choice("[{(") * depth)
        text = "".join(tokens)
    return text


@dataclass
class Found:
    """What came of a campaign."""

    outcomes: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def attack(count: int, seed: int, folder: Path, found: Found | None = None) -> Found:
    """`count` changed systems; the current folder must be `folder`. `found` has what came of those before a ctrl-C."""
    files = corpus()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    good, findings = examine(Path(cases.SYSTEM))
    assert good is not None and not findings.items, cases.shown(findings)
    found = Found() if found is None else found
    # Programs are read anew when they have changed, not each time: it would take most of the time.
    remembered = functools.cache(needs_of)
    with mock.patch.object(loading, "needs_of", remembered):
        for number in range(seed, seed + count):
            choose = random.Random(number)
            (target,) = choose.choices(list(TARGETS), list(TARGETS.values()))
            raw = changed(files[target], choose).encode("utf-8", "surrogatepass")
            if choose.random() < 0.01:
                raw = raw[: len(raw) // 2] + bytes((choose.randrange(256),)) + raw[len(raw) // 2 :]
            (folder / target).write_bytes(raw)
            if target.endswith(".py"):
                remembered.cache_clear()
            try:
                outcome(good, raw, target, choose, found)
            except Exception as error:
                found.failures.append(f"{number} ({target}): {type(error).__name__}: {error}")
                found.outcomes["traceback"] += 1
                if os.environ.get("NK_DEBUG") == "1":
                    raise
            (folder / target).write_text(files[target], encoding="utf-8")
            if target.endswith(".py"):
                remembered.cache_clear()
    return found


def outcome(good: Machine, raw: bytes, target: str, choose: random.Random, found: Found) -> None:
    """Examine the system as it lies there now."""
    machine, findings = examine(Path(cases.SYSTEM))
    for item in findings.items:
        found.codes[item.code] += 1
        sound(item)
    if target.endswith(".toml"):
        consistent(raw)
    if findings.errors:
        found.outcomes["refused"] += 1
        return
    assert machine is not None, "nothing is wrong, and there is no machine"
    found.outcomes["accepted with warnings" if findings.items else "accepted"] += 1
    described = describe(machine)
    assert set(programs(machine)) == {service.program for service in described.services}
    assert len(description.read(description.pack(described)).services) == len(machine.services)
    graph = graph_of(machine)
    assert all(edge.source in graph.nodes and edge.target in graph.nodes for edge in graph.edges)
    differences(good, machine)
    if choose.random() < 0.02:
        assert drawing(graph, machine.name, "") == drawing(graph_of(machine), machine.name, "")
        for name in machine.services:
            ways(graph, name, ALL_MEMORY)


def sound(item: Diagnostic) -> None:
    """A diagnostic can be shown: it has a known code, plain text, and points into its file."""
    assert item.code in CODES
    assert item.message and (item.message + item.help).isprintable(), (item.message, item.help)
    for span in (item.span, *(where for where, _ in item.notes if where is not None)):
        if not span.line:
            continue
        lines = Path(span.file).read_bytes().decode(errors="replace").replace("\r\n", "\n").split("\n")
        assert 1 <= span.line <= span.end_line <= len(lines), span
        assert 0 <= span.column <= len(lines[span.line - 1]), span
        assert (span.line, span.column) <= (span.end_line, span.end_column), span
    if item.span.line:
        render(item, Path(item.span.file).read_text(encoding="utf-8", errors="replace"))


def consistent(raw: bytes) -> None:
    """Of a document that can be read: each value stands where it is said to, and no value is without a place."""
    try:
        text = raw.decode().replace("\r\n", "\n")
        data = tomllib.loads(text)
    except (ValueError, RecursionError):
        return
    found = positions.positions(text)
    values = dict(leaves(data, ()))
    assert {path for path, value in values.items() if value is not None} <= set(found.values)
    for path, (start, end) in found.values.items():
        again = tomllib.loads(f"x = {text[start:end]}")["x"]
        whole: Any = data
        for part in path:
            whole = whole[part]
        assert again == whole or repr(again) == repr(whole), path


def leaves(value: Any, path: positions.Path) -> Iterator[tuple[positions.Path, Any]]:
    """Everything that isn't a table or array, by its path."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from leaves(each, (*path, index))
    else:
        yield path, value


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.system.fuzz", description="Fuzz system files.")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        before = Path.cwd()
        os.chdir(folder)
        found = Found()
        with contextlib.suppress(KeyboardInterrupt):
            attack(arguments.count, arguments.seed, Path(folder), found)
        os.chdir(before)
    print(f"{sum(found.outcomes.values()):10,}  changed systems")
    for name, count in found.outcomes.most_common():
        print(f"{count:10,}  {name}")
    for code, title in ((code, entry.title) for code, entry in CODES.items()):
        print(f"{found.codes[code]:10,}  {code} {title}")
    print("\n".join(found.failures[:20]))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
