"""The system's description, read where it lies: see `neokernel/abi/description.py`.

`check` says whether all of it makes sense; `Description` reads it then. What was read of a description that `check` has
accepted is in range: each index names what it says, each text lies in the bytes.

Invariants: nothing here changes the bytes, or looks outside of them; whatever they are, `check` ends, in a time that is
proportional to their length, and no check of the language fails.
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.description import (
    CHECKED_FROM,
    LEAST_CAPABILITIES,
    MAGIC,
    MAXIMUM_GRANTS,
    MAXIMUM_NAME,
    MAXIMUM_SERVICES,
    MAXIMUM_SETTINGS,
    MAXIMUM_TEXT,
    MOST_CAPABILITIES,
    MOST_LENT,
    MOST_MEMORY,
    MOST_SLOTS,
    MOST_STATE,
    MOST_TIME,
    VERSION,
    Escalation,
    Grant,
    GrantKind,
    Header,
    RestartPolicy,
    Service,
    Setting,
    SettingKind,
    Text,
    checksum,
    slots_needed,
)
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.rights import ALL
from neokernel.lang import Span, size_of, struct, u8, u64, usize, value, wire_view

HEADER_SIZE: usize = size_of(Header)
SERVICE_SIZE: usize = size_of(Service)
GRANT_SIZE: usize = size_of(Grant)
SETTING_SIZE: usize = size_of(Setting)


class Problem(Enum):
    """What is wrong with a description."""

    TRUNCATED = 0  # fewer bytes than its header has, or says
    MAGIC = 1
    VERSION = 2
    CHECKSUM = 3
    COUNTS = 4  # more of something than can be
    SIZE = 5  # its parts don't add up to its size
    NAME = 6  # empty, too long, outside of the text, or not printable
    MEMORY = 7  # too little or too much, or no whole pages
    CAPABILITIES = 8
    TIME = 9  # a budget above its period, or more than can be
    POLICY = 10  # no such restart policy or escalation
    RANGE = 11  # a service's grants or settings aren't those after the last one's
    KIND = 12  # of a grant or setting
    RIGHTS = 13
    OWNER = 14  # a grant or setting says that it is another service's
    TARGET = 15  # what is used isn't provided, or by the service itself
    CONTRACT = 16  # what is used has another version of the interface
    TEXT = 17  # a text outside of the text, or too long


@value
class Refusal:
    """Why a description isn't taken, and which record is wrong: service, grant or setting, as the problem is about."""

    problem: Problem
    place: u64 = 0


@struct
class Description:
    """A description that `check` has accepted."""

    memory: Span[u8]

    def header(self) -> Header:
        return wire_view(Header, self.memory[:HEADER_SIZE])

    def services(self) -> u64:
        return u64(self.header().service_count)

    def service(self, index: u64) -> Service:
        return wire_view(Service, part(self.memory, HEADER_SIZE, index, SERVICE_SIZE))

    def grants(self) -> u64:
        return u64(self.header().grant_count)

    def grant(self, index: u64) -> Grant:
        return wire_view(Grant, part(self.memory, self.grants_start(), index, GRANT_SIZE))

    def setting(self, index: u64) -> Setting:
        start = self.grants_start() + self.grants() * GRANT_SIZE
        return wire_view(Setting, part(self.memory, start, index, SETTING_SIZE))

    def text(self, text: Text) -> bytes:
        header = self.header()
        start = self.grants_start() + self.grants() * GRANT_SIZE + u64(header.setting_count) * SETTING_SIZE
        first = start + u64(text.offset)
        return self.memory[first : first + u64(text.length)].bytes()

    def grants_start(self) -> usize:
        return HEADER_SIZE + self.services() * SERVICE_SIZE


def part(memory: Span[u8], start: usize, index: u64, size: usize) -> Span[u8]:
    """Record `index` of those of `size` bytes that begin at `start`."""
    first = start + index * size
    return memory[first : first + size]


def check(memory: Span[u8]) -> Refusal | None:
    """What is wrong with the bytes, if anything is."""
    if len(memory) < HEADER_SIZE:
        return Refusal(Problem.TRUNCATED)
    header = wire_view(Header, memory[:HEADER_SIZE])
    if header.magic != MAGIC:
        return Refusal(Problem.MAGIC)
    if header.version != VERSION:
        return Refusal(Problem.VERSION, u64(header.version))
    size = u64(header.size)
    if size > len(memory):
        return Refusal(Problem.TRUNCATED, size)
    services, grants, settings = u64(header.service_count), u64(header.grant_count), u64(header.setting_count)
    most: u64 = MAXIMUM_SERVICES
    if not 1 <= services <= most or grants > most * MAXIMUM_GRANTS or settings > most * MAXIMUM_SETTINGS:
        return Refusal(Problem.COUNTS)
    if slots_needed(services, grants) > MOST_SLOTS:
        return Refusal(Problem.COUNTS, slots_needed(services, grants))
    records = HEADER_SIZE + services * SERVICE_SIZE + grants * GRANT_SIZE + settings * SETTING_SIZE
    if size % 8 != 0 or records + u64(header.text_size) != size:
        return Refusal(Problem.SIZE, size)
    if checksum(memory[CHECKED_FROM:size].bytes()) != header.checksum:
        return Refusal(Problem.CHECKSUM)
    return check_records(Description(memory=memory[:size]))


