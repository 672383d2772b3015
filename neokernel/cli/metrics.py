"""`nk metrics`: what a running machine counts, as Prometheus reads it (text exposition format, 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neokernel.cli.output import json_option, print_json
from neokernel.cli.target import machine_option, session

if TYPE_CHECKING:
    from neokernel.control.network import State
    from neokernel.control.view import View


@dataclass(frozen=True)
class Metric:
    """`kind` is "counter" or "gauge"; each value with its labels."""

    name: str
    kind: str
    help: str
    values: list[tuple[dict[str, str], float]] = field(default_factory=list)


@click.command()
@machine_option
@json_option
def command(machine: str | None, key: Path | None, as_json: bool) -> None:
    """Print the counters of a running machine, for Prometheus.

    A file that is written again and again can be served by node_exporter's textfile collector.

    Exit status: as `nk ps`.
    """
    with session(machine, key) as view:
        found = metrics(view) + network_metrics(view)
    if as_json:
        values = [
            {"name": each.name, "labels": labels, "value": value} for each in found for labels, value in each.values
        ]
        print_json({"metrics": values, "exit": 0})
    else:
        click.echo(exposition(found), nl=False)


def metrics(view: View) -> list[Metric]:
    services, left, counters = view.services(), view.resources(), view.counters()

    def each(name: str, kind: str, help: str, values: Iterable[float]) -> Metric:
        labels = [{"service": service.name} for service in services]
        return Metric(f"neokernel_service_{name}", kind, help, list(zip(labels, values, strict=True)))

    def one(name: str, kind: str, help: str, value: float) -> Metric:
        return Metric(f"neokernel_{name}", kind, help, [({}, value)])

    return [
        each("up", "gauge", "Whether the service runs.", (float(each.phase == "runs") for each in services)),
        each("starts_total", "counter", "How often it was started.", (each.starts for each in services)),
        each("cpu_seconds_total", "counter", "Processor time since its last start.", (each.cpu for each in services)),
        each("memory_free_bytes", "gauge", "What it has left of its memory.", (each.free for each in services)),
        each("denied_total", "counter", "What the kernel has denied it.", (each.denied for each in services)),
        one("uptime_seconds", "gauge", "Since the machine started.", view.seconds(counters.time)),
        one("memory_free_bytes", "gauge", "Memory that is nobody's.", int(left.memory)),
        one("slots_free", "gauge", "Free slots of init's table.", int(left.slots)),
        one("control_sessions_total", "counter", "Sessions of operators.", int(counters.sessions)),
        one("control_wrong_keys_total", "counter", "Who came without an operator's key.", int(counters.wrong)),
        one("control_bad_frames_total", "counter", "What was no frame of the protocol.", int(counters.refused)),
        one("control_calls_total", "counter", "Calls that operators have made.", int(counters.calls)),
    ]


def network_metrics(view: View) -> list[Metric]:
    """Of the network service, if there is one that the control service may ask."""
    from neokernel.control.network import state_of
    from neokernel.control.view import NotGranted, NotTold

    name, help = "neokernel_network_up", "Whether the network service answers, and its link is there."
    try:
        found = state_of(view)
    except NotGranted:
        return []
    except NotTold:
        return [Metric(name, "gauge", help, [({}, 0.0)])]
    return [Metric(name, "gauge", help, [({}, float(found.interface.up))]), *of_network(found)]


def of_network(found: State) -> list[Metric]:
    interface, counters = found.interface, found.counters
    states = Counter((each.protocol, each.state.lower()) for each in found.sockets)

    def both(name: str, help: str, came: float, went: float) -> Metric:
        values = [({"direction": "in"}, came), ({"direction": "out"}, went)]
        return Metric(f"neokernel_network_{name}", "counter", help, values)

    def one(name: str, help: str, value: float) -> Metric:
        return Metric(f"neokernel_network_{name}", "counter", help, [({}, value)])

    def each(name: str, kind: str, help: str, values: Iterable[tuple[dict[str, str], float]]) -> Metric:
        return Metric(f"neokernel_network_{name}", kind, help, list(values))

    return [
        both("frames_total", "Frames on the link.", interface.frames_in, interface.frames_out),
        both("bytes_total", "Bytes of these.", interface.bytes_in, interface.bytes_out),
        one("driver_restarts_total", "How often the card's driver was another one.", interface.restarts),
        one("frames_refused_total", "Frames that the driver wouldn't send.", interface.refused),
        both("segments_total", "Segments of TCP.", counters["segments_in"], counters["segments_out"]),
        one("retransmissions_total", "Segments that were sent again.", counters["retransmitted"]),
        one("timeouts_total", "Retransmissions for want of any answer.", counters["timeouts"]),
        one("recoveries_total", "Losses that acknowledgements told of.", counters["recoveries"]),
        one("connections_opened_total", "Connections that clients have opened.", counters["opened"]),
        one("connections_accepted_total", "Connections that peers have opened.", counters["accepted"]),
        one("connections_failed_total", "Attempts that failed, either way.", counters["failed"]),
        both("resets_total", "Segments with RST.", counters["resets_in"], counters["resets_out"]),
        both("cookies_total", "SYN cookies that came back, and were sent.", counters["cookies_in"],
             counters["cookies_out"]),
        one("challenges_total", "Challenge acknowledgements (RFC 5961).", counters["challenges"]),
        each("dropped_total", "counter", "Packets that weren't taken, by reason.",
             (({"reason": reason}, count) for reason, count in found.dropped.items())),
        each("sockets", "gauge", "Sockets, by protocol and state.",
             (({"protocol": protocol, "state": state}, count) for (protocol, state), count in sorted(states.items()))),
        each("client_sockets", "gauge", "Sockets that a service has.",
             (({"service": client.owner}, client.sockets) for client in found.clients)),
        each("client_sockets_most", "gauge", "Sockets that its memory has room for.",
             (({"service": client.owner}, client.most) for client in found.clients)),
        each("client_memory_bytes", "gauge", "Its buffers that are in use.",
             (({"service": client.owner}, client.memory) for client in found.clients)),
        each("denied_total", "counter", "What it wanted and no line grants, or is kept for others, of the latest such.",
             (({"service": denial.owner, "line": denial.line}, denial.count) for denial in found.denials)),
    ]  # fmt: skip


def exposition(found: list[Metric]) -> str:
    lines = []
    for metric in found:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for labels, value in metric.values:
            named = ",".join(f'{name}="{escaped(text)}"' for name, text in labels.items())
            lines.append(f"{metric.name}{{{named}}} {number(value)}" if named else f"{metric.name} {number(value)}")
    return "".join(f"{line}\n" for line in lines)


def number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
