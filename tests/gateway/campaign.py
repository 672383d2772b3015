"""A gateway under fire: clients ask it all kinds of things, while its parts are killed and its models are replaced.

    python -m tests.gateway.campaign --requests 500000 --seed 1 --minutes 60 --state build/campaign.json

Several clients ask on connections that they keep (`mix.py` says what). Every few hundred requests something is done to
the machine, by chance: a service is killed, sometimes two; a model is pushed, or one that is refused or rolled back;
what was pushed is computed by another backend. A request ends with the right answer, or with a status that may come
then (`docs/guide/gateway.md`); one whose connection was lost is sent again. Whatever else happens ends the campaign:

- an answer that isn't right, at any time;
- a status that isn't the question's, unless it is one that may come while somebody is restarted, and somebody is;
- a connection that is lost although neither network service nor gateway was killed since it was used the last time.

A push explains nothing: no request may fail because of one. Now and then all clients pause, until all is settled; then
what is free is noted: of the machine's memory, of init's slots, of each service's memory, out of which all its frames
and kernel objects are made. With `--state`, counts are kept, and several runs add up.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from statistics import median
from typing import Any

from neokernel import lang
from neokernel.cli.target import session
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.control.models import NotPushed, models, push, settled, swap
from neokernel.control.view import NotTold, View
from neokernel.image.keys import development_key
from neokernel.model.bundle import Bundle, pack
from neokernel.model.importer import import_model
from neokernel.model.signed import sign
from tests.gateway.mix import WEIGHTS, Mix, Question, linear, whole
from tests.model.digits import FOLDER
from tests.support.machine import QEMU
from tests.support.patience import PATIENCE, eventually
from tests.support.ports import free_ports

SYSTEM = Path(__file__).parent / "machine" / "push.toml"
CLIENTS = 6
#: who is killed
TARGETS = (
    "card", "network", "gateway", "accelerator", "digits", "digits-next", "linear", "linear-next", "whole",
)  # fmt: skip
#: what they have free depends on which of two bundles is leased to whom
LEASING = {"accelerator", "linear", "linear-next"}
#: with whom connections end
CUTS = ("network", "gateway")
#: requests between two things that are done
LEAST, MOST = 100, 400
#: of ten things, how many are a push, how many another backend; of ten kills, how many are two
PUSHES, SWAPS, PAIRS = 1, 1, 2
#: seconds without a byte after which a connection is taken to be lost; and a new one, which QEMU may have forgotten
SILENCE, FIRST = 60.0, 2.0

Sessions = Callable[[], AbstractContextManager[View]]


class Wrong(Exception):
    """What mayn't happen."""


@dataclass
class Counts:
    """Of all runs together."""

    requests: int = 0
    #: of each kind, how often which status came
    kinds: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    #: requests that were sent again, as their connection was lost
    again: int = 0
    done: Counter[str] = field(default_factory=Counter)
    #: of who was killed, seconds until everybody was served again
    outages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    #: of each run, what was free whenever all was quiet
    free: list[list[dict[str, int]]] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": self.requests, "kinds": self.kinds, "again": self.again, "done": self.done,
            "outages": self.outages, "free": self.free, "seconds": self.seconds,
        }  # fmt: skip

    @classmethod
    def of(cls, state: Path | None) -> Counts:
        found = cls()
        if state is not None and state.exists():
            kept = json.loads(state.read_text())
            found.requests, found.again, found.seconds = kept["requests"], kept["again"], kept["seconds"]
            for kind, statuses in kept["kinds"].items():
                found.kinds[kind].update(statuses)
            found.done.update(kept["done"])
            found.outages.update({name: list(each) for name, each in kept["outages"].items()})
            found.free = kept["free"]
        return found

    def keep(self, state: Path | None) -> None:
        if state is not None:
            part = state.with_suffix(".part")
            part.write_text(json.dumps(self.as_json()))
            part.replace(state)


