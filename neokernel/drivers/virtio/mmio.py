"""The virtio transport over memory-mapped registers, version 2 (section 4.2), and a device's way to work (3.1.1).

Knows nothing of processes: `registers` are wherever the caller mapped them. What is peculiar to a kind of device is in
registers of its own, behind these (CONFIG).

Invariants:
- Whatever the device answers, each call ends after a stated number of accesses.
- A device that isn't what its driver wants is left alone, or told so (FAILED); none works half.
"""

from enum import Enum

from neokernel.drivers.virtio.queue import SIZE, Queue
from neokernel.lang import at, device_fence, struct, truncate, u16, u32, u64, wire

#: bytes from the registers to those of the kind of device
CONFIG = 0x100
#: "virt"
MAGIC = 0x7472_6976
VERSION = 2

#: device status (2.1)
ACKNOWLEDGE = 1
DRIVER = 2
DRIVER_OK = 4
FEATURES_OK = 8
NEEDS_RESET = 64
FAILED = 128

#: features that aren't a kind's own (6)
EVENT_INDEX = 1 << 29
VERSION_1 = 1 << 32

#: interrupt status (4.2.2)
USED = 1
CHANGED = 2

#: how often a device is asked whether it has reset itself, and its configuration until two looks agree
MOST_LOOKS = 10_000
MOST_READS = 16


class Problem(Enum):
    """Why a device can't be driven."""

    #: no virtio registers are there
    NO_TRANSPORT = 0
    #: they are of a version that this driver doesn't speak: QEMU has them without `force-legacy=false`
    OLD = 1
    #: nothing stands in this slot
    NO_DEVICE = 2
    #: it is a device of another kind
    OTHER_DEVICE = 3
    #: it can't do without something that the driver doesn't know
    FEATURES = 4
    #: it has no such queue, or one that is too small
    NO_QUEUE = 5
    #: it doesn't reset itself
    NO_RESET = 6
    #: its configuration never stands still, or can't be
    CONFIGURATION = 7


def explain(problem: Problem) -> None:
    """End the program with a check that says what is wrong with the device."""
    assert problem is not Problem.NO_TRANSPORT, "there are no virtio registers where this driver's device is"
    assert problem is not Problem.OLD, "an old virtio: QEMU needs -global virtio-mmio.force-legacy=false"
    assert problem is not Problem.NO_DEVICE, "no device stands in this slot: the system file puts one there"
    assert problem is not Problem.OTHER_DEVICE, "the device in this slot is of another kind"
    assert problem is not Problem.FEATURES, "the device and its driver have too few features in common"
    assert problem is not Problem.NO_QUEUE, "the device has no queue for its driver"
    assert problem is not Problem.NO_RESET, "the device doesn't reset itself"
    assert problem is not Problem.CONFIGURATION, "the device's configuration can't be"


@wire(registers=True)
class Registers:
    """Section 4.2.2."""

    magic: u32
    version: u32
    kind: u32
    vendor: u32
    device_features: u32
    device_features_select: u32
    driver_features: u32 = at(0x20)
    driver_features_select: u32
    queue_select: u32 = at(0x30)
    queue_size_most: u32
    queue_size: u32
    queue_ready: u32 = at(0x44)
    queue_notify: u32 = at(0x50)
    interrupt_status: u32 = at(0x60)
    interrupt_acknowledge: u32
    status: u32 = at(0x70)
    descriptors_low: u32 = at(0x80)
    descriptors_high: u32
    available_low: u32 = at(0x90)
    available_high: u32
    used_low: u32 = at(0xA0)
    used_high: u32
    generation: u32 = at(0xFC)


