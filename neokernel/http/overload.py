"""For who comes when a server has no task left: they are told so, instead of hearing nothing.

    if site.serving.spawn(executor, serve(server, stream)) is None:
        if site.turning.spawn(executor, turn_away(server, stream)) is None:
            server.net.abort(stream)

A server needs a socket for each of these beside those that it serves. Where there is none, TCP lets who comes wait
until there is one, which is what a client wants of a server that is busy for moments.
"""

from __future__ import annotations

from neokernel.http.exchange import Exchange
from neokernel.http.server import Server
from neokernel.interfaces.clients.socket import Stream
from neokernel.lang import u16

UNAVAILABLE: u16 = 503


async def turn_away(server: Server, stream: Stream) -> None:
    """Answer the first request with 503 (RFC 9110, 15.6.4), and end: within the limits that any client has.

    It may come again in a second.
    """
    http = Exchange(server=server, stream=stream)
    while await http.next():
        http.close_after()
        http.begin(UNAVAILABLE)
        http.header(b"Retry-After", b"1")
        await http.send(http.worded())
