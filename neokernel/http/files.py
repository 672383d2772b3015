"""Files that are part of a program, as `nk embed` puts them there: found by their paths, sent whole or in part.

    await offer(http, FILES)

is what a site does with them: the file of the request's path, or where its folder is, or 404. `find` and `give` are its
parts.

A file's tag is a hash of what is in it: so clients keep it, ask whether it is still that, and are told in a few bytes.
"""

from __future__ import annotations

from neokernel.http.characters import CLASSES, HOST, PERCENT, QUESTION, SLASH
from neokernel.http.conditions import Condition, NoRange, Version, evaluate, wanted_range
from neokernel.http.exchange import Exchange
from neokernel.http.method import GET
from neokernel.lang import Array, array, struct, u8, u64, usize, value

#: bytes of a redirect's target: a longer one isn't made
LOCATION = 512
DIGITS = b"0123456789ABCDEF"
#: they stand in a host's name, and are escaped in a path
BRACKET = 0x5B
CLOSING = 0x5D
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


def is_folder(files: tuple[File, ...], path: bytes) -> bool:
    """Is that a folder with an index, but for its slash?"""
    for file in files:
        behind = len(path) + 1
        if len(file.path) == behind + len(INDEX) and file.path[: len(path)] == path:
            if file.path[len(path)] == SLASH and file.path[behind:] == INDEX:
                return True
    return False


@struct
class Target:
    """Of a redirect, as it is written: what can't stand in a target is escaped (RFC 3986, 2.1)."""

    data: Array[u8] = array(LOCATION)
    used: usize = 0
    full: bool = False

    def put(self, byte: u8) -> None:
        if self.used == LOCATION:
            self.full = True
            return
        self.data[self.used] = byte
        self.used += 1

    def path(self, path: bytes) -> None:
        for byte in path:
            plain = CLASSES[usize(byte)] & HOST != 0 and byte not in (PERCENT, BRACKET, CLOSING)
            if plain or byte == SLASH:
                self.put(byte)
            else:
                self.put(PERCENT)
                self.put(DIGITS[usize(byte >> 4)])
                self.put(DIGITS[usize(byte & 15)])

    def text(self, text: bytes) -> None:
        """That is escaped already."""
        for byte in text:
            self.put(byte)


async def offer(http: Exchange, files: tuple[File, ...]) -> None:
    """Answer with the file of the request's path; of a folder without its slash, with where that is; or 404.

    Links in a page are relative to its folder, so a folder's page mustn't be given under a path without the slash.
    """
    file = find(files, http.path())
    if file is not None:
        await give(http, file)
        return
    target = Target()
    if is_folder(files, http.path()):
        target.path(http.path())
        target.put(SLASH)
        if len(http.query()) != 0:
            target.put(QUESTION)
            target.text(http.query())
    if target.used == 0 or target.full:
        await http.refuse(404)
    elif await http.allows(GET):
        http.begin(308)
        http.header(b"Location", target.data[: target.used].bytes())
        await http.send(b"")


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
