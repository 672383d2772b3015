"""Where a machine's time goes, by samples: a known load is seen as what it is, and pictures are what was counted."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from neokernel.cli.errors import Exit
from neokernel.cli.profile import Profile, screen
from neokernel.image.flame import flame_graph, folded
from tests.cli.support import Nk
from tests.support.patience import eventually

SAMPLES = 300
#: of standard deviations that a share may be off: more in one of some 16,000 runs
DEVIATIONS = 4

STACKS = {("a", "main (a.py:1)", "work <b> (a.py:2)"): 3, ("a", "main (a.py:1)"): 1, ("(idle)",): 4, ("a;b",): 2}


@pytest.fixture
def found(busy: str, nk: Nk, folders: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(folders)

    def profile() -> Any:
        made = nk("profile", "-n", SAMPLES, "-r", 200, "--json")
        assert made.status == 0, made.error
        # On a busy host the line of most is known only from others.
        return made.json["settled"] >= SAMPLES // 4 and made.json

    return eventually(profile, "no line is known")


@pytest.mark.qemu
def test_a_known_load_is_seen_as_it_is(found: Any, folders: Path) -> None:
    """Fourteen steps of twenty are coarse's, and both functions are one run of instructions."""
    assert found["looks"] == SAMPLES
    assert 0.8 * SAMPLES < found["samples"] <= SAMPLES, "it never idles"
    assert sum(each["samples"] for each in found["services"]) == found["samples"]
    assert sum(each["samples"] for each in found["stacks"]) == found["samples"]
    if not found["exact"]:
        pytest.skip("this QEMU can't be stopped between any two instructions")
    samples = {each["service"]: each["samples"] for each in found["services"]}
    assert set(list(samples)[:2]) == {"worker", "twin"}
    worked = samples["worker"] + samples["twin"]
    assert abs(samples["worker"] / worked - 0.5) < 2 * DEVIATIONS * math.sqrt(0.25 / worked), "they take turns"
    assert worked > 0.8 * found["samples"]
    seen = dict.fromkeys(("coarse", "fine"), 0)
    for stack in found["stacks"]:
        functions = [frame.partition(" (")[0] for frame in stack["frames"]]
        for name in seen:
            if name in functions:
                assert functions[0] in ("worker", "twin")
                assert functions[1:4] == ["main", "work", name]
                seen[name] += stack["samples"]
    both = sum(seen.values())
    assert both > 0.8 * worked
    # A busy host leaves fewer samples whose line is their own; the others repeat these. And QEMU doesn't take the same
    # time for each instruction (docs/design/control.md).
    known = min(found["settled"], both) / 2
    assert abs(seen["coarse"] / both - 0.7) < DEVIATIONS * math.sqrt(0.7 * 0.3 / known), seen
    innermost = next(each for each in found["lines"] if (each["service"], each["function"]) == ("worker", "step"))
    assert innermost["file"].endswith("worker.py")
    assert innermost["self"] > 0.7 * samples["worker"]
    picture = ET.parse(folders / found["graph"]).getroot()
    titles = [each.text or "" for each in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("work (") for title in titles), titles


@pytest.mark.qemu
def test_of_one_service(busy: str, nk: Nk, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders)
    # On a busy host most looks fall on the moment at which the machine goes on, in a trap.
    shown = nk("profile", "worker", "-n", 100, "-r", 200, "--folded", "stacks")
    assert shown.status == 0, shown.error
    lines = shown.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert "in work" in shown.output
    assert "worker.py:" in shown.output
    assert all(line.startswith("worker") for line in (folders / "stacks").read_text().splitlines())
    assert (folders / "build" / "busy.profile.svg").exists()
    waits = nk("profile", "alerts", "-n", 3, "-r", 200)
    assert waits.status == 0
    assert "alerts" in waits.output
    wrong = nk("profile", "wroker", "-n", 1)
    assert wrong.status == Exit.USAGE
    assert "NK1605" in wrong.error
    assert nk("ps").status == 0, "it goes on"


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_folded_stacks_are_lines() -> None:
    assert folded(STACKS) == ("(idle) 4\na,b 2\na;main (a.py:1) 1\na;main (a.py:1);work <b> (a.py:2) 3\n"), (
        "sorted, and a semicolon parts calls only"
    )


def test_who_was_never_seen_is_told_so() -> None:
    nothing = Profile(looks=60, seconds=1.8)
    assert screen(nothing, "log") == [
        "60 looks in 1.8 s; in 0 of them it worked.",
        "log was never seen running; `nk autopsy` says what is waited for",
    ]
    assert screen(nothing, None)[1].startswith("nobody was ever seen running; ")


def test_a_flame_graph_has_a_bar_for_each_call() -> None:
    picture = ET.fromstring(flame_graph(STACKS, "a & b", "10 samples"))
    bars = {}
    for group in picture.iter("{http://www.w3.org/2000/svg}g"):
        title, bar = group[0].text or "", group[1]
        bars[title.partition(":")[0]] = (float(bar.get("x", "")), float(bar.get("y", "")), float(bar.get("width", "")))
    assert list(bars) == ["all", "(idle)", "a", "main (a.py", "work <b> (a.py", "a;b"], "by their names"
    wide = bars["all"][2]
    assert bars["(idle)"][2] == pytest.approx(0.4 * wide)
    assert bars["work <b> (a.py"][2] == pytest.approx(0.3 * wide)
    assert bars["main (a.py"][:1] == bars["a"][:1], "upon its caller"
    assert bars["main (a.py"][1] < bars["a"][1]
    assert flame_graph(dict(reversed(STACKS.items())), "a & b", "10 samples") == flame_graph(
        STACKS, "a & b", "10 samples"
    ), "the same stacks, the same picture"


def test_a_picture_of_nothing() -> None:
    ET.fromstring(flame_graph({}, "nothing"))
