"""`nk doctor` and `nk debug`: what is there, what is missing, what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from neokernel.cli import distribution, doctor
from neokernel.cli.errors import Exit
from neokernel.image.features import FEATURES, Presence, probe
from neokernel.image.qemu import find_qemu
from tests.cli.support import EXAMPLES, Nk


def fake(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_json(nk: Nk) -> None:
    result = nk("doctor", "--json")
    findings = {finding["name"]: finding for finding in result.json["findings"]}
    assert {"python", "click", "llvmlite", "ziglang", "qemu", "gdb", "terminal", "disk"} <= set(findings)
    for finding in findings.values():
        assert set(finding) == {"name", "state", "detail", "required", "advice"}
        assert finding["state"] in {"good", "old", "missing"}
        assert finding["state"] == "good" or finding["advice"]
    lacking = [finding for finding in findings.values() if finding["required"] and finding["state"] != "good"]
    assert result.status == result.json["exit"] == bool(lacking)


def test_text(nk: Nk) -> None:
    assert "python" in nk("doctor").output


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_text_fits_the_terminal(nk: Nk, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    long = doctor.Finding("a long name", doctor.State.OLD, "some words of detail " * 9, advice="/a/path" * 9)
    monkeypatch.setattr(doctor, "CHECKS", (lambda: iter([long]), doctor.check_python))
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = nk("doctor").output.splitlines()
    assert " ".join(" ".join(lines).split()).startswith(f"old a long name {long.detail}{long.advice} ok python")
    for line in lines:
        assert line == line.rstrip()
        assert len(line) <= columns or line.strip() == long.advice  # a path stays whole


def test_without_qemu(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = nk("doctor")
    assert result.status == Exit.NEGATIVE
    assert "required: qemu" in result.output


def fake_qemu(folder: Path, version: str, answers: list[str]) -> Path:
    """A QEMU that says its version, and otherwise answers over QMP with `answers`, whatever it is asked."""
    lines = "\n".join(['{"QMP": {}}', '{"return": {}}', *answers, '{"event": "SHUTDOWN"}', '{"return": {}}'])
    return fake(
        folder,
        "qemu-system-riscv64",
        f"[ \"$1\" = --version ] && echo 'QEMU emulator version {version} (Debian)' && exit\ncat <<'END'\n{lines}\nEND",
    )


@pytest.mark.parametrize(
    ("version", "state"), [("6.2.0", "old"), ("7.1.0", "old"), ("7.2.0", "good"), ("10.0.2", "good")]
)
def test_qemu_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, state: str) -> None:
    fake_qemu(tmp_path, version, ['{"return": true}'] * len(FEATURES))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    first, *rest = list(doctor.check_qemu())
    assert first.state.value == state
    assert bool(first.advice) == (state == "old") == (not rest)


def test_features_are_what_qemu_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = '{"error": {"class": "GenericError", "desc": "Property not found"}}'
    answers = ['{"return": true}', '{"return": false}', unknown, '{"return": "none"}', '{"return": []}', unknown]
    program = fake_qemu(tmp_path, "9.0.0", answers)
    presences = list(probe(str(program)).values())
    assert [presence.value for presence in presences] == ["on", "off", "absent", "off", "absent", "absent"]
    monkeypatch.setattr(distribution, "facts", lambda: {"VERSION_CODENAME": "bookworm"})
    machine, *findings = doctor.check_machine(str(program))
    assert machine.state.value == "good"
    assert [finding.state.value for finding in findings] == ["good", "good", "missing", "good", "missing", "missing"]
    assert all("bookworm-backports" in finding.advice for finding in findings if finding.state.value == "missing")
    assert not any(finding.required for finding in findings)


def test_a_machine_without_firmware(tmp_path: Path) -> None:
    program = fake(tmp_path, "qemu-system-riscv64", "echo 'Unable to find the RISC-V BIOS' >&2; exit 1")
    (finding,) = doctor.check_machine(str(program))
    assert finding.required
    assert finding.state.value == "missing"
    assert "Unable to find the RISC-V BIOS" in finding.detail
    assert "opensbi" in finding.advice


@pytest.mark.parametrize(
    ("facts", "system"),
    [
        ({"ID": "debian", "VERSION_ID": "12"}, "Debian 12, Ubuntu"),
        ({"ID": "debian", "VERSION_ID": "13"}, "Debian 13"),
        ({"ID": "debian"}, "Debian 13"),
        ({"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "24.04"}, "Debian 12, Ubuntu"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian", "VERSION_ID": "22"}, "Debian 12, Ubuntu"),
        ({"ID": "fedora", "VERSION_ID": "42"}, "Fedora"),
        ({"ID": "endeavouros", "ID_LIKE": "arch"}, "Arch"),
        ({"ID": "plan9"}, None),
        ({}, None),
    ],
)
def test_advice_fits_the_system(
    nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, str], system: str | None
) -> None:
    monkeypatch.setattr(distribution, "facts", lambda: facts)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert distribution.this_system() == system
    wanted = distribution.QEMU_COMMANDS[system] if system is not None else "nk explain NK1101"
    result = nk("run", EXAMPLES / "01_hello")
    assert result.status == Exit.UNREACHABLE
    assert wanted in result.error


@pytest.mark.qemu
def test_the_installed_qemu_has_what_we_count_on() -> None:
    program = find_qemu()
    assert program is not None
    presences = {feature.word: presence for feature, presence in probe(program).items()}
    assert presences["sstc"] is Presence.ON
    assert presences["h"] is Presence.ON
    assert presences["v"] is not Presence.ABSENT
    assert presences["aia"] is not Presence.ABSENT


@pytest.mark.parametrize("command", ["run", "debug"])
def test_an_old_qemu_is_refused(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    fake_qemu(tmp_path, "6.2.0", [])
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    result = nk(command, EXAMPLES / "01_hello")
    assert result.status == Exit.UNREACHABLE
    assert "NK1101" in result.error
    assert "version 6.2.0; 7.2 or newer is needed" in result.error


def test_debug_without_gdb(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nk("build", EXAMPLES / "01_hello", "-o", "image.elf")
    fake(tmp_path, "qemu-system-riscv64", "exit 1")
    fake(tmp_path, "gdb", "echo 'Undefined item: \"riscv:rv64\".' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = nk("debug", "image.elf")
    assert result.status == Exit.UNREACHABLE
    assert "gdb-multiarch" in result.error


@pytest.mark.qemu
def test_debug_connects_and_ends(nk: Nk, tmp_path: Path) -> None:
    """A gdb of ours: it speaks to QEMU's stub and gives the status back."""
    nk("build", EXAMPLES / "01_hello", "-o", "image.elf")
    script = (
        'for word in "$@"; do case "$word" in "target remote "*) socket=${word#target remote };; esac; done\n'
        'test -S "$socket" && exit 7'
    )
    assert nk("debug", "--gdb", fake(tmp_path, "gdb", script), "image.elf").status == 7
    shown = nk("debug", "--json", "--gdb", tmp_path / "gdb", "image.elf").json
    assert "-S" in shown["qemu"]
    assert "tbreak nk_start" in shown["gdb"]
    shown = nk("debug", "--json", "--gdb", tmp_path / "gdb", EXAMPLES / "01_hello").json
    assert "tbreak main.py:19" in shown["gdb"]
