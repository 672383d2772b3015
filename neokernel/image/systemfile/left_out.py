"""The lines of a system file that an image was built without (`nk build --deny`), as its users see them.

The image itself knows only that a capability is missing. What was left out, and where it stands, is in a file beside
the image, `NAME.denied.json`, which is believed only of the image that it was written for.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from neokernel.image.checks import digest
from neokernel.image.systemfile.describing import Denied
from neokernel.image.systemfile.machine import Machine
from neokernel.image.systemfile.matching import table_of


@dataclass(frozen=True)
class Line:
    """A line of a system file that an image was built without: as it could be written, and where it stands."""

    service: str
    name: str
    text: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: [service.{self.service}] was built without `{self.text}`"


def path_of(image: Path) -> Path:
    return image.with_suffix(".denied.json")


def write_left_out(image: Path, machine: Machine, denied: frozenset[Denied]) -> None:
    """Write the file beside an image that was built without these grants; of one with all of them there is none."""
    path = path_of(image)
    if not denied:
        path.unlink(missing_ok=True)
        return
    lines = [
        Line(
            service.name, grant.name, f'{table_of(grant.need)}.{grant.name} = "{grant.target}"',
            grant.span.file, grant.span.line,
        )
        for service in machine.services.values()
        for grant in service.grants
        if (service.name, grant.name) in denied
    ]  # fmt: skip
    lines += [
        Line(service.name, line.name, f'network.{line.verb} = ["{line.text}"]', line.span.file, line.span.line)
        for service in machine.services.values()
        for line in service.network
        if (service.name, line.name) in denied
    ]
    found = {"image": digest(image), "denied": [asdict(line) for line in lines]}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def lines_left_out(image: Path) -> list[Line]:
    """The lines that the image was built without, as far as the file beside it says."""
    try:
        found = json.loads(path_of(image).read_text(encoding="utf-8"))
        if found["image"] != digest(image):
            return []
        return [
            Line(str(each["service"]), str(each["name"]), str(each["text"]), str(each["file"]), int(each["line"]))
            for each in found["denied"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
