"""A service with two interfaces that serves one of them: nobody reaches it by the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import nk
from tests.cli.support import Nk
from tests.support.patience import LONGEST_RUN

__all__ = ["nk"]

SYSTEM = Path(__file__).parent / "twofold" / "system.toml"


@pytest.mark.qemu
def test_serve_answers_those_who_may_call_its_own_interface(nk: Nk) -> None:
    result = nk("run", "--counted", "--timeout", LONGEST_RUN, "--json", SYSTEM)
    assert result.status == 0
    assert result.json["console"].splitlines()[1:] == [
        "public: 3",
        "private: WRONG_KIND of argument 1",
        "public by private: WRONG_KIND of argument 1",
        "private by public: WRONG_KIND of argument 1",
        "public: 7",
    ]
