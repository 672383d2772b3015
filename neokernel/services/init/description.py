"""The system's description, read where it lies: see `neokernel/abi/description.py`.

`check` says whether all of it makes sense; `Description` reads it then. What was read of a description that `check` has
accepted is in range: each index names what it says, each text lies in the bytes.

Invariants: nothing here changes the bytes, or looks outside of them; whatever they are, `check` ends, in a time that is
proportional to their length. That no check of the language fails, whatever the bytes are, is proven (`nk prove`): so
each number is read once, as if the bytes could change meanwhile.
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.description import (
    CHECKED_FROM,
    HIGHEST_PRIORITY,
    INIT_SHUTDOWN,
    LEAST_CAPABILITIES,
    MAGIC,
    MAXIMUM_GRANTS,
    MAXIMUM_NAME,
    MAXIMUM_PROGRAMS,
    MAXIMUM_SERVICES,
    MAXIMUM_SETTINGS,
    MAXIMUM_TEXT,
    MOST_CAPABILITIES,
    MOST_LENT,
    MOST_LENT_IN_PAGES,
    MOST_MEMORY,
    MOST_SLOTS,
    MOST_STATE,
    MOST_TIME,
    VERSION,
    Escalation,
    Grant,
    GrantKind,
    Header,
    Program,
    RestartPolicy,
    Service,
    Setting,
    SettingKind,
    Text,
    checksum,
    slots_needed,
)
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.abi.rights import ALL
from neokernel.lang import (
    Span,
    invariant,
    loop_invariant,
    requires,
    size_of,
    struct,
    u8,
    u64,
    usize,
    value,
    wire_view,
)

MOST_GRANTS = MAXIMUM_SERVICES * MAXIMUM_GRANTS
MOST_SETTINGS = MAXIMUM_SERVICES * MAXIMUM_SETTINGS
LAST_GRANT_KIND: u8 = u8(GrantKind.TRACE.value)
LAST_SETTING_KIND: u8 = u8(SettingKind.TEXT.value)
LAST_POLICY: u8 = u8(RestartPolicy.ALWAYS.value)
LAST_ESCALATION: u8 = u8(Escalation.HALT.value)

HEADER_SIZE: usize = size_of(Header)
SERVICE_SIZE: usize = size_of(Service)
GRANT_SIZE: usize = size_of(Grant)
SETTING_SIZE: usize = size_of(Setting)
PROGRAM_SIZE: usize = size_of(Program)


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
    TIME = 9  # a budget above its period, a priority that is init's own, or more than can be
    POLICY = 10  # no such restart policy or escalation
    RANGE = 11  # a service's grants or settings aren't those after the last one's
    KIND = 12  # of a grant or setting
    RIGHTS = 13
    OWNER = 14  # a grant or setting says that it is another service's
    TARGET = 15  # what is used isn't provided by a service before this one
    CONTRACT = 16  # what is used has another version of the interface
    TEXT = 17  # a text outside of the text, or too long


@value
class Refusal:
    """Why a description isn't taken, and which record is wrong: service, grant or setting, as the problem is about."""

    problem: Problem
    place: u64 = 0


@struct
class Description:
    """A description: `open_header` or `check` comes first. `text_start`: where the text begins, after all records."""

    memory: Span[u8]
    service_count: u64 = 0
    grant_count: u64 = 0
    setting_count: u64 = 0
    program_count: u64 = 0
    text_start: usize = 0

    @invariant
    def is_inside(self) -> bool:
        """All records lie in the bytes, one after the other; or nothing is known yet."""
        return (
            self.service_count <= MAXIMUM_SERVICES
            and self.grant_count <= MOST_GRANTS
            and self.setting_count <= MOST_SETTINGS
            and self.program_count <= MAXIMUM_PROGRAMS
            and self.text_start <= len(self.memory)
            and (
                self.text_start == self.programs_start() + self.program_count * PROGRAM_SIZE
                or (self.service_count == self.grant_count == self.setting_count == self.program_count == 0)
            )
        )

    def grants_start(self) -> usize:
        requires(self.service_count <= MAXIMUM_SERVICES)
        return HEADER_SIZE + self.service_count * SERVICE_SIZE

    def settings_start(self) -> usize:
        requires(self.service_count <= MAXIMUM_SERVICES and self.grant_count <= MOST_GRANTS)
        return HEADER_SIZE + self.service_count * SERVICE_SIZE + self.grant_count * GRANT_SIZE

    def programs_start(self) -> usize:
        requires(self.service_count <= MAXIMUM_SERVICES and self.grant_count <= MOST_GRANTS)
        requires(self.setting_count <= MOST_SETTINGS)
        return self.settings_start() + self.setting_count * SETTING_SIZE

    def services(self) -> u64:
        return self.service_count

    def grants(self) -> u64:
        return self.grant_count

    def header(self) -> Header:
        requires(len(self.memory) >= HEADER_SIZE)
        return wire_view(Header, self.memory[:HEADER_SIZE])

    def service(self, index: u64) -> Service:
        requires(index < self.service_count)
        first = HEADER_SIZE + index * SERVICE_SIZE
        return wire_view(Service, self.memory[first : first + SERVICE_SIZE])

    def grant(self, index: u64) -> Grant:
        requires(index < self.grant_count)
        first = self.grants_start() + index * GRANT_SIZE
        return wire_view(Grant, self.memory[first : first + GRANT_SIZE])

    def setting(self, index: u64) -> Setting:
        requires(index < self.setting_count)
        first = self.settings_start() + index * SETTING_SIZE
        return wire_view(Setting, self.memory[first : first + SETTING_SIZE])

    def program(self, index: u64) -> Program:
        requires(index < self.program_count)
        first = self.programs_start() + index * PROGRAM_SIZE
        return wire_view(Program, self.memory[first : first + PROGRAM_SIZE])

    def text(self, text: Text) -> bytes:
        """Its bytes; none, if they don't lie in the text."""
        offset, length = usize(text.offset), usize(text.length)
        room = len(self.memory) - self.text_start
        if length > room or offset > room - length:
            return b""
        first = self.text_start + offset
        return self.memory[first : first + length].bytes()


