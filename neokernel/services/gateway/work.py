"""Who computes what: models, the processes that serve them, and the queues between requests and these.

A request that is complete goes into its model's queue, or to a process that waits. A process is given one at a time.
Its results count when it asks for the next one; what it had been given is lost when it begins anew.

Invariants:
- A job that is GIVEN is the `job` of one worker, and that worker's `serial` is the job's. Of any other number that a
  process says nothing is done.
- A queue's entry counts only while its job is WAITING with the entry's serial; `waiting` is the number of those.
- A process reads and writes its own region alone: inputs are put there when a job is given, results are copied out
  when it is done.
- Of a process, one task at most waits for work. A process can send without waiting for answers, as often as it likes:
  its last word counts, and the task of the one before ends. So nobody takes the tasks that others' calls need.
- Whoever serves a name has begun with the manifest that its model has now, or with one that takes and gives the same:
  so its tensors lie as `described` says.
- Where somebody was appointed, nobody else is given work; what others had been given before still counts. Who was
  appointed, and serves what the name takes and gives, can't make it another model: else who was before couldn't return.
"""

from __future__ import annotations

from neokernel.abi.model import Header
from neokernel.http.exchange import Exchange
from neokernel.interfaces.appointment import NotAppointed, Served
from neokernel.interfaces.inference import MOST_MANIFEST, Batch, NoWork
from neokernel.lang import Array, Embedded, Span, array, copy, pause, size_of, struct, u8, u64, usize, wire_view
from neokernel.runtime.executor import Executor
from neokernel.runtime.interface import client_of, provided_of
from neokernel.runtime.lend import Lent
from neokernel.runtime.queue import Queue
from neokernel.runtime.task import Task
from neokernel.runtime.vec import Full
from neokernel.services.gateway.described import Described, length_of
from neokernel.services.gateway.elements import size_of_element
from neokernel.services.gateway.job import Job, Phase, Version

#: names that are served, processes that serve them, and connections
MODELS = 4
WORKERS = 8
JOBS = 30
#: entries of a queue
MOST_WAITING = 64
#: an entry's job, below its serial
INDEX_BITS = 8
INDEX_MASK: u64 = (1 << INDEX_BITS) - 1
#: no job
NOBODY: usize = JOBS

HEADER_SIZE: usize = size_of(Header)

assert JOBS < 1 << INDEX_BITS


@struct
class Model:
    """Behind a name."""

    #: it has a name
    named: bool = False
    described: Embedded[Described] = Described()
    queue: Embedded[Queue[u64]] = Queue(slots=array(MOST_WAITING))
    #: what was taken out of the queue for a process that had ended: it goes before all else
    returned: Embedded[Queue[u64]] = Queue(slots=array(WORKERS))
    waiting: usize = 0
    #: the process that was appointed to serve it, 0 as long as anybody may
    appointed: u64 = 0
    #: since then, work has waited for it in vain
    in_vain: bool = False
    #: when that was, or when it gave results for the last time
    last: u64 = 0

    def is_for(self, client: u64) -> bool:
        """May this process have its work?"""
        return self.appointed in (0, client)

    def pop(self) -> u64 | None:
        """The next entry. It may be one that counts no more."""
        entry = self.returned.pop()
        return entry if entry is not None else self.queue.pop()


@struct
class Worker:
    """A process that serves a model, as long as the gateway lives: `client` is its number, 0 for none."""

    client: u64 = 0
    model: usize = 0
    #: it has said what it is, and hasn't ended since, as far as anybody knows
    began: bool = False
    #: another number for each of its lives, and each time that it asks for work
    turn: u64 = 0
    #: where its tensors are, and of which manifest they are
    tensors: Lent = Lent(0, 0)
    edition: u64 = 0
    #: the header of that one, and the version in it
    header: Array[u8] = array(HEADER_SIZE)
    version: Embedded[Version] = Version()
    #: results that it has given since it began
    answered: u64 = 0
    #: the number of the last work that it was given; the job, and that one's serial
    given: u64 = 0
    job: usize = NOBODY
    serial: u64 = 0
    #: when it was given that, and until when it is in time with it, whether anybody still waits for it or not
    since: u64 = 0
    until: u64 = 0
    #: the task that waits for work for it
    waiter: Task | None = None

    def is_late(self, now: u64) -> bool:
        return self.job != NOBODY and now >= self.until


