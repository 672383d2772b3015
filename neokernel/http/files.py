"""Files that are part of a program, as `nk embed` puts them there: found by their paths, sent whole or in part.

    file = find(FILES, http.path())
    if file is None:
        await http.refuse(404)
    else:
        await give(http, file)

A file's tag is a hash of what is in it: so clients keep it, ask whether it is still that, and are told in a few bytes.
"""

from __future__ import annotations

from neokernel.http.characters import SLASH
from neokernel.http.conditions import Condition, NoRange, Version, evaluate, wanted_range
from neokernel.http.exchange import Exchange
from neokernel.http.method import GET
from neokernel.lang import u64, usize, value

INDEX = b"index.html"


@value
class File:
    """`path` begins with a slash; `kind` is the media type; `tag` has its quotes."""

    path: bytes
    kind: bytes
    tag: bytes
    data: bytes


def find(files: tuple[File, ...], path: bytes) -> File | None:
    """The file of that path; of a folder, which ends with a slash, its index."""
    folder = len(path) != 0 and path[len(path) - 1] == SLASH
    for file in files:
        if folder:
            if len(file.path) == len(path) + len(INDEX):
                if file.path[: len(path)] == path and file.path[len(path) :] == INDEX:
                    return file
        elif file.path == path:
            return file
    return None


async def give(http: Exchange, file: File) -> None:
    """Answer with a file, as the request wants it: its head, a part of it, or that it is the one that is known."""
    if not await http.allows(GET):
        return
    version = Version(file.tag)
    match evaluate(http.request, version):
        case Condition.FAILED:
            await http.refuse(412)
            return
        case Condition.NOT_MODIFIED:
            http.begin(304)
            http.header(b"ETag", file.tag)
            await http.send(b"")
            return
        case Condition.GO_ON:
            pass
    part = wanted_range(http.request, version, u64(len(file.data)))
    if part is NoRange.OUTSIDE:
        http.begin(416)
        http.head.size(u64(len(file.data)))
        await http.send(b"")
        return
    first: usize = 0
    end = len(file.data)
    if isinstance(part, NoRange):
        http.begin(200)
    else:
        first, end = usize(part.first), usize(part.end)
        http.begin(206)
        http.head.range(part.first, part.end - 1, u64(len(file.data)))
    http.header(b"Content-Type", file.kind)
    http.header(b"ETag", file.tag)
    http.header(b"Accept-Ranges", b"bytes")
    await http.send(file.data[first:end])
