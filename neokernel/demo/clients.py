"""Clients of the gateway: each asks on a connection that it keeps, one question after the other, until it is answered.

They do what a program of the host would: a connection that is lost is made again, and who is told to come again
(429, 503, 504: docs/guide/gateway.md) comes again. So a question ends with an answer, however long that takes, and
what happened in between is in it.

Invariants: an answer is recorded when it is whole; what isn't one of the documented statuses, or can't be read, ends
the client, and `Clients.failed` says how. Times are the host's, in seconds, by its monotonic clock.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

#: statuses that say: come again
AGAIN = (429, 503, 504)
#: seconds between two tries
PAUSE = 0.02
#: seconds without a byte, after which a connection is taken to be lost: more than the gateway lets anybody wait
SILENCE = 15.0
#: likewise, of a new connection, which QEMU may have taken and forgotten; twice as long each time that it is lost
FIRST = 1.0


@dataclass(frozen=True)
class Question:
    """A held-out image: the body of its request, and what a person says that it is."""

    body: bytes
    label: int


@dataclass(frozen=True)
class Answer:
    """What became of a question. `best`: the class with the highest score. `began`, `ended`: including all tries.

    `refused`: how often it was told to come again; `lost`: how many connections it has outlived.
    """

    question: int
    best: int
    version: str
    began: float
    ended: float
    refused: int
    lost: int

    @property
    def took(self) -> float:
        return self.ended - self.began


class Unexpected(Exception):
    """An answer that the gateway mayn't give."""


class Asker:
    """One client. `ask` is for one thread."""

    def __init__(self, port: int, path: str, stop: threading.Event | None = None) -> None:
        self.port, self.path = port, path
        self.stop = threading.Event() if stop is None else stop
        self.connection: socket.socket | None = None
        self.patience = FIRST

    def ask(self, number: int, question: Question) -> Answer | None:
        """None: it was stopped before there was an answer. Raises Unexpected."""
        began, seen = time.monotonic(), Counter[Literal["refused", "lost"]]()
        while not self.stop.is_set():
            try:
                status, body = self.tried(question)
            except (OSError, http.client.HTTPException):
                self.close()
                seen["lost"] += 1
            else:
                if status == 200:
                    best, version = read(body)
                    return Answer(number, best, version, began, time.monotonic(), seen["refused"], seen["lost"])
                if status not in AGAIN:
                    raise Unexpected(f"status {status}: {body[:200].decode(errors='replace')}")
                seen["refused"] += 1
            self.stop.wait(PAUSE)
        return None

    def tried(self, question: Question) -> tuple[int, bytes]:
        """Status and body. Raises OSError or HTTPException if there is no answer: the connection is lost."""
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), self.patience)
            self.patience = min(2 * self.patience, SILENCE)
        # In one piece, as QEMU may reset who sends a body behind its head: docs/guide/network.md.
        head = f"POST {self.path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
        self.connection.sendall(f"{head}Content-Length: {len(question.body)}\r\n\r\n".encode() + question.body)
        answer = http.client.HTTPResponse(self.connection, method="POST")
        answer.begin()
        body = answer.read()
        self.patience = FIRST
        self.connection.settimeout(SILENCE)
        if answer.will_close:
            self.close()
        return answer.status, body

    def wake(self) -> None:
        """From another thread: what it waits for doesn't come any more."""
        made = self.connection
        if made is not None:
            with contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def read(body: bytes) -> tuple[int, str]:
    """The class with the highest score, and the model's version. Raises Unexpected."""
    try:
        value: Any = json.loads(body)
        (output,) = value["outputs"]
        scores = [float(each) for each in output["data"]]
        return max(range(len(scores)), key=scores.__getitem__), str(value["model_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unexpected(f"an answer that can't be read: {body[:200]!r}") from error


class Clients:
    """Several askers at once, each in a thread, which go through the questions again and again."""

    def __init__(self, port: int, path: str, questions: Sequence[Question], count: int) -> None:
        self.questions, self.count = questions, count
        self.stopped = threading.Event()
        self.answers: list[list[Answer]] = [[] for _ in range(count)]
        #: how clients have failed
        self.failed: list[str] = []
        self.numbers = itertools.count()
        self.askers = [Asker(port, path, self.stopped) for _ in range(count)]
        self.threads = [
            threading.Thread(target=self.run, args=each, daemon=True)
            for each in zip(self.askers, self.answers, strict=True)
        ]

    def __enter__(self) -> Self:
        # One after the other: see "Many clients at once" in docs/guide/network.md.
        for thread, mine in zip(self.threads, self.answers, strict=True):
            thread.start()
            while thread.is_alive() and not mine:
                time.sleep(PAUSE)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for asker in self.askers:
            asker.wake()
        for thread in self.threads:
            if thread.is_alive():
                thread.join(SILENCE)

    def run(self, asker: Asker, mine: list[Answer]) -> None:
        try:
            while not self.stopped.is_set():
                number = next(self.numbers) % len(self.questions)
                answer = asker.ask(number, self.questions[number])
                if answer is not None:
                    mine.append(answer)
        except Unexpected as error:
            self.failed.append(str(error))
        finally:
            asker.close()

    def fewest_since(self, moment: float) -> int:
        """How many questions that were asked after it are answered, of the client with the fewest."""
        counts = []
        for each in self.answers:
            count = 0
            for answer in reversed(each):
                if answer.began < moment:
                    break
                count += 1
            counts.append(count)
        return min(counts)

    def between(self, start: float, end: float) -> list[Answer]:
        """What was answered then, in any order."""
        return [answer for each in self.answers for answer in list(each) if start <= answer.ended < end]
