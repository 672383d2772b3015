"""Drives the machine's UART from user mode, with a line editor on it: says how long each line is."""

from neokernel.abi.kinds import Kind
from neokernel.drivers.uart16550 import Registers, Uart
from neokernel.lang import Array, Embedded, array, object_at, struct, u8, u64, unsafe, usize, writer
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.queue import Queue, pop_bytes
from neokernel.runtime.space import map_device
from neokernel.services.shell.editor import MOST_SHOWN, Edited, Editor

unsafe("the registers are where this program maps them")

UART = 0x1000_0000
LINE = 10
MAPPED = 0x2000_0000


@struct
class Terminal:
    uart: Uart
    interrupt: u64
    signals: u64
    shown: Embedded[Queue[u8]] = Queue(slots=array(4 * MOST_SHOWN))

    @writer
    def write(self, text: str) -> None:
        self.send(text.encode())

    def send(self, data: bytes) -> None:
        """All of it, waiting for the device."""
        done: usize = 0
        while done < len(data):
            done += self.uart.write(data[done:])
            if done < len(data):
                self.wait()

    def wait(self) -> None:
        """For the next interrupt."""
        _ = must_get(system.wait(self.signals))
        self.uart.serve()
        must(system.acknowledge(self.interrupt))

    def flush(self) -> None:
        buffer: Array[u8] = array(64)
        while len(self.shown) != 0:
            self.send(buffer[: pop_bytes(self.shown, buffer[:])].bytes())


def main(process: Process) -> None:
    device = process.device(UART)
    assert device is not None
    must(map_device(process, device, MAPPED))
    signals = must_get(process.make(Kind.NOTIFICATION))
    interrupt = u64(process.boot().interrupt_first) + (LINE - 1)
    must(system.bind_interrupt(process.buffer, interrupt, signals))
    uart = Uart(registers=object_at(Registers, MAPPED))
    uart.begin()
    terminal = Terminal(uart=uart, interrupt=interrupt, signals=signals)
    terminal.write("ready\r\n")
    lines = converse(terminal)
    while len(uart.to_send) != 0:
        terminal.wait()
    process.exit(lines)


def converse(terminal: Terminal) -> u64:
    """Lines until there are no more: how many."""
    editor = Editor()
    buffer: Array[u8] = array(64)
    lines: u64 = 0
    editor.begin(terminal.shown)
    while True:
        terminal.flush()
        count = terminal.uart.read(buffer[:])
        if count == 0:
            terminal.wait()
        for byte in buffer[:count]:
            ended = editor.feed(byte, terminal.shown)
            terminal.flush()
            if ended is None:
                continue
            if ended is Edited.LEFT:
                return lines
            lines += 1
            terminal.write(f"{len(editor.line())} ")
            terminal.send(editor.line())
            terminal.write("\r\n")
            editor.begin(terminal.shown)
