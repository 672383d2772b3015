"""The test itself, as a service: it uses the others, has init do things to them, and says what it sees."""

from asking import index_of, pause, system_at, watch_at
from counting import ADD, EXIT, FAIL, NOISE, READ, SETTING, SPEND, SPIN, THREAD, WAIT
from shared import make_shared, shared

from neokernel.abi.boot import PLATFORM
from neokernel.abi.call import message
from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import WRITE
from neokernel.abi.status import Status
from neokernel.interfaces.system import (
    MOST_POST_MORTEM,
    Phase,
    Reason,
    Refused,
    Resources,
    ServiceStatus,
    System,
    Unknown,
    Watch,
)
from neokernel.lang import Array, Span, Uses, array, text_of, u8, u64, uses, usize
from neokernel.runtime import interface, system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure, Message
from neokernel.runtime.thread import drop_thread, make_thread, spawn, start_thread

# What it has, as the test declares it.
INIT: u64 = FIRST_DECLARED
COUNTER: u64 = FIRST_DECLARED + 1
FRAGILE: u64 = FIRST_DECLARED + 2
LONELY: u64 = FIRST_DECLARED + 3
WATCHED: u64 = FIRST_DECLARED + 4
PASSIVE: u64 = FIRST_DECLARED + 5
BARE: u64 = FIRST_DECLARED + 6
CLOCK: u64 = FIRST_DECLARED + 7
CONSOLE: u64 = 8
MORE: u64 = FIRST_DECLARED + 11
WATCH: u64 = FIRST_DECLARED + 12
#: microseconds that each version has to do its part of a replacement
PATIENCE: u64 = 1_000_000
#: microseconds for which something is lent, and the slot in which: of 256 a late one
LONG: u64 = 1_000_000
LENT: u64 = 200
# Settings.
KILLS: usize = 0
SWAPS: usize = 1
TELL: usize = 3
CLIENTS: u64 = 64
#: of the clients, below the services
PRIORITY: u64 = 60
#: of threads more urgent than the services, and than the first one
ABOVE: u64 = 130
#: what a thread is for, with more above it
CLIENT: u64 = 0
SLOW: u64 = 1
WAITER: u64 = 2
AWAY: u64 = 3


def main(process: Process) -> None:
    make_shared(process)
    told(process)
    crashes(process)
    given_up(process)
    dependants(process)
    silent(process)
    noisy(process)
    ended(process)
    on_clients_time(process)
    post_mortems(process)
    driven(process)
    delegated(process)
    refused(process)
    clients = start_clients(process)
    swaps(process)
    kills(process)
    stop_clients(process, clients)
    everybody(process)
    _ = system.power_off(PLATFORM, 0)


def ask(process: Process, endpoint: u64, label: u64, w0: u64 = 0) -> u64:
    """The first word of an answer; the test ends if there is none."""
    return must_get(system.call(endpoint, message(label, 1), w0)).w0


def init() -> System:
    return system_at(INIT)


def watch() -> Watch:
    return watch_at(WATCH)


def service(name: bytes) -> u64:
    return index_of(watch(), name)


def status_of(name: bytes) -> ServiceStatus:
    text: Array[u8] = array(48)
    status = watch().service(service(name), text[:])
    assert isinstance(status, ServiceStatus), "init knows it"
    assert text[: status.length].bytes() == name, "by this name"
    return status


def tell_call(process: Process, what: str, answer: Message | Failure) -> None:
    if isinstance(answer, Failure):
        process.console.write(f"{what}: {answer.status.name} of argument {answer.argument}\n")
    else:
        process.console.write(f"{what}: {answer.w0}\n")


def tell_refusal(process: Process, what: str, answer: Refused | Failure | None) -> None:
    console = process.console
    if answer is None:
        console.write(f"{what}: done\n")
    elif isinstance(answer, Failure):
        console.write(f"{what}: {answer.status.name} of argument {answer.argument}\n")
    elif answer.reason is Reason.FAILED:
        console.write(f"{what}: FAILED, {answer.status.name} of argument {answer.argument}\n")
    else:
        console.write(f"{what}: {answer.reason.name}\n")


