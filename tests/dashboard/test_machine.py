"""The dashboard of a running machine, systems/gateway.toml: what it tells, whom it refuses, whose orders count, and its
page in a browser.

One machine for all tests here. Pictures of the page are left in build/dashboard.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import struct
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright
from prometheus_client.parser import text_string_to_metric_families

from neokernel.abi.fault import Fault
from neokernel.image.keys import development_key
from neokernel.interfaces.orders import CONTEXT
from neokernel.services.init.post_mortem import Cause
from tests.cli.support import REPOSITORY, Nk
from tests.control.conftest import up
from tests.dashboard.strokes import jittered
from tests.gateway.test_machine import is_ready
from tests.network.peers.programs import BROWSERS
from tests.support.machine import QEMU
from tests.support.patience import PATIENCE
from tests.support.ports import free_ports

SYSTEM = REPOSITORY / "systems" / "gateway.toml"
#: one more, which fails at once, twice, and is given up then
WEAK = """
[service.weak]
program = "FOLDER/weak.py"
restart = { policy = "always", limit = 1 }
""".replace("FOLDER", str(Path(__file__).parent))
SERVICES = list(tomllib.loads(SYSTEM.read_text() + WEAK)["service"])
PICTURES = REPOSITORY / "build" / "dashboard"
JSON = {"Content-Type": "application/json"}
CHROMIUM = next((path for name in BROWSERS if (path := shutil.which(name)) is not None), None)
#: it asks nobody but the page
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]  # fmt: skip
#: draws of each digit
ROUNDS = 2

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")]


@dataclass(frozen=True)
class Machine:
    port: int
    gateway: int
    folder: Path
    #: of services, in the order in which they start
    names: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """What it tells as JSON. The network's parts may just have been ended: then it is asked again."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                status, body, _ = self.ask("GET", path)
                assert status == 200, (status, body)
                return json.loads(body)
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < end

    def starts(self, service: str) -> int:
        return int(self.get("/api/state")["services"][self.names.index(service)]["starts"])

    def phase(self, service: str) -> str:
        return str(self.get("/api/state")["services"][self.names.index(service)]["phase"])

    def log(self) -> list[str]:
        found: list[str] = []
        place = 0
        while (state := self.get(f"/api/state?log={place}"))["log"]:
            found += [line["text"] for line in state["log"]]
            place = state["next"]
        return found

    def send(self, order: str, nonce: str, approval: bytes) -> tuple[int, str]:
        """Status, and what is said. After a wrong approval none is looked at for a moment, ours neither."""
        body = json.dumps({"order": order, "nonce": nonce, "approval": approval.hex()}).encode()
        end = time.monotonic() + PATIENCE
        while True:
            status, answer, _ = self.ask("POST", "/api/order", body, JSON)
            if status != 429:
                return status, str(json.loads(answer).get("error", ""))
            assert time.monotonic() < end


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("dashboard")
    port, gateway = free_ports(2)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("state", "run"):
            patch.setenv({"state": "NK_STATE", "run": "NK_RUNTIME"}[name], str(folder / name))
        system = folder / "system.toml"
        text = SYSTEM.read_text().replace('"../models', f'"{REPOSITORY / "models"}')
        text = text.replace('"tcp/8000" = 8000, "tcp/8080" = 8080', f'"tcp/{gateway}" = 8000, "tcp/{port}" = 8080')
        assert f'"tcp/{port}"' in text, "the system file forwards these ports"
        system.write_text(text + WEAK)
        with up(system, folder) as process:
            found = Machine(port, gateway, folder)
            end = time.monotonic() + PATIENCE
            while not is_ready(gateway, "digits") or not is_ready(gateway, "digits-int8"):
                assert time.monotonic() < end and process.poll() is None, "the models don't begin to serve"
                time.sleep(0.1)
            found.names.extend(each["name"] for each in found.get("/api/system")["services"])
            yield found


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


# --- what it tells ----------------------------------------------------------------------------------------------------


