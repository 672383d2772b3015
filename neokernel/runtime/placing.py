"""Memory of its own for what no stack has room for: one object, in pages that nobody else has.

    places: Places = placed(process, 300)

All of the object's fields have defaults. How large it is the compiler doesn't know as long as it may hold frames of
coroutines: so who places it says how many pages it takes, of 4 KiB. `nk size` shows what frames take. With too few the
process ends at once, by a page fault.

From 512 pages on, 2 MiB, they are mapped by 2 MiB, as far as the process's memory has such: a slot for each, instead of
one for each page. That may take 2 MiB more of its memory.
"""

from __future__ import annotations

from typing import TypeVar

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.rights import READ, WRITE
from neokernel.lang import new_at, object_at, renew, u64, unsafe
from neokernel.runtime.must import must
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_much

unsafe("pages that were mapped for it hold the object, and nothing else")

T = TypeVar("T")

#: where it is, apart from what a program maps itself (docs/design/system.md has the map)
PLACED_ADDRESS = 0x38_0000_0000


def placed(process: Process, pages: u64) -> T:  # type: ignore[type-var]
    """The object, made by its defaults. A process has one such object: a second one fails (OCCUPIED)."""
    must(map_much(process, OWN_SPACE, process.memory, PLACED_ADDRESS, READ | WRITE, pages))
    # A type parameter is no value to type checkers; to the compiler it is the type.
    renew(new_at(T, PLACED_ADDRESS))  # type: ignore[misc]
    return object_at(T, PLACED_ADDRESS)  # type: ignore[misc, no-any-return]
