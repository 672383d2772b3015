"""A program that serves `Calls`."""

from calls import Calls
from handler import Handler

from neokernel.lang import Provides, Setting, provides, setting, u32
from neokernel.runtime.process import Process

calls: Provides[Calls] = provides()
level: Setting[u32] = setting(3)


def main(process: Process) -> None:
    handler = Handler(process=process)
    failure = calls.serve(process, handler)
    process.console.write(f"served: {failure.status.name} of argument {failure.argument}\n")
