"""Rights: what a capability lets its holder do. A copy has at most the rights of what it was copied from.

The capability that RETYPE makes has all rights (DMA and TRACE only if the Memory's has them). A right that means
nothing to the kind of object does nothing.
"""

from neokernel.lang import u16

#: Frame: may be mapped readable; Trace: its ring may be read
READ: u16 = 1 << 0
#: Frame: may be mapped writable; Platform: the console may be written to
WRITE: u16 = 1 << 1
#: Frame: may be mapped executable
EXECUTE: u16 = 1 << 2
#: Endpoint: send and call; be bound as a fault handler
SEND: u16 = 1 << 3
#: Endpoint: receive
RECEIVE: u16 = 1 << 4
#: Endpoint: messages that are sent may carry capabilities (a reply may always)
GRANT: u16 = 1 << 5
#: Notification: signal; be bound to an interrupt, or hold a thread
SIGNAL: u16 = 1 << 6
#: Notification: wait; be bound to a thread
WAIT: u16 = 1 << 7
#: the object's own operations: retype Memory, fill a CapTable, map into an AddressSpace, control a Thread, …; to be
#: named by another one's: install a PageTable, bind an AddressSpace, CapTable, SchedContext or Floats, configure,
#: cancel an Endpoint's senders
CONTROL: u16 = 1 << 8

#: Memory: may become a DmaSpace, whose holder is trusted; Memory made of it has the right, too
DMA: u16 = 1 << 9
#: Memory: may become a Trace, whose holder sees what everybody does; Memory made of it has the right, too
TRACE: u16 = 1 << 10
#: every right
ALL: u16 = (1 << 11) - 1
#: what makes of Memory more than memory: whoever has it reaches beyond what is its own
BEYOND: u16 = DMA | TRACE
