"""What a test of drivers asks init while these are killed: how often one was started, and what the machine holds."""

from __future__ import annotations

from neokernel.interfaces.system import Resources, ServiceStatus, Watch
from neokernel.lang import Array, array, u8, u64
from neokernel.runtime.must import must_get


def starts(init: Watch, service: u64) -> u64:
    """How often it has been started; `service`: its number in the system."""
    name: Array[u8] = array(48)
    status = init.service(service, name[:])
    assert isinstance(status, ServiceStatus), "init tells"
    return status.starts


def resources(init: Watch) -> Resources:
    """When all services run."""
    while True:
        found = must_get(init.resources())
        if found.running == found.services:
            return found
