"""All addresses and all instructions that there are room and time for: what can this process reach, and execute?"""

from __future__ import annotations

from prober import ENTER, FINE, IN_PAGE, LOAD, SHARED, STORE, Prober
from trial import Trial

from neokernel.abi.boot import BOOT_INFO_ADDRESS
from neokernel.abi.call import Call
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.lang import Array, array, u32, u64
from neokernel.runtime.lend import LENDS_ADDRESS
from neokernel.runtime.must import must
from neokernel.runtime.process import STATE_ADDRESS, Process
from neokernel.runtime.thread import PLACES

GIGABYTE = 1 << 30
#: where this process has something: its program, the first two pages that it began with and its stack, and what it or
#: this test has put somewhere
OWN: tuple[u64, ...] = (0x10000, BOOT_INFO_ADDRESS, PLACES, STATE_ADDRESS, LENDS_ADDRESS, SHARED)
#: what of the machine is at physical addresses: the test's finisher, the clock, both interrupt controllers, the serial
#: port, slots of virtio, both flash memories (the second has the keys), PCI's configuration, the firmware, the kernel
PHYSICAL: tuple[u64, ...] = (
    0x10_0000,
    0x10_1000,
    0x200_0000,
    0xC00_0000,
    0x1000_0000,
    0x1000_1000,
    0x1000_8000,
    0x2000_0000,
    0x2200_0000,
    0x3000_0000,
    0x8000_0000,
    0x8020_0000,
    0x87FF_F000,
)
#: where the kernel has all memory, and itself
DIRECT: u64 = 0xFFFF_FFC0_0000_0000
IMAGE: u64 = 0xFFFF_FFFF_8000_0000
MEMORY: u64 = 0x8000_0000
MEMORY_SIZE: u64 = 128 << 20
#: the least address that isn't canonical, the first that is again
HOLE: u64 = 1 << 38
UPPER: u64 = 0xFFFF_FFC0_0000_0000
PAGE = u64(Fault.PAGE.value)
BUS = u64(Fault.BUS.value)
ILLEGAL = u64(Fault.ILLEGAL_INSTRUCTION.value)
BREAK = u64(Fault.BREAKPOINT.value)
RANDOM: u64 = 1500

#: system instructions: csrr a0, n; csrw n, zero; what else has this opcode, with n in its upper bits
READ_CSR: u32 = 0x0000_2573
WRITE_CSR: u32 = 0x0000_1073
SYSTEM: u32 = 0x0000_0073
CSRS = 4096
ECALL: u64 = 0
EBREAK: u64 = 1
WRS_NTO = 0x00D
WRS_STO = 0x01D
#: cycle, time, instret: all that user mode may read
COUNTERS: u64 = 0xC00
COUNTERS_END: u64 = 0xC03
#: others that need a right which nobody here has: the hypervisor's loads and stores and fences, floating point and
#: vectors without Floats, and words that are no instructions
OTHERS: tuple[u32, ...] = (
    0x6000_4573,
    0x6800_4573,
    0x6C00_4573,
    0x2200_0073,
    0x6200_0073,
    0x0005_2007,
    0x0005_3007,
    0x0005_2027,
    0x0205_7053,
    0xE005_0553,
    0x0DC0_7057,
    0x0205_F007,
    0x0000_0000,
    0xFFFF_FFFF,
    0x0000_000B,
    0x0000_007F,
)


def sweep_memory(process: Process, prober: Prober, trial: Trial) -> None:
    """A byte in each gigabyte; in those that have something, in each 2 MiB; in those, in each page."""
    pages: u64 = 0
    writable: u64 = 0
    for base in range(u64(0), HOLE, GIGABYTE):
        if not is_own(base, GIGABYTE):
            out_of_reach(prober, trial, base + 0x1234_5678)
            continue
        for part in range(base, base + GIGABYTE, LARGE_SIZE):
            if not is_own(part, LARGE_SIZE):
                out_of_reach(prober, trial, part + 0x1_2345)
                continue
            for page in range(part, part + LARGE_SIZE, PAGE_SIZE):
                if prober.probe(LOAD, page + 8) == FINE:
                    pages += 1
                    writable += 1 if prober.probe(STORE, page + 8) == FINE else 0
                else:
                    out_of_reach(prober, trial, page + 8)
    trial.end("memory that isn't mapped here")
    must(trial.court.counted("pages that it reads", pages))
    must(trial.court.counted("pages that it writes", writable))


def is_own(base: u64, size: u64) -> bool:
    """Does one of the own places begin there? They all end in the same 2 MiB."""
    for place in OWN:  # noqa: SIM110
        if base <= place < base + size:
            return True
    return False