# --- one after the other ----------------------------------------------------------------------------------------------


def told(process: Process) -> None:
    """Services have what their entries say, and nothing else."""
    console = process.console
    answer = must_get(system.call(COUNTER, message(SETTING)))
    own = must_get(watch().own())
    assert own == service(b"tester") and answer.w1 == own + 1, "clients are told apart"
    console.write(f"setting {answer.w0}; ours: {process.setting_text(2) == b'in words'}\n")
    has = must_get(system.call(BARE, message(0, 1), FIRST_DECLARED + 1))
    console.write(f"bare has {has.w0} capabilities; where it was denied one: {has.w1}\n")
    has = must_get(system.call(BARE, message(0, 1), FIRST_DECLARED))
    console.write(f"its endpoint: kind {has.w1}, rights {has.w2}\n")
    more = must_get(system.call(MORE, message(0, 1), FIRST_DECLARED + 2))
    told_apart = has.w3 == own + 1 and more.w3 == 1 << 32 | own + 1
    text: Array[u8] = array(48)
    wanted = service(b"bare")
    for place in range(u64(0), u64(3)):
        grant = watch().grant(wanted, place, text[:])
        assert not isinstance(grant, Unknown | Failure), "it has three"
        console.write(f"{text_of(text[: grant.length].bytes())}: {grant.kind.name}, {grant.exists}\n")
    assert watch().grant(wanted, 3, text[:]) is Unknown.GRANT and watch().grant(1000, 0, text[:]) is Unknown.SERVICE
    grant = watch().grant(own, 1, text[:])
    assert not isinstance(grant, Unknown | Failure), "it uses the counter"
    console.write(f"{text_of(text[: grant.length].bytes())}: {grant.kind.name} {grant.size} of {grant.target}\n")
    console.write(f"another: kind {more.w1}, rights {more.w2}, told apart: {told_apart}\n")


def crashes(process: Process) -> None:
    """Who is served when a service fails gets PEER_DIED; the next call waits for its next life, which has its state."""
    before = ask(process, COUNTER, ADD, 5)
    tell_call(process, "crash", system.call(COUNTER, message(FAIL, 1), 300))
    process.console.write(f"after it: {ask(process, COUNTER, ADD, 5) - before} more\n")
    process.console.write(f"starts: {status_of(b'counter').starts}\n")


def given_up(process: Process) -> None:
    """Who fails too often stays away; who calls it fails at once, and not any more when it is started again."""
    for _ in range(3):
        tell_call(process, "fragile", system.call(FRAGILE, message(EXIT, 1), 9))
    tell_call(process, "nobody", system.call(FRAGILE, message(READ)))
    process.console.write(f"fragile: {status_of(b'fragile').phase.name}\n")
    fragile = service(b"fragile")
    tell_refusal(process, "start", init().start(fragile))
    tell_call(process, "again", system.call(FRAGILE, message(READ)))
    tell_refusal(process, "stop", init().stop(fragile))
    tell_refusal(process, "stop", init().stop(fragile))
    tell_call(process, "stopped", system.call(FRAGILE, message(READ)))


def dependants(process: Process) -> None:
    """Who fails too often takes with it who uses it; once."""
    for _ in range(4):
        tell_refusal(process, "kill base", init().kill(service(b"base")))
        pause(process, 2000)
        base, upper = status_of(b"base"), status_of(b"upper")
        console = process.console
        console.write(f"base {base.phase.name} {base.starts}, upper {upper.phase.name} {upper.starts}\n")


def silent(process: Process) -> None:
    """Who doesn't show that it lives is started again."""
    pause(process, 20_000)
    process.console.write(f"watched: {status_of(b'watched').starts} start\n")
    _ = ask(process, WATCHED, 1)
    while status_of(b"watched").starts == 1:
        pause(process, 1000)
    process.console.write("watched: started again\n")


def noisy(process: Process) -> None:
    """Who keeps init busy with nonsense is ended; so is who fails in another thread than its first."""
    tell_call(process, "noise", system.call(LONELY, message(NOISE)))
    tell_call(process, "thread", system.call(LONELY, message(THREAD)))
    while status_of(b"lonely").starts != 3:
        pause(process, 1000)
    tell_call(process, "and then", system.call(LONELY, message(SETTING)))


