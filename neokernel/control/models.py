"""Models of a running system, as its accelerator manager tells of them; and pushing one.

Invariant: what the manager says is an answer that its proxy has looked at; a header that it gives is taken apart here,
and what can't be shown isn't.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from neokernel import lang
from neokernel.abi import model as layout
from neokernel.abi.status import Status
from neokernel.control.view import View
from neokernel.interfaces.accelerator import HEADER_SIZE, Why
from neokernel.interfaces.appointment import MOST_NAME
from neokernel.interfaces.inference import NoWork
from neokernel.interfaces.models import MOST_PIECE, Backend, Model, NoPush, Outcome
from neokernel.lang.wire import wire_over
from neokernel.patience import patient
from neokernel.services.accelerator.kept import NAMES
from neokernel.services.control.protocol import Peer

#: seconds between two looks, and until a push must have come to something
LOOKS, PATIENCE = 0.1, 60.0

#: what a refusal is, and what to do about it
REFUSED = {
    NoPush.NAME: ("there is no model of that name", "`nk model list` shows them"),
    NoPush.BUSY: ("another push is tried, or watched", "`nk model list` says how it does; try again then"),
    NoPush.ROOM: ("it is larger than there is room for", "`--no-source` makes it smaller; so does a smaller model"),
    NoPush.PIECE: ("its pieces haven't come in order", "somebody else pushes at the same time: try again"),
    NoPush.BUNDLE: ("it is no bundle that this system knows", "import it with the `nk` of this version"),
    NoPush.UNSIGNED: ("it isn't signed", "`nk sign`, or `nk model import --key`, signs it"),
    NoPush.KEY: ("it is signed by a key that isn't enrolled for images", "`nk enrol` says whose keys a board trusts"),
    NoPush.SIGNATURE: ("its signature is of something else", "sign it again"),
    NoPush.DAMAGED: ("it isn't what was signed", "import it again, and sign that"),
    NoPush.MACHINE: ("it has no code for this machine", "import it again: bundles have code without vectors, too"),
    NoPush.QUOTA: ("it needs more memory or stack than a model may have", "its `quota` stands in the system file"),
    NoPush.TENSORS: (
        "it takes or gives more than a request can have",
        "all tensors of a request have 16 KiB",
    ),
    NoPush.SAMPLE: ("it has no sample to be tried with", "import it with the `nk` of this version"),
    NoPush.SPARE: ("the name has no other process that waits", "a name needs two services with its model"),
    NoPush.CALLED: (
        "it was signed for another name",
        "`nk model import --name` says what it is called: as clients call it; sign that",
    ),
    NoPush.OLDER: (
        "its serial is lower than that of a bundle which has served",
        "`nk model import --serial` makes a newer one; sign that",
    ),
    NoPush.OWN: ("it is the image's, which has scalar code alone", "push its bundle: that can be computed by either"),
    NoPush.KEYS: ("the system knows nobody whose signatures it takes", "its control service uses `accelerator.keys`"),
}
WHY = {
    Why.SAMPLE: "of the sample in its bundle it computes something else, at byte {detail}",
    Why.PAGES: "its pages couldn't be mapped: {status}",
    Why.CRASHED: "its process has ended",
    Why.SILENT: "it didn't get ready in time",
    Why.LATE: "it kept a request waiting in vain",
    Why.MANAGER: "the accelerator manager ended before it was sure that it serves",
    Why.UNTRUE: "it said that it was ready, and wasn't",
}


class NotPushed(Exception):
    """Why a push was refused; `help`: what to do about it."""

    def __init__(self, message: str, help: str) -> None:
        self.help = help
        super().__init__(message)


@dataclass(frozen=True)
class Served:
    """A name: `version` and `digest`, of a bundle's contents, are "" as long as nobody serves it. `backend`: by which
    code it is computed, `scalar` or `vector`. `outcome` and `why`: of the last push. `spare`: another one can be
    pushed."""

    number: int
    name: str
    service: str
    version: str
    digest: str
    own: bool
    backend: str
    spare: bool
    outcome: str
    why: str
    answered: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def models(view: View) -> list[Served]:
    """All names."""
    found = []
    for number in range(int(NAMES)):
        name, header = bytearray(int(MOST_NAME)), bytearray(int(HEADER_SIZE))
        told = view.ask(
            Peer.MODELS, view.remote.models.model, lang.u64(number), lang.byte_span(name), lang.byte_span(header)
        )
        if not isinstance(told, NoPush):
            found.append(served(view, number, told, bytes(name), bytes(header)))
    return found


def served(view: View, number: int, told: Model, name: bytes, header: bytes) -> Served:
    version, digest = "", ""
    if int(told.header_length) == lang.size_of(layout.Header):
        record: Any = wire_over(layout.Header, bytearray(header))
        version, digest = shown(bytes(record.model_version)), bytes(record.contents).hex()
    service = view.name(int(told.client) - 1) if int(told.client) else ""
    return Served(
        number=number,
        name=shown(name[: int(told.name_length)]),
        service=service,
        version=version,
        digest=digest,
        own=bool(told.own),
        backend=told.backend.name.lower(),
        spare=bool(told.spare),
        outcome=told.outcome.name.lower().replace("_", " "),
        why=why(told),
        answered=int(told.answered),
    )


def digest_of(data: bytes) -> str:
    """The hash of a bundle's contents, as its header has it. Requires: it was taken for one."""
    record: Any = wire_over(layout.Header, bytearray(data[: int(HEADER_SIZE)]))
    return bytes(record.contents).hex()