@struct
class Transport:
    """`begin`, `attach` for each queue, `go`; after `reset`, from the start."""

    registers: Registers
    #: what was negotiated
    features: u64 = 0

    def identify(self, kind: u32) -> Problem | None:
        """Is it the kind of device that its driver wants?"""
        registers = self.registers
        if registers.magic != MAGIC:
            return Problem.NO_TRANSPORT
        if registers.version != VERSION:
            return Problem.OLD
        found = registers.kind
        if found == 0:
            return Problem.NO_DEVICE
        return None if found == kind else Problem.OTHER_DEVICE

    def begin(self, kind: u32, wanted: u64) -> Problem | None:
        """Reset the device, and agree on features: those of `wanted` that it offers."""
        registers = self.registers
        problem = self.identify(kind)
        if problem is None:
            problem = self.reset()
        if problem is not None:
            return problem
        registers.status = ACKNOWLEDGE
        registers.status = ACKNOWLEDGE | DRIVER
        registers.device_features_select = 0
        low = registers.device_features
        registers.device_features_select = 1
        offered = u64(low) | u64(registers.device_features) << 32
        self.features = offered & (wanted | VERSION_1 | EVENT_INDEX)
        if self.features & VERSION_1 == 0:
            return self.give_up(Problem.FEATURES)
        registers.driver_features_select = 0
        registers.driver_features = truncate(u32, self.features)
        registers.driver_features_select = 1
        registers.driver_features = u32(self.features >> 32)
        registers.status = ACKNOWLEDGE | DRIVER | FEATURES_OK
        if registers.status & FEATURES_OK == 0:
            return self.give_up(Problem.FEATURES)
        return None

    def has(self, feature: u64) -> bool:
        return self.features & feature != 0

    def attach(self, index: u32, queue: Queue, least: u16, descriptors: u64, rings: u64) -> Problem | None:
        """Give the device a queue, of at least so many descriptors; its two pages' bus addresses.

        It isn't asked whether the queue is in use already (4.2.3.2): it has just been reset.
        """
        registers = self.registers
        registers.queue_select = index
        most = registers.queue_size_most
        if most < u32(least):
            return self.give_up(Problem.NO_QUEUE)
        size: u16 = SIZE
        # A split queue's size is a power of two (2.7); more than the device's most isn't allowed.
        while u32(size) > most:
            size //= 2
        if size < least:
            return self.give_up(Problem.NO_QUEUE)
        queue.begin(size, self.has(EVENT_INDEX))
        registers.queue_size = u32(size)
        registers.descriptors_low = truncate(u32, descriptors)
        registers.descriptors_high = u32(descriptors >> 32)
        available = rings + queue.available_place()
        registers.available_low = truncate(u32, available)
        registers.available_high = u32(available >> 32)
        used = rings + queue.used_place()
        registers.used_low = truncate(u32, used)
        registers.used_high = u32(used >> 32)
        device_fence()
        registers.queue_ready = 1
        return None

    def go(self) -> None:
        """All queues are there: the device may work."""
        device_fence()
        self.registers.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK

    def notify(self, index: u32) -> None:
        """There is something new in a queue (4.2.3.3)."""
        device_fence()
        self.registers.queue_notify = index

    def interrupted(self) -> u32:
        """Why the device has interrupted: of USED and CHANGED what it says; it is told that this was heard."""
        found = self.registers.interrupt_status & (USED | CHANGED)
        if found != 0:
            self.registers.interrupt_acknowledge = found
        device_fence()
        return found

    def wants_reset(self) -> bool:
        """Does the device say that it has failed (2.1.2)?"""
        return self.registers.status & NEEDS_RESET != 0

    def generation(self) -> u32:
        """It changes with the configuration (4.2.2.2): what was read between two equal ones belongs together."""
        return self.registers.generation

    def reset(self) -> Problem | None:
        """Stop the device: from here on it reaches no memory (2.4)."""
        self.registers.status = 0
        for _ in range(MOST_LOOKS):
            if self.registers.status == 0:
                device_fence()
                return None
        return Problem.NO_RESET

    def give_up(self, problem: Problem) -> Problem:
        """Tell the device that its driver wants no more of it."""
        self.registers.status = FAILED
        return problem