class Campaign:
    """`port`: of the gateway, at the host. What is shared by its threads is changed under `lock`."""

    def __init__(self, port: int, sessions: Sessions, seed: int, requests: int, counts: Counts) -> None:
        # Who goes on asks other things than before.
        self.port, self.sessions, self.seed, self.counts = port, sessions, seed + counts.requests, counts
        self.end = requests
        self.mix = Mix()
        self.lock = threading.Lock()
        #: who connects, one after the other: docs/guide/network.md
        self.door = threading.Lock()
        self.wrong: list[str] = []
        #: clients may ask; how many are at it
        self.go, self.busy = threading.Event(), 0
        self.over = threading.Event()
        #: somebody is restarted, and how often that has begun; likewise, connections are being cut
        self.down, self.downs = False, 0
        self.cutting, self.cuts = False, 0
        self.chance = random.Random(f"what is done, {seed}")
        self.bundles = {
            letter: import_model(linear(letter), "linear", letter, source=False) for letter in WEIGHTS if letter != "1"
        }
        self.serial = 0
        #: what was done last, and when, by the host's clock
        self.last: deque[str] = deque(maxlen=8)
        counts.free.append([])

    # --- clients ------------------------------------------------------------------------------------------------------

    def client(self, number: int) -> None:
        chance = random.Random(f"client {number}, {self.seed}")
        asker = Asker(self)
        try:
            while not self.over.is_set():
                if not self.go.wait(0.1):
                    continue
                with self.lock:
                    if self.counts.requests + self.busy >= self.end:
                        break
                    self.busy += 1
                try:
                    question = self.mix.next(chance)
                    status = asker.ask(question)
                    if chance.random() < 0.002:
                        asker.close()
                finally:
                    with self.lock:
                        self.busy -= 1
                if status is not None:
                    with self.lock:
                        self.counts.requests += 1
                        self.counts.kinds[question.kind][status] += 1
        except Exception as error:  # noqa: BLE001 (whatever it is, the campaign has failed)
            self.tell("this")
            self.wrong.append(f"{type(error).__name__}: {error}; before that: {', '.join(self.last)}")
            self.over.set()
        finally:
            asker.close()

    # --- what is done -------------------------------------------------------------------------------------------------

    def run(self, until: float, every: int, keep: Callable[[], None], say: Callable[[str], None]) -> None:
        """Raises Wrong. `until`: by the host's clock; `every`: requests between two looks at what is free."""
        threads = [threading.Thread(target=self.client, args=(number,), daemon=True) for number in range(CLIENTS)]
        began, before = time.monotonic(), self.counts.seconds
        try:
            with self.sessions() as view:
                self.go.set()
                for thread in threads:
                    thread.start()
                self.warm(view)
                self.look(view, say)
                looked = due = self.counts.requests
                while self.counts.requests < self.end and time.monotonic() < until:
                    self.check()
                    if self.counts.requests - looked >= every:
                        looked = self.counts.requests
                        self.look(view, say)
                        self.counts.seconds = before + time.monotonic() - began
                        keep()
                    elif self.counts.requests >= due:
                        self.something(view)
                        due = self.counts.requests + self.chance.randint(LEAST, MOST)
                    else:
                        time.sleep(0.02)
                self.look(view, say, again=False)
        finally:
            self.over.set()
            self.go.set()
            for thread in threads:
                if thread.is_alive():
                    thread.join(SILENCE + 5)
        self.counts.seconds = before + time.monotonic() - began
        keep()
        self.check()

    def check(self) -> None:
        if self.wrong:
            raise Wrong(self.wrong[0])

    def tell(self, what: str) -> None:
        self.last.append(f"{what} at {time.monotonic() % 1000:.3f}")

    def something(self, view: View) -> None:
        number = self.chance.randrange(10)
        if number < PUSHES:
            self.push(view, self.chance.randrange(8))
        elif number < PUSHES + SWAPS:
            self.order("another backend", lambda: swap(view, 2, self.chance.choice(("scalar", "vector"))))
        else:
            count = 2 if self.chance.randrange(10) < PAIRS else 1
            self.kill(view, self.chance.sample(TARGETS, count))

    def order(self, what: str, do: Callable[[], None]) -> None:
        """What an operator orders may be refused, as another push is watched, say."""
        self.tell(what)
        try:
            do()
            self.counts.done[what] += 1
        except NotPushed as refused:
            self.counts.done[f"{what}, refused: {refused}"] += 1

    def push(self, view: View, kind: int) -> None:
        """Kind 0 isn't signed; 1 computes something else than its sample says."""
        self.serial += 1
        letter = self.chance.choice(list(self.bundles))
        bundle = replace(self.bundles[letter], version=f"{letter}{self.serial}", serial=self.serial)
        if kind == 0:
            self.order("push of what isn't signed", lambda: push(view, 2, pack(bundle)))
        elif kind == 1:
            wrong = replace(bundle, sample=bundle.sample[:-3] + bytes([bundle.sample[-3] ^ 0x40]) + bundle.sample[-2:])
            self.order("push of a wrong sample", lambda: push(view, 2, signed(wrong)))
        else:
            self.order("push", lambda: push(view, 2, signed(bundle)))

    def kill(self, view: View, names: list[str]) -> None:
        """And wait until everybody is served again."""
        self.tell(f"kill of {' and '.join(names)}")
        with self.lock:
            self.down, self.downs = True, self.downs + 1
            self.cutting = not set(CUTS).isdisjoint(names)
        began = time.monotonic()
        for name in names:
            index = view.find(name)
            assert index is not None, name
            refused = view.order("kill", lang.u64(index))
            self.counts.done[f"kill of {name}" + (f", refused: {refused.reason.name}" if refused else "")] += 1
        with self.lock:
            self.cuts += self.cutting
            self.cutting = False
        self.until_up(view, names)
        with self.lock:
            self.down = False
        self.tell("all answer")
        self.counts.outages[" and ".join(sorted(names))].append(round(time.monotonic() - began, 3))

    def until_up(self, view: View, names: Sequence[str]) -> None:
        """These services run, somebody waits for what is pushed, and each name answers."""
        asker, indices, last = Asker(self), [view.find(name) for name in names], ""

        def up() -> bool:
            nonlocal last
            self.check()
            try:
                found = [view.service(index) for index in indices if index is not None]
                away = [each for each in found if each is None or each.phase != "runs"]
                # A name without a manager has no service there, and nothing is pushed to it.
                busy = [
                    each.name
                    for each in models(view)
                    if each.service and not each.spare and each.outcome not in ("tried", "watched")
                ]
            except NotTold as error:
                last = str(error)
                return False
            asked = [each.kind for each in self.probes() if not away and not busy and not asker.tried(each)]
            last = f"not running: {away}; nobody waits: {busy}; no answer: {asked}"
            return not away and not busy and not asked

        try:
            eventually(up, "not all is as before")
        except AssertionError as error:
            raise Wrong(f"{error}: {last}") from error
        finally:
            asker.close()

    def probes(self) -> list[Question]:
        """One of each name, and whether all are ready."""
        found = [
            each[0] for kind, (_, each) in self.mix.questions.items() if kind.startswith("infer") and "key" not in kind
        ]
        return [*found, self.mix.questions["server, metadata, health"][1][2]] * 2

    def warm(self, view: View) -> None:
        """What is free is looked at first when everybody has been killed once, and something was pushed."""
        self.push(view, 2)
        for name in TARGETS:
            self.kill(view, [name])

    def look(self, view: View, say: Callable[[str], None], again: bool = True) -> None:
        """What is free when nobody asks and nothing is tried or watched."""
        self.go.clear()
        eventually(lambda: not self.busy or self.over.is_set(), "clients don't end")
        self.check()
        settled(view, 2, watched=True)
        self.until_up(view, [each.name for each in view.services()])
        left = view.resources()
        free = {"memory of nobody": int(left.memory), "slots of init": int(left.slots)}
        free.update({each.name: each.free for each in view.services()})
        self.counts.free[-1].append(free)
        first = self.counts.free[-1][0]
        for name in free.keys() - LEASING:
            if free[name] != first[name]:
                self.wrong.append(f"{name}: {first[name]:,} bytes were free at first, and {free[name]:,} are")
        self.check()
        kills = sum(count for what, count in self.counts.done.items() if what.startswith("kill"))
        say(f"{self.counts.requests:,} requests, {self.counts.again:,} sent again, {kills:,} kills")
        if again:
            self.go.set()