def shown(text: bytes) -> str:
    plain = text.rstrip(b"\0").decode(errors="replace")
    return "".join(letter if letter.isprintable() else "?" for letter in plain)


def why(told: Model) -> str:
    """Why the last push was rolled back, in words."""
    if told.outcome is not Outcome.ROLLED_BACK:
        return ""
    if told.why is Why.GATEWAY:
        names = {int(each.value): each.name for each in NoWork}
        if names.get(int(told.detail)) == "OTHER":
            return "its inputs or outputs aren't those of the model that it would replace"
        return f"the gateway refuses it: {names.get(int(told.detail), 'it has gone')}"
    known = {int(each.value): each.name for each in Status}
    detail = int(told.detail)
    return WHY.get(told.why, told.why.name).format(detail=detail, status=known.get(detail, f"status {detail}"))


def push(view: View, number: int, data: bytes, say: Callable[[str], None] = lambda _: None) -> None:
    """Send a bundle with its signature behind it. Raises NotPushed."""
    remote = view.remote.models
    accept(view.ask(Peer.MODELS, remote.begin, lang.u64(number), lang.u64(len(data))))
    for place in range(0, len(data), int(MOST_PIECE)):
        piece = data[place : place + int(MOST_PIECE)]
        accept(view.ask(Peer.MODELS, remote.piece, lang.u64(place), lang.byte_view(piece)))
        say(f"sending: {min(place + len(piece), len(data)):,} of {len(data):,} bytes")
    say("it is looked at")
    accept(view.ask(Peer.MODELS, remote.finish))


def swap(view: View, number: int, backend: str) -> None:
    """Have what serves computed by another backend, by its name. Raises NotPushed."""
    accept(view.ask(Peer.MODELS, view.remote.models.swap, lang.u64(number), Backend[backend.upper()]))


def accept(refused: NoPush | None) -> None:
    if refused is not None:
        raise NotPushed(*REFUSED[refused])


def settled(view: View, number: int, watched: bool, say: Callable[[str], None] = lambda _: None) -> Served:
    """The name when its push has come to something: it serves; if `watched`, also the time is over in which it could be
    rolled back. Raises NotPushed: the name is gone."""
    end = time.monotonic() + patient(PATIENCE)
    under_way = ("tried", "watched") if watched else ("tried",)
    while True:
        found = next((each for each in models(view) if each.number == number), None)
        if found is None:
            raise NotPushed("the gateway has no such name any more", "`nk model list` says what is served now")
        if found.outcome not in under_way or time.monotonic() >= end:
            return found
        say(f"it is {found.outcome}")
        time.sleep(LOOKS)
