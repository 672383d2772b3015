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
from neokernel.services.accelerator.words import refusal, trouble
from neokernel.services.control.protocol import Peer

#: seconds between two looks, and until a push must have come to something
LOOKS, PATIENCE = 0.1, 60.0

#: what to do about a refusal (`services/accelerator/words.py` has what it is)
HELP = {
    NoPush.NAME: "`nk model list` shows them",
    NoPush.BUSY: "`nk model list` says how it does; try again then",
    NoPush.ROOM: "`--no-source` makes it smaller; so does a smaller model",
    NoPush.PIECE: "somebody else pushes at the same time: try again",
    NoPush.BUNDLE: "import it with the `nk` of this version",
    NoPush.UNSIGNED: "`nk sign`, or `nk model import --key`, signs it",
    NoPush.KEY: "`nk enrol` says whose keys a board trusts",
    NoPush.SIGNATURE: "sign it again",
    NoPush.DAMAGED: "import it again, and sign that",
    NoPush.MACHINE: "import it again: bundles have code without vectors, too",
    NoPush.QUOTA: "its `quota` stands in the system file",
    NoPush.TENSORS: "all tensors of a request have 16 KiB",
    NoPush.SAMPLE: "import it with the `nk` of this version",
    NoPush.SPARE: "a name needs two services with its model",
    NoPush.CALLED: "`nk model import --name` says what it is called: as clients call it; sign that",
    NoPush.OLDER: "`nk model import --serial` makes a newer one; sign that",
    NoPush.OWN: "push its bundle: that can be computed by either",
    NoPush.KEYS: "its control service uses `accelerator.keys`",
}
#: what a bundle has served with has code for that; so it is the machine, or an old bundle
NO_VECTORS = "the machine has no vector registers, or the model's bundle no code for them"


class NotPushed(Exception):
    """Why a push was refused; `help`: what to do about it."""

    def __init__(self, message: str, help: str) -> None:
        self.help = help
        super().__init__(message)


@dataclass(frozen=True)
class Served:
    """A name: `version` and `digest`, of a bundle's contents, are "" as long as nobody serves it. `backend`: by which
    code it is computed, `scalar` or `vector`. `outcome` and `why`: of the last push that was tried; `refused`: why one
    since then wasn't. `spare`: another one can be pushed."""

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
    refused: str
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
        refused=refused(told),
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
    """Why the last push that was tried was rolled back, in words."""
    if told.outcome is not Outcome.ROLLED_BACK:
        return ""
    if told.why is Why.GATEWAY:
        names = {int(each.value): each.name for each in NoWork}
        if names.get(int(told.detail)) == "OTHER":
            return "its inputs or outputs aren't those of the model that it would replace"
        return f"the gateway refuses it: {names.get(int(told.detail), 'it has gone')}"
    words, detail = said(trouble(told.why)), int(told.detail)
    if told.why is Why.SAMPLE:
        return f"{words} {detail}"
    if told.why is Why.PAGES:
        known = {int(each.value): each.name for each in Status}
        return f"{words}: {known.get(detail, f'status {detail}')}"
    return words


def refused(told: Model) -> str:
    """Why the last push wasn't tried, in words; "" if it was."""
    number = int(told.refused)
    if number == 0:
        return ""
    return next((said(refusal(each)) for each in NoPush if int(each.value) == number - 1), f"reason {number - 1}")


def said(words: bytes) -> str:
    return bytes(words).decode()


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
    wanted = Backend[backend.upper()]
    found = view.ask(Peer.MODELS, view.remote.models.swap, lang.u64(number), wanted)
    if found is NoPush.MACHINE and wanted is Backend.VECTOR:
        raise NotPushed(NO_VECTORS, "`nk model list` says which code computes it now")
    accept(found)


def accept(found: NoPush | None) -> None:
    if found is not None:
        raise NotPushed(said(refusal(found)), HELP[found])


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
