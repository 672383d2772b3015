"""What was proven is remembered, by content: a function is proven again only when something that its proof reads
changes.

The key of a proof is the hash of the typed IR of its function and of all that it calls or that is an invariant, of the
types these name, of the checks that were taken as proven, of the prover's own sources, of those of the compiler that
say what IR means, and of Z3's version. The folder may be deleted at any time. A record appears whole, under its final
name. A folder of more than MOST_BYTES loses those that weren't used for longest.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import z3

from neokernel.compiler import digest as digests
from neokernel.compiler import interpret, ir, layout, lives, types
from neokernel.compiler.digest import Parts, checks_of, cone, digest

FOLDER = Path("build") / "proofs"
#: what the prover takes from the compiler, but for how messages are worded
MEANINGS = (digests, interpret, ir, layout, lives, types)
#: a kernel's records take some 2 MiB
MOST_BYTES = 16 << 20
#: records that are stored between two looks at how many bytes there are
BETWEEN = 100
_stored = itertools.count()


@functools.cache
def _tools() -> str:
    """The sources of what proves, and what it rests on."""
    found = hashlib.sha256(z3.get_version_string().encode())
    own = sorted(Path(__file__).parent.glob("*.py"))
    for path in (*own, *(Path(str(module.__file__)) for module in MEANINGS)):
        found.update(path.read_bytes())
    return found.hexdigest()


def key(
    function: ir.Function,
    invariants: Iterable[ir.Function],
    proven: set[int],
    limits: object,
    parts: Parts | None = None,
) -> str:
    """The name of the function's record. `parts`: what keys of other functions of the program have found."""
    read = [*invariants, function]
    held = [
        (one.symbol, check.index)
        for one in (cone(read) if proven else ())
        for check in checks_of(one)
        if id(check) in proven
    ]
    return digest(read, f"{_tools()} {function.symbol} {limits} {held}\n", parts)


def quoted(function: ir.Function, invariants: Iterable[ir.Function], sources: Mapping[str, str]) -> str:
    """The sources that a message may quote, and how failures are told: a message of others isn't shown."""
    found = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "failures").glob("*.py")):
        found.update(path.read_bytes())
    files = {one.span.file: None for one in cone([*invariants, function])}
    for file in files:
        found.update(f"{file}\0{sources.get(file, '')}\0".encode())
    return found.hexdigest()


def load(name: str) -> dict[str, Any] | None:
    path = FOLDER / f"{name}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # it has been used
    return found


def store(name: str, record: dict[str, Any]) -> None:
    """Keep a record, if there is a place for it."""
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        fresh = FOLDER / f"{name}.{os.getpid()}"
        fresh.write_text(json.dumps(record), encoding="utf-8")
        fresh.replace(FOLDER / f"{name}.json")
        if next(_stored) % BETWEEN == 0:
            prune()
    except OSError:
        return


def prune() -> None:
    """Delete the records that weren't used for longest, down to the bound. Others may do so at the same time."""
    found = []
    for path in FOLDER.iterdir():
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime_ns, path, status.st_size))
    total = sum(size for _, _, size in found)
    for _, path, size in sorted(found):
        if total <= MOST_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size
