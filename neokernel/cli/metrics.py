"""`nk metrics`: what a running machine counts, as Prometheus reads it (text exposition format, 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neokernel.cli.output import json_option, print_json
from neokernel.cli.target import machine_option, session

if TYPE_CHECKING:
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
        found = metrics(view)
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
        one("uptime_seconds", "gauge", "Since the machine started.", view.seconds(counters.time)),
        one("memory_free_bytes", "gauge", "Memory that is nobody's.", int(left.memory)),
        one("slots_free", "gauge", "Free slots of init's table.", int(left.slots)),
        one("control_sessions_total", "counter", "Sessions of operators.", int(counters.sessions)),
        one("control_wrong_keys_total", "counter", "Who came without an operator's key.", int(counters.wrong)),
        one("control_bad_frames_total", "counter", "What was no frame of the protocol.", int(counters.refused)),
        one("control_calls_total", "counter", "Calls that operators have made.", int(counters.calls)),
    ]


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
