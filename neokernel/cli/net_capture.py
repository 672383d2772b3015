"""`nk net capture`: frames of a running machine, copied into a file that Wireshark opens."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import print_json, progress_line, shown
from neokernel.cli.target import session

if TYPE_CHECKING:
    from neokernel.control.frames import Copies
    from neokernel.control.pcapng import Writer


def capture(
    machine: str | None, key: Path | None, words: tuple[str, ...], output: Path, count: int | None, snap: int,
    as_json: bool,
) -> None:  # fmt: skip
    """The command, with what stands on its line."""
    from neokernel.control.filters import NoFilter, parsed
    from neokernel.control.frames import Copies

    try:
        wanted = parsed(words)
    except NoFilter as error:
        raise ToolError("NK1607", str(error), error.help) from error
    pipe = str(output) == "-"
    if pipe and as_json:
        raise ToolError("NK1001", "standard output is for frames or for JSON, not for both", "name a file by -o")
    with session(machine, key) as view, stopped() as told:
        copies = Copies(view, wanted, snap)
        try:
            with contextlib.nullcontext(sys.stdout.buffer) if pipe else opened(output) as stream:
                written = copied(copies, writer_of(stream, snap), stream, count, told)
        finally:
            copies.end()
        ended = told()
    if as_json:
        print_json({"frames": written, "dropped": copies.dropped, "output": str(output), "exit": ended})
    elif not pipe:
        click.echo(f"{shown(output)}: {said(written, copies.dropped)}")
    elif copies.dropped:
        click.echo(f"{copies.dropped:,} frames came too fast, and weren't copied", err=True)
    if ended:
        raise click.exceptions.Exit(ended)


@contextlib.contextmanager
def stopped() -> Iterator[Callable[[], int]]:
    """The exit status that ctrl-C or SIGTERM asks for, 0 as long as nobody does.

    Between two calls is when a capture can be ended; a second ctrl-C doesn't wait for that.
    """
    status = 0
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        nonlocal status
        status = 128 + number
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: status
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def copied(copies: Copies, writer: Writer, stream: BinaryIO, count: int | None, told: Callable[[], int]) -> int:
    """Write frames until there were enough, or somebody has told us to stop; how many. The file is complete."""
    from neokernel.control.pcapng import INBOUND, OUTBOUND

    ways = {"in": INBOUND, "out": OUTBOUND, "local": 0}
    written = [0, 0]
    last = 0
    try:
        with progress_line() as say:
            for frame in copies.frames():
                if told():
                    break
                if frame is None:
                    stream.flush()
                    say(f"{said(sum(written), copies.dropped)}; ctrl-C ends it")
                    continue
                card, last = int(frame.way == "local"), frame.time
                writer.frame(card, frame.time, frame.length, frame.data, ways[frame.way])
                written[card] += 1
                if sum(written) == count:
                    break
    finally:
        # Which card those would have been of that weren't copied isn't known: they are told of the first.
        writer.statistics(0, last, written[0] + copies.dropped, copies.dropped)
        writer.statistics(1, last, written[1], 0)
    return sum(written)


def writer_of(stream: BinaryIO, snap: int) -> Writer:
    from importlib.metadata import version

    from neokernel.control.pcapng import Card, Writer

    cards = [Card("card", "the machine's network card"), Card("lo", "what the machine says to itself")]
    return Writer(stream, f"nk net capture {version('neokernel')}", "Neokernel", cards, snap)


def opened(output: Path) -> BinaryIO:
    try:
        return output.open("wb")
    except OSError as error:
        raise ToolError("NK1005", f"{output} can't be written: {error.strerror or error}") from error


def said(frames: int, dropped: int) -> str:
    lost = f"; {dropped:,} came too fast, and weren't copied" if dropped else ""
    return f"{frames:,} frame{'' if frames == 1 else 's'}{lost}"
