"""The graph of a system as SVG: callers above whom they call, hardware at the bottom.

`layers.py` finds the places. Colours follow the reader's light or dark scheme. The picture is plain text: the same
graph gives the same bytes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from neokernel.image.systemfile.graph import ALL_MEMORY, INIT_EDGES, Edge, Graph, Node, NodeKind
from neokernel.image.systemfile.layers import Spot, placed

WIDTH, HEIGHT = 156, 46
#: between neighbours, between lines that pass a layer, and between layers
GAP, JOINT, RISE = 26, 22, 84
MARGIN, HEAD, FOOT = 28, 62, 44
#: of the fonts, in pixels at their sizes; a little too wide rather than too narrow
WIDE, SMALL = 7.6, 6.1

STYLE = """
svg { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color-scheme: light dark;
  --ground: #ffffff; --text: #1c2430; --dim: #5d6877; --line: #8a96a6; --box: #f3f6fa; --edge: #5b7fb4;
  --device: #f6f2ea; --device-edge: #a08855; --special: #f1eef8; --special-edge: #8068b0; --alarm: #c0352b;
  --alarm-box: #fdf1ef; }
@media (prefers-color-scheme: dark) { svg {
  --ground: #14181f; --text: #e6eaf0; --dim: #9aa5b4; --line: #6c7889; --box: #1e2733; --edge: #7fa6dd;
  --device: #2a261d; --device-edge: #b89d66; --special: #262233; --special-edge: #a48fd4; --alarm: #ff7b6f;
  --alarm-box: #33201f; } }
.ground { fill: var(--ground); }
.title { font-size: 17px; font-weight: 600; fill: var(--text); }
.about, .key { font-size: 11.5px; fill: var(--dim); }
.name { font-size: 13px; font-weight: 600; fill: var(--text); text-anchor: middle; }
.detail { font-size: 10.5px; fill: var(--dim); text-anchor: middle; }
.box { stroke-width: 1.4; fill: var(--box); stroke: var(--edge); }
.device .box { fill: var(--device); stroke: var(--device-edge); }
.special .box { fill: var(--special); stroke: var(--special-edge); }
.unprotected .box { fill: var(--alarm-box); stroke: var(--alarm); stroke-width: 2; stroke-dasharray: 6 3; }
.unprotected .detail, .alarm { fill: var(--alarm); }
.way { fill: none; stroke: var(--line); stroke-width: 1.3; }
.way.hot { stroke: var(--alarm); stroke-width: 1.8; stroke-dasharray: 6 3; }
.tip { fill: var(--line); }
.tip.hot { fill: var(--alarm); }
.label { font-size: 10.5px; fill: var(--dim); text-anchor: middle; }
.label.hot { fill: var(--alarm); }
""".strip()


Point = tuple[float, float]


@dataclass
class Picture:
    """What is drawn: one line for all edges between two nodes.

    All memory isn't a node but a mark, and what init does isn't drawn.
    """

    nodes: list[Node]
    lines: dict[tuple[str, str], list[Edge]]
    #: the middle of each node
    places: dict[str, Point]
    #: the points between the ends of each line
    bends: dict[tuple[str, str], list[Point]]


def drawing(graph: Graph, title: str, about: str) -> str:
    """The picture's text. `about` is said below the title."""
    picture = arranged(graph)
    right = max((x for x, _ in picture.places.values()), default=0.0) + WIDTH / 2
    right = max(right, *(x + MARGIN for points in picture.bends.values() for x, _ in points), 0.0)
    bottom = max((y for _, y in picture.places.values()), default=0.0) + HEIGHT / 2
    keys = [text for text, wanted in KEYS.items() if any(wanted(node) for node in picture.nodes)]
    width = max(right + MARGIN, 2 * MARGIN + WIDE * 1.3 * len(title), 2 * MARGIN + SMALL * 1.1 * len(about))
    width = round(max(width, 2 * MARGIN + sum(key_width(text) for text in keys)))
    height = round(bottom + FOOT + MARGIN)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-label="{escape(title)}">'
        ),
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="ground" width="{width}" height="{height}"/>',
        f'<text class="title" x="{MARGIN}" y="30">{escape(title)}</text>',
        f'<text class="about" x="{MARGIN}" y="48">{escape(about)}</text>',
    ]
    shift = (width - right - MARGIN) / 2
    parts.append(f'<g transform="translate({number(shift)} 0)">')
    labels: list[str] = []
    taken: list[Area] = []
    for pair, edges in picture.lines.items():
        parts += line(picture, pair, edges)
        labels += label(picture, pair, edges, taken)
    parts += labels
    for node in picture.nodes:
        parts += box(picture, node)
    parts += ["</g>", *legend(keys, height), "</svg>\n"]
    return "\n".join(parts)


def number(value: float) -> str:
    """A coordinate, as short as can be."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


# --- where everything goes --------------------------------------------------------------------------------------------


def arranged(graph: Graph) -> Picture:
    """Everything at its place."""
    lines: dict[tuple[str, str], list[Edge]] = {}
    for edge in graph.edges:
        if ALL_MEMORY not in (edge.source, edge.target) and edge.source not in INIT_EDGES:
            lines.setdefault((edge.source, edge.target), []).append(edge)
    reached = {target for _, target in lines}
    nodes = [
        node
        for node in graph.nodes.values()
        if node.kind is NodeKind.SERVICE or (node.kind is not NodeKind.MEMORY and node.name in reached)
    ]
    if not nodes:
        return Picture([], {}, {}, {})
    index = {node.name: place for place, node in enumerate(nodes)}
    pairs = [(index[source], index[target]) for source, target in lines]
    found = placed(len(nodes), pairs, (WIDTH + GAP) / 2, JOINT / 2)
    left = min(
        *(spot.x - WIDTH / 2 for spot in found.nodes),
        *(spot.x for joints in found.joints for spot in joints),
        math.inf,
    )

    def point(spot: Spot) -> Point:
        return spot.x - left + MARGIN, spot.layer * (HEIGHT + RISE) + HEAD + HEIGHT / 2

    places = {node.name: point(spot) for node, spot in zip(nodes, found.nodes, strict=True)}
    bends = {pair: [point(spot) for spot in joints] for pair, joints in zip(lines, found.joints, strict=True)}
    return Picture(nodes, lines, places, bends)


# --- what it looks like -----------------------------------------------------------------------------------------------


def box(picture: Picture, node: Node) -> list[str]:
    x, y = picture.places[node.name]
    kind = f"{node.kind.value}{' unprotected' if node.unprotected else ''}"
    round_ = {NodeKind.SERVICE: 9, NodeKind.DEVICE: 2, NodeKind.SPECIAL: HEIGHT // 2}[node.kind]
    left = number(x - WIDTH / 2)
    detail = detail_of(node)
    told = f"{node.name}: {node.detail or node.kind.value}"
    if node.unprotected:
        told += "; it can reach all memory, as no IOMMU stands between"
    middle = y + (-1 if detail else 4.5)
    return [
        f'<g class="{kind}">',
        f"<title>{escape(told)}</title>",
        f'<rect class="box" x="{left}" y="{number(y - HEIGHT / 2)}" width="{WIDTH}" height="{HEIGHT}" rx="{round_}"/>',
        f'<text class="name" x="{number(x)}" y="{number(middle)}">{escape(fitting(node.name, WIDE))}</text>',
        *([f'<text class="detail" x="{number(x)}" y="{number(y + 14)}">{escape(detail)}</text>'] if detail else []),
        "</g>",
    ]


def detail_of(node: Node) -> str:
    """The second line in a box."""
    if node.unprotected:
        return "reaches all memory" if node.kind is NodeKind.SERVICE else "masters the bus"
    if node.kind is NodeKind.SERVICE:
        return fitting(node.detail, SMALL) if node.detail != node.name else ""
    return fitting(node.detail, SMALL)


def fitting(text: str, wide: float) -> str:
    """As much of the text as a box has room for."""
    most = int((WIDTH - 14) / wide)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def line(picture: Picture, pair: tuple[str, str], edges: list[Edge]) -> list[str]:
    """A smooth line from the lower side of one box to the upper side of another, with a tip."""
    points = ends(picture, pair)
    hot = " hot" if any(edge.unprotected for edge in edges) else ""
    path = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        half = (to_y - y) / 2
        path.append(
            f"C{number(x)} {number(y + half)} {number(to_x)} {number(to_y - half)} {number(to_x)} {number(to_y)}"
        )
    x, y = points[-1]
    told = f"{pair[0]} → {pair[1]}: {', '.join(map(str, edges))}"
    tip = f"{number(x)},{number(y + 6)} {number(x - 4)},{number(y - 2)} {number(x + 4)},{number(y - 2)}"
    return [
        f'<path class="way{hot}" d="{"".join(path)}"><title>{escape(told)}</title></path>',
        f'<polygon class="tip{hot}" points="{tip}"/>',
    ]


def ends(picture: Picture, pair: tuple[str, str]) -> list[Point]:
    """All points of a line. Lines of one box leave and enter it side by side, in the order in which they go on."""
    source, target = pair
    out = [each for each in picture.lines if each[0] == source]
    into = [each for each in picture.lines if each[1] == target]
    out.sort(key=lambda each: (*picture.bends[each], picture.places[each[1]])[0][0])
    into.sort(key=lambda each: (picture.places[each[0]], *picture.bends[each])[-1][0])
    (x, y), (to_x, to_y) = picture.places[source], picture.places[target]
    start = (x + spread(out.index(pair), len(out)), y + HEIGHT / 2)
    end = (to_x + spread(into.index(pair), len(into)), to_y - HEIGHT / 2 - 6)
    return [start, *picture.bends[pair], end]


def spread(place: int, count: int) -> float:
    """How far beside the middle of a side the line at `place` of `count` ends."""
    step = min(26.0, (WIDTH - 40) / max(count - 1, 1))
    return (place - (count - 1) / 2) * step


def label(picture: Picture, pair: tuple[str, str], edges: list[Edge], taken: list[Area]) -> list[str]:
    """What the capabilities are, near the end of the line, where lines are apart, and not upon another label."""
    points = ends(picture, pair)
    (x, y), (to_x, to_y) = points[-2], points[-1]
    text = ", ".join(dict.fromkeys(edge.what for edge in edges))
    wide = SMALL * 0.95 * len(text) + 4

    def area(share: float) -> Area:
        return x + (to_x - x) * curve(share) - wide / 2, y + (to_y - y) * share - 7, wide, 14

    free = (each for each in map(area, SHARES) if not any(overlap(each, other) for other in taken))
    left, top, *_ = chosen = next(free, area(SHARES[0]))
    taken.append(chosen)
    hot = " hot" if any(edge.unprotected for edge in edges) else ""
    return [
        f'<rect class="ground" x="{number(left)}" y="{number(top)}" width="{number(wide)}" height="14"/>',
        f'<text class="label{hot}" x="{number(left + wide / 2)}" y="{number(top + 10)}">{escape(text)}</text>',
    ]


#: how far down the last part of a line its label can be, the best first
SHARES = (0.6, 0.75, 0.45, 0.86, 0.33, 0.68, 0.52, 0.22)
#: left, top, width, height
Area = tuple[float, float, float, float]


def overlap(one: Area, other: Area) -> bool:
    apart = one[0] + one[2] <= other[0] or other[0] + other[2] <= one[0]
    return not (apart or one[1] + one[3] <= other[1] or other[1] + other[3] <= one[1])


def curve(share: float) -> float:
    """How far across a line is that is so far down, as `line` bends it."""
    return 3 * share**2 - 2 * share**3


#: what the legend says → which nodes are so
KEYS: dict[str, Callable[[Node], bool]] = {
    "service": lambda node: node.kind is NodeKind.SERVICE and not node.unprotected,
    "device": lambda node: node.kind is NodeKind.DEVICE and not node.unprotected,
    "the kernel's or init's": lambda node: node.kind is NodeKind.SPECIAL,
    "DMA without an IOMMU: reaches all memory, so it must be trusted": lambda node: node.unprotected,
}
CLASSES = ("service", "device", "special", "service unprotected")


def key_width(text: str) -> float:
    return SMALL * len(text) + 48


def legend(keys: list[str], height: int) -> list[str]:
    found, x, y = [], float(MARGIN), height - MARGIN
    for text in keys:
        kind = CLASSES[list(KEYS).index(text)]
        round_ = {"device": 1, "special": 6}.get(kind, 3)
        found += [
            (
                f'<g class="{kind}">'
                f'<rect class="box" x="{number(x)}" y="{y - 10}" width="20" height="12" rx="{round_}"/></g>'
            ),
            f'<text class="key" x="{number(x + 26)}" y="{y}">{escape(text)}</text>',
        ]
        x += key_width(text)
    return found
