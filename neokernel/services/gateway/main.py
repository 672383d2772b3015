"""The inference gateway: what is asked over HTTP, and who answers.

Each connection has a task and a job: the task reads requests into the job, and waits until a model's process has
computed it. Each call of a model's process is a task, too; one that asks for work is answered when there is some.
"""

from __future__ import annotations

from neokernel.http.beginning import begin
from neokernel.http.exchange import BodyError, Exchange
from neokernel.http.limits import Limits
from neokernel.http.method import GET, POST
from neokernel.http.overload import turn_away
from neokernel.http.seat import Room, Seat, seat_for
from neokernel.http.server import Server
from neokernel.http.text import Text
from neokernel.interfaces.appointment import Appointment, NotAppointed, Served
from neokernel.interfaces.clients.attending import attend
from neokernel.interfaces.clients.socket import Gone, Socket, Stream
from neokernel.interfaces.clients.voices import Voices
from neokernel.interfaces.inference import Batch, Inference, NoWork
from neokernel.interfaces.log import Level, Log
from neokernel.interfaces.sockets import Refusal, Sockets
from neokernel.json.writer import OBJECT, OBJECT_END, Writer
from neokernel.lang import (
    Array,
    Embedded,
    Provides,
    Setting,
    Span,
    Uses,
    array,
    copy,
    provides,
    setting,
    slot_of,
    struct,
    tasks,
    text_of,
    u8,
    u16,
    u32,
    u64,
    uses,
    usize,
)
from neokernel.runtime.executor import Answering, Executor, Group, Request, timeout
from neokernel.runtime.interface import client_of, provided_of
from neokernel.runtime.lend import Lent
from neokernel.runtime.must import must
from neokernel.runtime.placing import placed
from neokernel.runtime.process import Process, current
from neokernel.services.gateway.image import Read, gives_scores, read_image, takes_images
from neokernel.services.gateway.job import MOST_BODY, Phase
from neokernel.services.gateway.pace import Pace, Turn
from neokernel.services.gateway.paths import Asked, Part, asked_of
from neokernel.services.gateway.reply import (
    ERRORS,
    refuse,
    say,
    unwritable,
    write_answer,
    write_class,
    write_model,
    write_ready,
    write_server,
)
from neokernel.services.gateway.request import read_request
from neokernel.services.gateway.tenants import ANYBODY, Admitted, Tenants
from neokernel.services.gateway.work import JOBS, MODELS, MOST_WAITING, WORKERS, Work

VERSION = b"1"
#: connections that are told that there is no room for them, at a time
TURNED = 2
#: connections that wait for their turn: TCP keeps them, with what they have said
WAITING = 29
#: the executor's signal that a connection has ended
FREED = 1
#: milliseconds for which a connection may have us wait, for a request or in one, before it gives way to another one
GRACE: u64 = 500
#: milliseconds after which the network service is asked again that has refused to let clients connect
AGAIN: u64 = 5_000
#: bytes of a model's name that has room in a line of the log
SHOWN = 60
#: bytes of each of a connection's two buffers
EACH: u32 = 16_384
#: calls of models' processes at a time: of each, one that waits, and one that this one has superseded
CALLS = 2 * WORKERS
#: pages of all that is placed
PAGES = 1_536

network: Uses[Sockets] = uses(lend=2 << 20)
log: Uses[Log] = uses()
model0: Provides[Inference] = provides()
model1: Provides[Inference] = provides()
model2: Provides[Inference] = provides()
model3: Provides[Inference] = provides()
appointment: Provides[Appointment] = provides()
port: Setting[u16] = setting(8000)
#: what models are called in requests; one without a name isn't served
name0: Setting[bytes] = setting(b"")
name1: Setting[bytes] = setting(b"")
name2: Setting[bytes] = setting(b"")
name3: Setting[bytes] = setting(b"")
#: requests of one model that may wait for their turn
queue: Setting[u16] = setting(16)
#: what white becomes in images that models classify; 0: the model takes none
scale0: Setting[u16] = setting(0)
scale1: Setting[u16] = setting(0)
scale2: Setting[u16] = setting(0)
scale3: Setting[u16] = setting(0)
#: examples that a request may have, of models whose tensors all begin with a dimension of 1: that is theirs then
batch0: Setting[u16] = setting(1)
batch1: Setting[u16] = setting(1)
batch2: Setting[u16] = setting(1)
batch3: Setting[u16] = setting(1)
#: milliseconds that a request waits for its results
patience: Setting[u32] = setting(10_000)
#: milliseconds that a connection may be without a request, and that the head of one may take
idle: Setting[u32] = setting(15_000)
head: Setting[u32] = setting(10_000)
#: of tenants: SHA-512 of their keys, in hexadecimal; requests under way, and in a second (0: as many as there are)
key0: Setting[bytes] = setting(b"")
key1: Setting[bytes] = setting(b"")
key2: Setting[bytes] = setting(b"")
key3: Setting[bytes] = setting(b"")
share0: Setting[u16] = setting(8)
share1: Setting[u16] = setting(8)
share2: Setting[u16] = setting(8)
share3: Setting[u16] = setting(8)
rate0: Setting[u16] = setting(0)
rate1: Setting[u16] = setting(0)
rate2: Setting[u16] = setting(0)
rate3: Setting[u16] = setting(0)
#: likewise, of requests without a key; a share of 0: none are taken
share: Setting[u16] = setting(30)
rate: Setting[u16] = setting(0)


