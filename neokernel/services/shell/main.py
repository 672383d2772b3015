"""The shell: what runs, what was logged, and ending, starting and replacing services, for whoever sits at the console.

What it can do is what it was granted: the console, the log's journal, and init.
"""

from __future__ import annotations

from enum import Enum

from neokernel.interfaces.console import Console
from neokernel.interfaces.log import MOST_TEXT, Journal, Level, Log, NoRecord
from neokernel.lang import Array, Embedded, Setting, Uses, array, setting, struct, text_of, u8, u64, uses, usize
from neokernel.runtime import control, system
from neokernel.runtime.control import Answer, Name, Phase, Refused
from neokernel.runtime.objects import System
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.services.shell.editor import Edited, Editor
from neokernel.services.shell.terminal import Terminal
from neokernel.services.shell.words import Words, number_of

console: Uses[Console] = uses()
log: Uses[Log] = uses()
journal: Uses[Journal] = uses()
init: Uses[System] = uses()
#: shown when it begins
welcome: Setting[str] = setting("neokernel: `help` lists the commands")

#: services that `top` compares
MOST_SERVICES: usize = 128
#: records that `log` shows if nobody says how many
RECORDS: u64 = 20


HELP = """\
ps                  services: what they do, how often they were started, time and memory
top                 processor time of each since the last look, until a key is pressed
log [N]             the latest N records, or 20
log -f              records as they come, until a key is pressed
level LEVEL         from which level on records are kept: debug, info, warning, error
free                memory and slots that init has left
uptime              since the machine started
kill SERVICE        end it as if it had crashed: its restart policy says what follows
stop, start SERVICE end it for good; start it again
swap SERVICE PROGRAM replace it by another version, while it is called
"""


class Action(Enum):
    """What init is asked to do to a service."""

    KILL = 0
    STOP = 1
    START = 2
    SWAP = 3


