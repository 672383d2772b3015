"""Why the first stage starts nothing: each reason, and what to say of it."""

from __future__ import annotations

from enum import Enum

from neokernel.lang import u8

#: what the machine's exit status is then
STATUS: u8 = 5


class Refusal(Enum):
    # of the enrolment blob
    NOT_ENROLLED = 1
    ENROLMENT_VERSION = 2
    ENROLMENT_DAMAGED = 3
    ENROLMENT_EMPTY = 4
    # of the image
    NO_IMAGE = 10
    NOT_AN_IMAGE = 11
    IMAGE_VERSION = 12
    MACHINE = 13
    BOARD = 14
    TRUNCATED = 15
    EXTENDED = 16
    # of the signature
    NOT_SIGNED = 20
    NO_SIGNATURE = 21
    UNKNOWN_KEY = 22
    WRONG_SIGNATURE = 23
    # of what was signed
    RESERVED = 30
    CONTENTS = 31
    LAYOUT = 32
    PLACE = 33
    TOO_OLD = 34
    # of the machine
    DEVICE_TREE = 40
    OUTSIDE = 41


def what_is_wrong(refusal: Refusal) -> str:
    match refusal:
        case Refusal.NOT_ENROLLED:
            return "this board has no enrolment blob"
        case Refusal.ENROLMENT_VERSION:
            return "the enrolment blob is of another version than this first stage"
        case Refusal.ENROLMENT_DAMAGED:
            return "the enrolment blob is damaged"
        case Refusal.ENROLMENT_EMPTY:
            return "the enrolment blob has no key that signs images"
        case Refusal.NO_IMAGE:
            return "the boot loader has handed over no image"
        case Refusal.NOT_AN_IMAGE:
            return "what the boot loader has handed over is no image"
        case Refusal.IMAGE_VERSION:
            return "the image is of another version than this first stage"
        case Refusal.MACHINE:
            return "the image is for another kind of processor"
        case Refusal.BOARD:
            return "the image is for another board"
        case Refusal.TRUNCATED:
            return "the image is cut off"
        case Refusal.EXTENDED:
            return "something follows the image and its signature"
        case Refusal.NOT_SIGNED:
            return "the image isn't signed"
        case Refusal.NO_SIGNATURE:
            return "what follows the image is no signature"
        case Refusal.UNKNOWN_KEY:
            return "the image is signed with a key that isn't enrolled"
        case Refusal.WRONG_SIGNATURE:
            return "the signature isn't this image's"
        case Refusal.RESERVED:
            return "the image asks for what this first stage doesn't know"
        case Refusal.CONTENTS:
            return "the image's contents aren't those that were signed"
        case Refusal.LAYOUT:
            return "the image's parts don't lie in it, or don't fit together"
        case Refusal.PLACE:
            return "the image's parts can't be put where they belong"
        case Refusal.TOO_OLD:
            return "the image is older than the oldest that this board starts"
        case Refusal.DEVICE_TREE:
            return "the firmware's device tree is broken"
        case Refusal.OUTSIDE:
            return "the image was put where this machine has no memory for it"


def what_to_do(refusal: Refusal) -> str:
    match refusal:
        case Refusal.NOT_ENROLLED | Refusal.ENROLMENT_VERSION | Refusal.ENROLMENT_DAMAGED | Refusal.ENROLMENT_EMPTY:
            return "make one with `nk enrol`, and put it on the board"
        case Refusal.NO_IMAGE | Refusal.TRUNCATED | Refusal.EXTENDED:
            return "load the whole image with its signature behind it, and nothing else"
        case Refusal.NOT_AN_IMAGE | Refusal.IMAGE_VERSION | Refusal.MACHINE | Refusal.BOARD | Refusal.RESERVED:
            return "build it for this board with `nk image`, and sign it"
        case Refusal.NOT_SIGNED | Refusal.NO_SIGNATURE:
            return "sign it with `nk sign`, and load the signature behind it"
        case Refusal.UNKNOWN_KEY:
            return "sign it with a key that is enrolled, or enrol this one with `nk enrol`"
        case Refusal.WRONG_SIGNATURE | Refusal.CONTENTS:
            return "image or signature was changed since: fetch both anew, or sign what you have built yourself"
        case Refusal.LAYOUT | Refusal.PLACE:
            return "what was signed is no image for this memory: build it anew with `nk image`"
        case Refusal.TOO_OLD:
            return "load a newer one: `nk verify` says an image's rollback index, and `nk enrol` has set the board's"
        case Refusal.DEVICE_TREE:
            return "look at the firmware, or at what the boot loader does to it"
        case Refusal.OUTSIDE:
            return "have it put into memory above the first stage; 128 MiB in all are enough"
