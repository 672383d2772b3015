"""What the shell knows to do, in a line each, and more of each.

Invariants: `about`, `takes` and NAMES know each command of COMMANDS (a test holds them to each other). No line is as
wide as a terminal of 80 columns.
"""

from neokernel.lang import cold, usize
from neokernel.services.shell.words import SPACE, is_near

COMMANDS = """\
ps                   services: what they do, how often started, time, memory
top                  each one's share of the processor, until a key is pressed
caps [SERVICE]       what each service was granted, or one of them
log [N]              the latest N records, or 20
log -f               records as they come, until a key is pressed
level LEVEL          keep records from it on: debug, info, warning, error
trace on, trace off  record what the kernel does, or no longer
trace [N]            what it did: counted by service, or the latest N events
free                 memory and slots that init has left
uptime               since the machine started
kill SERVICE         end it as if it had crashed; its restart policy goes on
stop, start SERVICE  end it for good; start it again
swap SERVICE PROGRAM replace it by another version, while it is called
poweroff, reboot     end all services; switch the machine off, or start it anew
help [COMMAND]       this list, or more about one of them
"""


#: each command, and a space
NAMES = b"ps top caps log level trace free uptime kill stop start swap poweroff reboot help "


def takes(command: bytes) -> usize | None:
    """How many words a command takes at most; None if there is none such."""
    match command:
        case b"ps" | b"top" | b"free" | b"uptime" | b"poweroff" | b"reboot":
            return 0
        case b"caps" | b"log" | b"level" | b"trace" | b"kill" | b"stop" | b"start" | b"help":
            return 1
        case b"swap":
            return 2
        case _:
            return None


@cold
def meant(word: bytes) -> bytes:
    """The command that `word` may be meant to be; empty if it is like none."""
    begin: usize = 0
    for place, byte in enumerate(NAMES):
        if byte == SPACE:
            if is_near(word, NAMES[begin:place]):
                return NAMES[begin:place]
            begin = place + 1
    return NAMES[:0]


@cold
def about(command: bytes) -> str | None:
    """More about a command; None if there is none such."""
    match command:
        case b"ps":
            return """\
ps: every service, in the order in which they start. It is down (ended, and not
started again by itself), waits (to be started again), runs, was given up (it
failed too often), or is ending (a device may still reach its memory).
"""
        case b"top":
            return """\
top: how much of the processor each service has used of the last second.
Any key ends it.
"""
        case b"caps":
            return """\
caps, caps SERVICE: each capability by the name that the service's program has
for it, and what it is; of what it provides, who calls it. What is lent for a
time is there, too, with its slot. Nothing else can be reached.
"""
        case b"log":
            return """\
log, log N: the latest records that services have written, 20 or N, with time,
level and service.
log -f: all of them, and those that come, until a key is pressed.
"""
        case b"level":
            return """\
level LEVEL: records below that level aren't kept from now on. LEVEL is debug,
info, warning or error.
"""
        case b"trace":
            return """\
trace on: the kernel records calls, messages, switches, interrupts, faults and
more into a ring, the oldest overwritten first.
trace off: no longer; what is there stays. While events are shown, none are
recorded.
trace: how many events of each service are there, and how long since the last.
trace N: the latest N events one by one, at most 100: who, what, with whom.
On the host, `nk trace` runs the same system file with a larger ring, and makes
a picture of the whole run.
"""
        case b"free":
            return """\
free: what init has left to make services of: memory, and slots of its table;
and how many services run.
"""
        case b"uptime":
            return """\
uptime: seconds since the machine started.
"""
        case b"kill":
            return """\
kill SERVICE: its process ends at once, as if it had crashed. Whether it starts
again, its restart policy says; who called it and wasn't answered is told
PEER_DIED, who waits is served by its next life.
"""
        case b"stop" | b"start":
            return """\
stop SERVICE: it ends, and isn't started again; calls of it fail.
start SERVICE: a service that is down, or was given up, starts; those that use
it reach it again.
"""
        case b"swap":
            return """\
swap SERVICE PROGRAM: another version takes over, with the state: PROGRAM is
one of the image's, by its name there, and declares what the old one does.
Calls that come meanwhile wait. If it isn't ready in time, the old one goes on.
"""
        case b"poweroff" | b"reboot":
            return """\
poweroff: every service ends, who uses another one before that one, and the
machine is switched off, with status 0.
reboot: the same, and then the machine starts again.
"""
        case b"help":
            return """\
help, help COMMAND: what there is, or more about one command.
Arrows fetch lines that were entered before; Ctrl with A, E, K, U, W edit as in
other shells, with L clear the screen, and U gives the whole line up.
Ctrl-C is not for lines: under `nk run` it ends the whole machine at once.
Only where a terminal passes it on, as a serial line does, it gives a line up.
"""
        case _:
            return None
