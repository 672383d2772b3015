"""A thousand tasks, in memory of their own: a stack has no room for them."""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.rights import READ, WRITE
from neokernel.lang import Embedded, array, new_at, object_at, renew, struct, tasks, u64, unsafe
from neokernel.runtime.executor import Executor, Group
from neokernel.runtime.must import must
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_new

unsafe("the server lies in pages that are mapped for it alone, before it is used")

ADDRESS: u64 = 0x20_0000_0000
TASKS = 1000


async def sleeper(server: Server, number: u64) -> None:
    for _ in range(3):
        await server.executor.sleep_until(server.executor.now + 100 * (number % 7))
        server.rounds += 1


@struct
class Server:
    executor: Embedded[Executor] = Executor()
    sleepers: Embedded[Group] = Group(frames=tasks(sleeper, TASKS), tasks=array(TASKS))
    rounds: u64 = 0


def placed(process: Process) -> Server:
    must(map_new(process, OWN_SPACE, process.memory, ADDRESS, READ | WRITE, 70))
    renew(new_at(Server, ADDRESS))
    return object_at(Server, ADDRESS)


def main(process: Process) -> None:
    server = placed(process)
    executor = server.executor
    must(executor.begin(process))
    for number in range(u64(TASKS)):
        assert server.sleepers.spawn(executor, sleeper(server, number)) is not None
    while server.sleepers.living > 0:
        must(executor.wait())
        server.sleepers.run(executor)
    process.console.write(f"{server.rounds} rounds\n")
