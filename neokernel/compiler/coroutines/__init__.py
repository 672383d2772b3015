"""`async def`: from coroutines in the typed IR to frames, and functions that resume and cancel them.

`lower/` lowers the body of an `async def` as if it were an ordinary function's; an `await` becomes an `ir.Await`, which
is a call to all analyses (`lower/coroutines.py`, `lower/frames.py`). So types are found, and rules are checked, as
everywhere. When all that is done, `split.py` takes each coroutine apart where it can pause; `live.py` finds what has to
be kept. What comes after sees ordinary functions and structs.
"""
