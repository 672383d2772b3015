"""Fuzzes the device tree's parser, compiled for the host: `python -m tests.kernel.fuzz_devicetree --count 1000000`.

Every outcome goes through the whole parser with all checks on; none may fail, and no batch may fail to end. The last
outcome of each batch is compared with the host's own reader, whether it is accepted or rejected.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import itertools
import time
from dataclasses import dataclass

from neokernel.compiler import ir, jit
from neokernel.compiler.layout import Layout
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.compiler.types import RefType, StructType
from tests.kernel.devicetree_model import ABSENT, Expected, expected, read, write
from tests.kernel.devicetree_samples import MACHINES, blob_of, board, edges, extreme, tiny
from tests.support.machine import QEMU

MODULE = "tests.kernel.devicetree_fuzz"
PATIENCE = 300  # seconds for a batch


class Found(Exception):
    """The parser did something wrong; `blob` shows it."""

    def __init__(self, what: str, blob: bytes) -> None:
        super().__init__(f"{what}\nblob: {blob.hex()}")
        self.blob = blob


@dataclass
class Tally:
    """What a campaign has done."""

    rounds: int = 0
    accepted: int = 0
    compared: int = 0
    seconds: float = 0


class Memory:
    """A `devicetree_fuzz.Fuzz` in memory, as the compiled program has it."""

    def __init__(self, of: StructType) -> None:
        self._layout, self._struct = Layout(), of
        self.words = (ctypes.c_uint64 * (self._layout.size(of) // 8))()
        self.bytes = memoryview(self.words).cast("B")
        self.room = self._layout.size(of.fields["original"].type)

    def _place(self, name: str) -> int:
        return self._layout.offset(self._struct, name)

    def _number(self, place: int) -> int:
        return int.from_bytes(self.bytes[place : place + 8], "little")

    def get(self, name: str) -> int:
        return self._number(self._place(name))

    def set(self, name: str, number: int) -> None:
        place = self._place(name)
        self.bytes[place : place + 8] = number.to_bytes(8, "little")

    def start(self, blob: bytes, seed: int) -> None:
        """Go on with this blob."""
        if len(blob) > self.room:
            raise ValueError(f"a blob of {len(blob)} bytes; there is room for {self.room}")
        place = self._place("original")
        self.bytes[place : place + len(blob)] = blob
        self.set("original_length", len(blob))
        self.set("seed", seed)

    def outcome(self) -> bytes:
        place = self._place("changed")
        return bytes(self.bytes[place : place + self.get("length")])

    def report(self) -> Expected:
        of, place = self._struct.fields["report"].type, self._place("report")
        assert isinstance(of, StructType)
        return Expected(**{name: self._number(place + self._layout.offset(of, name)) for name in of.fields})


def analyse(overlay: dict[str, str] | None = None) -> tuple[ir.Program, StructType]:
    """The program of `devicetree_fuzz`, and its `Fuzz`. `overlay`: other sources for some modules."""
    state = run_front_end(State(PACKAGE_ROOT, [MODULE], overlay or {}))
    assert state.program is not None, state.diagnostics.sorted()
    once = next(function for function in state.program.functions if function.symbol == f"{MODULE}.once")
    of = once.parameters[0].type
    assert isinstance(of, RefType)
    assert isinstance(of.target, StructType)
    return state.program, of.target


class Fuzzer:
    """The compiled inner loop (`devicetree_fuzz.run`)."""

    def __init__(self, overlay: dict[str, str] | None = None) -> None:
        program, of = analyse(overlay)
        self.memory = Memory(of)
        self._library = jit.Library(program, (f"{MODULE}.run", f"{MODULE}.examine"), poison=True, keep=True)

    def batch(self, rounds: int) -> int:
        """Do so many rounds; how many outcomes were accepted. Raises Found."""
        self.memory.set("accepted", 0)
        self._call("run", rounds)
        return self.memory.get("accepted")

    def examine(self) -> None:
        """Report on the blob as it is. Raises Found."""
        self._call("examine")

    def _call(self, name: str, *more: int) -> None:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            self._library.call(f"{MODULE}.{name}", self.memory.words, *more)
        except jit.CheckError as failed:
            raise Found(str(failed), self.memory.outcome()) from failed
        finally:
            faulthandler.cancel_dump_traceback_later()


def compare(blob: bytes, said: Expected) -> None:
    """The host's reader says the same about the blob. Raises Found."""
    wanted = expected(blob)
    if wanted != said:
        raise Found(f"expected {wanted}, and the parser says {said}", blob)


def corpus(real: bool = True) -> list[bytes]:
    """Small blobs, and real ones without their padding: a round takes time in proportion to the blob."""
    blobs = [write(tiny()), write(tiny(), nops=1, slack=8, tail=8), write(board()), write(edges()), write(extreme())]
    if real and QEMU is not None:
        blobs += [write(read(blob_of(machine))) for machine in MACHINES]
    return blobs


def campaign(fuzzer: Fuzzer, count: int, seed: int, batch: int = 4096, real: bool = True) -> Tally:
    """`count` rounds over the corpus; an equal share of the time goes to each blob. Raises Found."""
    tally, began = Tally(), time.monotonic()
    blobs = corpus(real)
    for number in itertools.count(seed):
        blob = blobs[number % len(blobs)]
        rounds = min(max(1, batch * 256 // len(blob)), count - tally.rounds)
        if rounds <= 0:
            break
        fuzzer.memory.start(blob, number * 0x1_0000_0001 & ABSENT)
        tally.accepted += fuzzer.batch(rounds)
        tally.rounds += rounds
        compare(fuzzer.memory.outcome(), fuzzer.memory.report())
        tally.compared += 1
    tally.seconds = time.monotonic() - began
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="outcomes to try")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=4096, help="outcomes between comparisons, for small blobs")
    options = parser.parse_args()
    tally = campaign(Fuzzer(), options.count, options.seed, options.batch)
    print(
        f"{tally.rounds:,} outcomes, {tally.accepted:,} of them accepted, {tally.compared:,} compared, "
        f"in {tally.seconds:.0f} s: no check failed, no difference"
    )


if __name__ == "__main__":
    main()