@struct
class Work:
    models: Array[Embedded[Model]] = array(MODELS)
    workers: Array[Embedded[Worker]] = array(WORKERS)
    jobs: Array[Embedded[Job]] = array(JOBS)
    #: what a process says that it is, until that is accepted
    scratch: Embedded[Described] = Described()
    serial: u64 = 0
    #: requests of one model that may wait
    most: usize = MOST_WAITING
    #: ticks that a process has for what it was given
    patience: u64 = 0

    # --- requests -----------------------------------------------------------------------------------------------------

    def serving(self, model: usize, now: u64) -> usize:
        """How many processes serve a model, as far as anybody knows: those that aren't late."""
        count: usize = 0
        for worker in self.workers:
            serves = worker.began and worker.model == model and not worker.is_late(now)
            count += 1 if serves and self.models[model].is_for(worker.client) else 0
        return count

    def submit(self, executor: Executor, index: usize, model: usize, until: u64) -> Full | None:
        """Put a job that is complete into its model's queue. Its results are waited for until then."""
        found, job = self.models[model], self.jobs[index]
        if found.waiting >= self.most:
            return Full.FULL
        if found.queue.room() == 0:
            self.tidy(found.queue)
        self.serial += 1
        full = found.queue.push(self.serial << INDEX_BITS | index)
        if full is None:
            job.serial, job.edition, job.phase = self.serial, found.described.edition, Phase.WAITING
            job.since, job.until = executor.now, until
            found.waiting += 1
            self.call(executor, model)
        return full

    def tidy(self, queue: Queue[u64]) -> None:
        """Take out what counts no more, since nobody waits for it."""
        for _ in range(queue.size):
            entry = queue.pop()
            if entry is not None and self.waits(entry):
                _ = queue.push(entry)

    def waits(self, entry: u64) -> bool:
        """Does somebody wait for what this entry of a queue is about?"""
        job = self.jobs[usize(entry & INDEX_MASK)]
        return job.phase is Phase.WAITING and job.serial == entry >> INDEX_BITS

    async def computed(self, executor: Executor, index: usize, model: usize, client: Exchange) -> Phase:
        """How a job has ended: DONE, LOST, or IDLE if its time was over first, or the client has gone."""
        job = self.jobs[index]
        while job.phase is Phase.WAITING or job.phase is Phase.GIVEN:
            gone = client.is_gone()
            if executor.now >= job.until or gone:
                if not gone:
                    self.miss(index, model)
                self.abandon(index, model)
                break
            job.waiter = executor.running()
            client.expect_end()
            executor.until(job.until)
            await pause()
        job.waiter = None
        ended, job.phase = job.phase, Phase.IDLE
        return ended if job.edition == self.models[model].described.edition or ended is Phase.IDLE else Phase.LOST

    def miss(self, index: usize, model: usize) -> None:
        """A job's time is over. If it still waits, is that the fault of who was appointed?

        It is, if no results have come for as long, and it doesn't work on something that it took meanwhile either. Who
        takes too long for what it has is late by itself: that a queue is long isn't anybody's fault.
        """
        job, found = self.jobs[index], self.models[model]
        if job.phase is not Phase.WAITING or found.appointed == 0:
            return
        worker = self.worker_of(found.appointed)
        works = worker is not None and worker.job != NOBODY and worker.since > job.since
        if found.last <= job.since and not works:
            found.in_vain = True

    def abandon(self, index: usize, model: usize) -> None:
        """Nobody waits for the job any more."""
        job = self.jobs[index]
        if job.phase is Phase.WAITING:
            self.models[model].waiting -= 1
        job.phase = Phase.IDLE

    def call(self, executor: Executor, model: usize) -> None:
        """Let a process that waits have the work that there is now."""
        for worker in self.workers:
            waiter = worker.waiter
            if waiter is not None and worker.began and worker.model == model:
                worker.waiter = None
                executor.wake(waiter)
                return

    def end(self, executor: Executor, job: Job, phase: Phase) -> None:
        """Tell who waits for it how the job has ended."""
        job.phase = phase
        waiter = job.waiter
        if waiter is not None:
            executor.wake(waiter)

    # --- processes ----------------------------------------------------------------------------------------------------

    def worker_of(self, client: u64) -> Worker | None:
        for worker in self.workers:
            if worker.client == client:
                return worker
        return None

    def begin(self, executor: Executor, badge: u64, manifest: Lent, tensors: Lent) -> NoWork | None:
        """A process begins to serve the model that its capability is for."""
        number, client = usize(provided_of(badge)), client_of(badge)
        if number >= MODELS or client == 0 or not self.models[number].named:
            return NoWork.NAME
        worker = self.worker_of(client)
        if worker is None:
            worker = self.worker_of(0)
            if worker is None:
                return NoWork.FULL
            worker.client = client
        self.leave(executor, worker)
        model = self.models[number]
        if manifest.length > MOST_MANIFEST:
            return NoWork.MANIFEST
        memory: Array[u8] = array(MOST_MANIFEST)
        data = memory[: manifest.length]
        manifest.read(0, data)
        size = model.described.size * model.described.most() if model.described.size != 0 else usize(0)
        another = not model.described.is_of(data)
        if another and model.appointed != 0 and model.described.is_like(data):
            # It takes and gives the same. Who was appointed says which version that is.
            if model.is_for(client):
                model.described.rename(data[:HEADER_SIZE])
            another = False
        if another:
            if not self.may_replace(executor, worker, number):
                return NoWork.OTHER
            self.scratch.limit = model.described.limit
            refused = self.scratch.read(data)
            if refused is not None:
                return refused
            size = self.scratch.size * self.scratch.most()
        if tensors.length < size:
            return NoWork.SIZE
        if another:
            self.replace(executor, number, data)
        worker.model, worker.tensors = number, tensors.part(0, size)
        worker.edition = model.described.edition
        copy(worker.header[:], data[:HEADER_SIZE].bytes())
        worker.version.length = length_of(wire_view(Header, data).model_version[:], worker.version.data[:])
        worker.answered = 0
        worker.began = True
        return None

    def may_replace(self, executor: Executor, worker: Worker, number: usize) -> bool:
        """May what the name takes and gives become what this process says?"""
        model = self.models[number]
        if model.described.size == 0:
            return True
        if model.appointed == 0:
            return self.serving(number, executor.now) == 0
        # Who was before it gives and takes what the name does now, and is to be able to come back.
        knows = worker.model == number and worker.edition == model.described.edition
        return model.is_for(worker.client) and not knows

    async def next(self, executor: Executor, badge: u64, done: u64) -> Batch | NoWork:
        """A process has done what it was given, and wants more."""
        worker = self.worker_of(client_of(badge)) if client_of(badge) != 0 else None
        if worker is None or not worker.began:
            return NoWork.BEGIN
        self.finish(executor, worker, done)
        self.supersede(executor, worker)
        turn = worker.turn
        while worker.turn == turn and worker.began:
            if not self.models[worker.model].is_for(worker.client):
                return NoWork.RETIRED
            if self.give(executor, worker):
                return Batch(worker.given, u64(self.jobs[worker.job].examples))
            worker.waiter = executor.running()
            await pause()
        return NoWork.BEGIN

    # --- who serves -----------------------------------------------------------------------------------------------

    def appoint(self, executor: Executor, number: u64, client: u64, absent: bool) -> NotAppointed | None:
        """From now on, this process alone is given a name's work: others are told that they are retired. `absent`: also
        if it has yet to begin."""
        if number >= MODELS or not self.models[usize(number)].named:
            return NotAppointed.NAME
        model = self.models[usize(number)]
        began = self.has_begun(usize(number), client)
        if client == 0 or (began is None and not absent):
            return NotAppointed.ABSENT
        if began is not None:
            model.described.rename(began.header[:])
        if model.appointed != client:
            model.appointed, model.in_vain, model.last = client, False, executor.now
        for worker in self.workers:
            waiter = worker.waiter
            if waiter is not None and worker.model == usize(number):
                worker.waiter = None
                executor.wake(waiter)
        return None

    def end_life(self, executor: Executor, number: u64, client: u64) -> NotAppointed | None:
        """The life is over in which the process has begun to serve this name."""
        if number >= MODELS or not self.models[usize(number)].named:
            return NotAppointed.NAME
        worker = self.has_begun(usize(number), client)
        if worker is None:
            return NotAppointed.ABSENT
        self.leave(executor, worker)
        return None

    def served(self, number: u64, now: u64) -> Served | NotAppointed:
        """How the process does that was appointed."""
        if number >= MODELS or not self.models[usize(number)].named:
            return NotAppointed.NAME
        model = self.models[usize(number)]
        if model.appointed == 0:
            return NotAppointed.ABSENT
        worker = self.has_begun(usize(number), model.appointed)
        if worker is None:
            return Served(0, False, model.in_vain)
        return Served(worker.answered, True, model.in_vain or worker.is_late(now))

    def has_begun(self, number: usize, client: u64) -> Worker | None:
        """The process, if it has begun to serve this name."""
        worker = self.worker_of(client) if client != 0 else None
        return worker if worker is not None and worker.began and worker.model == number else None

    # --- work -----------------------------------------------------------------------------------------------------

    def finish(self, executor: Executor, worker: Worker, done: u64) -> None:
        """Take the results; of another number than that of what it was given, it has none."""
        index = worker.job
        if index == NOBODY:
            return
        self.let_go(executor, worker)
        job = self.jobs[index]
        if job.phase is not Phase.GIVEN or job.serial != worker.serial:
            return
        if done != worker.given:
            self.end(executor, job, Phase.LOST)
            return
        described = self.models[worker.model].described
        assert worker.edition == described.edition, "`replace` lets go of all others"
        for example in range(job.examples):
            place = example * described.size
            worker.tensors.read(
                place + described.results, job.tensors[place + described.results : place + described.size]
            )
        job.by.set(worker.version.text())
        worker.answered += 1
        model = self.models[worker.model]
        if model.is_for(worker.client):
            model.last = executor.now
        self.end(executor, job, Phase.DONE)

    def let_go(self, executor: Executor, worker: Worker) -> None:
        """It has no job any more. That it was late with it counts on."""
        model = self.models[worker.model]
        model.in_vain = model.in_vain or (worker.is_late(executor.now) and model.appointed == worker.client)
        worker.job = NOBODY

    def give(self, executor: Executor, worker: Worker) -> bool:
        """Give it the oldest job that still waits. False: there is none."""
        model = self.models[worker.model]
        assert worker.edition == model.described.edition, "`replace` lets go of all others"
        while True:
            entry = model.pop()
            if entry is None:
                return False
            if self.waits(entry):
                break
        index = usize(entry & INDEX_MASK)
        job = self.jobs[index]
        model.waiting -= 1
        for example in range(job.examples):
            for number in range(model.described.inputs):
                # What lies between inputs is of another request: no model may see it.
                tensor = model.described.input(number)
                place = example * model.described.size + tensor.place
                end = place + usize(tensor.count * size_of_element(tensor.element))
                worker.tensors.write(place, job.tensors[place:end].bytes())
        job.phase = Phase.GIVEN
        worker.given += 1
        worker.job, worker.serial = index, job.serial
        worker.since, worker.until = executor.now, executor.now + self.patience
        return True

    def undelivered(self, executor: Executor, badge: u64, given: u64) -> None:
        """Whoever was to have this work had ended while it waited: another one may have it, before all others."""
        worker = self.worker_of(client_of(badge))
        if worker is None or given == 0 or worker.given != given or worker.job == NOBODY:
            return
        index, serial = worker.job, worker.serial
        self.leave_with(executor, worker)
        job = self.jobs[index]
        if job.phase is not Phase.GIVEN or job.serial != serial:
            return
        model = self.models[worker.model]
        if model.returned.push(serial << INDEX_BITS | index) is not None:
            self.end(executor, job, Phase.LOST)
            return
        job.phase = Phase.WAITING
        model.waiting += 1
        self.call(executor, worker.model)

    def leave(self, executor: Executor, worker: Worker) -> None:
        """The process's life is over; what it was given is lost."""
        index, serial = worker.job, worker.serial
        self.leave_with(executor, worker)
        self.supersede(executor, worker)
        if index != NOBODY:
            job = self.jobs[index]
            if job.phase is Phase.GIVEN and job.serial == serial:
                self.end(executor, job, Phase.LOST)

    def leave_with(self, executor: Executor, worker: Worker) -> None:
        """The same; what it was given is somebody else's affair."""
        self.let_go(executor, worker)
        worker.began = False
        worker.turn += 1

    def supersede(self, executor: Executor, worker: Worker) -> None:
        """Who waits for work for it waits for nothing any more, and says so."""
        worker.turn += 1
        waiter = worker.waiter
        worker.waiter = None
        if waiter is not None:
            executor.wake(waiter)

    def dismiss(self, executor: Executor) -> None:
        """Another version of the gateway is to take over: nobody may wait here, and all begin with that."""
        for worker in self.workers:
            if worker.waiter is not None:
                self.leave(executor, worker)

    def replace(self, executor: Executor, model: usize, manifest: Span[u8]) -> None:
        """The name is another model's now. Who served it, late as it must be, may come back, but has to begin."""
        for worker in self.workers:
            if worker.began and worker.model == model:
                self.leave(executor, worker)
        self.lose(executor, model)
        refused = self.models[model].described.read(manifest)
        assert refused is None, "it was read before"

    def lose(self, executor: Executor, model: usize) -> None:
        """Requests that wait for a model can't be done any more: it is another one now."""
        while True:
            entry = self.models[model].pop()
            if entry is None:
                break
            if self.waits(entry):
                self.models[model].waiting -= 1
                self.end(executor, self.jobs[usize(entry & INDEX_MASK)], Phase.LOST)