# --- connections ------------------------------------------------------------------------------------------------------


async def listen(site: Site, server: Server, at: u16) -> None:
    """A task for each who connects."""
    listener = await server.net.listen(at, WAITING)
    told = False
    while isinstance(listener, Refusal):
        if not told:
            site.tell_refused(at, listener)
            told = True
        await site.executor.sleep_until(server.after(AGAIN))
        listener = await server.net.listen(at, WAITING)
    if told:
        _ = log.write(Level.INFO, "the network lets clients connect now")
    while True:
        stream = await server.net.accept(listener)
        if isinstance(stream, Gone):
            return
        server.counters.connections += 1
        # Who comes when nobody can even be told that there is no room waits until somebody can.
        while not site.admit(server, stream):
            _ = await timeout(site.executor, server.after(GRACE), site.executor.signals(FREED))


async def serve(site: Site, server: Server, stream: Stream, index: usize) -> None:
    """One request after the other, until the connection ends."""
    seat = site.seats[index]
    http = Exchange(server=server, stream=stream, seat=seat)
    while await http.next():
        asked = asked_of(http.path())
        match asked.part:
            case Part.SERVER:
                if await http.allows(GET):
                    await tell_server(http)
            case Part.LIVE:
                if await http.allows(GET):
                    await tell(http, b"live", True)
            case Part.READY:
                if await http.allows(GET):
                    await tell(http, b"ready", site.is_ready())
            case Part.MODEL | Part.MODEL_READY | Part.INFER | Part.CLASSIFY:
                posts = asked.part is Part.INFER or asked.part is Part.CLASSIFY
                if await http.allows(POST if posts else GET):
                    await of_model(site, http, asked, index)
            case Part.NOTHING:
                await refuse(http, 404, b"there is nothing here: /v2 is what there is")
    seat.leave()
    site.executor.signal(FREED)


async def turn(site: Site, server: Server, stream: Stream) -> None:
    """Tell a client that there is no room for it."""
    await turn_away(server, stream)
    site.executor.signal(FREED)


async def tell(http: Exchange, name: bytes, value: bool) -> None:
    """The protocol: 200 is yes, 4xx is no."""
    memory: Array[u8] = array(32)
    page = Writer(into=memory[:])
    page.open(OBJECT)
    page.name(name)
    page.truth(value)
    page.close(OBJECT_END)
    await http.reply(200 if value else 400, b"application/json", page.written())


async def tell_server(http: Exchange) -> None:
    memory: Array[u8] = array(128)
    page = Writer(into=memory[:])
    write_server(page, VERSION)
    await say(http, page)