def check(description: Description) -> Refusal | None:
    """What is wrong with the description, if anything is."""
    refusal = open_header(description)
    if refusal is not None:
        return refusal
    memory = description.memory
    if len(memory) < HEADER_SIZE:
        return Refusal(Problem.TRUNCATED)
    if checksum(memory[CHECKED_FROM:].bytes()) != description.header().checksum:
        return Refusal(Problem.CHECKSUM)
    return check_records(description)


def open_header(description: Description) -> Refusal | None:
    """Find out what there is, and where. What is behind the description isn't part of it."""
    memory = description.memory
    if len(memory) < HEADER_SIZE:
        return Refusal(Problem.TRUNCATED)
    header = wire_view(Header, memory[:HEADER_SIZE])
    if header.magic != MAGIC:
        return Refusal(Problem.MAGIC)
    version, size = u64(header.version), usize(header.size)
    if version != VERSION:
        return Refusal(Problem.VERSION, version)
    if size > len(memory):
        return Refusal(Problem.TRUNCATED, size)
    services, grants, settings = u64(header.service_count), u64(header.grant_count), u64(header.setting_count)
    programs = u64(header.program_count)
    if not 1 <= services <= MAXIMUM_SERVICES or grants > MOST_GRANTS or settings > MOST_SETTINGS:
        return Refusal(Problem.COUNTS)
    if programs > MAXIMUM_PROGRAMS:
        return Refusal(Problem.COUNTS, programs)
    slots = slots_needed(services, grants)
    if slots > MOST_SLOTS:
        return Refusal(Problem.COUNTS, slots)
    records = HEADER_SIZE + services * SERVICE_SIZE + grants * GRANT_SIZE + settings * SETTING_SIZE
    records += programs * PROGRAM_SIZE
    if size % 8 != 0 or records + usize(header.text_size) != size:
        return Refusal(Problem.SIZE, size)
    description.memory = memory[:size]
    description.service_count, description.grant_count, description.setting_count = services, grants, settings
    description.program_count, description.text_start = programs, records
    return None


def check_records(description: Description) -> Refusal | None:
    """What is wrong with the records; their number and their place in memory are right."""
    requires(len(description.memory) >= HEADER_SIZE)
    header = description.header()
    if not is_name(description.text(header.name)) or not is_name(description.text(header.board)):
        return Refusal(Problem.NAME)
    grants: u64 = 0
    settings: u64 = 0
    for index in range(description.service_count):
        loop_invariant(grants <= description.grant_count and settings <= description.setting_count)
        service = description.service(index)
        problem = problem_of(description, service)
        if problem is not None:
            return Refusal(problem, index)
        if u64(service.grant_first) != grants or u64(service.setting_first) != settings:
            return Refusal(Problem.RANGE, index)
        own_grants, own_settings = u64(service.grant_count), u64(service.setting_count)
        if own_grants > MAXIMUM_GRANTS or own_grants > description.grant_count - grants:
            return Refusal(Problem.RANGE, index)
        if own_settings > MAXIMUM_SETTINGS or own_settings > description.setting_count - settings:
            return Refusal(Problem.RANGE, index)
        refusal = check_grants(description, index, grants, own_grants)
        if refusal is None:
            refusal = check_settings(description, index, settings, own_settings)
        if refusal is not None:
            return refusal
        grants += own_grants
        settings += own_settings
    if grants != description.grant_count or settings != description.setting_count:
        return Refusal(Problem.RANGE, description.service_count)
    for index in range(description.program_count):
        if not is_name(description.text(description.program(index).name)):
            return Refusal(Problem.NAME, index)
    return None


