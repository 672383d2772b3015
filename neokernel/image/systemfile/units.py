"""Sizes and times as people write them: "256 KiB", "2 ms". Sizes are bytes, times nanoseconds.

A number without a unit is an error where a unit is meant: who reads 256 can't know of what.
"""

from __future__ import annotations

import re

SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
TIMES = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000, "h": 3_600_000_000_000}
#: spellings that are the same
MEANT = {"µs": "us", "μs": "us"}
#: what one may write instead; a unit of 1,000 bytes isn't among them on purpose
GUESSES = {
    **{unit.lower(): unit for unit in (*SIZES, *TIMES)},
    "k": "KiB",
    "kb": "KiB",
    "m": "MiB",
    "mb": "MiB",
    "g": "GiB",
    "gb": "GiB",
    "byte": "B",
    "bytes": "B",
    "sec": "s",
    "second": "s",
    "seconds": "s",
    "msec": "ms",
    "usec": "us",
    "minute": "min",
    "minutes": "min",
    "hour": "h",
    "hours": "h",
}
AMOUNT = re.compile(r"\s*([0-9][0-9_]*)(?:\.([0-9]+))?\s*([^\W\d_]*)\s*")

#: no file says more digits, and Python would take its time
MOST_DIGITS = 18


class BadAmount(ValueError):
    """Not an amount: what was wrong, and what to write."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.message, self.help = message, help


def size(text: str) -> int:
    """Bytes."""
    return amount(text, SIZES, "a size", "256 KiB")


def time(text: str) -> int:
    """Nanoseconds."""
    return amount(text, TIMES, "a time", "2 ms")


def amount(text: str, units: dict[str, int], what: str, example: str) -> int:
    """`text` in the smallest of the units."""
    match = AMOUNT.fullmatch(text)
    wanted = f'{what} is a number and a unit: "{example}"; units: {", ".join(units)}'
    if match is None:
        raise BadAmount(f'"{shortened(text)}" isn\'t {what}', wanted)
    whole, fraction, unit = match[1].replace("_", ""), match[2] or "", MEANT.get(match[3], match[3])
    if unit not in units:
        close = GUESSES.get(unit.lower(), "")
        problem = f"`{shortened(unit)}` is no unit of {what[2:]}" if unit else f'"{shortened(text)}" has no unit'
        raise BadAmount(problem, f'did you mean "{match[1]} {close}"?' if close in units else wanted)
    if len(whole) + len(fraction) > MOST_DIGITS:
        raise BadAmount(f'"{shortened(text)}" has too many digits', wanted)
    scaled = int(whole + fraction) * units[unit]
    divisor: int = 10 ** len(fraction)
    result, rest = divmod(scaled, divisor)
    if rest:
        smallest = next(iter(units))
        raise BadAmount(f'"{text.strip()}" is no whole number of {smallest}', f"nothing is smaller than 1 {smallest}")
    return result


def printable(text: str) -> str:
    """Without what a terminal would obey, or has no glyph for."""
    return "".join(character if character.isprintable() else "·" for character in text)


def shortened(text: str) -> str:
    """As a message has room for it."""
    return text if len(text) <= 40 else f"{text[:39]}…"


def show_size(count: int) -> str:
    """A size as one writes it."""
    return shortest(count, SIZES)


def show_time(count: int) -> str:
    """A time as one writes it."""
    return shortest(count, TIMES)


def shortest(count: int, units: dict[str, int]) -> str:
    """In the largest unit that needs no more than two digits of a fraction: exactly."""
    for unit, scale in reversed(units.items()):
        if count >= scale and count * 100 % scale == 0:
            return f"{count // scale}{f'{count % scale / scale:.2f}'[1:].rstrip('0').rstrip('.')} {unit}"
    return f"0 {next(iter(units))}"
