"""The machine that a command talks to: which one it is, a session with it, and what is said when there is none.

Invariant: whatever the other end does, a user sees one of the errors NK1601 to NK1607, and no traceback.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from neokernel.cli.errors import ToolError
from neokernel.patience import patient

if TYPE_CHECKING:
    from neokernel.control.machines import Running
    from neokernel.control.view import View

F = TypeVar("F", bound=Callable[..., Any])

#: seconds that completion waits for a machine: a shell that hangs is worse than one that doesn't know
PATIENCE_OF_SHELLS = 1.0
#: seconds in which a machine ends whose line has ended, times `NK_PATIENCE`; and between two looks
PATIENCE_OF_ENDS, PAUSE = 3.0, 0.05


# --- options ----------------------------------------------------------------------------------------------------------


def complete_machines(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from neokernel.control.machines import NoFolder, running

    with contextlib.suppress(NoFolder, OSError):
        return [CompletionItem(each.name) for each in running()[0] if each.name.startswith(incomplete)]
    return []


def complete_services(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The services of the machine that runs."""
    from neokernel.patience import BadPatience

    try:
        with session(ctx.params.get("machine"), ctx.params.get("key"), patience=PATIENCE_OF_SHELLS) as view:
            found = view.services()
    except (ToolError, OSError, BadPatience):
        return []
    return [CompletionItem(each.name, help=each.phase) for each in found if each.name.startswith(incomplete)]


def complete_programs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The programs in the image of the machine that runs: init is none that a service could be replaced by."""
    from neokernel.image.archive import BadArchive
    from neokernel.image.elf import BadImage, Image
    from neokernel.image.kernel import archive_of

    try:
        entries = archive_of(Image(chosen(ctx.params.get("machine")).image))
    except (ToolError, OSError, BadArchive, BadImage):
        return []
    return [CompletionItem(each.name) for each in entries[1:] if each.parts and each.name.startswith(incomplete)]


def machine_option(function: F) -> F:
    """`--machine` and `--key`, as every command has them that talks to one: the parameters `machine` and `key`."""
    function = click.option(
        "--key",
        type=click.Path(path_type=Path),
        envvar="NK_OPERATOR",
        help="The operator's private key; default: NK_OPERATOR, or your development key.",
    )(function)
    return click.option(
        "--machine", metavar="NAME", shell_complete=complete_machines, help="Which one, if several run."
    )(function)


def service_argument(function: F) -> F:
    """SERVICE, which the shell completes: the parameter `service`."""
    return click.argument("service", shell_complete=complete_services)(function)


# --- which machine ----------------------------------------------------------------------------------------------------


def found_machines() -> tuple[list[Running], list[Path]]:
    """The machines that run, and the folders of those that ended without saying so."""
    from neokernel.control.machines import NoFolder, running

    try:
        return running()
    except (NoFolder, OSError) as error:
        raise ToolError("NK1601", f"no machine can be found: {error}") from error


def chosen(name: str | None) -> Running:
    """The machine of that name, or the only one."""
    found, stale = found_machines()
    called = ", ".join(each.name for each in found)
    if name is not None:
        machine = next((each for each in found if each.name == name), None)
        if machine is not None:
            return machine
        if any(folder.name == name for folder in stale):
            raise ToolError("NK1601", f"{name} has ended without saying so", "`nk run` starts it again")
        help = f"there are: {called}" if found else "none does: `nk run SYSTEM` starts one"
        raise ToolError("NK1601", f"no machine called {name} runs", help)
    if not found:
        ended = f" ({', '.join(folder.name for folder in stale)} ended without saying so)" if stale else ""
        raise ToolError("NK1601", f"no machine runs{ended}", "`nk run SYSTEM` in another terminal starts one")
    if len(found) > 1:
        raise ToolError("NK1601", f"{len(found)} machines run: {called}", f"`--machine {found[0].name}`, for example")
    return found[0]


def key_of(path: Path | None) -> tuple[Any, bytes]:
    """The operator's private key and the public one."""
    from neokernel.cli.trusted import complaints
    from neokernel.image.keys import development_key, read_private

    with complaints():
        if path is None:
            key, named = development_key()
            return key, named.public
        key = read_private(path)
        return key, key.public_key().public_bytes_raw()


