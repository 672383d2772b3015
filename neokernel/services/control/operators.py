"""Whose keys may steer this machine: the operators' of the enrolment blob, which stand behind those that sign images.

Invariant: without a blob that the first stage would take, there are no operators.
"""

from __future__ import annotations

from neokernel.lang import Embedded, Span, copy, struct, text_of, u8, usize, wire_view
from neokernel.services.control.protocol import MACHINE_SIZE
from neokernel.stage.enrolment import Enrolment, read_enrolment, until_zero
from neokernel.stage.format import ENROLMENT_HEADER_SIZE, HASH_SIZE, KEY_SIZE, PUBLIC_SIZE, EnrolmentHeader
from neokernel.stage.refusal import Refusal


@struct
class Operators:
    enrolment: Embedded[Enrolment] = Enrolment()
    count: usize = 0

    def read(self, blob: bytes, machine: Span[u8]) -> Refusal | None:
        """Take the keys of a blob, which is followed by anything, and what tells the machine from others."""
        self.count = 0
        refusal = read_enrolment(self.enrolment, blob)
        if refusal is not None:
            return refusal
        self.count = usize(wire_view(EnrolmentHeader, self.enrolment.memory).operator_keys)
        end = self.place(self.count)
        assert end + HASH_SIZE <= len(self.enrolment.memory), "keys that the reader has accepted"
        copy(machine[:MACHINE_SIZE], self.enrolment.memory.bytes()[end : end + MACHINE_SIZE])
        return None

    def place(self, index: usize) -> usize:
        return ENROLMENT_HEADER_SIZE + (self.enrolment.count + index) * KEY_SIZE

    def find(self, key: bytes) -> usize | None:
        """Whose public key is it?"""
        for index in range(self.count):
            start = self.place(index)
            if self.enrolment.memory.bytes()[start : start + PUBLIC_SIZE] == key:
                return index
        return None

    def name(self, index: usize) -> str:
        start = self.place(index)
        return text_of(until_zero(self.enrolment.memory.bytes()[start + PUBLIC_SIZE : start + KEY_SIZE]))
