"""All of a model's process that isn't the model: find out which one to serve, ask for work, compute, ask again.

It has two capabilities at most. Of the gateway, which gives it work; and of the accelerator manager, if there is one:
that says which model it is to serve, and leases it models that were pushed. Without it, the process serves the model
that its program was built with. When whoever it asks has ended, it begins anew with the next one, from the beginning:
what it is to serve may be something else by then. When it is refused, it ends with a status that says why.
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.model import Header
from neokernel.abi.status import Status
from neokernel.interfaces.accelerator import Accelerator, NoLease, Order, What, Why
from neokernel.interfaces.inference import MANIFEST, MOST_BYTES, MOST_TENSORS, Inference, NoWork, behind, port_of
from neokernel.lang import (
    Array,
    Embedded,
    Span,
    Uses,
    address_of,
    array,
    f32,
    size_of,
    struct,
    u8,
    u64,
    unsafe,
    uses,
    usize,
    wire_view,
)
from neokernel.runtime.lend import Lent, region
from neokernel.runtime.must import must
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.services.model import native
from neokernel.services.model.leased import Leased

unsafe("a model is called with the addresses of its tensors")

#: statuses of a process that was refused: by the gateway, this and the number of the reason; by the manager; and of one
#: whose turn it isn't, in a system whose manager was stopped: nobody is left who could say when it is
REFUSED: u64 = 16
FULL: u64 = 32
RETIRED: u64 = 33


class End(Enum):
    """Why it doesn't go on asking for work."""

    #: who gave it has ended, or doesn't know this life
    OVER = 0
    #: another process serves now
    RETIRED = 1


@struct
class Model:
    """What is served: addresses as the model's code takes them."""

    code: u64 = 0
    constants: u64 = 0
    arena: u64 = 0
    inputs: Array[u64] = array(MOST_TENSORS)
    outputs: Array[u64] = array(MOST_TENSORS)
    #: bytes of all tensors of an example
    stride: u64 = 0

    def place(self, manifest: Span[u8], tensors: Lent) -> None:
        """Inputs, then results, one behind the other."""
        header = wire_view(Header, manifest)
        place: u64 = 0
        for number in range(usize(header.inputs + header.outputs)):
            port = port_of(manifest, number)
            if number < usize(header.inputs):
                self.inputs[number] = tensors.address + place
            else:
                self.outputs[number - usize(header.inputs)] = tensors.address + place
            place = behind(place, port.size)
        self.stride = place

    def infer(self) -> None:
        inputs, outputs = address_of(self.inputs), address_of(self.outputs)
        native.infer(self.constants, self.arena, inputs, outputs, self.code, f32(0.0))

    def infer_all(self, examples: u64) -> None:
        """Each lies behind the one before."""
        for example in range(examples):
            if example != 0:
                for number in range(MOST_TENSORS):
                    self.inputs[number] += self.stride
                    self.outputs[number] += self.stride
            self.infer()
        back = (examples - 1) * self.stride
        if back != 0:
            for number in range(MOST_TENSORS):
                self.inputs[number] -= back
                self.outputs[number] -= back