def ended(process: Process) -> None:
    """When a service won't come back, who it serves and who waits for it are told."""
    done = must_get(process.make(Kind.NOTIFICATION))
    slice = process.frequency // 100
    # It spins for the first one; the second one waits. Both are more urgent than it.
    _ = must_get(spawn(process, WAITER | SPIN << 8, ABOVE, slice, slice))
    _ = must_get(spawn(process, WAITER | READ << 8, ABOVE, slice, slice, done))
    tell_refusal(process, "stop lonely", init().stop(service(b"lonely")))
    _ = system.wait(done)


def on_clients_time(process: Process) -> None:
    """A service on its clients' time: one has too little, one ends in the middle; others are served."""
    pause(process, 2000)
    used = status_of(b"passive").used
    process.console.write(f"passive: {ask(process, PASSIVE, ADD, 1)}\n")
    budget = process.frequency // 10_000
    context = must_get(process.context(PRIORITY, budget, 10 * budget))
    done = must_get(process.make(Kind.NOTIFICATION))
    slow = must_get(make_thread(process, SLOW | 2 * budget << 8, PRIORITY, done))
    must(start_thread(process, slow.thread, context))
    _ = system.wait(done)
    drop_thread(process, slow)
    process.console.write(f"passive: {ask(process, PASSIVE, ADD, 1)}\n")
    gone = must_get(make_thread(process, SLOW | 1000 * budget << 8, PRIORITY))
    must(start_thread(process, gone.thread, context))
    pause(process, 300)
    must(process.drop(context))
    drop_thread(process, gone)
    process.console.write(f"passive: {ask(process, PASSIVE, ADD, 1)}\n")
    # Once more, while it waits for something itself.
    context = must_get(process.context(PRIORITY, budget, 10 * budget))
    away = must_get(make_thread(process, AWAY | 20 * budget << 8, PRIORITY))
    must(start_thread(process, away.thread, context))
    pause(process, 300)
    must(process.drop(context))
    drop_thread(process, away)
    process.console.write(f"passive: {ask(process, PASSIVE, READ)}\n")
    status = status_of(b"passive")
    process.console.write(f"passive: {status.starts} start, time of its own: {status.used != used}\n")


def post_mortems(process: Process) -> None:
    """The latest crash, as who administers the system reads it: its call, the one before, and what init was told."""
    _ = ask(process, COUNTER, READ)
    tell_call(process, "crash", system.call(COUNTER, message(FAIL, 1), 300))
    data: Array[u8] = array(MOST_POST_MORTEM)
    length = init().post_mortem(0, data[:])
    assert isinstance(length, usize), "there is one"
    console = process.console
    service, cause, start, fault = number(data, 0), number(data, 1), number(data, 2), number(data, 4)
    console.write(f"post-mortem of service {service}, cause {cause}, start {start}, fault {fault}\n")
    used, free, identifier = number(data, 9) != 0, number(data, 10) != 0, number(data, 11) != 0
    console.write(f"{length // 8} words; used {used}, free {free}, thread {identifier}\n")
    # After 14 numbers come 6 words of name, 32 registers, 8 messages of 4 words, the stack.
    counter, stack, label = number(data, 20), number(data, 12), number(data, 55) & 0xFFFF
    console.write(f"counter {counter != 0}, stack {stack}, messages {number(data, 13)}, last label {label}\n")
    short = init().post_mortem(0, data[:20])
    assert isinstance(short, usize) and short == 16, "whole words, as far as there is room"
    for which in range(u64(0), u64(100)):
        older = init().post_mortem(which, data[:])
        if isinstance(older, Refused):
            console.write(f"post-mortem {which}: {older.reason.name}\n")
            break


def number(data: Span[u8], place: usize) -> u64:
    """A word of a post-mortem."""
    found: u64 = 0
    for byte in reversed(range(place * 8, place * 8 + 8)):
        found = found << 8 | u64(data[byte])
    return found


