"""A reader of JSON: one part after the other, in place, without a tree and without recursion.

    reader = Reader(data=body)
    token = reader.next()
    …
    if token is Token.NAME and reader.is_text(b"inputs"):
        …
    if token is Token.WRONG:
        … reader.problem, reader.at …

What is read is RFC 8259 and nothing else: UTF-8, no comments, no comma behind the last element, no NaN. Half of a
surrogate pair is refused, too, since it is no character. Names that stand twice are for who reads to refuse.

Invariants: `at` never goes back and is at most the length, so reading ends; behind WRONG or END there is only the same
again. Memory is this object: a bit for each container that is open, at most MOST_DEPTH of them.
"""

from __future__ import annotations

from enum import Enum

from neokernel.json.numbers import DOT, MINUS, NINE, PLUS, ZERO
from neokernel.lang import Array, Span, array, copy, struct, u8, u32, u64, usize, value
from neokernel.runtime.utf8 import is_utf8

#: containers in one another
MOST_DEPTH = 32

QUOTE = 0x22
BACKSLASH = 0x5C
COMMA = 0x2C
COLON = 0x3A
CLOSE_LIST = 0x5D
CLOSE_OBJECT = 0x7D


class Token(Enum):
    """What has been read."""

    OBJECT = 0
    OBJECT_END = 1
    LIST = 2
    LIST_END = 3
    #: of an object's member, whose value comes next
    NAME = 4
    TEXT = 5
    NUMBER = 6
    TRUE = 7
    FALSE = 8
    NULL = 9
    #: the document is complete
    END = 10
    #: it is none: `problem` and `at` say why, and where
    WRONG = 11


class Problem(Enum):
    """Why something is no JSON."""

    NONE = 0
    #: a byte that can't stand there
    SYNTAX = 1
    #: it ends in the middle
    CUT = 2
    #: more than MOST_DEPTH containers in one another
    DEPTH = 3
    #: a text with a control character in it, a wrong escape, or something that isn't UTF-8
    TEXT = 4
    #: something stands behind the end
    MORE = 5


class Expected(Enum):
    """What may come next."""

    VALUE = 0
    #: a list's first element, or its end
    ELEMENT = 1
    #: an object's first member, or its end
    MEMBER = 2
    NAME = 3
    #: what stands behind a value
    REST = 4
    NOTHING = 5


