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
#: what decides how a mutant ends: packages, and the tests
PACKAGES = ("abi", "arch", "compiler", "kernel", "lang", "prover", "runtime", "sim")
DECIDING = (
    *(f"neokernel/{name}" for name in PACKAGES),
    "tests/fuzz_kernel",
    "tests/image",
    "tests/kernel",
    "tests/mutate",
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
        self.sources = self._read("neokernel/abi", "neokernel/arch", "neokernel/kernel", "neokernel/runtime")
        self.kernel = [file for file in self.sources if file.startswith(KERNEL)]
        self.vocabulary = Vocabulary({file: text for file, text in self.sources.items() if "/runtime/" not in file})

    def _copy(self) -> None:
        for name in COPIED:
            origin = PACKAGE_ROOT / name
            if origin.is_dir():
                shutil.copytree(origin, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(origin, self.folder / name)

    def _read(self, *folders: str) -> dict[str, str]:
        paths = (path for name in folders for path in sorted((self.folder / name).rglob("*.py")))
        return {path.relative_to(self.folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}

    def digest(self) -> str:
        """Of all that decides."""
        found = hashlib.sha256(sys.version.encode())
        for file, text in self._read(*DECIDING).items():
            found.update(f"{file}\0{text}\0".encode())
        return found.hexdigest()[:16]

    @contextmanager
    def mistake(self, mutant: Mutant) -> Iterator[None]:
        """The mistake is planted until the end of the `with`."""
        source = self.sources[mutant.file]
        path = self.folder / mutant.file
        path.write_text(mutant.apply(source), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(source, encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """For processes that import the copy."""
        return {**os.environ, "PYTHONPATH": str(self.folder), "NK_CACHE": str(self.folder / "cache")}