def problem_of(description: Description, service: Service) -> Problem | None:
    """What is wrong with a service's record, without what it has."""
    if not is_name(description.text(service.name)) or not is_name(description.text(service.program)):
        return Problem.NAME
    if not PAGE_SIZE <= service.memory <= MOST_MEMORY or service.memory % PAGE_SIZE != 0 or service.state > MOST_STATE:
        return Problem.MEMORY
    if not LEAST_CAPABILITIES <= service.capabilities <= MOST_CAPABILITIES:
        return Problem.CAPABILITIES
    if service.period > MOST_TIME or service.budget > service.period or (service.period != 0 and service.budget == 0):
        return Problem.TIME
    if service.priority > HIGHEST_PRIORITY:
        return Problem.TIME
    if service.backoff > service.longest_backoff or service.longest_backoff > MOST_TIME:
        return Problem.TIME
    if service.window > MOST_TIME or service.heartbeat > MOST_TIME:
        return Problem.TIME
    if service.policy > LAST_POLICY or service.escalation > LAST_ESCALATION or service.passive > 1:
        return Problem.POLICY
    return None


def check_grants(description: Description, owner: u64, first: u64, count: u64) -> Refusal | None:
    """What is wrong with a service's grants, `count` from `first` on."""
    requires(first <= description.grant_count and count <= description.grant_count - first)
    for index in range(first, first + count):
        problem = problem_of_grant(description, owner, description.grant(index))
        if problem is not None:
            return Refusal(problem, index)
    return None


def check_settings(description: Description, owner: u64, first: u64, count: u64) -> Refusal | None:
    """What is wrong with a service's settings, `count` from `first` on."""
    requires(first <= description.setting_count and count <= description.setting_count - first)
    text: usize = 0
    for index in range(first, first + count):
        loop_invariant(text <= MAXIMUM_TEXT)
        setting = description.setting(index)
        if not is_name(description.text(setting.name)):
            return Refusal(Problem.NAME, index)
        if u64(setting.owner) != owner:
            return Refusal(Problem.OWNER, index)
        if setting.kind > LAST_SETTING_KIND:
            return Refusal(Problem.KIND, index)
        length = usize(setting.text.length)
        if len(description.text(setting.text)) != length or length > MAXIMUM_TEXT - text:
            return Refusal(Problem.TEXT, index)
        text += length
    return None


def problem_of_grant(description: Description, owner: u64, grant: Grant) -> Problem | None:
    if not is_name(description.text(grant.name)):
        return Problem.NAME
    if u64(grant.owner) != owner:
        return Problem.OWNER
    number, size, target = grant.kind, grant.size, grant.target
    if number > LAST_GRANT_KIND:
        return Problem.KIND
    if grant.rights & ~ALL != 0:
        return Problem.RIGHTS
    match GrantKind(number):
        case GrantKind.NONE:
            return None if can_be_lent(size) else Problem.MEMORY
        case GrantKind.USES:
            return problem_of_use(description, owner, grant.interface, target, size)
        case GrantKind.PROCESSOR:
            return None if 1 <= target <= HIGHEST_PRIORITY else Problem.TARGET
        case GrantKind.DMA | GrantKind.TRACE:
            return None if 1 <= size <= 4096 else Problem.TARGET
        case GrantKind.SYSTEM:
            return None if target <= INIT_SHUTDOWN else Problem.TARGET
        case GrantKind.MEMORY:
            return None if PAGE_SIZE <= size <= MOST_MEMORY and size % PAGE_SIZE == 0 else Problem.MEMORY
        case _:
            return None


def problem_of_use(description: Description, owner: u64, interface: u64, target: u64, size: u64) -> Problem | None:
    """What is wrong with the use of what the grant `target` provides."""
    if target >= description.grant_count:
        return Problem.TARGET
    provided = description.grant(target)
    if provided.kind != u8(GrantKind.PROVIDES.value) or u64(provided.owner) >= owner:
        return Problem.TARGET
    if provided.interface != interface:
        return Problem.CONTRACT
    return None if can_be_lent(size) else Problem.MEMORY


def can_be_lent(size: u64) -> bool:
    """Can a region have so many bytes, or is it none at all?"""
    return size <= MOST_LENT and size % (PAGE_SIZE if size <= MOST_LENT_IN_PAGES else LARGE_SIZE) == 0


def is_name(text: bytes) -> bool:
    """Printable ASCII without blanks, at least one character and at most MAXIMUM_NAME."""
    good = 1 <= len(text) <= MAXIMUM_NAME
    for byte in text:
        if not 0x21 <= byte <= 0x7E:
            good = False
    return good
