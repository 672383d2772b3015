"""Logs what a terminal would obey, and what would look like another service's line."""

from neokernel.abi.kinds import Kind
from neokernel.interfaces.log import Level, Log
from neokernel.lang import Uses, uses
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process

log: Uses[Log] = uses()


def main(process: Process) -> None:
    must(log.write(Level.ERROR, "cleared \x1b[2J\x1b]0;owned\x07"))
    must(log.write(Level.ERROR, "eight bits \x9b2J, backwards \u202e"))
    must(log.write(Level.ERROR, "done\r\n[    0.000001] ERROR of console: a line of nobody's"))
    must(log.write(Level.ERROR, "größer, 大きい, \U0001f40d"))
    process.ready()
    _ = system.wait(must_get(process.make(Kind.NOTIFICATION)))
