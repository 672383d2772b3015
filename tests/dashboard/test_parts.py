"""Whose requests are answered, what an order is, which nonces are good, what is counted; also compiled."""

from __future__ import annotations

import functools
import json
import random
import struct
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from neokernel import lang
from neokernel.abi.trace import Event
from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.embedding import files_of, source_of
from neokernel.interfaces.orders import CONTEXT, LIFETIME, MOST_ORDER
from tests.dashboard import driver

SERVICE = PACKAGE_ROOT / "neokernel" / "services" / "dashboard"
DRIVER = "tests.dashboard.driver"
NAMES = ("ours", "same", "order", "signed", "asked", "nonces", "count")


@functools.cache
def library() -> jit.Library:
    state = run_front_end(State(PACKAGE_ROOT, [DRIVER]))
    assert state.program is not None, state.diagnostics.sorted()
    return jit.Library(state.program, tuple(f"{DRIVER}.{name}" for name in NAMES))


def compiled(name: str, *arguments: Any) -> Any:
    """A check that fails raises."""
    return library().call(f"{DRIVER}.{name}", *arguments)


def both(name: str, *arguments: bytes) -> Any:
    """What both readings say, which is the same."""
    found = compiled(name, *arguments)
    python = getattr(driver, name)(*(lang.byte_view(each) for each in arguments))
    if isinstance(found, tuple):
        python = tuple(int(getattr(python, field)) for field in type(python).__annotations__)
    assert found == python, (name, arguments)
    return found


def test_the_page_is_what_its_files_are() -> None:
    """`nk embed neokernel/services/dashboard/www -o neokernel/services/dashboard/files.py` makes it anew."""
    made = source_of(files_of(SERVICE / "www"), SERVICE / "www", SERVICE / "files.py")
    assert made == (SERVICE / "files.py").read_text(), "nk embed"


@pytest.mark.parametrize(
    ("host", "name", "answer"),
    [
        (b"127.0.0.1", b"", True),
        (b"127.0.0.1:8080", b"", True),
        (b"[::1]:8080", b"", True),
        (b"[fe80::1]", b"", True),
        (b"localhost", b"", True),
        (b"LocalHost:80", b"", True),
        (b"gateway.example.org:8080", b"gateway.example.org", True),
        (b"Gateway.Example.ORG", b"gateway.example.org", True),
        (b"", b"", False),
        (b":80", b"", False),
        (b"gateway.example.org", b"", False),
        (b"a.gateway.example.org", b"gateway.example.org", False),
        (b"gateway.example.org.a", b"gateway.example.org", False),
        (b"127.0.0.1.example.org", b"", False),
        (b"127.0.0.1:80:80", b"", False),
        (b"127.0.0.1:8x", b"", False),
        (b"[::1]x", b"", False),
        (b"[::1", b"", False),
        (b"0x7f.1", b"", False),
    ],
)
def test_hosts(host: bytes, name: bytes, answer: bool) -> None:
    assert both("ours", host, name) == answer


def test_origins() -> None:
    assert both("same", b"http://10.0.0.1:8080", b"10.0.0.1:8080") and both("same", b"https://a.b", b"a.b")
    for origin in (b"null", b"", b"http://", b"http://10.0.0.1", b"http://10.0.0.1:8081", b"ftp://10.0.0.1:8080",
                   b"http://10.0.0.1:8080/"):  # fmt: skip
        assert not both("same", origin, b"10.0.0.1:8080")


@pytest.mark.parametrize(
    ("text", "verb", "service", "program"),
    [
        ("kill card", 1, 4, 0),
        ("stop a", 2, 1, 0),
        ("start card", 3, 4, 0),
        ("swap log", 4, 3, 0),
        ("swap log neokernel.services.log", 4, 3, 22),
        ("", 0, 0, 0),
        ("kill", 0, 0, 0),
        ("kill ", 0, 0, 0),
        (" kill card", 0, 0, 0),
        ("kill  card", 0, 0, 0),
        ("kill card ", 0, 0, 0),
        ("kill card log", 0, 0, 0),
        ("swap log ", 0, 0, 0),
        ("swap log a b", 0, 0, 0),
        ("swap log a ", 0, 0, 0),
        ("KILL card", 0, 0, 0),
        ("killcard", 0, 0, 0),
        ("power_off now", 0, 0, 0),
    ],
)
def test_orders(text: str, verb: int, service: int, program: int) -> None:
    assert both("order", text.encode()) == (verb, service, program)


def test_orders_that_anybody_may_send() -> None:
    chance = random.Random(8)
    parts = [b"kill", b"swap", b"stop", b" ", b"  ", b"card", b"a", b"\0", b"\xff"]
    for _ in range(3_000):
        text = b"".join(chance.choices(parts, k=chance.randrange(8)))
        words = text.split(b" ")
        right = (len(words) == 2 and words[0] in (b"kill", b"swap", b"stop") and bool(words[1])) or (
            len(words) == 3 and words[0] == b"swap" and all(words)
        )
        assert bool(compiled("order", text)[0]) == right, text


