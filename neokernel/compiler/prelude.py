"""What the vocabulary defines in the language itself: a module that is part of every program."""

NAME = "neokernel.lang.prelude"

SOURCE = '''
"""Classes of the vocabulary."""
from typing import Generic, TypeVar

from neokernel.lang import u32, value

T = TypeVar("T")


@value
class Handle(Generic[T]):
    """A way to find an object in its pool again, or to see that it has gone."""

    index: u32
    generation: u32
'''
