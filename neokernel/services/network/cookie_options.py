"""What a SYN cookie can't hold: window scales and SACK, in the low 6 bits of the timestamp that goes out with it.

The peer echoes it, so nothing is remembered meanwhile (RFC 4987, 3.6; as others do it, the lowest 4 bits are the peer's
scale, 15 for none, and the next one SACK).
"""

from __future__ import annotations

from neokernel.lang import truncate, u8, u32, wrapping_sub
from neokernel.services.network import segment as wire
from neokernel.services.network.segment import Segment


def scale_for(capacity: u32) -> u8:
    """The window scale that a buffer needs (RFC 7323, 2.3)."""
    scale: u8 = 0
    while capacity >> scale > 0xFFFF and scale < wire.MOST_SCALE:
        scale += 1
    return scale


def cookie_options(ack: Segment, offset: u32, scale: u8) -> tuple[u8, u8, bool]:
    """Of the timestamp that went out with a cookie: our scale, the peer's, and whether there is SACK."""
    if not ack.timed:
        return 0, 0, False
    said = wrapping_sub(ack.echo, offset) & 63
    peer = truncate(u8, said & 15)
    if peer == 15:
        return 0, 0, said & 16 != 0
    return scale, min(peer, wire.MOST_SCALE), said & 16 != 0


def cookie_time(syn: Segment, time: u32) -> u32:
    """The latest timestamp, not after `time`, that says what the SYN offers in its low 6 bits. `time` has no offset."""
    scale: u32 = 15 if syn.scale == wire.NO_SCALE else u32(syn.scale)
    said = scale | (16 if syn.sack_permitted else 0)
    rounded = (time & ~u32(63)) | said
    return rounded if rounded <= time else wrapping_sub(rounded, 64)
