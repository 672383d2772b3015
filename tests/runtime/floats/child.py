"""Its exit status is computed with floats."""

from neokernel.lang import f64, square_root, u64
from neokernel.runtime.process import Process


def main(process: Process) -> None:
    process.exit(u64(square_root(f64(process.frequency)) / 100.0))
