"""Disks: blocks of bytes that stay, read and written by a device in memory that the client lends its driver.

    disk: Uses[BlockDevice] = uses(lend=64 << 10)
    buffer = region(slot_of(disk)).part(0, 4096)
    failed = disk.read(8, buffer)                       # the device writes into `buffer`: nobody copies

A call waits until the device is done. To have many requests in flight, a client puts them into a `Batch`, in lent
memory, too, and calls `run` once; or calls from several threads.

**What holds.** Requests in flight at one time are done in any order. What was written is read from then on; it outlives
the machine's power once a `flush` that came after it was answered. A client may change what it lends while a request is
in flight, and gets what it deserves.

**When the driver ends** (PEER_DIED), or its device had to be reset (LOST), each of the client's requests in flight was
done, or wasn't, or in part: whole sectors of it. All may be repeated, as they say where, not how far. But after
PEER_DIED the device may still be at work, and write where it was asked to, until the driver's next life has reset it:
so wait for the answer to a call that lends nothing, `geometry`, before the memory is used for something else.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from neokernel.lang import interface, u32, u64, usize, value, wire, wire_view
from neokernel.runtime.lend import Lent
from neokernel.runtime.system import Failure

#: the unit of places and lengths, whatever the device's blocks are
SECTOR = 512
#: entries of a batch, and bytes of each
MOST_ENTRIES = 64
ENTRY = 32


class Request(Enum):
    """What is to be done."""

    READ = 0
    WRITE = 1
    #: wait until all that was written before outlives the power
    FLUSH = 2
    #: what is there isn't needed any more; reads give anything
    DISCARD = 3
    WRITE_ZEROES = 4


class BlockError(Enum):
    """Why a request wasn't done."""

    #: it goes beyond the end
    RANGE = 0
    #: it is of no whole blocks, or of nothing
    BLOCKS = 1
    #: it is more than one request can be: `Geometry` says how much that is
    TOO_LARGE = 2
    READ_ONLY = 3
    #: the device can't do that, or the batch doesn't say what is to be done
    UNSUPPORTED = 4
    #: the device has failed with it: those bytes may be lost
    DEVICE = 5
    #: the device was reset meanwhile
    LOST = 6


@value
class Geometry:
    """What a disk is like; it can change while the machine runs."""

    sectors: u64
    #: bytes of a block: requests begin and end with one
    block: u32
    #: bytes of a read or write; sectors of a discard, and of writing zeroes, 0 if there is no such thing
    most_bytes: u32
    most_discard: u32
    most_zeroes: u32
    read_only: bool


@wire(registers=True)
class Entry:
    """A request of a batch. `result`: 0 if it was done, else a number of `BlockError` plus 1."""

    #: a number of `Request`
    kind: u32
    result: u32
    sector: u64
    #: READ and WRITE: where in the client's region
    offset: u64
    #: in bytes
    length: u64


@interface
class BlockDevice(Protocol):
    def geometry(self) -> Geometry | Failure: ...

    def read(self, sector: u64, into: Lent) -> BlockError | Failure | None: ...

    def write(self, sector: u64, data: Lent) -> BlockError | Failure | None: ...

    def flush(self) -> BlockError | Failure | None: ...

    def discard(self, sector: u64, sectors: u32) -> BlockError | Failure | None: ...

    def write_zeroes(self, sector: u64, sectors: u32) -> BlockError | Failure | None: ...

    def run(self, batch: Lent) -> u32 | Failure:
        """Do all requests of a batch, as many at a time as the device takes: how many weren't done, and say why."""
        ...


def entry_of(batch: Lent, number: usize) -> Entry:
    """An entry of a batch."""
    return wire_view(Entry, batch.part(number * ENTRY, ENTRY).span())


def put(batch: Lent, number: usize, kind: Request, sector: u64, region: Lent, data: Lent) -> None:
    """Fill an entry; `data` is a part of `region`, which is all that the client lends the driver."""
    entry = entry_of(batch, number)
    entry.kind = u32(kind.value)
    entry.result = 0
    entry.sector = sector
    entry.offset = data.address - region.address
    entry.length = data.length


def result_of(batch: Lent, number: usize) -> BlockError | None:
    """How an entry ended, after `run`. A number that is none counts as DEVICE."""
    result = entry_of(batch, number).result
    match result:
        case 0:
            return None
        case 1:
            return BlockError.RANGE
        case 2:
            return BlockError.BLOCKS
        case 3:
            return BlockError.TOO_LARGE
        case 4:
            return BlockError.READ_ONLY
        case 5:
            return BlockError.UNSUPPORTED
        case 7:
            return BlockError.LOST
        case _:
            return BlockError.DEVICE
