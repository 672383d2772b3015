"""The guide to a slow service tells the truth: its commands look at the system that it shows, and at the mended one."""

from __future__ import annotations

import dataclasses
import re
import shutil
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from neokernel import lang
from neokernel.compiler.source import PACKAGE_ROOT
from tests.control.conftest import up
from tests.docs import snippets
from tests.support.patience import PATIENCE

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "why-slow.md")
EXAMPLE = PACKAGE_ROOT / "examples" / "10_slow"
BLOCKS = PAGE.having("console")
#: runs of a command that looks at samples, after which a line that was never among them counts as wrong
MOST_RUNS = 30
#: of `nk profile`: how often it has looked
LOOKS = re.compile(r"^(\d+) looks in .*; in \d+ of them it worked", re.MULTILINE)
#: articles of the shop whose calls are counted
SHELVES = 50
#: what differs from run to run: numbers, bars, and how far columns are apart for them
VARIES = re.compile(r"[\d.,]+%?|[█▏▎▍▌▋▊▉]+|an hour|min|h(?= )")
#: what is said only if the host let more time pass between two commands than the ring has room for
OVERWRITTEN = re.compile(r", [\d,]+ earlier ones were overwritten$", re.MULTILINE)


def alike(text: str) -> str:
    """The text without what differs from run to run; names of files and their lines stay."""
    kept = re.sub(r"(\S+\.py:)(\d+)", lambda found: found[1] + "".join("abcdefghij"[int(x)] for x in found[2]), text)
    kept = OVERWRITTEN.sub("", kept.replace("10_slow", "ten_slow"))
    return re.sub(r"#(?: #)+", "#", re.sub(r" +", " ", VARIES.sub("#", kept)))


def as_shown(block: snippets.Block, printed: str) -> bool:
    """Has the output the block's lines, whatever the numbers are, and so whichever comes before the other?"""
    return set(alike(block.text).splitlines()) - {"…"} <= set(alike(printed).splitlines())


def shown_at_last(block: snippets.Block, folder: Path) -> str:
    """What the block's commands print, again and again, until each of its lines has been there: `MOST_RUNS` at most.

    What they print are samples, of which a busy host lets only some fall on moments at which anybody works.
    """
    printed = ""
    for _ in range(MOST_RUNS):
        printed += snippets.run(PAGE, block, folder)
        if as_shown(block, printed):
            break
    return printed


@pytest.mark.qemu
def test_who_and_where_and_what_it_waits_for(folders: Path) -> None:
    here = folders / "slow"
    shutil.copytree(EXAMPLE, here / "examples" / "10_slow", ignore=shutil.ignore_patterns("__pycache__", "build"))
    who, where, waits, mended = BLOCKS
    with up(EXAMPLE / "system.toml", folders):
        for block in (who, where):
            printed = shown_at_last(block, folders)
            assert as_shown(block, printed), printed
        expected = [block.text for block in PAGE.having("trace")]
        missing: list[str] = [text for text in expected if text]
        for _ in range(MOST_RUNS):
            printed = snippets.run(PAGE, waits, folders)
            assert as_shown(waits, printed), printed
            lines = [each.removesuffix(",") for each in (folders / "build/slow.trace.json").read_text().splitlines()]
            missing = [line for text in expected if (line := snippets.in_order(text, lines)) is not None]
            if not missing:
                break
        assert not missing
    (change,) = mended.changes
    shop = here / change.option
    shop.write_text(snippets.changed(shop.read_text(), change.text))
    with up(here / "examples" / "10_slow" / "system.toml", folders) as process:
        printed = snippets.run(PAGE, dataclasses.replace(mended, changes=[]), folders)
        # How often it is seen at work is the host's affair; what it saves is counted below.
        assert LOOKS.findall(printed) == LOOKS.findall(mended.text) == ["400"], printed
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=PATIENCE)
    assert b"stopped by ctrl-C" in error
    left = (folders / "build" / "slow.post-mortem.txt").read_text()
    assert left.startswith("the processor "), "what every thread did is left there"
    assert "\nshop, thread " in left
    assert 'shop.py", line ' in left


def test_the_mended_shop_works_out_one_digit_and_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under CPython, where calls can be counted: of articles that there are, and of some that there aren't."""
    names = ("contracts", "shop")
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))  # so that what was there comes back
    contracts = lang.load_module(EXAMPLE / "contracts.py", "contracts")
    source = (EXAMPLE / "shop.py").read_text()
    (change,) = BLOCKS[-1].changes
    digits = {"as it is": 0, "mended": 0}
    said: dict[str, list[object]] = {}
    for which, text in (("as it is", source), ("mended", snippets.changed(source, change.text))):
        shop: Any = lang.load_module(text, "shop")

        def counted(number: Any, which: str = which) -> Any:
            digits[which] += 1
            return contracts.checked(number)

        shop.checked, shop.ARTICLES = counted, SHELVES
        store = shop.Shop(numbers=lang.array_of(*(lang.u64(shop.FIRST + 3 * each) for each in range(SHELVES))))
        articles = [contracts.checked(lang.u64(shop.FIRST + each)) for each in (0, 3, 4, 3 * SHELVES - 3)]
        said[which] = [store.find(each) for each in (*articles, lang.u64(articles[0] + 1))]
    assert said["mended"] == said["as it is"] == [0, 1, None, SHELVES - 1, None]
    assert digits == {"as it is": 1 + 2 + SHELVES + SHELVES + SHELVES, "mended": 5}
