"""What is wrong with a model, as its user is told.

Invariant: whatever bytes a model or a bundle has, what is raised is a `ModelError`, whose code `nk explain` knows.
"""

from __future__ import annotations

#: not a model in ONNX, or a damaged one
UNREADABLE = "NK1701"
#: an operator, a version of one, an attribute or a type of elements that isn't supported
UNSUPPORTED = "NK1702"
#: a shape, or a value that decides how code is made, isn't known before the model runs
NOT_CONSTANT = "NK1703"
#: a node whose inputs and attributes don't fit each other
MISFIT = "NK1704"
#: not a bundle of ours, a damaged one, or one whose signature doesn't fit
BAD_BUNDLE = "NK1705"
#: what is given to a model isn't what it takes
BAD_INPUT = "NK1706"


class ModelError(Exception):
    """An error that the user sees: a code, what is wrong and where, and what to do about it.

    Names in it are the model's, and may hold anything: what isn't printable is escaped.
    """

    def __init__(self, code: str, message: str, help: str = "") -> None:
        self.code = code
        self.message = escaped(message)
        self.help = escaped(help)
        super().__init__(self.message)


def escaped(text: str) -> str:
    """A text in one line, in which nothing commands a terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
