"""The table of checks: from a trap's address to the expression that failed, its kind and its message.

An image holds (address, number) pairs; what the numbers mean stands in a file beside it, `NAME.checks.json`, since an
image has no use for it. Both are written by one build: the file names the image's digest, and a table of another build
is not believed. It appears as a whole: who reads while another build writes sees one or the other.

It also says what the image was made of: where the sources lay, seen from the table, and the digest of each one's text.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neokernel.compiler import toolchain
from neokernel.compiler.diagnostics import Diagnostics
from neokernel.compiler.llvm.checks import read_checks
from neokernel.compiler.llvm.target import CheckRecord
from neokernel.compiler.source import Module, read_source
from neokernel.image.elf import Image
from neokernel.image.panic import PanicRecord
from neokernel.image.traceback import Frame

BREAKPOINT = 3


@dataclass(frozen=True)
class CheckPoint:
    """A check that failed. `frame` has its expression's range."""

    kind: str
    message: str
    frame: Frame


@dataclass(frozen=True)
class Sources:
    """What an image was made of: digests of texts, by the files' names below `folder`."""

    folder: Path
    digests: Mapping[str, str]


def sources_in(folder: Path, modules: Iterable[Module]) -> Sources:
    """Of modules that were compiled; what the build itself wrote has no file."""
    return Sources(folder, {module.file: module.digest for module in modules if not module.file.startswith("<")})


def table_path(image: Path) -> Path:
    return image.with_suffix(".checks.json")


def write_check_table(image: Path, records: Iterable[CheckRecord], sources: Sources) -> Path:
    """Write the file beside a linked image; its path."""
    checks = {
        str(record.id): {
            "function": record.symbol,
            "kind": record.kind.value,
            "message": record.message,
            "span": [
                record.span.file,
                record.span.line,
                record.span.column,
                record.span.end_line,
                record.span.end_column,
            ],
        }
        for record in records
    }
    path = table_path(image)
    folder = os.path.relpath(sources.folder.resolve(), path.parent.resolve())
    table = {"image": digest(image), "folder": folder, "sources": dict(sources.digests), "checks": checks}
    text = json.dumps(table, indent=1) + "\n"
    with tempfile.TemporaryDirectory(prefix=toolchain.ASIDE, dir=path.parent) as folder:
        whole = Path(folder) / path.name
        whole.write_text(text, encoding="utf-8")
        whole.replace(path)
    return path


def digest(image: Path) -> str:
    return hashlib.sha256(image.read_bytes()).hexdigest()


def text_digest(path: Path) -> str | None:
    """Of a source file's text, as the compiler reads it; None if there is none that can be read."""
    text = read_source(path, Diagnostics(), str(path))
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def check_at(image: Image, panic: PanicRecord) -> CheckPoint | None:
    """The check whose trap ended the machine; None when it was another trap, or the table is missing or stale."""
    return check_of(image, panic.pc) if panic.cause == BREAKPOINT else None


def check_of(image: Image, address: int) -> CheckPoint | None:
    """The check whose trap is the instruction at `address`; None if there is none, or no table of this image."""
    try:
        table = believed_table(image)
        if table is None:
            return None
        entry = table["checks"][str(read_checks(image.path)[address])]
        file, line, column, end_line, end_column = entry["span"]
        frame = Frame(str(entry["function"]), str(file), int(line), int(column), int(end_line), int(end_column))
        return CheckPoint(str(entry["kind"]), str(entry["message"]), frame)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def sources_of(image: Image) -> Sources | None:
    """What the image was made of; None if there is no table of this image."""
    try:
        table = believed_table(image)
        if table is None:
            return None
        digests = {str(file): str(digest) for file, digest in table["sources"].items()}
        return Sources((table_path(image.path).parent / table["folder"]).resolve(), digests)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def believed_table(image: Image) -> dict[str, Any] | None:
    """The table beside the image, if it is of this image; a broken one may raise."""
    table: dict[str, Any] = json.loads(table_path(image.path).read_text(encoding="utf-8"))
    # The image that ran counts: since then, another may have been built in its place.
    return table if table["image"] == image.digest == digest(image.path) else None
