"""Where the sources of an image are on this machine, in a file beside it: `NAME.sources.json`.

An image names its files by their programs' folders, so that it is the same wherever it is built. To show source lines,
the tools must know these folders again.

Invariant: a file that is missing or damaged, or of another image, means that nothing is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from neokernel.image.checks import digest


def write_sources(image: Path, roots: Iterable[Path]) -> None:
    """Note the folders, the first that a file may be in first."""
    found = {"image": digest(image), "roots": list(dict.fromkeys(str(root.resolve()) for root in roots))}
    path_of(image).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def sources_of(image: Path) -> tuple[Path, ...]:
    """The folders that were noted of this image."""
    try:
        found = json.loads(path_of(image).read_text(encoding="utf-8"))
        return tuple(Path(str(root)) for root in found["roots"]) if found["image"] == digest(image) else ()
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def path_of(image: Path) -> Path:
    return image.with_suffix(".sources.json")
