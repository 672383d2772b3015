"""The way in: the group `nk`, and the one handler of all that goes wrong.

Invariants: no traceback reaches a user (but with NK_DEBUG=1); with `--json`, standard output is one JSON value, errors
included; a command's module is imported only when it is used.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from neokernel import early

early.arm()
# A command's modules and most of what it makes stay until it ends: a look for cycles every 700 objects finds nothing.
gc.set_threshold(100_000, 20, 20)

import click  # noqa: E402 - it takes its time, in which a user may think better of it

from neokernel.cli.errors import Exit, Terminated, ToolError  # noqa: E402

if not early.is_script():
    early.disarm()

#: name → what it does; each is `command` in the file of that name
COMMANDS = {
    "approve": "Sign an operator's order, for the dashboard.",
    "autopsy": "Show what every thread of a machine does that stands still.",
    "bench": "Measure, in instructions, beside the same work elsewhere.",
    "build": "Compile a program into a bootable image.",
    "cap": "Say who can reach what in a system, and what has changed.",
    "check": "Say what is wrong with a program or a system.",
    "debug": "Look at a program with gdb, from its main on, or at a service that runs.",
    "demo": "Boot the inference gateway, and show what it does while parts of it are killed.",
    "doctor": "Say whether this machine has what is needed.",
    "dump": "Write a running service as a core file, or show a program between two passes.",
    "embed": "Write a folder of files as a module of a program.",
    "enrol": "Say whose boot images a board starts.",
    "explain": "Explain an error code.",
    "graph": "Show who can reach what in a system.",
    "image": "Make a program's boot image, to be signed.",
    "key": "Make and show the keys that boot images are signed with.",
    "logs": "Show the log of a running machine.",
    "manual": "Write the reference manuals from the sources.",
    "metrics": "Print the counters of a running machine, for Prometheus.",
    "model": "Compile models in ONNX, look at them, and run them.",
    "net": "Show the network of a running machine.",
    "new": "Begin a service: program, interface, manifest, test and system file.",
    "profile": "Show in which lines the time of a running machine goes.",
    "prove": "Prove that a program's checks never fail, and that its contracts hold.",
    "ps": "Show what the services of a running machine do.",
    "run": "Build a program and boot it.",
    "sign": "Sign a boot image, or a model.",
    "size": "Show how large a program, a system or the kernel is.",
    "svc": "Show, restart, hold or replace a service of a running machine.",
    "test": "Run tests.",
    "top": "Show what services use of a running machine, as it changes.",
    "trace": "Run a system and write what its threads did, for Perfetto.",
    "verify": "Say which key a boot image, or a model, is signed with.",
    "where": "Say which line of a program an address is.",
}


class LazyGroup(click.Group):
    """A group whose commands live in files of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"neokernel.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        command.help = command.help or COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] == ["--json"]:
            line = " ".join(["nk", *args[1:2], "--json", *args[2:]])
            raise ToolError("NK1001", "put `--json` after the command", f"`{line}`" if args[1:] else "nk --help")
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            import difflib

            close = difflib.get_close_matches(name, COMMANDS, n=1)
            raise ToolError(
                "NK1001", f"no command {name!r}", f"did you mean `nk {close[0]}`?" if close else "nk --help"
            )
        return super().resolve_command(ctx, args)


def print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"nk {version('neokernel')}")
        ctx.exit()


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="The version.")
def nk() -> None:
    """Neokernel: build, run and examine systems written in Python.

    Every command takes --json. Errors carry codes that `nk explain NK0101` expands.
    """
    from neokernel.patience import BadPatience, factor

    try:
        factor()
    except BadPatience as error:
        raise ToolError(
            "NK1001", str(error), "it has `nk` wait so many times as long for what doesn't answer"
        ) from error


def main() -> NoReturn:
    """The console script."""
    signal.signal(signal.SIGTERM, as_interrupt)
    status = guarded(sys.argv[1:])
    # All is done and said: an interrupt of what Python does at its end changes nothing.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(status)


def guarded(arguments: list[str]) -> int:
    """Run a command line; its exit status. No exception gets out."""
    try:
        early.disarm()
        result = nk.main(arguments, prog_name="nk", standalone_mode=False)
        sys.stdout.flush()
        return int(result) if isinstance(result, int) else Exit.SUCCESS
    except (BrokenPipeError, SystemExit):
        # Click, which leaves all else to us, makes a SystemExit of the first.
        return reader_gone()
    except ToolError as error:
        return report(error, arguments)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return Exit.USAGE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        help_text = f"`{context.command_path} --help` shows what it takes" if context is not None else ""
        return report(ToolError("NK1001", error.format_message().rstrip("."), help_text), arguments)
    except (KeyboardInterrupt, click.Abort) as stop:
        # Click makes an Abort of the first.
        ended = any(isinstance(each, Terminated) for each in (stop, stop.__cause__, stop.__context__))
        return report(ToolError("NK1105", "ended by SIGTERM" if ended else "interrupted"), arguments)
    except Exception as error:  # noqa: BLE001 - the promise is that no traceback reaches a user
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return report(ToolError("NK1005", f"the output can't be written: {error.strerror}"), arguments)
        if os.environ.get("NK_DEBUG") == "1":
            import traceback

            traceback.print_exc()
        return report(
            ToolError(
                "NK1999",
                f"internal error: {type(error).__name__}: {error}",
                "this is a fault of nk; run it again with NK_DEBUG=1 and report what it prints",
            ),
            arguments,
        )


def reader_gone() -> int:
    """Whoever read our output has gone (`nk … | head`): end quietly, as a program does that the signal ends."""
    # The interpreter flushes once more at its end, which must not fail again.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return Exit.BROKEN_PIPE


def report(error: ToolError, arguments: list[str]) -> int:
    """Print an error, for people on standard error, for programs on standard output."""
    try:
        if wants_json(arguments):
            click.echo(json.dumps(error.as_json(), indent=2))
        else:
            from neokernel.cli.output import print_error

            print_error(error)
    except BrokenPipeError:
        return reader_gone()
    return int(error.exit)


def wants_json(arguments: list[str]) -> bool:
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in own


def as_interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """End as by ctrl-C, so that children are reaped and the terminal restored."""
    raise Terminated
