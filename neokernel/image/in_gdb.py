"""Read by gdb, in its own Python: values as Python prints them, and one process among all that a machine runs.

    (gdb) source in_gdb.py
    (gdb) print *mill
    $1 = Mill(flour=70, sack=Sack(grain=Grain.RYE, weight=70))
    (gdb) nk-process worker 0x80a31 0x10424      # from now on, breakpoints are this process's

Values are printed as `repr` does under CPython. A reference in another object, or in a traceback, is shown as `<Mill at
0x…>`, so that printing ends; `print *mill` shows the object.

Processes have the same addresses, and what the processor stops at is an address. So a breakpoint gets a condition: that
the page table in use (`satp`) is the process's. Breakpoints in the kernel don't, as that is everybody's.

Standard library only: gdb's Python isn't ours.
"""

from __future__ import annotations

import gdb

#: user addresses are below
USER_END = 1 << 38
#: of satp, the page table's number (privileged specification, 12.1.11)
TABLE = (1 << 44) - 1
#: elements of a sequence, or bytes, that are shown
MOST_ITEMS, MOST_BYTES = 16, 64
#: objects within objects
MOST_DEPTH = 6


# --- values -----------------------------------------------------------------------------------------------------------


def shown(value: gdb.Value, depth: int = 0) -> str:
    """The value as Python's `repr` has it."""
    kind = value.type.strip_typedefs()
    if value.is_optimized_out:
        return "<optimized out>"
    if kind.code == gdb.TYPE_CODE_BOOL:
        return str(bool(value))
    if kind.code == gdb.TYPE_CODE_ENUM:
        return member(value, kind)
    if kind.code == gdb.TYPE_CODE_INT:
        return str(int(value))
    if kind.code == gdb.TYPE_CODE_PTR:
        return reference(value, kind)
    if kind.code == gdb.TYPE_CODE_ARRAY:
        low, high = kind.range()
        return sequence("Array", value, high - low + 1, kind.target(), depth)
    if kind.code == gdb.TYPE_CODE_STRUCT:
        return record(value, kind, depth)
    return str(value.format_string(raw=True))


def name_of(kind: gdb.Type) -> str:
    return str(kind.tag or kind.name or "")


def member(value: gdb.Value, kind: gdb.Type) -> str:
    for each in kind.fields():
        if each.enumval == int(value):
            return f"{name_of(kind)}.{each.name}"
    return f"<no {name_of(kind)}: {int(value)}>"


def reference(value: gdb.Value, kind: gdb.Type) -> str:
    return f"<{kind.target()} at {int(value):#x}>".replace("struct ", "") if int(value) else "None"


def sequence(name: str, first: gdb.Value, length: int, item: gdb.Type, depth: int) -> str:
    """`first`: an array, or a pointer to its first element."""
    if item.sizeof == 1 and item.code == gdb.TYPE_CODE_INT:
        text = repr(bytes(int(first[place]) & 0xFF for place in range(min(length, MOST_BYTES))))
        return f"{name}({text}{f' … {length} in all' if length > MOST_BYTES else ''})" if name else text
    items = [shown(first[place], depth + 1) for place in range(min(length, MOST_ITEMS))]
    if length > MOST_ITEMS:
        items.append(f"… {length} in all")
    return f"{name}([{', '.join(items)}])"


def record(value: gdb.Value, kind: gdb.Type, depth: int) -> str:
    name, fields = name_of(kind), [each.name for each in kind.fields()]
    if fields == ["pointer", "length"]:
        return view(name, value, depth)
    if fields[:1] == ["arm"] and name_of(kind.fields()[0].type).startswith("arms of "):
        return arm(value, kind, depth)
    if depth >= MOST_DEPTH:
        return f"{name}(…)"
    if name.startswith("tuple["):
        items = [shown(value[each], depth + 1) for each in fields]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    return f"{name}({', '.join(f'{each}={shown(value[each], depth + 1)}' for each in fields)})"


def view(name: str, value: gdb.Value, depth: int) -> str:
    """A span, bytes, or a text."""
    first, length = value["pointer"], int(value["length"])
    if name not in ("str", "bytes"):
        return sequence("Span", first, length, first.type.target(), depth)
    data = bytes(int(first[place]) & 0xFF for place in range(min(length, MOST_BYTES * 4)))
    more = "…" if length > len(data) else ""
    return (repr(data.decode("utf-8", "replace")) if name == "str" else repr(data)) + more


