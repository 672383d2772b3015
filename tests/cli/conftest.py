"""The fixture `nk`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.support import Nk


@pytest.fixture
def nk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Nk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NK_DEBUG", raising=False)
    return Nk(capsysbinary)
