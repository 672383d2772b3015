"""The control service: an operator at a host asks and steers the running system.

All that can be done by it is what its system file grants here: it passes calls on to these capabilities, and holds no
others. `neokernel.services.observe` is the same without init's `System` and without the kernel's events.
"""

from __future__ import annotations

from neokernel.interfaces.capture import Capture
from neokernel.interfaces.clients.names import Names
from neokernel.interfaces.entropy import Entropy
from neokernel.interfaces.log import Journal, Log
from neokernel.interfaces.models import Keys, Models
from neokernel.interfaces.network_watch import NetworkWatch
from neokernel.interfaces.orders import Orders
from neokernel.interfaces.port import Port
from neokernel.interfaces.recorder import Recorder
from neokernel.interfaces.system import System, Watch
from neokernel.lang import Provides, Uses, provides, slot_of, uses, usize
from neokernel.runtime.objects import Device, Trace
from neokernel.runtime.process import Process
from neokernel.services.control.desk import Desk
from neokernel.services.control.link import Link, enrol
from neokernel.services.control.protocol import Peer
from neokernel.services.control.steward import Steward

#: the line, random bytes for nonces, and the flash device with the operators' keys
port: Uses[Port] = uses()
entropy: Uses[Entropy] = uses()
enrolment: Uses[Device] = uses()
#: where it says who has come, and what they did
log: Uses[Log] = uses()
#: what operators reach
watch: Uses[Watch] = uses()
init: Uses[System] = uses()
journal: Uses[Journal] = uses()
trace: Uses[Trace] = uses()
#: of systems that have a network
network: Uses[NetworkWatch] = uses(optional=True)
capture: Uses[Capture] = uses(optional=True)
#: of systems that have models replaced: these, and whom it tells whose signatures are taken
models: Uses[Models] = uses(optional=True)
keys: Uses[Keys] = uses(optional=True)
#: for who passes on what operators have signed, and for who watches the kernel's events
orders: Provides[Orders] = provides()
recorder: Provides[Recorder] = provides()


def main(process: Process) -> None:
    desk = Desk(process=process, log=log, names=Names(watch=watch))
    desk.peers[usize(Peer.WATCH.value)] = slot_of(watch)
    desk.peers[usize(Peer.SYSTEM.value)] = slot_of(init)
    desk.peers[usize(Peer.JOURNAL.value)] = slot_of(journal)
    desk.peers[usize(Peer.NETWORK.value)] = slot_of(network)
    desk.peers[usize(Peer.CAPTURE.value)] = slot_of(capture)
    desk.tape.trace = slot_of(trace)
    desk.peers[usize(Peer.MODELS.value)] = slot_of(models)
    desk.keys = slot_of(keys)
    enrol(process, desk, enrolment)
    steward = Steward(process=process, desk=desk, entropy=entropy, watch=watch, init=init)
    steward.nonces.frequency = process.frequency
    link = Link(process=process, desk=desk, port=port, entropy=entropy, endpoint=slot_of(orders), steward=steward)
    link.serve()
