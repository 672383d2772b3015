"""`nk net`: the network of a running machine, as its network service has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neokernel.cli import net_capture
from neokernel.cli.output import hanging, json_option, print_json, styled
from neokernel.cli.target import machine_option, session

if TYPE_CHECKING:
    from neokernel.control.network import Client, Interface, Socket, State

WIDTH = 80
#: bytes of a frame that a capture keeps, as `interfaces/capture.py` has it, which isn't imported for `--help`
LEAST, MOST = 14, 1_536
#: of "255.255.255.255:65535"
MOST_ENDPOINT = 21
#: what states are called in ten characters
STATES = {"SYN_RECEIVED": "SYN-RECV", "ESTABLISHED": "ESTAB"}
#: of the counters, those that say that all is as it should be; the others are shown if they aren't 0
USUAL = ("opened", "accepted", "segments_in", "segments_out")


@click.group(invoke_without_command=True)
@machine_option
@json_option
@click.pass_context
def command(ctx: click.Context, machine: str | None, key: Path | None, as_json: bool) -> None:
    """Show the network of a running machine: interface, sockets, routes, neighbours, memory, counters.

    RECV bytes wait for the owner to read them, SEND bytes aren't acknowledged yet. Of a listener: connections that wait
    to be accepted, and such as are being opened. K and M are 1,024 and 1,048,576 bytes.

    Exit status: 0; 1 the control service isn't granted that; 5, 6 as `nk ps`.
    """
    if ctx.invoked_subcommand is not None:
        return
    from neokernel.control.network import state_of

    with session(machine, key) as view:
        found = state_of(view)
    if as_json:
        print_json(found.as_json() | {"exit": 0})
        return
    for line in shown(found):
        click.echo(line)


@command.command()
@machine_option
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The file, pcapng; -: to a pipe.")
@click.option("-c", "--count", type=click.IntRange(min=1), help="End after so many frames; else ctrl-C ends it.")
@click.option(
    "-s", "--snap", type=click.IntRange(LEAST, MOST), default=MOST, help="Keep so many bytes of each frame at most."
)
@json_option
def capture(
    machine: str | None,
    key: Path | None,
    words: tuple[str, ...],
    output: Path,
    count: int | None,
    snap: int,
    as_json: bool,
) -> None:
    """Copy frames of a running machine into a file for Wireshark, those that fit FILTER, or all.

    FILTER: `arp`, `ip`, `icmp`, `tcp` or `udp`; `host ADDRESS` or `net ADDRESS/BITS`; `port NUMBER`; all that is named
    must fit. Nothing in the machine waits for it: frames that come faster than they are read aren't copied, and it is
    said how many.

    Exit status: 0; 1 the control service isn't granted that; 2 FILTER says nothing; 5, 6 as `nk ps`; 130 after ctrl-C,
    and the file is complete.
    """
    net_capture.capture(machine, key, words, output, count, snap, as_json)


def shown(found: State) -> Iterator[str]:
    yield from about(found.interface)
    yield ""
    yield from sockets(found.sockets)
    yield ""
    yield styled(f"{'ROUTE':<18}  THROUGH", bold=True)
    for route in found.routes:
        yield f"{route.to:<18}  {route.through or route.interface}"
    if found.neighbours:
        yield ""
        yield styled(f"{'NEIGHBOUR':<15}  LINK", bold=True)
    for neighbour in found.neighbours:
        yield f"{neighbour.address:<15}  {neighbour.link or 'is being asked for'}"
    if found.clients:
        yield ""
        yield from clients(found.clients)
    if found.denials:
        yield ""
        yield styled("DENIED", bold=True)
    for denial in found.denials:
        times = "once" if denial.count == 1 else f"{denial.count:,} times"
        yield hanging("  ", f"[service.{denial.owner}] {denial.line}, {times}")
    yield ""
    counters = [(name, count) for name, count in found.counters.items() if count or name in USUAL]
    yield hanging("tcp:     ", listed(counters))
    yield hanging("dropped: ", listed([(name, count) for name, count in found.dropped.items() if count]) or "nothing")


def about(interface: Interface) -> Iterator[str]:
    head = f"{interface.name:<8} "
    way = "up" if interface.up else styled("down", fg="yellow")
    address = interface.address or ("no address yet" if interface.leased else "no address")
    by = ", by DHCP" if interface.leased and interface.address else ""
    through = f", gateway {interface.gateway}" if interface.gateway else ""
    yield f"{styled(head, bold=True)}{way}, {address}{by}{through}"
    checks = ", the card makes checksums" if interface.checksums else ""
    yield f"         link {interface.link}, MTU {interface.mtu}{checks}"
    for name, frames, octets in (
        ("in", interface.frames_in, interface.bytes_in),
        ("out", interface.frames_out, interface.bytes_out),
    ):
        yield f"         {name:<3} {frames:,} frames, {octets:,} bytes"
    if interface.restarts or interface.refused:
        times = f"{interface.restarts:,} time{'s' if interface.restarts != 1 else ''}"
        yield f"         its driver was started anew {times}, and refused {interface.refused:,} frames"


def sockets(found: list[Socket]) -> Iterator[str]:
    """A line each, those that are over last, and counted only: nobody has them."""
    kept = [each for each in found if each.state != "TIME_WAIT"]
    local = max([5, *(len(each.local) for each in kept)])
    remote = max([6, *(len(each.remote) for each in kept)])
    owner = min(max([5, *(len(each.owner) for each in kept)]), WIDTH - local - remote - 28)
    yield styled(
        f"{'':<3} {'STATE':<10} {'OWNER':<{owner}} {'LOCAL':<{local}} {'REMOTE':<{remote}}  RECV  SEND", bold=True
    )
    for each in kept:
        state = STATES.get(each.state, each.state.replace("_", "-"))
        yield (
            f"{each.protocol:<3} {state:<10} {shortened(each.owner, owner):<{owner}} {each.local:<{local}} "
            f"{each.remote:<{remote}} {short(each.received):>5} {short(each.unsent):>5}"
        )
    over = len(found) - len(kept)
    if over:
        yield styled(f"{over:,} more {'is' if over == 1 else 'are'} over, and remembered for a minute", dim=True)


def clients(found: list[Client]) -> Iterator[str]:
    yield styled(f"{'CLIENT':<20} {'SOCKETS':>13} {'OF EACH':>9} {'IN USE':>9}", bold=True)
    for each in found:
        if not each.open:
            yield f"{shortened(each.owner, 20):<20} {'not open':>13}"
            continue
        used = f"{each.sockets:,} of {each.most:,}"
        row = f"{shortened(each.owner, 20):<20} {used:>13} {short(2 * each.each):>9} {short(each.memory):>9}"
        yield row


def listed(counters: list[tuple[str, int]]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counters)


def shortened(name: str, wide: int) -> str:
    return name if len(name) <= wide else name[: wide - 1] + "…"


def short(size: int) -> str:
    """In five characters at most."""
    for unit, shift in (("", 0), ("K", 10), ("M", 20)):
        if size >> shift < 10_000:
            return f"{size >> shift}{unit}"
    return f"{size >> 30}G"
