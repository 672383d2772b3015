"""The form of an explanation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """What `nk explain` shows for a code: a title, what is wrong and why the language is so, and two modules.

    `wrong` is rejected with this code and no other, `right` is accepted (a test holds both to it). `wrong` is empty
    where no short module gives the code.
    """

    title: str
    explanation: str
    wrong: str = ""
    right: str = ""
