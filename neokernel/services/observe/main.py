"""The control service for onlookers: what runs, who may what, and what the log has. Nothing can be changed by it.

The journal's level of records can: that is `Journal`'s, and costs nobody anything but records.
"""

from __future__ import annotations

from neokernel.interfaces.clients.names import Names
from neokernel.interfaces.entropy import Entropy
from neokernel.interfaces.log import Journal, Log
from neokernel.interfaces.network_watch import NetworkWatch
from neokernel.interfaces.port import Port
from neokernel.interfaces.system import Watch
from neokernel.lang import Uses, slot_of, uses, usize
from neokernel.runtime.objects import Device
from neokernel.runtime.process import Process
from neokernel.services.control.desk import Desk
from neokernel.services.control.link import Link, enrol
from neokernel.services.control.protocol import Peer

port: Uses[Port] = uses()
entropy: Uses[Entropy] = uses()
enrolment: Uses[Device] = uses()
log: Uses[Log] = uses()
watch: Uses[Watch] = uses()
journal: Uses[Journal] = uses()
#: of systems that have a network
network: Uses[NetworkWatch] = uses(optional=True)


def main(process: Process) -> None:
    desk = Desk(process=process, log=log, names=Names(watch=watch))
    desk.peers[usize(Peer.WATCH.value)] = slot_of(watch)
    desk.peers[usize(Peer.JOURNAL.value)] = slot_of(journal)
    desk.peers[usize(Peer.NETWORK.value)] = slot_of(network)
    enrol(process, desk, enrolment)
    link = Link(process=process, desk=desk, port=port, entropy=entropy)
    link.serve()
