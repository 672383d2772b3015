"""`nk cap`: authority in systems: whether and how somebody can reach something, and what a change gives and takes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.output import hanging, json_option, print_json, styled
from neokernel.cli.system import find_system, machine_in_part, machine_of, print_unread, unread_as_json
from neokernel.cli.target import complete_services, index_of, machine_option, session
from neokernel.compiler.diagnostics import suggestion
from neokernel.image.systemfile.graph import ALL_MEMORY, Edge, Hop, differences, graph_of, shortest, ways

if TYPE_CHECKING:
    from neokernel.control.view import Grant


@click.group()
def command() -> None:
    """Say who can reach what in a system, and what has changed."""


@command.command()
@click.argument("source", metavar="A")
@click.argument("target", metavar="B")
@click.option(
    "-s", "--system", "path", type=click.Path(path_type=Path), help="The system file (default: the one that is here)."
)
@click.option("--all", "every", is_flag=True, help="All ways, not only the shortest (a thousand at most).")
@json_option
def why(source: str, target: str, path: Path | None, every: bool, as_json: bool) -> int:
    """Say whether A can reach B, and by which capabilities.

    A and B are services, devices, "kernel.power" and the like, or "all memory". A way through other services is one
    that they decide about: each does what it does when it is asked. A service whose program can't be read has what
    the system file grants it.

    Exit status: 0 there is a way, 1 there is none.
    """
    machine, unread = machine_in_part(find_system(path), as_json=as_json, warn=False)
    graph = graph_of(machine)
    for name in (source, target):
        if name not in graph.nodes:
            help = suggestion(name, graph.nodes) or f"there are: {', '.join(graph.nodes)}"
            raise ToolError("NK1011", f"there is no {name!r} in this system", help)
    if source == target:
        raise ToolError("NK1011", f"A and B are both {source}", "name another B: whom it could reach")
    found = ways(graph, source, target) if every else [way for way in [shortest(graph, source, target)] if way]
    status = Exit.SUCCESS if found else Exit.NEGATIVE
    if as_json:
        said = [[edge_as_json(edge) for hop in way for edge in hop.edges] for way in found]
        print_json({"ways": said, "unread": unread_as_json(unread), "exit": int(status)})
        return status
    print_unread(unread)
    if not found:
        click.echo(f"{source} can't reach {target}: nothing that it holds leads there")
    for way in found:
        click.echo("\n".join(told(way)))
    return status


def told(way: list[Hop]) -> list[str]:
    """A way as text, one step to a line."""
    through = [hop.target for hop in way[:-1] if hop.target != ALL_MEMORY]
    said = f", through {', '.join(through)}" if through else " directly"
    lines = [styled(f"{way[0].source} reaches {way[-1].target}{said}:", bold=True)]
    wide = max(len(hop.source) for hop in way)
    for hop in way:
        line = f"  {hop.source:<{wide}}  {', '.join(map(str, hop.edges))} → {hop.target}"
        lines.append(styled(line, fg="red") if any(edge.unprotected for edge in hop.edges) else line)
    return lines


def edge_as_json(edge: Edge) -> dict[str, object]:
    return {
        "from": edge.source,
        "to": edge.target,
        "name": edge.name,
        "what": edge.what,
        "unprotected": edge.unprotected,
    }


@command.command(name="list")
@click.argument("service", required=False, shell_complete=complete_services)
@machine_option
@json_option
def list_(service: str | None, machine: str | None, key: Path | None, as_json: bool) -> None:
    """Say what the services of a running machine have, or what SERVICE has: as init knows it.

    Exit status: as `nk ps`; 2 there is no such service.
    """
    with session(machine, key) as view:
        found = view.services()
        if service is not None:
            chosen = index_of(view, service)
            found = [each for each in found if each.index == chosen]
        grants = {each.name: view.grants(each.index) for each in found}
        lent = view.lendings()
    if as_json:
        services = [{"name": name, "grants": [asdict(each) for each in has]} for name, has in grants.items()]
        print_json({"services": services, "lent": [asdict(each) for each in lent], "exit": 0})
        return
    wide = max([11, *(len(each.name) for has in grants.values() for each in has)])
    for name, has in grants.items():
        click.echo(styled(name, bold=True) + ("" if has else ": nothing but its own memory and time"))
        for each in has:
            click.echo(line_of(each, wide))
        for lending in lent:
            if lending.to == name:
                click.echo(f"  slot {lending.slot:<7} {lending.owner}.{lending.grant}, for {lending.left:.1f} s more")


def line_of(grant: Grant, wide: int) -> str:
    """What a service has, with its name in a column of so many characters."""
    said = hanging(f"  {grant.name:<{wide}}  ", grant.what)
    if not grant.given:
        return styled(said, dim=True)
    return said if grant.exists else said + styled("  (not there now)", fg="yellow")


@command.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@json_option
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Say which authority NEW gives that OLD didn't, and which it takes away: two system files.

    Programs are read where each file names them, so a checkout of the older version shows what that declared.
    """
    machines = [machine_of(find_system(path), as_json=as_json, warn=False) for path in (old, new)]
    changes = differences(*machines)
    if as_json:
        print_json({"changes": [change.as_json() for change in changes], "exit": 0})
        return
    service = ""
    for change in changes:
        if change.service != service:
            service = change.service
            old_has, new_has = (service in machine.services for machine in machines)
            click.echo(styled(service + ("" if old_has and new_has else " (new)" if new_has else " (gone)"), bold=True))
        color = {"+": "red", "-": "green", "~": "yellow"}[change.sign]
        click.echo(styled(f"  {change.sign} {change.what}", fg=color))
    if not changes:
        click.echo("no authority gained or lost")
