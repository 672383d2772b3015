"""Provides two interfaces, and serves the first alone."""

from __future__ import annotations

from contracts import Private, Public

from neokernel.lang import Provides, provides, struct, u64
from neokernel.runtime.process import Process

public: Provides[Public] = provides()
private: Provides[Private] = provides()


@struct
class Adder:
    sum: u64 = 0

    def add(self, number: u64) -> u64:
        self.sum += number
        return self.sum


def main(process: Process) -> None:
    process.ready()
    _ = public.serve(process, Adder())