@struct
class Reader:
    data: bytes
    at: usize = 0
    expected: Expected = Expected.VALUE
    problem: Problem = Problem.NONE
    #: open containers, and which of them are objects: a bit each, the innermost the lowest
    depth: usize = 0
    objects: u64 = 0
    #: where the text between its quotes, or the number, begins and ends that was read last; has the text escapes?
    first: usize = 0
    end: usize = 0
    escaped: bool = False

    # --- what comes ---------------------------------------------------------------------------------------------------

    def next(self) -> Token:
        """The next part."""
        if self.problem is not Problem.NONE:
            return Token.WRONG
        if self.is_next_number():
            return self.digits()
        self.blanks()
        if self.at == len(self.data):
            return Token.END if self.expected is Expected.NOTHING else self.wrong(Problem.CUT)
        byte = self.data[self.at]
        match self.expected:
            case Expected.NOTHING:
                return self.wrong(Problem.MORE)
            case Expected.REST:
                if byte != COMMA:
                    return self.close(byte)
                self.at += 1
                self.blanks()
                if self.at == len(self.data):
                    return self.wrong(Problem.CUT)
                return self.name() if self.objects & 1 != 0 else self.value()
            case Expected.ELEMENT:
                return self.close(byte) if byte == CLOSE_LIST else self.value()
            case Expected.MEMBER:
                return self.close(byte) if byte == CLOSE_OBJECT else self.name()
            case Expected.NAME:
                return self.name()
            case Expected.VALUE:
                return self.value()

    def skip(self, token: Token) -> bool:
        """Read past the value that began with this token. False: something is wrong in it."""
        if token is Token.OBJECT or token is Token.LIST:
            depth = self.depth
            while self.depth >= depth:
                if self.next() is Token.WRONG:
                    return False
        return token is not Token.WRONG

    def number(self) -> bytes:
        """The number that was read last, as it stands there."""
        return self.data[self.first : self.end]

    def is_text(self, wanted: bytes) -> bool:
        """Is the text, or the name, that was read last this one?"""
        if not self.escaped:
            return self.data[self.first : self.end] == wanted
        piece: Array[u8] = array(MOST_PIECE)
        place = self.first
        made: usize = 0
        while place < self.end:
            found = unescape(self.data[: self.end], place, piece[:])
            if found.length > len(wanted) - made:
                return False
            if wanted[made : made + found.length] != piece[: found.length].bytes():
                return False
            made += found.length
            place = found.end
        return made == len(wanted)

    def text(self, into: Span[u8]) -> usize | None:
        """The text, or the name, that was read last, and its length. None: `into` has no room for it."""
        piece: Array[u8] = array(MOST_PIECE)
        place = self.first
        made: usize = 0
        while place < self.end:
            found = unescape(self.data[: self.end], place, piece[:])
            if found.length > len(into) - made:
                return None
            copy(into[made : made + found.length], piece[: found.length].bytes())
            made += found.length
            place = found.end
        return made

    # --- inside -------------------------------------------------------------------------------------------------------

    def is_next_number(self) -> bool:
        """Go to the next number of a list, behind a comma and maybe a blank, as most of what is long has them.

        False: it is something else, for which the long way is.
        """
        data, place = self.data, self.at
        if self.expected is not Expected.REST or self.objects & 1 != 0 or place + 3 > len(data) or data[place] != COMMA:
            return False
        place += 1
        if data[place] == 0x20:
            place += 1
        if not ZERO <= data[place] <= NINE:
            return False
        self.at = place
        return True

    def wrong(self, problem: Problem) -> Token:
        self.problem = problem
        return Token.WRONG

    def blanks(self) -> None:
        while self.at < len(self.data) and is_blank(self.data[self.at]):
            self.at += 1

    def value(self) -> Token:
        """Requires: a byte is there, and so for the others below."""
        byte = self.data[self.at]
        if byte == QUOTE:
            return self.string(Token.TEXT)
        if byte == MINUS or ZERO <= byte <= NINE:
            return self.digits()
        match byte:
            case 0x5B:
                return self.open(0, Expected.ELEMENT, Token.LIST)
            case 0x7B:
                return self.open(1, Expected.MEMBER, Token.OBJECT)
            case 0x74:
                return self.word(b"true", Token.TRUE)
            case 0x66:
                return self.word(b"false", Token.FALSE)
            case 0x6E:
                return self.word(b"null", Token.NULL)
            case _:
                return self.wrong(Problem.SYNTAX)

    def open(self, is_object: u64, expected: Expected, token: Token) -> Token:
        if self.depth == MOST_DEPTH:
            return self.wrong(Problem.DEPTH)
        self.at += 1
        self.depth += 1
        self.objects = self.objects << 1 | is_object
        self.expected = expected
        return token

    def close(self, byte: u8) -> Token:
        """The end of the innermost container, if that is what the byte is."""
        is_object = self.objects & 1 != 0
        if byte != (CLOSE_OBJECT if is_object else CLOSE_LIST):
            return self.wrong(Problem.SYNTAX)
        self.at += 1
        self.depth -= 1
        self.objects >>= 1
        self.done()
        return Token.OBJECT_END if is_object else Token.LIST_END

    def done(self) -> None:
        """A value is complete."""
        self.expected = Expected.REST if self.depth != 0 else Expected.NOTHING

    def word(self, word: bytes, token: Token) -> Token:
        for byte in word:
            if self.at == len(self.data):
                return self.wrong(Problem.CUT)
            if self.data[self.at] != byte:
                return self.wrong(Problem.SYNTAX)
            self.at += 1
        self.done()
        return token

    def name(self) -> Token:
        """A member's name, and the colon behind it."""
        if self.data[self.at] != QUOTE:
            return self.wrong(Problem.SYNTAX)
        token = self.string(Token.NAME)
        if token is Token.WRONG:
            return token
        self.blanks()
        if self.at == len(self.data):
            return self.wrong(Problem.CUT)
        if self.data[self.at] != COLON:
            return self.wrong(Problem.SYNTAX)
        self.at += 1
        self.expected = Expected.VALUE
        return token

    def string(self, token: Token) -> Token:
        """A text, looked at to its end."""
        place = self.at + 1
        self.first, self.escaped = place, False
        while True:
            if place == len(self.data):
                self.at = place
                return self.wrong(Problem.CUT)
            byte = self.data[place]
            if byte == QUOTE:
                break
            if byte == BACKSLASH:
                self.escaped = True
                length = escape_at(self.data, place)
                if length == 0:
                    self.at = place
                    return self.wrong(Problem.TEXT)
                place += length
            elif byte < 0x20:
                self.at = place
                return self.wrong(Problem.TEXT)
            else:
                place += 1
        if not is_utf8(self.data[self.first : place]):
            return self.wrong(Problem.TEXT)
        self.end, self.at = place, place + 1
        self.done()
        return token

    def digits(self) -> Token:
        """A number (RFC 8259, section 6)."""
        self.first = self.at
        if self.data[self.at] == MINUS:
            self.at += 1
        whole = self.run()
        if whole == 0:
            return self.no_number()
        if whole > 1 and self.data[self.at - whole] == ZERO:
            self.at -= whole - 1
            return self.wrong(Problem.SYNTAX)
        if self.at < len(self.data) and self.data[self.at] == DOT:
            self.at += 1
            if self.run() == 0:
                return self.no_number()
        if self.at < len(self.data) and self.data[self.at] | 0x20 == LETTER_E:
            self.at += 1
            if self.at < len(self.data) and (self.data[self.at] == PLUS or self.data[self.at] == MINUS):
                self.at += 1
            if self.run() == 0:
                return self.no_number()
        self.end = self.at
        self.done()
        return Token.NUMBER

    def run(self) -> usize:
        """Read past digits: how many."""
        data, place = self.data, self.at
        while place < len(data) and ZERO <= data[place] <= NINE:
            place += 1
        count = place - self.at
        self.at = place
        return count

    def no_number(self) -> Token:
        return self.wrong(Problem.CUT if self.at == len(self.data) else Problem.SYNTAX)


