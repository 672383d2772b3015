"""The host's TCP, and programs of the host, against a machine on a link of its own: short forms of the campaigns.

One machine for all tests here. The long forms are `python -m tests.network.peers`, and
docs/reference/campaigns-network.md has what they found.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.network.peers import floods, programs, slow, streams
from tests.network.peers.crowd import SIZE, Client, Crowd, WrongError
from tests.network.peers.laboratory import ECHO, MACHINE, SITE, Laboratory, build, laboratory, part
from tests.network.peers.wire import own_network, why_not
from tests.support.machine import QEMU
from tests.support.nk import nk
from tests.support.patience import eventually

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    missing = why_not()
    if missing is not None:
        pytest.skip(missing)
    made = tmp_path_factory.mktemp("machine")
    build(made)
    return made


@pytest.fixture(scope="module")
def machine(folder: Path) -> Iterator[Laboratory]:
    with own_network(), laboratory(folder) as made:
        yield made


@pytest.fixture
def lab(machine: Laboratory) -> Iterator[Laboratory]:
    """The machine, of which each test gives everything back."""
    before = machine.counters()
    yield machine
    assert machine.held(before) == {} and machine.is_alive()


def test_hundreds_at_once(lab: Laboratory) -> None:
    """All have their connections, ask at the same time, and are answered what they asked for."""
    crowd = Crowd(300)
    crowd.open()
    crowd.ask_all()
    crowd.ask_all(4_000)
    assert lab.counters()["living"] == 301
    crowd.close()


def test_requests_on_kept_connections_and_on_one_each(lab: Laboratory) -> None:
    crowd = Crowd(32)
    crowd.run(1_000, each=25)
    crowd.run(200, each=1)
    assert (crowd.answered, crowd.connected) == (1_200, 240)


def test_a_card_that_makes_checksums(folder: Path) -> None:
    """A machine of its own, whose card QEMU gives the offloads of Linux's tap: frames come without their checksums."""
    with own_network(), laboratory(folder, direct=True) as lab:
        before = lab.counters()
        crowd = Crowd(50)
        crowd.run(500, each=10)
        streams.carried(lab, 4, 300_000)
        streams.called(lab, 300_000)
        assert lab.held(before) == {} and lab.is_alive()
        assert before["checksums"] == 1


@pytest.mark.parametrize(("lost", "size"), [(0, 300_000), (5, 60_000), (20, 8_000)])
def test_bytes_over_bad_links(lab: Laboratory, lost: int, size: int) -> None:
    """Of a hundred frames each way so many are lost, and some late, twice there or damaged; either side opens."""
    with lab.trouble(streams.LINKS[lost]) as relay:
        streams.carried(lab, 3, size)
        streams.called(lab, size)
        assert lost == 0 or all(counts.lost > 0 for counts in relay.counts)


def test_a_flood_of_syns_keeps_nobody_out(lab: Laboratory) -> None:
    """The echo has fourteen places, which the flood takes at once; who answers a cookie gets in all the same."""
    assert lab.relay is not None
    before = lab.counters()
    with floods.flood(lab.relay, floods.syns(Random(1), ECHO), rate=2_000) as count:
        eventually(lambda: lab.counters()["cookies_out"] > before["cookies_out"], "it has places for all")

        def by_cookie() -> bool:
            streams.carried(lab, 2, 2_000)
            return lab.counters()["cookies_in"] > before["cookies_in"]

        eventually(by_cookie, "no connection is opened by a cookie")
    assert count[0] > 14


def test_hostile_frames_harm_nobody(lab: Laboratory) -> None:
    """Nonsense, fragments, strangers' segments, damaged and forged ones of connections that are there."""
    assert lab.relay is not None
    crowd = Crowd(16)
    with floods.flood(lab.relay, floods.hostile(Random(2), lab.relay), fresh=True) as count:
        while count[0] < 3_000:
            crowd.run(100, each=5)
    assert crowd.answered >= 100


def test_slow_clients_are_held_off(lab: Laboratory) -> None:
    """Who sends a byte now and then is told 408, who doesn't read is reset; another one is answered meanwhile."""
    senders = slow.senders(lab, 60)
    assert (senders.refused, senders.ended) == (60, 60)
    assert slow.readers(lab, 40).ended == 40
    assert slow.sippers(lab, 40).ended == 40


@pytest.mark.parametrize("program", ["curl", "wrk", "nc", "browser"])
def test_programs_of_others(lab: Laboratory, program: str, tmp_path: Path) -> None:
    """Those that are there; of the others it is said that they are missing."""
    tries: dict[str, Callable[[], str]] = {
        "curl": lambda: programs.curl(tmp_path),
        "wrk": lambda: programs.wrk(1, 32),
        "nc": programs.netcat,
        "browser": programs.browser,
    }
    try:
        tries[program]()
    except programs.MissingError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("ends", [0, 1, 2])
def test_a_request_that_isnt_answered_is_repeated_once(ends: int) -> None:
    """A server that ends so many connections, in order, instead of an answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for number in range(ends + 1):
                made, _ = server.accept()
                with made:
                    while b"\r\n\r\n" not in made.recv(1 << 16):
                        pass
                    if number == ends:
                        made.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + part(0, SIZE))
                if ends == 2 and number == 1:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        crowd = Crowd(1, repeats=True, site=server.getsockname())
        if ends < 2:
            crowd.run(1, each=1)
            assert (crowd.answered, crowd.repeated, crowd.connected) == (1, ends, ends + 1)
        else:
            with pytest.raises(WrongError, match="request 0: it ends after 0 bytes"):
                crowd.run(1, each=1)
            crowd.close()
        thread.join()


@pytest.mark.parametrize("change", [lambda data: data[:-1] + b"?", lambda data: data + b"!", lambda data: data[1:]])
def test_a_wrong_answer_is_seen(change: Callable[[bytes], bytes]) -> None:
    """A byte that is another one, one too many, one missing in front."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    answer = head % SIZE + part(5 * 61, SIZE)
    with socket.socket() as unused:
        crowd, member = Crowd(1), Client(unused, 0, number=5)
        member.came += answer
        crowd.check(member, answer.index(b"\r\n\r\n") + 4)
        member.came[:] = change(answer)
        with pytest.raises(WrongError):
            crowd.check(member, answer.index(b"\r\n\r\n") + 4)


def test_the_page_is_what_its_folder_makes() -> None:
    made = nk("embed", "--check", MACHINE / "www", "-o", MACHINE / "www_files.py")
    assert made.returncode == 0, made.stderr


def test_damaged_frames_are_seen_to_be() -> None:
    """What is said to be damaged has no right checksum, and what is right has: of both there is some."""
    random = Random(3)
    right = floods.syn(random, SITE)
    assert floods.is_right(right)
    assert not any(floods.is_right(floods.damaged(random, right)) for _ in range(200))
