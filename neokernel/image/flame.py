"""Stacks that were counted, as folded lines and as a flame graph (SVG).

    worker;main (worker.py:31);coarse (worker.py:12) 67

A folded line is a stack, outermost call first, and how often it was seen (Brendan Gregg's format, which other tools
read, too). In the graph each call is a bar upon its caller's, as wide as its share; calls of one caller stand in the
order of their names, so that two graphs can be compared. What the kernel does is named with `_[k]` behind it.

Invariant: the same stacks give the same bytes. The picture needs no program and no other file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape

Stack = tuple[str, ...]

#: what the kernel's calls end in
KERNEL = "_[k]"
#: in the picture's units, which are pixels unless it is scaled
WIDTH, ROW, MARGIN, HEAD = 1200, 18, 10, 46
#: of a character, on average, in the font's size
CHARACTER, FONT = 6.7, 12
#: a bar that is narrower isn't drawn
NARROWEST = 0.4
#: hues of programs' bars, from and to; and the kernel's
WARM, COLD = (8, 52), (205, 225)


def folded(stacks: Mapping[Stack, int]) -> str:
    """A line for each stack, in the order of their names."""
    lines = (";".join(each.replace(";", ",") for each in stack) for stack in stacks)
    return "".join(f"{line} {count}\n" for line, count in sorted(zip(lines, stacks.values(), strict=True)))


@dataclass
class Bar:
    """A call, by all ways in which its callers were the same. `own`: samples in which it was the innermost one."""

    name: str
    count: int = 0
    own: int = 0
    inner: dict[str, Bar] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        return 1 + max((bar.depth for bar in self.inner.values()), default=0)


def tree(stacks: Mapping[Stack, int], name: str) -> Bar:
    root = Bar(name)
    for stack, count in stacks.items():
        bar = root
        bar.count += count
        for each in stack:
            bar = bar.inner.setdefault(each, Bar(each))
            bar.count += count
        bar.own += count
    return root


def flame_graph(stacks: Mapping[Stack, int], title: str, note: str = "") -> str:
    """The picture. `note`: a line below the title."""
    root = tree(stacks, "all")
    height = HEAD + root.depth * ROW + MARGIN
    bars = "".join(drawn(root, root.count, float(MARGIN), height - MARGIN - ROW, float(WIDTH - 2 * MARGIN)))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">
<style>
svg {{ background: #fffdf8; font: {FONT}px Verdana, "DejaVu Sans", sans-serif; }}
text {{ fill: #202020; pointer-events: none; }}
.title {{ font-size: 16px; }}
.note {{ fill: #606060; }}
rect {{ stroke: #fffdf8; stroke-width: 0.6; }}
rect:hover {{ stroke: #202020; }}
</style>
<rect width="{WIDTH}" height="{height}" fill="#fffdf8"/>
<text class="title" x="{MARGIN}" y="22">{escape(title)}</text>
<text class="note" x="{MARGIN}" y="38">{escape(note)}</text>
{bars}</svg>
"""


def drawn(bar: Bar, whole: int, x: float, y: int, wide: float) -> Iterator[str]:
    """The bar and those upon it."""
    if wide < NARROWEST or not whole:
        return
    share = bar.count / whole
    own = f", {bar.own / whole:.1%} of it by itself" if bar.own and bar.inner else ""
    said = f"{bar.name}: {share:.1%} ({bar.count:,} samples{own})"
    yield (
        f'<g><title>{escape(said)}</title><rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{ROW - 1}" rx="1" '
        f'fill="{color(bar.name)}"/>'
    )
    text = fitting(bar.name, wide - 6)
    if text:
        yield f'<text x="{x + 3:.1f}" y="{y + 13}">{escape(text)}</text>'
    yield "</g>\n"
    for name in sorted(bar.inner):
        inner = bar.inner[name]
        part = wide * inner.count / bar.count
        yield from drawn(inner, whole, x, y - ROW, part)
        x += part


def fitting(name: str, wide: float) -> str:
    """As much of the name as there is room for; nothing if that says nothing."""
    most = int(wide / CHARACTER)
    if len(name) <= most:
        return name
    return name[: most - 1] + "…" if most >= 4 else ""


def color(name: str) -> str:
    """By its name, so that a function has the same colour in every graph."""
    number = zlib.crc32(name.partition(" (")[0].encode())
    low, high = COLD if name.endswith(KERNEL) else WARM
    if name == "all" or name.startswith("("):
        return "#d8d4cc"
    return f"hsl({low + number % (high - low)}, {70 + number // 256 % 20}%, {66 + number // 65536 % 10}%)"
