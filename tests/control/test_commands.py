"""An operator at a running machine, from outside: `nk ps`, `top`, `logs`, `svc`, `cap list`, `metrics`."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from neokernel.cli.errors import Exit, ToolError
from neokernel.cli.main import nk as group
from neokernel.cli.target import told_of
from neokernel.control.channel import Gone
from neokernel.control.machines import Running, place, publish
from tests.cli.support import Nk
from tests.support.patience import PATIENCE

pytestmark = [pytest.mark.qemu]

SERVICES = ["console", "log", "alerts", "entropy", "ports", "control"]
WIDTH = 80


def phases(nk: Nk) -> dict[str, tuple[str, int]]:
    return {each["name"]: (each["phase"], each["starts"]) for each in nk("ps", "--json").json["services"]}


def test_ps_shows_services_in_the_order_of_their_start(machine: str, nk: Nk) -> None:
    shown = nk("ps")
    assert shown.status == 0, shown.error
    lines = shown.output.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == SERVICES
    assert re.fullmatch(r"6 of 6 services run; up for .*; [\d,]+ MiB are free", lines[-1])
    assert max(map(len, lines)) <= WIDTH
    assert "\x1b" not in shown.output, "no colours where nobody sees them"
    found = nk("ps", "--json", "--machine", machine).json
    assert [each["name"] for each in found["services"]] == SERVICES
    assert found["uptime"] > 0
    assert found["exit"] == 0


def test_top_shows_shares_of_the_processor(machine: str, nk: Nk) -> None:
    shown = nk("top", "-i", "0.1")
    assert shown.status == 0, shown.error
    assert max(map(len, shown.output.splitlines())) <= WIDTH
    assert nk("top", "-i", "0.1", "-n", "2").output.count("\n\nup for ") == 1, "pictures are apart"
    looks = nk("top", "-i", "0.1", "-n", "2", "--json").json["looks"]
    assert len(looks) == 2
    for look in looks:
        # Time goes on while services are asked about, so all of them together may have used more than it.
        assert sum(each["share"] for each in look["services"]) > 0
        assert all(each["share"] >= 0 for each in look["services"])


def test_the_log_has_who_came_and_what_they_did(machine: str, nk: Nk) -> None:
    before = phases(nk)["log"][1]
    done = nk("svc", "restart", "log")
    assert (done.status, done.output) == (0, f"log runs again; it was started {before + 1} times by now\n")
    assert phases(nk)["log"] == ("runs", before + 1)
    records = nk("logs", "--json").json["records"]
    texts = [record["text"] for record in records]
    assert "operator development has begun a session" in texts
    assert "operator development: kill log" in texts
    assert [record["number"] for record in records] == sorted(record["number"] for record in records)
    last = nk("logs", "-n", "1", "control")
    assert re.fullmatch(r" *\d+\.\d{3}  INFO     control: operator development .*\n", last.output)
    assert nk("logs", "--level", "error").output == ""


def test_a_service_is_held_and_started(machine: str, nk: Nk) -> None:
    assert nk("svc", "hold", "log").status == 0
    assert phases(nk)["log"][0] == "down"
    gone = nk("logs")
    assert gone.status == Exit.UNREACHABLE
    assert "NK1602" in gone.error
    assert "the log doesn't answer" in gone.error
    again = nk("svc", "hold", "log")
    assert again.status == Exit.NEGATIVE
    assert "NK1606" in again.error
    assert nk("svc", "start", "log").status == 0
    assert phases(nk)["log"][0] == "runs"
    assert nk("logs").status == 0


def test_a_service_is_replaced(machine: str, nk: Nk) -> None:
    starts = phases(nk)["log"][1]
    done = nk("svc", "swap", "log")
    assert done.status == 0, done.error
    assert phases(nk)["log"] == ("runs", starts + 1)
    for program, said in (("console", "declares other"), ("nothing", "no program of that name")):
        refused = nk("svc", "swap", "log", program)
        assert refused.status == Exit.NEGATIVE
        assert said in refused.error
    assert "can't be replaced" in nk("svc", "swap", "entropy").error


@pytest.mark.parametrize("service", ["ports", "control"])
def test_what_we_talk_by_can_be_restarted(machine: str, nk: Nk, service: str) -> None:
    starts = phases(nk)[service][1]
    done = nk("svc", "restart", service)
    assert done.status == 0, done.error
    assert phases(nk)[service] == ("runs", starts + 1)


def test_show_and_cap_list_say_what_a_service_may(machine: str, nk: Nk) -> None:
    shown = nk("svc", "show", "control")
    assert "  init        init.system: ends, starts and replaces every service" in shown.output
    assert "  journal     calls log.journal" in shown.output
    assert "  network     isn't granted\n" in shown.output, "what is optional and has no line isn't gone"
    grants = nk("cap", "list", "--json").json["services"]
    assert [each["name"] for each in grants] == SERVICES
    uart = next(each for each in grants if each["name"] == "console")["grants"][0]
    assert uart == {"name": "device", "kind": "device", "what": "registers at 0x10000000", "exists": True}
    assert "log\n" in nk("cap", "list", "log").output


def test_metrics_are_prometheus(machine: str, nk: Nk) -> None:
    families = {each.name: each for each in text_string_to_metric_families(nk("metrics").output)}
    up = families["neokernel_service_up"].samples
    assert {sample.labels["service"]: sample.value for sample in up} == dict.fromkeys(SERVICES, 1.0)
    assert families["neokernel_control_sessions"].samples[0].value >= 1
    assert nk("metrics", "--json").json["exit"] == 0


# --- who isn't let in -------------------------------------------------------------------------------------------------


def test_another_key_is_refused_counted_and_logged(machine: str, nk: Nk, tmp_path: Path) -> None:
    def wrong() -> float:
        found = nk("metrics", "--json").json["metrics"]
        return float(next(each["value"] for each in found if each["name"] == "neokernel_control_wrong_keys_total"))

    before = wrong()
    assert nk("key", "new", tmp_path / "other").status == 0
    refused = nk("ps", "--key", tmp_path / "other.key")
    assert refused.status == Exit.TRUST
    assert "NK1603" in refused.error
    assert wrong() == before + 1
    assert "without an operator's key" in nk("logs", "--level", "warning").output


def test_noise_is_refused_and_harms_nobody(machine: str, nk: Nk, folders: Path) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(folders / "run" / machine / "control"))
        line.settimeout(PATIENCE)
        line.sendall(bytes(range(256)) * 64)
        heard = b""
        while b"\x84" not in heard:
            more = line.recv(4096)
            assert more, "the line isn't closed, it is not listened to"
            heard += more
    assert nk("ps").status == 0


# --- which machine ----------------------------------------------------------------------------------------------------


def test_a_machine_is_named_when_several_run(machine: str, nk: Nk, tmp_path: Path) -> None:
    with place(machine) as folder:
        publish(Running(name=folder.name, folder=folder, pid=1, image=tmp_path))
        several = nk("ps")
        assert several.status == Exit.UNREACHABLE
        assert "2 machines run: watched, watched-2" in several.error
        assert nk("ps", "--machine", machine).status == 0
        assert "no line for operators" in nk("ps", "--machine", "watched-2").error
    assert nk("ps").status == 0


def test_one_client_at_a_time_has_the_line(machine: str, nk: Nk, folders: Path) -> None:
    from neokernel.control.machines import taken

    with taken(folders / "run" / machine / "control") as ours:
        assert ours
        busy = nk("ps")
    assert busy.status == Exit.UNREACHABLE
    assert "somebody else talks to watched" in busy.error


def test_there_is_nobody(nk: Nk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NK_RUNTIME", str(tmp_path / "run"))
    none = nk("ps")
    assert none.status == Exit.UNREACHABLE
    assert "no machine runs" in none.error
    assert "`nk run" in none.error
    (tmp_path / "run" / "left").mkdir()
    (tmp_path / "run" / "left" / "alive").touch()
    assert "left ended without saying so" in nk("ps").error
    assert nk("ps", "--machine", "left", "--json").json["error"]["code"] == "NK1601"
    (tmp_path / "run").chmod(0o755)
    assert "can be entered by others" in nk("ps").error


@pytest.mark.parametrize("words", ["the line has ended", "nobody listens at control"])
def test_a_machine_that_goes_away_has_ended(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line ends with QEMU; the `nk` that watches it ends a moment later, here between two looks at it."""
    monkeypatch.setenv("NK_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setenv("NK_PATIENCE", "100")
    with ExitStack() as watched:
        folder = watched.enter_context(place("watched"))
        machine = Running(name="watched", folder=folder, pid=1, image=tmp_path)
        ending = threading.Timer(0.2, watched.close)
        ending.start()
        with pytest.raises(ToolError) as said, told_of(machine):
            raise Gone(words)
        ending.join()
    assert said.value.message == "watched has ended"


def test_the_shell_completes_services_and_programs(machine: str, folders: Path) -> None:
    for words, word, wanted in (
        ("nk svc show ", 3, "log"),
        ("nk svc restart con", 3, "console"),
        ("nk svc swap log ", 4, "log"),
    ):
        environment = {"_NK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(word)}
        found = CliRunner().invoke(group, prog_name="nk", env=environment)
        offered = {line.partition(",")[2] for line in found.output.splitlines()}
        assert wanted in offered and "init" not in offered, found.output


def test_a_service_that_isnt_there(machine: str, nk: Nk) -> None:
    wrong = nk("svc", "show", "consol")
    assert wrong.status == Exit.USAGE
    assert "NK1605" in wrong.error
    assert "did you mean `console`?" in wrong.error


def test_a_system_without_a_network_says_so(machine: str, nk: Nk) -> None:
    gone = nk("net")
    assert gone.status == Exit.NEGATIVE
    assert "error[NK1604]: the network isn't granted to the machine's control service" in gone.error
    assert '`uses.network = "network.watch"`' in gone.error
    denied = nk("net", "capture", "-o", "nothing.pcapng")
    assert denied.status == Exit.NEGATIVE
    assert "error[NK1604]: network.capture isn't granted" in denied.error
    assert 'write `uses.capture = "network.capture"` under its entry' in denied.error
    assert "neokernel_network" not in nk("metrics").output
