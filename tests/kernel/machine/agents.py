"""Agents: further threads that do what a case tells them, one command at a time.

An agent that is more urgent than the case runs as soon as it is told, until it waits for something: so what happens
when is certain. `told` commands, `ended` says whether the command is done, and then the registers hold what came back.
"""

from enum import Enum

from probe import add_floats, exchange_vector, probe
from tap import Tap

from neokernel.abi.buffer import Buffer
from neokernel.abi.call import Call, message
from neokernel.abi.kinds import Kind
from neokernel.abi.status import Status
from neokernel.lang import address_of, asm, object_at, struct, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure, Message
from neokernel.runtime.thread import PLACE_SIZE, PLACES, make_thread, start_thread

unsafe("agents touch addresses that cases choose, and are found by their own")

#: priorities: of agents less urgent than the cases, of the cases, of more urgent agents, the highest one's
LOW = 80
MIDDLE = 100
HIGH = 120
HIGHER = 130


class Command(Enum):
    #: the system call in the registers
    ENTER = 0
    #: load a word from the address in w0
    LOAD = 1
    #: store w1 at the address in w0
    STORE = 2
    #: run the instructions at the address in w0, with a return address
    JUMP = 3
    ILLEGAL = 4
    BREAK = 5
    #: floating point: w0 and w1 as numbers are added; the sum's bits
    FLOAT = 6
    #: fill v8 with w1 words w0: what its first word and their number were before
    VECTOR = 12
    #: run until the word at the address in w0 isn't 0, counting rounds
    SPIN = 7
    #: serve calls at `capability` with `reply`, adding 1 to the first word, until a message with label 0 comes
    SERVE = 8
    #: the system call with the number in w0
    UNKNOWN_CALL = 9
    #: send at `badge` again as often as that is cancelled: the status that it ends with
    INSIST = 13
    #: fill the registers of `probe.py` from w0, make the system call, keep what is in them afterwards
    PROBE = 10
    END = 11


@struct
class Agent:
    thread: u64 = 0
    context: u64 = 0
    #: which of the further threads it is: its buffer's place
    place: u64 = 0
    #: the frame of its buffer
    frame: u64 = 0
    #: a Reply for its receives
    own: u64 = 0
    go: u64 = 0
    done: u64 = 0
    command: Command = Command.ENTER
    call: Call = Call.CALL
    #: commands carried out
    rounds: u64 = 0
    #: registers a0 to a6; afterwards what came back, and commands' results in w0
    badge: u64 = 0
    word: u64 = 0
    w0: u64 = 0
    w1: u64 = 0
    w2: u64 = 0
    w3: u64 = 0
    reply: u64 = 0

    def make(self, t: Tap, process: Process, priority: u64) -> None:
        """Start the agent; it waits for its first command."""
        self.place = process.stacks.load()
        self.own = t.need(process.make(Kind.REPLY))
        self.go = t.need(process.make(Kind.NOTIFICATION))
        self.done = t.need(process.make(Kind.NOTIFICATION))
        made = make_thread(process, address_of(self), priority)
        if isinstance(made, Failure):
            t.bail(made)
            return
        self.thread = made.thread
        self.frame = made.buffer
        self.context = t.need(process.context(priority, process.frequency, process.frequency))
        t.done(start_thread(process, self.thread, self.context))
        system.yield_()

    def buffer(self) -> Buffer:
        return object_at(Buffer, PLACES + self.place * PLACE_SIZE)

    def tell(self, call: Call, capability: u64, word: u64, w0: u64 = 0, w1: u64 = 0, reply: u64 = 0) -> None:
        """Let the agent make a system call."""
        self.call = call
        self.badge, self.word, self.w0, self.w1, self.w2, self.w3, self.reply = capability, word, w0, w1, 0, 0, reply
        self.order(Command.ENTER)

    def touch(self, command: Command, w0: u64 = 0, w1: u64 = 0) -> None:
        self.w0 = w0
        self.w1 = w1
        self.order(command)

    def serve(self, endpoint: u64) -> None:
        self.badge = endpoint
        self.reply = self.own
        self.order(Command.SERVE)

    def order(self, command: Command) -> None:
        self.command = command
        _ = system.poll(self.done)
        _ = system.signal(self.go)

    def ended(self) -> bool:
        """Has the command been carried out? Asked once for each."""
        return not isinstance(system.poll(self.done), Failure)

    def finish(self) -> None:
        """Wait until the command has been carried out."""
        _ = system.wait(self.done)

    def message(self) -> Message:
        return Message(self.badge, self.word, self.w0, self.w1, self.w2, self.w3)

    def failure(self) -> Failure | None:
        return system.failure_of(system.checked(self.message()))


def agent_at(address: u64) -> Agent:
    return object_at(Agent, address)


def work(agent: Agent) -> None:
    """What an agent's thread does."""
    while True:
        if isinstance(system.wait(agent.go), Failure):
            continue
        match agent.command:
            case Command.ENTER:
                made = system.enter_with(
                    agent.reply, agent.call, agent.badge, agent.word, agent.w0, agent.w1, agent.w2, agent.w3
                )
                agent.badge, agent.word = made.badge, made.word
                agent.w0, agent.w1, agent.w2, agent.w3 = made.w0, made.w1, made.w2, made.w3
            case Command.LOAD:
                # Four bytes, so that who skips the instruction knows where the next one is.
                agent.w0 = asm(
                    ".option push; .option norvc; ld {result}, 0({0}); .option pop",
                    agent.w0,
                    result=u64,
                    clobbers="memory",
                )
            case Command.STORE:
                asm(".option push; .option norvc; sd {1}, 0({0}); .option pop", agent.w0, agent.w1, clobbers="memory")
            case Command.JUMP:
                asm("jalr ra, 0({0})", agent.w0, clobbers="ra memory")
            case Command.ILLEGAL:
                asm(".word 0xffffffff")
            case Command.BREAK:
                asm(".word 0x00100073")
            case Command.FLOAT:
                agent.w0 = add_floats(agent.w0, agent.w1)
            case Command.VECTOR:
                agent.w0, agent.w1 = exchange_vector(agent.w0, agent.w1)
            case Command.SPIN:
                spin(agent)
            case Command.SERVE:
                serve(agent.badge, agent.reply)
            case Command.INSIST:
                agent.w0 = insist(agent.badge)
            case Command.UNKNOWN_CALL:
                asm("ecall", agent.w0, inputs="a7", clobbers="a0 a1 a2 a3 a4 a5 a6 a7 ra t0 t1 t2 t3 t4 t5 t6 memory")
            case Command.PROBE:
                probe(agent.w0)
            case Command.END:
                return
        agent.rounds += 1
        _ = system.signal(agent.done)


def spin(agent: Agent) -> None:
    while asm("ld {result}, 0({0})", agent.w0, result=u64, clobbers="memory") == 0:
        agent.w1 += 1


def insist(endpoint: u64) -> u64:
    failure = system.send(endpoint, message(1))
    while failure is not None and failure.status is Status.CANCELLED:
        failure = system.send(endpoint, message(1))
    return 0 if failure is None else u64(failure.status.value)


def serve(endpoint: u64, reply: u64) -> None:
    found = system.receive(endpoint, reply)
    while not isinstance(found, Failure):
        if found.label() == 0:
            _ = system.reply(reply, 0)
            return
        found = system.reply_receive(endpoint, reply, found.label(), found.w0 + 1, found.badge)
