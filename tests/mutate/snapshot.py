"""A copy of the sources, so that a mistake is what every reader of them sees: CPython, the compiler, the manual.

It also keeps a run apart from edits that others make meanwhile.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neokernel.compiler.source import PACKAGE_ROOT
from tests.mutate.sites import Mutant, Vocabulary

COPIED = ("neokernel", "tests", "boards", "pyproject.toml")
#: what decides what a mutant means
TRANSLATION = (
    *(f"neokernel/{name}" for name in ("abi", "arch", "compiler", "kernel", "lang", "runtime")),
    "neokernel/image/kernel.py",
    "tests/mutate/equivalence.py",
    "tests/mutate/operators.py",
    "tests/mutate/sites.py",
)
#: where mistakes are planted
KERNEL = "neokernel/kernel"


class Snapshot:
    """The sources as they were, in a folder: those of a commit, or else the files as they are."""

    def __init__(self, folder: Path, commit: str | None = None) -> None:
        self.folder = folder
        if commit is None:
            self._copy()
        else:
            command = ["git", "archive", "--format=tar", commit, *COPIED]
            archive = subprocess.run(command, cwd=PACKAGE_ROOT, capture_output=True, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                tar.extractall(folder, filter="data")
            # The tool is always this one.
            shutil.copytree(Path(__file__).parent, folder / "tests" / "mutate", dirs_exist_ok=True)
        declared = self._read("neokernel/abi", "neokernel/arch", "neokernel/kernel")
        self.sources = declared | self._read("neokernel/runtime", "neokernel/spec")
        self.kernel = [file for file in self.sources if file.startswith(KERNEL)]
        self.vocabulary = Vocabulary(declared)

    def _copy(self) -> None:
        for name in COPIED:
            origin = PACKAGE_ROOT / name
            if origin.is_dir():
                shutil.copytree(origin, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(origin, self.folder / name)

    def _read(self, *folders: str) -> dict[str, str]:
        roots = (self.folder / name for name in folders)
        paths = (path for root in roots for path in (sorted(root.rglob("*.py")) if root.is_dir() else [root]))
        return {path.relative_to(self.folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}

    def digest(self, *deciding: str) -> str:
        """Of files and folders."""
        found = hashlib.sha256(sys.version.encode())
        for file, text in self._read(*deciding).items():
            found.update(f"{file}\0{text}\0".encode())
        return found.hexdigest()[:16]

    @contextmanager
    def mistake(self, mutant: Mutant) -> Iterator[None]:
        """The mistake is planted until the end of the `with`."""
        with self._text(mutant.file, mutant.apply(self.sources[mutant.file])):
            yield

    @contextmanager
    def sound(self, mutant: Mutant) -> Iterator[None]:
        """It isn't, until the end of the `with`."""
        with self._text(mutant.file, self.sources[mutant.file]):
            yield

    @contextmanager
    def _text(self, file: str, text: str) -> Iterator[None]:
        path = self.folder / file
        before = path.read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(before, encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """For processes that import the copy."""
        return {**os.environ, "PYTHONPATH": str(self.folder), "NK_CACHE": str(self.folder / "cache")}
