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
has passed) doesn't wait. An index counts in the thread's own table. A call that fails leaves its status in `a1`, and 0
in `a0` and `a2`–`a5`; a call with a number that isn't listed is a fault (SYSTEM_CALL).

A message word:

| bits | what |
|---|---|
| 0–31 | label: the operation of a kernel object, or whatever client and server agree on |
| 32–41 | length, in words: the first four in `a2`–`a5`, the others in the thread's buffer |
| 42–44 | how many capabilities travel, named in the buffer |
| 45 | kernel: what arrived are the signals of the bound notification |
| 46 | kernel: what arrived is a fault report |
| 47 | kernel: this answer has been given; the call that gave it is entered again |
| 48–55 | kernel: status |
| 56–63 | kernel: which argument the status is about |

The bits of the kernel are zero in what a thread sends: a server can't forge a status. Only of REPLY and REPLY_RECEIVE
bit 47 is looked at: with it they give no answer, and complete a call that has one. The kernel sets it when an interrupt
comes between.

A message arrives whole or not at all. If the receiver can't take it (it has no buffer, its window is too small, it has
no Reply for a call), the sender fails, whether it came first or waited, and the receiver goes on waiting.

A Reply holds one caller at a time, from when its call is received until the call ends. It belongs to the thread that
last waited, or took a call, with it, until that thread does so with another one or with none, or ends: other threads
can't receive with it (OCCUPIED of argument 6), but whoever has a capability of it, with any rights, can answer.

A thread without a SchedContext of its own runs on the time of whoever calls it. So it can be called, but not sent to
(WRONG_STATE of argument 0), and can't receive until a deadline (WRONG_STATE of argument 2).
"""

from enum import Enum

from neokernel.abi.status import Status
from neokernel.lang import requires, u64


class Call(Enum):
    """The value of `a7`."""

    #: On an Endpoint (SEND; GRANT if capabilities travel): send a message, wait until it is received and answered. On
    #: the capability of any other object: do one of its operations. The receiver must have named a Reply.
    CALL = 0
    #: On an Endpoint (RECEIVE): answer the caller whom the Reply holds, if it holds one, then receive with the same
    #: Reply, without a deadline. If answering fails, nothing is received, and the caller waits on. If an interrupt
    #: comes in between, the caller has its answer, and goes on when the call, which is entered again, is complete. Has
    #: another thread completed it meanwhile, and the Reply holds the next caller: OCCUPIED of argument 6.
    REPLY_RECEIVE = 1
    #: On an Endpoint (SEND; GRANT if capabilities travel): wait until somebody takes the message. There is no reply.
    #: The receiver must have time of its own.
    SEND = 2
    #: On an Endpoint (RECEIVE): wait for a message, until a deadline. If it is a call, the Reply holds the caller then.
    #: `a6` = 0 names no Reply: calls can't be received. Signals of a bound notification end it, too.
    RECEIVE = 3
    #: Answer the caller whom the Reply holds; `a0` is ignored. If it fails, the caller waits on. If another thread's
    #: answer is there already, whose REPLY is yet to be entered again, the caller goes on with that one. Any right.
    REPLY = 4
    #: On a Notification (WAIT): take its signals, wait for some until a deadline. `a0` gets the word of signals, and
    #: none are left; of a counting one it gets 1, and the count is one less.
    WAIT = 5
    #: On a Notification (SIGNAL): the badge of the capability, or 1 if it has none, is ORed into the word of signals;
    #: of a counting one, the count is one more. Who has waited longest gets it at once.
    SIGNAL = 6
    #: Let others of the same priority run; of a thread that was dispatched: give the processor back. Never fails.
    YIELD = 7
    #: SEND if somebody waits for the message; otherwise fail at once.
    TRY_SEND = 8


#: deadlines: don't wait
NOW = 0
#: wait for good
NEVER = 0xFFFF_FFFF_FFFF_FFFF

#: places of a message word's parts
LABEL_MASK = 0xFFFF_FFFF
LENGTH_SHIFT = 32
LENGTH_MASK = 0x3FF
CAPABILITIES_SHIFT = 42
CAPABILITIES_MASK = 7
SIGNALS_BIT = 1 << 45
FAULT_BIT = 1 << 46
GIVEN_BIT = 1 << 47
STATUS_SHIFT = 48
STATUS_MASK = 0xFF
ARGUMENT_SHIFT = 56

#: words of a message that travel in registers
REGISTER_WORDS = 4
#: words of a message, altogether
MAXIMUM_WORDS = 512
#: capabilities that travel with a message
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
    requires(argument < 256)
    return (u64(status.value) << STATUS_SHIFT) | (argument << ARGUMENT_SHIFT)
