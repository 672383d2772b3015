"""All of a model's process that isn't the model: ask for work, compute, ask again.

It has one capability, `Inference`, and nothing that could fail but that: when whoever gives it work has ended, it
begins anew with the next one; when it is refused, it ends with a status that says why.
"""

from __future__ import annotations

from neokernel.abi.model import Header, Port
from neokernel.abi.status import Status
from neokernel.interfaces.inference import MANIFEST, MOST_TENSORS, Inference, NoWork, behind
from neokernel.lang import Array, Uses, address_of, array, f32, size_of, struct, u64, unsafe, uses, usize, wire_view
from neokernel.runtime.lend import Lent, region
from neokernel.runtime.must import must
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.services.model import native

unsafe("a model is called with the addresses of its tensors")

#: status of a process that was refused: this and the number of the reason
REFUSED: u64 = 16


@struct
class Tensors:
    """Addresses, as the model's code takes them."""

    inputs: Array[u64] = array(MOST_TENSORS)
    outputs: Array[u64] = array(MOST_TENSORS)

    def place(self, manifest: Lent, tensors: Lent) -> None:
        """Inputs, then results, one behind the other."""
        header = wire_view(Header, native.manifest(manifest.length))
        place: u64 = 0
        for number in range(usize(header.inputs + header.outputs)):
            port = wire_view(Port, native.manifest(manifest.length)[size_of(Header) + number * size_of(Port) :])
            if number < usize(header.inputs):
                self.inputs[number] = tensors.address + place
            else:
                self.outputs[number - usize(header.inputs)] = tensors.address + place
            place = behind(place, port.size)


def serve(process: Process, slot: u64, manifest_size: usize) -> None:
    """Serve whoever is in this slot. `manifest_size`: bytes of the model's manifest."""
    gateway: Uses[Inference] = uses(slot)
    lent = region(slot)
    manifest, tensors = lent.part(0, manifest_size), lent.part(MANIFEST, lent.length - MANIFEST)
    found = Tensors()
    found.place(manifest, tensors)
    while True:
        manifest.write(0, native.manifest(manifest_size).bytes())
        refused = gateway.begin(manifest, tensors)
        if isinstance(refused, NoWork):
            process.exit(REFUSED + u64(refused.value))
        if not is_over(refused):
            work(slot, found)


def work(slot: u64, tensors: Tensors) -> None:
    """Until whoever gives out work has ended, or another one has taken its place."""
    gateway: Uses[Inference] = uses(slot)
    constants, arena = native.constants(), native.arena()
    inputs, outputs = address_of(tensors.inputs), address_of(tensors.outputs)
    done: u64 = 0
    while True:
        number = gateway.next(done)
        if isinstance(number, NoWork):
            return
        if isinstance(number, Failure):
            _ = is_over(number)
            return
        native.infer(constants, arena, inputs, outputs, f32(0.0))
        done = number


def is_over(failure: Failure | None) -> bool:
    """Has whoever gives out work ended? Any other failure is the end of this process, too: it could do nothing."""
    if failure is None:
        return False
    if failure.status is not Status.PEER_DIED:
        must(failure)
    return True
