"""What the manager says in the log."""

from __future__ import annotations

from neokernel.http.text import Text
from neokernel.interfaces.accelerator import Why
from neokernel.interfaces.clients.voices import Voices
from neokernel.interfaces.log import Level, Log
from neokernel.interfaces.models import NoPush
from neokernel.lang import Array, Embedded, Uses, array, struct, text_of, u8, u64, uses, usize
from neokernel.services.accelerator.words import refusal, trouble


@struct
class Teller:
    """`log`: its slot."""

    log: u64 = 0
    voices: Embedded[Voices] = Voices(frequency=1)

    def tell(self, name: usize, level: Level, what: bytes) -> None:
        log: Uses[Log] = uses(self.log)
        memory: Array[u8] = array(160)
        line = Text(data=memory[:])
        line.write(f"model{name}: {text_of(what)}")
        _ = log.write(level, text_of(line.written()))

    def denied(self, name: usize, client: u64, page: u64, now: u64) -> None:
        """A process has asked for what isn't in its lease."""
        omitted = self.voices.omitted_before(client, page, now)
        if omitted is not None:
            memory: Array[u8] = array(110)
            line = Text(data=memory[:])
            line.write(f"service {client} asked for page {page}, which its lease hasn't")
            if omitted != 0:
                line.write(f" ({omitted} lines about it were left out)")
            self.tell(name, Level.WARNING, line.written())

    def asked(self, name: usize, what: bytes, refused: NoPush | None) -> None:
        memory: Array[u8] = array(120)
        line = Text(data=memory[:])
        if refused is None:
            line.write(f"{text_of(what)} is tried")
            self.tell(name, Level.INFO, line.written())
        else:
            line.write(f"{text_of(what)} is refused: {text_of(refusal(refused))}")
            self.tell(name, Level.WARNING, line.written())

    def watched(self, name: usize) -> None:
        self.tell(name, Level.INFO, b"another model serves, and is watched")

    def failed(self, name: usize, why: Why, detail: u64) -> None:
        memory: Array[u8] = array(140)
        line = Text(data=memory[:])
        line.write(f"what was pushed doesn't serve: {text_of(trouble(why))}")
        if why in (Why.SAMPLE, Why.PAGES, Why.GATEWAY):
            line.write(f" {detail}")
        self.tell(name, Level.ERROR, line.written())
