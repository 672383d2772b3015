"""Models that are replaced while they are asked: what is taken, what is refused, and what is rolled back.

One machine for all tests here; two processes may serve a name. What is done to it by chance, and what clients may
see of that, is in `campaign.py`, of which a short one comes here first. What serves is told by the
version that the gateway names. Bundles that go wrong are made of the one that doesn't: their code begins with a look
at the first input, and does wrong unless that is the sample's.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from neokernel import lang
from neokernel.cli.target import session
from neokernel.control import models
from neokernel.control.view import View
from neokernel.image.boot import signature_path
from neokernel.image.keys import development_key, new_key
from neokernel.model.bundle import Bundle, pack
from neokernel.model.importer import import_model
from neokernel.model.machine import SCALAR
from neokernel.model.signed import HEADER_SIZE, sign
from tests.cli.support import Nk
from tests.control.conftest import up
from tests.gateway.campaign import TARGETS, Campaign, Counts, with_vectors, write_system
from tests.gateway.test_machine import asked, get, image, infer, is_ready, until_up
from tests.gateway.test_models import identity
from tests.model.digits import onnx_of
from tests.support.machine import QEMU
from tests.support.patience import eventually
from tests.support.ports import free_ports

CLIENTS = 4

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")]


@dataclass(frozen=True)
class Machine:
    port: int
    folder: Path

    def version(self) -> str:
        return str(get(self.port, "/v2/models/digits")[1]["versions"][0])

    def serves(self) -> bool:
        return infer(self.port, "digits", image([1] * 64))[0] == 200


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("push")
    (port,) = free_ports(1)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in with_vectors(folder).items():
            patch.setenv(name, value)
        with up(write_system(folder, port), folder) as process:
            until_up(port)
            for name in ("digits", "trusting", "linear", "whole"):
                eventually(lambda name=name: is_ready(port, name), "the model doesn't begin to serve")  # type: ignore[misc]
            assert process.poll() is None
            yield Machine(port, folder)


@pytest.fixture
def nk(machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]) -> Nk:
    assert os.environ["NK_STATE"].startswith(str(machine.folder))
    return Nk(capfdbinary)


@pytest.fixture(scope="module")
def made() -> Bundle:
    return import_model(onnx_of("digits"), "digits", dimensions={"batch": 1}, source=False, variants=[SCALAR])


def written(machine: Machine, data: bytes, key: Ed25519PrivateKey | None = None) -> Path:
    """A bundle in a file, with its signature beside it."""
    path = machine.folder / f"{hashlib.sha256(data).hexdigest()[:16]}.nkm"
    path.write_bytes(data)
    signature_path(path).write_bytes(sign(data, key if key is not None else development_key()[0]))
    return path


#: of bundles that are pushed: none may be older than what has served
SERIALS = itertools.count(1)


def newest(bundle: Bundle) -> Bundle:
    return replace(bundle, serial=next(SERIALS))


def push(nk: Nk, machine: Machine, bundle: Bundle) -> tuple[int, str]:
    """Status, and what is said of it."""
    result = nk("model", "push", "digits", written(machine, pack(newest(bundle))))
    return result.status, result.output or result.error


def listed(nk: Nk, name: str = "digits") -> dict[str, Any]:
    result = nk("model", "list", "--json")
    assert result.status == 0, result.error
    (found,) = (each for each in result.json["models"] if each["name"] == name)
    return dict(found)


def until(true: Callable[[], bool]) -> None:
    eventually(true, "it never is so")


def settled(nk: Nk, name: str = "digits") -> dict[str, Any]:
    """The list's entry, when nothing is watched any more, and another push can come."""
    until(lambda: listed(nk, name)["outcome"] not in ("tried", "watched") and listed(nk, name)["spare"])
    return listed(nk, name)


def with_code(bundle: Bundle, code: bytes) -> Bundle:
    return replace(bundle, codes=(replace(bundle.codes[0], code=code),))


