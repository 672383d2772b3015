"""What the kernel of a running machine has recorded, as its control service hands it over."""

from __future__ import annotations

from dataclasses import replace

from neokernel.control.view import View
from neokernel.image.ring import EVENTS, Entry, Unfolding

#: every kind of record
ALL_EVENTS = (1 << len(EVENTS)) - 1


def entries_of(view: View, first: int, written: int, capacity: int) -> list[Entry]:
    """The records from `first` on that are still there, as a ring that has stopped has them."""
    number = begin = max(first, written - capacity)
    found: list[Entry] = []
    unfolding = Unfolding()
    while number < written:
        records = view.events(number)
        for place, (time, thread, kind, hart, _, a, b) in enumerate(records[: written - number]):
            event = EVENTS.get(kind)
            if event is not None:
                for entry in unfolding.add(Entry(number + place, time, thread, event, hart, a, b)):
                    found.append(replace(entry, number=begin + len(found)))
        number += max(len(records), 1)
    return found
