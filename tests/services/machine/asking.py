"""Asking init, for programs that know it by the slots of its interfaces."""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.interfaces.system import Shutdown, System, Watch
from neokernel.lang import Uses, u64, uses
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process


def system_at(slot: u64) -> System:
    view: Uses[System] = uses(slot)
    return view


def shutdown_at(slot: u64) -> Shutdown:
    view: Uses[Shutdown] = uses(slot)
    return view


def watch_at(slot: u64) -> Watch:
    view: Uses[Watch] = uses(slot)
    return view


def index_of(watch: Watch, name: bytes) -> u64:
    """Of a service that there is."""
    found = watch.find(name)
    assert isinstance(found, u64), "there is such a service"
    return found


def pause(process: Process, microseconds: u64) -> None:
    never = must_get(process.make(Kind.NOTIFICATION))
    _ = system.wait(never, system.now() + microseconds * process.frequency // 1_000_000)
    must(process.drop(never))
