"""System calls: how a thread enters the kernel.

Registers at the `ecall`, and after it:

| register | in | out |
|---|---|---|
| `a7` | which call | 0 |
| `a0` | index of the capability that is invoked | badge of what arrived, or the word of a notification |
| `a1` | message word | message word |
| `a2`–`a5` | payload; of RECEIVE and WAIT `a2` is a deadline | payload |
| `a6` | index of the Reply capability (RECEIVE, REPLY_RECEIVE, REPLY) | 0 |

`s0`–`s11`, `sp`, `gp` and `tp` are preserved; `ra` and `t0`–`t6` are zero afterwards. All four words of payload travel
with every message. A deadline is a time in ticks of the `time` counter; `NEVER` waits for good, `NOW` (or any time that
has passed) doesn't wait.

A message word:

| bits | what |
|---|---|
| 0–31 | label: the operation of a kernel object, or whatever client and server agree on |
| 32–41 | length, in words: the first four in `a2`–`a5`, the others in the thread's buffer |
| 42–44 | how many capabilities travel, named in the buffer |
| 45 | kernel: what arrived are the signals of the bound notification |
| 46 | kernel: what arrived is a fault report |
| 48–55 | kernel: status |
| 56–63 | kernel: which argument the status is about |

The bits of the kernel are zero in what a thread sends: a server can't forge a status.
"""

from enum import Enum

from neokernel.abi.status import Status
from neokernel.lang import u64


class Call(Enum):
    """The value of `a7`."""

    #: send a message, wait for its reply; on a kernel object's capability: an operation of the object
    CALL = 0
    #: answer the caller whom the Reply holds, then receive with the same Reply
    REPLY_RECEIVE = 1
    #: wait until somebody takes the message; there is no reply
    SEND = 2
    #: wait for a message, until a deadline
    RECEIVE = 3
    #: answer the caller whom the Reply holds
    REPLY = 4
    #: take a notification's signals, wait for some until a deadline
    WAIT = 5
    #: signal a notification: its badge is added to the word
    SIGNAL = 6
    #: let others of the same priority run
    YIELD = 7
    #: SEND if somebody waits for it, fail otherwise
    TRY_SEND = 8


NOW = 0
NEVER = 0xFFFF_FFFF_FFFF_FFFF

LABEL_MASK = 0xFFFF_FFFF
LENGTH_SHIFT = 32
LENGTH_MASK = 0x3FF
CAPABILITIES_SHIFT = 42
CAPABILITIES_MASK = 7
SIGNALS_BIT = 1 << 45
FAULT_BIT = 1 << 46
STATUS_SHIFT = 48
STATUS_MASK = 0xFF
ARGUMENT_SHIFT = 56

#: words of a message that travel in registers, and altogether
REGISTER_WORDS = 4
MAXIMUM_WORDS = 512
MAXIMUM_CAPABILITIES = 4


def message(label: u64, length: u64 = 0, capabilities: u64 = 0) -> u64:
    """The message word of what a thread sends. `label` fits 32 bits, `length` is at most 512, `capabilities` 4."""
    return label | (length << LENGTH_SHIFT) | (capabilities << CAPABILITIES_SHIFT)


def label_of(word: u64) -> u64:
    return word & LABEL_MASK


def length_of(word: u64) -> u64:
    return (word >> LENGTH_SHIFT) & LENGTH_MASK


def capabilities_of(word: u64) -> u64:
    return (word >> CAPABILITIES_SHIFT) & CAPABILITIES_MASK


def status_of(word: u64) -> u64:
    """A number of `Status`; 0 is success."""
    return (word >> STATUS_SHIFT) & STATUS_MASK


def argument_of(word: u64) -> u64:
    """Which argument the status is about (see `abi/status.py`)."""
    return word >> ARGUMENT_SHIFT


def failure(status: Status, argument: u64) -> u64:
    """The message word that says: this didn't happen, because of that argument."""
    return (u64(status.value) << STATUS_SHIFT) | (argument << ARGUMENT_SHIFT)
