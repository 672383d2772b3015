"""Divides by what isn't there, and is given up after a second try."""

from __future__ import annotations

from neokernel.lang import Setting, setting, u64
from neokernel.runtime.process import Process

days: Setting[u64] = setting(0)


def average(sacks: u64, days: u64) -> u64:
    return sacks // days


def main(process: Process) -> None:
    process.exit(average(70, days.get(process)))