async def of_model(site: Site, http: Exchange, asked: Asked, index: usize) -> None:
    """What is asked of a model."""
    number = site.model_of(asked.name)
    if number is None:
        await refuse(http, 404, b"there is no model of that name")
        return
    model = site.work.models[number]
    page = Writer(into=site.work.jobs[index].body[:])
    if site.work.serving(number, site.executor.now) == 0:
        # Which version it will be isn't known then.
        if asked.part is Part.MODEL_READY:
            write_ready(page, site.name_of(number), False)
            await say(http, page, 400)
        else:
            await refuse(http, 503, b"the model isn't running", again=True)
    elif len(asked.version) != 0 and asked.version != model.described.version():
        await refuse(http, 404, b"there is no such version of the model")
    elif asked.part is Part.INFER or asked.part is Part.CLASSIFY:
        account = site.tenants.account_of(http.field(b"authorization"))
        if account is None or account.share == 0:
            await refuse(
                http, 401, b"say whose the request is: `Authorization: Bearer KEY`, of a key that is known here"
            )
        else:
            refusal = account.refusal(site.executor.now, http.server.frequency)
            if refusal is not None:
                await refuse(http, 429, refusal, again=True)
            else:
                site.work.jobs[index].asked.set(asked.version)
                with Admitted(account=account):
                    await infer(site, http, number, index, asked.part is Part.CLASSIFY)
    elif asked.part is Part.MODEL:
        write_model(page, site.name_of(number), model.described)
        await say(http, page)
    else:
        write_ready(page, site.name_of(number), True)
        await say(http, page)


async def infer(site: Site, http: Exchange, number: usize, index: usize, is_image: bool) -> None:
    """Read the request, have it computed, and answer. `is_image`: its body is a PNG, and the answer is a class."""
    work, job = site.work, site.work.jobs[index]
    model = work.models[number]
    if http.field(b"inference-header-content-length") is not None:
        await refuse(http, 400, b"tensors in binary form aren't taken: send them as JSON")
        return
    kind = http.field(b"content-type")
    if is_image:
        if site.scale_of(number) == 0 or not takes_images(model.described) or not gives_scores(model.described):
            await refuse(http, 400, b"the model takes no images: ask it by `infer`")
            return
        if kind is not None and not is_kind(kind, b"image/png"):
            await refuse(http, 415, b"an image is a PNG: say `Content-Type: image/png`")
            return
    elif kind is not None and not is_kind(kind, b"application/json"):
        await refuse(http, 415, b"a request is JSON: say `Content-Type: application/json`")
        return
    if model.waiting >= work.most:
        await refuse(http, 429, b"too many requests wait for this model", again=True)
        return
    length = await http.read_all(job.body[:])
    if isinstance(length, BodyError):
        if length is BodyError.TOO_LARGE:
            await refuse(http, 413, b"the request is too large")
        return
    trouble = Text(data=job.message[:])
    edition = model.described.edition
    until = http.server.after(u64(site.patience))
    taken = True
    if is_image:
        tensor, scale = model.described.input(0), site.scale_of(number)
        turn = Turn(executor=site.executor, pace=site.pace)
        match await read_image(turn, http, until, job, length, tensor, scale, trouble):
            case Read.GONE:
                http.abort()
                return
            case Read.LATE:
                await refuse(http, 504, b"the image takes too long")
                return
            case read:
                taken = read is Read.TAKEN
        job.has_id, job.wanted, job.examples = False, 1, 1
    else:
        taken = read_request(job, length, model.described, trouble)
    if work.serving(number, site.executor.now) == 0 or model.described.edition != edition:
        # It has ended while the body came, or has become another one.
        await refuse(http, 503, b"the model isn't running", again=True)
    elif not taken:
        await refuse(http, 400, trouble.written())
    elif work.submit(site.executor, index, number, until) is not None:
        await refuse(http, 429, b"too many requests wait for this model", again=True)
    else:
        match await work.computed(site.executor, index, number, http):
            case Phase.DONE if job.asked.length != 0 and job.asked.text() != job.by.text():
                await refuse(http, 404, b"there is no such version of the model")
            case Phase.DONE:
                spoilt = unwritable(job, model.described)
                if spoilt is None:
                    page = Writer(into=job.body[:])
                    if is_image:
                        write_class(page, job, site.name_of(number), model.described)
                    else:
                        write_answer(page, job, site.name_of(number), model.described)
                    await say(http, page)
                else:
                    trouble.write(f'result "{text_of(spoilt.name())}" has an element that JSON has no number for')
                    await refuse(http, 500, trouble.written())
            case Phase.LOST:
                await refuse(http, 503, b"the model has ended while it worked on this request", again=True)
            case _ if http.is_gone():
                http.abort()
            case _:
                await refuse(http, 504, b"the model takes too long")


def is_kind(kind: bytes, wanted: bytes) -> bool:
    """Is that media type the one that is wanted, in small letters, whatever its parameters are?"""
    if len(kind) < len(wanted):
        return False
    for place in range(len(wanted)):
        small = kind[place] | (0x20 if 0x41 <= kind[place] <= 0x5A else 0)
        if small != wanted[place]:
            return False
    return len(kind) == len(wanted) or kind[len(wanted)] == 0x3B or kind[len(wanted)] == 0x20


