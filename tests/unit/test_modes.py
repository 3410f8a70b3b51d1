"""One profile in three modes."""

import pytest

from sirius_cli.core.profile import CorrectionSpec, DraftSpec, Profile
from sirius_cli.services.modes import MODES, Mode, mode_of, profile_for

SIRIUS = Profile(name="mine", draft=DraftSpec(method="fine", keep=0.3), correction=CorrectionSpec(window=4))
SPARSE = SIRIUS.model_copy(update={"correction": SIRIUS.correction.model_copy(update={"enabled": False})})
DENSE = Profile(name="dense", draft=DraftSpec(method="dense", keep=1.0), correction=CorrectionSpec(enabled=False))

LOOKUP = Profile(name="copies", draft=DraftSpec(method="dense", lookup=3))


@pytest.mark.parametrize("profile", [SIRIUS, SPARSE, DENSE, LOOKUP], ids=["sirius", "sparse", "dense", "lookup"])
@pytest.mark.parametrize("mode", MODES)
def test_a_profile_runs_in_the_mode_that_was_asked_for(profile: Profile, mode: Mode) -> None:
    made = profile_for(mode, profile)
    assert mode_of(made) == mode
    assert Profile.model_validate(made.model_dump()) == made


def test_what_a_profile_says_is_kept() -> None:
    assert profile_for("sirius", SIRIUS) is SIRIUS
    assert profile_for("sirius", LOOKUP) is LOOKUP
    assert profile_for("sparse", SIRIUS).draft == SIRIUS.draft
    assert profile_for("sirius", SPARSE).correction == SIRIUS.correction
