"""Accelerator: a model's process is told which model to serve, and leased what that takes.

    order = accelerator.ask(True)                   # waits until there is something to do
    frame = accelerator.page(0)                     # if something is leased: page after page, to be mapped
    …                                               # try the model with its sample; begin at the gateway
    served = accelerator.ready(header)              # it was appointed: ask the gateway for work

A lease is pages: of a bundle (`abi/model.py`) its head, the code for one backend, the constants of that and the sample,
and cleared pages for the arena, in this order. Each comes as a Frame that can be mapped as `Order` says and no other
way, so nothing can be written and executed. They are the manager's: when it takes a lease back, they are mapped nowhere
any more, and who still runs what was on them faults.

Who has been retired asks again, and waits. So it is there when its successor turns out not to be able to serve.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Protocol

from neokernel.abi.model import Header
from neokernel.lang import Given, interface, size_of, u64, up_to, value
from neokernel.runtime.objects import Frame
from neokernel.runtime.system import Failure

#: pages of a lease
MOST_PAGES = 1024
#: bytes of a bundle's header
HEADER_SIZE = 280
#: bytes of stack that a model's process leaves its model: vector registers that are kept there count, too
MOST_STACK = 48 << 10

assert size_of(Header) == HEADER_SIZE


class What(Enum):
    """Which model to serve."""

    #: the one that the program was built with
    OWN = 0
    #: the one that is leased from now on
    LEASED = 1
    #: the one that it served last
    AGAIN = 2


@value
class Order:
    """What to do. Pages of a lease, 0 if it isn't LEASED: `head`, `constants` and `sample` can be read, `code` can be
    read and executed, `arena` can be read and written."""

    what: What
    head: u64 = 0
    code: u64 = 0
    constants: u64 = 0
    sample: u64 = 0
    arena: u64 = 0


class NoLease(Enum):
    """Why there is no order, or no page."""

    #: two processes serve this name already
    FULL = 0
    #: the process has asked again meanwhile; or another version of the manager takes over: ask that one
    SUPERSEDED = 1
    #: the lease has no such page, or was taken back
    PAGE = 2


class Why(Enum):
    """Why a process doesn't serve what it was to serve."""

    #: it does
    NONE = 0
    #: of the sample it computes something else. Detail: the byte of the sample
    SAMPLE = 1
    #: its pages can't be mapped. Detail: the status of the call
    PAGES = 2
    #: the gateway refuses it. Detail: the number of a `NoWork`
    GATEWAY = 3
    #: it has ended
    CRASHED = 4
    #: it hasn't said in time that it is ready
    SILENT = 5
    #: a request has waited for it in vain
    LATE = 6
    #: the manager has ended before it was sure
    MANAGER = 7
    #: it has said that it is ready, and hasn't begun at the gateway
    UNTRUE = 8


@interface
class Accelerator(Protocol):
    """For one name."""

    def ask(self, fresh: bool) -> Order | NoLease | Failure:
        """What to serve: answered when there is something. `fresh`: a life of the process begins, it has nothing."""
        ...

    def page(self, number: u64) -> Given[Frame] | NoLease | Failure:
        """A page of what is leased, from 0 on."""
        ...

    def ready(self, header: Annotated[bytes, up_to(HEADER_SIZE)]) -> bool | Failure:
        """It has begun at the gateway, with a bundle of this header. False: it isn't to serve; ask."""
        ...

    def failed(self, why: Why, detail: u64) -> Failure | None:
        """It can't serve what it was to serve; it will ask."""
        ...