@struct
class Shell:
    process: Process
    terminal: Terminal
    words: Embedded[Words] = Words()
    #: processor time of each service when `top` looked last
    used: Array[u64] = array(MOST_SERVICES)

    def run(self, line: bytes) -> None:
        """A command line."""
        if not self.words.split(line):
            self.terminal.write("too many words\n")
            return
        command, name = self.words.word(line, 0), self.words.word(line, 1)
        if command in (b"kill", b"stop", b"start", b"swap", b"level"):
            # Who did what, for whoever wonders later. Without a log it is done all the same.
            _ = log.write(Level.INFO, text_of(line[: min(len(line), MOST_TEXT)]))
        match command:
            case b"":
                pass
            case b"help":
                self.help()
            case b"ps":
                self.list()
            case b"top":
                self.top()
            case b"log":
                self.log(name)
            case b"level":
                self.level(name)
            case b"free":
                self.free()
            case b"uptime":
                self.uptime()
            case b"kill":
                self.act(Action.KILL, name, b"")
            case b"stop":
                self.act(Action.STOP, name, b"")
            case b"start":
                self.act(Action.START, name, b"")
            case b"swap":
                self.act(Action.SWAP, name, self.words.word(line, 2))
            case _:
                self.terminal.write(f"there is no command {text_of(command)}; `help` lists them\n")

    def help(self) -> None:
        self.terminal.write(HELP)

    # --- services -----------------------------------------------------------------------------------------------------

    def list(self) -> None:
        self.terminal.write("service              phase    starts  processor      free memory\n")
        name = Name()
        for service in range(u64(0), MOST_SERVICES):
            status = control.status(init.slot, service)
            if isinstance(status, Refused):
                if status.answer is not Answer.OUT_OF_RANGE:
                    self.complain(status)
                return
            if control.name_of(self.process.buffer, init.slot, service, name) is not None:
                return
            self.terminal.write(f"{text_of(name.view()):20} {phase_text(status.phase):9}{status.starts:6}")
            self.seconds(status.used)
            self.terminal.write(f"{status.free // 1024:12} KiB\n")

    def top(self) -> None:
        """Once a second, what each service has used of it, until a key is pressed."""
        name, second = Name(), self.process.frequency
        begin, end = system.now(), system.now()
        self.look(name, 0)
        while not self.was_pressed(end + second):
            begin, end = end, system.now()
            self.terminal.write("\x1b[H\x1b[2Jservice              processor\n")
            self.look(name, max(end - begin, 1))
            self.terminal.write("any key ends this\n")

    def look(self, name: Name, elapsed: u64) -> None:
        """What each service has used since the last look, of `elapsed` ticks; shown unless that is 0."""
        for service in range(MOST_SERVICES):
            status = control.status(init.slot, u64(service))
            if isinstance(status, Refused):
                return
            before, now = self.used[service], status.used
            self.used[service] = now
            if elapsed == 0 or control.name_of(self.process.buffer, init.slot, u64(service), name) is not None:
                continue
            # Since it was started again, if it was.
            share = min((now - before if now >= before else now) * 1000 // elapsed, 1000)
            self.terminal.write(f"{text_of(name.view()):20} {share // 10:6}.{share % 10} %\n")

    def was_pressed(self, deadline: u64) -> bool:
        """Has a key been pressed before `deadline`?"""
        self.terminal.flush()
        while system.now() < deadline:
            if self.terminal.fetch():
                self.terminal.typed.clear()
                return True
            self.terminal.pause()
        return False

    def act(self, action: Action, service: bytes, program: bytes) -> None:
        if len(service) == 0 or (action is Action.SWAP and len(program) == 0):
            self.terminal.write("which service? `ps` lists them; `help` shows what commands take\n")
            return
        index = control.find(self.process.buffer, init.slot, service)
        if index is None:
            self.terminal.write(f"there is no service {text_of(service)}; `ps` lists them\n")
            return
        refused = self.ask(action, index, program)
        if refused is not None:
            self.complain(refused)

    def ask(self, action: Action, index: u64, program: bytes) -> Refused | None:
        match action:
            case Action.KILL:
                return control.kill(init.slot, index)
            case Action.STOP:
                return control.stop(init.slot, index)
            case Action.START:
                return control.start(init.slot, index)
            case Action.SWAP:
                return control.swap(self.process.buffer, init.slot, index, program)

    def complain(self, refused: Refused) -> None:
        match refused.answer:
            case Answer.WRONG_PHASE:
                self.terminal.write("it does that already\n")
            case Answer.BUSY:
                self.terminal.write("it is being replaced\n")
            case Answer.TIMED_OUT:
                self.terminal.write("it didn't hand over in time, and goes on\n")
            case Answer.OTHER_NEEDS:
                self.terminal.write("that program declares other capabilities, contracts or settings\n")
            case Answer.REFUSED:
                self.terminal.write("it can't be replaced: it doesn't hand over, or a device reaches its memory\n")
            case Answer.ROLLED_BACK:
                self.terminal.write("the new version wasn't ready in time: the old one is back\n")
            case _:
                self.terminal.write(f"init says {refused.answer.name}")
                failure = refused.failure
                if failure is not None:
                    self.terminal.write(f": {failure.status.name} of argument {failure.argument}")
                self.terminal.write("\n")

    def free(self) -> None:
        left = control.resources(init.slot)
        if isinstance(left, Refused):
            self.complain(left)
            return
        self.terminal.write(f"{left.memory // 1024} KiB and {left.slots} slots are free; ")
        self.terminal.write(f"{left.running} of {left.services} services run\n")

    def uptime(self) -> None:
        self.seconds(system.now())
        self.terminal.write("\n")

    def seconds(self, ticks: u64) -> None:
        """Ticks as seconds, eleven characters or more."""
        frequency = self.process.frequency
        self.terminal.write(f"{ticks // frequency:7}.{ticks % frequency * 1000 // frequency:03} s")

    # --- the log ------------------------------------------------------------------------------------------------------

    def log(self, which: bytes) -> None:
        if which == b"-f":
            self.follow()
            return
        wanted: u64 | None = RECORDS if len(which) == 0 else number_of(which)
        if wanted is None:
            self.terminal.write("`log`, `log N` or `log -f`\n")
            return
        # First how many there are: places aren't counted.
        count: u64 = 0
        place: u64 = 0
        text: Array[u8] = array(MOST_TEXT)
        while True:
            record = journal.read(place, text[:0])
            if isinstance(record, NoRecord | Failure):
                break
            count += 1
            place = record.next
        self.show_from(0, count - min(wanted, count))

    def show_from(self, place: u64, skipped: u64) -> u64:
        """The records from a place on, without the first `skipped`: where the next one will be."""
        text: Array[u8] = array(MOST_TEXT)
        name = Name()
        while True:
            record = journal.read(place, text[:])
            if isinstance(record, Failure):
                self.terminal.write(f"the log doesn't answer: {record.status.name}\n")
                return place
            if isinstance(record, NoRecord):
                return place
            place = record.next
            if skipped != 0:
                skipped -= 1
                continue
            self.seconds(record.time)
            self.terminal.write(f" {record.level.name:8}")
            known = (
                record.source != 0
                and control.name_of(self.process.buffer, init.slot, u64(record.source) - 1, name) is None
            )
            if known:
                self.terminal.write(f"{text_of(name.view())}: ")
            self.terminal.send(text[: record.length].bytes())
            self.terminal.write("\n")

    def follow(self) -> None:
        place = self.show_from(0, 0)
        while not self.was_pressed(system.now() + self.process.frequency // 10):
            place = self.show_from(place, 0)

    def level(self, name: bytes) -> None:
        match name:
            case b"debug":
                self.set_level(Level.DEBUG)
            case b"info":
                self.set_level(Level.INFO)
            case b"warning":
                self.set_level(Level.WARNING)
            case b"error":
                self.set_level(Level.ERROR)
            case _:
                self.terminal.write("debug, info, warning or error?\n")

    def set_level(self, level: Level) -> None:
        failure = journal.set_level(level)
        if failure is not None:
            self.terminal.write(f"the log doesn't answer: {failure.status.name}\n")


def phase_text(phase: Phase) -> str:
    match phase:
        case Phase.DOWN:
            return "down"
        case Phase.WAITING:
            return "waits"
        case Phase.RUNS:
            return "runs"
        case Phase.GIVEN_UP:
            return "given up"
        case Phase.ENDING:
            return "ending"


def main(process: Process) -> None:
    terminal = Terminal(process=process, console=console)
    terminal.begin()
    shell = Shell(process=process, terminal=terminal)
    terminal.write(f"\n{welcome.get(process)}\n")
    editor = Editor(prompt=b"nk> ")
    while True:
        ended = terminal.read_line(editor)
        if ended is Edited.ENTERED:
            shell.run(editor.line())