def test_the_page_loads_nothing_of_others_and_nobody_may_frame_it(machine: Machine) -> None:
    for path in ("/", "/main.js", "/nothing", "/api/state", "/api/nothing", "/metrics"):
        _, _, headers = machine.ask("GET", path)
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Set-Cookie" not in headers and "Access-Control-Allow-Origin" not in headers
    assert [machine.ask("GET", path)[0] for path in ("/", "/nothing", "/api/nothing")] == [200, 404, 404]
    assert machine.ask("POST", "/api/state", b"")[0] == 405


def test_what_the_system_is_and_how_it_does(machine: Machine) -> None:
    system = machine.get("/api/system")
    assert sorted(each["name"] for each in system["services"]) == sorted(SERVICES)
    assert system["models"] == ["digits", "digits-int8"]
    dashboard = system["services"][machine.names.index("dashboard")]["grants"]
    uses = {each["name"]: machine.names[each["target"]] for each in dashboard if each["kind"] == "uses"}
    assert uses == {
        "network": "network", "log": "log", "journal": "log", "orders": "control", "recorder": "control"
    }  # fmt: skip
    one, other = machine.get("/api/state"), machine.get("/api/state")
    assert other["time"] > one["time"] and len(one["services"]) == len(SERVICES)
    assert [name for name, each in zip(machine.names, one["services"], strict=True) if each["phase"] != "runs"] == [
        "weak"
    ]
    index = machine.names.index("dashboard")
    assert other["services"][index]["used"] > one["services"][index]["used"]
    assert any("serves model0" in line for line in machine.log())


def test_how_a_service_has_ended(machine: Machine) -> None:
    end, first = machine.get("/api/state")["ends"]
    assert machine.names[end["service"]] == machine.names[first["service"]] == "weak"
    assert (end["starts"], first["starts"]) == (2, 1), "the latest is the first one"
    assert (end["cause"], end["fault"]) == (Cause.FAULT.value, Fault.BREAKPOINT.value)
    assert int(end["counter"], 16) > 0 and set(end) == {
        "service", "cause", "starts", "time", "fault", "status", "counter", "address"
    }, "neither registers nor stack"  # fmt: skip


def test_messages_are_counted_while_somebody_looks(machine: Machine) -> None:
    until(lambda: bool(machine.get("/api/state")["traffic"]))
    pairs = {(machine.names[row[0]], machine.names[row[1]]) for row in machine.get("/api/state")["traffic"]}
    calls = {
        (service["name"], machine.names[grant["target"]])
        for service in machine.get("/api/system")["services"]
        for grant in service["grants"]
        if grant["kind"] == "uses"
    }
    assert pairs <= calls
    for _, _, messages, answers, ticks, longest in machine.get("/api/state")["traffic"]:
        assert messages >= answers and ticks >= longest >= 0


