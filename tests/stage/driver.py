"""What tests call of the first stage, compiled or not: functions that take bytes and give values."""

from __future__ import annotations

from neokernel.kernel.devicetree import Tree
from neokernel.lang import Span, u8
from neokernel.stage.enrolment import Enrolment, read_enrolment
from neokernel.stage.find import find_image
from neokernel.stage.refusal import Refusal
from neokernel.stage.verify import Range, Verified, verify_image


def look(blob: bytes, loaded: Span[u8]) -> Verified | Refusal:
    """With the keys in the blob, the verdict on what was loaded."""
    enrolment = Enrolment()
    refusal = read_enrolment(enrolment, blob)
    if refusal is not None:
        return refusal
    return verify_image(loaded, enrolment)


def find(blob: bytes) -> Range | Refusal:
    tree = Tree()
    return find_image(blob, tree)
