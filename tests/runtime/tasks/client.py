"""A client: one request, and what came of it."""

from words import DONE, EXPIRED, KINDS, REPORT, STOP, STOP_ANOTHER, WORK

from neokernel.abi.call import message
from neokernel.abi.status import Status
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.interface import REFUSED
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process


def main(process: Process) -> None:
    endpoint, notification, number = process.arguments[0], process.arguments[1], process.arguments[2]
    must(system.signal(notification))
    label: u64 = STOP_ANOTHER if number % KINDS == 3 else WORK
    answer = must_get(system.call(endpoint, message(label, 1), number))
    outcome: u64 = 0
    match number % KINDS:
        case 1:
            outcome = EXPIRED if answer.label() == EXPIRED else 0
        case 2:
            refused = answer.label() & REFUSED != 0
            outcome = STOP if refused and answer.label() & 0xFF == u64(Status.CANCELLED.value) else 0
        case _:
            outcome = DONE if answer.label() == DONE and answer.w0 == number * number else 0
    must_get(system.call(endpoint, message(REPORT, 1), outcome))
    process.exit(0)
