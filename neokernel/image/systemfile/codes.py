"""Every code that a system file, a manifest or a board's file can give, explained.

20 the files themselves · 21 who may do what · 22 quotas and restarts · 23 processor time.

Invariant: a code keeps its meaning; one that is no longer given isn't used again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SystemCode:
    """What `nk explain` shows for a code; `wrong` and `right` are parts of a system file."""

    title: str
    explanation: str
    wrong: str = ""
    right: str = ""


CODES: dict[str, SystemCode] = {
    "NK2001": SystemCode(
        "the file can't be read",
        "A system file, a board's file or a manifest isn't there, may not be read, isn't UTF-8, or is too long to be "
        "one.",
    ),
    "NK2002": SystemCode(
        "not valid TOML",
        "System files are TOML (https://toml.io): tables in brackets, one `key = value` to a line, text in quotes. "
        "Sizes and times are text, since TOML knows no units.",
        "[service.log]\nmemory = 256 KiB\n",
        '[service.log]\nmemory = "256 KiB"\n',
    ),
    "NK2003": SystemCode(
        "unknown key",
        "Each table has the keys that docs/reference/system-file.md lists, and no others: a key that meant nothing "
        "could be one that somebody counts on.",
        '[service.log]\nprogram = "neokernel.services.log"\nmemroy = "256 KiB"\n',
        '[service.log]\nprogram = "neokernel.services.log"\nmemory = "256 KiB"\n',
    ),
    "NK2004": SystemCode(
        "a key is missing, or its value is of another type",
        "docs/reference/system-file.md says of each key what stands there and whether it can be left out. Nothing is "
        'converted: `"5"` is text, and `5` is a number.',
        '[service.log]\ncpu.priority = "20"\n',
        '[service.log]\nprogram = "neokernel.services.log"\ncpu.priority = 20\n',
    ),
    "NK2005": SystemCode(
        "not a size or a time",
        'A size or a time is text with a number and its unit: "256 KiB", "1.5 ms". Sizes: B, KiB, MiB, GiB, each 1,024 '
        "of the one before; times: ns, us, ms, s, min, h. There is no KB, because it has two meanings. The kernel's "
        "clock counts microseconds in a system file: what is shorter can't be kept.",
        '[service.log]\nmemory = 262144\ncpu.period = "5"\n',
        '[service.log]\nmemory = "256 KiB"\ncpu.period = "5 ms"\n',
    ),
    "NK2006": SystemCode(
        "out of range",
        "The value is less or more than can be, or not one of the few words that can stand here; the message says "
        "which can. Memory is given in pages of 4 KiB. Priority 255 is init's, which must go on whatever services do.",
        "[service.log]\ncpu.priority = 255\n",
        "[service.log]\ncpu.priority = 254\n",
    ),
    "NK2007": SystemCode(
        "not a name",
        "Services, systems and devices are called by small letters, digits and `-`: they are names of files, arguments "
        "of commands, parts of `uses`. `kernel` and `init` are taken, so are the names of the board's devices. What "
        "a program declares has a name as Python's variables have.",
        "[service.Log_Service]\n",
        "[service.log-service]\n",
    ),
    "NK2009": SystemCode(
        "no such board",
        "`board` names a file in Neokernel's folder `boards`, without its `.toml`; or it is the path of a file of your "
        "own, relative to the system file. A board's file lists the machine's memory and devices.",
        '[system]\nboard = "qemu"\n',
        '[system]\nboard = "qemu-virt"\n',
    ),
    "NK2010": SystemCode(
        "no such program",
        "`program` is a module of Neokernel's, such as neokernel.services.log, or a path relative to the system file: "
        "a folder with a main.py, or a module's file. A path has a `/` in it or begins with a `.`, so that it can't be "
        "taken for a module.",
        '[service.hello]\nprogram = "hello"\n',
        '[service.hello]\nprogram = "./hello"\n',
    ),
    "NK2011": SystemCode(
        "not a service's program",
        "What a system file starts are programs above the kernel: their `main` takes a `Process`. A program for the "
        "bare machine can't be one, nor a module without `main`, nor a file that isn't Python: `nk check FILE` says "
        "what is wrong with that.",
    ),
    "NK2012": SystemCode(
        "a model that can't be a program",
        "`program` can name a model: one in ONNX, which is compiled when the system file is read, or a bundle that `nk "
        "model import` has made. What the model's compiler refuses is refused here, with the node and the operator "
        "(docs/reference/operators.md); and what the gateway has no room for: it has a fixed amount of memory for each "
        "request. In ONNX, a dimension that has only a name gets a number by `dimensions`.",
        '[service.digits]\nprogram = "./digits.onnx"\n',
        '[service.digits]\nprogram = "./digits.onnx"\ndimensions = { batch = 1 }\n',
    ),
    "NK2101": SystemCode(
        "a declaration without a grant",
        "The program declares that it uses something, and the system file doesn't say what that is here. Nothing is "
        "granted by guessing, even if only one thing would fit: the file is the list of all authority in the system. "
        "The message shows the line to write. A program that can do without it says `uses(optional=True)`.",
        '# the program: log: Uses[Log] = uses()\n[service.shell]\nprogram = "../shell"\n',
        '[service.shell]\nprogram = "../shell"\nuses.log = "log.log"\n',
    ),
    "NK2102": SystemCode(
        "a grant without a declaration",
        "The system file grants what the program doesn't declare, so it couldn't use it: a misspelled name, something "
        "that it needed once, or a declaration that is still to be written. Authority that nobody uses isn't given.",
    ),
    "NK2103": SystemCode(
        "no such service",
        '`uses` names services of this file as "SERVICE.NAME", or what every system has: "kernel.console", '
        '"kernel.power", "kernel.processor", "kernel.trace", "init.system", "init.watch", "init.shutdown".',
        '[service.shell]\nuses.log = "logger.log"\n',
        '[service.shell]\nuses.log = "log.log"\n',
    ),
    "NK2104": SystemCode(
        "the service provides no such thing",
        'In "SERVICE.NAME", NAME is a variable that the other program declares as `Provides`. "SERVICE" alone stands '
        "for the only thing of the right interface that it provides.",
    ),
    "NK2105": SystemCode(
        "more than one thing is meant",
        "The service provides the interface more than once, or the device has several interrupts. Which one is meant "
        "decides what can be done with it, so it must be said.",
        '[service.shell]\nuses.console = "uart"\n',
        '[service.shell]\nuses.console = "uart.second"\n',
    ),
    "NK2106": SystemCode(
        "another interface",
        "Client and server must have been written for the same interface: the same class, with the same methods, "
        "arguments and results. Two interfaces of one name, or two versions of one, are different ones.",
    ),
    "NK2107": SystemCode(
        "another kind of thing",
        "What is granted isn't what the program declares: `Uses[Device]` stands under `devices`, `Uses[Interrupt]` "
        "under `interrupts`, `Uses[Dma]` under `dma`, `Uses[Memory]` under `pools`, all else under `uses`.",
        '# the program: line: Uses[Interrupt] = uses()\n[service.uart]\ndevices.line = "uart0"\n',
        '[service.uart]\ninterrupts.line = "uart0"\n',
    ),
    "NK2108": SystemCode(
        "no such device, or no such interrupt",
        "Devices and their interrupts are those of the board's file.",
        '[service.uart]\ndevices.registers = "uart"\n',
        '[service.uart]\ndevices.registers = "uart0"\n',
    ),
    "NK2109": SystemCode(
        "hardware with two owners",
        "Two services can't have one device's registers, or one interrupt: each would undo what the other does. A "
        "driver owns the device, and others call it. Memory is protected by pages of 4 KiB, so two devices on one page "
        "go to one service.",
    ),
    "NK2110": SystemCode(
        "trust that isn't said, or isn't needed",
        "A device that masters the bus reads and writes whatever memory its driver tells it to. Without an IOMMU on "
        "the board nothing stands between, so who is granted such a device, or a space for DMA, can take over the "
        "system. So can who holds `init.system`: it ends and replaces services, and by delegation has whatever any of "
        "them was granted. Such a service belongs to what must be trusted. `trusted = true` says so where everybody "
        "sees it; on a service that can't, it would be a false alarm. To see what runs, `init.watch` is enough.",
        '[service.disk]\ndevices.registers = "virtio0"\n',
        '[service.disk]\ndevices.registers = "virtio0"\ntrusted = true\n',
    ),
    "NK2111": SystemCode(
        "calls in a circle",
        "A caller waits for its answer. If services call each other in a circle, there is a moment at which each waits "
        "for the next, and none of them ever goes on. Whoever is lower tells whoever is higher by a notification or "
        "through a ring, which nobody waits for.",
    ),
    "NK2112": SystemCode(
        "no such setting",
        "`config` gives values to the settings that the program declares: `level: Setting[u8] = setting(3)`.",
    ),
    "NK2113": SystemCode(
        "a setting's value doesn't fit",
        "A setting has the type that the program declares: a number within its width, `true` or `false`, text, or the "
        "name of an enum's member. The texts of one service's settings have 2,048 bytes together.",
        "# the program: level: Setting[u8] = setting(3)\n[service.log]\nconfig.level = 300\n",
        "[service.log]\nconfig.level = 4\n",
    ),
    "NK2114": SystemCode(
        "two regions lent to one service",
        "A client lends a server one region at most, `uses(lend=…)`: both have it mapped at one place. Two "
        "declarations with `lend` can't be granted by the same service.",
    ),
    "NK2115": SystemCode(
        "a name that is declared twice",
        "A program's declarations are known by their names in system files: each name is declared once.",
    ),
    "NK2116": SystemCode(
        "a device in a slot",
        "`[slot.NAME]` says what stands in a slot of the board when `nk run` starts the machine. NAME is a device of "
        "the board's file that has a `slot`. A disk has a file on the host, or a size, or both; ports have names, "
        "and sockets on the host; a network is one that QEMU has, or a tunnel. "
        "Who may use the device is another matter: its driver is granted it, by `devices`.",
        '[slot.virtio0]\ndevice = "disk"\n',
        '[slot.virtio0]\ndevice = "disk"\nfile = "disk.img"\nsize = "16 MiB"\n',
    ),
    "NK2117": SystemCode(
        "a service that nobody hears",
        "A warning. `process.console` is the console of the kernel. What a service writes there is shown only if its "
        "program declares `console: Uses[Console] = uses()`, with `Console` of `neokernel.runtime.objects`, and the "
        "system file grants it; otherwise it is lost without an error, so that a program can be tried either way.",
        '[service.tally]\nprogram = "./tally.py"  # writes to process.console\n',
        '[service.tally]\nprogram = "./tally.py"\nuses.console = "kernel.console"\n',
    ),
    "NK2118": SystemCode(
        "an empty slot",
        "A warning. A service is granted a slot of the board in which no `[slot.NAME]` puts a device: under `nk run` "
        "its driver finds none there, and ends.",
        '[service.disk]\ndevices.device = "virtio0"\n',
        '[slot.virtio0]\ndevice = "disk"\nsize = "16 MiB"\n\n[service.disk]\ndevices.device = "virtio0"\n',
    ),
    "NK2119": SystemCode(
        "nothing that could be done on a network",
        "`[service.NAME.network]` lists the ports at which others may reach the service, and the addresses and ports "
        "that it may reach: all that it can do on the network. A line that means nothing, that no program asks for, or "
        "that is one too many, is an error.",
        '[service.web.network]\nlisten = ["8080"]\nconnect = ["tcp/db.local:5432"]\n',
        '[service.web.network]\nlisten = ["tcp/8080"]\nconnect = ["tcp/10.0.2.2:5432"]\n',
    ),
    "NK2120": SystemCode(
        "what a service provides only with a setting",
        "A service can provide something for which it has to be told more: the inference gateway serves a model only "
        "under a name. Its manifest says which setting that is (`requires`). Somebody uses it here, and the setting "
        "has no value, so whoever asks would be refused when the system runs.",
        '[service.gateway]\nconfig.name0 = "digits"\n\n[service.other]\nuses.gateway = "gateway.model1"\n',
        '[service.gateway]\nconfig = { name0 = "digits", name1 = "other" }\n\n'
        '[service.other]\nuses.gateway = "gateway.model1"\n',
    ),
    "NK2121": SystemCode(
        "a port that leads to nobody",
        "A warning. `forward` of a network leads from a port of the host to one of the machine, where no service may "
        "listen: who connects there is refused, or waits in vain.",
        '[slot.virtio0]\ndevice = "network"\nforward = { "tcp/8080" = 80 }\n\n'
        '[service.web.network]\nlisten = ["tcp/8080"]\n',
        '[slot.virtio0]\ndevice = "network"\nforward = { "tcp/8080" = 8080 }\n\n'
        '[service.web.network]\nlisten = ["tcp/8080"]\n',
    ),
    "NK2201": SystemCode(
        "more memory than there is",
        "What services have (`memory`, `preserve`, `pools`, what they lend) and what is reserved is more than the "
        "board's memory. Memory is given out once, at boot, and never overcommitted: who was promised memory has it.",
    ),
    "NK2202": SystemCode(
        "too few slots for capabilities",
        "A service's table holds what it is granted, its own thread, space and table, and what it makes. This one is "
        "full before its program begins.",
    ),
    "NK2203": SystemCode(
        "too little memory to begin with",
        "A service's memory holds all that it is made of: its table of capabilities (64 bytes a slot), its stack, page "
        "tables, also for what it preserves and shares, its program's data, and what it makes. With less than this, "
        "init can't make it: not with an empty program, or, once it is built, not with the one that it has.",
    ),
    "NK2204": SystemCode(
        "too many",
        "A system has at most 192 services, a program declares at most 64 capabilities and 64 settings: init and the "
        "description that it reads have fixed sizes. Init's table of capabilities has 4,096 slots, of which each "
        "service takes some, and each declaration one.",
    ),
    "NK2205": SystemCode(
        "restarts that contradict themselves",
        "`policy` is never, and something else says how it is done; or the first wait is longer than the longest.",
        '[service.log.restart]\npolicy = "never"\nlimit = 3\n',
        '[service.log.restart]\npolicy = "on-failure"\nlimit = 3\n',
    ),
    "NK2206": SystemCode(
        "an escalation that never comes",
        "A warning. The waits before each restart grow, and together they are longer than the window: the limit is "
        "never exceeded, and the service is restarted for ever. Or its dependants are to be restarted: it has none.",
        '[service.log.restart]\nbackoff = "1 s"\nlongest_backoff = "10 s"\nlimit = 5\nwindow = "10 s"\n',
        '[service.log.restart]\nbackoff = "1 s"\nlongest_backoff = "10 s"\nlimit = 5\nwindow = "1 min"\n',
    ),
    "NK2207": SystemCode(
        "no services",
        "A system is what runs on a machine. Without a service nothing does.",
    ),
    "NK2208": SystemCode(
        "restarts without end",
        "A service that keeps ending is started again after growing waits, `limit` times in `window`; then it is given "
        "up, unless the window is over before. init starts it, more urgently than all services and within no budget, "
        "so there must be a millisecond between restarts on average. What is usual is far above that.",
        '[service.log]\nrestart = { backoff = "0 ms", window = "1 us" }\n',
        '[service.log]\nrestart = { backoff = "1 ms", window = "10 s" }\n',
    ),
    "NK2209": SystemCode(
        "state that nobody keeps",
        "A warning. A program asks for the memory that outlives it, and its service preserves none: the program gets "
        "no bytes, and a view of a record there fails at once, by IndexOutOfRange. How much a service needs can stand "
        "in its manifest, beside the program.",
        '[service.tally]\nprogram = "./tally.py"  # calls process.state()\n',
        '[service.tally]\nprogram = "./tally.py"\npreserve = "4 KiB"\n',
    ),
    "NK2210": SystemCode(
        "state that nobody uses",
        "A warning. A service preserves memory, and its program never asks for it: nothing that it knows outlives it, "
        "neither its crashes nor a replacement, whatever its file seems to say.",
        '[service.hello]\nprogram = "./hello.py"  # never calls process.state()\npreserve = "4 KiB"\n',
        '[service.hello]\nprogram = "./hello.py"\n',
    ),
    "NK2211": SystemCode(
        "a service that is never ready",
        "A warning. `process.ready()` tells init that the next thing a program does is to serve. A passive service has "
        "time of its own until then; and init waits for it when a new version has taken over an old one's state: one "
        "that doesn't say it in time is ended, and the old one is back. This program never calls it, in nothing that "
        "its threads may call.",
        "def main(process: Process) -> None:\n    failure = tally.serve(process, Handler())\n",
        "def main(process: Process) -> None:\n    process.ready()\n    failure = tally.serve(process, Handler())\n",
    ),
    "NK2301": SystemCode(
        "not a budget",
        "A budget is how much time a service may use in each period: both are given or neither, the budget is at most "
        "the period, and no shorter than the kernel can keep.",
        '[service.log]\ncpu = { budget = "5 ms" }\n',
        '[service.log]\ncpu = { budget = "5 ms", period = "20 ms" }\n',
    ),
    "NK2302": SystemCode(
        "more time is promised than there is",
        "The shares, each budget by its period, sum up to more than one hart can do. The message lists the largest.",
    ),
    "NK2303": SystemCode(
        "a promise that can't be kept",
        "A service has a budget in each period, but what is as urgent or more can take so much time first that the "
        "budget can't be used up within the period; or something as urgent has no budget at all, and could take all of "
        "the time. So could what holds `kernel.processor`, as it makes budgets. Shorter periods get higher priorities. "
        "The check counts each budget once in each of its periods (response-time analysis); waiting for a server that "
        "serves another client isn't in it.",
    ),
    "NK2304": SystemCode(
        "a priority inversion",
        "A server runs at its own priority or its caller's, whichever is higher. Here an urgent client can call while "
        "a less urgent client is served at the server's low priority: then it waits behind everything in between, "
        "which may be without end. A server is as urgent as its most urgent client: write that, or leave its priority "
        "out.",
        "# both call log\n[service.motor]\ncpu.priority = 90\n[service.shell]\ncpu.priority = 10\n"
        "[service.log]\ncpu.priority = 20\n",
        "[service.motor]\ncpu.priority = 90\n[service.shell]\ncpu.priority = 10\n[service.log]\ncpu.priority = 90\n",
    ),
    "NK2305": SystemCode(
        "a server less urgent than its only clients",
        "A warning. Nobody less urgent calls the server, but what it does by itself, such as answering an interrupt, "
        "is done at its own priority, behind all services whose priorities lie in between, and its clients wait until "
        "that is finished. Without such a service there is no warning.",
    ),
    "NK2306": SystemCode(
        "no such hart",
        "The board's file says how many harts there are; they are counted from 0. The kernel uses the first one alone "
        "so far: the sums of others are checked, but nothing can be built that runs there.",
    ),
    "NK2307": SystemCode(
        "a heartbeat that can't be kept",
        "A service with a budget can be without time for twice what its period is longer than the budget. A heartbeat "
        "that must come more often fails through no fault of the service.",
    ),
    "NK2308": SystemCode(
        "a passive service without clients",
        "A passive service runs on its clients' time alone once it has said that it is ready. Without clients it has "
        "none.",
    ),
}