# --- processes --------------------------------------------------------------------------------------------------------


async def accept(site: Site) -> None:
    """A task for each call of a model's process."""
    while True:
        request = await site.executor.request()
        assert site.answering.spawn_now(site.executor, attend_to(site, request)) is not None, "begin lets in no more"


async def attend_to(site: Site, request: Request) -> None:
    """All models' interfaces are the same: the badge says which one is asked."""
    desk = Desk(site=site, badge=request.message.badge)
    with Answering(executor=site.executor, request=request) as call:
        if provided_of(desk.badge) == MODELS:
            _ = call.give(appointment.dispatch(Office(site=site), request.message))
            return
        said = await model0.dispatch_later(desk, request.message)
        if call.give(said) is not None:
            site.work.undelivered(site.executor, desk.badge, desk.given)


@struct
class Desk:
    """Handles one call of `Inference`."""

    site: Site
    badge: u64
    #: the work that it was given
    given: u64 = 0

    async def begin(self, manifest: Lent, tensors: Lent) -> NoWork | None:
        refused = self.site.work.begin(self.site.executor, self.badge, manifest, tensors)
        self.site.tell_of(self.badge, refused)
        return refused

    async def next(self, done: u64) -> Batch | NoWork:
        batch = await self.site.work.next(self.site.executor, self.badge, done)
        if not isinstance(batch, NoWork):
            self.given = batch.number
        return batch


@struct
class Office:
    """Handles one call of `Appointment`."""

    site: Site

    def name(self, number: u64, into: Span[u8]) -> usize | NotAppointed:
        if number >= MODELS or not self.site.work.models[usize(number)].named:
            return NotAppointed.NAME
        name = self.site.name_of(usize(number))
        length = min(len(name), len(into))
        copy(into[:length], name[:length])
        return length

    def appoint(self, number: u64, client: u64, absent: bool) -> NotAppointed | None:
        return self.site.work.appoint(self.site.executor, number, client, absent)

    def end(self, number: u64, client: u64) -> NotAppointed | None:
        return self.site.work.end_life(self.site.executor, number, client)

    def served(self, number: u64) -> Served | NotAppointed:
        return self.site.work.served(number, self.site.executor.now)