class Asker:
    """One connection, made again when it is lost."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.made: socket.socket | None = None
        #: how often connections had been cut before the last request that was answered on this one; None: none was
        self.cuts: int | None = None
        self.patience = FIRST

    def close(self) -> None:
        if self.made is not None:
            self.made.close()
        self.made, self.cuts = None, None

    def ask(self, question: Question) -> str | None:
        """The status that it ended with. None: the campaign is over. Raises Wrong."""
        campaign = self.campaign
        while not campaign.over.is_set():
            down, downs, cuts = campaign.down, campaign.downs, campaign.cuts
            try:
                status, said = self.sent(question)
            except (OSError, HTTPException) as error:
                new, explained = self.cuts is None, campaign.cutting or campaign.cuts != self.cuts
                self.close()
                if not explained and not new:
                    raise Wrong(
                        f"{question.kind}: the connection was lost, and nobody has cut it: {error!r}"
                    ) from error
                with campaign.lock:
                    campaign.counts.again += 1
                time.sleep(0.02)
                continue
            self.cuts = cuts if self.made is not None else None
            down = down or campaign.down or campaign.downs != downs
            if status == question.status:
                if not question.judge(said):
                    raise Wrong(f"{question.kind}: {str(said)[:300]}, to {question.sent[-300:]!r}")
                return str(status)
            if status in question.always or (down and status in question.while_down):
                return str(status)
            raise Wrong(
                f"{question.kind}: status {status} while {'somebody was' if down else 'nobody was'} down: {said}"
            )
        return None

    def tried(self, question: Question) -> bool:
        """Is it answered rightly? Also when nobody serves, a wrong answer is wrong."""
        try:
            status, said = self.sent(question)
        except (OSError, HTTPException):
            self.close()
            return False
        if status != question.status:
            return False
        if not question.judge(said):
            raise Wrong(f"{question.kind}: {str(said)[:300]}, to {question.sent[-300:]!r}")
        return True

    def sent(self, question: Question) -> tuple[int, Any]:
        if self.made is not None:
            return self.exchange(self.made, question)
        with self.campaign.door:
            self.made = socket.create_connection(("127.0.0.1", self.campaign.port), self.patience)
            self.patience = min(2 * self.patience, SILENCE)
            found = self.exchange(self.made, question)
            self.patience = FIRST
            if self.made is not None:
                self.made.settimeout(SILENCE)
            return found

    def exchange(self, made: socket.socket, question: Question) -> tuple[int, Any]:
        made.sendall(question.sent)
        answer = HTTPResponse(made)
        answer.begin()
        body = answer.read()
        if answer.will_close:
            self.close()
        return answer.status, json.loads(body)


def signed(bundle: Bundle) -> bytes:
    packed = pack(bundle)
    return packed + sign(packed, development_key()[0])


# --- the machine ------------------------------------------------------------------------------------------------------


def write_system(folder: Path, port: int) -> Path:
    """The system file, with the models and programs that it names, in a folder."""
    text = SYSTEM.read_text().replace("tcp/40014", f"tcp/{port}").replace("../../../models/digits", str(FOLDER))
    system = folder / "system.toml"
    system.write_text(text)
    (folder / "linear.onnx").write_bytes(linear("1"))
    (folder / "whole.onnx").write_bytes(whole())
    shutil.copy(SYSTEM.parent / "turncoat.py", folder)
    return system


def with_vectors(folder: Path) -> dict[str, str]:
    """The environment in which `nk` runs machines with vector registers, with keys and sockets of their own: what is
    pushed with code for these is computed by them."""
    shim = folder / "bin" / "qemu-system-riscv64"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {QEMU} "$@" -cpu rv64,v=true\n')
    shim.chmod(0o755)
    path = f"{shim.parent}:{os.environ['PATH']}"
    return {"NK_STATE": str(folder / "state"), "NK_RUNTIME": str(folder / "run"), "PATH": path}


@contextlib.contextmanager
def running(folder: Path) -> Iterator[int]:
    """The gateway's port, at the host."""
    (port,) = free_ports(1)
    os.environ.update(with_vectors(folder))
    command = [
        sys.executable,
        "-c",
        "from neokernel.cli.main import main; main()",
        "run",
        str(write_system(folder, port)),
    ]
    with (folder / "console").open("wb") as console:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)},
        )  # fmt: skip
        try:
            eventually(
                lambda: (folder / "run" / "push-test" / "control").exists() or process.poll() is not None,
                "the machine doesn't start",
            )
            assert process.poll() is None, (folder / "console").read_text()
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)


