"""Programs of others as clients of the machine: curl, wrk, nc, and a browser without a window."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.network.peers.crowd import WrongError
from tests.network.peers.laboratory import ADDRESS, ECHO, MACHINE, part
from tests.support.patience import PATIENCE

SITE = f"http://{ADDRESS}"
#: Debian's and Ubuntu's names, and Chrome's own
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
#: what the site's page finds out (`machine/www/script.js`)
PAGE = "24 parts, echo true, rgb(1, 2, 3), 7x5"


class MissingError(Exception):
    """A program isn't there."""


def run(*names: str, arguments: list[str], data: bytes = b"") -> bytes:
    """What the first of these programs that there is prints."""
    found = next((path for name in names if (path := shutil.which(name)) is not None), None)
    if found is None:
        raise MissingError(f"needs {names[0]}")
    done = subprocess.run([found, *arguments], input=data, capture_output=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise WrongError(f"{found}: {done.returncode}, {done.stderr[-500:]!r}")
    return done.stdout


def expect(what: str, right: bool) -> None:
    if not right:
        raise WrongError(what)


def curl(folder: Path) -> str:
    """Many at once on kept connections, ranges, uploads of known and unknown length, `Expect`, conditions."""
    usual = ["-sS", "--max-time", str(int(PATIENCE))]
    data, file = part(100, 60_000), (MACHINE / "www" / "script.js").read_bytes()
    (folder / "data").write_bytes(data)
    urls = [f"{SITE}/part?from={number * 61}&size=5000" for number in range(40)]
    wanted = b"".join(part(number * 61, 5_000) for number in range(40))
    expect("curl keeps a connection", run("curl", arguments=[*usual, *urls]) == wanted)
    outputs = [option for number, url in enumerate(urls) for option in ("-o", str(folder / f"part-{number}"), url)]
    run("curl", arguments=[*usual, "-Z", "--parallel-max", "20", *outputs])
    together = b"".join((folder / f"part-{number}").read_bytes() for number in range(40))
    expect("curl asks for many at once", together == wanted)
    for range_, bytes_ in (("5-99", file[5:100]), ("-7", file[-7:]), ("1000-", file[1000:])):
        expect(f"curl -r {range_}", run("curl", arguments=[*usual, "-r", range_, f"{SITE}/script.js"]) == bytes_)
    upload = [*usual, "--data-binary", f"@{folder / 'data'}", f"{SITE}/echo"]
    for more in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["--http1.0"]):
        expect(f"curl uploads {more}", run("curl", arguments=[*more, *upload]) == data)
    head = run("curl", arguments=[*usual, "-I", f"{SITE}/style.css"]).decode()
    tag = re.search(r"ETag: (\S+)", head)
    expect("curl -I", tag is not None and head.startswith("HTTP/1.1 200 "))
    assert tag is not None
    fresh = ["-o", "/dev/null", "-w", "%{http_code}", "-H", f"If-None-Match: {tag[1]}", f"{SITE}/style.css"]
    expect("curl asks whether it is fresh", run("curl", arguments=[*usual, *fresh]) == b"304")
    return "kept, parallel, ranges, uploads, conditions"


def wrk(seconds: int = 2, connections: int = 64) -> str:
    """As many requests as it can make; what it says of them."""
    load = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", f"{int(PATIENCE)}s"]
    said = run("wrk", arguments=[*load, f"{SITE}/part?from=5&size=1024"]).decode()
    expect(f"wrk has errors: {said}", "Socket errors" not in said and "Non-2xx" not in said)
    found = re.search(r"(\d+) requests in", said)
    assert found is not None, f"wrk says nothing: {said}"
    if int(found[1]) == 0:
        # On a slow host a second may be too short.
        expect(f"nobody answers wrk: {said}", seconds < 60)
        return wrk(10 * seconds, connections)
    return f"{int(found[1]):,} requests on {connections} connections, no errors"


def netcat() -> str:
    """Bytes to the echo, until its end, and back. There are several programs of that name, one of which can say -N."""
    found = shutil.which("nc")
    help = subprocess.run([found, "-h"], capture_output=True, check=False) if found is not None else None
    if help is None or b"OpenBSD" not in help.stdout + help.stderr:
        raise MissingError("needs nc, of OpenBSD")
    data = part(3, 50_000)
    expect("nc gets back what it says", run("nc", arguments=["-N", ADDRESS, str(ECHO)], data=data) == data)
    return f"{len(data):,} bytes there and back"


def browser() -> str:
    """A page with a style, a picture and a program, which loads parts at the same time and sends a body."""
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        # Its time goes on when nothing is under way any more.
        options += [f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom"]
        shown = run(*BROWSERS, arguments=[*options, f"{SITE}/"]).decode(errors="replace")
    title = re.search("<title>(.*?)</title>", shown)
    expect(f"the browser shows {shown[:400]!r}", title is not None and title[1] == PAGE)
    return PAGE
