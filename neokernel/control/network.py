"""What a running network service tells of itself, as plain Python values: names and dotted addresses.

Invariant: as of `view.py`: each value comes of one answer, which the interface's proxy has looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, TypeVar

from neokernel import lang
from neokernel.control.view import View
from neokernel.interfaces.network_watch import (
    MOST_SOCKETS,
    SOCKET_SIZE,
    Beyond,
    ClientStatus,
    DenialStatus,
    Link,
    NeighbourStatus,
    Segments,
    SocketRecord,
    SocketState,
)
from neokernel.services.control.protocol import Peer
from neokernel.services.network.drop import Drop

T = TypeVar("T")

PROTOCOLS = {6: "tcp", 17: "udp"}
#: steps after which a list that never ends is taken for one that does: more than any table has
MOST_STEPS = 10_000


@dataclass(frozen=True)
class Interface:
    """`address` and `gateway` are "" if there is none (yet); bytes and frames since the service was started."""

    name: str
    up: bool
    leased: bool
    address: str
    gateway: str
    link: str
    mtu: int
    checksums: bool
    restarts: int
    refused: int
    frames_in: int
    frames_out: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True)
class Socket:
    """`owner`: the service's name; "" of one that is over and nobody's. `received` and `unsent` as `SocketRecord`."""

    protocol: str
    state: str
    owner: str
    local: str
    remote: str
    received: int
    unsent: int
    room: int
    #: microseconds, 0: unknown
    round_trip: int
    window: int


@dataclass(frozen=True)
class Neighbour:
    """`link` is "" while it is asked for; `left`: seconds."""

    address: str
    link: str
    left: float


@dataclass(frozen=True)
class Client:
    """`sockets` of at most `most`, with two buffers of `each` bytes; `memory` that those in use take."""

    owner: str
    open: bool
    sockets: int
    most: int
    each: int
    memory: int


@dataclass(frozen=True)
class Denial:
    """`line`: what its entry in the system file would have to say, or what was kept for other services."""

    owner: str
    line: str
    count: int


@dataclass(frozen=True)
class Route:
    """`through` is "" for what is on the link, or in the machine."""

    to: str
    through: str
    interface: str


@dataclass(frozen=True)
class State:
    """All of it, one after the other: what comes and goes meanwhile is in or out."""

    interface: Interface
    sockets: list[Socket]
    routes: list[Route]
    neighbours: list[Neighbour]
    clients: list[Client]
    denials: list[Denial]
    counters: dict[str, int]
    dropped: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def state_of(view: View) -> State:
    """Ask for all that there is."""
    interface = interface_of(view)
    return State(
        interface=interface,
        sockets=list(sockets_of(view)),
        routes=routes_of(interface),
        neighbours=[neighbour_of(each) for each in steps(view, view.remote.network.neighbour)],
        clients=[client_of(view, each) for each in steps(view, view.remote.network.client)],
        denials=[denial_of(view, each) for each in steps(view, view.remote.network.denial)],
        counters=counters_of(view),
        dropped=dropped_of(view),
    )


def interface_of(view: View) -> Interface:
    found: Link = view.ask(Peer.NETWORK, view.remote.network.link)
    return Interface(
        name="card",
        up=bool(found.up),
        leased=bool(found.leased),
        address=f"{dotted(found.address)}/{int(found.prefix)}" if found.address else "",
        gateway=dotted(found.gateway) if found.gateway else "",
        link=link_shown(found.link),
        mtu=int(found.mtu),
        checksums=bool(found.checksums),
        restarts=int(found.restarts),
        refused=int(found.refused),
        frames_in=int(found.frames_in),
        frames_out=int(found.frames_out),
        bytes_in=int(found.bytes_in),
        bytes_out=int(found.bytes_out),
    )


def routes_of(interface: Interface) -> list[Route]:
    """By which the service chooses (RFC 1122, 3.3.1.1): itself, its link, the gateway."""
    found = [Route("127.0.0.0/8", "", "itself")]
    if interface.address:
        found.append(Route(str(IPv4Network(interface.address, strict=False)), "", interface.name))
    if interface.gateway:
        found.append(Route("0.0.0.0/0", interface.gateway, interface.name))
    return found


def sockets_of(view: View) -> Iterator[Socket]:
    place = 0
    for _ in range(MOST_STEPS):
        data = bytearray(int(MOST_SOCKETS) * int(SOCKET_SIZE))
        page = view.ask(Peer.NETWORK, view.remote.network.sockets, lang.u32(place), lang.byte_span(data))
        count = min(int(page.count), int(MOST_SOCKETS))
        for number in range(count):
            begin = number * int(SOCKET_SIZE)
            part = lang.byte_span(data[begin : begin + int(SOCKET_SIZE)])
            yield socket_of(view, lang.wire_view(SocketRecord, part))
        if count == 0 or int(page.next) <= place:
            return
        place = int(page.next)


def socket_of(view: View, record: SocketRecord) -> Socket:
    states = {int(state.value): state.name for state in SocketState}
    listens = int(record.state) == int(SocketState.LISTEN.value)
    datagrams = int(record.state) == int(SocketState.BOUND.value)
    return Socket(
        protocol=PROTOCOLS.get(int(record.protocol), str(int(record.protocol))),
        state=states.get(int(record.state), "?"),
        owner=owner_of(view, int(record.owner)),
        local=endpoint(int(record.local), int(record.local_port)),
        remote="*" if listens or datagrams else endpoint(int(record.remote), int(record.remote_port)),
        received=int(record.received),
        unsent=int(record.unsent),
        room=int(record.room),
        round_trip=int(record.round_trip),
        window=int(record.window),
    )


def neighbour_of(found: NeighbourStatus) -> Neighbour:
    return Neighbour(dotted(found.address), link_shown(found.link) if found.known else "", int(found.left) / 1e6)


def client_of(view: View, found: ClientStatus) -> Client:
    sockets, each = int(found.taken), int(found.each)
    owner = owner_of(view, int(found.owner))
    return Client(owner, bool(found.open), sockets, int(found.pairs), each, 2 * sockets * each)


def denial_of(view: View, found: DenialStatus) -> Denial:
    """As it would have to be written."""
    if found.share:
        what = "connections" if not found.listen else "listeners" if int(found.protocol) == 6 else "UDP sockets"
        return Denial(owner_of(view, int(found.owner)), f"more {what} than its share", int(found.count))
    protocol = PROTOCOLS.get(int(found.protocol), str(int(found.protocol)))
    place = "" if found.listen else f"{dotted(found.address)}:"
    line = f'network.{"listen" if found.listen else "connect"} = ["{protocol}/{place}{int(found.port)}"]'
    return Denial(owner_of(view, int(found.owner)), line, int(found.count))


def counters_of(view: View) -> dict[str, int]:
    """Of TCP."""
    found: Segments = view.ask(Peer.NETWORK, view.remote.network.segments)
    return {name: int(getattr(found, name)) for name in Segments.__annotations__}


def dropped_of(view: View) -> dict[str, int]:
    """Packets that weren't taken, by reason."""
    found: dict[str, int] = {}
    for reason in Drop:
        count = view.ask(Peer.NETWORK, view.remote.network.dropped, lang.u32(int(reason.value)))
        found[reason.name.lower()] = 0 if isinstance(count, Beyond) else int(count)
    return found


def steps(view: View, method: Callable[[Any], Any]) -> Iterator[Any]:
    """A list that is read one by one."""
    place = 0
    for _ in range(MOST_STEPS):
        found = view.ask(Peer.NETWORK, method, lang.u32(place))
        if isinstance(found, Beyond) or int(found.next) <= place:
            return
        yield found
        place = int(found.next)


def owner_of(view: View, owner: int) -> str:
    """The index that init has is one less than the number in badges."""
    return view.name(owner - 1) if owner else ""


def endpoint(address: int, port: int) -> str:
    return f"{dotted(address) if address else '*'}:{port}"


def dotted(address: int) -> str:
    return str(IPv4Address(int(address)))


def link_shown(link: int) -> str:
    return ":".join(f"{int(link) >> shift & 0xFF:02x}" for shift in range(40, -8, -8))
