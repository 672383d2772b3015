"""Who can reach what in a system, and through which capability.

Nodes are services, devices, and what is the kernel's or init's own; an edge is a grant. Where a service can reach all
memory, because a device masters the bus and no IOMMU stands between, there are edges from there to everything: that
device is a way around every other line of the graph. So is init's interface `System`, which ends and replaces services,
lends one what another has, and switches the machine off; by `Watch` services are only seen, by `Shutdown` only
ended, and the machine with them.

Invariant: the same machine gives the same graph, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

from neokernel.image.systemfile.machine import RULES, Grant, Kind, Machine, Service
from neokernel.image.systemfile.resources import microseconds
from neokernel.image.systemfile.units import show_size

#: the node that stands for every byte
ALL_MEMORY = "all memory"
#: what an edge to a device is, beside its registers
INTERRUPT = "interrupt"
#: what init does with each service for who holds one of its interfaces
RULED, SEEN, ENDED = "ends and replaces it, and lends what it has", "tells how it is", "ends it, with all others"
SHUTDOWN = "init.shutdown"
INIT_EDGES = {RULES: RULED, "init.watch": SEEN, SHUTDOWN: ENDED}
#: what switches the machine off
POWER = "kernel.power"
#: the device that does so itself, as boards call it
SWITCH = "sifive,test0"
#: ways that `ways` finds at most
MOST_WAYS = 1000


class NodeKind(Enum):
    SERVICE = "service"
    DEVICE = "device"
    #: the kernel's, or init's
    SPECIAL = "special"
    MEMORY = "memory"


@dataclass(frozen=True)
class Node:
    name: str
    kind: NodeKind
    #: a service's program, a device's address
    detail: str = ""
    #: can it reach all memory?
    unprotected: bool = False


@dataclass(frozen=True)
class Edge:
    """`source` holds a capability, which its program calls `name`, to `target`."""

    source: str
    target: str
    name: str
    #: what the capability is: an interface, "registers", "interrupt", "DMA"
    what: str
    unprotected: bool = False

    @property
    def leads_on(self) -> bool:
        """Does what can be done with the target open the target's own ways? To be told of it, or to end it, doesn't."""
        return self.what not in (INTERRUPT, SEEN, ENDED)

    def __str__(self) -> str:
        return f"{self.name}: {self.what}" if self.name else self.what


@dataclass
class Graph:
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def leaving(self, name: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.source == name]

    def entering(self, name: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.target == name]


def graph_of(machine: Machine) -> Graph:
    """The graph of a machine, services in the file's order."""
    found = Graph()
    for service in machine.services.values():
        unprotected = bool(machine.unprotected(service))
        found.nodes[service.name] = Node(service.name, NodeKind.SERVICE, service.program.name, unprotected)
    reaching: list[Edge] = []
    for service in machine.services.values():
        unprotected_grants = machine.unprotected(service)
        masters = any(grant.kind is Kind.DEVICE for grant in unprotected_grants)
        for grant in service.grants:
            if grant.kind is Kind.DMA and masters:
                continue  # it is the device that does it
            edge = edge_of(machine, service, grant, grant in unprotected_grants)
            if edge is None:
                continue
            found.edges.append(edge)
            if edge.target not in found.nodes:
                found.nodes[edge.target] = node_of(machine, grant, edge)
            if edge.unprotected and edge.target != ALL_MEMORY:
                way = Edge(edge.target, ALL_MEMORY, "", "it masters the bus", True)
                reaching += [] if way in reaching else [way]
    for special, what in INIT_EDGES.items():
        if special in found.nodes:
            found.edges += [Edge(special, name, "", what) for name in machine.services]
    switches = [name for name, device in machine.board.device.items() if device.compatible == SWITCH]
    for name in (RULES, SHUTDOWN, *switches):
        if name in found.nodes:
            # Also if nobody was granted it: init has it, and the board. A machine without services is switched off.
            found.nodes.setdefault(POWER, Node(POWER, NodeKind.SPECIAL))
            found.edges.append(Edge(name, POWER, "", "switches the machine off"))
    if reaching:
        found.nodes.setdefault(ALL_MEMORY, Node(ALL_MEMORY, NodeKind.MEMORY, unprotected=True))
    found.edges += reaching
    if ALL_MEMORY in found.nodes:
        for name, node in list(found.nodes.items()):
            if node.kind is NodeKind.SERVICE:
                found.edges.append(Edge(ALL_MEMORY, name, "", "its memory lies there", True))
    return found


