"""SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed 64-bit hash."""

from neokernel.lang import Array, array, rotate_left, struct, u8, u64, usize, wrapping_add


@struct
class Work:
    """One run: the hash of `length` bytes of `message` from `start` on (so that no alignment is known) under `key`."""

    hash: u64 = 0
    key: Array[u8] = array(16)
    start: usize = 0
    length: usize = 0
    message: Array[u8] = array(2056)


@struct
class State:
    """The four words of the permutation."""

    v0: u64
    v1: u64
    v2: u64
    v3: u64

    def round(self) -> None:
        """SipRound."""
        v0 = wrapping_add(self.v0, self.v1)
        v1 = rotate_left(self.v1, 13) ^ v0
        v2 = wrapping_add(self.v2, self.v3)
        v3 = rotate_left(self.v3, 16) ^ v2
        v0 = wrapping_add(rotate_left(v0, 32), v3)
        v3 = rotate_left(v3, 21) ^ v0
        v2 = wrapping_add(v2, v1)
        v1 = rotate_left(v1, 17) ^ v2
        self.v0 = v0
        self.v1 = v1
        self.v2 = rotate_left(v2, 32)
        self.v3 = v3

    def absorb(self, word: u64) -> None:
        """Two rounds for one word of the message."""
        self.v3 ^= word
        self.round()
        self.round()
        self.v0 ^= word


def load(data: bytes) -> u64:
    """The first eight bytes of `data`, little-endian."""
    return (
        u64(data[0])
        | u64(data[1]) << 8
        | u64(data[2]) << 16
        | u64(data[3]) << 24
        | u64(data[4]) << 32
        | u64(data[5]) << 40
        | u64(data[6]) << 48
        | u64(data[7]) << 56
    )


def siphash(key: bytes, message: bytes) -> u64:
    """The hash of `message` under the 16 bytes of `key`."""
    k0 = load(key[:8])
    k1 = load(key[8:16])
    state = State(
        v0=k0 ^ 0x736F6D6570736575,
        v1=k1 ^ 0x646F72616E646F6D,
        v2=k0 ^ 0x6C7967656E657261,
        v3=k1 ^ 0x7465646279746573,
    )
    whole = len(message) // 8 * 8
    for position in range(0, whole, 8):
        state.absorb(load(message[position : position + 8]))
    last = (len(message) & 0xFF) << 56
    shift: u64 = 0
    for byte in message[whole:]:
        last |= u64(byte) << shift
        shift += 8
    state.absorb(last)
    state.v2 ^= 0xFF
    for _ in range(4):
        state.round()
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3


def run(work: Work) -> None:
    """The measured entry."""
    work.hash = siphash(work.key.bytes(), work.message.bytes()[work.start : work.start + work.length])
