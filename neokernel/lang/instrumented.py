"""Instrumented code that is kept from one process to the next, as Python keeps plain code: in `__pycache__`.

A file holds the digest of all that the code depends on, the files that were read for it beside the module's own, and
the code. It is used only if the digest is that of what is there now: the module's text, those files, the language's own
source, and Python. Whatever is wrong with a file, or with the folder, the code is made anew.

Code for which a module was looked for and not found isn't kept (`hook.py`): nobody would see that it is there by now.
What isn't seen is that a module's name has come to mean another file, earlier on `sys.path`, while the one that was
read stays as it was: who does that removes `__pycache__`.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import marshal
import os
import sys
from pathlib import Path
from types import CodeType

#: Python's word for a variant of cached code, part of the file's name
VARIANT = "instrumented"


def kept(filename: str, module: str, source: bytes) -> CodeType | None:
    """The code that was made of this source, if nothing that it depends on has changed."""
    try:
        digest, others, code = marshal.loads(Path(_place(filename)).read_bytes())  # noqa: S302 - as Python does
        texts = {other: _text(other) for other in others}
        return code if digest == _digest(filename, module, source, texts) and isinstance(code, CodeType) else None
    except (OSError, ValueError, EOFError, TypeError, NotImplementedError):
        return None


def keep(filename: str, module: str, source: bytes, read: dict[str, str], code: CodeType) -> None:
    """Keep the code for other processes, if that is possible. `read`: the files that it was made of, and their texts.

    If one of them has another text by now, or isn't a file, nothing is kept.
    """
    if sys.dont_write_bytecode:
        return
    try:
        if any(_text(file) != text for file, text in read.items()):
            return
        place = Path(_place(filename))
        data = marshal.dumps((_digest(filename, module, source, read), sorted(read), code))
        place.parent.mkdir(parents=True, exist_ok=True)
        # Others may read, or write it, at this moment.
        made = place.with_name(f"{place.name}.{os.getpid()}")
        made.write_bytes(data)
        made.replace(place)
    except (OSError, ValueError, NotImplementedError):
        return


def _place(filename: str) -> str:
    return importlib.util.cache_from_source(filename, optimization=VARIANT)


def _text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")


def _digest(filename: str, module: str, source: bytes, read: dict[str, str]) -> bytes:
    made = hashlib.sha256(_language())
    texts = (text.encode() for _, text in sorted(read.items()))
    for text in (filename.encode(), module.encode(), source, *texts):
        made.update(len(text).to_bytes(8, "little") + text)
    return made.digest()


@functools.cache
def _language() -> bytes:
    """Of Python, and of what makes the code: the language's own files, by their times."""
    made = hashlib.sha256(importlib.util.MAGIC_NUMBER)
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        found = path.stat()
        made.update(f"{path} {found.st_mtime_ns} {found.st_size}\n".encode())
    return made.digest()
