"""Mistakes planted in the kernel, one at a time, that the attack must find."""

from __future__ import annotations

from dataclasses import dataclass

from neokernel.compiler.source import PACKAGE_ROOT


@dataclass(frozen=True)
class Mutant:
    """`old`, which stands once in the kernel's module, becomes `new`."""

    name: str
    module: str
    old: str
    new: str

    def overlay(self) -> dict[str, str]:
        """The sources of the kernel with the mistake."""
        source = (PACKAGE_ROOT / f"neokernel/kernel/{self.module}.py").read_text()
        if source.count(self.old) != 1:
            raise LookupError(f"{self.name}: {self.old!r} stands {source.count(self.old)} times in {self.module}.py")
        return {f"neokernel.kernel.{self.module}": source.replace(self.old, self.new)}


MUTANTS = (
    Mutant(
        "no limit of depth", "slot", "return u64(slot.depth) < MAXIMUM_DEPTH", "return u64(slot.depth) <= MAXIMUM_DEPTH"
    ),
    Mutant(
        "a copy has the rights that are asked for",
        "slot",
        "target.rights = source.rights & rights",
        "target.rights = rights",
    ),
    Mutant(
        "a deleted frame stays mapped",
        "captable",
        "            take_from_table(hart, user, u64(slot.entry), slot)\n",
        "            pass\n",
    ),
    Mutant(
        "memory is cleared in part",
        "memory",
        "placement.clear(memory.base + start, size)",
        "placement.clear(memory.base + start, 64)",
    ),
    Mutant(
        "the last in a queue leaves, and stays its tail", "schedule", "        queue.tail = before\n", "        pass\n"
    ),
    Mutant(
        "a denial is counted twice",
        "outcome",
        "table.denied = wrapping_add(table.denied, 1)",
        "table.denied = wrapping_add(table.denied, 2)",
    ),
    Mutant(
        "a denial is kept in the place of the latest",
        "outcome",
        "table.denials[table.denied % KEPT_DENIALS]",
        "table.denials[wrapping_add(table.denied, 7) % KEPT_DENIALS]",
    ),
    Mutant("revocations never end", "slot", "        hart.revocations -= 1\n", ""),
    Mutant(
        "the fast path forgets whose the context is", "fast", "                        server.context = context\n", ""
    ),
    Mutant("the fast path doesn't ask for SEND", "fast", "slot.rights & SEND != 0 and ", ""),
    Mutant(
        "the fast path skips who waits longer",
        "fast",
        "                        take_first(endpoint.receivers, server)\n",
        "",
    ),
    Mutant("a woken thread keeps its deadline", "notification", "    timer.remove(hart.wheel, thread.timer)\n", ""),
    Mutant("a failure leaves a register", "outcome", "    registers.a5 = 0\n", ""),
    Mutant("a pinned frame can be deleted", "captable", "    if slot.flags & PINNED != 0:\n        return STUCK\n", ""),
    Mutant("memory forgets nothing that ended", "memory", "    memory.live -= 1\n", ""),
    Mutant(
        "a moved frame's table isn't told",
        "slot",
        "            table.owners.slot[u64(target.entry)] = target\n",
        "            pass\n",
    ),
    Mutant(
        "a copy overwrites what is there",
        "captable",
        "        return failure(Status.OCCUPIED, FIRST)\n    if source is None:\n"
        "        return failure(Status.NO_CAPABILITY, TRAVELLING)\n    rights",
        "        pass\n    if source is None:\n        return failure(Status.NO_CAPABILITY, TRAVELLING)\n    rights",
    ),
    Mutant(
        "a used-up refill is lost",
        "schedule",
        "    context.refills[target].amount += amount\n",
        "    if amount % 7 != 0:\n        context.refills[target].amount += amount\n",
    ),
    Mutant("an address space without its ASID goes on", "schedule", "        space.translation = 0\n", ""),
    Mutant(
        "who replies needs no right to receive", "syscall", "    if slot.rights & RECEIVE == 0:\n", "    if False:\n"
    ),
    Mutant(
        "a device waits while the timer is reported",
        "syscall",
        "    if cpu.line_pending(hart.cpu):\n        interrupt.serve",
        "    if False:\n        interrupt.serve",
    ),
    Mutant(
        "a pinned capability can be moved",
        "endpoint",
        "    if slot.flags & PINNED != 0:\n        return failure(Status.PINNED, argument)\n",
        "",
    ),
    Mutant(
        "what has children is moved",
        "endpoint",
        "    if has_children(slot) or slot.flags & REVOKING != 0:\n",
        "    if slot.flags & REVOKING != 0:\n",
    ),
    Mutant(
        "a suspended thread loses the answer that it has",
        "thread",
        "if not thread.faulted and state is not State.ANSWERED and",
        "if not thread.faulted and",
    ),
    Mutant(
        "a Reply that ends takes the answer along",
        "reply",
        "    elif caller.state is not State.ANSWERED:\n",
        "    else:\n",
    ),
    Mutant(
        "an answer's capabilities travel again",
        "endpoint",
        "    if caller.state is State.ANSWERED:\n        return 0\n",
        "    if caller.state is State.ANSWERED and not needs_buffer(word):\n        return 0\n",
    ),
    Mutant(
        "a second answer takes the place of the first",
        "endpoint",
        "    if caller.state is State.ANSWERED:\n        return 0\n",
        "    if caller.state is State.ANSWERED and needs_buffer(word):\n        return 0\n",
    ),
    Mutant(
        "an answer goes to the next caller, too",
        "endpoint",
        "    return has_given(server) and caller.state is not State.ANSWERED\n",
        "    return False\n",
    ),
    Mutant(
        "who misses its time isn't told",
        "reply",
        "        thread.taken = context.identifier\n",
        "        pass\n",
    ),
    Mutant(
        "time that waits in a Reply isn't passed on",
        "thread",
        "                thread.scheduler = None\n                regain_time(hart, thread)\n",
        "                thread.scheduler = None\n",
    ),
    Mutant(
        "who is stopped still has a fault to come",
        "thread",
        "    leave_wait(hart, thread)\n    if not thread.faulted and",
        "    if state is not State.RUNNABLE:\n        leave_wait(hart, thread)\n    if not thread.faulted and",
    ),
    Mutant(
        "who cancels senders goes on behind the one that has gone",
        "endpoint",
        "        endpoint.cursor = sender.previous\n",
        "        endpoint.cursor = sender.next\n",
    ),
    Mutant(
        "senders of other badges are cancelled",
        "captable",
        "if sender.badge == endpoint.ending and",
        "if sender.badge != endpoint.ending and",
    ),
    Mutant(
        "a context that is unbound stays with who runs on it",
        "thread",
        "            if not take_time(hart, thing):\n                return False\n",
        "",
    ),
    Mutant(
        "a Reply keeps an answered caller that has gone",
        "thread",
        "            if reply is not None:\n                give_up(hart, reply)\n",
        "            if reply is not None and thread.state is State.REPLIED:\n                give_up(hart, reply)\n",
    ),
    Mutant(
        "an answered caller has lent nothing",
        "reply",
        "return thread.state is State.REPLIED or thread.state is State.ANSWERED",
        "return thread.state is State.REPLIED",
    ),
    Mutant(
        "UNPIN forgets the tables that wait",
        "dma",
        "    if release_table(hart, pin):\n        return AGAIN\n",
        "",
    ),
    Mutant(
        "a device space ends without the tables that wait",
        "captable",
        "            if release_table(hart, pin):\n                continue\n",
        "",
    ),
    Mutant("a pin forgets who waited before", "captable", "    table.next_dying = pin.waiting\n", ""),
    Mutant("a table that goes on still waits", "captable", "    table.blocked = None\n", ""),
    Mutant("a pin doesn't know who waits", "captable", "    pin.waiting = table\n", ""),
    Mutant("a late charge is forgotten", "schedule", "    context.owed = used - amount\n", "    context.owed = 0\n"),
    Mutant("what is owed isn't paid", "schedule", "    used = saturating_add(used, context.owed)\n", ""),
    Mutant(
        "what can't be paid stays owed",
        "schedule",
        "            first.time = back\n            context.owed = 0\n",
        "            first.time = back\n",
    ),
)