@struct
class Runner:
    process: Process
    #: slots of the gateway and of the manager
    gateway: u64
    manager: u64
    #: bytes of the manifest that the program was built with
    own_size: usize
    model: Embedded[Model] = Model()
    leased: Embedded[Leased] = Leased()
    #: it serves what is leased
    is_leased: bool = False
    #: it has nothing of the manager's, or has lost it
    fresh: bool = True
    #: there is no manager
    alone: bool = False

    def tensors(self) -> Lent:
        lent = region(self.gateway)
        return lent.part(MANIFEST, lent.length - MANIFEST)

    def manifest(self) -> Span[u8]:
        return self.leased.manifest() if self.is_leased else native.manifest(self.own_size)

    # --- what to serve ------------------------------------------------------------------------------------------------

    def serve_own(self) -> None:
        """The model that the program was built with."""
        self.is_leased = False
        self.model.code, self.model.constants, self.model.arena = native.code(), native.constants(), native.arena()
        self.model.place(self.manifest(), self.tensors())

    def begin(self) -> bool:
        """Find out what to serve, and begin with it. False: ask again."""
        accelerator: Uses[Accelerator] = uses(self.manager)
        order = accelerator.ask(self.fresh)
        if isinstance(order, NoLease):
            if order is NoLease.FULL:
                self.process.exit(FULL)
            # Another version of the manager takes over.
            return False
        self.alone = False
        if isinstance(order, Failure):
            self.fresh = True
            if order.status is Status.NO_CAPABILITY:
                # There is no manager in this system, or none any more.
                self.alone = True
                self.serve_own()
                return self.introduce()
            _ = is_over(order)
            return False
        self.fresh = False
        match order.what:
            case What.OWN:
                self.serve_own()
            case What.LEASED:
                if not self.take(order):
                    return False
            case What.AGAIN:
                pass
        if not self.introduce():
            return False
        ready = accelerator.ready(self.manifest()[: size_of(Header)].bytes())
        if isinstance(ready, Failure):
            self.fresh = True
            _ = is_over(ready)
            return False
        return ready

    def take(self, order: Order) -> bool:
        """Map what is leased, and try it. False: it is no good, and the manager knows."""
        self.is_leased = True
        failure = self.leased.map(self.process, self.manager, order)
        if failure is not None:
            self.fail(Why.PAGES, u64(failure.status.value))
            return False
        leased, model, tensors = self.leased, self.model, self.tensors()
        model.code, model.constants, model.arena = leased.code, leased.constants, leased.arena
        model.place(self.manifest(), tensors)
        leased.give(tensors)
        model.infer()
        wrong = leased.difference(tensors)
        if wrong is not None:
            self.fail(Why.SAMPLE, wrong)
            return False
        return True

    def fail(self, why: Why, detail: u64) -> None:
        accelerator: Uses[Accelerator] = uses(self.manager)
        self.fresh = True
        failure = accelerator.failed(why, detail)
        if failure is not None:
            _ = is_over(failure)

    def introduce(self) -> bool:
        """Tell the gateway what it serves. False: it is refused, and the manager knows."""
        gateway: Uses[Inference] = uses(self.gateway)
        while True:
            manifest = self.manifest()
            lent = region(self.gateway).part(0, len(manifest))
            lent.write(0, manifest.bytes())
            refused = gateway.begin(lent, self.tensors())
            if refused is None:
                return True
            if isinstance(refused, NoWork):
                if not self.is_leased:
                    self.process.exit(REFUSED + u64(refused.value))
                self.fail(Why.GATEWAY, u64(refused.value))
                return False
            _ = is_over(refused)

    # --- work ---------------------------------------------------------------------------------------------------------

    def work(self) -> End:
        """Until whoever gives out work has ended, or another process has taken this one's place."""
        gateway: Uses[Inference] = uses(self.gateway)
        done: u64 = 0
        while True:
            batch = gateway.next(done)
            if isinstance(batch, NoWork):
                return End.RETIRED if batch is NoWork.RETIRED else End.OVER
            if isinstance(batch, Failure):
                _ = is_over(batch)
                return End.OVER
            if batch.examples == 0 or batch.examples > u64(MOST_BYTES) // max(self.model.stride, 1):
                return End.OVER  # not what the gateway's interface allows
            self.model.infer_all(batch.examples)
            done = batch.number


def serve(process: Process, gateway: u64, manager: u64, manifest_size: usize) -> None:
    """Serve whoever is in the slot `gateway`, what the one in the slot `manager` says. `manifest_size`: bytes of the
    manifest of the model that the program was built with."""
    runner = Runner(process=process, gateway=gateway, manager=manager, own_size=manifest_size)
    while True:
        if runner.begin() and runner.work() is End.RETIRED and runner.alone:
            process.exit(RETIRED)


def is_over(failure: Failure) -> bool:
    """Has who was asked ended? Any other failure is the end of this process, too: it could do nothing."""
    if failure.status is not Status.PEER_DIED:
        must(failure)
    return True
