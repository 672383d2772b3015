"""What reads bytes that anybody may have written is proven: no check in it ever fails, and its contracts hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.cli.main import guarded
from neokernel.compiler.source import PACKAGE_ROOT

MODULES = ("stage/enrolment", "stage/verify", "stage/find")
#: what these rely on: hashing, and how large the limbs of numbers get
SLOW = ("crypto/sha512", "crypto/field25519")


@pytest.mark.parametrize("module", [*MODULES, *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW)])
def test_it_is_proven(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = PACKAGE_ROOT / Path("neokernel", module).with_suffix(".py")
    assert guarded(["prove", str(path)]) == 0, capsys.readouterr().err
