"""Version 2 of what serves `Sums` by tasks."""

from __future__ import annotations

from awaited import serve
from sums import Sums

from neokernel.lang import Provides, provides, slot_of
from neokernel.runtime.process import Process

sums: Provides[Sums] = provides()


def main(process: Process) -> None:
    serve(process, slot_of(sums), 2)
