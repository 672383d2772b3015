"""A program that asks a server once, and reads the whole answer (`test_fetch.py`)."""

from __future__ import annotations

from neokernel.http.client import Fetch, FetchError, Place
from neokernel.http.method import Method
from neokernel.interfaces.clients.sockets import Net
from neokernel.lang import Array, Embedded, array, struct, tasks, u8, u16, usize
from neokernel.runtime.executor import Group

HOST = Place(0x0A00_0202, 80, b"host")


async def ask(fetched: Fetched) -> None:
    fetch = fetched.fetch
    body = fetched.body[: fetched.length].bytes()
    kind = b"text/plain" if len(body) != 0 else b""
    status = await fetch.ask(fetched.method, HOST, fetched.target[: fetched.target_length].bytes(), kind, body)
    if isinstance(status, FetchError):
        fetched.failed = status
    else:
        fetched.status = status
        length = await fetch.read_all(fetched.into[: fetched.room])
        if isinstance(length, FetchError):
            fetched.failed = length
        else:
            fetched.came = length
    fetch.close()
    fetched.ended = True


@struct
class Fetched:
    net: Net
    fetch: Fetch
    #: what is asked; `room`: for the answer's body
    method: Method = Method.GET
    target: Array[u8] = array(4_096)
    target_length: usize = 0
    body: Array[u8] = array(8_192)
    length: usize = 0
    room: usize = 100
    #: what became of it
    ended: bool = False
    failed: FetchError | None = None
    status: u16 = 0
    came: usize = 0
    into: Array[u8] = array(8_192)
    group: Embedded[Group] = Group(frames=tasks(ask, 1), tasks=array(1))

    def begin(self) -> bool:
        return self.group.spawn(self.net.executor, ask(self)) is not None