def is_blank(byte: u8) -> bool:
    return byte == 0x20 or byte == 0x0A or byte == 0x0D or byte == 0x09


# --- escapes ----------------------------------------------------------------------------------------------------------

#: bytes of a character
MOST_PIECE = 4
#: the letters behind a backslash that stand for a character, and these
LETTERS = b'"\\/bfnrt'
MEANT = b'"\\/\b\f\n\r\t'
LETTER_U = 0x75
LETTER_E = 0x65
HIGH = 0xD800
LOW = 0xDC00
BEHIND = 0xE000


@value
class Piece:
    """So many bytes of a text were made of what stands before `end`."""

    length: usize
    end: usize


def escape_at(data: bytes, place: usize) -> usize:
    """How long the escape is that begins at `place`; 0: it is none."""
    if place + 1 == len(data):
        return 0
    letter = data[place + 1]
    if letter != LETTER_U:
        return 2 if meant_by(letter) != 0 else 0
    unit = unit_at(data, place)
    if unit is None or LOW <= unit < BEHIND:
        return 0
    if not HIGH <= unit < LOW:
        return 6
    other = unit_at(data, place + 6)
    return 12 if other is not None and LOW <= other < BEHIND else 0


def meant_by(letter: u8) -> u8:
    """The character that is meant by a letter behind a backslash; 0: none."""
    for place in range(len(LETTERS)):
        if LETTERS[place] == letter:
            return MEANT[place]
    return 0


def unit_at(data: bytes, place: usize) -> u32 | None:
    """The number of an escape with a `u` and four hexadecimal digits."""
    if place > len(data) or len(data) - place < 6 or data[place] != BACKSLASH or data[place + 1] != LETTER_U:
        return None
    found: u32 = 0
    for byte in data[place + 2 : place + 6]:
        small = byte | 0x20
        if ZERO <= byte <= NINE:
            found = found << 4 | u32(byte - ZERO)
        elif 0x61 <= small <= 0x66:
            found = found << 4 | u32(small - 0x61 + 10)
        else:
            return None
    return found


def unescape(data: bytes, place: usize, into: Span[u8]) -> Piece:
    """The character, or the byte of one, that begins at `place`: of a text that was read."""
    if data[place] != BACKSLASH:
        into[0] = data[place]
        return Piece(1, place + 1)
    if data[place + 1] != LETTER_U:
        into[0] = meant_by(data[place + 1])
        return Piece(1, place + 2)
    end = place + 6
    code: u32 = 0
    unit = unit_at(data, place)
    if unit is not None:
        code = unit
    if HIGH <= code < LOW:
        other = unit_at(data, end)
        if other is not None:
            code = 0x1_0000 + ((code - HIGH) << 10) + (other - LOW)
            end += 6
    return Piece(encode(code, into), end)


def encode(code: u32, into: Span[u8]) -> usize:
    """A character in UTF-8 (RFC 3629, section 3): how many bytes."""
    if code < 0x80:
        into[0] = u8(code)
        return 1
    if code < 0x800:
        into[0] = u8(0xC0 | code >> 6)
        into[1] = u8(0x80 | code & 0x3F)
        return 2
    if code < 0x1_0000:
        into[0] = u8(0xE0 | code >> 12)
        into[1] = u8(0x80 | code >> 6 & 0x3F)
        into[2] = u8(0x80 | code & 0x3F)
        return 3
    into[0] = u8(0xF0 | code >> 18)
    into[1] = u8(0x80 | code >> 12 & 0x3F)
    into[2] = u8(0x80 | code >> 6 & 0x3F)
    into[3] = u8(0x80 | code & 0x3F)
    return 4
