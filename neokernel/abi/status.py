"""How a system call ended. A status names its argument: `OUT_OF_RANGE of argument 2`.

Arguments are counted like the registers: 0 is the capability that is invoked, 1 the message word, 2 to 5 the payload,
6 the Reply; 8 to 11 are the capabilities that travel, 12 is the receive window: the receiver's, if a message is sent,
and the caller's, if capabilities come back from an operation.

What failed has changed nothing, with three exceptions, which are done step by step: RETYPE, DELETE and REVOKE say how
far they go.
"""

from enum import Enum

from neokernel.lang import u64


class Status(Enum):
    #: done
    OK = 0
    #: no operation has this label. (A system call that doesn't exist is a fault.)
    UNKNOWN_OPERATION = 1
    #: the index is beyond the table, or the slot is empty
    NO_CAPABILITY = 2
    #: the capability names another kind of object than the call or operation is for, or a sort of memory or frame that
    #: can't be used so: a device's, a large one
    WRONG_KIND = 3
    #: the capability lacks the right. Of argument 1: capabilities travel, and the endpoint's lacks GRANT
    MISSING_RIGHT = 4
    #: a number is too large, too small, or not one of those allowed
    OUT_OF_RANGE = 5
    #: the address isn't a multiple of the size of what would be there
    MISALIGNED = 6
    #: the slot, page or binding that would be filled is in use, or what it would be filled with is in use elsewhere
    OCCUPIED = 7
    #: the Memory, or the table of pins, has too little left
    OUT_OF_MEMORY = 8
    #: the object isn't in the state that the operation needs: not mapped, not bound, nobody waiting for the reply; of a
    #: message: who receives has no Reply for a call, or no time of its own
    WRONG_STATE = 9
    #: a page table is missing on the way to the address
    NO_PAGE_TABLE = 10
    #: the deadline has passed; of argument 0: nobody waits for the message, and TRY_SEND doesn't wait either
    TIMED_OUT = 11
    #: the wait was ended: by a suspension, or by the end of the Endpoint or Notification
    CANCELLED = 12
    #: the server's thread, or the Reply that held the caller, has gone: the call may have been served or not
    PEER_DIED = 13
    #: capabilities were derived from it, or it is being revoked, or the message names it twice: it can't be moved
    HAS_CHILDREN = 14
    #: an ancestor is being revoked, or it was derived 64 times: nothing can be derived from it
    UNDERIVABLE = 15
    #: the source has a badge already, or is of a kind that has none (Endpoint, Notification and Processor have)
    BADGED = 16
    #: a device may still reach the frame, or one of those that would be deleted: unpin it first
    PINNED = 17
    #: there is no buffer for the message's words or capabilities: of argument 1 the sender has none, of 12 the receiver
    NO_BUFFER = 18
    #: the receive window can't take the capabilities: it is too small, leaves the table, or its slots are in use
    NO_WINDOW = 19

    # What the kernel never says, but the runtime does, of the arguments of its functions.

    #: the process's own table has no such run of free slots; of a process that is made: its maker has too many already
    OUT_OF_SLOTS = 20
    #: the boot archive has no program of this name
    NO_PROGRAM = 21


#: the capability that is invoked
INVOKED = 0
#: the message word
WORD = 1
#: the payload's words
FIRST = 2
SECOND = 3
THIRD = 4
#: the Reply
REPLY = 6
#: the first capability that travels
TRAVELLING = 8
#: the receive window
WINDOW = 12

#: the first that isn't the kernel's
FIRST_OF_RUNTIME = 20
assert u64(Status.NO_PROGRAM.value) < 256, "a status has 8 bits"