def driven(process: Process) -> None:
    """A driver is killed and comes back: with its registers, its interrupt, and what its device may reach."""
    before = must_get(system.call(CLOCK, message(0)))
    for _ in range(3):
        tell_refusal(process, "kill clock", init().kill(service(b"clock")))
        after = must_get(system.call(CLOCK, message(0)))
        process.console.write(f"later: {after.w0 > before.w0}, at the same place: {after.w1 == before.w1}\n")
    tell_refusal(process, "swap clock", init().swap(service(b"clock"), b"counter", PATIENCE))


def delegated(process: Process) -> None:
    """Another service gets the console for a while."""
    own, bare = service(b"tester"), service(b"bare")
    made = init().delegate(own, CONSOLE, bare, FIRST_DECLARED + 1, 3000)
    assert isinstance(made, u64), "there is room"
    lent = watch().delegated(0)
    assert not isinstance(lent, Unknown | Failure) and lent.service == own and lent.place == CONSOLE
    assert (
        lent.to == bare
        and lent.at == FIRST_DECLARED + 1
        and lent.left != 0
        and watch().delegated(1) is Unknown.DELEGATION
    )
    has = must_get(system.call(BARE, message(0, 1), FIRST_DECLARED + 1))
    process.console.write(f"delegated: kind {has.w1}, rights {has.w2 == u64(WRITE)}\n")
    pause(process, 6000)
    has = must_get(system.call(BARE, message(0, 1), FIRST_DECLARED + 1))
    process.console.write(f"later: kind {has.w1}\n")
    made = init().delegate(own, CONSOLE, bare, FIRST_DECLARED + 1, 1_000_000)
    assert isinstance(made, u64), "there is room"
    tell_refusal(process, "take back", init().take_back(made))
    tell_refusal(process, "take back", init().take_back(made))
    has = must_get(system.call(BARE, message(0, 1), FIRST_DECLARED + 1))
    process.console.write(f"taken back: kind {has.w1}\n")
    outlived(process, own, bare)


def outlived(process: Process, own: u64, bare: u64) -> None:
    """What was lent ends with the process that has it, and with what it is; not with the process of the lender."""
    counter, clock = service(b"counter"), service(b"clock")
    assert isinstance(init().delegate(own, CONSOLE, bare, LENT, LONG), u64), "there is room"
    assert init().kill(bare) is None, "it runs"
    told_lent(process, "killed")
    assert isinstance(init().delegate(own, CONSOLE, counter, LENT, LONG), u64), "there is room"
    assert init().swap(counter, b"counter2", PATIENCE) is None, "it hands over"
    told_lent(process, "replaced")
    assert init().swap(counter, b"counter", PATIENCE) is None, "it hands over"
    assert isinstance(init().delegate(clock, 3, bare, LENT, LONG), u64), "there is room"
    assert init().kill(clock) is None, "it runs"
    told_lent(process, "its space ended")
    made = init().delegate(own, 4, bare, LENT, LONG)
    assert isinstance(made, u64), "there is room"
    assert init().kill(service(b"watched")) is None, "it runs"
    told_lent(process, "its server restarted")
    assert init().take_back(made) is None, "it is lent"


def told_lent(process: Process, what: str) -> None:
    has = must_get(system.call(BARE, message(0, 1), LENT))
    lent = not isinstance(watch().delegated(0), Unknown | Failure)
    process.console.write(f"{what}: kind {has.w1}, lent: {lent}\n")


