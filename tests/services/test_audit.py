"""What the kernel has denied: how init keeps it over a service's lives, and the words of the log's lines."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel.abi.call import Call, message
from neokernel.abi.denials import KEPT_DENIALS
from neokernel.abi.description import FIRST_DECLARED, MAXIMUM_GRANTS, GrantKind
from neokernel.abi.operations import Operation
from neokernel.abi.status import FIRST, INVOKED, REPLY, TRAVELLING, WORD, Status
from neokernel.interfaces.clients.log_line import LogLine
from neokernel.interfaces.log import MOST_TEXT
from neokernel.interfaces.system import Access, Denial, GrantInfo, Trespass
from neokernel.lang import u16, u64, usize
from neokernel.runtime import system
from neokernel.services.audit.words import is_everyday, place_of, say, say_access, say_times
from neokernel.services.init.denials import TRESPASS, Gathered

# --- what init keeps --------------------------------------------------------------------------------------------------


@dataclass
class Table:
    """What the kernel keeps of one process."""

    denied: list[int] = field(default_factory=list)

    def tell(self, _: u64, number: u64) -> system.Denial:
        count, index = len(self.denied), int(number)
        kept = index < count and count - index <= int(KEPT_DENIALS)
        what = u64(self.denied[index] if kept else 0)
        return system.Denial(u64(count), what, what, what)


@given(lives=st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=6), now=st.integers(0, 20))
def test_a_number_names_the_same_denial_for_good(lives: list[tuple[int, bool]], now: int) -> None:
    """Whatever lives came before: the last eight of all are told, if the table has kept them, and nothing else."""
    gathered, table = Gathered(), Table()
    expected: dict[int, int] = {}
    serial = total = 0
    slot = u64(7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(system, "denial", table.tell)
        for calls, trespasses in [*lives, (now, False)]:
            gathered.begin()
            table.denied = []
            for _ in range(calls):
                serial += 1
                table.denied.append(serial)
                expected[total] = serial
                total += 1
            assert gathered.total(slot) == total
            if (calls, trespasses) is (now, False):
                break
            gathered.take_over(slot)
            if trespasses:
                serial += 1
                gathered.trespass(slot, u64(serial), u64(1))
                expected[total] = serial
                total += 1
            gathered.take_over(slot)
            assert gathered.total(slot) == gathered.total(u64(0)) == total
            told(gathered, slot, expected, total, total - 8)
        told(gathered, slot, expected, total, max(total - 8, 0))


def told(gathered: Gathered, slot: u64, expected: dict[int, int], total: int, first: int) -> None:
    assert gathered.find(slot, u64(total)) is None and gathered.find(slot, u64((1 << 64) - 1)) is None
    for number, what in expected.items():
        found = gathered.find(slot, u64(number))
        if number >= first:
            assert found is not None and found.capability == what
        else:
            assert found is None or found.capability == what


def test_an_access_to_memory_is_no_call() -> None:
    assert all(u64(call.value) != TRESPASS for call in Call)


# --- the words --------------------------------------------------------------------------------------------------------


def grant(kind: GrantKind) -> GrantInfo:
    return GrantInfo(kind, u64(0), u64(0), u16(0), kind is not GrantKind.NONE, usize(5))


def words(denial: Denial, kind: GrantKind | None = None, service: str = "guest", name: str = "thing") -> str:
    line = LogLine()
    say(line, service, denial, None if kind is None else grant(kind), "" if kind is None else name)
    return str(line.text())


def denial(
    status: Status,
    argument: int = INVOKED,
    *,
    call: Call = Call.CALL,
    capability: int = 700,
    label: int = Operation.MAP.value,
) -> Denial:
    return Denial(call, u64(capability), message(u64(label)), status, u64(argument))


RULE = "[service.guest]"


@pytest.mark.parametrize(
    ("what", "kind", "said"),
    [
        (denial(Status.NO_CAPABILITY), None, f"CALL by its capability 700: no line of {RULE} grants one there"),
        (
            denial(Status.NO_CAPABILITY, call=Call.SIGNAL),
            None,
            f"SIGNAL by its capability 700: no line of {RULE} grants one there, or it has ended with who gave it",
        ),
        (denial(Status.NO_CAPABILITY), GrantKind.NONE, f"CALL: {RULE} uses.thing grants nothing"),
        (denial(Status.NO_CAPABILITY), GrantKind.USES, f"CALL: {RULE} uses.thing grants what has ended"),
        (denial(Status.NO_CAPABILITY, REPLY, call=Call.REPLY), None, "REPLY: what it names as its Reply isn't there"),
        (
            denial(Status.WRONG_KIND, REPLY, call=Call.REPLY),
            None,
            "REPLY: what it names as its Reply is something else",
        ),
        (
            denial(Status.NO_CAPABILITY, TRAVELLING, call=Call.SEND),
            GrantKind.USES,
            "SEND by its capability `thing`: what it names by argument 8 isn't there",
        ),
        (
            denial(Status.NO_CAPABILITY, FIRST, label=Operation.COPY_OUT.value),
            None,
            "COPY_OUT by its capability 700: what it names by argument 2 isn't there",
        ),
        (denial(Status.WRONG_KIND), GrantKind.DEVICE, f"MAP: {RULE} devices.thing grants something else"),
        (
            denial(Status.WRONG_KIND),
            None,
            f"MAP by its capability 700: no line of {RULE} grants it, and it is something else",
        ),
        (
            denial(Status.WRONG_KIND, call=Call.SIGNAL),
            None,
            f"SIGNAL by its capability 700: no line of {RULE} grants it, and it is something else",
        ),
        (denial(Status.MISSING_RIGHT), GrantKind.USES, f"CALL: {RULE} uses.thing grants no such right"),
        (
            denial(Status.MISSING_RIGHT, WORD),
            GrantKind.USES,
            f"CALL: {RULE} uses.thing doesn't let it pass capabilities",
        ),
        (
            denial(Status.MISSING_RIGHT, WORD),
            None,
            f"CALL by its capability 700: no line of {RULE} grants it, and it passes no capabilities",
        ),
        (
            denial(Status.MISSING_RIGHT),
            None,
            f"CALL by its capability 700: no line of {RULE} grants it, and it has no such right",
        ),
        (denial(Status.MISSING_RIGHT), GrantKind.INTERRUPT, f"MAP: {RULE} interrupts.thing grants no such right"),
        (
            denial(Status.MISSING_RIGHT, TRAVELLING, label=Operation.BIND.value),
            GrantKind.MEMORY,
            "BIND by its capability `thing`: what it names by argument 8 has no such right",
        ),
    ],
    ids=str,
)
def test_a_denial_has_its_rule(what: Denial, kind: GrantKind | None, said: str) -> None:
    assert words(what, kind) == f"guest was denied {said}"


def test_what_is_everyday_is_no_warning() -> None:
    """To ask for what one may do without, or to signal who has just ended: no more than that."""
    missing = denial(Status.NO_CAPABILITY)
    assert is_everyday(missing, grant(GrantKind.NONE)) and not is_everyday(missing, grant(GrantKind.USES))
    assert not is_everyday(missing, None)
    for status, everyday in (
        (Status.NO_CAPABILITY, True),
        (Status.WRONG_KIND, False),
        (Status.MISSING_RIGHT, False),
    ):
        assert is_everyday(denial(status, call=Call.SIGNAL), None) == everyday
    assert not is_everyday(denial(Status.NO_CAPABILITY, TRAVELLING), grant(GrantKind.NONE))


@pytest.mark.parametrize(("access", "verb"), list(zip(Access, ("read", "write", "execute"), strict=True)))
def test_an_access_has_its_rule(access: Access, verb: str) -> None:
    line = LogLine()
    say_access(line, "guest", Trespass(access, u64(0x1000_0000)))
    assert line.text() == f"guest was denied to {verb} 0x10000000: nothing that [service.guest] has is mapped there so"


@pytest.mark.parametrize("kind", list(GrantKind))
@pytest.mark.parametrize("status", [Status.NO_CAPABILITY, Status.WRONG_KIND, Status.MISSING_RIGHT])
def test_a_rule_has_room(kind: GrantKind, status: Status) -> None:
    """With long names; with the longest, of 48 bytes, its end may be cut off."""
    said = words(denial(status), kind, "s" * 40, "g" * 40)
    assert len(said) <= MOST_TEXT and not said.endswith("..."), said


def test_a_line_that_is_cut_off_says_so() -> None:
    line = LogLine()
    line.write("x" * MOST_TEXT)
    assert line.text() == "x" * MOST_TEXT, "it just fits"
    line.write("y")
    line.write("z" * 300)
    assert line.text() == "x" * (MOST_TEXT - 3) + "..."


def test_equal_ones_are_one_line() -> None:
    line = LogLine()
    line.write("once")
    say_times(line, u64(1))
    line.write("; often")
    say_times(line, u64(8))
    assert line.text() == "once; often (8 times)"


def test_grants_are_named_by_their_places() -> None:
    first, last = int(FIRST_DECLARED), int(FIRST_DECLARED) + int(MAXIMUM_GRANTS) - 1
    assert [place_of(u64(each)) for each in (first - 1, first, last, last + 1)] == [None, 0, last - first, None]
