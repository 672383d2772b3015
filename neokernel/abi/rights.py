"""Rights: what a capability lets its holder do. A copy has some of the rights of what it was copied from."""

from neokernel.lang import u16

#: Frame: may be mapped readable; Trace: its ring may be read
READ: u16 = 1 << 0
#: Frame: may be mapped writable
WRITE: u16 = 1 << 1
#: Frame: may be mapped executable
EXECUTE: u16 = 1 << 2
#: Endpoint: send and call
SEND: u16 = 1 << 3
#: Endpoint: receive
RECEIVE: u16 = 1 << 4
#: Endpoint: messages may carry capabilities
GRANT: u16 = 1 << 5
#: Notification: signal
SIGNAL: u16 = 1 << 6
#: Notification: wait, bind
WAIT: u16 = 1 << 7
#: the object's own operations: retype Memory, fill a CapTable, map into an AddressSpace, control a Thread, …
CONTROL: u16 = 1 << 8

#: Memory: may become a DmaSpace, whose holder is trusted; Memory made of it has the right, too
DMA: u16 = 1 << 9

ALL: u16 = (1 << 10) - 1
