"""An operator's approval of one order (`interfaces/orders.py`), made where the key is."""

from __future__ import annotations

from neokernel import lang
from neokernel.control.channel import Signer
from neokernel.interfaces.orders import CONTEXT, MACHINE_SIZE, MOST_ORDER
from neokernel.services.control.operators import Operators
from neokernel.services.control.orders import read_order


class NoEnrolment(Exception):
    """It is no enrolment blob: why."""


def is_order(text: str) -> bool:
    data = text.encode()
    return len(data) <= MOST_ORDER and read_order(lang.byte_view(data)) is not None


def approval(key: Signer, public: bytes, machine: bytes, nonce: bytes, order: str) -> bytes:
    """The public key, and its signature."""
    return public + key.sign(bytes(CONTEXT) + machine + nonce + order.encode())


def machine_of(blob: bytes) -> bytes:
    """What machines are known by that have this enrolment. Raises NoEnrolment."""
    machine = bytearray(int(MACHINE_SIZE))
    refusal = Operators().read(lang.byte_view(blob), lang.byte_span(machine))
    if refusal is not None:
        raise NoEnrolment(refusal.name)
    return bytes(machine)
