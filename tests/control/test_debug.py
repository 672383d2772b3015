"""gdb on one service of a running machine: it stops that one alone, speaks Python, and the machine goes on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from neokernel.cli.debug import CANDIDATES, knows_riscv
from neokernel.cli.errors import Exit
from neokernel.compiler.source import PACKAGE_ROOT
from tests.cli.support import Nk
from tests.support.patience import eventually

pytestmark = [pytest.mark.qemu]

WORKER = (PACKAGE_ROOT / "tests" / "control" / "busy" / "worker.py").read_text().splitlines()
#: the line of `turn`'s body, which both services run again and again
TURN = 1 + next(number for number, line in enumerate(WORKER) if "mill.turns += 1" in line)
TABLE = "print/x (unsigned long)$satp & 0xfffffffffff"


@pytest.fixture
def gdb(busy: str, folders: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    found = next((path for name in CANDIDATES if (path := shutil.which(name)) and knows_riscv(path)), None)
    if found is None:
        pytest.skip("no gdb that knows riscv64; Debian, Ubuntu: apt-get install gdb-multiarch")
    monkeypatch.chdir(folders)
    return found


def commands(*texts: str) -> list[str]:
    return [word for text in texts for word in ("-ex", text)]


def test_a_breakpoint_stops_one_service_of_two_that_run_the_same_code(gdb: str, nk: Nk) -> None:
    tables = {}
    for service in ("worker", "twin"):
        stops = ["continue", TABLE] * 3
        shown = nk(
            "debug", service, "--batch", *commands(f"break worker.py:{TURN}", *stops, "print *mill", "backtrace")
        )
        assert shown.status == 0, shown.error
        seen = re.findall(r"^\$\d+ = (0x[0-9a-f]+)$", shown.output, re.MULTILINE)
        assert len(seen) == 3, shown.output
        assert len(set(seen)) == 1, "always the same process"
        tables[service] = seen[0]
        assert f"worker.py:{TURN}\n{TURN}\t    mill.turns += 1" in shown.output, "the line itself"
        assert re.search(r"= Mill\(flour=\d+, turns=\d+, sack=Sack\(grain=Grain.RYE, weight=70\)\)", shown.output)
        assert re.search(r"#0 .*worker\.turn \(mill=<Mill at 0x[0-9a-f]+>\) at .*\n#1 .*worker\.main ", shown.output)
    assert tables["worker"] != tables["twin"]


def test_the_kernel_has_its_symbols_and_stops_for_everybody(gdb: str, nk: Nk) -> None:
    shown = nk("debug", "worker", "--batch", *commands("break schedule.py:426", "info breakpoints", "continue"))
    assert shown.status == 0, shown.error
    assert "neokernel/kernel/schedule.py:426" in shown.output
    assert "stop only if" not in shown.output
    assert "this is the kernel" in shown.output


def test_a_gdb_that_is_killed_leaves_nothing(gdb: str, nk: Nk) -> None:
    def used() -> float:
        return float(next(each["cpu"] for each in nk("ps", "--json").json["services"] if each["name"] == "worker"))

    killed = nk(
        "debug",
        "worker",
        "--batch",
        *commands(
            f"break worker.py:{TURN}",
            "set breakpoint always-inserted on",
            "continue",
            "python import os; os.kill(os.getpid(), 9)",
        ),
    )
    assert killed.status not in (0, Exit.USAGE)
    assert "the machine goes on" in killed.error
    before = used()
    eventually(lambda: used() > before, "the service stands still")
    again = nk("debug", "worker", "--batch", *commands("print 6 * 7"))
    assert "$1 = 42" in again.output


def test_what_cant_be_debugged(gdb: str, nk: Nk) -> None:
    wrong = nk("debug", "wroker")
    assert wrong.status == Exit.USAGE
    assert "NK1605" in wrong.error
    assert "did you mean `worker`?" in wrong.error
    assert "twin, worker; a service that is down has none" in nk("debug", "nothing").error
    made = nk("debug", "worker", "--json").json
    assert made["gdb"][0] == gdb
    assert any(each.startswith("nk-process worker 0x") for each in made["gdb"])