# --- a session --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def session(name: str | None, key: Path | None, *, patience: float | None = None) -> Iterator[View]:
    """What the machine tells, for as long as the `with` lasts."""
    from neokernel.control.channel import PATIENCE, Channel
    from neokernel.control.remote import connected
    from neokernel.control.view import View

    machine = chosen(name)
    with told_of(machine), free_line(machine) as path:
        private, public = key_of(key)
        identity = bytes.fromhex(machine.identity) or None
        with Channel(path, PATIENCE if patience is None else patience) as channel:
            begun = channel.open(private, public, identity)
            with connected(channel) as remote:
                yield View(remote, begun)


@contextlib.contextmanager
def free_line(machine: Running) -> Iterator[Path]:
    """A line of the machine's that nobody else uses."""
    from neokernel.control.machines import taken

    if not machine.control:
        help = "a system is asked by a control service, at a port called `control`: docs/guide/watching.md"
        raise ToolError("NK1601", f"{machine.name} runs, and has no line for operators", help)
    with contextlib.ExitStack() as stack:
        for port in machine.control:
            if stack.enter_context(taken(machine.ports[port])):
                yield machine.ports[port]
                return
        count = len(machine.control)
        lines = "line is" if count == 1 else f"{count} lines are"
        help = "end the other `nk top`, `nk logs -f`, …, or give the system another control service"
        raise ToolError("NK1602", f"somebody else talks to {machine.name}: its {lines} taken", help)


@contextlib.contextmanager
def told_of(machine: Running) -> Iterator[None]:
    """What goes wrong with the machine, as an error for people."""
    from neokernel.control.channel import ChannelError, Gone, Impostor, Interrupted, Refused
    from neokernel.control.machines import is_alive
    from neokernel.control.view import NotGranted, NotTold

    name = machine.name
    try:
        yield
    except NotGranted as error:
        raise ToolError("NK1604", f"{error.whom} {error.why}", error.help) from error
    except NotTold as error:
        raise ToolError("NK1602", f"{name}: {error}", "`nk ps` says how its services are") from error
    except Impostor as error:
        raise ToolError("NK1603", f"what answers isn't {name}: {error}", "nothing was signed") from error
    except Refused as error:
        if error.reason == "KEY":
            wait = f"; nobody is answered for {error.wait:g} s" if error.wait else ""
            help = f"`nk enrol --operator` enrols keys, `nk run` your development key; `--key` names another{wait}"
            raise ToolError("NK1603", f"{name} doesn't know this operator's key", help) from error
        why = {
            "ENROLMENT": "it is enrolled with no operator's key",
            "ENTROPY": "it has no random bytes: its entropy driver doesn't answer",
        }.get(error.reason, "what we say isn't what it understands")
        code = "NK1603" if error.reason == "ENROLMENT" else "NK1602"
        raise ToolError(code, f"{name} lets nobody in: {why}") from error
    except ChannelError as error:
        gone = isinstance(error, Gone) and not isinstance(error, Interrupted)
        if has_ended(machine) if gone else not is_alive(machine.folder):
            raise ToolError("NK1602", f"{name} has ended", "`nk run` starts it again") from error
        help = "ask again" if isinstance(error, Gone) else "`nk autopsy` looks at it from outside"
        raise ToolError("NK1602", f"{name} doesn't answer: {error}", help) from error


def has_ended(machine: Running) -> bool:
    """Its line has ended: has the machine? A machine's own `nk` takes a while to end when QEMU has."""
    from neokernel.control.machines import is_alive

    end = time.monotonic() + patient(PATIENCE_OF_ENDS)
    while is_alive(machine.folder):
        if time.monotonic() > end:
            return False
        time.sleep(PAUSE)
    return True


def index_of(view: View, service: str) -> int:
    """The service's number."""
    found = view.find(service)
    if found is None:
        from neokernel.compiler.diagnostics import suggestion

        names = [each.name for each in view.services()]
        help = suggestion(service, names) or f"there are: {', '.join(names)}"
        raise ToolError("NK1605", f"there is no service {service}", help)
    return found
