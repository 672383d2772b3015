"""The compiled description of a system: what init makes of it, as a file of the boot archive.

    Header | Service × service_count | Grant × grant_count | Setting × setting_count | Program × program_count | text

Services stand in the order in which they start: who is used before who uses it. Each one's grants and settings follow
those of the service before it, in the order in which its program declares them: grant i of a service is the capability
in slot FIRST_DECLARED + i of its table, setting i the i-th of its settings. What was denied is there as a grant, too,
so that the others keep their slots.

All numbers are little-endian, times are in microseconds, names are printable ASCII; unused bytes are zero. Whoever
reads it trusts nothing: see `neokernel/services/init/description.py`.
"""

from enum import Enum

from neokernel.abi.boot import FIRST_DYNAMIC, ROOT_SLOTS
from neokernel.lang import Embedded, requires, size_of, u8, u16, u32, u64, usize, wire, wrapping_mul

#: the file's name in the boot archive
DESCRIPTION_NAME = "system"
#: "nkdescri", as the bytes stand in memory
MAGIC: u64 = 0x6972_6373_6564_6B6E
VERSION = 1

#: where a program's declared capabilities begin in its table
FIRST_DECLARED = FIRST_DYNAMIC
#: of a service: init, and its messenger, are above all of them
HIGHEST_PRIORITY = 254
#: of a system
MAXIMUM_SERVICES = 192
#: of its archive, that are described
MAXIMUM_PROGRAMS = 256
#: of a service
MAXIMUM_GRANTS = 64
MAXIMUM_SETTINGS = 64
#: bytes of a service's settings that are texts
MAXIMUM_TEXT = 2048
#: characters of a name; that of a program is at most `abi/archive.py`'s
MAXIMUM_NAME = 48
#: slots of a service's table
LEAST_CAPABILITIES = 32
MOST_CAPABILITIES = 4096
#: bytes of a service's memory
MOST_MEMORY: u64 = 1 << 40
#: microseconds: some 12 days, so that ticks of any clock fit 64 bits
MOST_TIME: u64 = 1 << 40
#: bytes of memory that a service keeps when it is started again
MOST_STATE = 1 << 24
#: bytes that a service lends another one; those of whom it lends more are in frames of 2 MiB, and a multiple of that
MOST_LENT = 0x400_0000
MOST_LENT_IN_PAGES = 0x4_0000
#: slots of init's table; what a service takes of them: its process, the next one while it is replaced, and what
#: outlives it. Each grant may take one more
MOST_SLOTS = 4096
SLOTS_EACH = 14
#: what clients of a network service may do there is a text, its setting `grants`: records of so many characters, in
#: hexadecimal but for the letters. The client's number in badges (2) | `l` or `c`, to listen or to connect | `t` or
#: `u` | prefix (2) | address (8) | first port (4) | last port (4)
NETWORK_LINE = 22
#: lines of one client; clients
MOST_NETWORK_LINES = 16
MOST_NETWORK_CLIENTS = 32
#: what init serves: having services ended, started and replaced; seeing what they do; having all others ended
INIT_SYSTEM = 0
INIT_WATCH = 1
INIT_SHUTDOWN = 2


class GrantKind(Enum):
    """What a service has, and what a Grant's `target` and `size` mean; where nothing is said, they are 0."""

    #: nothing: what it would be was denied. `size`: of what it would lend memory by, as below; it has that for itself
    NONE = 0
    #: the Endpoint at which it serves: one for all that it provides. `interface`: that of its contract
    PROVIDES = 1
    #: somebody else's Endpoint, to call. `target`: the index of the grant that provides it. Its badge is the index of
    #: the client among the services, plus 1; from bit 32 on, how many others the server provides before this one.
    #: `size`: bytes that the client lends the server, in whole frames: at most MOST_LENT; each server has one region
    USES = 2
    #: the Memory of a device's registers. `target`: their physical address
    DEVICE = 3
    #: an interrupt line. `target`: its number
    INTERRUPT = 4
    #: a DmaSpace. `size`: how many frames can be pinned
    DMA = 5
    #: the right to give out processor time. `target`: the highest priority
    PROCESSOR = 6
    #: the machine's power switch
    POWER = 7
    #: the machine's console, by the kernel
    CONSOLE = 8
    #: Memory beyond its own. `size`: in bytes
    MEMORY = 9
    #: init itself. `target`: which of its interfaces (`interfaces/system.py`) can be called, INIT_SYSTEM to
    #: INIT_SHUTDOWN
    SYSTEM = 10
    #: the kernel's event ring. `size`: in pages of records
    TRACE = 11


