"""The crypto modules, compiled for the host."""

from __future__ import annotations

import functools

from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.crypto.ed25519 import Verdict

ED25519 = "neokernel.crypto.ed25519"
SHA512 = "neokernel.crypto.sha512"


@functools.cache
def library() -> jit.Library:
    state = run_front_end(State(PACKAGE_ROOT, [ED25519]))
    assert state.program is not None, state.diagnostics.sorted()
    return jit.Library(state.program, (f"{ED25519}.verify", f"{SHA512}.sha512"), keep=True)


def verify(key: bytes, message: bytes, signature: bytes) -> Verdict:
    number: int = library().call(f"{ED25519}.verify", key, message, signature)
    return Verdict(number)


def sha512(message: bytes) -> bytes:
    digest = bytearray(64)
    library().call(f"{SHA512}.sha512", (digest, len(digest)), message)
    return bytes(digest)
