"""A line editor for a terminal that understands ANSI escape sequences: keys in, one byte at a time, what to show out.

The line scrolls sideways if it is longer than the terminal is wide, so that one row is all that is ever drawn.
Keys: arrows, Home, End, Delete, Backspace; Ctrl with A, B, D, E, F, H, K, L, N, P, T, U, W as in other shells.

Lines end with a carriage return or a line feed; of a pair of them, who reads the keys passes one on.

Invariants: `cursor <= length <= LINE`. A byte that means nothing rings the bell, and changes nothing. History holds the
latest lines, none empty, none twice in a row; lines that are looked at are copies, so editing them changes no history.
"""

from enum import Enum

from neokernel.lang import Array, Embedded, array, copy, invariant, requires, struct, u8, usize
from neokernel.runtime.queue import Queue, push_bytes

#: bytes of a line, and lines that are remembered
LINE = 240
REMEMBERED = 32
COLUMNS = 80
#: bytes that one key can make the editor show
MOST_SHOWN = COLUMNS + 32

BELL = 0x07
ESCAPE = 0x1B
DELETE = 0x7F


class Key(Enum):
    """What a byte, or a sequence of them, asks for."""

    NOTHING = 0
    UNKNOWN = 1
    LEFT = 2
    RIGHT = 3
    UP = 4
    DOWN = 5
    HOME = 6
    END = 7
    BACKSPACE = 8
    DELETE = 9
    DELETE_OR_LEAVE = 10
    KILL_REST = 11
    KILL_ALL = 12
    KILL_WORD = 13
    SWAP = 14
    REDRAW = 15
    ENTER = 16
    CANCEL = 17


class Edited(Enum):
    """How a line has ended: it was entered, given up, or there will be no more."""

    ENTERED = 0
    CANCELLED = 1
    LEFT = 2


class Sequence(Enum):
    """Where in an escape sequence the input is."""

    NONE = 0
    ESCAPE = 1
    #: after ESC [ or ESC O
    INTRODUCED = 2


@struct
class Line:
    data: Array[u8] = array(LINE)
    length: usize = 0