def refused(process: Process) -> None:
    """What init can't do, it says, and nothing has changed."""
    counter = service(b"counter")
    starts = status_of(b"counter").starts
    tell_refusal(process, "no service", init().kill(1000))
    tell_refusal(process, "runs", init().start(counter))
    tell_refusal(process, "no program", init().swap(counter, b"nothing", PATIENCE))
    tell_refusal(process, "no endpoint", init().swap(service(b"tracer"), b"counter2", PATIENCE))
    tell_refusal(process, "old one doesn't", init().swap(service(b"bare"), b"counter2", PATIENCE))
    assert status_of(b"counter").starts == starts, "it is the same"
    tell_refusal(process, "new one can't", init().swap(counter, b"counter3", PATIENCE))
    answer = must_get(system.call(COUNTER, message(READ)))
    process.console.write(f"version {answer.w2}\n")
    _ = must_get(spawn(process, SLOW | 200_000 << 8 | 1 << 63, PRIORITY + 50, process.frequency, process.frequency))
    pause(process, 100)
    tell_refusal(process, "too slow", init().swap(counter, b"counter2", 1000))
    answer = must_get(system.call(COUNTER, message(READ)))
    process.console.write(f"version {answer.w2}\n")
    passive = service(b"passive")
    tell_refusal(process, "passive", init().swap(passive, b"counter2", PATIENCE))
    pause(process, 2000)
    answer = must_get(system.call(PASSIVE, message(ADD, 1), 1))
    process.console.write(f"passive: {answer.w0}, version {answer.w2}\n")
    unknown = must_get(system.call(INIT, message(99), 1, 2, 3, 4))
    process.console.write(f"request 99: {unknown.label() & interface.REFUSED != 0}\n")
    # Who may look may not touch.
    view: Uses[System] = uses(WATCH)
    tell_refusal(process, "by watch", view.kill(counter))
    assert status_of(b"counter").phase is Phase.RUNS, "it isn't killed"
    process.console.write(f"wild requests that were refused: {wild(process)}\n")


def wild(process: Process) -> u64:
    """Requests with numbers that mean nothing: none is granted, and init lives."""
    base = must_get(interface.version_of(INIT)) >> 40 << 8
    seed: u64 = 7
    refused: u64 = 0
    for round in range(u64(0), u64(1000)):
        seed = (seed * 48271) % 0x7FFF_FFFF
        # All methods but the last one, which would switch the machine off, and some that there aren't.
        method = round % 20
        if method == 8:
            continue
        for place in range(usize(0), 16):
            process.buffer.words[place] = seed << place
        asked = message(base | method, seed % 8)
        answer = system.call(INIT, asked, 1000 + (seed << 13), seed << 33 | seed, seed >> 3, seed << 20)
        if isinstance(answer, Failure):
            continue
        # Of the contract's answers, `Refused` is the second one where there is something to give, else the first.
        refusal: u64 = 1 if method in (5, 7) else 0
        if answer.label() & interface.REFUSED != 0 or answer.label() == refusal:
            refused += 1
    return refused


# --- under load -------------------------------------------------------------------------------------------------------


def start_clients(process: Process) -> u64:
    """Clients that call without end. What the counter says when they begin."""
    slice = process.frequency // 10_000
    before = ask(process, COUNTER, READ)
    for _ in range(CLIENTS):
        _ = must_get(spawn(process, CLIENT, PRIORITY, slice, slice))
    return before


def stop_clients(process: Process, before: u64) -> None:
    seen = shared()
    seen.stop.store(1)
    while seen.running.load() != 0:
        pause(process, 1000)
    answered, died = seen.answered.load(), seen.died.load()
    counted = ask(process, COUNTER, READ) - before
    console = process.console
    # Who was told PEER_DIED may have been counted.
    console.write(f"counted what was answered: {answered <= counted <= answered + died}\n")
    console.write(f"otherwise failed: {seen.failed.load()}\n")


def swaps(process: Process) -> None:
    """One version replaces the other, again and again: no call is lost, and nothing that was counted."""
    counter = service(b"counter")
    rounds = process.setting(SWAPS)
    done: u64 = 0
    for round in range(rounds):
        program = b"counter2" if round % 2 == 0 else b"counter"
        if init().swap(counter, program, PATIENCE) is None:
            done += 1
        if round % 10 == 9:
            refused = init().swap(counter, b"counter3", PATIENCE)
            assert isinstance(refused, Refused) and refused.reason is Reason.ROLLED_BACK, "that one can't take over"
        pause(process, 100)
    seen = shared()
    process.console.write(f"{done == rounds} swaps under {seen.running.load()} clients\n")
    process.console.write(
        f"lost calls: {seen.died.load() + seen.failed.load()}, busy: {seen.answered.load() > rounds}\n"
    )


