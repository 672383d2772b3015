"""A denial in words, with the rule: the line of the system file that would grant it, or that grants no more.

digits was denied CALL by its capability 700: no line of [service.digits] grants one there
digits was denied SIGNAL: [service.digits] uses.gateway grants something else
digits was denied to read 0x10000000: nothing that [service.digits] has is mapped there so
"""

from __future__ import annotations

from neokernel.abi.call import Call, label_of
from neokernel.abi.description import FIRST_DECLARED, MAXIMUM_GRANTS, GrantKind
from neokernel.abi.operations import operation_of
from neokernel.abi.status import FIRST, INVOKED, REPLY, WORD, Status
from neokernel.interfaces.clients.log_line import LogLine
from neokernel.interfaces.system import Access, Denial, GrantInfo, Trespass
from neokernel.lang import u64


def place_of(capability: u64) -> u64 | None:
    """Which of its grants a service means by the index of a capability; None if it is another one."""
    if FIRST_DECLARED <= capability < u64(FIRST_DECLARED) + MAXIMUM_GRANTS:
        return capability - FIRST_DECLARED
    return None


def say(line: LogLine, service: str, denial: Denial, grant: GrantInfo | None, name: str) -> None:
    """`grant`: what the system's description grants at the index of the capability; `name`: what it is called there."""
    line.write(f"{service} was denied ")
    say_call(line, denial, grant)
    if denial.argument == REPLY:
        # What REPLY invokes is that one: it ignores the other.
        line.write(": what it names as its Reply ")
        say_lack(line, denial.status)
    elif denial.argument not in (INVOKED, WORD):
        say_capability(line, denial, grant, name)
        line.write(f": what it names by argument {denial.argument} ")
        say_lack(line, denial.status)
    elif grant is None:
        say_capability(line, denial, grant, name)
        line.write(f": no line of [service.{service}] grants ")
        match denial.status:
            case Status.NO_CAPABILITY:
                line.write("one there")
                if is_everyday(denial, grant):
                    line.write(", or it has ended with who gave it")
            case Status.WRONG_KIND:
                line.write("it, and it is something else")
            case _ if denial.argument == WORD:
                line.write("it, and it passes no capabilities")
            case _:
                line.write("it, and it has no such right")
    else:
        # The rule names it.
        line.write(": ")
        say_rule(line, service, grant, name)
        match denial.status:
            case Status.NO_CAPABILITY if grant.kind is GrantKind.NONE:
                line.write(" grants nothing")
            case Status.NO_CAPABILITY:
                line.write(" grants what has ended")
            case Status.WRONG_KIND:
                line.write(" grants something else")
            case _ if denial.argument == WORD:
                line.write(" doesn't let it pass capabilities")
            case _:
                line.write(" grants no such right")


def say_capability(line: LogLine, denial: Denial, grant: GrantInfo | None, name: str) -> None:
    line.write(" by its capability ")
    if grant is None:
        line.write(f"{denial.capability}")
    else:
        line.write(f"`{name}`")


def say_times(line: LogLine, times: u64) -> None:
    """How often, one after the other."""
    if times != 1:
        line.write(f" ({times} times)")


def is_everyday(denial: Denial, grant: GrantInfo | None) -> bool:
    """Is it what happens without anything being wrong?

    Who may do without something asks for it, to learn that; and who signals somebody who has just ended can't know it.
    """
    if denial.status is not Status.NO_CAPABILITY or denial.argument != INVOKED:
        return False
    return denial.call is Call.SIGNAL if grant is None else grant.kind is GrantKind.NONE


def say_lack(line: LogLine, status: Status) -> None:
    match status:
        case Status.NO_CAPABILITY:
            line.write("isn't there")
        case Status.WRONG_KIND:
            line.write("is something else")
        case _:
            line.write("has no such right")


def say_access(line: LogLine, service: str, trespass: Trespass) -> None:
    line.write(f"{service} was denied to ")
    match trespass.access:
        case Access.READ:
            line.write("read")
        case Access.WRITE:
            line.write("write")
        case Access.EXECUTE:
            line.write("execute")
    line.write(f" {trespass.address:#x}: nothing that [service.{service}] has is mapped there so")


def say_call(line: LogLine, denial: Denial, grant: GrantInfo | None) -> None:
    """The operation, if it surely was one."""
    operation = operation_of(label_of(denial.word))
    if denial.call is Call.CALL and operation is not None and is_operation(denial, grant):
        line.write(f"{operation.name}")
    else:
        line.write(f"{denial.call.name}")


def is_operation(denial: Denial, grant: GrantInfo | None) -> bool:
    """Was it invoked on what isn't an endpoint? There a label is whatever client and server agree on."""
    if grant is not None:
        return grant.kind not in (GrantKind.NONE, GrantKind.PROVIDES, GrantKind.USES, GrantKind.SYSTEM)
    if denial.argument == INVOKED:
        return denial.status is Status.WRONG_KIND
    return FIRST <= denial.argument < REPLY


def say_rule(line: LogLine, service: str, grant: GrantInfo, name: str) -> None:
    """The line of the system file."""
    line.write(f"[service.{service}] ")
    match grant.kind:
        case GrantKind.PROVIDES:
            line.write("provides")
        case GrantKind.DEVICE:
            line.write("devices")
        case GrantKind.INTERRUPT:
            line.write("interrupts")
        case GrantKind.DMA:
            line.write("dma")
        case GrantKind.MEMORY:
            line.write("pools")
        case _:
            line.write("uses")
    line.write(f".{name}")
