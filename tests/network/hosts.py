"""Two hosts, their programs, and what is on its way between them: what there is in `world.py`."""

from __future__ import annotations

from neokernel.lang import (
    Array,
    Embedded,
    Handle,
    array,
    struct,
    u8,
    u16,
    u32,
    u64,
    usize,
    wrapping_add,
    wrapping_mul,
)
from neokernel.services.network.address import Address, Flow, LinkAddress
from neokernel.services.network.clock import NEVER, SECOND
from neokernel.services.network.connection import Connection
from neokernel.services.network.network import Network
from neokernel.services.network.past import MEMORY as STATE
from neokernel.services.network.tcp import Listener
from tests.network.invented import Invented
from tests.network.plans import Seen

LINK_LEFT = LinkAddress(0x0200_0000_0001)
LINK_RIGHT = LinkAddress(0x0200_0000_0002)
LEFT = Address(0x0A00_0001)
RIGHT = Address(0x0A00_0002)
#: the first client's, on the right; others have the ports and numbers behind
PORT = 8080
CLIENT: u32 = 3
MOST_CLIENTS = 3

#: frames on the link at one time, both ways; what comes beyond is lost, as in a router
FLYING = 96
#: rounds in which nothing is sent until programs give up: hours, longer than any timer
PATIENCE = 50_000
FRAME = 1_536
MEMORY = 1 << 19
#: connections at one time
PAIRS = 12
#: by then, peers of a life that has ended have heard of it, if no frame is lost: half of the rounds (`past.py`)
HEARD: u64 = 3 * SECOND
#: lives that a side begins in one plan, beside the first one
MOST_LIVES = 4
#: times that a program tells its options: who changes its mind for ever waits for ever
MOST_CHOICES: u64 = 3


@struct
class Frame:
    """One on its way. `at` NEVER: none."""

    at: u64 = NEVER
    order: u64 = 0
    to_right: bool = False
    length: usize = 0
    padding: u32 = 0
    padding2: u16 = 0
    data: Array[u8] = array(FRAME)


@struct
class Program:
    """One end of a connection."""

    handle: Handle[Connection] = Handle(0, 0)
    used: bool = False
    #: which stream it sends and which it reads
    key: u32 = 0
    sent: u64 = 0
    read: u64 = 0
    finished: bool = False
    #: the peer's stream has ended
    ended: bool = False
    failed: bool = False
    client: u32 = CLIENT
    #: when it gives up, whatever has come
    until: u64 = NEVER
    #: when it has told its options: its peer is asked anew from then on
    chosen_at: u64 = 0
    choices: u64 = 0

    def due(self) -> u64:
        return self.until if self.used else NEVER


@struct
class Side:
    network: Embedded[Network] = Network()
    memory: Array[u8] = array(MEMORY)
    #: what outlives the service
    state: Array[u8] = array(STATE)
    programs: Array[Embedded[Program]] = array(PAIRS)
    listeners: Array[Handle[Listener]] = array(MOST_CLIENTS, Handle(0, 0))
    #: when the wire to the other side is free again
    free_at: u64 = 0
    #: connections of the life before that the other side took for open; when it has to know better; frames lost by then
    old: Array[Flow] = array(PAIRS, Flow())
    old_count: usize = 0
    heard_at: u64 = NEVER
    harm: u64 = 0
    lives: u64 = 0
    invented: Embedded[Invented] = Invented()


@struct
class World:
    left: Embedded[Side] = Side()
    right: Embedded[Side] = Side()
    flying: Array[Embedded[Frame]] = array(FLYING)
    scratch: Array[u8] = array(4_096)
    padding: u32 = 0
    padding2: u16 = 0
    built: Array[u8] = array(FRAME)
    random: u64 = 0
    now: u64 = 1_000_000
    count: u64 = 0
    down_until: u64 = 0
    #: rounds since a frame was sent
    idle: u64 = 0
    #: frames that were damaged
    damaged: u64 = 0
    turns: u64 = 0
    seen: Seen = Seen()

    def next(self, most: u64) -> u64:
        self.random = wrapping_add(wrapping_mul(self.random, 6364136223846793005), 1442695040888963407)
        return (self.random >> 33) % most

    def happens(self, chance: u64) -> bool:
        return chance != 0 and self.next(1_000) < chance
