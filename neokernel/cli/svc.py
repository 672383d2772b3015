"""`nk svc`: one service of a running machine: what it has, and having it restarted, held or replaced."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neokernel.cli.cap import line_of
from neokernel.cli.errors import ToolError
from neokernel.cli.output import json_option, print_json, styled
from neokernel.cli.ps import COLORS
from neokernel.cli.target import chosen, complete_programs, index_of, machine_option, service_argument, session
from neokernel.patience import patient

if TYPE_CHECKING:
    from neokernel.control.deaths import Death
    from neokernel.control.machines import Running
    from neokernel.control.view import Service, View
    from neokernel.interfaces.system import Refused

#: crashes that are shown
MOST_CRASHES = 5
#: phases that a service doesn't leave by itself
ENDED = ("down", "given up")
#: seconds that a service has to be up again, before that is said
SETTLES = 5.0
#: microseconds that each side of a replacement has
PATIENCE = 2_000_000


@click.group()
def command() -> None:
    """Show a service of a running machine, and have it restarted, held, or replaced.

    What is done is written into the machine's log, with the operator's name.
    """


@command.command(short_help="Show what SERVICE does, and may do.")
@service_argument
@machine_option
@json_option
def show(service: str, machine: str | None, key: Path | None, as_json: bool) -> None:
    """Show what SERVICE does, what it may do, and how it has crashed.

    Of its crashes init remembers the last ones, and of the latest one the traceback is shown; for that, the machine's
    control service needs `init.system`.

    Exit status: 0; 2 there is no such service; 5 the machine doesn't know your key; 6 it doesn't answer.
    """
    with session(machine, key) as view:
        index = index_of(view, service)
        found, grants = known(view, index), view.grants(index)
        lent = [each for each in view.lendings() if each.to == found.name]
        crashes = crashes_of(view, index, chosen(machine))
    if as_json:
        rows = [{"name": each.name, "kind": each.kind, "what": each.what, "exists": each.exists} for each in grants]
        print_json(
            {
                **found.as_json(),
                "grants": rows,
                "lent": len(lent),
                "crashes": [each.as_json() for each in crashes],
                "exit": 0,
            }
        )
        return
    phase = styled(found.phase, fg=COLORS.get(found.phase, "green"))
    click.echo(f"{styled(found.name, bold=True)}: {phase}, was started {times(found.starts)}")
    if found.phase == "runs":
        click.echo(f"  {found.cpu:.3f} s of processor time since, {found.free >> 10:,} KiB of its memory are free")
    if found.denied:
        denied = styled(f"the kernel denied it something {times(found.denied)}", fg="yellow")
        click.echo(f"  {denied}: `audit`, if it runs, has it in the log")
    wide = max([10, *(len(each.name) for each in grants)])
    for each in grants:
        click.echo(line_of(each, wide))
    for lending in lent:
        click.echo(f"  slot {lending.slot}: {lending.owner}.{lending.grant}, for {lending.left:.1f} s more")
    if crashes:
        click.echo(styled("its last crashes:", bold=True))
    for crash in crashes:
        click.echo(f"  {crash.time:>11.3f}  start {crash.starts}: {styled(crash.said, fg='red')}")
    if crashes and crashes[0].text:
        click.echo(crashes[0].text.rstrip("\n"))


@command.command(short_help="End SERVICE and have it started again.")
@service_argument
@machine_option
@json_option
def restart(service: str, machine: str | None, key: Path | None, as_json: bool) -> None:
    """End SERVICE and have it started again; who waits for it is served then.

    It ends as by a crash, so its restart policy says when it comes back. One that isn't to come back by itself is
    started. Exit status: 0 it runs again; 1 it doesn't, or the machine refuses; otherwise as `show`.
    """
    with session(machine, key) as view:
        index = index_of(view, service)
        before = known(view, index)
    ordered = False
    try:
        with session(machine, key) as view:
            ordered = True
            refuse(view, index, view.order("start" if before.phase in ENDED else "kill", number(index)))
            after = again(view, index, before)
    except ToolError as error:
        if error.code != "NK1602" or not ordered:
            raise
        # It was what we talk by: the line's driver, or the control service itself.
        with session(machine, key) as view:
            after = again(view, index, before)
    report(after, after.phase == "runs", "runs again", as_json=as_json)


@command.command(short_help="End SERVICE and keep it down.")
@service_argument
@machine_option
@json_option
def hold(service: str, machine: str | None, key: Path | None, as_json: bool) -> None:
    """End SERVICE and keep it down until it is started: `nk svc start`.

    Who calls it meanwhile is told so at once. Exit status: as `restart`.
    """
    with session(machine, key) as view:
        index = index_of(view, service)
        refuse(view, index, view.order("stop", number(index)))
        after = settled(view, index, lambda each: each.phase == "down")
    report(after, after.phase in ("down", "ending"), "is held", as_json=as_json)


@command.command(short_help="Start SERVICE.")
@service_argument
@machine_option
@json_option
def start(service: str, machine: str | None, key: Path | None, as_json: bool) -> None:
    """Start SERVICE, which is held, or was given up.

    Exit status: as `restart`.
    """
    with session(machine, key) as view:
        index = index_of(view, service)
        refuse(view, index, view.order("start", number(index)))
        after = settled(view, index, lambda each: each.phase == "runs")
    report(after, after.phase == "runs", "runs", as_json=as_json)


@command.command(short_help="Replace SERVICE while it is called.")
@service_argument
@click.argument("program", required=False, shell_complete=complete_programs)
@machine_option
@json_option
def swap(service: str, program: str | None, machine: str | None, key: Path | None, as_json: bool) -> None:
    """Replace SERVICE by PROGRAM, another one of the image, while it is called; without PROGRAM, by a fresh process.

    The old one hands its state over; if the new one isn't ready within two seconds (times NK_PATIENCE), the old one
    goes on. PROGRAM is called as in the image; by default, as the service's.

    Exit status: as `restart`.
    """
    from neokernel.lang import byte_view, u64

    with session(machine, key) as view:
        index = index_of(view, service)
        name = (program or service).encode()
        refuse(view, index, view.order("swap", number(index), byte_view(name), u64(int(patient(PATIENCE)))))
        after = known(view, index)
    report(after, after.phase == "runs", "was replaced", as_json=as_json)


# --- how it has crashed -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crashed:
    """`time`: seconds since the machine started. `text`: its traceback, of the latest one only."""

    time: float
    starts: int
    said: str
    text: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def crashes_of(view: View, index: int, machine: Running) -> list[Crashed]:
    """The service's, the latest first; none if the control service mayn't know."""
    from neokernel.control.view import NotGranted

    try:
        deaths = [each for each in view.deaths() if each.service == index][:MOST_CRASHES]
    except NotGranted:
        return []
    found = []
    for number, death in enumerate(deaths):
        said, text = told(death, machine)
        found.append(Crashed(view.seconds(death.time), death.starts, said, "" if number else text))
    return found


def told(death: Death, machine: Running) -> tuple[str, str]:
    """What a crash was, in a line; and its traceback, if it is known where it was."""
    from neokernel.cli.outside import known_of
    from neokernel.cli.program import open_image
    from neokernel.cli.run import explained
    from neokernel.image.panic import PanicRecord

    if not death.has_place:
        return (f"it ended with status {death.status}" if death.cause.name == "EXIT" else "it couldn't be made"), ""
    pc, *others = death.registers
    record = PanicRecord(death.trap, pc, death.address, (0, *others), death.stack, program=death.program)
    try:
        crash = explained(open_image(machine.image), record, known_of(machine.system).roots)
    except ToolError:
        return f"it failed at {pc:#x}", ""
    return crash.last_line, crash.text


# --- what happens -----------------------------------------------------------------------------------------------------


def again(view: View, index: int, before: Service) -> Service:
    """The service when it was started once more; one that isn't to come back by itself is started."""
    after = settled(view, index, lambda each: each.phase == "runs" and each.starts > before.starts)
    if after.phase == "down":
        refuse(view, index, view.order("start", number(index)))
        after = settled(view, index, lambda each: each.phase == "runs")
    return after


