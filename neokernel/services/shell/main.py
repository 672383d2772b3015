"""The shell: what runs, what was logged, and ending, starting and replacing services, for whoever sits at the console.

What it can do is what it was granted: the console, the log's journal, what init tells and does, the kernel's events.
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.description import FIRST_DECLARED, MAXIMUM_NAME, MAXIMUM_SERVICES, GrantKind
from neokernel.abi.status import Status
from neokernel.interfaces.clients.names import Names
from neokernel.interfaces.console import Console, Keyboard
from neokernel.interfaces.log import MOST_TEXT, Journal, Level, Log, NoRecord
from neokernel.interfaces.power import PowerControl, Unable
from neokernel.interfaces.system import Phase, Reason, Refused, System, Unknown, Watch
from neokernel.lang import Array, Embedded, Setting, Uses, array, copy, setting, slot_of, struct, text_of, u8, u64, uses
from neokernel.runtime import system
from neokernel.runtime.harmless import make_harmless
from neokernel.runtime.objects import Trace
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.services.shell.authority import Authority
from neokernel.services.shell.editor import Edited, Editor
from neokernel.services.shell.events import Events
from neokernel.services.shell.help import COMMANDS, about, meant, takes
from neokernel.services.shell.roster import Roster
from neokernel.services.shell.terminal import Terminal
from neokernel.services.shell.words import Words, number_of

console: Uses[Console] = uses()
keyboard: Uses[Keyboard] = uses()
log: Uses[Log] = uses()
journal: Uses[Journal] = uses()
init: Uses[System] = uses()
watch: Uses[Watch] = uses()
trace: Uses[Trace] = uses()
power: Uses[PowerControl] = uses()
#: shown when it begins
welcome: Setting[str] = setting("neokernel: `help` lists the commands")

#: records that `log` shows if nobody says how many
RECORDS: u64 = 20
#: what begins the record of what init has refused
REFUSED = b"refused: "
#: why, if somebody at the console wants it
AT_THE_CONSOLE = b"wanted at the console"
#: microseconds that each version has to do its part of a replacement
PATIENCE: u64 = 1_000_000


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
    roster: Roster
    authority: Authority
    events: Events
    words: Embedded[Words] = Words()
    #: processor time of each service when `top` looked last
    used: Array[u64] = array(MAXIMUM_SERVICES)

    def run(self, line: bytes) -> None:
        """A command line."""
        if not self.words.split(line):
            self.terminal.write("too many words: no command takes more than two\n")
            return
        command, name = self.words.word(line, 0), self.words.word(line, 1)
        if len(command) == 0:
            return
        most = takes(command)
        if most is None:
            self.unknown(command)
            return
        if self.words.count > most + 1:
            self.terminal.write(f"{text_of(command)} takes ")
            self.terminal.write("nothing" if most == 0 else "one word" if most == 1 else "two words")
            self.terminal.write(f", and here is more; `help {text_of(command)}` says what it does\n")
            return
        match command:
            case b"help":
                self.help(name)
            case b"ps":
                self.list()
            case b"top":
                self.top()
            case b"caps":
                self.caps(name)
            case b"log":
                self.log(name)
            case b"level":
                self.level(name, line)
            case b"trace":
                self.trace(name)
            case b"free":
                self.free()
            case b"uptime":
                self.uptime()
            case b"kill":
                self.act(Action.KILL, line)
            case b"stop":
                self.act(Action.STOP, line)
            case b"start":
                self.act(Action.START, line)
            case b"swap":
                self.act(Action.SWAP, line)
            case b"poweroff":
                self.power_off(line)
            case b"reboot":
                self.reboot(line)
            case _:
                self.unknown(command)

    def unknown(self, command: bytes) -> None:
        """There is no such command."""
        self.terminal.write(f"there is no command {text_of(command)}; ")
        like = meant(command)
        if command == b"exit" or command == b"quit" or command == b"logout":
            self.terminal.write("`poweroff` switches the machine off,\n")
            self.terminal.write("and under `nk run` Ctrl-C ends it at once\n")
        elif len(like) == 0:
            self.terminal.write("`help` lists them\n")
        else:
            self.terminal.write(f"did you mean {text_of(like)}?\n")

    def help(self, command: bytes) -> None:
        if len(command) == 0:
            self.terminal.write(COMMANDS)
            return
        more = about(command)
        if more is None:
            self.unknown(command)
        else:
            self.terminal.write(more)

    def note(self, line: bytes) -> None:
        """Who did what, for whoever wonders later. Without a log it is done all the same."""
        _ = log.write(Level.INFO, text_of(line[: min(len(line), MOST_TEXT)]))

    def note_refused(self, line: bytes) -> None:
        """What was noted hasn't been done by init."""
        text: Array[u8] = array(MOST_TEXT)
        length = len(REFUSED) + min(len(line), MOST_TEXT - len(REFUSED))
        copy(text[: len(REFUSED)], REFUSED)
        copy(text[len(REFUSED) : length], line[: length - len(REFUSED)])
        _ = log.write(Level.INFO, text_of(text[:length].bytes()))

    # --- services -----------------------------------------------------------------------------------------------------

    def list(self) -> None:
        self.terminal.write("service              phase    starts  processor      free memory\n")
        name: Array[u8] = array(MAXIMUM_NAME)
        for service in range(u64(MAXIMUM_SERVICES)):
            status = watch.service(service, name[:])
            if isinstance(status, Failure):
                self.unanswered(status)
                return
            if isinstance(status, Unknown):
                return
            shown = text_of(name[: min(status.length, len(name))].bytes())
            self.terminal.write(f"{shown:20} {phase_text(status.phase):9}{status.starts:6}")
            self.seconds(status.used)
            self.terminal.write(f"{status.free // 1024:12} KiB\n")

    def top(self) -> None:
        """Once a second, what each service has used of it, until a key is pressed."""
        second = self.process.frequency
        begin, end = system.now(), system.now()
        self.look(0)
        while not self.was_pressed(end + second):
            begin, end = end, system.now()
            self.terminal.write("\x1b[H\x1b[2Jservice              processor\n")
            self.look(max(end - begin, 1))
            self.terminal.write("any key ends this\n")

    def look(self, elapsed: u64) -> None:
        """What each service has used since the last look, of `elapsed` ticks; shown unless that is 0."""
        name: Array[u8] = array(MAXIMUM_NAME)
        for service in range(MAXIMUM_SERVICES):
            status = watch.service(u64(service), name[:])
            if isinstance(status, Unknown | Failure):
                return
            before, now = self.used[service], status.used
            self.used[service] = now
            if elapsed == 0:
                continue
            # Since it was started again, if it was.
            share = min((now - before if now >= before else now) * 1000 // elapsed, 1000)
            shown = text_of(name[: min(status.length, len(name))].bytes())
            self.terminal.write(f"{shown:20} {share // 10:6}.{share % 10} %\n")

    def was_pressed(self, deadline: u64) -> bool:
        """Has a key been pressed before `deadline`?"""
        self.terminal.flush()
        while system.now() < deadline:
            if self.terminal.fetch():
                self.terminal.typed.clear()
                return True
            self.terminal.pause()
        return False

    def caps(self, name: bytes) -> None:
        if len(name) == 0:
            self.authority.show_all()
            return
        index = self.roster.find(self.terminal, name)
        if index is not None:
            self.authority.show(index)

    def act(self, action: Action, line: bytes) -> None:
        service, program = self.words.word(line, 1), self.words.word(line, 2)
        if action is Action.SWAP and len(service) != 0 and len(program) == 0:
            self.terminal.write("by which program? `swap SERVICE PROGRAM`; `help swap` says more\n")
            return
        index = self.roster.find(self.terminal, service)
        if index is None or not self.may(action, index, service):
            return
        # First, as what ends may be the log, or this shell.
        self.note(line)
        answer = self.ask(action, index, program)
        if answer is None:
            return
        self.note_refused(line)
        if isinstance(answer, Refused):
            self.complain(answer, index)
        else:
            self.unanswered(answer)

    def ask(self, action: Action, index: u64, program: bytes) -> Refused | Failure | None:
        match action:
            case Action.KILL:
                return init.kill(index)
            case Action.STOP:
                return init.stop(index)
            case Action.START:
                return init.start(index)
            case Action.SWAP:
                return init.swap(index, program, PATIENCE)

    def may(self, action: Action, index: u64, name: bytes) -> bool:
        """Is it meant so, if the shell itself needs the service that would end?"""
        if action is not Action.KILL and action is not Action.STOP:
            return True
        own = watch.own()
        if isinstance(own, Failure):
            return True
        if own == index:
            self.terminal.write("this is the shell that you are talking to: ")
        elif self.authority.stands_on(own, slot_of(console) - FIRST_DECLARED, index):
            self.terminal.write(f"this shell talks to you by {text_of(name)}: ")
        else:
            return True
        if action is Action.STOP:
            self.terminal.write("nobody will listen here\nuntil the machine is started again. ")
        else:
            self.terminal.write("what is on its way is lost;\n")
            self.terminal.write("its restart policy says whether it comes back. ")
        return self.terminal.confirm()

    def complain(self, refused: Refused, index: u64) -> None:
        match refused.reason:
            case Reason.WRONG_PHASE:
                self.roster.tell_phase(self.terminal, index)
            case Reason.BUSY:
                self.terminal.write("it is being replaced\n")
            case Reason.TIMED_OUT:
                self.terminal.write("it didn't hand over in time, and goes on\n")
            case Reason.OTHER_NEEDS:
                self.terminal.write("that program declares other capabilities, contracts or settings\n")
            case Reason.REFUSED:
                self.terminal.write("it can't be replaced: it doesn't hand over, or a device reaches its memory\n")
            case Reason.ROLLED_BACK:
                self.terminal.write("the new version wasn't ready in time: the old one is back\n")
            case Reason.FAILED if refused.status is Status.NO_PROGRAM:
                self.terminal.write("the image has no program of that name\n")
            case Reason.FAILED:
                self.terminal.write(f"it can't be done: {refused.status.name} of argument {refused.argument}\n")
            case Reason.OUT_OF_RANGE:
                self.terminal.write("init knows no such service\n")

    def unanswered(self, failure: Failure) -> None:
        self.terminal.write(f"init can't be asked: {failure.status.name}\n")

    def silent(self, failure: Failure) -> None:
        """The log doesn't answer: it may have ended, or have been denied to the shell."""
        none: Array[u8] = array(1)
        own = watch.own()
        if not isinstance(own, Failure):
            grant = watch.grant(own, slot_of(journal) - FIRST_DECLARED, none[:0])
            if not isinstance(grant, Unknown | Failure) and grant.kind is GrantKind.USES and not grant.exists:
                self.roster.tell_phase(self.terminal, grant.target)
                return
        self.terminal.write(f"the log doesn't answer: {failure.status.name}\n")

    def power_off(self, line: bytes) -> None:
        self.terminal.write("all services end, and the machine is switched off. ")
        if not self.terminal.confirm():
            return
        self.note(line)
        found = power.power_off(AT_THE_CONSOLE)
        if isinstance(found, Unable):
            self.busy()
        elif found is not None:
            # The driver is down, or was denied to the shell: init ends the machine as well.
            failure = init.power_off()
            if failure is not None:
                self.unanswered(failure)

    def reboot(self, line: bytes) -> None:
        self.terminal.write("all services end, and the machine starts again. ")
        if not self.terminal.confirm():
            return
        self.note(line)
        found = power.reboot(AT_THE_CONSOLE)
        if isinstance(found, Unable):
            self.busy()
        elif found is not None:
            self.terminal.write(f"the power driver doesn't answer: {found.status.name}\n")

    def busy(self) -> None:
        self.terminal.write("a service is being replaced: try again when that has come to an end\n")

    # --- the machine --------------------------------------------------------------------------------------------------

    def trace(self, what: bytes) -> None:
        match what:
            case b"":
                self.events.summary()
            case b"on":
                self.events.start()
            case b"off":
                self.events.stop()
            case _:
                wanted = number_of(what)
                if wanted is None or wanted == 0:
                    self.terminal.write("trace what? `trace on`, `trace off`, `trace`, or `trace N`, N from 1 on\n")
                else:
                    self.events.latest(wanted)

    def free(self) -> None:
        left = watch.resources()
        if isinstance(left, Failure):
            self.unanswered(left)
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
        if wanted is None or wanted == 0:
            self.terminal.write("which records? `log`, `log N`, N from 1 on, or `log -f`\n")
            return
        # First how many there are: places aren't counted.
        count: u64 = 0
        place: u64 = 0
        text: Array[u8] = array(MOST_TEXT)
        while True:
            record = journal.read(place, text[:0])
            if isinstance(record, Failure):
                self.silent(record)
                return
            if isinstance(record, NoRecord):
                break
            count += 1
            place = record.next
        if count == 0:
            self.terminal.write("no records\n")
        _ = self.show_from(0, count - min(wanted, count))

    def show_from(self, place: u64, skipped: u64) -> u64 | None:
        """The records from a place on, without the first `skipped`: where the next one will be; None: it isn't told."""
        text: Array[u8] = array(MOST_TEXT)
        while True:
            record = journal.read(place, text[:])
            if isinstance(record, Failure):
                self.silent(record)
                return None
            if isinstance(record, NoRecord):
                return place
            place = record.next
            if skipped != 0:
                skipped -= 1
                continue
            self.seconds(record.time)
            self.terminal.write(f" {record.level.name:8}")
            if record.source != 0:
                self.terminal.write(f"{self.roster.name(u64(record.source) - 1)}: ")
            make_harmless(text[: record.length])
            self.terminal.send(text[: record.length].bytes())
            self.terminal.write("\n")

    def follow(self) -> None:
        place = self.show_from(0, 0)
        if place is not None:
            self.terminal.write("any key ends this\n")
        while place is not None and not self.was_pressed(system.now() + self.process.frequency // 10):
            place = self.show_from(place, 0)

    def level(self, name: bytes, line: bytes) -> None:
        match name:
            case b"debug":
                self.set_level(Level.DEBUG, line)
            case b"info":
                self.set_level(Level.INFO, line)
            case b"warning":
                self.set_level(Level.WARNING, line)
            case b"error":
                self.set_level(Level.ERROR, line)
            case _:
                self.terminal.write("from which level on? `level` takes debug, info, warning or error\n")

    def set_level(self, level: Level, line: bytes) -> None:
        # First, as it may be a level at which this isn't kept.
        self.note(line)
        failure = journal.set_level(level)
        if failure is not None:
            self.silent(failure)


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
    terminal = Terminal(process=process, console=console, keyboard=keyboard)
    terminal.begin()
    roster = Roster(watch=watch, names=Names(watch=watch))
    shell = Shell(
        process=process,
        terminal=terminal,
        roster=roster,
        authority=Authority(terminal=terminal, watch=watch, roster=roster, frequency=process.frequency),
        events=Events(process=process, terminal=terminal, roster=roster, trace=slot_of(trace)),
    )
    terminal.write(f"\n{welcome.get(process)}\n")
    editor = Editor(prompt=b"nk> ")
    while True:
        ended = terminal.read_line(editor)
        if ended is Edited.ENTERED:
            shell.run(editor.line())
