"""What is logged of processes that begin to serve: how often, and who.

A process can begin as often as it likes, and each time with something else. So each has LINES lines to begin with, and
one more for each PAUSE since; what was left out is told with the next one. Processes beyond VOICES share one.

Invariant: whatever a process does, at most VOICES lines come in each PAUSE, after VOICES times LINES.
"""

from __future__ import annotations

from neokernel.lang import Array, Embedded, array, struct, u64, usize

LINES = 8
#: seconds
PAUSE: u64 = 10
VOICES = 12


@struct
class Voice:
    client: u64 = 0
    #: what was said last of it: another reason is news
    reason: u64 = ~u64(0)
    left: u64 = LINES
    #: when it was last given lines, in ticks
    since: u64 = 0
    #: lines that weren't written since
    omitted: u64 = 0


@struct
class Voices:
    """`frequency`: ticks in a second."""

    frequency: u64
    voices: Array[Embedded[Voice]] = array(VOICES)

    def voice_of(self, client: u64) -> Voice:
        for index in range(usize(VOICES - 1)):
            voice = self.voices[index]
            if voice.client == client or voice.client == 0:
                voice.client = client
                return voice
        return self.voices[VOICES - 1]

    def omitted_before(self, client: u64, reason: u64, now: u64) -> u64 | None:
        """May this be written of it now? How many lines weren't, before. None: not this one either."""
        voice = self.voice_of(client)
        if voice.reason == reason and voice.client == client:
            return None
        voice.reason = reason
        pauses = (now - voice.since) // (PAUSE * self.frequency)
        if voice.left + pauses >= LINES:
            voice.left, voice.since = LINES, now
        elif pauses != 0:
            voice.left, voice.since = voice.left + pauses, voice.since + pauses * (PAUSE * self.frequency)
        if voice.left == 0:
            voice.omitted += 1
            return None
        omitted = voice.omitted
        voice.left, voice.omitted = voice.left - 1, 0
        return omitted
