"""Kernel objects that a program uses, by what they are: each is an index in its table.

    line: Uses[Interrupt] = uses()

What can be done with them are the functions of `system.py`, on their `slot`.
"""

from __future__ import annotations

from neokernel.lang import u64, value


@value
class Device:
    """The Memory of a device's registers."""

    slot: u64


@value
class Interrupt:
    """An interrupt line."""

    slot: u64


@value
class Dma:
    """What a device may reach: a DmaSpace."""

    slot: u64


@value
class Memory:
    """Memory beyond the process's own."""

    slot: u64


@value
class Processor:
    """The right to give out processor time."""

    slot: u64


@value
class Power:
    """The machine's power switch."""

    slot: u64


@value
class Console:
    """The machine's console, as the kernel writes it."""

    slot: u64


@value
class Trace:
    """The ring of the kernel's events."""

    slot: u64


@value
class Notification:
    """A word of signals."""

    slot: u64


@value
class Frame:
    """A page that can be mapped."""

    slot: u64
