"""A thermometer: posts a sample each millisecond, and waits for nobody. Here it gets warmer all the time."""

from __future__ import annotations

from contracts import Probes, Samples

from neokernel.abi.kinds import Kind
from neokernel.lang import Posts, Setting, Uses, i32, posts, setting, slot_of, uses
from neokernel.runtime import system
from neokernel.runtime.lend import region
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process

station: Uses[Probes] = uses(lend=4096)
#: in tenths of a degree
first: Setting[i32] = setting(180)
step: Setting[i32] = setting(1)

HOTTEST: i32 = 600


def main(process: Process) -> None:
    ring = region(slot_of(station))
    must(station.join(ring))
    samples: Posts[Samples] = posts(ring, 0)
    never = must_get(process.make(Kind.NOTIFICATION))
    tenths: i32 = first.get(process)
    while True:
        # If the ring is full, this sample is lost: the next one is newer.
        _ = samples.sample(tenths)
        tenths = min(tenths + step.get(process), HOTTEST)
        _ = system.wait(never, system.now() + process.frequency // 1000)
