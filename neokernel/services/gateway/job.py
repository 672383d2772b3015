"""A request's memory, from its body to its answer. Each connection has one.

Invariant: `serial` grows whenever the job is put into a queue; what a queue or a process remembers of an earlier one
means nothing any more.
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.model import NAME_SIZE
from neokernel.interfaces.inference import MOST_BYTES
from neokernel.lang import Array, Embedded, array, copy, struct, u8, u16, u64, usize
from neokernel.runtime.task import Task

#: bytes of a request's body, eight for each byte of tensors: in JSON, elements of BOOL take most, `false, ` for a byte;
#: Python writes those of FP32 with up to 25 characters, for four. So whatever model fits MOST_BYTES can be asked.
MOST_BODY = 8 * MOST_BYTES
#: of its `id`
MOST_ID = 128
#: of what is said when it is wrong
MOST_MESSAGE = 240


class Phase(Enum):
    IDLE = 0
    #: in a queue
    WAITING = 1
    #: a process works on it
    GIVEN = 2
    #: the results are in `tensors`
    DONE = 3
    #: the process that had it has ended
    LOST = 4


@struct
class Version:
    """Of a model; without bytes: none."""

    length: usize = 0
    data: Array[u8] = array(NAME_SIZE)

    def text(self) -> bytes:
        return self.data[: self.length].bytes()

    def set(self, text: bytes) -> None:
        """Requires: as many bytes as a header has for it, at most."""
        self.length = len(text)
        copy(self.data[: len(text)], text)


@struct
class Job:
    phase: Phase = Phase.IDLE
    serial: u64 = 0
    #: of what its model takes and gives
    edition: u64 = 0
    #: since when and until when its results are waited for
    since: u64 = 0
    until: u64 = 0
    #: which task waits for its end
    waiter: Task | None = None
    body: Array[u8] = array(MOST_BODY)
    tensors: Array[u8] = array(MOST_BYTES)
    #: its tensors: of each example those that the model takes and gives, one example behind the other
    examples: usize = 1
    #: the version that the client insists on, and the one that has computed: while a model is replaced, what is given
    #: to the process before may be done when the name is the next one's
    asked: Embedded[Version] = Version()
    by: Embedded[Version] = Version()
    #: of the results, which are asked for: a bit each
    wanted: u16 = 0
    has_id: bool = False
    id_length: usize = 0
    id: Array[u8] = array(MOST_ID)
    message: Array[u8] = array(MOST_MESSAGE)
