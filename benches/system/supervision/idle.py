"""A service that does nothing."""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process


def main(process: Process) -> None:
    never: u64 = must_get(process.make(Kind.NOTIFICATION))
    _ = system.wait(never)
