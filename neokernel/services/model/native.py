"""The model that the build has put into this program: where its parts are; and the way into a model's code.

`abi/model.py` says what the code takes. The symbols are defined by the module that the build writes.
"""

from __future__ import annotations

from neokernel.lang import Span, asm, f32, naked, span_at, u8, u64, unsafe, usize

unsafe("the model's code is machine code, and its parts are where the build has put them")


@naked
def infer(constants: u64, arena: u64, inputs: u64, outputs: u64, code: u64, floats: f32) -> None:
    """Compute, by the code at that address. `floats` means nothing to it: it lets the build see that this program
    computes with floats, so that its thread has room for their registers."""
    asm("jr a4")


def code() -> u64:
    return asm("la {result}, nk_model_code", result=u64)


def constants() -> u64:
    return asm("la {result}, nk_model_constants", result=u64)


def arena() -> u64:
    return asm("la {result}, nk_model_arena", result=u64)


def manifest(size: usize) -> Span[u8]:
    """Header, ports and dimensions of the bundle that it was made of."""
    return span_at(u8, asm("la {result}, nk_model_manifest", result=u64), size)
