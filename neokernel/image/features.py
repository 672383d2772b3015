"""What an installed QEMU can do, asked of itself: version numbers say little about what a distribution built in.

The machine that we use is set up, stopped before its first instruction, and asked over QMP. Invariant: asking
changes nothing and ends, at the latest when `TIMEOUT` seconds, times `NK_PATIENCE`, have passed.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from enum import Enum

from neokernel.patience import patient

TIMEOUT = 30

#: where QEMU keeps the first hart and the machine; the same in all versions from 7.2 to 10
HART = "/machine/soc0/harts[0]"
MACHINE = "/machine"


class Presence(Enum):
    ON = "on"
    OFF = "off"  # there, to be turned on
    ABSENT = "absent"


class Kind(Enum):
    """How QEMU is asked for a feature."""

    HART = "a property of the hart, true or false"
    MACHINE = "a property of the machine, whatever its value"
    DEVICE = "a class of devices"


@dataclass(frozen=True)
class Feature:
    """`word` is QEMU's name for it; `option` turns it on where it isn't by itself."""

    name: str
    kind: Kind
    word: str
    option: str

    @property
    def question(self) -> dict[str, object]:
        if self.kind is Kind.DEVICE:
            return {"execute": "qom-list-types", "arguments": {"implements": self.word, "abstract": False}}
        path = HART if self.kind is Kind.HART else MACHINE
        return {"execute": "qom-get", "arguments": {"path": path, "property": self.word}}

    def presence(self, answer: dict[str, object]) -> Presence:
        """What QEMU's answer means: an error says that it doesn't know the word."""
        value = answer.get("return")
        if value is None or value == []:
            return Presence.ABSENT
        return Presence.ON if value is True else Presence.OFF


FEATURES = (
    Feature("supervisor timer (Sstc)", Kind.HART, "sstc", "-cpu rv64,sstc=true"),
    Feature("hypervisor extension (H)", Kind.HART, "h", "-cpu rv64,h=true"),
    Feature("vector extension (V)", Kind.HART, "v", "-cpu rv64,v=true"),
    Feature("message interrupts (AIA)", Kind.MACHINE, "aia", "-M virt,aia=aplic-imsic"),
    Feature("IOMMU as a PCI device", Kind.DEVICE, "riscv-iommu-pci", "-device riscv-iommu-pci"),
    Feature("IOMMU as a platform device", Kind.MACHINE, "iommu-sys", "-M virt,iommu-sys=on"),
)


class CannotStart(Exception):
    """The machine can't be set up; the text is what QEMU said."""


def probe(program: str) -> dict[Feature, Presence]:
    """Each of `FEATURES` as `program` has it. Raises CannotStart, also when the firmware is missing."""
    machine = [program, "-M", "virt", "-bios", "default", "-S", "-nodefaults", "-display", "none", "-qmp", "stdio"]
    requests = [{"execute": "qmp_capabilities"}, *(feature.question for feature in FEATURES), {"execute": "quit"}]
    text = "".join(f"{json.dumps(request)}\n" for request in requests)
    try:
        done = subprocess.run(
            machine, input=text, capture_output=True, text=True, timeout=patient(TIMEOUT), check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotStart(str(error)) from error
    answers = [answer for answer in read_answers(done.stdout) if "return" in answer or "error" in answer]
    if len(answers) <= len(FEATURES):
        raise CannotStart(done.stderr.strip() or f"it ended with status {done.returncode} and said nothing")
    # The first answer is to `qmp_capabilities`.
    return {
        feature: feature.presence(answer)
        for feature, answer in zip(FEATURES, answers[1 : len(FEATURES) + 1], strict=True)
    }


def read_answers(output: str) -> list[dict[str, object]]:
    """The JSON objects of QMP, one a line; whatever else was printed is left out."""
    found = []
    for line in output.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
