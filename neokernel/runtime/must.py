"""What can't fail, or leaves nothing else to do: `must(...)` for what is done, `must_get(...)` for what is got.

    endpoint = must_get(process.make(Kind.ENDPOINT))
    must(system.signal(notification))

A failure is written to the console, with its status and argument, and then the check fails, as after any `assert`: the
traceback says where. For what may well fail, test for `Failure`.
"""

from typing import TypeVar

from neokernel.lang import cold
from neokernel.runtime.process import Console
from neokernel.runtime.system import Failure

T = TypeVar("T")


def must(failure: Failure | None) -> None:
    """If it wasn't done, end the program."""
    if failure is not None:
        tell(failure)
    assert failure is None, "what must be done has failed: how is the console's last line"


def must_get(result: T | Failure) -> T:
    """What was got; if nothing was, end the program."""
    if isinstance(result, Failure):
        tell(result)
    assert not isinstance(result, Failure), "what must be got has failed: how is the console's last line"
    return result


@cold
def tell(failure: Failure) -> None:
    console = Console()
    console.write(f"{failure.status.name} of argument {failure.argument}\n")