def test_metrics_are_those_of_nk_metrics_and_more(machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    until(lambda: bool(machine.get("/api/state")["traffic"]))
    status, body, headers = machine.ask("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {family.name: family for family in text_string_to_metric_families(body.decode())}
    printed = Nk(capfdbinary)("metrics")
    assert printed.status == 0, printed.error
    known = {family.name for family in text_string_to_metric_families(printed.output)}
    assert {name for name in known if not name.startswith("neokernel_network")} <= set(found)
    up = {sample.labels["service"]: sample.value for sample in found["neokernel_service_up"].samples}
    assert up == {name: float(name != "weak") for name in SERVICES}
    # What the Grafana dashboard asks for is there.
    board = json.loads((REPOSITORY / "docs" / "guide" / "grafana.json").read_text())
    asked = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    told = {sample.name for family in found.values() for sample in family.samples}
    assert set(re.findall(r"neokernel_\w+", asked)) <= told


def test_a_trace(machine: Machine) -> None:
    until(lambda: machine.ask("GET", "/api/trace?milliseconds=50")[0] == 200)
    body = b""

    def recorded() -> bool:
        nonlocal body
        status, body, _ = machine.ask("GET", "/api/trace?milliseconds=50")
        assert status == 200 or b"try again" in body, body
        return status == 200

    until(recorded)
    frequency, _, _, count = struct.unpack_from("<4Q", body)
    assert frequency == machine.get("/api/system")["frequency"] and count > 0 and len(body) == 32 * (count + 1)
    times = [time for (time, *_) in struct.iter_unpack("<QIBBHQQ", body[32:])]
    assert times == sorted(times)


def test_an_operators_trace_comes_first(machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    result = Nk(capfdbinary)("trace", "record", "-t", "1.5", "-o", machine.folder / "trace.json", "--json")
    assert result.status == 0, result.error
    assert result.json["seconds"] > 1 or result.json["lost"] > 0


def test_a_recording_ends_with_the_dashboard(machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """It is killed in the middle of a capture, and nobody looks at the next one."""
    nk, order, before = Nk(capfdbinary), "kill dashboard", machine.starts("dashboard")

    def capture() -> int:
        try:
            return machine.ask("GET", "/api/trace?milliseconds=1000")[0]
        except (OSError, http.client.HTTPException):
            return 0

    def killed_in_between() -> bool:
        """On a busy host a capture may be over before."""
        challenge = machine.get("/api/challenge")
        approved = approval(development_key()[0], challenge, order)
        with ThreadPoolExecutor(1) as asker:
            asked = asker.submit(capture)
            # Another one can't be had as long as this one lasts.
            while asked.done() or machine.ask("GET", "/api/trace?milliseconds=1")[0] != 409:
                if asked.done():
                    asked = asker.submit(capture)
            with contextlib.suppress(OSError, http.client.HTTPException):
                machine.send(order, challenge["nonce"], approved)
            return asked.result(PATIENCE) == 0

    kills = 1
    while not killed_in_between():
        kills += 1
    until(lambda: not nk("autopsy", "--json").json["recording"])
    assert machine.starts("dashboard") == before + kills


# --- whom it refuses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "attacker.example"}, 403),
        ({"Host": "attacker.example:8080"}, 403),
        ({"Host": "localhost.attacker.example"}, 403),
        ({"Host": "127.0.0.1.attacker.example"}, 403),
        ({"Origin": "http://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        # Somebody follows a link that leads here.
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "10.1.2.3"}, 200),
        ({"Host": "10.1.2.3", "Origin": "http://10.1.2.3"}, 200),
        ({"Host": "10.1.2.3", "Origin": "http://10.1.2.4"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_requests_of_other_pages(machine: Machine, headers: dict[str, str], status: int) -> None:
    assert machine.ask("GET", "/api/system", headers=headers)[0] == status


def test_wrong_requests(machine: Machine) -> None:
    before = machine.starts("card")
    right = json.dumps({"order": "kill card", "nonce": "0" * 32, "approval": "0" * 192}).encode()
    assert machine.ask("POST", "/api/order", right, {"Content-Type": "text/plain"})[0] == 415
    assert machine.ask("POST", "/api/order", right, {})[0] == 415
    assert machine.ask("GET", "/api/order")[0] == 405
    wrong = [b"", b"{}", b"[]", b"\xff", right[:-1], right + b"x", right.replace(b"order", b"other"),
             right.replace(b'"kill card"', b"7"), right.replace(b"0" * 32, b"0" * 31 + b"g", 1),
             right.replace(b"kill card", b"k" * 200), right[:-1] + b', "order": "kill log"}',
             b'{"order": ' + b"[" * 900]  # fmt: skip
    for body in wrong:
        status, said, _ = machine.ask("POST", "/api/order", body, JSON)
        assert status == 400 and b"error" in said, body
    assert machine.ask("POST", "/api/order", b" " * 2_000, JSON)[0] == 413
    assert machine.ask("POST", "/api/infer/nobody", b"{}", JSON)[0] == 404
    assert machine.ask("POST", "/api/infer/digits/../nobody", b"{}", JSON)[0] == 404
    assert machine.ask("POST", "/api/infer/digits", b"{}", {})[0] == 415
    assert machine.ask("POST", "/api/infer/digits", b"{}", JSON)[0] == 400
    assert machine.ask("POST", "/api/infer/digits", b"{" * 5_000, JSON)[0] == 413
    assert machine.starts("card") == before


# --- orders -----------------------------------------------------------------------------------------------------------


def approval(key: Ed25519PrivateKey, challenge: dict[str, Any], order: str) -> bytes:
    text = bytes(CONTEXT) + bytes.fromhex(challenge["machine"]) + bytes.fromhex(challenge["nonce"]) + order.encode()
    return key.public_key().public_bytes_raw() + key.sign(text)


def test_only_operators_orders_are_carried_out(machine: Machine) -> None:
    key, stranger = development_key()[0], Ed25519PrivateKey.generate()
    challenge = machine.get("/api/challenge")
    nonce, before = challenge["nonce"], machine.starts("entropy")
    assert machine.get("/api/challenge")["nonce"] == nonce, "nobody can use nonces up by asking"

    def refused(found: tuple[int, str], status: int, said: str) -> None:
        assert found[0] == status and said in found[1], found

    foreign = {**challenge, "machine": bytes(32).hex()}
    other = {**challenge, "nonce": bytes(16).hex()}
    order = "kill entropy"
    right = approval(key, challenge, order)
    for wrong in (
        approval(stranger, challenge, order),  # a key that isn't enrolled
        approval(stranger, challenge, order)[32:].rjust(96, b"\0"),
        key.public_key().public_bytes_raw() + approval(stranger, challenge, order)[32:],
        approval(key, foreign, order),  # another machine's
        approval(key, other, order),  # another nonce's
        approval(key, challenge, "stop entropy"),  # another order's
        bytes([*right[:-1], right[-1] ^ 1]),
    ):
        refused(machine.send(order, nonce, wrong), 403, "isn't an operator's")
    refused(machine.send(order, bytes(16).hex(), approval(key, other, order)), 409, "too old, or was used")
    for text in (
        "kill",
        "kill ",
        "kill  entropy",
        "kill entropy now",
        "Kill entropy",
        "delegate entropy",
        "kill entropy ",
    ):
        refused(machine.send(text, nonce, approval(key, challenge, text)), 409, "that is no order")
    refused(machine.send("kill nobody", nonce, approval(key, challenge, "kill nobody")), 409, "no such service")
    assert machine.starts("entropy") == before

    assert machine.send(order, nonce, right) == (200, "")
    until(lambda: machine.starts("entropy") == before + 1)
    refused(machine.send(order, nonce, right), 409, "too old, or was used")
    assert machine.starts("entropy") == before + 1
    assert any(line.endswith("by way of a page: kill entropy") for line in machine.log())
    assert any("somebody without an operator's key has sent an order" in line for line in machine.log())


def test_stop_start_and_swap(machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    nk = Nk(capfdbinary)

    def done(*order: str) -> tuple[int, str]:
        nonce = machine.get("/api/challenge")["nonce"]
        result = nk("approve", *order, "--nonce", nonce)
        assert result.status == 0 and result.error == (
            f"approved: {' '.join(order)}\nfor the machine that gave out this nonce, enrolled as gateway is\n"
        )
        return machine.send(" ".join(order), nonce, bytes.fromhex(result.output))

    assert done("stop", "digits-int8-next") == (200, "") and machine.phase("digits-int8-next") == "down"
    assert done("stop", "digits-int8-next")[0] == 409
    assert done("start", "digits-int8-next") == (200, "")
    until(lambda: machine.phase("digits-int8-next") == "runs")
    before, lines = machine.starts("log"), len(machine.log())
    assert done("swap", "log") == (200, "")
    assert machine.starts("log") == before + 1 and len(machine.log()) > lines, "it has what the old one had"
    assert done("swap", "log", "nobody")[0] == 409


def test_nk_approve_says_what_is_wrong(machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    nk = Nk(capfdbinary)
    assert "error[NK1608]: 'kil card' is no order" in nk("approve", "kil", "card", "--nonce", "0" * 32).error
    assert nk("approve", "kill", "card", "--nonce", "0" * 31).status == 2
    key = machine.folder / "none.key"
    assert nk("approve", "kill", "card", "--nonce", "0" * 32, "--key", key).error.startswith("error[NK1005]")
    blob = machine.folder / "wrong.enrolment"
    blob.write_bytes(bytes(4096))
    result = nk("approve", "kill", "card", "--nonce", "0" * 32, "--enrolment", blob)
    assert result.status == 5 and "is no enrolment" in result.error


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, machine: Machine) -> Iterator[Page]:
    yield from opened(browser, machine, viewport={"width": 1280, "height": 900}, color_scheme="light")


def opened(browser: Browser, machine: Machine, **how: Any) -> Iterator[Page]:
    """The page, which asks nobody but the machine, and in which nothing goes wrong."""
    complaints: list[str] = []

    def look(request: Request) -> None:
        if not request.url.startswith((machine.url, "blob:", "data:")):
            complaints.append(request.url)

    with browser.new_context(**how) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("request", look)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Security Policy" in said.text else None)
        page.goto(machine.url)
        page.wait_for_selector("#status.live")
        page.wait_for_selector("#digit:not([hidden])")
        yield page
        assert complaints == []


def shows(page: Page, where: str, what: str | re.Pattern[str]) -> None:
    """Wait until it does. (What else waits in a page evaluates strings, and the page's policy allows nobody to.)"""
    expect(page.locator(where)).to_have_text(what, timeout=PATIENCE * 1000)


def draw(page: Page, digit: int, seed: int) -> str:
    """Draw it with the mouse: what the page says it is."""
    page.click("#clear")
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    for stroke in jittered(digit, seed):
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=3)
        page.mouse.up()
    shows(page, "#answer", re.compile("[0-9]"))
    return page.inner_text("#answer")


def test_all_ten_digits_are_told_apart(page: Page) -> None:
    wrong = [
        (digit, seed, said)
        for seed in range(ROUNDS)
        for digit in range(10)
        if (said := draw(page, digit, seed)) != str(digit)
    ]
    assert len(wrong) <= ROUNDS, wrong
    page.select_option("#model", "digits-int8")
    shows(page, "#answered", re.compile("^digits-int8, version"))
    assert draw(page, 3, 1) == "3"
    assert page.inner_text("#scores div:nth-child(11) + span") != ""


def test_a_driver_is_killed_from_the_page_and_comes_back(
    page: Page, machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    before = machine.starts("card")
    row = page.locator("tr[data-service=card]")
    row.get_by_role("button", name="Kill card").click()
    shows(page, "#order-command", re.compile("^nk approve kill card --nonce [0-9a-f]{32}$"))
    words = page.inner_text("#order-command").split()
    page.fill("#order-approval", "no approval")
    page.click("#order-send")
    assert "192 digits" in page.inner_text("#order-error")
    # An approval of another order's doesn't do.
    wrong = Nk(capfdbinary)("approve", "kill", "network", "--nonce", words[-1])
    page.fill("#order-approval", wrong.output)
    page.click("#order-send")
    shows(page, "#order-error", re.compile("isn't an operator's"))
    assert machine.starts("card") == before
    picture(page, "order", full=False)
    result = Nk(capfdbinary)(*words[1:])
    assert result.status == 0, result.error
    page.fill("#order-approval", result.output)
    page.click("#order-send")
    page.wait_for_selector("#order", state="hidden")
    shows(page, "tr[data-service=card] td:nth-child(3)", str(before + 1))
    shows(page, "tr[data-service=card] td:nth-child(2)", "runs")
    page.wait_for_selector("#status.live")
    shows(page, "#log", re.compile("by way of a page: kill card"))
    assert draw(page, 7, 1) == "7"


def test_who_is_down_can_be_started_from_the_page(page: Page, machine: Machine) -> None:
    """Also who was given up: nobody has it ended by a button that says otherwise."""
    assert machine.phase("weak") == "given up"
    row = page.locator("tr[data-service=weak]")
    expect(row.get_by_role("button", name="Swap weak")).to_be_disabled()
    row.get_by_role("button", name="Start weak").click()
    shows(page, "#order-command", re.compile("^nk approve start weak --nonce [0-9a-f]{32}$"))
    assert page.locator("#order-verb option").all_inner_texts() == ["Start: start it"]


def test_stop_and_swap_from_the_page(page: Page, machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """What is chosen is what is to be signed; all that `nk approve` prints may be pasted."""

    def approved(words: list[str]) -> None:
        result = Nk(capfdbinary)(*words[1:])
        assert result.status == 0, result.error
        page.fill("#order-approval", result.error + result.output)
        page.click("#order-send")

    page.locator("tr[data-service=log]").get_by_role("button", name="Swap log").click()
    shows(page, "#order-command", re.compile("^nk approve swap log --nonce [0-9a-f]{32}$"))
    page.fill("#order-program", " nobody ")
    shows(page, "#order-command", re.compile("^nk approve swap log nobody --nonce [0-9a-f]{32}$"))
    words = page.inner_text("#order-command").split()
    approved(words)
    shows(page, "#order-error", re.compile("there is no such program"))
    # That has used the nonce up.
    approved(words)
    shows(page, "#order-error", re.compile("ask for another nonce"))
    page.click("#order-renew")
    shows(page, "#order-error", "")
    shows(page, "#order-command", re.compile(f"^nk approve swap log nobody --nonce (?!{words[-1]})[0-9a-f]{{32}}$"))
    page.get_by_role("button", name="Cancel").click()
    name = "digits-int8-next"
    row = page.locator(f"tr[data-service={name}]")
    row.get_by_role("button", name=f"Kill {name}").click()
    page.select_option("#order-verb", "stop")
    shows(page, "#order-command", re.compile(f"^nk approve stop {name} --nonce [0-9a-f]{{32}}$"))
    approved(page.inner_text("#order-command").split())
    page.wait_for_selector("#order", state="hidden")
    row.get_by_role("button", name=f"Start {name}").click()
    shows(page, "#order-command", re.compile(f"^nk approve start {name} --nonce [0-9a-f]{{32}}$"))
    approved(page.inner_text("#order-command").split())
    page.wait_for_selector("#order", state="hidden")
    until(lambda: machine.phase(name) == "runs")


def test_a_trace_is_a_file_for_perfetto(page: Page) -> None:
    page.select_option("#length", "50")

    def asked() -> None:
        end = time.monotonic() + PATIENCE
        while "events" not in page.inner_text("#traced"):
            assert time.monotonic() < end
            page.locator("#trace:enabled").click()
            page.wait_for_selector("#trace:enabled")

    with page.expect_download() as told:
        asked()
    path = told.value.path()
    assert told.value.suggested_filename == "neokernel.trace.json"
    holds_together(json.loads(Path(path).read_text()))


def holds_together(trace: dict[str, Any]) -> None:
    """Slices nest and end, arrows have both ends, times never decrease, tracks have services' names."""
    depth: dict[tuple[int, int], int] = {}
    last = 0.0
    arrows: dict[str, list[int]] = {"s": [], "f": []}
    names = set()
    for event in trace["traceEvents"]:
        if event["ph"] == "M":
            names.add(event["args"]["name"])
            continue
        assert event["ts"] >= last
        last = event["ts"]
        track = event["pid"], event["tid"]
        if event["ph"] in "BE":
            depth[track] = depth.get(track, 0) + (1 if event["ph"] == "B" else -1)
            assert 0 <= depth[track] <= 1
        elif event["ph"] in arrows:
            arrows[event["ph"]].append(event["id"])
    assert set(depth.values()) == {0}
    assert sorted(arrows["s"]) == sorted(arrows["f"])
    assert {"harts", "threads", "network"} <= names


def test_pictures(browser: Browser, machine: Machine) -> None:
    """By light, in the dark, and on a phone, where nothing is wider than the screen."""
    phone = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
    screen = {"viewport": {"width": 1280, "height": 900}}
    for name, how in (
        ("light", {**screen, "color_scheme": "light"}),
        ("dark", {**screen, "color_scheme": "dark"}),
        ("phone", {**phone, "color_scheme": "light"}),
        ("phone-dark", {**phone, "color_scheme": "dark"}),
    ):
        for page in opened(browser, machine, **how):
            assert draw(page, 5, 1) == "5"
            shows(page, "#ends", re.compile("weak it failed: a check failed, at 0x.*nk svc show weak"))
            page.wait_for_selector("#graph .edge.busy", state="attached")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            picture(page, name)


def picture(page: Page, name: str, *, full: bool = True) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, full_page=full)
    assert path.stat().st_size > 10_000 and os.access(path, os.R_OK)
