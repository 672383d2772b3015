"""The words of a command line."""

from neokernel.lang import Array, array, struct, u64, usize

#: words that are looked at; a line with more is refused
MOST_WORDS = 8
SPACE = 0x20


@struct
class Words:
    """Where the words of a line begin and end."""

    begins: Array[usize] = array(MOST_WORDS)
    ends: Array[usize] = array(MOST_WORDS)
    count: usize = 0

    def split(self, line: bytes) -> bool:
        """At spaces. False: there are too many."""
        self.count = 0
        inside = False
        for place, byte in enumerate(line):
            if byte == SPACE:
                inside = False
            elif inside:
                self.ends[self.count - 1] = place + 1
            else:
                if self.count == MOST_WORDS:
                    return False
                self.begins[self.count], self.ends[self.count] = place, place + 1
                self.count += 1
                inside = True
        return True

    def word(self, line: bytes, index: usize) -> bytes:
        """Word `index` of the line that was split; empty if there are fewer."""
        return line[self.begins[index] : self.ends[index]] if index < self.count else b""


def is_near(word: bytes, name: bytes) -> bool:
    """Could `word` be meant as `name`? One letter more, less or other, two swapped, or the end left out."""
    if len(word) < 2 or len(name) < 2:
        return False
    same: usize = 0
    while same < min(len(word), len(name)) and word[same] == name[same]:
        same += 1
    if same == len(word):
        return True
    rest, wanted = word[same:], name[same:]
    tail: usize = 0
    while tail < min(len(rest), len(wanted)) and rest[len(rest) - 1 - tail] == wanted[len(wanted) - 1 - tail]:
        tail += 1
    more, less = len(rest) - tail, len(wanted) - tail
    if more == 2 and less == 2:
        return rest[0] == wanted[1] and rest[1] == wanted[0]
    return more <= 1 and less <= 1


def number_of(word: bytes) -> u64 | None:
    """A decimal number, of nine digits at most."""
    if len(word) == 0 or len(word) > 9:
        return None
    found: u64 = 0
    for byte in word:
        if not 0x30 <= byte <= 0x39:
            return None
        found = found * 10 + u64(byte - 0x30)
    return found
