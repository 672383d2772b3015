"""A short campaign, and that it finds mistakes that are put into the parsers."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.http import body, request
from tests.fuzz_http import campaign

#: mistakes: the module, what stands there, what is put in its place
MISTAKES = {
    "a line's end that is cut isn't seen": (
        request,
        "            if end + 1 == self.filled:\n                self.seen = end\n",
        "            if end + 1 == self.filled:\n                self.seen = end + 1\n",
    ),
    "the next request begins a byte early": (
        request,
        "self.filled, self.at, self.seen = rest, 0, 0",
        "self.filled, self.at, self.seen = rest, 0, 1",
    ),
    "a path keeps its dots": (
        request,
        "elif byte != 0x2E or before == SLASH:",
        "elif byte != 0x2E and before == SLASH:",
    ),
    "a body ends where the bytes do": (
        body,
        "        self.left -= count\n",
        "        self.left -= count\n        self.done = count == 13\n",
    ),
}


def test_a_short_campaign() -> None:
    totals = campaign.run(1, 100_000)
    assert totals.rounds == 100_000 and totals.requests > 90_000
    # Of each way to be refused that these requests are short enough for.
    assert set(totals.ends) == {0, 1, 400, 417, 501, 505}
    assert totals.ends[0] > 30_000 and min(totals.ends.values()) > 50


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(mistake: str) -> None:
    module, right, wrong = MISTAKES[mistake]
    assert module.__file__ is not None
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert source.count(right) == 1
    with pytest.raises(campaign.Found, match=r"^in rounds "):
        campaign.run(1, 20_000, campaign.library({module.__name__: source.replace(right, wrong)}))
