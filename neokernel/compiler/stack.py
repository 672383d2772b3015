"""Pass 4, stack: the objects in the frames of the deepest chain of calls fit on the stack.

There is no recursion, so the deepest chain is known. Counted are the objects that the source makes, by their sizes;
what the machine code keeps in frames beside them is small, and is not known here: a program that passes may still run
off its stack by that much, which the guard below the stack catches.
"""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.diagnostics import Diagnostic, Diagnostics
from neokernel.compiler.layout import Layout
from neokernel.compiler.lives import statements
from neokernel.compiler.types import RefType

#: bytes of stack, as the link scripts in `boards` lay them out: of a program for the bare machine, of each thread of a
#: user program, of the kernel
BOARD = 32 << 20
PROCESS = 64 << 10
KERNEL = 16 << 10


def check(functions: list[ir.Function], limit: int, diagnostics: Diagnostics) -> None:
    """Report the chains of calls that need more than `limit`. `functions`: callees before callers, no recursion."""
    layout = Layout()
    depths: dict[ir.Function, int] = {}
    chains: dict[ir.Function, tuple[ir.Function, ...]] = {}
    for function in functions:
        called = [s.function for s in statements(function.body) if isinstance(s, ir.Call) and s.function in depths]
        deepest = max(called, key=depths.__getitem__, default=None)
        below = depths[deepest] if deepest is not None else 0
        own = sum(size for size, _ in _objects(function, layout))
        chains[function] = (function, *(chains[deepest] if deepest is not None else ()))
        depths[function] = own + below
        if depths[function] > limit >= below:
            _report(chains[function], depths[function], limit, layout, diagnostics)


def _objects(function: ir.Function, layout: Layout) -> list[tuple[int, ir.New]]:
    """The objects in a function's frame, with their sizes."""
    made = [s for s in statements(function.body) if isinstance(s, ir.New)]
    return [(layout.size(s.result.type.target), s) for s in made if s.result and isinstance(s.result.type, RefType)]


def _report(chain: tuple[ir.Function, ...], total: int, limit: int, layout: Layout, diagnostics: Diagnostics) -> None:
    """At the largest object of the chain; the notes say what each function of it adds."""
    frames = [(function, _objects(function, layout)) for function in chain]
    _, largest = max((item for _, objects in frames for item in objects), key=lambda item: item[0])
    notes = []
    for function, objects in frames:
        if objects:
            size = sum(size for size, _ in objects)
            notes.append((function.span, f"`{function.name}` keeps {size:_} bytes of objects in its frame"))
    names = " → ".join(function.name for function in chain)
    message = f"objects of {total:_} bytes are on the stack at once, which has {limit:_}"
    path = [(None, f"the path: {names}")] if len(chain) > 1 else []
    help = "make arrays smaller" + (", or make them in functions that are called one after the other" if path else "")
    diagnostics.add(Diagnostic("NK0413", message, largest.span, help, (*path, *notes)))
