"""Drives vectors: one of words, one of values, one of bytes."""

from neokernel.lang import Array, Embedded, array, struct, u8, u32, u64, usize, value, wrapping_add, wrapping_mul
from neokernel.runtime.vec import Full, Vec, extend_bytes
from tests.runtime.drivers.work import FULL, NOTHING, Work

CAPACITY = 6


@value
class Pair:
    """So that elements are larger than a register."""

    first: u8
    second: u64


@struct
class Vectors:
    words: Embedded[Vec[u32]] = Vec(slots=array(CAPACITY))
    pairs: Embedded[Vec[Pair]] = Vec(slots=array(CAPACITY))
    octets: Embedded[Vec[u8]] = Vec(slots=array(CAPACITY))


def outcome(full: Full | None) -> u64:
    return FULL if full is not None else 0


def fingerprint(vectors: Vectors) -> u64:
    """Of all elements, in order."""
    found: u64 = len(vectors.words)
    for word in vectors.words.as_span():
        found = wrapping_add(wrapping_mul(found, 31), u64(word))
    for pair in vectors.pairs.as_span():
        found = wrapping_add(wrapping_mul(found, 31), u64(pair.first) ^ pair.second)
    for octet in vectors.octets.as_span():
        found = wrapping_add(wrapping_mul(found, 31), u64(octet))
    return found & 0xFFFF_FFFF


def perform(vectors: Vectors, operation: u64, place: usize, number: u64) -> u64:
    """One operation, on all three; what it gives of the words."""
    words, pairs, octets = vectors.words, vectors.pairs, vectors.octets
    item = u32(number)
    pair = Pair(u8(number % 251), number * 3)
    octet = u8(number % 251)
    match operation:
        case 0:
            _ = pairs.push(pair)
            _ = octets.push(octet)
            return outcome(words.push(item))
        case 1:
            _ = pairs.pop()
            _ = octets.pop()
            popped = words.pop()
            return NOTHING if popped is None else u64(popped)
        case 2:
            result = words.insert(place, item)
            _ = pairs.insert(place, pair)
            _ = octets.insert(place, octet)
            return outcome(result)
        case 3:
            removed = words.remove(place)
            assert pairs.remove(place).second == u64(removed) * 3
            _ = octets.remove(place)
            return u64(removed)
        case 4:
            swapped = words.swap_remove(place)
            assert pairs.swap_remove(place).second == u64(swapped) * 3
            _ = octets.swap_remove(place)
            return u64(swapped)
        case 5:
            words[place] = item
            pairs[place] = pair
            octets[place] = octet
            return 0
        case 6:
            assert pairs[place].second == u64(words[place]) * 3
            return u64(words[place])
        case 7:
            last = words.last()
            return NOTHING if last is None else u64(last)
        case 8:
            words.clear()
            pairs.clear()
            octets.clear()
            return 0
        case 9:
            words.truncate(place)
            pairs.truncate(place)
            octets.truncate(place)
            return len(words)
        case 10:
            more: Array[u32] = array(4, item)
            pairs_more: Array[Pair] = array(4, pair)
            bytes_more: Array[u8] = array(4, octet)
            count = place % 5
            result = words.extend(more[:count].view())
            _ = pairs.extend(pairs_more[:count].view())
            _ = extend_bytes(octets, bytes_more[:count].bytes())
            return outcome(result)
        case _:
            return words.capacity() - len(words)


def run(work: Work) -> None:
    """Perform the commands; results are folded with the fingerprint of what is left."""
    vectors = Vectors()
    for index in range(work.count):
        command = work.command(index)
        result = perform(vectors, command[0], command[1], command[2])
        work.finish(wrapping_add(wrapping_mul(result, 3), fingerprint(vectors)))
