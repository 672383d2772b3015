"""A folder of files as a target module: a table of them, for programs that have them in their read-only data.

The module is ordinary source: every reading has it, type checkers see it, and a review sees what changes. The same
files give the same text; tags are hashes of contents, so they are the same wherever it is built.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

#: media types by the ends of names (registered by IANA); of others `OTHER`, which browsers store and don't show
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
OTHER = "application/octet-stream"
#: bytes of contents in a line of source: none is longer than 120 characters then
STEP = 24
#: of the hash that is a file's tag
TAG_DIGITS = 32
#: of all files together: a program's own memory holds them, and so does the boot image
MOST = 8 << 20

HEAD = '''"""The files of {folder}, each with its media type and its tag. Made by `nk embed`: change them, not this.

`nk embed {folder} -o {module}` makes it anew; with `--check`, says whether it must be.
"""
# ruff: noqa: Q000
# fmt: off

from neokernel.http.files import File

# What makes this a module of the target.
from neokernel.lang import u64

TOTAL: u64 = {total}

FILES: tuple[File, ...] = (
'''


class BadFolder(Exception):
    """The folder can't be embedded; the text says why."""


def files_of(folder: Path) -> list[tuple[str, bytes]]:
    """Paths, from the folder on, and contents; by paths. What begins with a dot is left out.

    Raises BadFolder, OSError.
    """
    found: list[tuple[str, bytes]] = []
    total = 0
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if any(part.startswith(".") for part in place.parts) or not path.is_file():
            continue
        name = f"/{place.as_posix()}"
        if not all(" " <= letter <= "~" for letter in name):
            raise BadFolder(f"{name!r} has characters beside ASCII's printable ones: give it another name")
        content = path.read_bytes()
        total += len(content)
        if total > MOST:
            raise BadFolder(f"the files have more than {MOST:,} bytes together (up to {name})")
        found.append((name, content))
    if not found:
        raise BadFolder("there is no file in it")
    return sorted(found)


def source_of(files: list[tuple[str, bytes]], folder: Path, module: Path) -> str:
    """The text of the module that has these files of the folder's."""
    total = sum(len(content) for _, content in files)
    text = HEAD.format(folder=folder.name, module=module.name, total=total)
    for name, content in files:
        tag = f'"{hashlib.sha256(content).hexdigest()[:TAG_DIGITS]}"'
        kind = KINDS.get(Path(name).suffix.lower(), OTHER)
        text += f"    File(\n        {name.encode()!r},\n        {kind.encode()!r},\n        {tag.encode()!r},\n"
        lines = [f"        {content[first : first + STEP]!r}" for first in range(0, len(content), STEP)]
        text += "\n".join(lines or ["        b''"]) + ",\n    ),\n"
    return text + ")\n"