def number(index: int) -> int:
    from neokernel.lang import u64

    return u64(index)


def known(view: View, index: int) -> Service:
    found = view.service(index)
    if found is None:
        raise ToolError("NK1605", f"there is no service {index}")
    return found


def settled(view: View, index: int, wanted: Callable[[Service], bool]) -> Service:
    """The service when it is as it should be, or after a while."""
    end = time.monotonic() + patient(SETTLES)
    while True:
        found = known(view, index)
        if wanted(found) or found.phase in ENDED or time.monotonic() > end:
            return found
        time.sleep(0.05)


#: what a service does already, that is asked to do what it can't do so
ALREADY = {
    "runs": "it runs already",
    "down": "it is down already",
    "given up": "it was given up, and is down",
    "waits": "it has ended, and is about to be started again",
    "ending": "it is ending: a device may still reach its memory",
}


def refuse(view: View, index: int, refused: Refused | None) -> None:
    """Say why nothing has happened."""
    if refused is None:
        return
    from neokernel.interfaces.system import Reason

    service = known(view, index)
    why = {
        Reason.OUT_OF_RANGE: "the machine has none of that number",
        Reason.WRONG_PHASE: ALREADY.get(service.phase, "it can't do so now"),
        Reason.BUSY: "a service is being replaced just now",
        Reason.TIMED_OUT: "it didn't hand over in time, and goes on",
        Reason.REFUSED: "it can't be replaced: it hands no state over, or a device reaches its memory",
        Reason.ROLLED_BACK: "the new version didn't get ready in time: the old one is back",
        Reason.OTHER_NEEDS: "that program declares other capabilities, contracts or settings",
        Reason.FAILED: f"{refused.status.name}, argument {int(refused.argument)}",
    }
    said = why.get(refused.reason, refused.reason.name)
    if refused.reason is Reason.FAILED and refused.status.name == "NO_PROGRAM":
        said = "the image has no program of that name"
    raise ToolError("NK1606", f"{service.name}: {said}", f"`nk svc show {service.name}` says how it is")


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def report(service: Service, well: bool, said: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**service.as_json(), "exit": 0 if well else 1})
    elif well:
        click.echo(f"{service.name} {said}; it was started {times(service.starts)} by now")
    else:
        click.echo(f"{service.name}: {service.phase}; `nk logs` may say why")
    if not well:
        raise click.exceptions.Exit(1)
