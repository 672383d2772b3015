"""What there is to serve: the bundles that were pushed, whose signatures are taken, and who is leased what of it.

Invariant: what is leased was verified, by this life of the manager, since somebody could write where it lies.
"""

from __future__ import annotations

from neokernel.interfaces.accelerator import HEADER_SIZE, Order, What
from neokernel.interfaces.models import Backend, NoPush
from neokernel.lang import Array, Embedded, array, copy, struct, u64, usize
from neokernel.runtime.process import current
from neokernel.services.accelerator.bundle import Trusted, loadable, processor_of, verify_bundle
from neokernel.services.accelerator.kept import NAMES, NOBODY, PLACES, Preserved
from neokernel.services.accelerator.place import Name
from neokernel.stage.format import SIGNATURE_SIZE


@struct
class Stock:
    names: Array[Embedded[Name]] = array(NAMES)
    kept: Embedded[Preserved] = Preserved()
    trusted: Embedded[Trusted] = Trusted()
    #: the slot of what leases are made of, and bytes that each may have of it
    pool: u64 = 0
    quota: u64 = 0

    def place_of(self, name: usize, client: u64, take: bool) -> usize:
        """Which of the name's places a process has; NOBODY: none. `take`: one that is free."""
        for at in range(PLACES):
            if self.kept.client(name, at) == client:
                return at
        for at in range(PLACES):
            if take and self.kept.client(name, at) == 0:
                self.kept.keep_client(name, at, client)
                return at
        return NOBODY

    def order_for(self, name: usize, at: usize) -> Order:
        """What a process is to serve now: what it has, else what was pushed for it, else what it was built with."""
        place = self.names[name].places[at]
        if place.loaded:
            return Order(What.AGAIN)
        size = self.kept.size(name, at)
        if size != 0:
            order = self.lease(name, at, size)
            if isinstance(order, Order):
                return order
            self.kept.keep_size(name, at, 0)
        place.own, place.backend = True, Backend.SCALAR
        return Order(What.OWN)

    def lease(self, name: usize, at: usize, size: usize) -> Order | NoPush:
        """Lease the bundle in the area of this place, which has so many bytes with its signature."""
        place = self.names[name].places[at]
        unverified = self.verify(name, at, size)
        if unverified is not None:
            return unverified
        area = self.kept.area(name, at)[:size]
        processor = processor_of(current().vector_bytes, self.kept.backend(name, at))
        parts = loadable(area[: size - SIGNATURE_SIZE], processor)
        if isinstance(parts, NoPush):
            return parts
        # What it had before goes with its lease.
        place.loaded = False
        refused = place.lease.make(current(), self.pool, self.quota, self.kept.address(name, at), parts)
        if refused is not None:
            return refused
        place.own, place.backend = False, Backend.VECTOR if parts.features != 0 else Backend.SCALAR
        place.header_length = HEADER_SIZE
        copy(place.header[:], area[:HEADER_SIZE].bytes())
        return Order(
            What.LEASED, parts.head, parts.code_pages, parts.constants_pages, parts.sample_pages, parts.arena_pages
        )

    def verify(self, name: usize, at: usize, size: usize) -> NoPush | None:
        """Once: a process that asks for its lease again and again is not to have it hashed each time."""
        place = self.names[name].places[at]
        if place.verified:
            return None
        refused = verify_bundle(self.kept.area(name, at)[:size], self.trusted)
        place.verified = refused is None
        return refused

    def empty(self, name: usize, at: usize) -> None:
        """What is in the area can't be leased again from now on; where it is leased, that goes on."""
        self.names[name].places[at].verified = False
        self.kept.keep_size(name, at, 0)

    def take_back(self, name: usize, at: usize) -> None:
        """What a process was leased. So it ends if it still runs on that, is started again, and asks."""
        place = self.names[name].places[at]
        place.loaded = False
        place.lease.take_back(current())

    def forget(self, name: usize, at: usize) -> None:
        """What it was leased is no good."""
        self.names[name].places[at].order = None
        self.take_back(name, at)
        self.kept.keep_size(name, at, 0)
