"""What tests call of a control service's session, compiled or not: all that a client says, at once or in pieces."""

from __future__ import annotations

from neokernel.lang import copy, u32, usize, value
from neokernel.services.control.protocol import Kind, Reason
from neokernel.services.control.session import Guard, Line, Stage


@value
class Heard:
    """`reason`: why the session was shut, 0 if it wasn't; `stage` at the end; `words`: of all calls."""

    reason: u32
    stage: Stage
    operator: u32
    proofs: u32
    calls: u32
    words: u32
    machine: u32


def hear(blob: bytes, nonce: bytes, said: bytes, piece: usize) -> Heard:
    """A session with operators out of `blob`, whose client was challenged with `nonce`: it says this, in pieces."""
    line = Line()
    session = line.session
    refused = line.operators.read(blob, session.machine[:])
    copy(session.nonce[:], nonce)
    session.begin()
    reason: u32 = 0
    proofs: u32 = 0
    calls: u32 = 0
    words: u32 = 0
    place: usize = 0
    while place < len(said):
        end = min(place + piece, len(said))
        while place < end:
            place += session.take(said[place:end])
            found = session.due()
            if isinstance(found, Reason):
                reason = u32(found.value)
                session.shut()
            elif found is Kind.PROOF:
                proofs += 1
                wrong = session.prove(line.operators)
                if wrong is not None:
                    reason = u32(wrong.value)
                    session.shut()
                session.next()
            elif found is Kind.CALL:
                calls += 1
                words += u32((len(session.body()) - 8) // 8)
                session.next()
    machine = u32(session.machine[0]) if refused is None else 0
    return Heard(reason, session.stage, u32(session.operator), proofs, calls, words, machine)


def waits(failures: u32) -> tuple[u32, u32]:
    """Milliseconds that are waited after so many wrong keys in a row, and after one more when there was a right one."""
    guard = Guard()
    last: u32 = 0
    for _ in range(failures):
        last = u32(guard.failed() // 1000)
    guard.succeeded()
    return last, u32(guard.failed() // 1000)