def shown(counts: Counts) -> Iterator[str]:
    """What a run has found, as the record has it."""
    yield f"{counts.requests:,} requests in {counts.seconds:,.0f} s; {counts.again:,} of them sent again"
    for kind, statuses in sorted(counts.kinds.items()):
        told = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
        yield f"  {kind}: {told}"
    for what, count in sorted(counts.done.items()):
        yield f"  {what}: {count:,}"
    for name, took in sorted(counts.outages.items()):
        if " and " not in name:
            half, most = median(took), max(took)
            yield f"  {name}, killed {len(took)} times: all is served again after {half:.2f} s, {most:.2f} s at most"
    for number, samples in enumerate(counts.free):
        first, last = samples[0], samples[-1]
        changed = {name: (first[name], last[name]) for name in first if first[name] != last[name]}
        yield f"  run {number + 1}: {len(samples)} quiet moments; of what is free, changed: {changed or 'nothing'}"
        for name in first:
            values = sorted({each[name] for each in samples})
            if len(values) > 1:
                yield f"    {name}: {', '.join(map(str, values[:12]))}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=int, default=20_000, help="requests between two looks at what is free")
    parser.add_argument("--state", type=Path, help="a file that counts are kept in")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    counts = Counts.of(options.state)
    status = 0
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as port:
        campaign = Campaign(port, lambda: session(None, None), options.seed, options.requests, counts)
        try:
            campaign.run(until, options.every, lambda: counts.keep(options.state), lambda line: print(line, flush=True))
        except Wrong as wrong:
            print(f"wrong: {wrong}", file=sys.stderr)
            print((Path(folder) / "console").read_text(errors="replace")[-6000:], file=sys.stderr)
            status = 1
    print(*shown(counts), sep="\n")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
