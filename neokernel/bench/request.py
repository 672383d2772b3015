"""`nk bench request`: where the instructions of a request to the gateway go, leg by leg.

`systems/gateway.toml` runs, and counts its own instructions. A client on the host keeps a connection and asks what a
digit is, one question after the other, while the kernel records who runs. Each instruction counts for the process that
runs, or that the kernel works for, until it goes on with another one. So a leg is a stay of one process, with what the
kernel does for it; docs/design/request.md says what they do there.

The clock of the records is that of the timer: a tick is a hundred instructions. Of several requests it is the middle.
Recording adds some ten instructions to a call.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from neokernel.abi.trace import Event
from neokernel.bench.boot import ROOT, built
from neokernel.bench.kernel import UNIT
from neokernel.bench.row import BenchError, Progress, Row
from neokernel.bench.watching import HART, asked

if TYPE_CHECKING:
    from neokernel.control.view import View
    from neokernel.demo.clients import Asker, Question
    from neokernel.image.ring import Entry

SYSTEM = ROOT / "systems" / "gateway.toml"
HELD_OUT = ROOT / "models" / "digits" / "held_out.npz"
#: where the network card is, and the gateway's port
CARD_BUS, PORT = "virtio-mmio-bus.2", 8000
MODELS = ("digits", "digits-int8")
#: requests before it counts, and that count; seconds between two of them, in which what follows an answer is done
WARM, COUNTED, PAUSE = 16, 24, 0.05
#: of those that count, so many are recorded at a time: on a slow host, more happens in between than the ring holds
GROUP = 4
IDLE = "idle"
#: of a request, who works one after the other; MODEL stands for the process of the model, whichever it is
MODEL = "the model"
LEGS = (
    ("card", "interrupt, frame to the network"),
    ("network", "segment, bytes to the gateway"),
    ("gateway", "HTTP, JSON, to the model"),
    (MODEL, "infers"),
    ("gateway", "results, JSON, HTTP"),
    ("network", "segment, frame to the card"),
    ("card", "frame to the device"),
)
#: and of what follows, when the client has acknowledged the answer
AFTER = "afterwards: the client's acknowledgement"


def run(only: Sequence[str] | None = None, progress: Progress = lambda _: None, keep: Path | None = None) -> list[Row]:
    """Rows of the models named in `only`, or of all. `keep`: a folder for the image."""
    unknown = set(only or ()) - set(MODELS)
    if unknown:
        raise BenchError(f"no item {', '.join(sorted(unknown))}; there are {', '.join(MODELS)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        progress("building")
        image = built(SYSTEM, folder / "gateway.elf")
        return [row for model in only or MODELS for row in measured(model, image, folder, progress)]


def measured(model: str, image: Path, folder: Path, progress: Progress) -> list[Row]:
    from neokernel.demo.clients import Asker
    from neokernel.demo.tour import path_of, questions
    from neokernel.image import qemu

    every = questions(HELD_OUT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    progress(model)
    with asked(image, folder, qemu.network(CARD_BUS, {f"tcp/{port}": PORT})) as view:
        asker = Asker(port, path_of(model))
        with contextlib.closing(asker):
            ask(asker, every[:WARM])
            stays: list[tuple[str, int]] = []
            for first in range(0, COUNTED, GROUP):
                # What was recorded before and behind a gap is no way of one request.
                stays += [*stays_of(view, asker, every[first : first + GROUP]), (IDLE, 0)]
    return rows_of(model, *requests(stays))


def ask(asker: Asker, every: Sequence[Question]) -> None:
    for number, question in enumerate(every):
        answer = asker.ask(number, question)
        assert answer is not None, "nobody stops it"
        time.sleep(PAUSE)


def stays_of(view: View, asker: Asker, every: Sequence[Question]) -> list[tuple[str, int]]:
    """Who ran, one after the other, and how many instructions, while these are asked."""
    from neokernel.control.recorded import ALL_EVENTS, entries_of

    names = {each.thread: each.name for each in view.services() if each.thread}
    before = int(view.ring(ALL_EVENTS).written)
    ask(asker, every)
    ring = view.ring(0)
    if int(ring.written) - before > int(ring.capacity):
        raise BenchError("the kernel has recorded more than its ring holds")
    tick = HART // int(ring.frequency)
    return stays(entries_of(view, before, int(ring.written), int(ring.capacity)), names, tick)


def stays(entries: Sequence[Entry], names: dict[int, str], tick: int) -> list[tuple[str, int]]:
    changes = [each for each in entries if each.event is Event.SWITCH]
    return [
        (names.get(one.thread, str(one.thread)) if one.thread else IDLE, (next.time - one.time) * tick)
        for one, next in pairwise(changes)
    ]


def requests(stays: Sequence[tuple[str, int]]) -> tuple[list[tuple[int, ...]], list[int]]:
    """Of each request its legs; and of each time that the gateway heard of something else, what that took in all."""
    legs, others = [], []
    chain: list[tuple[str, int]] = []
    for name, count in [*stays, (IDLE, 0)]:
        if name != IDLE:
            chain.append((name if name in {each for each, _ in LEGS} else MODEL, count))
            continue
        if tuple(each for each, _ in chain) == tuple(each for each, _ in LEGS):
            legs.append(tuple(each for _, each in chain))
        elif any(each == "gateway" for each, _ in chain) and all(each != MODEL for each, _ in chain):
            others.append(sum(each for _, each in chain))
        chain = []
    return legs, others


def rows_of(model: str, legs: Sequence[tuple[int, ...]], others: Sequence[int]) -> list[Row]:
    if len(legs) < COUNTED // 2 or not others:
        raise BenchError(f"of {COUNTED} requests, {len(legs)} went their way undisturbed: is the host too slow?")
    found = [median(column) for column in zip(*legs, strict=True)]
    rows = [
        Row(f"{model}: {model if name == MODEL else name}: {what}", UNIT, count, "", None, None)
        for (name, what), count in zip(LEGS, found, strict=True)
    ]
    without = sum(count for (name, _), count in zip(LEGS, found, strict=True) if name != MODEL)
    rows.append(Row(f"{model}: all of it", UNIT, sum(found), "", None, None))
    rows.append(Row(f"{model}: all but the model", UNIT, without, "", None, None))
    rows.append(Row(f"{model}: {AFTER}", UNIT, median(others), "", None, None))
    return rows
