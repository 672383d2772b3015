"""How many there can be of each: the memory of the service is fixed by these."""

from __future__ import annotations

from neokernel.abi.description import MOST_NETWORK_CLIENTS
from neokernel.lang import u64
from neokernel.services.network.clock import MILLISECOND, MINUTE, SECOND

#: connections of TCP, and places of the map that finds them: an eighth of it is free, so there is room
CONNECTIONS = 1_024
FLOWS = 2_048
#: connections that are over (TIME-WAIT)
ENDED = 1_024
LISTENERS = 64
#: UDP
PORTS = 64
#: clients with memory of their own, and pairs of buffers of each
CLIENTS = MOST_NETWORK_CLIENTS
PAIRS = 1_024

# --- TCP: times -------------------------------------------------------------------------------------------------------

#: RFC 6298, 2.4 asks for a second; a fifth of it is what hosts use, since acknowledgements come within 40 ms
LEAST_TIMEOUT: u64 = 200 * MILLISECOND
MOST_TIMEOUT: u64 = MINUTE
#: before anything is known (RFC 6298, 2.1)
FIRST_TIMEOUT: u64 = SECOND
#: how long an acknowledgement waits for company (RFC 9293, 3.8.6.3: less than half a second)
ACK_DELAY: u64 = 40 * MILLISECOND
#: without any progress (R2 of RFC 9293, 3.8.3): data, opening actively, opening passively
GIVE_UP: u64 = 2 * MINUTE
GIVE_UP_OPENING: u64 = 3 * MINUTE
GIVE_UP_ACCEPTING: u64 = 30 * SECOND
#: twice the MSL (RFC 9293, 3.4.2 has four minutes, "an engineering choice")
TIME_WAIT: u64 = MINUTE
#: for the other side's end, when nobody here reads any more
FIN_WAIT: u64 = MINUTE
#: what was closed here, and whose peer takes none of the rest for so long, gives way to others
SLOW: u64 = 10 * SECOND
#: so does what was closed here, and whose peer hasn't taken all of the rest by then, however it takes it
DRAIN: u64 = 30 * SECOND
#: when none was found that gives way, whoever needs a place looks again after so long: it goes through all connections
LOOK_AGAIN: u64 = 10 * MILLISECOND
#: probes of a connection kept alive that nobody answers, before it ends (RFC 9293, 3.8.4)
KEEP_PROBES = 9
