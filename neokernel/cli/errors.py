"""Exit codes, and the errors of the tools themselves: a code, what happened, what to do.

Codes NK1000 and up are the tools'; those below are the compiler's (`neokernel.compiler.codes`), those from NK2000 on
are of system files (`neokernel.image.systemfile.codes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from neokernel.cli.distribution import QEMU_COMMANDS


class Exit(IntEnum):
    """What `nk` exits with. The status of a guest is passed on as it is; a crash of it is never 0."""

    SUCCESS = 0
    NEGATIVE = 1
    USAGE = 2
    MANIFEST = 3
    COMPILE = 4
    TRUST = 5
    UNREACHABLE = 6
    SKIPPED = 77
    TIMEOUT = 124
    INTERRUPT = 130
    BROKEN_PIPE = 141


@dataclass(frozen=True)
class ToolCode:
    """An error of the tools: its title and the text of `nk explain`."""

    title: str
    explanation: str
    exit: Exit


TOOL_CODES: dict[str, ToolCode] = {
    "NK1001": ToolCode(
        "wrong usage",
        "The command line doesn't fit the command. `nk COMMAND --help` shows what it takes.",
        Exit.USAGE,
    ),
    "NK1002": ToolCode(
        "no program there",
        "A program is a folder with a `main.py`, or the file of a module with a function `main`. The given path "
        "is neither, or it is a test's (`test_*.py`, `conftest.py`), which CPython alone runs.",
        Exit.USAGE,
    ),
    "NK1003": ToolCode(
        "unknown error code",
        "`nk explain` expands the codes that errors carry, such as NK0101. `nk explain` alone lists all of them.",
        Exit.USAGE,
    ),
    "NK1004": ToolCode(
        "the image can't be read",
        "`nk run` and `nk debug` take a program's source or an image that `nk build` made: an ELF file for riscv64.",
        Exit.USAGE,
    ),
    "NK1005": ToolCode(
        "a file can't be written",
        "The output's folder doesn't exist, can't be written to, or the disk is full; or the file is there already and "
        "isn't one that the command would replace.",
        Exit.USAGE,
    ),
    "NK1006": ToolCode(
        "the assembler or the linker refuses the program",
        "The text of `asm` and `assembly` goes to the assembler as it is; the message numbers the lines of all of it. "
        "The linker misses symbols that such text names and nothing defines, or finds that the image doesn't fit the "
        "machine's memory. If the program has no unsafe module of its own and isn't large, it is a fault of the "
        "compiler, not yours: please report the message, with the program that shows it and the output of "
        "`nk doctor --json`.",
        Exit.COMPILE,
    ),
    "NK1007": ToolCode(
        "a module has the name of one of Python's own",
        "A program's module must not be called like a module of Python's standard library (`queue`, `string`, `glob`, "
        "…): under CPython, Python's own modules would get it instead of theirs, or the program theirs instead of it. "
        "Rename its file, and what imports it.",
        Exit.USAGE,
    ),
    "NK1008": ToolCode(
        "no trace to be read",
        "`nk trace` looks for the ring of the kernel's records in the machine's memory, or in the dump that `--from` "
        "names. Programs that `nk trace` builds start a trace before `main`; in an image that you have built, the "
        "program must: `start_tracing` of `neokernel.runtime.tracing`. A dump is a Trace object's frames, one after "
        "the other from the first on; `nk trace --dump` writes one too. If it is cut off or holds something else, the "
        "message says where.",
        Exit.USAGE,
    ),
    "NK1009": ToolCode(
        "no code at this address",
        "`nk where` looks for an address, hexadecimal, in the code of the image that it is given: of a system in its "
        "kernel and each of its programs. An address is of one build: after a change, or another `nk build`, the same "
        "line has another. A fault whose program counter is in no code is a jump to nowhere: it was called or returned "
        "to through something overwritten.",
        Exit.NEGATIVE,
    ),
    "NK1010": ToolCode(
        "no system file",
        "A system file is TOML: `system.toml` in the current folder, `systems/NAME.toml`, or any other that is named "
        "on the command line. docs/guide/systems.md shows how one is written.",
        Exit.USAGE,
    ),
    "NK1011": ToolCode(
        "no such thing in the system",
        "`nk cap why A B` takes names of services, of the board's devices that somebody has, and `kernel.power` and "
        "the like, as `nk graph` shows them.",
        Exit.USAGE,
    ),
    "NK1012": ToolCode(
        "nothing to deny",
        "`--deny SERVICE.NAME` leaves out one line of a system file for once, to see what happens without it: NAME is "
        "one that the service is granted, as `nk graph` lists them.",
        Exit.USAGE,
    ),
    "NK1013": ToolCode(
        "nothing new can be made",
        "`nk new service NAME` and `nk new driver NAME` make a folder NAME, which mustn't be there yet. NAME is small "
        "letters, digits and `-`, as services are called; its module, with `_` for `-`, mustn't be one of Python's.",
        Exit.USAGE,
    ),
    "NK1014": ToolCode(
        "the files can't be embedded",
        "`nk embed FOLDER -o NAME.py` writes the files in FOLDER as a module, which a program imports. Their names are "
        "printable ASCII, they have 8 MiB together at most, and NAME is one that a module can have.",
        Exit.USAGE,
    ),
    "NK1101": ToolCode(
        "QEMU is missing or too old",
        "Systems are booted in qemu-system-riscv64, version 7.2 or newer. `make setup` installs it on Debian and "
        "Ubuntu when run as root; by hand: "
        f"{', '.join(f'{system} `{command}`' for system, command in QEMU_COMMANDS.items())}. "
        "Debian 12 has a newer one in bookworm-backports: add that suite to apt's sources, then `apt-get update` and "
        "`apt-get install -t bookworm-backports qemu-system-riscv opensbi`. `nk doctor` checks the whole machine.",
        Exit.UNREACHABLE,
    ),
    "NK1102": ToolCode(
        "no debugger for riscv64",
        "`nk debug` needs a gdb that knows riscv64: Debian and Ubuntu `apt-get install gdb-multiarch`; on Fedora and "
        "Arch the ordinary gdb does. `--gdb PROGRAM` names one yourself.",
        Exit.UNREACHABLE,
    ),
    "NK1103": ToolCode(
        "the machine didn't start",
        "QEMU ended with an error of its own before the program could run; the message has what it said.",
        Exit.UNREACHABLE,
    ),
    "NK1104": ToolCode(
        "out of time",
        "The machine was still running when the time that `--timeout` gave was over, and was stopped: the exit status "
        "is 124, of `nk run` and of `nk trace`. If a system stands still that should go on, `nk trace --timeout 5 "
        "PROGRAM` says of each thread which call it is in, or at which fault it was left, and writes how it came to "
        "that; `nk where` says which line a program counter is. The commonest reason is a child that has crashed: "
        "who calls it waits until it is ended. Its fault comes to the endpoint that its maker named, and is silent "
        "while nobody receives there, with `await_death`: a maker that calls its own child needs another thread for "
        'that (docs/guide/processes.md, "Supervisors"). '
        "Others: a client waits at an endpoint that nobody receives from; a thread's context has no budget. On the "
        "bare machine there is one thread: `nk debug` shows where it is.",
        Exit.TIMEOUT,
    ),
    "NK1105": ToolCode(
        "interrupted",
        "The command was stopped by ctrl-C or a signal. What it had started was stopped too.",
        Exit.INTERRUPT,
    ),
    "NK1106": ToolCode(
        "a disk that can't be used",
        "A system file puts a disk into a slot of the board, `[slot.NAME]`, whose bytes are in a file of the host's. "
        "It must be there, unless `size` says how large it is made; be readable, and writable unless it is `read_only` "
        "or `temporary`; and have whole sectors of 512 bytes.",
        Exit.USAGE,
    ),
    "NK1107": ToolCode(
        "a socket that can't be used",
        "A system file has ports, `[slot.NAME]` with `ports`, each of which is a Unix socket on the host, where "
        "programs reach the machine while it runs. Its path may have 107 bytes; nothing else may stand there, nor "
        "another machine's socket. One that a machine has left behind is taken over.",
        Exit.USAGE,
    ),
    "NK1108": ToolCode(
        "a port of the host that can't be had",
        "A system file's network has `forward`: ports of the host, on 127.0.0.1, behind which are ports of the "
        "machine. Another program has one of them, maybe another machine; or it is below 1024, and the host keeps "
        "those for root. `--forward tcp/8001=8000` of `nk run` takes the host's port 8001 for the machine's 8000 "
        "instead.",
        Exit.USAGE,
    ),
    "NK1109": ToolCode(
        "the demonstration came to a stop",
        "`nk demo` boots the inference gateway and has clients ask it. The machine has ended, or a service that was "
        "killed hasn't come back, or clients aren't answered any more, for minutes. The message says which.",
        Exit.NEGATIVE,
    ),
    "NK1201": ToolCode(
        "a package is missing",
        "The installation isn't complete: `make setup` installs what the tools need, `tools/setup.sh test` "
        "also what tests need.",
        Exit.UNREACHABLE,
    ),
    "NK1301": ToolCode(
        "the benchmark failed",
        "A side of the benchmark couldn't be built or run, or gave a wrong result: there is no number to show.",
        Exit.NEGATIVE,
    ),
    "NK1401": ToolCode(
        "not proven",
        "`nk prove` looks at each function with any arguments that its `requires` allows, in objects whose invariants "
        "hold. Here it found a way in which a check fails or a contract is broken (the message shows it), or the "
        "solver gave up; or what is required can't be, or an end of which something is promised isn't reached, so that "
        "a proof would say nothing. The program may still be right: the prover knows of a loop only what its "
        "`loop_invariant`s say, and of a function that has an `ensures` only that. docs/guide/proving.md goes through "
        "what to do.",
        Exit.NEGATIVE,
    ),
    "NK1402": ToolCode(
        "there may be more than one object",
        "Proofs of the kernel take all references to some structs for the same, as there is one object of each: which, "
        "says `SINGLE` in neokernel/spec/outcomes.py. `nk prove` sees that it is so: one instruction makes it, outside "
        "of loops, in functions that are called from one place each, up to boot; and none is a part of another object. "
        "The message shows where there may be another. Nothing was proven.",
        Exit.COMPILE,
    ),
    "NK1501": ToolCode(
        "not a key that can be used",
        "Boot images are signed with Ed25519 keys, in PEM files as `nk key new NAME` makes them: NAME.key (PKCS #8, "
        "not encrypted) signs, NAME.pub is enrolled. A key is called like its file, in 1 to 32 printable characters of "
        "ASCII without spaces. docs/guide/signing.md goes through all of it.",
        Exit.TRUST,
    ),
    "NK1502": ToolCode(
        "no boot image, or a signature that doesn't fit",
        "A boot image is one file with kernel and programs: `nk image` makes it of a system file, or of a program "
        "whose `main` takes a Process, and `nk sign` puts its signature in a file beside it. The message says what is "
        "wrong: the file is something else; it was cut off, or changed after it was signed; the signature belongs to "
        "another image; the key that it was made with isn't among those given. Build the image and sign it again, or "
        "fetch both again from where they come.",
        Exit.TRUST,
    ),
    "NK1601": ToolCode(
        "no such machine runs",
        "`nk ps` and its like talk to a machine that `nk run` has started, as this user, and that still runs. A "
        "system can be asked if it has a control service (docs/guide/watching.md). With several machines, `--machine "
        "NAME` says which one is meant; each is called like its system, and a second one of it NAME-2.",
        Exit.UNREACHABLE,
    ),
    "NK1602": ToolCode(
        "the machine doesn't answer",
        "The machine, its control service or the driver of its line has ended, was restarted, or does something "
        "else; or what answers isn't a control service. What was asked may have been done or not: ask again. A "
        "machine that stands still can be looked at from outside: `nk autopsy`.",
        Exit.UNREACHABLE,
    ),
    "NK1603": ToolCode(
        "the machine lets nobody in with this key",
        "A control service hears operators: who has a private key whose public one stands in the board's enrolment, "
        "as an operator's. `nk run` enrols your development key; `nk enrol --operator` others, and `--key FILE` says "
        "which one you have. After a wrong key nobody is answered for a while, longer each time. If the machine "
        "isn't the one that was meant, nothing was signed.",
        Exit.TRUST,
    ),
    "NK1604": ToolCode(
        "the control service may not do that",
        "Operators reach what the system file grants the control service, and nothing else: "
        "`neokernel.services.observe` sees what runs, `neokernel.services.control` changes it, too. `nk cap why "
        "control init.system` shows what it has.",
        Exit.NEGATIVE,
    ),
    "NK1605": ToolCode(
        "no such service",
        "The machine has no service of that name: `nk ps` lists those that it has.",
        Exit.USAGE,
    ),
    "NK1606": ToolCode(
        "the machine refuses",
        "What was asked can't be done now, and nothing has changed: the service is down already, or runs already, or "
        "is being replaced; the new version isn't in the image, declares something else, or didn't get ready in "
        "time.",
        Exit.NEGATIVE,
    ),
    "NK1607": ToolCode(
        "a filter that says nothing",
        "`nk net capture` copies the frames that fit what is named: `arp`, `ip`, `icmp`, `tcp` or `udp`; `host "
        "ADDRESS` or `net ADDRESS/BITS`, which is either address of a packet; `port NUMBER`, which is either port. "
        "Each at most once, in any order. Without a filter all frames are copied.",
        Exit.USAGE,
    ),
    "NK1608": ToolCode(
        "no order that can be approved",
        "An operator's order for the dashboard is `kill SERVICE`, `stop SERVICE`, `start SERVICE` or `swap SERVICE "
        "PROGRAM`, and the nonce is that which the page shows: 32 hexadecimal digits. docs/guide/dashboard.md tells "
        "of both.",
        Exit.USAGE,
    ),
    "NK1701": ToolCode(
        "the model can't be read",
        "`nk model import` takes a model in ONNX: one file, with its weights in it. The message says what is wrong "
        "with this one. A file that was cut off or changed is exported again; docs/guide/models.md shows how.",
        Exit.COMPILE,
    ),
    "NK1702": ToolCode(
        "the model needs something that isn't supported",
        "An operator, a version of one, an attribute, a type of elements or a size. The message names the node, as the "
        "model does, its operator, and the version of that: the version of ONNX's operators that last changed it. "
        "docs/reference/operators.md lists what is supported. Often another version helps: `onnx.version_converter` "
        "converts models, and exporters can be told which version to write (opset_version=21).",
        Exit.COMPILE,
    ),
    "NK1703": ToolCode(
        "something must be known before the model runs",
        "Models are compiled for fixed shapes: each dimension is a number, and what decides how code is made (a shape, "
        "axes, pads, scales, zero points) is a constant. `--dimension NAME=NUMBER` gives a number to a dimension that "
        "the model only names, such as its batch; `--fix NAME=FILE.npy` makes an input a constant.",
        Exit.COMPILE,
    ),
    "NK1704": ToolCode(
        "a node of the model doesn't fit",
        "The shapes, types or attributes of a node contradict each other, or what the model says of a result isn't "
        "what comes out. `onnx.checker.check_model(model, full_check=True)` may say more. If that finds nothing wrong "
        "and other programs run the model, please report it.",
        Exit.COMPILE,
    ),
    "NK1705": ToolCode(
        "no bundle of a model, or a signature that doesn't fit",
        "A bundle, NAME.nkm, is a model as `nk model import` compiled it: a manifest, code and constants. The message "
        "says what is wrong: the file is something else, was cut off, or changed; or its signature is another's. Make "
        "it again, or fetch it again from where it comes.",
        Exit.TRUST,
    ),
    "NK1706": ToolCode(
        "a model isn't given what it takes",
        "`nk model show` lists a model's inputs, with their types and shapes. An array is a file as NumPy writes it "
        "(`numpy.save`), of exactly this type and shape: `--input NAME=FILE.npy`, or `--input FILE.npy` if there is "
        "one input.",
        Exit.USAGE,
    ),
    "NK1707": ToolCode(
        "a model that was pushed doesn't serve",
        "The machine looks at what `nk model push` sends: who has signed it, whether it is whole, how much memory it "
        "needs. Then a process tries it with its sample, and it has to answer requests without ending. The message "
        "says which of these has failed. The model that was served before is served as before; `nk model list` shows "
        "it, and `nk logs` what happened.",
        Exit.NEGATIVE,
    ),
    "NK1999": ToolCode(
        "internal error",
        "A fault of `nk` itself, not of your program. Run the command again with NK_DEBUG=1 in the environment, and "
        "report what it prints, with the program that shows it and the output of `nk doctor --json`.",
        Exit.NEGATIVE,
    ),
}


class Terminated(KeyboardInterrupt):
    """By SIGTERM, which ends a command as ctrl-C does."""


class ToolError(Exception):
    """An error that the user sees: one of `TOOL_CODES`, what happened, and what to do about it."""

    def __init__(self, code: str, message: str, help: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help

    @property
    def exit(self) -> Exit:
        return TOOL_CODES[self.code].exit

    def as_json(self) -> dict[str, object]:
        return {"error": {"code": self.code, "message": self.message, "help": self.help}, "exit": int(self.exit)}