def out_of_reach(prober: Prober, trial: Trial, address: u64) -> None:
    for what in range(u64(3)):
        found = prober.probe(what, address)
        trial.check(found in (PAGE, BUS), what, address, found)


def sweep_machine(prober: Prober, trial: Trial) -> None:
    """Devices, the kernel, and all memory, where the kernel has them and where they physically are."""
    for address in PHYSICAL:
        out_of_reach(prober, trial, address)
        out_of_reach(prober, trial, DIRECT + address)
    trial.end("devices and firmware")
    for address in range(MEMORY, MEMORY + MEMORY_SIZE, LARGE_SIZE):
        out_of_reach(prober, trial, address + 0x1000)
        out_of_reach(prober, trial, DIRECT + address + 0x1000)
    for page in range(IMAGE, IMAGE + 64 * PAGE_SIZE, PAGE_SIZE):
        out_of_reach(prober, trial, page + 16)
    trial.end("the kernel's memory, and others'")
    for bit in range(u64(38), u64(64)):
        out_of_reach(prober, trial, u64(1) << bit)
        out_of_reach(prober, trial, (u64(1) << bit) + 0x10000)
    out_of_reach(prober, trial, UPPER - 8)
    out_of_reach(prober, trial, 0xFFFF_FFFF_FFFF_FFF8)
    trial.end("addresses beyond user space")


def sweep_instructions(prober: Prober, trial: Trial) -> None:
    """Each register of the machine's state, each other instruction of that opcode."""
    words: Array[u32] = array(512)
    readable: u64 = 0
    for first in range(u64(0), CSRS, IN_PAGE):
        for place in range(IN_PAGE):
            words[place] = READ_CSR | u32(first + place) << 20
        frame = prober.write(words, IN_PAGE)
        for place in range(IN_PAGE):
            number = first + place
            found = prober.execute(place)
            readable += 1 if found == FINE else 0
            fine = COUNTERS <= number < COUNTERS_END
            trial.check(found == (FINE if fine else ILLEGAL), u64(READ_CSR), number, found)
        must(prober.process.drop(frame))
    trial.end("reads of the machine's registers")
    for first in range(u64(0), CSRS, IN_PAGE):
        for place in range(IN_PAGE):
            words[place] = WRITE_CSR | u32(first + place) << 20
        frame = prober.write(words, IN_PAGE)
        for place in range(IN_PAGE):
            found = prober.execute(place)
            trial.check(found == ILLEGAL, u64(WRITE_CSR), first + place, found)
        must(prober.process.drop(frame))
    trial.end("writes of the machine's registers")
    for first in range(u64(0), CSRS, IN_PAGE):
        for place in range(IN_PAGE):
            words[place] = SYSTEM | u32(max(first + place, EBREAK)) << 20
        frame = prober.write(words, IN_PAGE)
        for place in range(IN_PAGE):
            number = max(first + place, EBREAK)
            found = prober.execute(place)
            right = found == (BREAK if number == EBREAK else ILLEGAL)
            # Extension Zawrs, if there is one: a program may wait for a reservation's end, as long as it runs.
            right = right or (number in (WRS_NTO, WRS_STO) and found == FINE)
            trial.check(right, u64(SYSTEM), number, found)
        must(prober.process.drop(frame))
    trial.end("wfi, sfence.vma, sret and others")
    count: u64 = 0
    for word in OTHERS:
        words[count] = word
        count += 1
    frame = prober.write(words, count)
    for place in range(count):
        found = prober.execute(place)
        trial.check(found == ILLEGAL, u64(words[place]), place, found)
    must(prober.process.drop(frame))
    trial.end("floats, vectors, the hypervisor's, and no instructions")
    for number in range(u64(Call.TRY_SEND.value) + 1, u64(64)):
        found = prober.probe(ENTER, number)
        trial.check(found == u64(Fault.SYSTEM_CALL.value), ENTER, number, found)
    for bit in range(u64(6), u64(64)):
        found = prober.probe(ENTER, u64(1) << bit)
        trial.check(found == u64(Fault.SYSTEM_CALL.value), ENTER, u64(1) << bit, found)
    trial.end("system calls that don't exist")


def sweep_random(prober: Prober, trial: Trial, seed: u64) -> None:
    """Any address; what the own pages are among them is known."""
    state = seed
    for _ in range(RANDOM):
        state = next_random(state)
        address = state if state & 1 != 0 else state >> 26
        if not is_own(address // GIGABYTE * GIGABYTE, GIGABYTE):
            out_of_reach(prober, trial, address)
    trial.end("addresses at random")


def next_random(state: u64) -> u64:
    """Marsaglia's xorshift, 64 bits."""
    mixed = state ^ (state & (1 << 51) - 1) << 13
    mixed ^= mixed >> 7
    return mixed ^ (mixed & (1 << 47) - 1) << 17