def edge_of(machine: Machine, service: Service, grant: Grant, unprotected: bool) -> Edge | None:
    """What a grant lets a service reach; None for memory of its own."""
    if grant.kind is Kind.POOL:
        return None
    if grant.kind is Kind.DMA:
        return Edge(service.name, ALL_MEMORY, grant.name, "DMA without an IOMMU", True) if unprotected else None
    if grant.kind is Kind.ENDPOINT:
        return Edge(service.name, grant.peer, grant.name, grant.need.short)
    if grant.kind is Kind.SPECIAL:
        return Edge(service.name, grant.target, grant.name, grant.need.short)
    what = "registers" if grant.kind is Kind.DEVICE else INTERRUPT
    return Edge(service.name, grant.device, grant.name, what, unprotected)


def node_of(machine: Machine, grant: Grant, edge: Edge) -> Node:
    """What isn't a service."""
    if edge.target == ALL_MEMORY:
        return Node(ALL_MEMORY, NodeKind.MEMORY, unprotected=True)
    if grant.kind is Kind.SPECIAL:
        return Node(edge.target, NodeKind.SPECIAL)
    device = machine.device(grant.device)
    masters = device.dma and not machine.board.board.iommu
    return Node(grant.device, NodeKind.DEVICE, f"{device.compatible or 'device'} at {device.address:#x}", masters)


# --- ways -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hop:
    """A step of a way: all the capabilities that lead from one node to another."""

    source: str
    target: str
    edges: tuple[Edge, ...]


def hops(graph: Graph, source: str, target: str) -> list[Hop]:
    """The steps that can be done from `source` on a way to `target`."""
    found: dict[str, list[Edge]] = {}
    for edge in graph.leaving(source):
        if edge.leads_on or edge.target == target:
            found.setdefault(edge.target, []).append(edge)
    return [Hop(source, name, tuple(edges)) for name, edges in found.items()]


def shortest(graph: Graph, source: str, target: str) -> list[Hop]:
    """The first of the shortest ways from one node to another; none if there is none."""
    ways: list[tuple[str, list[Hop]]] = [(source, [])]
    seen = {source}
    while ways:
        at, way = ways.pop(0)
        for hop in hops(graph, at, target):
            if hop.target == target:
                return [*way, hop]
            if hop.target not in seen:
                seen.add(hop.target)
                ways.append((hop.target, [*way, hop]))
    return []


def ways(graph: Graph, source: str, target: str) -> list[list[Hop]]:
    """Every way that comes by no node twice, the shortest first; MOST_WAYS at most.

    Who reaches all memory reaches everything at once: from there on only the shortest way counts.
    """
    useful = reaching(graph, target)

    def go(at: str, way: list[Hop], seen: frozenset[str]) -> Iterator[list[Hop]]:
        if at == ALL_MEMORY:
            rest = shortest(graph, at, target)
            if rest and not {hop.target for hop in rest} & seen:
                yield [*way, *rest]
            return
        for hop in hops(graph, at, target):
            if hop.target == target:
                yield [*way, hop]
            elif hop.target in useful and hop.target not in seen:
                yield from go(hop.target, [*way, hop], seen | {hop.target})

    return sorted(islice(go(source, [], frozenset((source,))), MOST_WAYS), key=len)


def reaching(graph: Graph, target: str) -> set[str]:
    """All that can reach a node."""
    found, left = {target}, [target]
    while left:
        at = left.pop()
        for edge in graph.entering(at):
            if edge.source not in found and (edge.leads_on or at == target):
                found.add(edge.source)
                left.append(edge.source)
    return found


