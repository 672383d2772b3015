"""init, but that a check of its own fails before it has made anything."""

from neokernel.lang import u64
from neokernel.runtime.process import Process
from neokernel.services.init.main import begin_supervision


def main(process: Process) -> None:
    begin_supervision(process, 2048)
    process.exit_thread()


def thread(process: Process, argument: u64) -> None:
    assert argument == 0, "init makes a mistake"
