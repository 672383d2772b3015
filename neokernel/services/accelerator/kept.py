"""What outlives the manager: whose signatures are taken, who serves what, and the bundles that were pushed.

Each process that may serve a name has an area for one bundle, with its signature behind it. What is here may come from
a life that ended anywhere, or from another version: numbers are looked at, and bundles verified before they are leased.
"""

from __future__ import annotations

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.interfaces.models import Backend
from neokernel.lang import Span, copy, size_of, span_at, struct, u8, u64, unsafe, usize, wire, wire_view
from neokernel.runtime.process import STATE_ADDRESS
from neokernel.services.accelerator.bundle import MOST_KEYS, Trusted
from neokernel.stage.format import PUBLIC_SIZE

unsafe("it is where init maps it")

#: names, and processes of each
NAMES = 4
PLACES = 2
#: a place that is none
NOBODY = 2
#: "nkmodels", as the bytes stand in memory
MAGIC: u64 = 0x736C_6564_6F6D_6B6E
VERSION = 2


@wire
class Head:
    """Behind it stand a `Serving` for each name, then a `Server` for each place; then the keys, PUBLIC_SIZE each."""

    magic: u64
    version: u64
    keys: u64


@wire
class Serving:
    """Which place of a name serves for sure, and which one is tried or watched; NOBODY. `serial`: of what was pushed,
    the highest one that has served for sure."""

    place: u64
    trial: u64
    serial: u64


@wire
class Server:
    """The number of a place's process, and the size of its bundle; 0: it has none. `scalar`: 1 if that is to be
    computed by scalar code, whatever the machine has."""

    client: u64
    size: u64
    scalar: u64


SERVERS: usize = size_of(Head) + NAMES * size_of(Serving)
KEYS: usize = SERVERS + NAMES * PLACES * size_of(Server)

assert KEYS + MOST_KEYS * PUBLIC_SIZE <= PAGE_SIZE


@struct
class Preserved:
    #: bytes that there are
    length: usize = 0

    def memory(self) -> Span[u8]:
        return span_at(u8, STATE_ADDRESS, self.length)

    def head(self) -> Head:
        return wire_view(Head, self.memory())

    def serving(self, name: usize) -> Serving:
        return wire_view(Serving, self.memory()[size_of(Head) + name * size_of(Serving) :])

    def server(self, name: usize, place: usize) -> Server:
        return wire_view(Server, self.memory()[SERVERS + (name * PLACES + place) * size_of(Server) :])

    def begin(self, length: usize) -> None:
        """There are so many bytes. Begin anew, if what is in them isn't of this version."""
        self.length = length
        head = self.head()
        if head.magic == MAGIC and head.version == VERSION:
            return
        for place in range(KEYS):
            self.memory()[place] = 0
        for name in range(NAMES):
            self.keep_serves(name, NOBODY)
            self.keep_trial(name, NOBODY)
        head.version = VERSION
        head.magic = MAGIC

    def room(self) -> usize:
        """Bytes of an area: whole pages."""
        return (len(self.memory()) - PAGE_SIZE) // (NAMES * PLACES) // PAGE_SIZE * PAGE_SIZE

    def first(self, name: usize, place: usize) -> usize:
        return PAGE_SIZE + (name * PLACES + place) * self.room()

    def area(self, name: usize, place: usize) -> Span[u8]:
        first = self.first(name, place)
        return self.memory()[first : first + self.room()]

    def address(self, name: usize, place: usize) -> u64:
        return STATE_ADDRESS + self.first(name, place)

    def size(self, name: usize, place: usize) -> usize:
        """Of the bundle there, with its signature."""
        found = self.server(name, place).size
        return usize(found) if found <= self.room() else usize(0)

    def keep_size(self, name: usize, place: usize, size: usize) -> None:
        self.server(name, place).size = size

    def backend(self, name: usize, place: usize) -> Backend:
        """The best one by which the bundle there is to be computed."""
        return Backend.VECTOR if self.server(name, place).scalar == 0 else Backend.SCALAR

    def keep_backend(self, name: usize, place: usize, backend: Backend) -> None:
        self.server(name, place).scalar = u64(0) if backend is Backend.VECTOR else 1

    def client(self, name: usize, place: usize) -> u64:
        return self.server(name, place).client

    def keep_client(self, name: usize, place: usize, client: u64) -> None:
        self.server(name, place).client = client

    def serves(self, name: usize) -> usize:
        found = self.serving(name).place
        return usize(found) if found < PLACES else usize(NOBODY)

    def keep_serves(self, name: usize, place: usize) -> None:
        self.serving(name).place = place

    def trial(self, name: usize) -> usize:
        found = self.serving(name).trial
        return usize(found) if found < PLACES else usize(NOBODY)

    def keep_trial(self, name: usize, place: usize) -> None:
        self.serving(name).trial = place

    def serial(self, name: usize) -> u64:
        return self.serving(name).serial

    def keep_serial(self, name: usize, serial: u64) -> None:
        self.serving(name).serial = serial

    def trust(self, number: usize, count: usize, key: bytes) -> None:
        """Keep a key."""
        copy(self.memory()[self.keys_at(number) : self.keys_at(number + 1)], key)
        self.head().keys = count

    def keys_at(self, number: usize) -> usize:
        return KEYS + number * PUBLIC_SIZE

    def read_keys(self, trusted: Trusted) -> None:
        trusted.count = usize(min(self.head().keys, MOST_KEYS))
        copy(trusted.keys[:], self.memory()[self.keys_at(0) : self.keys_at(MOST_KEYS)].bytes())