def reachable(graph: Graph, source: str) -> set[str]:
    """All that a node can reach."""
    found: set[str] = set()
    left = [source]
    while left:
        for edge in graph.leaving(left.pop()):
            if edge.target not in found and edge.leads_on:
                left.append(edge.target)
            found.add(edge.target)
    return found


# --- differences ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """Of a service's authority: `sign` is "+" for gained, "-" for lost, "~" for another amount."""

    sign: str
    service: str
    what: str

    def as_json(self) -> dict[str, str]:
        kinds = {"+": "gained", "-": "lost", "~": "changed"}
        return {"change": kinds[self.sign], "service": self.service, "authority": self.what}


def differences(old: Machine, new: Machine) -> list[Change]:
    """Authority that services have gained, lost, or have in another amount; also what they can reach through others."""
    found: list[Change] = []
    before, after = ({name: authority(machine, name) for name in machine.services} for machine in (old, new))
    quotas = [{name: amounts(machine, name) for name in machine.services} for machine in (old, new)]
    reach = [{name: reach_of(machine, name) for name in machine.services} for machine in (old, new)]
    for name in dict.fromkeys((*old.services, *new.services)):
        had, has = before.get(name, {}), after.get(name, {})
        found += [Change("-", name, text) for key, text in had.items() if key not in has]
        found += [Change("+", name, text) for key, text in has.items() if key not in had]
        was, now = quotas[0].get(name, {}), quotas[1].get(name, {})
        if name not in old.services or name not in new.services:
            sign = "+" if name in new.services else "-"
            found += [Change(sign, name, f"{key} {amount}") for key, amount in (was or now).items()]
        else:
            keys = [key for key in (*was, *now) if was.get(key) != now.get(key)]
            shown = {key: f"{key} {was.get(key, 'none')} → {now.get(key, 'none')}" for key in keys}
            found += [Change("~", name, text) for text in shown.values()]
        far, wide = reach[0].get(name, set()), reach[1].get(name, set())
        found += [Change("-", name, f"reaches {each}, through others") for each in sorted(far - wide)]
        found += [Change("+", name, f"reaches {each}, through others") for each in sorted(wide - far)]
    return found


def authority(machine: Machine, name: str) -> dict[tuple[str, ...], str]:
    """What a service may do, as lines: by what it is, so that another spelling of the same is no difference."""
    service = machine.services[name]
    found: dict[tuple[str, ...], str] = {}
    for grant in service.grants:
        target = grant.target if grant.kind not in (Kind.DMA, Kind.POOL) else ""
        text = {
            Kind.ENDPOINT: f"calls {grant.target} ({grant.need.short})",
            Kind.SPECIAL: f"holds {grant.target}",
            Kind.DEVICE: f"controls {grant.target}",
            Kind.INTERRUPT: f"receives the interrupt of {grant.target}",
            Kind.DMA: "lets devices reach memory (DMA)",
            Kind.POOL: "has memory beyond its own",
        }[grant.kind]
        found[(grant.kind.value, target, *((grant.name,) if not target else ()))] = text
    for line in service.network:
        found[("network", line.verb, line.text)] = f"{line}"
    if machine.unprotected(service):
        found[("unprotected",)] = "reaches all memory: it is trusted"
    return found


def amounts(machine: Machine, name: str) -> dict[str, str]:
    """How much a service has."""
    service = machine.services[name]
    found = {
        "memory": show_size(service.memory.value),
        "capabilities": str(service.capabilities.value),
        "priority": str(service.priority.value),
        "processor": "what is left"
        if not service.is_reserved
        else f"{microseconds(service.budget.value)} of {microseconds(service.period.value)}",
        "preserved": show_size(service.preserve.value) if service.preserve.value else "nothing",
    }
    for grant in service.grants:
        if grant.kind in (Kind.DMA, Kind.POOL):
            found[f"{grant.kind.value}.{grant.name}"] = grant.target
    return found


def reach_of(machine: Machine, name: str) -> set[str]:
    """What a service reaches only through others."""
    graph = graph_of(machine)
    own = {name} | {edge.target for edge in graph.leaving(name)}
    if graph.nodes[name].unprotected:
        own.add(ALL_MEMORY)  # by a device of its own
    return reachable(graph, name) - own
