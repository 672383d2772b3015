"""What root and attackers agree about: where the counters are, and how chance goes."""

from neokernel.lang import Array, array, object_at, struct, u64, unsafe, wrapping_add, wrapping_mul

unsafe("the counters are in a page that the root has mapped for all")

COUNTERS = 0x30_0000_0000
ATTACKERS = 3
#: which of the attackers it is, and its seed, among its arguments
NUMBER = 0
SEED = 1


@struct
class Counters:
    """Calls that each attacker has made, and those of them that succeeded."""

    calls: Array[u64] = array(ATTACKERS)
    successes: Array[u64] = array(ATTACKERS)


def counters() -> Counters:
    return object_at(Counters, COUNTERS)


@struct
class Chance:
    seed: u64 = 0

    def random(self) -> u64:
        """The next number of splitmix64."""
        self.seed = wrapping_add(self.seed, 0x9E37_79B9_7F4A_7C15)
        mixed = wrapping_mul(self.seed ^ (self.seed >> 30), 0xBF58_476D_1CE4_E5B9)
        mixed = wrapping_mul(mixed ^ (mixed >> 27), 0x94D0_49BB_1331_11EB)
        return mixed ^ (mixed >> 31)

    def below(self, limit: u64) -> u64:
        return self.random() % limit