class SettingKind(Enum):
    #: an integer, a bool, or an enum's number: `value`, of signed ones in two's complement
    NUMBER = 0
    #: bytes: `text`
    TEXT = 1


class RestartPolicy(Enum):
    """When a service is started again."""

    NEVER = 0
    #: when it has faulted, ended with a status other than 0, or its heart has stopped
    ON_FAILURE = 1
    #: whenever it ends
    ALWAYS = 2


class Escalation(Enum):
    """What happens when a service has been started again too often."""

    #: it stays ended, and its endpoints end: who calls fails at once
    GIVE_UP = 0
    #: it and all that use it, directly or by others, are taken down and started again, once in a window; then as above
    RESTART_DEPENDANTS = 1
    #: the machine is switched off, with a status
    HALT = 2


@wire
class Text:
    """`length` bytes at `offset` in the text."""

    offset: u32
    length: u32


@wire
class Header:
    """`size` counts all bytes; `checksum` is that of what follows it."""

    magic: u64
    checksum: u64
    version: u32
    size: u32
    service_count: u32
    grant_count: u32
    setting_count: u32
    text_size: u32
    name: Embedded[Text]
    board: Embedded[Text]
    program_count: u32
    unused: u32


@wire
class Service:
    """A process: a program, with what it has, and what happens when it ends."""

    name: Embedded[Text]
    #: the program's name in the archive
    program: Embedded[Text]
    #: bytes of the Memory that all of the process is made of, its tables and stack too; what is left is its own
    memory: u64
    #: bytes that survive its end, mapped at STATE_ADDRESS; 0 for none
    state: u64
    #: processor time; without a period, it takes turns with its equals
    budget: u64
    period: u64
    #: how long it stays down the first time; doubled each time within the window, up to `longest_backoff`
    backoff: u64
    longest_backoff: u64
    #: more than `limit` restarts within `window` are too many
    window: u64
    #: it must signal at least so often; 0 if it needn't
    heartbeat: u64
    limit: u32
    #: slots of its table
    capabilities: u32
    grant_first: u32
    grant_count: u32
    setting_first: u32
    setting_count: u32
    priority: u8
    #: a number of `RestartPolicy`
    policy: u8
    #: a number of `Escalation`
    escalation: u8
    #: 1 if it runs on its clients' time, once it has said that it is ready
    passive: u8
    unused: u32


@wire
class Grant:
    """A capability of the service with the index `owner`; `kind` is a number of `GrantKind`."""

    name: Embedded[Text]
    target: u64
    size: u64
    #: the contract's version; of USES, the one that the client was compiled against
    interface: u64
    owner: u32
    #: bits of `abi/rights.py`
    rights: u16
    kind: u8
    unused: u8


@wire
class Setting:
    """A value of a service's configuration; `kind` is a number of `SettingKind`."""

    name: Embedded[Text]
    value: u64
    text: Embedded[Text]
    owner: u32
    kind: u8
    unused: u8
    more_unused: u16


@wire
class Program:
    """A program of the archive. `needs`: a hash of all that it declares; 0 if it declares nothing.

    A service can be replaced by what declares the same: it has the same capabilities, and speaks the same contracts.
    """

    name: Embedded[Text]
    needs: u64


assert size_of(Header) == 64, "no padding"
assert size_of(Service) == 112, "no padding"
assert size_of(Grant) == 40, "no padding"
assert size_of(Setting) == 32, "no padding"
assert size_of(Program) == 16, "no padding"


def slots_needed(services: u64, grants: u64) -> u64:
    """How many slots init's table must have: whole words of bits, beyond those of the kernel's."""
    requires(services <= MAXIMUM_SERVICES and grants <= MAXIMUM_SERVICES * MAXIMUM_GRANTS)
    return ROOT_SLOTS + (services * SLOTS_EACH + grants + 63) // 64 * 64


#: where what the checksum covers begins
CHECKED_FROM = 16
MIX: u64 = 0x9E37_79B9_7F4A_7C15


def checksum(data: bytes) -> u64:
    """Of whole words. Each step is one to one, so a change in one word is always seen; it is no signature."""
    state = u64(len(data))
    word: u64 = 0
    for place in range(usize(0), len(data)):
        word = word >> 8 | u64(data[place]) << 56
        if place % 8 == 7:
            state = wrapping_mul(state ^ word, MIX)
            state ^= state >> 29
    return state
