"""Cases of what is said about system files: `cases/*.txt`, each with its files and with all that is printed.

    === title
    --- system.toml
    …
    --- says
    error[NK2003]: …

Beside a case's own files lie those of `world.txt`. A `@` at a line's beginning stands for world.txt's system file up to
the services, so that cases are short.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from neokernel.compiler.diagnostics import render
from neokernel.image.systemfile.checking import examine
from neokernel.image.systemfile.document import Findings

FOLDER = Path(__file__).parent / "cases"
WORLD = Path(__file__).parent / "world.txt"
SYSTEM = "system.toml"
SAYS = "says"
HEAD = '[system]\nname = "test"\nboard = "./board.toml"\n'


@dataclass
class Case:
    title: str
    files: dict[str, str] = field(default_factory=dict)
    says: str = ""

    def write(self, folder: Path) -> Path:
        """Its files and the world's in a folder; the system file's path."""
        for name, text in (world() | self.files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(expanded(text), encoding="utf-8")
        return Path(SYSTEM)

    def text(self) -> str:
        """As it stands in its file."""
        parts = [f"=== {self.title}\n"]
        parts += [f"--- {name}\n{text}" for name, text in self.files.items()]
        return "".join([*parts, f"--- {SAYS}\n{self.says}"])


def expanded(text: str) -> str:
    return re.sub("^@$", HEAD.rstrip(), text, flags=re.MULTILINE)


def parts_of(text: str) -> dict[str, str]:
    """The files that stand in a text, by their names."""
    names = re.findall(r"^--- (.+)$", text, re.MULTILINE)
    contents = re.split(r"^--- .+\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(names, contents, strict=True))


def world() -> dict[str, str]:
    return parts_of(WORLD.read_text(encoding="utf-8"))


def read(path: Path) -> list[Case]:
    found = []
    for part in re.split(r"^=== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        files = parts_of(rest)
        says = files.pop(SAYS, "")
        found.append(Case(title, files, says))
    return found


def write(path: Path, found: list[Case]) -> None:
    path.write_text("".join(case.text() for case in found), encoding="utf-8")


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.txt"))


def said(path: Path) -> str:
    """All that is found about the system file at `path`, as a user sees it; the current folder is the case's."""
    return shown(examine(path)[1])


def shown(findings: Findings) -> str:
    texts = []
    for item in findings.items:
        source = Path(item.span.file).read_text(encoding="utf-8", errors="replace") if item.span.line else None
        texts.append(render(item, source) + "\n")
    return "\n".join(texts) + ("\n" if texts else "nothing wrong\n\n")
