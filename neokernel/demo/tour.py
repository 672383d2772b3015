"""What is done to the gateway while clients ask it, and what they see of it.

Each part is a method of `Tour` that returns what it found as a value; nothing is printed here. A part lasts until the
clients were answered so often, not for so long: a slow host takes longer, and sees the same.

Invariant: an answer counts as wrong if it isn't what the same model has said of the same image before anything was
killed; how many digits a model takes for others is its accuracy, which is another thing.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from neokernel import lang
from neokernel.control.models import models, push, settled
from neokernel.control.view import Service, View
from neokernel.demo.clients import Answer, Asker, Clients, Question
from neokernel.patience import patient

#: of the classifier (models/digits/train.py)
INPUT, ROWS, COLUMNS = "image", 8, 8
#: clients that ask at the same time
CLIENTS = 4
#: answers that a client has had before something is done to it, and after it is over
BEFORE, AFTER = 100, 50
#: seconds without which a service, or an answer to everybody, doesn't come any more; between two looks
PATIENCE, LOOKS = 240.0, 0.02

Sessions = Callable[[], AbstractContextManager[View]]


class Stuck(Exception):
    """Something that should have happened hasn't: what."""


@dataclass(frozen=True)
class Accuracy:
    """How many of the images a model takes for what they are."""

    model: str
    right: int
    images: int


@dataclass(frozen=True)
class Seen:
    """What clients saw of a while of `seconds`.

    `answered`: questions; `asked_again`: those of them that took more than one try, as they were `refused` for now or
    their connection was `lost`; `wrong`: answers unlike those before. `longest`: seconds that a question took.
    """

    seconds: float
    answered: int
    asked_again: int
    refused: int
    lost: int
    wrong: int
    longest: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Pace:
    """Answers a second, and the milliseconds that were enough for 50, 90 and 99 of 100 of them."""

    clients: int
    seen: Seen
    rate: float
    half: float
    most: float
    nearly_all: float


@dataclass(frozen=True)
class Killed:
    """`starts`: how often the service was started by now."""

    service: str
    starts: int
    seen: Seen


@dataclass(frozen=True)
class Swapped:
    """`by`: how many answers were by which version of the model."""

    service: str
    version: str
    digest: str
    by: dict[str, int]
    seen: Seen


def questions(path: Path) -> list[Question]:
    """The held-out images, as requests."""
    import numpy as np

    with np.load(path, allow_pickle=False) as found:
        images, labels = found["images"], found["labels"]
    asked = []
    for image, label in zip(images, labels, strict=True):
        tensor = {"name": INPUT, "shape": [1, 1, ROWS, COLUMNS], "datatype": "FP32", "data": image.ravel().tolist()}
        asked.append(Question(json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode(), int(label)))
    return asked


class Tour:
    """A gateway at the host's `port` that serves `model`, seen by clients and by an operator.

    `check` raises if the machine has ended; `say` is told what is done.
    """

    def __init__(
        self,
        port: int,
        sessions: Sessions,
        asked: Sequence[Question],
        model: str,
        check: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.port, self.sessions, self.asked, self.model = port, sessions, asked, model
        self.check, self.say = check, say
        self.known: list[int] = []
        self.clients = Clients(port, path_of(model), asked, CLIENTS)

    def accuracy(self, model: str) -> Accuracy:
        """Ask each image once."""
        asker, found = Asker(self.port, path_of(model)), []
        for number, question in enumerate(self.asked):
            self.check()
            self.say(f"asking {model}: {number} of {len(self.asked)}")
            answer = asker.ask(number, question)
            assert answer is not None, "nobody stops this one"
            found.append(answer.best)
        asker.close()
        if model == self.model:
            self.known = found
        right = sum(best == question.label for best, question in zip(found, self.asked, strict=True))
        return Accuracy(model, right, len(self.asked))

    def pace(self) -> Pace:
        """As long as nothing happens."""
        start = time.monotonic()
        self.answered(start, BEFORE)
        end = time.monotonic()
        took = [1000 * each.took for each in self.clients.between(start, end)]
        percent = quantiles(took, n=100)
        seen = self.seen(start, end)
        return Pace(CLIENTS, seen, seen.answered / seen.seconds, percent[49], percent[89], percent[98])

    def kill(self, name: str) -> Killed:
        """End a service as by a crash, and wait until clients are answered as before."""
        start = time.monotonic()
        with self.sessions() as view:
            index = view.find(name)
            before = None if index is None else view.service(index)
            if index is None or before is None:
                raise Stuck(f"there is no service {name}")
            self.say(f"killing {name}")
            if (refused := view.order("kill", lang.u64(index))) is not None:
                raise Stuck(f"{name} can't be killed: {refused.reason.name}")
            after = self.again(view, before)
        self.answered(time.monotonic(), AFTER)
        return Killed(name, after.starts, self.seen(start, time.monotonic()))

    def again(self, view: View, before: Service) -> Service:
        end = time.monotonic() + patient(PATIENCE)
        while time.monotonic() < end:
            self.check()
            found = view.service(before.index)
            if found is not None and found.phase == "runs" and found.starts > before.starts:
                return found
            time.sleep(LOOKS)
        raise Stuck(f"{before.name} doesn't come back")

    def swap(self, bundle: bytes) -> Swapped:
        """Push another model, signed, and wait until it is no longer watched. Raises NotPushed."""
        start = time.monotonic()
        with self.sessions() as view:
            found = next((each for each in models(view) if each.name == self.model), None)
            if found is None:
                raise Stuck(f"no model is served as {self.model}")
            push(view, found.number, bundle, self.say)
            after = settled(view, found.number, watched=True, say=self.say)
        if after.service == found.service or after.why:
            raise Stuck(f"the model that was pushed doesn't serve: {after.why or after.outcome}")
        self.answered(time.monotonic(), AFTER)
        end = time.monotonic()
        by = Counter(each.version for each in self.clients.between(start, end))
        return Swapped(after.service, after.version, after.digest, dict(sorted(by.items())), self.seen(start, end))

    def server(self) -> str:
        """The process that serves the model now."""
        with self.sessions() as view:
            found = next((each for each in models(view) if each.name == self.model), None)
        if found is None or not found.service:
            raise Stuck(f"nobody serves {self.model}")
        return found.service

    def answered(self, moment: float, count: int) -> None:
        """Until each client has been answered so many questions that it has asked since."""
        end = time.monotonic() + patient(PATIENCE)
        while (fewest := self.clients.fewest_since(moment)) < count:
            self.check()
            if self.clients.failed:
                raise Stuck(f"a client was told what the gateway mayn't tell: {self.clients.failed[0]}")
            if time.monotonic() >= end:
                raise Stuck("clients aren't answered any more")
            self.say(f"{fewest} of {count} answers to each client")
            time.sleep(LOOKS)

    def seen(self, start: float, end: float) -> Seen:
        found = self.clients.between(start, end)
        return Seen(
            seconds=end - start,
            answered=len(found),
            asked_again=sum(bool(each.refused or each.lost) for each in found),
            refused=sum(each.refused for each in found),
            lost=sum(each.lost for each in found),
            wrong=sum(self.is_wrong(each) for each in found),
            longest=max((each.took for each in found), default=0.0),
        )

    def is_wrong(self, answer: Answer) -> bool:
        return answer.best != self.known[answer.question]


def path_of(model: str) -> str:
    return f"/v2/models/{model}/infer"
