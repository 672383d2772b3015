"""What a control service takes from a client, and what it refuses: the protocol's boundary, by the JIT and CPython."""

from __future__ import annotations

import functools
import random
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.signed import Named, enrolment
from neokernel.services.control.protocol import CONTEXT, MOST_FRAME, Kind, Reason
from neokernel.services.control.session import FIRST_WAIT, LONGEST_WAIT, Stage
from tests.control import driver

DRIVER = "tests.control.driver"
IMAGES, OPERATOR, SECOND, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(4))
HEADER = struct.Struct("<BBHI")
NONCE, MINE = bytes(range(32)), bytes(range(100, 132))


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


BLOB = enrolment(
    [Named("images", public(IMAGES))], [Named("operator", public(OPERATOR)), Named("second", public(SECOND))]
)
MACHINE = BLOB[-64:-32]


@functools.cache
def library() -> jit.Library:
    state = run_front_end(State(PACKAGE_ROOT, [DRIVER]))
    assert state.program is not None, state.diagnostics.sorted()
    return jit.Library(state.program, (f"{DRIVER}.hear", f"{DRIVER}.waits"))


def hear(said: bytes, *, blob: bytes = BLOB, nonce: bytes = NONCE, piece: int = 1 << 20) -> tuple[int, ...]:
    """Reason, stage, operator, proofs, calls, words, machine. A check that fails raises."""
    found: tuple[int, ...] = library().call(f"{DRIVER}.hear", blob, nonce, said, piece)
    return found


def heard_by_python(said: bytes, piece: int) -> driver.Heard:
    return driver.hear(lang.byte_view(BLOB), lang.byte_view(NONCE), lang.byte_view(said), lang.usize(piece))


def frame(kind: int, body: bytes, *, peer: int = 0, unused: int = 0, length: int | None = None) -> bytes:
    return HEADER.pack(kind, unused, peer, len(body) if length is None else length) + body


def proof(
    key: Ed25519PrivateKey = OPERATOR,
    *,
    machine: bytes = MACHINE,
    nonce: bytes = NONCE,
    context: bytes = bytes(CONTEXT),
    signed: bytes = MINE,
) -> bytes:
    body = MINE + public(key) + key.sign(context + machine + nonce + signed)
    return frame(Kind.PROOF.value, body)


def call(words: int = 0, peer: int = 1, label: int = 7) -> bytes:
    return frame(Kind.CALL.value, struct.pack("<II", label, 0) + bytes(8 * words), peer=peer)


OPEN, SHUT, PROVING = (int(stage.value) for stage in (Stage.OPEN, Stage.SHUT, Stage.PROVING))


@pytest.mark.parametrize("piece", [1, 3, 8, 4096])
def test_a_session(piece: int) -> None:
    said = proof() + call(0) + call(512) + call(3)
    assert hear(said, piece=piece) == (0, OPEN, 0, 1, 3, 515, MACHINE[0])
    assert hear(proof(SECOND) + call(), piece=piece)[:5] == (0, OPEN, 1, 1, 1)


def test_under_cpython_with_all_contracts() -> None:
    found = heard_by_python(proof() + call(5), 7)
    assert (found.reason, found.stage, found.calls, found.words) == (0, Stage.OPEN, 1, 5)


@pytest.mark.parametrize(
    "said",
    [
        proof(STRANGER),
        proof(IMAGES),  # who signs images doesn't operate machines
        proof(machine=bytes(32)),
        proof(nonce=MINE),  # of another session
        proof(signed=NONCE),
        proof(context=b"neokernel control channel, v2.\0\0"),
        proof(context=b""),
    ],
    ids=["stranger", "images", "machine", "replay", "client", "protocol", "bare"],
)
def test_only_an_operators_signature_of_this_session_opens_it(said: bytes) -> None:
    assert hear(said + call())[:5] == (Reason.KEY.value, SHUT, 0, 1, 0)


