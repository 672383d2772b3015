"""The guide to a slow service tells the truth: its commands look at the system that it shows, and at the mended one."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.control.conftest import up
from tests.docs import snippets

pytestmark = [pytest.mark.qemu]

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "why-slow.md")
EXAMPLE = PACKAGE_ROOT / "examples" / "10_slow"
BLOCKS = PAGE.having("console")
#: what differs from run to run: numbers, bars, and how far columns are apart for them
VARIES = re.compile(r"[\d.,]+%?|[█▏▎▍▌▋▊▉]+|an hour|min|h(?= )")
#: what is said only if the host let more time pass between two commands than the ring has room for
OVERWRITTEN = re.compile(r", [\d,]+ earlier ones were overwritten$", re.MULTILINE)


def alike(text: str) -> str:
    """The text without what differs from run to run; names of files and their lines stay."""
    kept = re.sub(r"(\S+\.py:)(\d+)", lambda found: found[1] + "".join("abcdefghij"[int(x)] for x in found[2]), text)
    kept = OVERWRITTEN.sub("", kept.replace("10_slow", "ten_slow"))
    return re.sub(r" +", " ", VARIES.sub("#", kept)).replace("# #", "#")


def as_shown(block: snippets.Block, printed: str) -> bool:
    """Has the output the block's lines, whatever the numbers are, and so whichever comes before the other?"""
    return set(alike(block.text).splitlines()) - {"…"} <= set(alike(printed).splitlines())


def looks_at_work(printed: str) -> dict[int, int]:
    """Of `nk profile`: how many looks there were, and in how many of them the service worked."""
    return {
        int(n): int(k) for n, k in re.findall(r"^(\d+) looks in .*; in (\d+) of them it worked", printed, re.MULTILINE)
    }


def share_of_digits(printed: str) -> float:
    """Of `nk profile`: how much of the time in which anybody works goes by in `checked`, a hundred for all of it."""
    return sum(
        float(each) for each in re.findall(r"^ *([\d.]+)% +[\d.]+% +10_slow/contracts\.py:", printed, re.MULTILINE)
    )


def test_who_and_where_and_what_it_waits_for(folders: Path) -> None:
    here = folders / "slow"
    shutil.copytree(EXAMPLE, here / "examples" / "10_slow", ignore=shutil.ignore_patterns("__pycache__", "build"))
    who, where, waits, mended = BLOCKS
    with up(EXAMPLE / "system.toml", folders):
        worked: dict[int, int] = {}
        digits = 0.0
        for block in (who, where, waits):
            printed = snippets.run(PAGE, block, folders)
            assert as_shown(block, printed), printed
            worked |= looks_at_work(printed)
            if block is where:
                digits = share_of_digits(printed)
        lines = [each.removesuffix(",") for each in (folders / "build/slow.trace.json").read_text().splitlines()]
        for block in PAGE.having("trace"):
            assert snippets.in_order(block.text, lines) is None
    (change,) = mended.changes
    mended.changes = []
    shop = here / change.option
    shop.write_text(snippets.changed(shop.read_text(), change.text))
    with up(here / "examples" / "10_slow" / "system.toml", folders) as process:
        printed = snippets.run(PAGE, mended, folders)
        assert looks_at_work(printed).keys() == worked.keys(), printed
        # How long anything takes is the host's affair; of what the shop does, the digits are now one of six thousand.
        assert share_of_digits(printed) < digits / 4, printed
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=120)
    assert b"stopped by ctrl-C" in error
    left = (folders / "build" / "slow.post-mortem.txt").read_text()
    assert left.startswith("the processor "), "what every thread did is left there"
    assert "\nshop, thread " in left
    assert 'shop.py", line ' in left
