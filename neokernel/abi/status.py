"""How a system call ended. A status names its argument: `OUT_OF_RANGE of argument 2`.

Arguments are counted like the registers: 0 is the capability that is invoked, 1 the message word, 2 to 5 the payload,
6 the Reply; 8 to 11 are the capabilities that travel, 12 is the thread's receive window.
"""

from enum import Enum

from neokernel.lang import u64


class Status(Enum):
    OK = 0
    #: there is no such system call, or no such operation of this kind of object
    UNKNOWN_OPERATION = 1
    #: the index is beyond the table, or the slot is empty
    NO_CAPABILITY = 2
    #: the capability names another kind of object
    WRONG_KIND = 3
    #: the capability lacks the right
    MISSING_RIGHT = 4
    #: a number is too large, too small, or not one of those allowed
    OUT_OF_RANGE = 5
    #: an address or size isn't a multiple of what it must be
    MISALIGNED = 6
    #: the slot, page or binding that would be filled is in use
    OCCUPIED = 7
    #: the Memory has too little left
    OUT_OF_MEMORY = 8
    #: the object isn't in the state that the operation needs: not mapped, not bound, nobody waiting for the reply
    WRONG_STATE = 9
    #: a page table is missing on the way to the address
    NO_PAGE_TABLE = 10
    #: the deadline has passed; or nobody was there, and the call doesn't wait
    TIMED_OUT = 11
    #: the wait was ended: by a suspension, or by the end of the endpoint or notification
    CANCELLED = 12
    #: the server, or the Reply that held the caller, has gone
    PEER_DIED = 13
    #: capabilities were derived from it: it can't be moved
    HAS_CHILDREN = 14
    #: an ancestor is being revoked, or it was derived 64 times: nothing can be derived from it
    UNDERIVABLE = 15
    #: the badge is set, or can't be set on this kind
    BADGED = 16
    #: a device may still reach the frame: unpin it first
    PINNED = 17
    #: the thread has no buffer for the words or capabilities of the message
    NO_BUFFER = 18
    #: the receiver's window can't take the capabilities: too small, or its slots are in use
    NO_WINDOW = 19


#: arguments that aren't registers: the first capability that travels, and the receive window
TRAVELLING = 8
WINDOW = 12
#: the payload's words
FIRST = 2
SECOND = 3
THIRD = 4
FOURTH = 5
INVOKED = 0
WORD = 1
REPLY = 6

assert u64(Status.NO_WINDOW.value) < 256, "a status has 8 bits"
