"""Ends and beginnings of lives: `retire` and `renew`.

Invariants:
- A retired object is moved to the class `Retired`, where every access fails; so is what lies inside it, and its arrays
  lose their cells. It remembers what it was, and the place where it lies in another object or an array, if it does.
- `renew` of a retired object puts another Python object into that place: references that were taken in the former life
  stay dead, though in an image they have the new object's address.
- `renew` of a living object changes it in place: references to it, and to what is inside it, stay alive.
"""

from __future__ import annotations

from typing import Any, Generic

from neokernel.lang.atomics import Atomic
from neokernel.lang.coroutines import Frame
from neokernel.lang.failures import StaticError
from neokernel.lang.sequences import UNSET, Array, settle
from neokernel.lang.shapes import Retired, RetiredGeneric, dead


def state_of(instance: Any) -> dict[str, Any]:
    """What is known of an object, be it dead."""
    state: dict[str, Any] = object.__getattribute__(instance, "__dict__")
    return state


def retire(instance: Any) -> None:
    """The object's life, and that of everything inside it, is over: later accesses fail (kind *dead*)."""
    if instance.__class__ is Retired:
        raise dead(instance)
    if isinstance(instance, Array):
        retire_array(instance)
        return
    record = getattr(type(instance), "_record", None)
    if record is None or record.role == "value":
        raise StaticError(f"retire() takes an object with an identity, not {type(instance).__name__}")
    contents = record.inside(instance)
    state = state_of(instance)
    for name in [*state]:
        if name not in (".home", ".bindings"):
            del state[name]
    state[".was"] = record.kind
    object.__setattr__(instance, "__class__", RetiredGeneric if issubclass(record.kind, Generic) else Retired)
    for content in contents:
        if content.__class__ is not Retired and content is not UNSET:
            retire(content)


def retire_array(target: Array) -> None:
    cells = target._cells
    if isinstance(cells, list):
        if target._element is not None and target._element.inline:
            for cell in cells:
                if cell.__class__ is not Retired and not isinstance(cell, (Atomic, Frame)):
                    retire(cell)
        cells.clear()
    elif isinstance(cells, bytearray):
        cells.clear()


def renew(instance: Any) -> None:
    """Make the object of a `@struct` anew, where it lies, by its fields' defaults."""
    if instance.__class__ is Retired:
        state = state_of(instance)
        container, key = state.get(".home", ({}, ""))
        if not holds(container, key, instance):
            raise dead(instance)
        settle(container, key, made_by_defaults(state[".was"], state))
    elif getattr(type(instance), "_record", None) is None or type(instance)._record.role != "struct":
        raise StaticError(f"renew() takes an object of a @struct, not {type(instance).__name__}")
    else:
        adopt(instance, made_by_defaults(type(instance), state_of(instance)))


def made_by_defaults(kind: Any, state: dict[str, Any]) -> Any:
    """A new object, with the type arguments that `state` knows."""
    made = kind()
    if ".bindings" in state:
        kind._record.bind(made, state[".bindings"])
    return made


def holds(container: Any, key: Any, instance: Any) -> bool:
    """Does the place still hold this object? It may have gone itself, or hold a later one."""
    if isinstance(container, dict):
        return container.get(key) is instance
    return key < len(container) and container[key] is instance


def adopt(instance: Any, fresh: Any) -> None:
    """Give a living object the fields of `fresh`."""
    held, made = state_of(instance), state_of(fresh)
    for name, field in type(instance)._record.fields.items():
        if field.inline:
            adopt_inline(held, made, name)
        else:
            held[name] = made[name]


def adopt_inline(held: Any, made: Any, key: Any) -> None:
    """The same for what lies inside: `held` and `made` are fields or cells."""
    old, new = held[key], made[key]
    if old.__class__ is Retired or old is UNSET:
        settle(held, key, new)
    elif isinstance(old, Atomic):
        old._value = new._value
    elif isinstance(old, Frame):
        old.coroutine = None
    elif isinstance(old, Array):
        if new._element is not None and new._element.inline:
            for position in range(len(old)):
                adopt_inline(old._cells, new._cells, position)
        else:
            old._cells[:] = new._cells
    elif type(old)._record.role == "wire":
        size = type(old)._record.layout.size
        old._memory[old._offset : old._offset + size] = new._memory
    else:
        adopt(old, new)
