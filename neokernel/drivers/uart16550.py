"""A 16550 UART, by interrupts, both ways (PC16550D data sheet, National Semiconductor, 1995).

Knows nothing of processes: `registers` are wherever the caller mapped them, and whoever waits for the interrupt calls
`serve`. So tests run it against a model of the device.

Invariants:
- The transmitter's interrupt is on exactly while something is to be sent.
- Bytes leave and arrive in order. None is lost on the way out. On the way in, the newest are lost that find no room:
  `dropped` counts those for which we have none, `overruns` how often the device had none.
- Nothing that the device says is trusted: each call ends after a stated number of accesses.
"""

from neokernel.drivers.health import Health
from neokernel.lang import Embedded, Span, array, struct, u8, u64, usize, wire
from neokernel.runtime.queue import Queue, pop_bytes, push_bytes

#: bytes of the device's transmitter queue
DEPTH = 16
#: received bytes that one interrupt takes; what is left interrupts again
TAKEN = 64
#: bytes that wait for who reads them; that are still to be sent
RECEIVED = 1024
SENT = 4096

#: interrupt enable: received data; transmitter empty
ENABLE_RECEIVER = 1 << 0
ENABLE_TRANSMITTER = 1 << 1
#: queue control: on, both emptied, an interrupt at 8 received bytes, or after a while with fewer
QUEUES_ON = 0b1000_0111
#: line control: 8 bits, no parity, one stop bit
EIGHT_BITS = 0b11
#: modem control: data terminal ready, request to send, and OUT2, by which many boards gate the interrupt
READY = 0b1011
#: line status
DATA_READY = 1 << 0
OVERRUN = 1 << 1
PARITY_ERROR = 1 << 2
FRAMING_ERROR = 1 << 3
BREAK = 1 << 4
TRANSMITTER_EMPTY = 1 << 5


@wire(registers=True)
class Registers:
    """Section 8. Registers one byte apart, as on QEMU's `virt`."""

    data: u8
    enable: u8
    #: read: which interrupt; write: queue control
    identity: u8
    line_control: u8
    modem_control: u8
    line_status: u8
    modem_status: u8
    scratch: u8


@struct
class Uart:
    registers: Registers
    received: Embedded[Queue[u8]] = Queue(slots=array(RECEIVED))
    to_send: Embedded[Queue[u8]] = Queue(slots=array(SENT))
    #: what `enable` holds
    enabled: u8 = 0
    #: received bytes for which there was no room, here, and in the device (at least so many)
    dropped: u64 = 0
    overruns: u64 = 0
    #: bytes with wrong parity or without a stop bit, which are dropped; breaks
    errors: u64 = 0
    breaks: u64 = 0
    health: Embedded[Health] = Health()

    def begin(self) -> None:
        """Whatever state a former driver, or the firmware, left the device in. The line's speed stays as it was."""
        registers = self.registers
        registers.enable = 0
        registers.line_control = EIGHT_BITS
        registers.identity = QUEUES_ON
        registers.modem_control = READY
        self.enabled = ENABLE_RECEIVER
        registers.enable = ENABLE_RECEIVER
        if len(self.to_send) != 0:
            self.enable_transmitter(True)

    def write(self, data: bytes) -> usize:
        """Bytes to be sent, as many of the first as there is room for: how many."""
        count = push_bytes(self.to_send, data)
        if count != 0:
            self.enable_transmitter(True)
        return count

    def read(self, target: Span[u8]) -> usize:
        """Take received bytes: how many."""
        return pop_bytes(self.received, target)

    def interrupted(self) -> None:
        """The device has interrupted. Whether it does so for nothing is in `health`."""
        self.health.interrupted()
        self.serve()

    def serve(self) -> None:
        """The device has interrupted, or may have: take what it has received, give it what it can send."""
        moved = self.receive()
        if len(self.to_send) != 0 and self.registers.line_status & TRANSMITTER_EMPTY != 0:
            self.send()
            moved = True
        if moved:
            self.health.progress()

    def receive(self) -> bool:
        """Take what has come. Has a byte? (Also one that is broken, or finds no room; a break is none.)"""
        came = False
        for _ in range(TAKEN):
            status = self.registers.line_status
            if status & OVERRUN != 0:
                self.overruns += 1
            if status & (DATA_READY | BREAK) == 0:
                break
            byte = self.registers.data
            if status & BREAK != 0:
                self.breaks += 1
                continue
            came = True
            if status & (PARITY_ERROR | FRAMING_ERROR) != 0:
                self.errors += 1
            elif self.received.push(byte) is not None:
                self.dropped += 1
        return came

    def send(self) -> None:
        """The transmitter's queue is empty: fill it."""
        for _ in range(DEPTH):
            byte = self.to_send.pop()
            if byte is None:
                break
            self.registers.data = byte
        if len(self.to_send) == 0:
            self.enable_transmitter(False)

    def enable_transmitter(self, on: bool) -> None:
        enabled = self.enabled | ENABLE_TRANSMITTER if on else self.enabled & ~u8(ENABLE_TRANSMITTER)
        if enabled != self.enabled:
            self.enabled = enabled
            self.registers.enable = enabled
