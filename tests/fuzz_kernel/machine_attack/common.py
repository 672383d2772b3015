"""What root and attackers agree about: where the counters are, and how chance goes."""

from neokernel.lang import Array, array, asm, object_at, struct, u64, unsafe, wrapping_add, wrapping_mul

unsafe("the counters are in a page that the root has mapped for all; attackers do what they mustn't")

COUNTERS = 0x30_0000_0000
ATTACKERS = 3
#: which of the attackers it is, and its seed, among its arguments
NUMBER = 0
SEED = 1


@struct
class Counters:
    """Calls that each attacker has made, those that succeeded, and how often it could read the kernel's memory."""

    calls: Array[u64] = array(ATTACKERS)
    successes: Array[u64] = array(ATTACKERS)
    leaks: Array[u64] = array(ATTACKERS)


def counters() -> Counters:
    return object_at(Counters, COUNTERS)


def unknown_call(number: u64) -> u64:
    """A system call that may not exist: then it is a fault. Gives the message word."""
    _, word = asm(
        "ecall",
        number,
        inputs="a7",
        results="a0 a1",
        clobbers="a2 a3 a4 a5 a6 a7 ra t0 t1 t2 t3 t4 t5 t6 memory",
    )
    return word


def trespass(address: u64) -> u64:
    """Read at any address: a fault, unless something is mapped there for the attacker."""
    return asm("ld {result}, 0({0})", address, result=u64, clobbers="memory")


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
