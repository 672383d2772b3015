"""A record of the kernel's event ring in words, for a line of text: what Perfetto isn't at hand for.

Invariant: whatever the numbers of a record are, it becomes a line; what they don't name is shown as a number.
"""

from __future__ import annotations

from collections.abc import Callable

from neokernel.abi import call
from neokernel.abi.call import Call
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import Kind
from neokernel.abi.status import Status
from neokernel.abi.trace import Event
from neokernel.image.perfetto import member
from neokernel.image.ring import Entry


def told(entry: Entry, name: Callable[[int], str]) -> str:
    """What a thread did, or what happened to it. `name`: what a thread is called, by its identifier."""
    match entry.event:
        case Event.SYSCALL:
            return f"calls {member(Call, entry.a)}, capability {entry.b}"
        case Event.SEND:
            if entry.b & call.FAULT_BIT:
                return f"reports fault {member(Fault, entry.b & call.LABEL_MASK)} to {name(entry.a)}"
            return f"sends a message to {name(entry.a)}{message(entry.b)}"
        case Event.REPLY:
            return f"answers {name(entry.a)}{message(entry.b)}"
        case Event.SWITCH:
            return "runs" if entry.thread else "the processor idles"
        case Event.INTERRUPT:
            return f"is interrupted by {f'line {entry.a}' if entry.a else 'the timer'}"
        case Event.FAULT:
            kind = member(Fault, entry.a)
            return f"has fault {kind} at {'address' if kind == Fault.PAGE.name else 'pc'} {entry.b:#x}"
        case Event.DERIVE:
            return f"{'makes' if entry.b else 'derives'} {member(Kind, entry.a)}"
        case Event.DELETE:
            return f"{'ends' if entry.b else 'deletes'} {member(Kind, entry.a)}"
        case Event.SIGNAL:
            return f"signals badge {entry.a:#x}" if entry.a else "signals"
        case Event.READY:
            return f"{name(entry.a)} is ready, at priority {entry.b}"


def message(word: int) -> str:
    """A message word, as far as it says something (`abi/call.py`); what succeeds has label 0, mostly."""
    status, label = word >> call.STATUS_SHIFT & call.STATUS_MASK, word & call.LABEL_MASK
    return f", {member(Status, status)}" if status else f", label {label:#x}" if label else ""
