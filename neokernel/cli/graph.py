"""`nk graph`: a system's services, what each can reach, and through which capability; on the terminal or as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neokernel.cli.cap import edge_as_json
from neokernel.cli.errors import ToolError
from neokernel.cli.output import console, json_option, print_json, shown, write_text
from neokernel.cli.system import described, find_system, machine_in_part, print_unread, unread_as_json
from neokernel.image.systemfile.graph import Graph, NodeKind, graph_of
from neokernel.image.systemfile.machine import Grant, Kind
from neokernel.image.systemfile.sockets import INTERFACE

if TYPE_CHECKING:
    from rich.tree import Tree

    from neokernel.image.systemfile.machine import Machine


@click.command()
@click.argument("path", metavar="[SYSTEM]", type=click.Path(path_type=Path), required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Draw it into this file, as SVG.")
@json_option
def command(path: Path | None, output: Path | None, as_json: bool) -> None:
    """Show who can reach what in SYSTEM, a system file: by which name a service knows it, and what it is.

    Who reaches all memory, by DMA without an IOMMU, is marked. A service whose program can't be read is shown as the
    file has it. Without SYSTEM: the system file here.
    """
    if output is not None and output.suffix.lower() != ".svg":
        raise ToolError("NK1001", f"{output} would hold SVG, whatever it is called", "name a file that ends in .svg")
    machine, unread = machine_in_part(find_system(path), as_json=as_json)
    graph = graph_of(machine)
    if output is not None:
        from neokernel.image.systemfile.drawing import drawing  # late, because igraph is big

        write_text(output, drawing(graph, machine.name, described(machine)[0]))
    if as_json:
        image = {"image": str(output)} if output is not None else {}
        print_json({**as_data(machine, graph), **image, "unread": unread_as_json(unread), "exit": 0})
        return
    print_unread(unread)
    if output is not None:
        click.echo(f"{shown(output)}: {len(machine.services)} services")
    else:
        console().print(tree(machine, graph))


def as_data(machine: Machine, graph: Graph) -> dict[str, object]:
    nodes = [
        {"name": node.name, "kind": node.kind.value, "detail": node.detail, "reaches_all_memory": node.unprotected}
        for node in graph.nodes.values()
    ]
    network = [
        {"service": service.name, "verb": line.verb, "what": line.text, "by": list(line.servers)}
        for service in machine.services.values()
        for line in service.network
    ]
    return {"nodes": nodes, "edges": [edge_as_json(edge) for edge in graph.edges], "network": network}


def tree(machine: Machine, graph: Graph) -> Tree:
    """Each service with what it holds, and who holds it."""
    from rich.text import Text
    from rich.tree import Tree

    head = Text(machine.name, style="bold")
    head.append(f"  {described(machine)[0]}", style="not bold dim")
    found = Tree(head)
    for node in graph.nodes.values():
        if node.kind is not NodeKind.SERVICE:
            continue
        name = Text(node.name, style="bold red" if node.unprotected else "bold cyan")
        users = sorted({edge.source for edge in graph.entering(node.name)} & machine.services.keys())
        if users:
            name.append(f"  used by {', '.join(users)}", style="not bold dim")
        if node.unprotected:
            name.append("  reaches all memory", style="red")
        branch = found.add(name)
        for grant in machine.services[node.name].grants:
            line = Text(grant.name)
            line.append(" → ", style="dim")
            line.append(grant.target, style="red" if grant in machine.unprotected(machine.services[node.name]) else "")
            line.append(f"  {what(grant)}", style="dim")
            below = branch.add(line)
            for way in machine.services[node.name].network:
                if grant.kind is Kind.ENDPOINT and grant.need.type == INTERFACE and grant.peer in way.servers:
                    below.add(Text(str(way), style="dim"))
    return found


def what(grant: Grant) -> str:
    """What a grant is, behind what it is of."""
    names = {Kind.DEVICE: "registers", Kind.DMA: "DMA", Kind.POOL: "memory beyond its own"}
    return names.get(grant.kind, grant.need.short)
