"""The terminal as the shell uses it: lines in, text out, whatever the console has room for at a time.

Invariant: what was written goes out in order, and nothing is dropped here. What a driver of the console had taken may
be lost when it is restarted; the terminal tells the next one whom to notify. Of a carriage return and a line feed after
it, the line feed isn't typed: it would enter another line, answer a question, or be the key that ends `top`.
"""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.abi.rights import SIGNAL
from neokernel.interfaces.console import Console, Keyboard
from neokernel.lang import Array, Embedded, array, struct, u8, u64, usize, writer
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.objects import Notification
from neokernel.runtime.process import Process
from neokernel.runtime.queue import Queue, pop_bytes, push_bytes
from neokernel.runtime.system import Failure
from neokernel.services.shell.editor import MOST_SHOWN, Edited, Editor

LINE_FEED = 0x0A
CARRIAGE_RETURN = 0x0D
#: bytes read at once
MOST_READ: usize = 64
#: how often, in a second, a console is asked anew that doesn't answer, or says nothing
TRIES: u64 = 20


@struct
class Terminal:
    """`begin` comes first."""

    process: Process
    console: Console
    keyboard: Keyboard
    #: signalled when there is news
    news: u64 = 0
    shown: Embedded[Queue[u8]] = Queue(slots=array(4 * MOST_SHOWN))
    typed: Embedded[Queue[u8]] = Queue(slots=array(2 * MOST_READ))
    #: was the latest byte a carriage return?
    returned: bool = False

    def begin(self) -> None:
        self.news = must_get(self.process.make(Kind.NOTIFICATION))
        self.listen()

    def listen(self) -> None:
        """Have the console notify us; one that was restarted has forgotten."""
        copy = self.process.derive(self.news, SIGNAL)
        if isinstance(copy, Failure):
            return
        if self.keyboard.notify(Notification(copy)) is not None and self.process.slots().is_taken(copy):
            _ = self.process.drop(copy)

    # --- out ----------------------------------------------------------------------------------------------------------

    @writer
    def write(self, text: str) -> None:
        """Text, with line feeds between lines."""
        data = text.encode()
        begin: usize = 0
        for place, byte in enumerate(data):
            if byte == 0x0A:
                self.send(data[begin:place])
                self.send(b"\r\n")
                begin = place + 1
        self.send(data[begin:])

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        done: usize = 0
        while done < len(data):
            if self.shown.room() == 0:
                self.flush()
            done += push_bytes(self.shown, data[done:])

    def flush(self) -> None:
        """What was written goes out; waits until the console has taken it."""
        buffer: Array[u8] = array(256)
        while len(self.shown) != 0:
            count = pop_bytes(self.shown, buffer[:])
            done: usize = 0
            while done < count:
                taken = self.console.write(buffer[done:count].bytes())
                if isinstance(taken, Failure):
                    self.pause()
                    self.listen()
                elif taken == 0:
                    self.pause()
                else:
                    done += min(taken, count - done)

    # --- in -----------------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Until there is news, or for a while: who notifies may have been restarted."""
        _ = system.wait(self.news, system.now() + self.process.frequency // TRIES)

    def fetch(self) -> bool:
        """Take what has been typed. Was there anything?"""
        buffer: Array[u8] = array(MOST_READ)
        room = min(self.typed.room(), MOST_READ)
        if room == 0:
            return True
        count = self.keyboard.read(buffer[:room])
        if isinstance(count, Failure):
            self.listen()
            return False
        kept: usize = 0
        for place in range(min(count, room)):
            byte = buffer[place]
            if byte != LINE_FEED or not self.returned:
                buffer[kept] = byte
                kept += 1
            self.returned = byte == CARRIAGE_RETURN
        _ = push_bytes(self.typed, buffer[:kept].bytes())
        return kept != 0

    def read_line(self, editor: Editor) -> Edited:
        """The next line, in `editor`."""
        # The editor draws into what is empty: a command may have left it almost full.
        self.flush()
        editor.begin(self.shown)
        while True:
            self.flush()
            byte = self.typed.pop()
            if byte is None:
                if not self.fetch():
                    self.pause()
                continue
            ended = editor.feed(byte, self.shown)
            if ended is not None:
                self.flush()
                return ended

    def confirm(self) -> bool:
        """After a question: is the next key a y?"""
        self.write("Go on? [y/N] ")
        while True:
            self.flush()
            byte = self.typed.pop()
            if byte is not None:
                yes = byte == 0x79 or byte == 0x59
                self.write("y\n" if yes else "n\n")
                self.flush()
                return yes
            if not self.fetch():
                self.pause()
