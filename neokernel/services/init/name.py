"""A short text of init's own: a program's name."""

from neokernel.abi.archive import NAME_SIZE
from neokernel.abi.description import MAXIMUM_NAME
from neokernel.lang import Array, array, copy, struct, u8, usize


@struct
class Name:
    """All zeroes is none."""

    text: Array[u8] = array(MAXIMUM_NAME)
    length: usize = 0

    def view(self) -> bytes:
        return self.text[: self.length].bytes()

    def assign(self, text: bytes) -> None:
        """Become `text`; what is too long is cut off."""
        self.length = min(len(text), MAXIMUM_NAME)
        copy(self.text[: self.length], text[: self.length])


assert NAME_SIZE == MAXIMUM_NAME, "programs' names and services' are equally long"
