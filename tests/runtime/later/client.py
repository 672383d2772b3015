"""Calls the server once; how much later it is answered says its argument."""

from alarm import Alarm, Refusal

from neokernel.lang import Uses, u64, uses
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

TEXTS: tuple[str, ...] = ("one", "three", "a text of thirty-one characters")


def main(process: Process) -> None:
    alarm: Uses[Alarm] = uses(process.arguments[0])
    number: u64 = process.arguments[1]
    text = TEXTS[number % 3]
    spelled = alarm.spell((9 - number) * 20_000, text)
    assert not isinstance(spelled, Failure) and u64(spelled) == len(text.encode()) + 1000
    slept = alarm.sleep(number * 20_000)
    assert not isinstance(slept, Failure)
    shown = "too long" if isinstance(slept, Refusal) else "woken"
    process.console.write(f"{number}: {shown}\n")
    process.exit(0)
