"""Checks a description, and reads all of one that is accepted: what the tests ask in every reading."""

from neokernel.abi.description import Text
from neokernel.lang import Span, u8, u64, wrapping_mul
from neokernel.services.init.description import Description, Refusal, check

#: what is told of a description that was refused: this, the problem, the place
REFUSED: u64 = 1 << 63


def walk(memory: Span[u8]) -> u64:
    """Why it was refused, or something that depends on all texts of an accepted one."""
    description = Description(memory=memory)
    refusal = check(description)
    if refusal is not None:
        return told(refusal)
    seen: u64 = 1
    header = description.header()
    seen = mixed(seen, description, header.name)
    seen = mixed(seen, description, header.board)
    for index in range(description.services()):
        service = description.service(index)
        seen = mixed(seen, description, service.name)
        seen = mixed(seen, description, service.program)
        first, end = u64(service.grant_first), u64(service.grant_first) + u64(service.grant_count)
        for grant in range(first, end):
            seen = mixed(seen, description, description.grant(grant).name)
        first, end = u64(service.setting_first), u64(service.setting_first) + u64(service.setting_count)
        for setting in range(first, end):
            seen = mixed(seen, description, description.setting(setting).name)
            seen = mixed(seen, description, description.setting(setting).text)
    for program in range(description.program_count):
        seen = mixed(seen, description, description.program(program).name) ^ description.program(program).needs
    return seen & ~REFUSED


def told(refusal: Refusal) -> u64:
    return REFUSED | u64(refusal.problem.value) << 48 | min(refusal.place, (1 << 48) - 1)


def mixed(seen: u64, description: Description, text: Text) -> u64:
    for byte in description.text(text):
        seen = wrapping_mul(seen ^ u64(byte), 0x0100_0000_01B3)
    return seen
