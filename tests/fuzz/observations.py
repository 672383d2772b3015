"""What a tested program writes as it runs: the same memory in every reading.

Invariant: the layout is `WORDS` u64 words, in the declared order; `inputs` are set before the program starts, so that
no compiler can know them.
"""

from neokernel.lang import Array, array, f32, f64, float_bits, rotate_left, struct, u64, wrapping_add, writer

INPUTS = 8
KEPT = 48
WORDS = 2 + INPUTS + KEPT


@struct
class Output:
    """`count` observations were made; the first `KEPT` are in `values`, all of them in `digest`."""

    count: u64 = 0
    digest: u64 = 0
    inputs: Array[u64] = array(8)
    values: Array[u64] = array(48)

    def put(self, value: u64) -> None:
        """Observe a number."""
        if self.count < KEPT:
            self.values[self.count] = value
        self.count += 1
        self.digest = wrapping_add(rotate_left(self.digest, 5) ^ value, 0x9E3779B97F4A7C15)

    def put_f64(self, value: f64) -> None:
        """Observe a float, bit by bit; all NaNs are one."""
        self.put(float_bits(value) if value == value else u64(0x7FF8DEAD))

    def put_f32(self, value: f32) -> None:
        """Observe a float, bit by bit; all NaNs are one."""
        self.put(u64(float_bits(value)) if value == value else u64(0x7FC0DEAD))

    @writer
    def write(self, text: str) -> None:
        """Observe a text."""
        for byte in text.encode():
            self.put(u64(byte))
