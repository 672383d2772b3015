"""The names of services, by their indices."""

from __future__ import annotations

from neokernel.abi.description import MAXIMUM_NAME
from neokernel.interfaces.system import Unknown, Watch
from neokernel.lang import Array, array, struct, text_of, u8, u64
from neokernel.runtime.system import Failure
from neokernel.services.shell.terminal import Terminal


@struct
class Roster:
    watch: Watch
    text: Array[u8] = array(MAXIMUM_NAME)

    def name(self, index: u64) -> str:
        """A service's name: good until the next one is asked for."""
        found = self.watch.service(index, self.text[:])
        if isinstance(found, Unknown | Failure) or found.length > len(self.text):
            return "nobody"
        return text_of(self.text[: found.length].bytes())

    def grant(self, index: u64, place: u64) -> str:
        """What a service calls its grant at `place`: good as long as a name is."""
        found = self.watch.grant(index, place, self.text[:])
        if isinstance(found, Unknown | Failure) or found.length > len(self.text):
            return "nothing"
        return text_of(self.text[: found.length].bytes())

    def find(self, terminal: Terminal, name: bytes) -> u64 | None:
        """The index of the service with this name; if there is none, that is said."""
        if len(name) == 0:
            terminal.write("which service? `ps` lists them; `help` shows what commands take\n")
            return None
        if len(name) > MAXIMUM_NAME:
            terminal.write("no service has such a long name; `ps` lists them\n")
            return None
        found = self.watch.find(name)
        if isinstance(found, Failure):
            terminal.write(f"init doesn't answer: {found.status.name}\n")
            return None
        if isinstance(found, Unknown):
            terminal.write(f"there is no service {text_of(name)}; `ps` lists them\n")
            return None
        return found

    def services(self) -> u64:
        """How many there are."""
        found = self.watch.resources()
        return 0 if isinstance(found, Failure) else found.services

    def thread(self, index: u64) -> u64:
        """The identifier of a service's first thread in traces; 0 for none."""
        found = self.watch.service(index, self.text[:])
        return 0 if isinstance(found, Unknown | Failure) else u64(found.thread)
