"""Drives maps: one with hashed numbers, one with trusted ones, and one whose keys all collide."""

from neokernel.lang import Embedded, array, struct, u8, u32, u64, value, wrapping_add, wrapping_mul
from neokernel.runtime.hashing import Number, Seed, SipHash, TrustedNumber
from neokernel.runtime.map import Map
from tests.runtime.drivers.work import FULL, NOTHING, Work

CAPACITY = 16
SEED = Seed(0x0123456789ABCDEF, 0xFEDCBA9876543210)


@value
class Crowded:
    """A key with few hashes, near the end of the table and around it."""

    number: u64

    def hash(self, seed: Seed) -> u64:
        return (12 + self.number % 3 * 2) << 32


@value
class Flow:
    """A key of several fields."""

    address: u32
    port: u8

    def hash(self, seed: Seed) -> u64:
        return SipHash.start(seed).word(u64(self.address) << 8 | u64(self.port)).finish()


@struct
class Maps:
    numbers: Embedded[Map[Number, u32]] = Map(seed=SEED, slots=array(CAPACITY))
    trusted: Embedded[Map[TrustedNumber, u64]] = Map(seed=SEED, slots=array(CAPACITY))
    crowded: Embedded[Map[Crowded, u8]] = Map(seed=SEED, slots=array(CAPACITY))
    flows: Embedded[Map[Flow, Flow]] = Map(seed=SEED, slots=array(CAPACITY))


def fingerprint(maps: Maps) -> u64:
    """Of all entries, whatever their order."""
    found: u64 = len(maps.numbers)
    for index in range(maps.numbers.capacity()):
        first = maps.numbers.entry(index)
        if first is not None:
            found = wrapping_add(found, wrapping_mul(first.key.number, u64(first.value) + 1))
        second = maps.trusted.entry(index)
        if second is not None:
            found = wrapping_add(found, wrapping_mul(second.key.number, second.value + 3))
        third = maps.crowded.entry(index)
        if third is not None:
            found = wrapping_add(found, wrapping_mul(third.key.number, u64(third.value) + 5))
        fourth = maps.flows.entry(index)
        if fourth is not None:
            found = wrapping_add(found, wrapping_mul(u64(fourth.key.port), u64(fourth.value.address) + 7))
    return found & 0xFFFF_FFFF


def perform(maps: Maps, operation: u64, key: u64, number: u64) -> u64:
    """One operation, on all four; what it gives of the first."""
    flow = Flow(u32(key & 0xFFFF_FFFF), u8(key % 256))
    match operation:
        case 0:
            refused = maps.numbers.insert(Number(key), u32(number)) is not None
            assert refused == (maps.trusted.insert(TrustedNumber(key), number) is not None)
            assert refused == (maps.crowded.insert(Crowded(key), u8(number % 256)) is not None)
            assert refused == (maps.flows.insert(flow, Flow(u32(number), 0)) is not None)
            return FULL if refused else 0
        case 1:
            removed = maps.numbers.remove(Number(key))
            _ = maps.trusted.remove(TrustedNumber(key))
            _ = maps.crowded.remove(Crowded(key))
            _ = maps.flows.remove(flow)
            return NOTHING if removed is None else u64(removed)
        case 2:
            found = maps.numbers.get(Number(key))
            trusted = maps.trusted.get(TrustedNumber(key))
            crowded = maps.crowded.get(Crowded(key))
            other = maps.flows.get(flow)
            if found is None:
                assert trusted is None and crowded is None and other is None
                return NOTHING
            assert trusted is not None and crowded is not None and other is not None
            assert trusted == u64(found) and crowded == u8(found % 256) and other.address == found
            return u64(found)
        case 3:
            here = Number(key) in maps.numbers
            assert here == (Crowded(key) in maps.crowded) and here == (flow in maps.flows)
            return 1 if here else 0
        case 4:
            maps.numbers.clear()
            maps.trusted.clear()
            maps.crowded.clear()
            maps.flows.clear()
            return 0
        case _:
            return maps.numbers.limit() - len(maps.numbers)


def sound(map: Map[Crowded, u8]) -> bool:
    """The order of entries: homes never go back along a run, and every entry is found where it is."""
    for index in range(map.capacity()):
        slot = map.slots[index]
        if slot.mark == 0:
            continue
        place = map.locate(slot.key, slot.mark)
        if not place.found or place.index != index:
            return False
    return True


def run(work: Work) -> None:
    """Perform the commands; results are folded with the fingerprint of what is left."""
    maps = Maps()
    for index in range(work.count):
        command = work.command(index)
        result = perform(maps, command[0], command[1], command[2])
        assert sound(maps.crowded)
        work.finish(wrapping_add(wrapping_mul(result, 3), fingerprint(maps)))
