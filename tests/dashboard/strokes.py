"""Digits as people draw them, stroke by stroke, and never twice alike."""

from __future__ import annotations

import math
import random

Point = tuple[float, float]
Stroke = list[Point]


def arc(x: float, y: float, across: float, down: float, first: float, last: float, steps: int = 16) -> Stroke:
    """Of an ellipse, from one angle to another, in degrees; 0 is to the right, 90 is below."""
    angles = [math.radians(first + (last - first) * step / steps) for step in range(steps + 1)]
    return [(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles]


#: in a square of side 1, x to the right and y down
DIGITS: dict[int, list[Stroke]] = {
    0: [arc(0.5, 0.5, 0.28, 0.42, -90, 270, 28)],
    1: [[(0.34, 0.28), (0.54, 0.08), (0.54, 0.92)]],
    2: [[*arc(0.5, 0.3, 0.26, 0.22, -170, 40), (0.28, 0.9), (0.78, 0.9)]],
    3: [[*arc(0.46, 0.29, 0.26, 0.21, -150, 90), *arc(0.46, 0.71, 0.28, 0.21, -90, 150)]],
    4: [[(0.58, 0.08), (0.22, 0.62), (0.8, 0.62)], [(0.62, 0.35), (0.62, 0.94)]],
    5: [[(0.74, 0.1), (0.34, 0.1), (0.3, 0.46), *arc(0.48, 0.65, 0.26, 0.25, -120, 140)]],
    6: [[(0.64, 0.08), (0.45, 0.25), (0.33, 0.45), *arc(0.5, 0.68, 0.22, 0.22, 180, 540, 24)]],
    7: [[(0.24, 0.12), (0.76, 0.12), (0.44, 0.92)], [(0.36, 0.52), (0.68, 0.52)]],
    8: [[*arc(0.5, 0.29, 0.2, 0.2, 90, -270, 24), *arc(0.5, 0.71, 0.24, 0.22, -90, 270, 24)]],
    9: [[*arc(0.5, 0.32, 0.23, 0.22, 0, -360, 24), (0.72, 0.45), (0.66, 0.92)]],
}


def jittered(digit: int, seed: int) -> list[Stroke]:
    """The digit larger or smaller, wider, leaning, turned by up to nine degrees, and by a hand that isn't steady."""
    chance = random.Random(seed)
    wide, high = chance.uniform(0.6, 0.95), chance.uniform(0.65, 0.95)
    turned, leaning = chance.uniform(-0.16, 0.16), chance.uniform(-0.15, 0.15)

    def moved(point: Point) -> Point:
        x, y = (point[0] - 0.5) * wide, (point[1] - 0.5) * high
        x += leaning * y
        x, y = x * math.cos(turned) - y * math.sin(turned), x * math.sin(turned) + y * math.cos(turned)
        return 0.5 + x + chance.uniform(-0.012, 0.012), 0.5 + y + chance.uniform(-0.012, 0.012)

    return [[moved(point) for point in stroke] for stroke in DIGITS[digit]]