def check_records(description: Description) -> Refusal | None:
    """What is wrong with the records; their number and their place in memory are right."""
    header = description.header()
    if not is_name(description, header.name) or not is_name(description, header.board):
        return Refusal(Problem.NAME)
    grants: u64 = 0
    settings: u64 = 0
    for index in range(description.services()):
        service = description.service(index)
        problem = problem_of(description, service)
        if problem is not None:
            return Refusal(problem, index)
        if u64(service.grant_first) != grants or u64(service.setting_first) != settings:
            return Refusal(Problem.RANGE, index)
        own_grants, own_settings = u64(service.grant_count), u64(service.setting_count)
        left = (u64(header.grant_count) - grants, u64(header.setting_count) - settings)
        if own_grants > min(left[0], MAXIMUM_GRANTS) or own_settings > min(left[1], MAXIMUM_SETTINGS):
            return Refusal(Problem.RANGE, index)
        refusal = check_belongings(description, index, grants, own_grants, settings, own_settings)
        if refusal is not None:
            return refusal
        grants += own_grants
        settings += own_settings
    if grants != u64(header.grant_count) or settings != u64(header.setting_count):
        return Refusal(Problem.RANGE, description.services())
    return None


def problem_of(description: Description, service: Service) -> Problem | None:
    """What is wrong with a service's record, without what it has."""
    if not is_name(description, service.name) or not is_name(description, service.program):
        return Problem.NAME
    if not PAGE_SIZE <= service.memory <= MOST_MEMORY or service.memory % PAGE_SIZE != 0 or service.state > MOST_STATE:
        return Problem.MEMORY
    if not LEAST_CAPABILITIES <= service.capabilities <= MOST_CAPABILITIES:
        return Problem.CAPABILITIES
    if service.period > MOST_TIME or service.budget > service.period or (service.period != 0 and service.budget == 0):
        return Problem.TIME
    if service.backoff > service.longest_backoff or service.longest_backoff > MOST_TIME:
        return Problem.TIME
    if service.window > MOST_TIME or service.heartbeat > MOST_TIME:
        return Problem.TIME
    if policy_of(service) is None or escalation_of(service) is None or service.passive > 1:
        return Problem.POLICY
    return None


def check_belongings(
    description: Description, owner: u64, grant: u64, grants: u64, setting: u64, settings: u64
) -> Refusal | None:
    """What is wrong with a service's grants and settings, from those indices on."""
    for index in range(grant, grant + grants):
        problem = problem_of_grant(description, owner, description.grant(index))
        if problem is not None:
            return Refusal(problem, index)
    text: u64 = 0
    for index in range(setting, setting + settings):
        one = description.setting(index)
        if not is_name(description, one.name):
            return Refusal(Problem.NAME, index)
        if u64(one.owner) != owner:
            return Refusal(Problem.OWNER, index)
        if setting_kind_of(one) is None:
            return Refusal(Problem.KIND, index)
        text += u64(one.text.length)
        if not is_inside(description, one.text) or text > MAXIMUM_TEXT:
            return Refusal(Problem.TEXT, index)
    return None


def problem_of_grant(description: Description, owner: u64, grant: Grant) -> Problem | None:
    if not is_name(description, grant.name):
        return Problem.NAME
    if u64(grant.owner) != owner:
        return Problem.OWNER
    kind = grant_kind_of(grant)
    if kind is None:
        return Problem.KIND
    if grant.rights & ~ALL != 0:
        return Problem.RIGHTS
    match kind:
        case GrantKind.USES:
            if grant.target >= description.grants():
                return Problem.TARGET
            provided = description.grant(grant.target)
            if provided.kind != u8(GrantKind.PROVIDES.value) or provided.owner == grant.owner:
                return Problem.TARGET
            if provided.interface != grant.interface:
                return Problem.CONTRACT
            if grant.size > MOST_LENT or grant.size % PAGE_SIZE != 0:
                return Problem.MEMORY
        case GrantKind.PROCESSOR:
            if not 1 <= grant.target <= 255:
                return Problem.TARGET
        case GrantKind.DMA | GrantKind.TRACE:
            if not 1 <= grant.size <= 4096:
                return Problem.TARGET
        case GrantKind.MEMORY:
            if not PAGE_SIZE <= grant.size <= MOST_MEMORY or grant.size % PAGE_SIZE != 0:
                return Problem.MEMORY
        case _:
            pass
    return None


# --- texts and numbers ------------------------------------------------------------------------------------------------


def is_inside(description: Description, text: Text) -> bool:
    return u64(text.offset) + u64(text.length) <= u64(description.header().text_size)


def is_name(description: Description, text: Text) -> bool:
    """Printable ASCII without blanks, at least one character and at most MAXIMUM_NAME."""
    if not 1 <= text.length <= MAXIMUM_NAME or not is_inside(description, text):
        return False
    wrong: usize = 0
    for byte in description.text(text):
        if not 0x21 <= byte <= 0x7E:
            wrong += 1
    return wrong == 0


def grant_kind_of(grant: Grant) -> GrantKind | None:
    return GrantKind(grant.kind) if grant.kind <= u8(GrantKind.TRACE.value) else None


def setting_kind_of(setting: Setting) -> SettingKind | None:
    return SettingKind(setting.kind) if setting.kind <= u8(SettingKind.TEXT.value) else None


def policy_of(service: Service) -> RestartPolicy | None:
    return RestartPolicy(service.policy) if service.policy <= u8(RestartPolicy.ALWAYS.value) else None


def escalation_of(service: Service) -> Escalation | None:
    return Escalation(service.escalation) if service.escalation <= u8(Escalation.HALT.value) else None
