"""`nk demo`: the inference gateway, shown by itself: asked, killed piece by piece, and given another model."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import json_option, print_json, progress_line, say_plainly, shown, styled
from neokernel.cli.program import REPOSITORY
from neokernel.cli.target import session

if TYPE_CHECKING:
    from neokernel.control.view import View
    from neokernel.demo.machine import Process
    from neokernel.demo.tour import Accuracy, Killed, Pace, Seen, Swapped, Tour

SYSTEM = REPOSITORY / "systems" / "gateway.toml"
MODELS = REPOSITORY / "models" / "digits"
#: the machine's ports, of the gateway and of the dashboard, and the host's if they are free
PORTS = (8000, 8080)
MODEL, INT8 = "digits", "digits-int8"
#: who is killed, before and behind the process that serves the model
BEFORE = (("card", "the network card's driver"), ("network", "TCP/IP"))
BEHIND = (("accelerator", "the accelerator manager"),)
#: characters of a name, and what stands behind it
NAME = 38
#: of the model that is pushed
VERSION = "2"
#: seconds that somebody else may have the operators' line; between two tries
PATIENCE, LOOKS = 60.0, 0.2


@click.command()
@click.option("--no-stay", is_flag=True, help="Stop the machine at the end; without a terminal, that is so anyway.")
@json_option
def command(no_stay: bool, as_json: bool) -> int:
    """Boot the inference gateway, and show what it does while it is asked, killed piece by piece, and updated.

    Clients on this machine send it handwritten digits over HTTP. Meanwhile the network card's driver, TCP/IP, the
    model's process and the accelerator manager are killed, one after the other, and the model is replaced: what the
    clients saw of it is printed. Then the machine stays up, until ctrl-C.

    Exit status: 0 if every question was answered, and rightly; 1 if not; 130 after ctrl-C before all was shown.
    """
    from neokernel.control.models import NotPushed
    from neokernel.demo.machine import Ended, free_port, ready, running
    from neokernel.demo.tour import Stuck, Tour, questions

    report = Report(as_json=as_json)
    try:
        report.title("An inference gateway: models in sandboxed processes, asked over HTTP")
        began = time.monotonic()
        with running(SYSTEM, {port: free_port(port) for port in PORTS}) as process:
            with progress_line() as say:
                now_say(say, "building the system")
                bundle, asked = model_to_push(), questions(MODELS / "held_out.npz")
                ready(process, lambda: now_say(say, "booting it, until all models are served"))
                took = time.monotonic() - began
                report.line("built and booted", f"in {took:.1f} s: http://127.0.0.1:{process.port}")
                tour = Tour(process.port, lambda: session_of(process), asked, MODEL, process.check, say)
                well = shown_all(tour, bundle, report)
            report.end()
            if not as_json and not no_stay and sys.stdout.isatty():
                stay(process)
    except (Ended, Stuck) as error:
        raise ToolError("NK1109", str(error), f"`nk run {shown(SYSTEM)}` shows its console") from error
    except NotPushed as error:
        raise ToolError("NK1707", f"{MODEL}: {error}", error.help) from error
    return Exit.SUCCESS if well else Exit.NEGATIVE


def now_say(say: Callable[[str], None], what: str) -> None:
    """What is done now, and takes a while: also where there is no terminal."""
    say(what)
    say_plainly(what)


# --- what is done -----------------------------------------------------------------------------------------------------


def model_to_push() -> bytes:
    """The same network as another version, signed by the user's development key, which the machine knows."""
    from neokernel.cli.model import complaints
    from neokernel.cli.trusted import complaints as complaints_about_keys

    path = MODELS / f"{MODEL}.onnx"
    with complaints(path), complaints_about_keys():
        from neokernel.image.keys import development_key
        from neokernel.model import bundle as bundles
        from neokernel.model import signed
        from neokernel.model.importer import import_model

        made = import_model(path.read_bytes(), MODEL, VERSION, dimensions={"batch": 1}, source=False)
        packed = bundles.pack(made)
        return packed + signed.sign(packed, development_key()[0])


