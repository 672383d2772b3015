"""The words of interfaces, where nothing has expanded them: in modules of the host they have no meaning."""

from __future__ import annotations

import types
from typing import Any

from neokernel.lang.failures import StaticError


def _outside(word: str) -> StaticError:
    return StaticError(f"`{word}` is a word of target modules: it is expanded when such a module is imported")


def interface(kind: Any) -> Any:
    """Class decorator: the methods are a contract between processes."""
    raise _outside("interface")


def uses(slot: Any = None, *, lend: Any = None, optional: Any = None) -> Any:
    """A client's view of what some service provides, or a kernel object. `lend`: bytes that it lends the server.

    `optional=True`: a system file may leave it out; calls fail then, with NO_CAPABILITY.
    """
    raise _outside("uses")


def provides(slot: Any = None) -> Any:
    """The endpoint at which this program serves."""
    raise _outside("provides")


def setting(default: Any) -> Any:
    """A value of the configuration, with its default."""
    raise _outside("setting")


def up_to(most: int) -> Any:
    """In an interface: how many bytes there are at most."""
    raise _outside("up_to")


def slot_of(view: Any) -> Any:
    """The index of a view's capability in the process's table."""
    raise _outside("slot_of")


def posts(memory: Any, wake: Any) -> Any:
    """The end of a ring into which messages of an interface are posted."""
    raise _outside("posts")


def takes(memory: Any, wake: Any) -> Any:
    """The end of a ring out of which they are taken."""
    raise _outside("takes")


def outbox_of(view: Any) -> Any:
    """The `Outbox` behind a poster."""
    raise _outside("outbox_of")


class Posts:
    """`Posts[I]`: what `I`'s methods are called on, to post them."""

    __class_getitem__: Any = classmethod(types.GenericAlias)


class Takes:
    """`Takes[I]`: what takes messages of `I`."""

    __class_getitem__: Any = classmethod(types.GenericAlias)


class Uses:
    """`Uses[I]`: what `I`'s methods are called on."""

    __class_getitem__: Any = classmethod(types.GenericAlias)


class Provides:
    """`Provides[I]`: what serves `I`."""

    __class_getitem__: Any = classmethod(types.GenericAlias)


class Setting:
    """`Setting[T]`: what the configuration says."""

    __class_getitem__: Any = classmethod(types.GenericAlias)


class Given:
    """`Given[C]`: a capability that the sender has no longer."""

    __class_getitem__: Any = classmethod(types.GenericAlias)