def arm(value: gdb.Value, kind: gdb.Type, depth: int) -> str:
    """A union, as the arm that is in force."""
    fields = kind.fields()
    names = {each.enumval: each.name for each in fields[0].type.fields()}
    number = int(value[fields[0]])
    if number not in names:
        return f"<no arm of {name_of(kind)}: {number}>"
    name = names[number]
    inner = [each for each in fields[1:] if each.name == name or each.name.startswith(name + ".")]
    if not inner:
        return name if name == "None" else f"{name}()"
    if inner[0].name == name:
        return shown(value[inner[0]], depth)
    parts = ", ".join(f"{each.name[len(name) + 1 :]}={shown(value[each], depth + 1)}" for each in inner)
    return f"{name}({parts})"


class Printer:
    def __init__(self, value: gdb.Value) -> None:
        self.value = value

    def to_string(self) -> str:
        try:
            return shown(self.value)
        except gdb.MemoryError as error:
            return f"<not to be read: {error}>"


def printer_of(value: gdb.Value) -> Printer | None:
    kinds = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_BOOL)
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_PTR and kind.target().strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        return Printer(value)
    return Printer(value) if kind.code in kinds else None


# --- one process ------------------------------------------------------------------------------------------------------


class Process:
    """`table`: the number of its page table, None as long as all processes are meant."""

    name = ""
    table: int | None = None

    @classmethod
    def clause(cls) -> str:
        return f"(((unsigned long)$satp & {TABLE:#x}) == {cls.table:#x})"

    @classmethod
    def runs(cls) -> bool:
        return int(gdb.parse_and_eval("(unsigned long)$satp")) & TABLE == cls.table


def bind(breakpoint: gdb.Breakpoint) -> None:
    """Let it stop our process only."""
    if Process.table is None or not breakpoint.is_valid() or not breakpoint.visible or in_kernel(breakpoint):
        return
    condition, clause = breakpoint.condition, Process.clause()
    if condition is None:
        breakpoint.condition = clause
    elif clause not in condition:
        breakpoint.condition = f"{clause} && ({condition})"


def in_kernel(breakpoint: gdb.Breakpoint) -> bool:
    """Is it in the kernel, or nowhere yet?"""
    if breakpoint.location is None:  # a watchpoint: of what is looked at just now
        return False
    try:
        _, places = gdb.decode_line(breakpoint.location)
    except gdb.error:
        return False
    return bool(places) and all(place.pc >= USER_END for place in places)


def tell(event: gdb.Event) -> None:
    """Whose memory is looked at?"""
    if Process.table is None:
        return
    where = int(gdb.parse_and_eval("(unsigned long)$pc"))
    if where >= USER_END:
        said = "" if Process.runs() else ", with another process's memory"
        print(f"this is the kernel{said}")
    elif not Process.runs():
        print(f"this is another process: symbols and breakpoints are {Process.name}'s")


class Enter(gdb.Command):  # type: ignore[misc]
    """nk-process NAME TABLE PC...: stop only in the process with this page table, and first where it goes on."""

    def __init__(self) -> None:
        super().__init__("nk-process", gdb.COMMAND_RUNNING)

    def invoke(self, argument: str, from_tty: bool) -> None:
        name, table, *counters = gdb.string_to_argv(argument)
        Process.name, Process.table = name, int(table, 0)
        if Process.runs() and int(gdb.parse_and_eval("(unsigned long)$pc")) < USER_END:
            gdb.execute("frame")
            return
        print(f"waiting until {name} goes on; ctrl-C stops the machine wherever it is")
        there = [gdb.Breakpoint(f"*{place}", temporary=True) for place in counters]
        gdb.execute("continue")
        for each in there:
            if each.is_valid():
                each.delete()


gdb.pretty_printers.insert(0, printer_of)
gdb.events.breakpoint_created.connect(bind)
gdb.events.breakpoint_modified.connect(bind)
gdb.events.stop.connect(tell)
Enter()
