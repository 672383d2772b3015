"""`nk demo`: the whole of it, and its end by ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from neokernel.cli import demo
from neokernel.demo import clients, machine, tour
from tests.cli.support import Nk, start
from tests.control.conftest import folders, nk
from tests.support.patience import PATIENCE
from tests.support.ports import free_ports

__all__ = ["folders", "nk"]

#: of the 360
IMAGES = 40
#: before and after the process of the model, whichever that is
VICTIMS = ("card", "network", "accelerator")


@pytest.mark.qemu
@pytest.mark.timeout(3600)
def test_all_of_it(folders: Path, nk: Nk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are killed and the model is replaced: each question is answered, and none otherwise than before."""
    monkeypatch.setattr(tour, "BEFORE", 20)
    monkeypatch.setattr(tour, "AFTER", 5)
    # Other tests run at the same time.
    monkeypatch.setattr(machine, "free_port", lambda wanted: free_ports(1)[0])
    every = tour.questions
    monkeypatch.setattr(tour, "questions", lambda path: every(path)[:IMAGES])
    # A slow host isn't a lost connection.
    monkeypatch.setattr(clients, "FIRST", 60.0)
    monkeypatch.setattr(clients, "SILENCE", 600.0)
    monkeypatch.chdir(folders)
    found = nk("demo", "--json")
    assert found.status == 0, (found.output, found.error)
    told = found.json
    assert [(each["model"], each["images"]) for each in told["accuracy"]] == [
        ("digits", IMAGES),
        ("digits-int8", IMAGES),
    ]
    assert all(each["right"] >= 38 for each in told["accuracy"])
    assert told["pace"]["clients"] == 4 and told["pace"]["seen"]["lost"] == 0
    killed = {each["service"]: each for each in told["killed"]}
    model = next(name for name in killed if name not in VICTIMS)
    assert list(killed) == ["card", "network", model, "accelerator"] and model.startswith("digits")
    assert all(each["starts"] >= 2 for each in killed.values())
    # A connection is lost with the service that has it, and with no other one.
    assert killed["network"]["lost"] > 0
    assert not any(each["lost"] for name, each in killed.items() if name != "network")
    swapped = told["swapped"]
    assert swapped["version"] == "2" and swapped["by"]["1"] > 0 and swapped["by"]["2"] > 0
    assert swapped["service"] != model and swapped["refused"] == swapped["lost"] == 0
    assert told["wrong"] == 0


def test_it_has_room_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Of 80 columns; with figures that are as long as they come."""
    seen = tour.Seen(9999.0, 99_999, 9_999, 9_999, 9_999, 9_999, 99.0)
    report = demo.Report(as_json=False)
    report.line("built and booted", "in 999.9 s: http://127.0.0.1:65535")
    report.accuracy(tour.Accuracy("digits-int8", 360, 360))
    report.pace(tour.Pace(4, seen, 9_999.0, 9_999.0, 9_999.0, 9_999.0))
    report.heading("replaced, while they ask")
    for name, what in (*demo.BEFORE, ("digits-next", "the process of the model"), *demo.BEHIND):
        report.killed(tour.Killed(name, 2, seen), what)
    report.swapped(tour.Swapped("digits-next", "2", "0" * 128, {"1": 99_999, "2": 99_999}, seen))
    report.end()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 12 and max(map(len, lines)) <= 80, max(lines, key=len)


def test_ctrl_c_ends_it(folders: Path) -> None:
    """While it builds: nothing is left."""
    with start("demo", cwd=folders) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"An inference gateway")
        # Without a terminal, too, it is said what takes so long.
        assert process.stderr is not None
        assert process.stderr.readline() == b"building the system\n"
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"error[NK1105]: interrupted" in error, (output, error)
    assert not list((folders / "run").glob("*/machine.json"))
