"""What a check made of a window, in plain numbers, and the tokens that follow from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from sirius_cli.core.events import CommittedToken, Origin, Source
from sirius_cli.engine.acceptance import Verdict
from sirius_cli.engine.sampling import entropy, token_probabilities

Decode = Callable[[list[int]], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``accepted`` of the ``drafted`` tokens stay, and ``token`` follows. Nothing drafted is plain dense decoding.

    ``probabilities`` are the dense model's of the accepted tokens and of ``token``. Of a refused token ``refused`` is
    its dense probability, ``entropy`` that of the dense distribution at its place, in nats. The last ``looked_up``
    drafted tokens were found in the text.

    Of a tree with ``nodes`` drafted tokens, ``depth`` of them deep, ``drafted`` is one path, and it may end early.
    """

    drafted: tuple[int, ...]
    accepted: int
    token: int
    probabilities: tuple[float, ...]
    refused: float | None = None
    entropy: float | None = None
    looked_up: int = 0
    nodes: int = 0
    depth: int = 0

    @property
    def reach(self) -> int:
        """How many tokens were drafted one after the other."""
        return self.depth or len(self.drafted)

    def tokens(self, origin: Origin, decode: Decode) -> list[CommittedToken]:
        """The tokens to commit; ``origin`` is that of one which follows an accepted window."""
        kept = zip(self.drafted[: self.accepted], self.probabilities, strict=False)
        tokens = [CommittedToken(token, "", self._source(place), p) for place, (token, p) in enumerate(kept)]
        return [*tokens, self._last(origin, decode)]

    def _source(self, place: int) -> Source:
        return "lookup" if place >= len(self.drafted) - self.looked_up else "draft"

    def _last(self, origin: Origin, decode: Decode) -> CommittedToken:
        p = self.probabilities[-1]
        if self.accepted == len(self.drafted):
            return CommittedToken(self.token, "", origin, p)
        refused = self.drafted[self.accepted]
        if refused == self.token:  # sampling may fill the place of a refused token with the very same: no correction
            return CommittedToken(self.token, "", self._source(self.accepted), p)
        return CommittedToken(
            self.token, "", "correction", p, draft_id=refused, draft_text=decode([refused]), p_draft=self.refused,
            entropy=self.entropy,
        )  # fmt: skip


def outcome_of(
    drafted: Sequence[int],
    verdict: Verdict,
    dense: torch.Tensor,
    looked_up: int = 0,
    *,
    nodes: int = 0,
    depth: int = 0,
) -> Outcome:
    """Put the numbers together: ``dense[A + 1, V]`` are the logits of the check of ``drafted[A]``.

    Those behind the accepted tokens and the one that follows may be left out.
    """
    accepted, token = verdict.accepted, verdict.token
    probabilities = token_probabilities(dense[: accepted + 1], [*drafted[:accepted], token])
    refused = unsure = None
    if accepted < len(drafted):
        place = dense[accepted]
        refused, unsure = token_probabilities(place[None], [drafted[accepted]])[0], entropy(place)
    return Outcome(tuple(drafted), accepted, token, tuple(probabilities), refused, unsure, looked_up, nodes, depth)
