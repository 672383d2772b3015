"""What tests call of the dashboard's and the control service's parts, compiled or not."""

from __future__ import annotations

from neokernel.lang import Array, array, copy, u8, u32, u64, value
from neokernel.services.control.orders import Nonces, is_signed, read_order
from neokernel.services.dashboard.asked import Asked, read_asked
from neokernel.services.dashboard.origin import is_ours, is_same
from neokernel.services.dashboard.traffic import Traffic


def ours(host: bytes, name: bytes) -> bool:
    return is_ours(host, name)


def same(origin: bytes, host: bytes) -> bool:
    return is_same(origin, host)


@value
class Read:
    """`verb`: its number and 1, 0 if it is no order; lengths of the names."""

    verb: u32
    service: u32
    program: u32


def order(text: bytes) -> Read:
    found = read_order(text)
    if found is None:
        return Read(0, 0, 0)
    return Read(u32(found.verb.value) + 1, u32(len(found.service)), u32(len(found.program)))


def signed(machine: bytes, nonce: bytes, text: bytes, key: bytes, signature: bytes) -> bool:
    return is_signed(machine, nonce, text, key, signature)


def asked(body: bytes) -> u32:
    """The length of the order and 1; 0: it isn't one."""
    found = Asked()
    return u32(found.length) + 1 if read_asked(body, found) else 0


def nonces(seconds: bytes) -> u64:
    """Of a nonce that is given out at 0: bit n is set if it is good after the n-th of these times.

    At each of them somebody asks for one, before; each new one is another. A time of 255 uses one up.
    """
    of = Nonces(frequency=1)
    first: Array[u8] = array(16)
    now: u64 = 1_000
    found: u64 = 0
    number: u8 = 1
    give(of, number, now)
    copy(first[:], of.fresh.bytes())
    for place in range(len(seconds)):
        if seconds[place] == 255:
            of.use()
        else:
            now += u64(seconds[place])
        number += 1
        give(of, number, now)
        if of.is_good(first.bytes(), now):
            found |= u64(1) << u64(place)
    return found


def give(of: Nonces, number: u8, now: u64) -> None:
    if of.is_due(now):
        nonce: Array[u8] = array(16)
        nonce[0] = number
        of.renew(nonce.bytes(), now)


@value
class Counted:
    messages: u64
    answers: u64
    ticks: u64
    longest: u64
    pairs: u64


def count(threads: bytes, records: bytes, own: u64, origin: u32, target: u32) -> Counted:
    """Of services with these threads: what was counted of the records between two of them. `own`: who counts."""
    traffic = Traffic()
    traffic.services = len(threads)
    for index in range(len(threads)):
        traffic.threads[index] = u32(threads[index])
    traffic.begin()
    memory: Array[u8] = array(32 * 64)
    copy(memory[: len(records)], records)
    traffic.take(memory[: len(records)])
    traffic.end(own)
    pairs = u64(traffic.used)
    for index in range(traffic.used):
        row = traffic.rows[index]
        if row.origin == origin and row.target == target:
            return Counted(row.messages, row.answers, row.ticks, row.longest, pairs)
    return Counted(0, 0, 0, 0, pairs)
