"""What the server and its clients say."""

from neokernel.lang import u64

CLIENTS = 64
KINDS = 4

#: labels of requests
WORK: u64 = 1
STOP_ANOTHER: u64 = 2
REPORT: u64 = 3
#: labels of answers, and outcomes
DONE: u64 = 1
EXPIRED: u64 = 2
STOP: u64 = 3
END: u64 = 4