def test_signatures() -> None:
    key, stranger = Ed25519PrivateKey.from_private_bytes(b"k" * 32), Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    machine, nonce, order = b"m" * 32, b"n" * 16, b"kill card"
    public, text = key.public_key().public_bytes_raw(), bytes(CONTEXT) + machine + nonce + order
    right = key.sign(text)
    assert both("signed", machine, nonce, order, public, right)
    longest = b"swap " + b"s" * (MOST_ORDER - 5)
    assert compiled("signed", machine, nonce, longest, public, key.sign(bytes(CONTEXT) + machine + nonce + longest))
    assert not compiled("signed", machine, nonce, longest + b"s", public, right)
    for wrong in (
        (b"x" + machine[1:], nonce, order, public, right),
        (machine, b"x" + nonce[1:], order, public, right),
        (machine, nonce, b"stop card", public, right),
        (machine, nonce, b"kill card ", public, right),
        (machine, nonce, b"kill car", public, right),
        (machine, nonce, order, stranger.public_key().public_bytes_raw(), right),
        (machine, nonce, order, public, stranger.sign(text)),
        (machine, nonce, order, public, key.sign(order)),
        (machine, nonce, order, public, key.sign(text[1:])),
        (machine, nonce, order, public[:-1], right),
        (machine, nonce, order, public, right[:-1]),
        (machine, nonce, order, public, right + b"\0"),
        (machine, nonce, order, b"", b""),
    ):
        assert not compiled("signed", *wrong)
    for bit in range(0, 512, 7):
        changed = bytearray(right)
        changed[bit // 8] ^= 1 << bit % 8
        assert not compiled("signed", machine, nonce, order, public, bytes(changed))


def test_nonces() -> None:
    """One is good for `LIFETIME` at least, for less than twice as long, and not after one was used."""
    assert LIFETIME == 120
    assert both("nonces", bytes([0, 0, 119])) == 0b111
    # Another one is given out; the one before is good still, to who has asked just before.
    assert both("nonces", bytes([119, 1, 0, 118, 1, 1])) == 0b11111
    assert both("nonces", bytes([120, 119, 1])) == 0b011
    # Nobody has asked in between.
    assert both("nonces", bytes([200, 39, 1])) == 0b011
    assert both("nonces", bytes([240])) == 0
    assert both("nonces", bytes([10, 255, 0, 1])) == 0b0001
    assert both("nonces", bytes([120, 255, 0])) == 0b001


def test_requests_with_an_order() -> None:
    right = {"order": "kill card", "nonce": "0f" * 16, "approval": "aB" * 96}
    assert both("asked", json.dumps(right).encode()) == 10
    assert both("asked", json.dumps(dict(reversed(right.items()))).encode()) == 10
    assert both("asked", json.dumps({**right, "order": "k" * MOST_ORDER}).encode()) == MOST_ORDER + 1
    wrong: list[object] = [
        {**right, "order": "k" * (MOST_ORDER + 1)},
        {**right, "more": 1},
        [right],
        right["order"],
        None,
    ]
    wrong += [{key: value for key, value in right.items() if key != left} for left in right]
    others: list[object] = [7, None, ["0"], {}]
    wrong += [{**right, key: other} for key in right for other in others]
    wrong += [{**right, key: right[key][:-1]} for key in ("nonce", "approval")]
    wrong += [{**right, key: right[key] + "00"} for key in ("nonce", "approval")]
    wrong += [{**right, key: right[key][:-1] + "g"} for key in ("nonce", "approval")]
    for each in wrong:
        assert both("asked", json.dumps(each).encode()) == 0, each
    text = json.dumps(right).encode()
    assert both("asked", text[:-1] + b',"order":"x y"}') == 0
    chance = random.Random(11)
    for _ in range(1_000):
        # Damaged somewhere: no check fails, whatever it says then.
        damaged = bytearray(text[: chance.randrange(1, len(text) + 1)])
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        compiled("asked", bytes(damaged))


def record(time: int, kind: Event, thread: int, other: int) -> bytes:
    return struct.pack("<QIBBHQQ", time, thread, kind.value, 0, 0, other, 0)


def test_traffic() -> None:
    """Threads 10, 20 and 30 are services 0, 1 and 2; the last one counts."""
    threads = bytes([10, 20, 30])
    records = b"".join([
        record(100, Event.REPLY, 20, 10),  # of a call before the first record
        record(110, Event.SEND, 10, 20),
        record(115, Event.SWITCH, 20, 0),
        record(120, Event.REPLY, 20, 10),
        record(130, Event.SEND, 10, 20),
        record(135, Event.SEND, 20, 30),
        record(140, Event.REPLY, 30, 20),
        record(160, Event.REPLY, 20, 10),
        record(170, Event.SEND, 10, 99),  # to nobody that is known
        record(180, Event.SEND, 10, 20),  # isn't answered any more
        record(190, Event.SEND, 30, 10),  # which ends the counting
    ])  # fmt: skip
    assert compiled("count", threads, records, 2, 0, 1) == (3, 2, 40, 30, 3)
    assert compiled("count", threads, records, 2, 1, 2) == (1, 1, 5, 5, 3)
    assert compiled("count", threads, records, 2, 2, 0) == (0, 0, 0, 0, 3)
    chance = random.Random(12)
    for _ in range(200):
        noise = chance.randbytes(32 * chance.randrange(40))
        messages, answers, ticks, longest, _ = compiled("count", threads, noise, chance.randrange(4), 0, 1)
        assert messages >= answers and ticks >= longest
