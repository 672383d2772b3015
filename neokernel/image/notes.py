"""What has been compiled isn't examined again: notes, beside the object store, of which objects a build was made of.

A note's name is the hash of what was asked for and of the compiler; in it stand the objects' names, their checks, and
the files that were read, each with its digest. It is believed as long as all of them are as they were, and no file has
come or gone beside them, which an import could mean. Only what had nothing wrong with it is noted.

A store that can't be written remembers nothing; a note that can't be read is none.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path

from neokernel.compiler import objects, toolchain
from neokernel.compiler.ir import Kind, Span
from neokernel.compiler.llvm import CheckRecord
from neokernel.compiler.source import PACKAGE_ROOT

#: notes that are kept, the latest used
MOST = 256
#: what decides what is made of sources, beside the toolchain
COMPILER = ("compiler", "lang", "image")


@dataclass(frozen=True, slots=True)
class Made:
    """A program's objects, and what its checks mean. `facts`: what else whoever made it wants to know again."""

    files: list[Path]
    records: list[CheckRecord]
    facts: dict[str, bool] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)


def note_of(*asked: object) -> Path:
    """Where the note is of what is made when this is asked for."""
    key = json.dumps([*map(str, asked), str(PACKAGE_ROOT), compiler()])
    return objects.store() / f"made-{hashlib.sha256(key.encode()).hexdigest()}.json"


@cache
def compiler() -> str:
    """The compiler's digest: it doesn't change while it runs."""
    found = hashlib.sha256(f"{version('ziglang')} {toolchain.CODE}".encode())
    for path in sources_of(*COMPILER):
        found.update(f"{path.relative_to(PACKAGE_ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def sources_of(*folders: str) -> Iterator[Path]:
    """The files of folders of ours."""
    for folder in folders:
        yield from sorted((PACKAGE_ROOT / "neokernel" / folder).rglob("*.py"))


def remember(note: Path, made: Made, read: Iterable[Path]) -> None:
    """Write the note of what was made of the files that were `read`."""
    if not note.parent.is_dir() or any(path.parent != note.parent for path in made.files):
        return
    files = {str(path): _digest(path) for path in read}
    data = {
        "objects": [path.name for path in made.files],
        "checks": [asdict(record) | {"kind": record.kind.value} for record in made.records],
        "facts": made.facts,
        "sources": made.sources,
        "files": files,
        "folders": {folder: _neighbours(Path(folder)) for folder in sorted({str(Path(file).parent) for file in files})},
    }
    with tempfile.TemporaryDirectory(dir=note.parent) as temporary:
        whole = Path(temporary) / note.name
        whole.write_text(json.dumps(data))
        whole.replace(note)
    for old in sorted(note.parent.glob("made-*.json"), key=_used)[:-MOST]:
        old.unlink(missing_ok=True)


def remembered(note: Path) -> Made | None:
    """What was made, if that is there, and nothing that it was made of has changed."""
    try:
        data = json.loads(note.read_text())
        if any(_digest(Path(file)) != digest for file, digest in data["files"].items()):
            return None
        if any(_neighbours(Path(folder)) != names for folder, names in data["folders"].items()):
            return None
        made = [note.parent / name for name in data["objects"]]
        records = [
            CheckRecord(**{**item, "kind": Kind(item["kind"]), "span": Span(**item["span"])}) for item in data["checks"]
        ]
        facts = {str(name): bool(fact) for name, fact in data["facts"].items()}
        sources = {str(file): str(digest) for file, digest in data["sources"].items()}
        for path in (*made, note):
            os.utime(path)  # it is used: others go first
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Made(made, records, facts, sources)


def _digest(path: Path) -> str | None:
    """Of a file's bytes. Programs share modules: while a file's time and size stay, it is read once."""
    try:
        state = path.stat()
        return _digest_of(path, state.st_mtime_ns, state.st_size)
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _digest_of(path: Path, *_: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _neighbours(folder: Path) -> list[str]:
    """The modules and packages of a folder."""
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0