@contextlib.contextmanager
def session_of(process: Process) -> Iterator[View]:
    """As an operator, by the development key."""
    from neokernel.control.machines import running
    from neokernel.patience import patient

    end = time.monotonic() + patient(PATIENCE)
    with contextlib.ExitStack() as stack:
        view = None
        while view is None:
            process.check()
            name = next((each.name for each in running()[0] if each.pid == process.popen.pid), "")
            try:
                view = stack.enter_context(session(name, None))
            except ToolError as error:
                # Maybe somebody looks at the machine just now: `nk top` has the line.
                if error.code != "NK1602" or time.monotonic() >= end:
                    raise
                time.sleep(LOOKS)
        yield view


def shown_all(tour: Tour, bundle: bytes, report: Report) -> bool:
    """All of it: was every question answered, and rightly?"""
    for model in (MODEL, INT8):
        report.accuracy(tour.accuracy(model))
    with tour.clients:
        report.pace(tour.pace())
        report.heading("killed, while they ask")
        for name, what in (*BEFORE, (tour.server(), "the process of the model"), *BEHIND):
            report.killed(tour.kill(name), what)
        report.heading("replaced, while they ask")
        report.swapped(tour.swap(bundle))
    return not report.wrong


def stay(process: Process) -> None:
    """Leave the system up until ctrl-C."""
    click.echo()
    click.echo(
        f"{styled('It stays up', bold=True)}, at http://127.0.0.1:{process.port}, until ctrl-C. In another window:"
    )
    click.echo(f"  http://127.0.0.1:{process.page}/     its dashboard, in a browser: draw a digit")
    click.echo(f"  curl http://127.0.0.1:{process.port}/v2/models/{MODEL}")
    click.echo("  nk top                     what its services use")
    click.echo("  nk svc restart network     end a part of it: it comes back")
    click.echo("  nk logs -f                 what they say of it")
    click.echo("docs/guide/gateway.md goes on from here: your own model, for example.")
    with contextlib.suppress(KeyboardInterrupt):
        process.popen.wait()
    process.check()


# --- what is printed --------------------------------------------------------------------------------------------------


class Report:
    """Prints parts as they are done, or, with `--json`, all of them at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.value: dict[str, Any] = {"accuracy": [], "pace": None, "killed": [], "swapped": None}
        self.answered = self.wrong = 0

    def say(self, text: str = "") -> None:
        if not self.as_json:
            click.echo(text)

    def title(self, text: str) -> None:
        self.say(styled(text, bold=True))

    def line(self, what: str, found: str) -> None:
        self.say(f"  {what:<{NAME}}{found}")

    def accuracy(self, found: Accuracy) -> None:
        self.value["accuracy"].append(asdict(found))
        share = found.right / found.images
        self.line(found.model, f"{found.right} of {found.images} unseen digits right: {share:.1%}")

    def pace(self, found: Pace) -> None:
        self.value["pace"] = asdict(found)
        self.count(found.seen)
        self.line(f"{found.clients} clients at once", f"{found.rate:,.0f} answers a second, of 100")
        half, most, nearly_all = (f"{each:,.0f}" for each in (found.half, found.most, found.nearly_all))
        self.line("", f"50 in {half} ms, 90 in {most}, 99 in {nearly_all}")

    def heading(self, text: str) -> None:
        self.say()
        self.say(styled(f"{text:<{NAME + 2}}", bold=True) + "  answered  asked again  longest wait")

    def killed(self, found: Killed, what: str) -> None:
        self.value["killed"].append({"service": found.service, "starts": found.starts, **asdict(found.seen)})
        self.row(f"{found.service}, {what}", found.seen)

    def swapped(self, found: Swapped) -> None:
        self.value["swapped"] = {**asdict(found), **asdict(found.seen)}
        self.row(f"{MODEL}, by version {found.version}", found.seen)
        said = ", ".join(f"{count:,} by version {version}" for version, count in found.by.items())
        self.line("", f"{said}")

    def row(self, what: str, seen: Seen) -> None:
        self.count(seen)
        self.say(f"  {what:<{NAME}}  {seen.answered:>8,}  {seen.asked_again:>11,}  {seen.longest * 1000:>9,.0f} ms")

    def count(self, seen: Seen) -> None:
        self.answered += seen.answered
        self.wrong += seen.wrong

    def end(self) -> None:
        self.say()
        wrong = "none of them otherwise than before" if not self.wrong else f"{self.wrong:,} otherwise than before"
        self.say(f"Every question was answered, {self.answered:,} in all;")
        self.say(f"{wrong}.")
        if self.as_json:
            print_json({**self.value, "answered": self.answered, "wrong": self.wrong, "exit": int(bool(self.wrong))})
