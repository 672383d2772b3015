"""Typed calls of a running machine's services: an interface's own proxy, with a channel where the kernel would be.

    with connected(channel) as remote:
        remote.ask(remote.watch.service, 0, span)

Under CPython a proxy is what it is on the machine: it puts numbers and bytes into a buffer, and makes a system call.
Here that call becomes a frame. So what is sent, and what is looked at in the answer, is stated by the interface alone.

Invariant: buffers are zeroes when a proxy begins, so that of numbers and bytes of a message each is in one place.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from neokernel import lang
from neokernel.abi.call import MAXIMUM_WORDS, REGISTER_WORDS, capabilities_of, label_of, length_of
from neokernel.control.channel import Channel, Nonsense
from neokernel.interfaces.capture import Capture
from neokernel.interfaces.log import Journal
from neokernel.interfaces.models import Models
from neokernel.interfaces.network_watch import NetworkWatch
from neokernel.interfaces.recorder import Recorder
from neokernel.interfaces.system import System, Watch
from neokernel.runtime.process import Process
from neokernel.services.control.protocol import Peer
from neokernel.sim.loopback import Loopback, Party, Registers

P = ParamSpec("P")
T = TypeVar("T")

#: the slot of a peer's capability, in the table of a process that is nowhere
FIRST = 64
BEYOND = MAXIMUM_WORDS - REGISTER_WORDS


class Remote(Loopback):
    """A simulator in which calls leave the host."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self.channel = channel
        self.recorder = proxy(Recorder, Peer.RECORDER)
        self.watch = proxy(Watch, Peer.WATCH)
        self.system = proxy(System, Peer.SYSTEM)
        self.journal = proxy(Journal, Peer.JOURNAL)
        self.network = proxy(NetworkWatch, Peer.NETWORK)
        self.capture = proxy(Capture, Peer.CAPTURE)
        self.models = proxy(Models, Peer.MODELS)

    def ask(self, method: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a method of one of the proxies."""
        assert self.current is not None, "within `connected`"
        self.put(self.current, [0] * BEYOND)
        return method(*arguments, **named)

    def call(self, caller: Party, slot: int, word: int, *words: int) -> Registers:
        if slot < FIRST:
            return super().call(caller, slot, word, *words)
        length = int(length_of(lang.u64(word)))
        assert not capabilities_of(lang.u64(word)), "capabilities don't leave the machine"
        whole = [*map(int, words[:REGISTER_WORDS]), *self.beyond(caller)][:length]
        answer, found = self.channel.call(Peer(slot - FIRST), int(label_of(lang.u64(word))), whole)
        if capabilities_of(lang.u64(answer)):
            raise Nonsense("an answer with capabilities")
        found += [0] * (MAXIMUM_WORDS - len(found))
        self.put(caller, found[REGISTER_WORDS:])
        w0, w1, w2, w3 = found[:REGISTER_WORDS]
        return 0, answer, w0, w1, w2, w3

    @staticmethod
    def beyond(party: Party) -> list[int]:
        """The words in the buffer: numbers where a proxy has put such, and bytes behind them."""
        texts = struct.unpack(f"<{BEYOND}Q", party.memory)
        return [int(party.buffer.words[place]) | text for place, text in enumerate(texts)]

    @staticmethod
    def put(party: Party, words: list[int]) -> None:
        for place, word in enumerate(words):
            party.buffer.words[place] = lang.u64(word)
        party.memory[:] = struct.pack(f"<{BEYOND}Q", *words)


def proxy(interface: Any, peer: Peer) -> Any:
    return interface(lang.u64(FIRST + int(peer.value)))


@contextmanager
def connected(channel: Channel) -> Iterator[Remote]:
    """Proxies of a channel that is open."""
    with Remote(channel) as remote:
        with remote.running(remote.process(Process)):
            yield remote