@struct
class Site:
    executor: Embedded[Executor] = Executor()
    sockets: Array[Embedded[Socket]] = array(JOBS + TURNED + 1 + WAITING)
    work: Embedded[Work] = Work()
    #: of connections, each of which has the job of the same number
    seats: Array[Embedded[Seat]] = array(JOBS)
    patience: u32 = 0
    voices: Embedded[Voices] = Voices(frequency=1)
    tenants: Embedded[Tenants] = Tenants()
    #: of images
    pace: Embedded[Pace] = Pace()
    accepting: Embedded[Group] = Group(frames=tasks(accept, 1), tasks=array(1))
    answering: Embedded[Group] = Group(frames=tasks(attend_to, CALLS), tasks=array(CALLS))
    attending: Embedded[Group] = Group(frames=tasks(attend, 1), tasks=array(1))
    listening: Embedded[Group] = Group(frames=tasks(listen, 1), tasks=array(1))
    serving: Embedded[Group] = Group(frames=tasks(serve, JOBS), tasks=array(JOBS))
    turning: Embedded[Group] = Group(frames=tasks(turn, TURNED), tasks=array(TURNED))

    def admit(self, server: Server, stream: Stream) -> bool:
        """Serve a connection, or turn it away. False: there is no task for either now; FREED tells of one."""
        match seat_for(self.seats[:], self.executor, server.ticks(GRACE), FREED):
            case Room.SOON:
                return False
            case Room.NONE:
                return self.turning.spawn(self.executor, turn(self, server, stream)) is not None
            case index:
                taken = self.serving.spawn(self.executor, serve(self, server, stream, index)) is not None
                self.seats[index].taken = taken
                return taken

    def name_of(self, model: usize) -> bytes:
        match model:
            case 0:
                return name0.get(current())
            case 1:
                return name1.get(current())
            case 2:
                return name2.get(current())
            case _:
                return name3.get(current())

    def scale_of(self, model: usize) -> u64:
        match model:
            case 0:
                return u64(scale0.get(current()))
            case 1:
                return u64(scale1.get(current()))
            case 2:
                return u64(scale2.get(current()))
            case _:
                return u64(scale3.get(current()))

    def model_of(self, name: bytes) -> usize | None:
        for model in range(MODELS):
            if self.work.models[model].named and self.name_of(model) == name:
                return model
        return None

    def is_ready(self) -> bool:
        """Are all models?"""
        ready = True
        for model in range(MODELS):
            ready = ready and (not self.work.models[model].named or self.work.serving(model, self.executor.now) != 0)
        return ready

    def tell_of(self, badge: u64, refused: NoWork | None) -> None:
        """Log it, once in a row, and not too often."""
        client, place = client_of(badge), provided_of(badge)
        reason = place << 8 | (u64(refused.value) + 1 if refused is not None else u64(0))
        omitted = self.voices.omitted_before(client, reason, self.executor.now)
        if omitted is None:
            return
        memory: Array[u8] = array(200)
        line = Text(data=memory[:])
        if refused is None:
            name = self.name_of(usize(place))
            line.write(f"service {client} serves model{place}")
            if len(name) <= SHOWN:
                line.write(f', "{text_of(name)}"')
        else:
            line.write(f"service {client} can't serve model{place}: {refused.name}")
        if omitted != 0:
            line.write(f" ({omitted} lines about it were left out)")
        _ = log.write(Level.INFO if refused is None else Level.ERROR, text_of(line.written()))

    def enrol(self, number: usize, key: bytes, share: u16, rate: u16) -> None:
        """A tenant; one without a key isn't there."""
        account = self.tenants.accounts[number]
        account.share, account.rate = u64(share), u64(rate)
        if len(key) != 0 and not self.tenants.enrol(number, key):
            memory: Array[u8] = array(120)
            line = Text(data=memory[:])
            line.write(f"key{number} is no SHA-512 in hexadecimal digits: no request is that tenant's")
            _ = log.write(Level.ERROR, text_of(line.written()))

    def tell_refused(self, at: u16, why: Refusal) -> None:
        memory: Array[u8] = array(200)
        line = Text(data=memory[:])
        line.write(f"the network refuses to let clients connect to port {at}: {why.name}")
        line.write("; is it granted by `network.listen`? It is asked again every 5 s")
        _ = log.write(Level.ERROR, text_of(line.written()))


def main(process: Process) -> None:
    site: Site = placed(process, PAGES)
    must(site.executor.begin(process, slot_of(model0), CALLS))
    for model in range(MODELS):
        site.work.models[model].named = len(site.name_of(model)) != 0
    site.work.models[0].described.limit = usize(batch0.get(process))
    site.work.models[1].described.limit = usize(batch1.get(process))
    site.work.models[2].described.limit = usize(batch2.get(process))
    site.work.models[3].described.limit = usize(batch3.get(process))
    site.work.most = usize(min(max(queue.get(process), 1), MOST_WAITING))
    site.patience = patience.get(process)
    site.work.patience = u64(site.patience) * (process.frequency // 1_000)
    site.voices.frequency = process.frequency
    site.enrol(0, key0.get(process), share0.get(process), rate0.get(process))
    site.enrol(1, key1.get(process), share1.get(process), rate1.get(process))
    site.enrol(2, key2.get(process), share2.get(process), rate2.get(process))
    site.enrol(3, key3.get(process), share3.get(process), rate3.get(process))
    site.enrol(ANYBODY, b"", share.get(process), rate.get(process))
    limits = Limits(most_body=MOST_BODY, head=u64(head.get(process)), idle=u64(idle.get(process)))
    server = begin(process, site.executor, site.sockets[:], slot_of(network), EACH, limits, errors=ERRORS)
    assert site.accepting.spawn(site.executor, accept(site)) is not None
    assert site.attending.spawn(site.executor, attend(server.net)) is not None
    assert site.listening.spawn(site.executor, listen(site, server, port.get(process))) is not None
    process.ready()
    while True:
        must(site.executor.wait())
        if site.executor.leaving is not None:
            site.work.dismiss(site.executor)
        # First whoever takes calls: their words are in the thread's buffer.
        site.accepting.run(site.executor)
        site.answering.run(site.executor)
        site.attending.run(site.executor)
        site.listening.run(site.executor)
        site.serving.run(site.executor)
        site.turning.run(site.executor)