def test_a_short_campaign(machine: Machine) -> None:
    """Everybody is killed once while clients ask, and some again: all is answered as it may be, nothing lost."""
    pytest.importorskip("onnxruntime")
    counts = Counts()
    campaign = Campaign(machine.port, lambda: session(None, None), 1, 1_000, counts)
    campaign.run(float("inf"), 1_000_000, lambda: None, lambda _: None)
    ((first, last),) = counts.free
    assert counts.requests == 1_000
    assert first["memory of nobody"] == last["memory of nobody"] and first["slots of init"] == last["slots of init"]
    assert {each for each in counts.outages if " and " not in each} == set(TARGETS)
    assert counts.kinds["infer linear"]["200"] > 300 and counts.kinds["wrong"]["400"] > 10


#: `unimp`, which no machine executes; a jump to itself; and the instruction that does nothing
CRASH, HANG, NOTHING = 0x0000_0000, 0x0000_006F, 0x0000_0013
CRASHES = struct.pack("<I", CRASH) * 16


def unless_sample(bundle: Bundle, wrong: int) -> Bundle:
    """The same model, that does this first if its first input isn't the sample's."""
    (bits,) = struct.unpack("<i", bundle.sample[:4])
    low = (bits & 0xFFF ^ 0x800) - 0x800
    high = (bits - low) >> 12 & 0xFFFFF
    words = [
        0x0006_3283,  # ld t0, 0(a2)
        0x0002_A303,  # lw t1, 0(t0)
        high << 12 | 7 << 7 | 0x37,  # lui t2
        (low & 0xFFF) << 20 | 7 << 15 | 7 << 7 | 0x1B,  # addiw t2, t2
        0x63 | 0x400 | 6 << 15 | 7 << 20,  # beq t1, t2, 8
        wrong,
    ]
    words += [NOTHING] * (16 - len(words))
    return with_code(bundle, struct.pack("<16I", *words) + bundle.codes[0].code)


# --- what is taken ----------------------------------------------------------------------------------------------------


def test_what_the_image_has(nk: Nk, machine: Machine) -> None:
    found = listed(nk)
    assert (found["name"], found["version"], found["own"], found["spare"]) == ("digits", "1", True, True)
    assert found["outcome"] == "none" and found["service"] in ("digits", "digits-next") and len(found["digest"]) == 128
    assert "version 1 (" in nk("model", "list").output