@struct
class Editor:
    prompt: bytes = b"> "
    data: Array[u8] = array(LINE)
    length: usize = 0
    cursor: usize = 0
    #: the first byte of the line that is shown
    left: usize = 0
    sequence: Sequence = Sequence.NONE
    #: number in an escape sequence
    parameter: u8 = 0
    #: the latest line is at `newest`; `looked` lines back is the one shown, 0 for the one that is being written
    history: Array[Embedded[Line]] = array(REMEMBERED)
    newest: usize = 0
    remembered: usize = 0
    looked: usize = 0
    #: what was being written when history was first looked at
    kept: Embedded[Line] = Line()

    @invariant
    def in_bounds(self) -> bool:
        return self.cursor <= self.length and self.length <= LINE and self.left <= self.cursor

    def line(self) -> bytes:
        """The line as it is."""
        return self.data[: self.length].bytes()

    def begin(self, out: Queue[u8]) -> None:
        """Show the prompt, and an empty line."""
        self.length, self.cursor, self.left, self.looked = 0, 0, 0, 0
        self.sequence = Sequence.NONE
        self.draw(out)

    def feed(self, byte: u8, out: Queue[u8]) -> Edited | None:
        """The next byte of the input. When the line has ended, `line` gives it until `begin`."""
        requires(out.room() >= MOST_SHOWN)
        if self.sequence is Sequence.NONE and byte >= 0x20 and byte != DELETE:
            if byte >= 0x80 or self.length == LINE:
                show(out, b"\x07")
            else:
                self.insert(byte, out)
            return None
        return self.perform(self.key_of(byte), out)

    def key_of(self, byte: u8) -> Key:
        match self.sequence:
            case Sequence.NONE:
                if byte == ESCAPE:
                    self.sequence = Sequence.ESCAPE
                    return Key.NOTHING
                return control_key(byte)
            case Sequence.ESCAPE:
                introduced = byte == 0x5B or byte == 0x4F
                self.sequence = Sequence.INTRODUCED if introduced else Sequence.NONE
                self.parameter = 0
                return Key.NOTHING if introduced else Key.UNKNOWN
            case Sequence.INTRODUCED:
                if 0x30 <= byte <= 0x39:
                    self.parameter = byte - 0x30
                    return Key.NOTHING
                if 0x20 <= byte < 0x40:
                    # Other parameters, such as modifiers.
                    return Key.NOTHING
                self.sequence = Sequence.NONE
                return final_key(byte, self.parameter)

    def perform(self, key: Key, out: Queue[u8]) -> Edited | None:
        match key:
            case Key.ENTER:
                self.remember()
                show(out, b"\r\n")
                return Edited.ENTERED
            case Key.CANCEL:
                show(out, b"^C\r\n")
                return Edited.CANCELLED
            case Key.DELETE_OR_LEAVE:
                if self.length == 0:
                    show(out, b"\r\n")
                    return Edited.LEFT
                self.erase(self.cursor, min(self.cursor + 1, self.length))
            case Key.NOTHING:
                return None
            case Key.UNKNOWN:
                show(out, b"\x07")
                return None
            case Key.LEFT:
                self.cursor -= min(1, self.cursor)
            case Key.RIGHT:
                self.cursor = min(self.cursor + 1, self.length)
            case Key.UP:
                self.look(self.looked + 1)
            case Key.DOWN:
                self.look(self.looked - min(1, self.looked))
            case Key.HOME:
                self.cursor = 0
            case Key.END:
                self.cursor = self.length
            case Key.BACKSPACE:
                self.erase(self.cursor - min(1, self.cursor), self.cursor)
            case Key.DELETE:
                self.erase(self.cursor, min(self.cursor + 1, self.length))
            case Key.KILL_REST:
                self.erase(self.cursor, self.length)
            case Key.KILL_ALL:
                self.erase(0, self.length)
            case Key.KILL_WORD:
                self.erase(self.word_begin(), self.cursor)
            case Key.SWAP:
                self.swap()
            case Key.REDRAW:
                show(out, b"\x1b[H\x1b[2J")
        self.draw(out)
        return None

    # --- the line -----------------------------------------------------------------------------------------------------

    def insert(self, byte: u8, out: Queue[u8]) -> None:
        requires(self.length < LINE)
        copy(self.data[self.cursor + 1 : self.length + 1], self.data[self.cursor : self.length].view())
        self.data[self.cursor] = byte
        self.length += 1
        self.cursor += 1
        if self.cursor == self.length and len(self.prompt) + self.length - self.left < COLUMNS:
            # At the end, and there is room: the usual case, for slow lines.
            show(out, self.data[self.cursor - 1 : self.cursor].bytes())
        else:
            self.draw(out)

    def erase(self, begin: usize, end: usize) -> None:
        requires(begin <= end and end <= self.length)
        copy(self.data[begin : self.length - (end - begin)], self.data[end : self.length].view())
        self.length -= end - begin
        if self.cursor > begin:
            self.cursor = begin

    def word_begin(self) -> usize:
        """Where the word before the cursor begins."""
        begin = self.cursor
        while begin > 0 and self.data[begin - 1] == 0x20:
            begin -= 1
        while begin > 0 and self.data[begin - 1] != 0x20:
            begin -= 1
        return begin

    def swap(self) -> None:
        """Exchange the byte before the cursor with the one at it; at the end, the last two."""
        if self.cursor == 0 or self.length < 2:
            return
        right = min(self.cursor, self.length - 1)
        byte = self.data[right - 1]
        self.data[right - 1] = self.data[right]
        self.data[right] = byte
        self.cursor = right + 1

    # --- history ------------------------------------------------------------------------------------------------------

    def remember(self) -> None:
        if self.length == 0:
            return
        if self.remembered != 0:
            latest = self.history[self.newest]
            if self.line() == latest.data[: latest.length].bytes():
                return
            self.newest = (self.newest + 1) % REMEMBERED
        keep(self.history[self.newest], self.line())
        self.remembered = min(self.remembered + 1, REMEMBERED)

    def look(self, back: usize) -> None:
        """Show the line that was entered `back` lines ago; 0: what was being written."""
        if back > self.remembered:
            return
        if self.looked == 0:
            keep(self.kept, self.line())
        self.looked = back
        place = (self.newest + (REMEMBERED + 1) - back) % REMEMBERED
        wanted = self.kept if back == 0 else self.history[place]
        copy(self.data[: wanted.length], wanted.data[: wanted.length].view())
        self.length = self.cursor = wanted.length

    # --- what is shown ------------------------------------------------------------------------------------------------

    def draw(self, out: Queue[u8]) -> None:
        """The row anew, with as much of the line as fits; the last column stays empty, so that no terminal wraps."""
        room = COLUMNS - 1 - len(self.prompt)
        self.left = min(self.left, self.cursor)
        if self.cursor - self.left > room:
            self.left = self.cursor - room
        end = min(self.length, self.left + room)
        show(out, b"\r")
        show(out, self.prompt)
        show(out, self.data[self.left : end].bytes())
        show(out, b"\x1b[K")
        column = len(self.prompt) + (self.cursor - self.left)
        show(out, b"\r\x1b[")
        show_number(out, column)
        show(out, b"C")


