"""Why something doesn't serve, in words: for the log, and for `nk model`."""

from __future__ import annotations

from neokernel.interfaces.accelerator import Why
from neokernel.interfaces.models import NoPush
from neokernel.lang import cold


@cold
def refusal(why: NoPush) -> bytes:
    """Of what was pushed, or is to be computed by other code: why it isn't tried."""
    match why:
        case NoPush.NAME:
            return b"there is no model of that name"
        case NoPush.BUSY:
            return b"another push is tried, or watched"
        case NoPush.ROOM:
            return b"it is larger than there is room for"
        case NoPush.PIECE:
            return b"its pieces haven't come in order"
        case NoPush.BUNDLE:
            return b"it is no bundle that this system knows"
        case NoPush.UNSIGNED:
            return b"it isn't signed"
        case NoPush.KEY:
            return b"it is signed by a key that isn't enrolled for images"
        case NoPush.SIGNATURE:
            return b"its signature is of something else"
        case NoPush.DAMAGED:
            return b"it isn't what was signed"
        case NoPush.MACHINE:
            return b"it has no code for this machine"
        case NoPush.QUOTA:
            return b"it needs more memory or stack than a model may have"
        case NoPush.TENSORS:
            return b"it takes or gives more than a request can have"
        case NoPush.SAMPLE:
            return b"it has no sample to be tried with"
        case NoPush.SPARE:
            return b"the name has no other process that waits"
        case NoPush.KEYS:
            return b"the system knows nobody whose signatures it takes"
        case NoPush.CALLED:
            return b"it was signed for another name"
        case NoPush.OLDER:
            return b"its serial is lower than that of a bundle which has served"
        case NoPush.OWN:
            return b"it is the image's, which has scalar code alone"


@cold
def trouble(why: Why) -> bytes:
    """Of what was tried, or has served: why it doesn't. Some have a detail behind it."""
    match why:
        case Why.NONE:
            return b"nothing is known of it"
        case Why.PAGES:
            return b"its pages couldn't be mapped"
        case Why.SAMPLE:
            return b"of the sample in its bundle it computes something else, at byte"
        case Why.GATEWAY:
            return b"the gateway refuses it"
        case Why.CRASHED:
            return b"its process has ended"
        case Why.SILENT:
            return b"it didn't get ready in time"
        case Why.LATE:
            return b"it kept a request waiting in vain"
        case Why.MANAGER:
            return b"the accelerator manager ended before it was sure that it serves"
        case Why.UNTRUE:
            return b"it said that it was ready, and wasn't"