def test_a_push_while_clients_ask(nk: Nk, machine: Machine, made: Bundle) -> None:
    """Twice, so that either process has its turn: no request fails, and each is answered rightly."""
    tensor = json.dumps(image([float(number % 17) for number in range(64)])).encode()
    status, wanted = infer(machine.port, "digits", tensor)
    assert status == 200
    found: list[tuple[int, bool]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            status, said = infer(machine.port, "digits", tensor)
            found.append((status, said["outputs"] == wanted["outputs"] if status == 200 else False))

    asking = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for each in asking:
        each.start()
    services = set()
    try:
        for version in ("2", "3"):
            bundle = replace(made, version=version)
            status, said = push(nk, machine, bundle)
            assert status == 0, said
            assert f"digits: version {version} (" in said
            assert machine.version() == version
            after = settled(nk)
            assert (after["version"], after["own"], after["outcome"]) == (version, False, "taken")
            assert after["digest"] == hashlib.sha512(pack(bundle)[HEADER_SIZE:]).hexdigest()
            services.add(after["service"])
    finally:
        over.set()
        for each in asking:
            each.join()
    assert services == {"digits", "digits-next"}
    assert len(found) > 20 and set(found) == {(200, True)}, found


def test_a_model_of_the_image_has_one_backend(nk: Nk, machine: Machine) -> None:
    assert settled(nk, "trusting")["backend"] == "scalar"
    result = nk("model", "swap", "trusting", "vector")
    assert result.status == 1 and "NK1707" in result.error and "it is the image's" in result.error, result.error


def test_another_backend_while_clients_ask(nk: Nk, machine: Machine) -> None:
    """By vectors, by scalar code, and by vectors again: no request fails, and answers are as near as floats are."""
    settled(nk)
    both = import_model(onnx_of("digits"), "digits", "20", dimensions={"batch": 1}, source=False)
    assert push(nk, machine, both)[0] == 0
    tensor = image([float(number % 17) for number in range(64)])
    found: list[tuple[int, list[float]]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            status, said = infer(machine.port, "digits", tensor)
            found.append((status, said["outputs"][0]["data"] if status == 200 else []))

    asking = threading.Thread(target=ask)
    asking.start()
    seen = [(settled(nk)["service"], settled(nk)["backend"])]
    try:
        for backend in ("scalar", "vector"):
            result = nk("model", "swap", "digits", backend)
            assert result.status == 0 and f"by {backend} code" in result.output, result.error
            after = settled(nk)
            assert (after["version"], after["own"], after["outcome"]) == ("20", False, "taken")
            seen.append((after["service"], after["backend"]))
    finally:
        over.set()
        asking.join()
    assert [backend for _, backend in seen] == ["vector", "scalar", "vector"]
    assert seen[0][0] == seen[2][0] != seen[1][0]
    assert {status for status, _ in found} == {200} and len(found) > 10
    results = {tuple(each) for _, each in found}
    # Kinds of code sum up in different orders.
    assert 1 <= len(results) <= 2
    assert all(
        a == pytest.approx(b, rel=1e-3, abs=1e-3) for one in results for a, b in zip(one, found[0][1], strict=True)
    )


# --- what is refused --------------------------------------------------------------------------------------------------


def refused(nk: Nk, machine: Machine, path: Path, words: str) -> None:
    """It is, for this reason, and who serves does so as before."""
    before = settled(nk)
    result = nk("model", "push", "digits", path)
    assert result.status == 1 and "NK1707" in result.error and words in result.error, result.error
    after = listed(nk)
    assert words in after["refused"] and f"the last push was refused: {after['refused']}" in nk("model", "list").output
    assert after | {"answered": 0, "refused": ""} == before | {"answered": 0, "refused": ""}
    assert machine.version() == before["version"] and machine.serves()


def test_unsigned(nk: Nk, machine: Machine, made: Bundle) -> None:
    path = machine.folder / "unsigned.nkm"
    path.write_bytes(pack(made))
    refused(nk, machine, path, "it isn't signed")


def test_signed_by_somebody_else(nk: Nk, machine: Machine, made: Bundle) -> None:
    refused(nk, machine, written(machine, pack(made), Ed25519PrivateKey.generate()), "a key that isn't enrolled")


def test_a_signature_of_something_else(nk: Nk, machine: Machine, made: Bundle) -> None:
    data, other = pack(replace(made, version="8")), pack(replace(made, version="9"))
    path = written(machine, data)
    path.write_bytes(other)
    refused(nk, machine, path, "its signature is of something else")


def test_damaged(nk: Nk, machine: Machine, made: Bundle) -> None:
    data = bytearray(pack(made))
    path = written(machine, bytes(data))
    data[-5000] ^= 1
    path.write_bytes(data)
    refused(nk, machine, path, "it isn't what was signed")
    path.write_bytes(data[:-1])
    refused(nk, machine, path, "it is no bundle")


def test_too_large(nk: Nk, machine: Machine, made: Bundle) -> None:
    path = written(machine, pack(replace(newest(made), source=bytes(600 << 10))))
    refused(nk, machine, path, "it is larger than there is room for")
    arena = replace(newest(made), codes=(replace(made.codes[0], arena_size=2 << 20),))
    refused(nk, machine, written(machine, pack(arena)), "it needs more memory or stack")
    stack = replace(newest(made), codes=(replace(made.codes[0], stack=1 << 20),))
    refused(nk, machine, written(machine, pack(stack)), "it needs more memory or stack")


def test_what_cant_be_tried(nk: Nk, machine: Machine, made: Bundle) -> None:
    refused(nk, machine, written(machine, pack(replace(newest(made), sample=b""))), "it has no sample")


def test_signed_for_another_name(nk: Nk, machine: Machine, made: Bundle) -> None:
    """It takes and gives the same, and may mean something else."""
    for name in ("letters", "digit", "digits2"):
        path = written(machine, pack(replace(newest(made), name=name)))
        refused(nk, machine, path, "it was signed for another name")


def test_one_that_is_older(nk: Nk, machine: Machine, made: Bundle) -> None:
    """What has a signature can be pushed again, but for what is older than what has served since."""
    old = newest(made)
    settled(nk)
    assert push(nk, machine, replace(made, version="11"))[0] == 0
    assert settled(nk)["version"] == "11"
    refused(nk, machine, written(machine, pack(old)), "its serial is lower than that of a bundle which has served")
    # What didn't serve for sure doesn't count.
    wrong = replace(made, sample=made.sample[:-1] + b"?", serial=next(SERIALS) + 1_000_000)
    assert nk("model", "push", "digits", written(machine, pack(with_code(wrong, CRASHES)))).status == 1
    assert push(nk, machine, replace(made, version="13"))[0] == 0


def test_a_name_that_there_isnt(nk: Nk, machine: Machine, made: Bundle) -> None:
    result = nk("model", "push", "letters", written(machine, pack(made)))
    assert result.status == 2 and "no model is served as letters" in result.error and "digits" in result.error


def test_an_operator_who_isnt_enrolled(nk: Nk, machine: Machine, made: Bundle) -> None:
    private, _ = new_key(machine.folder / "stranger")
    result = nk("model", "push", "digits", written(machine, pack(made)), "--key", private)
    assert result.status == 5 and machine.serves()


# --- what is rolled back ----------------------------------------------------------------------------------------------


def fails(nk: Nk, machine: Machine, bundle: Bundle, words: str) -> None:
    """It is tried, and doesn't serve, for this reason; who serves has never stopped."""
    before = settled(nk)
    status, said = push(nk, machine, bundle)
    assert status == 1 and words in said and f"{before['service']} serves as before" in said, said
    after = listed(nk)
    assert (after["outcome"], after["service"], after["version"]) == (
        "rolled back", before["service"], before["version"],
    )  # fmt: skip
    assert words in after["why"] and machine.version() == before["version"] and machine.serves()


def test_a_wrong_sample(nk: Nk, machine: Machine, made: Bundle) -> None:
    sample = bytearray(made.sample)
    sample[259] ^= 0x80
    fails(nk, machine, replace(made, sample=bytes(sample)), "it computes something else, at byte 256")


def test_one_that_ends_when_it_is_tried(nk: Nk, machine: Machine, made: Bundle) -> None:
    fails(nk, machine, with_code(made, CRASHES), "its process has ended")


def test_one_that_doesnt_end_when_it_is_tried(nk: Nk, machine: Machine, made: Bundle) -> None:
    fails(nk, machine, with_code(made, struct.pack("<I", HANG) * 16), "it didn't get ready in time")


def test_one_that_writes_where_it_may_not(nk: Nk, machine: Machine, made: Bundle) -> None:
    """Into its own constants, and into its own code: `sw zero, 0(a0)`, and `auipc t0, 0; sw zero, 0(t0)`."""
    fails(nk, machine, with_code(made, struct.pack("<I", 0x0005_2023) * 16), "its process has ended")
    fails(nk, machine, with_code(made, struct.pack("<2I", 0x0000_0297, 0x0002_A023) * 8), "its process has ended")


def test_one_that_executes_its_arena(nk: Nk, machine: Machine, made: Bundle) -> None:
    """`jr a1`."""
    fails(nk, machine, with_code(made, struct.pack("<I", 0x0005_8067) * 16), "its process has ended")


def test_one_that_takes_something_else(nk: Nk, machine: Machine) -> None:
    other = import_model(identity([4]), "digits", source=False, variants=[SCALAR])
    fails(nk, machine, other, "its inputs or outputs aren't those of the model that it would replace")


@pytest.mark.parametrize(("wrong", "words"), [(CRASH, "its process has ended"), (HANG, "it kept a request waiting")])
def test_one_that_goes_wrong_when_it_serves(nk: Nk, machine: Machine, made: Bundle, wrong: int, words: str) -> None:
    """It passes its test, and the first request ends it: the one before serves again, by itself."""
    before = settled(nk)

    def rolled_back() -> bool:
        status, said = push(nk, machine, replace(unless_sample(made, wrong), version="7"))
        assert status == 0 and "version 7" in said, said
        assert infer(machine.port, "digits", image([1] * 64))[0] in (503, 504)
        if settled(nk)["outcome"] == "rolled back":
            return True
        # On a slow host it wasn't watched any more when it was asked. The one before is pushed again.
        assert push(nk, machine, replace(made, version=before["version"]))[0] == 0
        before.update(settled(nk))
        return False

    eventually(rolled_back, "it stays")
    until(machine.serves)
    after = listed(nk)
    assert words in after["why"] and machine.version() == before["version"] == after["version"]
    assert after["service"] == before["service"]
    assert f"rolled back: {words}" in nk("model", "list").output
    settled(nk)


# --- who turns on us --------------------------------------------------------------------------------------------------


def turn(nk: Nk, machine: Machine, made: Bundle, mood: str) -> tuple[int, str]:
    """Have the second process of `trusting` do what the version says (`machine/turncoat.py`): a push of its model."""
    assert settled(nk, "trusting")["service"] == "trusting", "the other one has begun first, or was appointed for good"
    path = written(machine, pack(newest(replace(made, name="trusting", version=mood))))
    result = nk("model", "push", "trusting", path)
    return result.status, result.output or result.error


def logged(nk: Nk) -> str:
    """What the log has, a line for each record."""
    return "\n".join(record["text"] for record in json.loads(nk("logs", "--json").output)["records"])


def denied(nk: Nk) -> int:
    """How often the kernel has denied something to the second process of `trusting`."""
    return int(json.loads(nk("svc", "show", "turncoat", "--json").output)["denied"])


def told_denials(nk: Nk) -> int:
    """How many of them the log has: a line for each, or the number of those that are equal, or aren't kept."""
    found = 0
    for said in re.findall("^turncoat was denied (.*)$", logged(nk), re.MULTILINE):
        several = re.search(r"something (\d+) times more|\((\d+) times\)$", said)
        found += int(several[1] or several[2]) if several else 1
    return found


def tells(nk: Nk, words: str) -> None:
    eventually(lambda: words in logged(nk), f"the log doesn't say: {words}")


def trusts(machine: Machine) -> int:
    return infer(machine.port, "trusting", image([1] * 64))[0]


def returns(nk: Nk, machine: Machine, words: str) -> None:
    """Who served before does again, and answers; the list says why."""
    until(lambda: listed(nk, "trusting")["outcome"] == "rolled back")
    until(lambda: trusts(machine) == 200)
    after = settled(nk, "trusting")
    assert (after["service"], after["version"], after["own"]) == ("trusting", "1", True), after
    assert words in after["why"], after


def test_one_that_lies_about_its_version(nk: Nk, machine: Machine, made: Bundle) -> None:
    """What is listed is what was leased. When it is asked it ends, and who was before serves again."""
    status, said = turn(nk, machine, made, "lies")
    assert status == 0 and "trusting: version lies (" in said, said
    assert trusts(machine) in (503, 504)
    returns(nk, machine, "its process has ended")


def test_one_that_becomes_another_model(nk: Nk, machine: Machine, made: Bundle) -> None:
    """While it is watched, and then it ends: the name is served on as what it was."""
    assert turn(nk, machine, made, "ports")[0] == 0
    until(lambda: trusts(machine) != 200 or listed(nk, "trusting")["outcome"] == "rolled back")
    returns(nk, machine, "its process has ended")
    said = nk("logs", "--json").output
    assert "can't serve model1: OTHER" in said


def test_one_that_takes_no_work(nk: Nk, machine: Machine, made: Bundle) -> None:
    """A request waits in vain: so it doesn't serve."""
    assert turn(nk, machine, made, "idle")[0] == 0
    assert trusts(machine) in (503, 504)
    until(lambda: listed(nk, "trusting")["outcome"] == "rolled back")
    # It runs on, with code of its own, and isn't given anything: another push needs one that waits.
    assert nk("svc", "restart", "turncoat").status == 0
    returns(nk, machine, "it kept a request waiting in vain")


def test_one_that_boasts(nk: Nk, machine: Machine, made: Bundle) -> None:
    status, said = turn(nk, machine, made, "boast")
    assert status == 1 and "it said that it was ready, and wasn't" in said and "trusting serves as before" in said, said
    returns(nk, machine, "it said that it was ready, and wasn't")


def test_what_a_hostile_one_reaches(nk: Nk, machine: Machine, made: Bundle) -> None:
    """By all numbers that capabilities could have, the gateway and the manager: no network, no log, no other model."""
    before = denied(nk)
    status, said = turn(nk, machine, made, "slots")
    assert status == 1 and re.search(r"at byte 2\b", said), said
    assert denied(nk) - before > 1000, "all but what it has"
    eventually(lambda: told_denials(nk) == denied(nk), "the log hasn't all that it was denied")
    rule = r"turncoat was denied CALL by its capability \d+: no line of \[service.turncoat\] grants one there"
    assert len(re.findall(rule, logged(nk))) >= 8
    status, said = turn(nk, machine, made, "kinds")
    assert status == 1 and re.search(r"at byte 6\b", said), said
    for words in (
        "RECEIVE: [service.turncoat] uses.gateway grants no such right",
        "WAIT: [service.turncoat] uses.accelerator grants something else",
        "SIGNAL: [service.turncoat] uses.accelerator grants something else",
    ):
        tells(nk, f"turncoat was denied {words}")
    status, said = turn(nk, machine, made, "page")
    assert status == 1 and re.search(r"at byte 7\b", said), said
    assert "asked for page 1000, which its lease hasn't" in nk("logs", "--json").output
    assert re.search(r"the kernel denied it something \d+ times", nk("svc", "show", "turncoat").output)
    assert trusts(machine) == 200


@pytest.mark.parametrize(
    ("mood", "where"),
    [
        ("at-0x10000000", "the serial port's registers"),
        ("at-0x10001000", "a device's registers"),
        ("at-0x80200000", "the kernel, as it lies in memory"),
        ("at-0xffffffc000000000", "the kernel, as it is mapped"),
        ("at-0x3800000000", "where the gateway has its clients' requests"),
        ("at-0x3b00000000", "where the manager has what was pushed"),
        ("put-0x2000000000", "what it was leased itself, to be read"),
        ("put-0x10000", "its own program"),
    ],
)
def test_what_a_hostile_one_sees(nk: Nk, machine: Machine, made: Bundle, mood: str, where: str) -> None:
    """Nothing of that: its process ends, and what it tried is kept."""
    status, said = turn(nk, machine, made, mood)
    assert status == 1 and "its process has ended" in said, (where, said)
    address = mood.partition("-")[2]
    shown = nk("svc", "show", "turncoat")
    assert shown.status == 0 and address in shown.output.replace("_", ""), (where, shown.output)
    verb = "read" if mood.startswith("at") else "write"
    rule = f"turncoat was denied to {verb} {address}: nothing that [service.turncoat] has is mapped there so"
    tells(nk, rule)
    assert trusts(machine) == 200


# --- who ends ---------------------------------------------------------------------------------------------------------


def test_the_manager_ends(nk: Nk, machine: Machine, made: Bundle) -> None:
    """What was pushed is leased again, from memory that outlives the manager."""
    assert push(nk, machine, replace(made, version="5"))[0] == 0
    service = settled(nk)["service"]
    assert nk("svc", "restart", "accelerator").status == 0
    # Its lease ended with the manager. It notices when it is asked.
    until(machine.serves)
    until(lambda: listed(nk)["spare"] and listed(nk)["version"] == "5")
    assert listed(nk)["service"] == service and machine.version() == "5" and not listed(nk)["own"]


def test_the_manager_ends_before_it_is_sure(
    nk: Nk, machine: Machine, made: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a push and the end of the time in which it is watched: who was before serves, and `nk` says so."""
    before = settled(nk)
    look = models.settled

    def ending(view: View, *given: Any) -> models.Served:
        index = view.find("accelerator")
        assert index is not None and view.order("kill", lang.u64(index)) is None
        return look(view, *given)

    monkeypatch.setattr(models, "settled", ending)
    status, said = push(nk, machine, replace(made, version="4"))
    monkeypatch.undo()
    words = "the accelerator manager ended before it was sure that it serves"
    assert status == 1 and words in said, said
    until(machine.serves)
    after = settled(nk)
    assert (after["outcome"], after["service"], after["version"], after["digest"]) == (
        "rolled back", before["service"], before["version"], before["digest"],
    )  # fmt: skip
    assert words in after["why"] and machine.version() == before["version"]


def test_a_push_that_something_else_has_replaced(
    nk: Nk, machine: Machine, made: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It isn't told as done, whatever else is."""
    settled(nk)
    look = models.settled
    monkeypatch.setattr(models, "settled", lambda *given: replace(look(*given), digest="0" * 128, version="77"))
    status, said = push(nk, machine, replace(made, version="10"))
    assert status == 1 and "doesn't serve: something else does" in said and "version 77" in said, said


def test_the_manager_is_replaced(nk: Nk, machine: Machine, made: Bundle) -> None:
    """By another version, to which it hands over: processes that wait ask that one; what was pushed serves."""
    settled(nk)
    assert push(nk, machine, replace(made, version="15"))[0] == 0
    before = settled(nk)
    result = nk("svc", "swap", "accelerator")
    assert result.status == 0, result.error
    until(machine.serves)
    after = settled(nk)
    assert (after["service"], after["version"]) == (before["service"], "15") and not after["own"]


def test_the_model_ends(nk: Nk, machine: Machine, made: Bundle) -> None:
    """Nobody watches it any more: it is leased the same again."""
    settled(nk)
    assert push(nk, machine, replace(made, version="8"))[0] == 0
    before = settled(nk)
    assert before["version"] == "8" and before["backend"] == "scalar"
    # It has no other code.
    result = nk("model", "swap", "digits", "vector")
    assert result.status == 1 and "or the model's bundle no code for them" in result.error, result.error
    assert nk("svc", "restart", before["service"]).status == 0
    until(machine.serves)
    after = settled(nk)
    assert (after["service"], after["version"]) == (before["service"], before["version"]) and not after["own"]


def test_the_gateway_ends(nk: Nk, machine: Machine, made: Bundle) -> None:
    settled(nk)
    assert push(nk, machine, replace(made, version="9"))[0] == 0
    settled(nk)
    assert nk("svc", "restart", "gateway").status == 0
    until(lambda: is_ready(machine.port, "digits"))
    until(machine.serves)
    assert machine.version() == "9"
    assert push(nk, machine, replace(made, version="6"))[0] == 0 and machine.version() == "6"
    settled(nk)


def test_what_happened_is_in_the_log(nk: Nk, machine: Machine, made: Bundle) -> None:
    unsigned = machine.folder / "another.nkm"
    unsigned.write_bytes(pack(made))
    refused(nk, machine, unsigned, "it isn't signed")
    fails(nk, machine, with_code(made, CRASHES), "its process has ended")
    said = nk("logs", "--json").output
    assert "pushes a model" in said and "a bundle that was pushed is refused: it isn't signed" in said
    assert "what was pushed doesn't serve: its process has ended" in said
    assert asked(machine.port, "GET", "/v2")[0] == 200