def keep(line: Line, data: bytes) -> None:
    requires(len(data) <= LINE)
    copy(line.data[: len(data)], data)
    line.length = len(data)


def show(out: Queue[u8], data: bytes) -> None:
    shown = push_bytes(out, data)
    assert shown == len(data), "who calls sees to it that there is room"


def show_number(out: Queue[u8], number: usize) -> None:
    """In decimal; below 100."""
    requires(number < 100)
    digits: Array[u8] = array(2)
    digits[0], digits[1] = u8(0x30 + number // 10), u8(0x30 + number % 10)
    show(out, digits[:].bytes())


def control_key(byte: u8) -> Key:
    match byte:
        case 0x01:
            return Key.HOME
        case 0x02:
            return Key.LEFT
        case 0x03:
            return Key.CANCEL
        case 0x04:
            return Key.DELETE_OR_LEAVE
        case 0x05:
            return Key.END
        case 0x06:
            return Key.RIGHT
        case 0x08 | 0x7F:
            return Key.BACKSPACE
        case 0x0B:
            return Key.KILL_REST
        case 0x0C:
            return Key.REDRAW
        case 0x0A | 0x0D:
            # Terminals send a carriage return; a text that is pasted or sent may have line feeds. Of both, one comes.
            return Key.ENTER
        case 0x0E:
            return Key.DOWN
        case 0x10:
            return Key.UP
        case 0x14:
            return Key.SWAP
        case 0x15:
            return Key.KILL_ALL
        case 0x17:
            return Key.KILL_WORD
        case _:
            return Key.UNKNOWN


def final_key(byte: u8, parameter: u8) -> Key:
    """The last byte of a sequence (ECMA-48, and what xterm sends)."""
    match byte:
        case 0x41:
            return Key.UP
        case 0x42:
            return Key.DOWN
        case 0x43:
            return Key.RIGHT
        case 0x44:
            return Key.LEFT
        case 0x46:
            return Key.END
        case 0x48:
            return Key.HOME
        case 0x7E:
            match parameter:
                case 1 | 7:
                    return Key.HOME
                case 3:
                    return Key.DELETE
                case 4 | 8:
                    return Key.END
                case _:
                    return Key.UNKNOWN
        case _:
            return Key.UNKNOWN