def kills(process: Process) -> None:
    """Any service but this one is killed, at any time, again and again: not a byte and not a slot is lost."""
    own = service(b"tester")
    rounds, tell = process.setting(KILLS), process.setting(TELL) != 0
    seed: u64 = 1
    kill_each(process, own)
    down_and_up(process)
    before = settled(process)
    for _ in range(rounds):
        seed = (seed * 48271) % 0x7FFF_FFFF
        victim = seed % (before.services - 1)
        victim = victim if victim < own else victim + 1
        began = system.instructions()
        refused = init().kill(victim)
        if isinstance(refused, Refused):
            assert refused.reason is Reason.WRONG_PHASE, "it is down already"
        elif tell:
            recovered(process, victim, began)
        pause(process, seed % 50)
    down_and_up(process)
    for _ in range(3):
        assert init().kill(service(b"clock")) is None, "it runs"
        pause(process, 1000)
    after = settled(process)
    memory, slots = before.memory - after.memory, before.slots - after.slots
    process.console.write(f"kills: {memory} bytes and {slots} slots lost\n")
    process.console.write(f"{before.running == after.running} running as before\n")


def recovered(process: Process, victim: u64, began: u64) -> None:
    """How long it took from its end until it answers again, under load; of those that are called."""
    endpoint: u64 = 0
    if victim == service(b"counter"):
        endpoint = COUNTER
    elif victim == service(b"passive"):
        endpoint = PASSIVE
    elif victim == service(b"bare"):
        endpoint = BARE
    elif victim == service(b"clock"):
        endpoint = CLOCK
    elif victim == service(b"watched"):
        endpoint = WATCHED
    if endpoint != 0:
        answer = system.call(endpoint, message(READ))
        took = system.instructions() - began
        assert not isinstance(answer, Failure), "it is back"
        process.console.write(f"recovered after {took}\n")


def kill_each(process: Process, own: u64) -> None:
    """Once each, as what is made once isn't a loss."""
    for victim in range(must_resources().services):
        if victim != own:
            _ = init().kill(victim)


def down_and_up(process: Process) -> None:
    """Stop a service for good, and start it all the same: its endpoint is a new one."""
    lonely = service(b"lonely")
    for _ in range(3):
        assert init().start(lonely) is None, "it is down"
        assert ask(process, LONELY, SETTING) == 42, "it serves"
        assert init().stop(lonely) is None, "it runs"


def settled(process: Process) -> Resources:
    """What init has when all services that come back are back."""
    pause(process, 20_000)
    return must_resources()


def must_resources() -> Resources:
    return must_get(watch().resources())


def everybody(process: Process) -> None:
    found = must_resources()
    process.console.write(f"{found.running} of {found.services} services run\n")
    for index in range(found.services):
        text: Array[u8] = array(48)
        status = watch().service(index, text[:])
        assert isinstance(status, ServiceStatus), "there is one"
        if status.phase is not Phase.RUNS:
            process.console.write(f"{text_of(text[: status.length].bytes())}: {status.phase.name}\n")


# --- threads ----------------------------------------------------------------------------------------------------------


def thread(process: Process, argument: u64) -> None:
    kind, rest = argument & 0xFF, argument >> 8
    if kind == WAITER:
        tell_call(process, "lonely", system.call(LONELY, message(rest, 1)))
        return
    if kind == AWAY:
        _ = system.call(PASSIVE, message(WAIT, 1), rest)
        return
    if kind == SLOW:
        endpoint = COUNTER if rest >> 55 != 0 else PASSIVE
        _ = system.call(endpoint, message(SPEND, 1), rest & 0xFFFF_FFFF)
        return
    client()


def client() -> None:
    seen = shared()
    _ = seen.running.fetch_add(1)
    while seen.stop.load() == 0:
        answer = system.call(COUNTER, message(ADD, 1), 1)
        if not isinstance(answer, Failure):
            _ = seen.answered.fetch_add(1)
        elif answer.status is Status.PEER_DIED:
            _ = seen.died.fetch_add(1)
        else:
            _ = seen.failed.fetch_add(1)
    _ = seen.running.fetch_sub(1)
