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
