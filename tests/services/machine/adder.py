"""Version 1 of what serves `Sums`."""

from __future__ import annotations

from sums import Adder, State, Sums

from neokernel.lang import Provides, provides, wire_view
from neokernel.runtime.process import Process

sums: Provides[Sums] = provides()


def main(process: Process) -> None:
    adder = Adder(state=wire_view(State, process.state()), program=1)
    process.ready()
    failure = sums.serve(process, adder)
    process.console.write(f"served: {failure.status.name}\n")
