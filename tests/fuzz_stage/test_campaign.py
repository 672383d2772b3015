"""A short campaign, and that it could find something."""

from __future__ import annotations

import pytest

from neokernel.stage.refusal import Refusal
from tests.fuzz_stage import campaign
from tests.stage.support import BLOB, Placed, Verified, look


def test_a_short_campaign() -> None:
    outcomes = campaign.run(0, 3000)
    assert sum(outcomes.values()) == 3000
    # Of each way to be refused that depends on the bytes alone, and of what is taken.
    unseen = {refusal.name for refusal in Refusal} - {word.removeprefix("signed, ") for word in outcomes}
    assert unseen <= {"NO_IMAGE", "NOT_SIGNED", "PLACE", "DEVICE_TREE", "OUTSIDE", "ENROLMENT_EMPTY", "RESERVED"}, (
        unseen
    )
    assert outcomes["signed, taken"] > 20


def test_a_round_is_the_same_each_time() -> None:
    assert [campaign.once(seed) for seed in range(50)] == [campaign.once(seed) for seed in range(50)]


def test_an_image_that_is_taken_though_it_was_changed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(loaded: bytes, blob: bytes = BLOB) -> Verified | Refusal:
        verdict = look(loaded, blob)
        if verdict is Refusal.CONTENTS:
            return Verified(Placed(0, 0, 0, 0), Placed(0, 0, 0, 0), 0, 0)
        return verdict

    monkeypatch.setattr(campaign, "look", careless)
    with pytest.raises(campaign.Found, match=r"^seed "):
        campaign.run(0, 300)
