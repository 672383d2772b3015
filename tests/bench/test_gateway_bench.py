"""What an inference over HTTP takes. Nothing here depends on how long it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neokernel.bench import gateway, linux, network
from neokernel.bench.boot import built
from neokernel.bench.row import BenchError
from tests.support.ports import free_ports

#: what was recorded (docs/reference/benchmarks-gateway.md), and how much more it may be: what comes together depends on
#: how the host runs client and machine
RECORDED = {"alone": 514_698, "many": 515_743, "example": 70_290, "examples": 39_592}
LEEWAY = 1.1


def test_unknown_item_is_an_error() -> None:
    with pytest.raises(BenchError, match="no item nothing; there are alone, many, example, examples"):
        gateway.run(["nothing"])


def test_the_peer_is_a_program_of_linux(tmp_path: Path) -> None:
    """With all of the model's numbers; whether it runs, the benchmark sees before it counts."""
    gateway.write_weights(tmp_path)
    made = linux.compiled(gateway.SOURCES / "linux.c", tmp_path, [f"-I{tmp_path}"])
    assert made.startswith(b"\x7fELF") and len(made) > 4 * 14_000
    head, _, data = gateway.request(tmp_path).read_bytes().partition(b"\r\n\r\n")
    assert f"Content-Length: {len(data)}".encode() in head and len(json.loads(data)["inputs"][0]["data"]) == 64


@pytest.mark.qemu
def test_inferences_stay_near_what_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of it is the model's own code; and that all of it was computed, the benchmark sees before it counts."""
    monkeypatch.setattr(network, "free_ports", free_ports)
    image, client = built(gateway.system(tmp_path), tmp_path / "gateway.elf"), network.build_client(tmp_path)
    asked = gateway.request(tmp_path)
    alone, many, one, batched = gateway.counted(list(gateway.WORKS), image, client, asked, list(gateway.EXAMPLES))
    assert 444_000 < alone.ours < LEEWAY * RECORDED["alone"], alone
    assert 444_000 < many.ours < LEEWAY * RECORDED["many"], many
    # Several examples share what a request takes.
    assert batched.ours < one.ours < LEEWAY * RECORDED["example"], one
    assert 5_000 < batched.ours < LEEWAY * RECORDED["examples"], batched