def test_each_bit_of_a_proof_counts() -> None:
    right = proof()
    for place in range(8, len(right)):
        wrong = bytearray(right)
        wrong[place] ^= 1 << place % 8
        assert hear(bytes(wrong) + call())[:5] == (Reason.KEY.value, SHUT, 0, 1, 0), place


def test_a_board_without_operators_has_no_sessions() -> None:
    for blob in (enrolment([Named("images", public(IMAGES))]), bytes(2000), BLOB[:-1] + b"\0", b""):
        assert hear(proof() + call(), blob=blob)[:5] == (Reason.KEY.value, SHUT, 0, 1, 0)


@pytest.mark.parametrize(
    "said",
    [
        call(),
        frame(0, b""),
        frame(Kind.CALL.value, bytes(8)),
        frame(Kind.WELCOME.value, bytes(24)),
        frame(Kind.PROOF.value, b""),
        frame(Kind.PROOF.value, bytes(129)),
        frame(Kind.PROOF.value, b"", length=128, unused=1),
        frame(Kind.PROOF.value, b"", length=128, peer=1),
        frame(Kind.PROOF.value, b"", length=0xFFFF_FFFF),
    ],
)
def test_before_the_proof_nothing_else_is_heard(said: bytes) -> None:
    assert hear(said + proof() + call())[:5] == (Reason.FRAME.value, SHUT, 0, 0, 0)


@pytest.mark.parametrize(
    "said",
    [
        proof(),
        frame(Kind.CALL.value, b""),
        frame(Kind.CALL.value, bytes(9)),
        frame(Kind.CALL.value, bytes(8), unused=1),
        frame(Kind.CALL.value, b"", length=MOST_FRAME),
        frame(Kind.ANSWER.value, bytes(8)),
        frame(255, bytes(8)),
    ],
)
def test_what_is_no_call_shuts_an_open_session(said: bytes) -> None:
    assert hear(proof() + said + call())[:5] == (Reason.FRAME.value, SHUT, 0, 1, 0)


def test_wrong_keys_are_slowed_down() -> None:
    waits = [library().call(f"{DRIVER}.waits", count) for count in range(1, 40)]
    assert [last for last, _ in waits[:4]] == [FIRST_WAIT // 1000 << n for n in range(4)]
    assert waits[-1][0] == LONGEST_WAIT // 1000
    assert all(after == FIRST_WAIT // 1000 for _, after in waits), "a right key is not held against its owner"


@given(st.binary(max_size=600), st.integers(1, 64))
@settings(max_examples=150, deadline=None)
def test_anything_is_heard_the_same_by_python_and_the_machine(said: bytes, piece: int) -> None:
    compiled = hear(said, piece=piece)
    found = heard_by_python(said, piece)
    assert compiled[:5] == (found.reason, found.stage.value, found.operator, found.proofs, found.calls)


def test_hostile_clients_are_refused_and_never_more() -> None:
    """Frames changed at random, in pieces: no check fails, nobody gets in, and what follows a refusal isn't heard."""
    choose = random.Random(20261121)
    right = proof()
    for _ in range(20_000):
        said = bytearray(right + b"".join(call(choose.randrange(4)) for _ in range(choose.randrange(4))))
        begin = choose.choice((0, 0, len(right)))
        for _ in range(choose.randint(1, 4)):
            said[choose.randrange(begin, len(said)) if begin < len(said) else 0] = choose.randrange(256)
        changed = said[: len(right)] != right
        cut = bytes(said[: choose.randint(1, len(said))]) if choose.random() < 0.3 else bytes(said)
        reason, stage, _, proofs, calls, _, _ = hear(cut, piece=choose.choice((1, 7, 5000)))
        assert proofs <= 1
        if changed or len(cut) < len(right):
            assert stage != OPEN
            assert calls == 0
        assert (stage == SHUT) == (reason != 0)
