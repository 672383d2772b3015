"""`nk doctor`: what of this machine is needed, what is there, and what to do about the rest. It changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path

import click

from neokernel.cli import distribution
from neokernel.cli.errors import Exit
from neokernel.cli.output import json_option, paragraphs, print_json, styled
from neokernel.image import features, qemu

#: a build with debug information and the package cache fit in this
FREE_BYTES = 1 << 30
OLDEST_PYTHON = (3, 11)


class State(Enum):
    GOOD = "good"
    OLD = "old"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `required`: without it, systems can't be built and run."""

    name: str
    state: State
    detail: str
    required: bool = True
    advice: str = ""

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "state": self.state.value}


def check_python() -> Iterator[Finding]:
    version = platform.python_version()
    good = sys.version_info[:2] >= OLDEST_PYTHON
    advice = "" if good else "Python 3.11 or newer is needed"
    yield Finding("python", State.GOOD if good else State.OLD, f"{version} ({platform.machine()})", advice=advice)


def check_packages() -> Iterator[Finding]:
    """Ours, each at the version that the project pins."""
    try:
        wanted = metadata.requires("neokernel") or []
    except metadata.PackageNotFoundError:
        yield Finding("neokernel", State.MISSING, "not installed as a package", advice="make setup")
        return
    for requirement in wanted:
        pinned, _, condition = requirement.partition(";")
        if "extra" in condition:
            continue
        name, _, version = pinned.strip().partition("==")
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, State.MISSING, f"wanted: {version}", advice="make setup")
            continue
        same = found == version
        detail = found if same else f"{found}; wanted: {version}"
        yield Finding(name, State.GOOD if same else State.OLD, detail, advice="" if same else "make setup")


def check_qemu() -> Iterator[Finding]:
    program = qemu.find_qemu()
    if program is None:
        yield Finding("qemu", State.MISSING, f"no {qemu.PROGRAM}", advice=distribution.qemu_advice())
        return
    version = qemu.qemu_version(program)
    if version is None:
        yield Finding("qemu", State.MISSING, f"{program} doesn't say its version", advice="reinstall it")
        return
    shown = f"{'.'.join(map(str, version))} ({program})"
    if version < qemu.OLDEST:
        oldest = ".".join(map(str, qemu.OLDEST))
        yield Finding("qemu", State.OLD, shown, advice=f"{oldest} or newer is needed; `nk explain NK1101`")
        return
    yield Finding("qemu", State.GOOD, shown)
    yield from check_machine(program)


def check_machine(program: str) -> Iterator[Finding]:
    """The machine comes up with its firmware, and what it has for what we mean to use."""
    try:
        presences = features.probe(program)
    except features.CannotStart as error:
        advice = "where the firmware is missing, the package `opensbi` has it"
        yield Finding("machine", State.MISSING, f"it can't be set up: {error}", advice=advice)
        return
    yield Finding("machine", State.GOOD, "virt, with OpenSBI")
    newer = "a newer QEMU has it; nothing needs it yet"
    if distribution.facts().get("VERSION_CODENAME") == "bookworm":
        newer = "the one in bookworm-backports has it (`nk explain NK1101`); nothing needs it yet"
    for feature, presence in presences.items():
        if presence is features.Presence.ABSENT:
            yield Finding(feature.name, State.MISSING, "this QEMU doesn't have it", required=False, advice=newer)
        else:
            detail = "on" if presence is features.Presence.ON else f"with {feature.option}"
            yield Finding(feature.name, State.GOOD, detail, required=False)


def check_gdb() -> Iterator[Finding]:
    from neokernel.cli.debug import find_gdb
    from neokernel.cli.errors import ToolError

    try:
        yield Finding("gdb", State.GOOD, find_gdb(None), required=False)
    except ToolError as error:
        advice = f"for `nk debug`: {error.help}"
        yield Finding("gdb", State.MISSING, error.message, required=False, advice=advice)


def check_terminal() -> Iterator[Finding]:
    encoding = (sys.stdout.encoding or "").lower()
    kind = os.environ.get("TERM", "none") if sys.stdout.isatty() else "not a terminal"
    good = "utf" in encoding
    advice = "" if good else "set LANG to a UTF-8 locale"
    yield Finding("terminal", State.GOOD if good else State.OLD, f"{kind}, {encoding or '?'}", False, advice)


def check_disk() -> Iterator[Finding]:
    free = shutil.disk_usage(Path.cwd()).free
    good = free >= FREE_BYTES
    advice = "" if good else "1 GiB is comfortable for the toolchain and builds"
    yield Finding("disk", State.GOOD if good else State.OLD, f"{free / (1 << 30):.1f} GiB free here", False, advice)


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_python,
    check_packages,
    check_qemu,
    check_gdb,
    check_terminal,
    check_disk,
)


@click.command()
@json_option
def command(as_json: bool) -> int:
    """Say whether this machine has what is needed, and what to do about the rest.

    Exit status: 1 when something required is missing or too old.
    """
    findings = [finding for check in CHECKS for finding in check()]
    lacking = [finding for finding in findings if finding.required and finding.state is not State.GOOD]
    status = Exit.NEGATIVE if lacking else Exit.SUCCESS
    if as_json:
        print_json({"findings": [finding.as_json() for finding in findings], "exit": int(status)})
        return status
    names = max(len(finding.name) for finding in findings)
    for finding in findings:
        click.echo(row(finding, names))
    click.echo("everything required is there" if not lacking else f"required: {', '.join(f.name for f in lacking)}")
    return status


#: how a finding is marked, and in which colour
MARKS = {State.GOOD: ("ok", "green"), State.OLD: ("old", "yellow"), State.MISSING: ("missing", "red")}
MARK_WIDTH = len("optional")
#: a narrower column isn't worth having: details go below the names then
NARROWEST = 40


def row(finding: Finding, names: int) -> str:
    """A finding for people, as wide as the terminal at most; `names`: how long the longest name is."""
    mark, colour = MARKS[finding.state] if finding.required or finding.state is State.GOOD else ("optional", "yellow")
    head = f"{styled(mark, fg=colour)}{' ' * (MARK_WIDTH - len(mark))}  {finding.name}"
    margin = MARK_WIDTH + names + 4
    below = shutil.get_terminal_size().columns < margin + NARROWEST
    text = "\n".join(filter(None, (finding.detail, finding.advice)))
    lines = paragraphs(text, indent=MARK_WIDTH + 2 if below else margin)
    if below:
        return "\n".join([head, *lines])
    return "\n".join([head + lines[0][MARK_WIDTH + 2 + len(finding.name) :], *lines[1:]])
