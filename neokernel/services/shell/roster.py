"""The names of services, by their indices."""

from __future__ import annotations

from neokernel.abi.description import MAXIMUM_NAME
from neokernel.interfaces.clients.names import Names
from neokernel.interfaces.system import Phase, Unknown, Watch
from neokernel.lang import Array, Embedded, array, struct, text_of, u8, u64
from neokernel.runtime.system import Failure
from neokernel.services.shell.terminal import Terminal
from neokernel.services.shell.words import is_near


@struct
class Roster:
    watch: Watch
    names: Embedded[Names]
    text: Array[u8] = array(MAXIMUM_NAME)

    def name(self, index: u64) -> str:
        """A service's name: good until the next one is asked for."""
        found = self.names.of(index)
        return "nobody" if len(found) == 0 else text_of(found)

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
            terminal.write(f"init can't be asked: {found.status.name}\n")
            return None
        if isinstance(found, Unknown):
            terminal.write(f"there is no service {text_of(name)}; ")
            for index in range(self.services()):
                like = self.name(index)
                if is_near(name, like.encode()):
                    terminal.write(f"did you mean {like}?\n")
                    return None
            terminal.write("`ps` lists them\n")
            return None
        return found

    def tell_phase(self, terminal: Terminal, index: u64) -> None:
        """Why a service that was asked for something can't do it, or what it does already."""
        found = self.watch.service(index, self.text[:])
        if isinstance(found, Unknown | Failure) or found.length > len(self.text):
            terminal.write("init doesn't know it any more\n")
            return
        name = text_of(self.text[: found.length].bytes())
        match found.phase:
            case Phase.DOWN:
                terminal.write(f"{name} is down; `start {name}` starts it\n")
            case Phase.GIVEN_UP:
                terminal.write(f"{name} was given up, as it failed too often; `start {name}` tries it again\n")
            case Phase.WAITING:
                terminal.write(f"{name} has ended, and is about to be started again\n")
            case Phase.ENDING:
                terminal.write(f"{name} is ending: a device may still reach its memory\n")
            case Phase.RUNS:
                terminal.write(f"{name} runs\n")

    def services(self) -> u64:
        """How many there are."""
        found = self.watch.resources()
        return 0 if isinstance(found, Failure) else found.services

    def thread(self, index: u64) -> u64:
        """The identifier of a service's first thread in traces; 0 for none."""
        found = self.watch.service(index, self.text[:])
        return 0 if isinstance(found, Unknown | Failure) else u64(found.thread)
