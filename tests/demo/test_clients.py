"""The demonstration's clients, against a server that refuses, forgets and lies as it is told."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from neokernel.demo import clients
from neokernel.demo.clients import Asker, Clients, Question, Unexpected, read

PATH = "/v2/models/digits/infer"
QUESTIONS = [Question(json.dumps({"inputs": [number]}).encode(), number) for number in range(10)]
#: what is answered instead of a result
OTHERS = {"refuse": 503, "busy": 429, "late": 504, "none": 404, "wrong": 400}


def result(best: int, version: str = "1") -> bytes:
    data = [float(number == best) for number in range(10)]
    return json.dumps({"model_version": version, "outputs": [{"name": "scores", "data": data}]}).encode()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow host isn't a lost connection."""
    monkeypatch.setattr(clients, "FIRST", 60.0)
    monkeypatch.setattr(clients, "SILENCE", 600.0)


class Gateway(socketserver.ThreadingTCPServer):
    """Does what `script` says next, and then answers each question by its own number."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, script: list[str]) -> None:
        self.script, self.connections, self.lock = script, 0, threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)

    def next(self) -> str:
        with self.lock:
            return self.script.pop(0) if self.script else "answer"


class Handler(socketserver.StreamRequestHandler):
    server: Gateway

    def handle(self) -> None:
        self.server.connections += 1
        while (line := self.rfile.readline()) not in (b"", b"\r\n"):
            assert line == f"POST {PATH} HTTP/1.1\r\n".encode()
            size = 0
            while (header := self.rfile.readline().strip()) != b"":
                if header.lower().startswith(b"content-length:"):
                    size = int(header.split(b":")[1])
            asked = json.loads(self.rfile.read(size))["inputs"][0]
            what = self.server.next()
            if what == "lose":
                return
            if what == "half":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
                return
            status, body = OTHERS.get(what, 200), result(asked)
            if what == "nonsense":
                body = b"{}"
            close = b"Connection: close\r\n" if what == "close" else b""
            self.wfile.write(b"HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s" % (status, close, len(body), body))
            if close:
                return


@contextmanager
def serving(*script: str) -> Iterator[Gateway]:
    with Gateway(list(script)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def asker(server: Gateway) -> Asker:
    return Asker(server.server_address[1], PATH)


def test_a_question_is_asked_until_it_is_answered() -> None:
    with serving("refuse", "lose", "half", "busy", "late", "lose") as server:
        client = asker(server)
        answer = client.ask(7, QUESTIONS[7])
        assert answer is not None
        assert (answer.question, answer.best, answer.version) == (7, 7, "1")
        assert (answer.refused, answer.lost) == (3, 3)
        assert answer.took >= 0
        again = client.ask(3, QUESTIONS[3])
        assert again is not None and (again.best, again.refused, again.lost) == (3, 0, 0)
        assert server.connections == 4
        client.close()


def test_a_connection_is_kept_unless_the_server_ends_it() -> None:
    with serving("answer", "answer", "close") as server:
        client = asker(server)
        for number in range(5):
            answer = client.ask(number, QUESTIONS[number])
            assert answer is not None and answer.lost == 0
        assert server.connections == 2
        client.close()


@pytest.mark.parametrize("what", ["none", "wrong", "nonsense"])
def test_what_the_gateway_mayn_t_say_is_told(what: str) -> None:
    with serving(what) as server:
        client = asker(server)
        with pytest.raises(Unexpected, match=r"status 40|can't be read"):
            client.ask(1, QUESTIONS[1])
        client.close()


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{}", b'{"outputs": [{"data": []}], "model_version": "1"}'])
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(Unexpected):
        read(body)


def test_several_ask_at_once_and_all_is_counted() -> None:
    with serving(*["refuse", "answer", "lose", "answer"] * 10) as server:
        crowd = Clients(server.server_address[1], PATH, QUESTIONS, 3)
        with crowd:
            while crowd.fewest_since(0.0) < 30:
                assert not crowd.failed
        found = crowd.between(0.0, float("inf"))
        assert sum(each.refused for each in found) == sum(each.lost for each in found) == 10
        assert all(each.best == each.question for each in found)
        assert crowd.fewest_since(max(each.began for each in found) + 1) == 0
        assert not crowd.failed and not any(thread.is_alive() for thread in crowd.threads)


def test_who_stops_doesn_t_wait_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers: they end all the same, also who is just connecting."""
    monkeypatch.setattr(clients, "FIRST", 1.0)
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as silent:
        crowd = Clients(silent.server_address[1], PATH, QUESTIONS, 1)
        for thread in crowd.threads:
            thread.start()
        crowd.__exit__()
        assert not any(thread.is_alive() for thread in crowd.threads)
