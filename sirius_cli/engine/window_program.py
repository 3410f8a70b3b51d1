"""A whole window as one program over buffers that stay in place: drafts, check, verdict and bookkeeping.

The host is asked nothing in between, and nothing's shape depends on what the tokens are, so a GPU can record the
program once and replay it for every window of every prompt. Greedy decoding of one text; the loop of ``correction.py``
does everything else. Both give the same tokens, where that loop does not end drafts in doubt: here all draft steps are
taken anyway, so doubt ends nothing.
"""

from dataclasses import dataclass
from typing import Final

import torch

from sirius_cli.core.profile import CorrectionSpec
from sirius_cli.engine.acceptance import accepts_by_peaks
from sirius_cli.engine.drafts.policy import DraftPolicy
from sirius_cli.engine.drafts.statistic import NeuronStatistic
from sirius_cli.engine.drafts.watch import Watch
from sirius_cli.engine.kv_cache import KVCache
from sirius_cli.engine.models.decoder import Decoder, dense_mlp
from sirius_cli.engine.outcome import Outcome
from sirius_kernels.peaks.op import Peaks

_NO_TOKEN: Final = -1


@dataclass(frozen=True, slots=True)
class Window:
    """What a run of the program did: it went on by ``committed`` tokens.

    ``drafted`` are all that the draft wrote, ``draft_probabilities`` its own for them. Of these ``outcome`` has those
    that the plain loop would have drafted: up to the limit and to the first stop. ``activity`` is by layer.
    """

    outcome: Outcome
    committed: int
    drafted: tuple[int, ...]
    draft_probabilities: tuple[float, ...]
    activity: tuple[float, ...]


class WindowProgram:
    """One window after another of the text in the only row of ``cache``. ``policy`` None: a window is a dense step.

    A window takes ``window`` slots behind the text, whether or not they will be committed: the cache needs that room.

    Buffers, each ``int64[1]``: ``newest`` is the last committed token, whose keys the cache lacks; ``length`` are the
    tokens that it holds; ``limit`` is how many drafts may still be accepted. The program moves them on.

    Args:
        stops: the most tokens that may end a text.
        window: tokens of a window, at most.
    """

    def __init__(
        self,
        model: Decoder,
        drafter: Decoder,
        cache: KVCache,
        spec: CorrectionSpec,
        policy: DraftPolicy | None,
        statistic: NeuronStatistic | None,
        stops: int,
        window: int,
    ) -> None:
        device = model.weights.head.device
        self.newest, self.length, self.limit = (torch.zeros(1, dtype=torch.int64, device=device) for _ in range(3))
        self._model, self._drafter, self._cache, self._spec, self._policy = model, drafter, cache, spec, policy
        self._row = torch.zeros_like(self.newest)
        self._watch = statistic or (Watch() if policy is not None else None)
        self._eos = torch.full((stops,), _NO_TOKEN, dtype=torch.int64, device=device)
        self._drafts = window - 1 if policy is not None else 0

    def begin(self, newest: int, length: int, limit: int, eos_ids: frozenset[int]) -> None:
        """Go on behind a text, up to one of ``eos_ids``, of which there are at most ``stops``."""
        self.newest.fill_(newest)
        self.length.fill_(length)
        self.limit.fill_(limit)
        self._eos.fill_(_NO_TOKEN)
        for place, token in enumerate(sorted(eos_ids)):
            self._eos[place] = token

    @torch.inference_mode()
    def run(self) -> torch.Tensor:
        """Do a window. Gives its figures, ``fp64[…]`` on the device, for :meth:`read`."""
        drafted, probabilities = self._draft()
        window = torch.cat([self.newest, drafted])
        hidden = self._model.run(window[None], self.length, self._cache, mlp=self._watch or dense_mlp)
        logits = self._model.logits(hidden[0])
        found = self._model.ops.peaks(logits, temperature=self._spec.temperature)
        scores = logits[: self._drafts].gather(1, drafted[:, None])[:, 0]
        accepted = self._accepted(found, scores, drafted)
        going = self._going(drafted)
        meant = torch.minimum(self.limit, going + 1)
        count = torch.minimum(accepted, going) + 1
        activity = self._learn(count)
        dense = (scores - found.normaliser[: self._drafts]).exp()
        token = found.token[accepted]
        self.newest.copy_(token)
        self.length.add_(count)
        self.limit.sub_(count)
        head = (count, meant, accepted, token, found.probability[accepted], found.entropy[accepted])
        parts = (*head, drafted, probabilities, dense, activity)
        return torch.cat([part.double() for part in parts])

    def read(self, figures: list[float]) -> Window:
        """The figures of :meth:`run` as plain numbers."""
        count, meant, accepted, token = (int(figure) for figure in figures[:4])
        (chosen, entropy), drafts, rest = figures[4:6], self._drafts, figures[6:]
        drafted = tuple(int(figure) for figure in rest[:drafts])
        probabilities, dense = rest[drafts : 2 * drafts], rest[2 * drafts : 3 * drafts]
        judged = min(meant, drafts)
        accepted = min(accepted, judged)
        refused = accepted < judged
        outcome = Outcome(
            drafted[:judged], accepted, token, (*dense[:accepted], chosen), dense[accepted] if refused else None,
            entropy if refused else None,
        )  # fmt: skip
        return Window(outcome, count, drafted, tuple(probabilities), tuple(rest[3 * drafts :]))

    @property
    def state(self) -> tuple[torch.Tensor, ...]:
        """The buffers that a run moves on, beside the cache behind the text."""
        learnt = () if self._watch is None else self._watch.state
        chosen = () if self._policy is None else self._policy.state
        return (self.newest, self.length, self.limit, *learnt, *chosen)

    def _draft(self) -> tuple[torch.Tensor, torch.Tensor]:
        """``int64[A]`` drafted tokens and the draft's probability of each."""
        token, tokens, probabilities = self.newest, [self.newest[:0]], [self.newest[:0].float()]
        for step in range(self._drafts):
            assert self._policy is not None
            hidden = self._drafter.run(token[None], self.length + step, self._cache, mlp=self._policy)
            found = self._drafter.ops.peaks(self._drafter.logits(hidden[0]))
            token = found.token
            tokens.append(token)
            probabilities.append(found.probability)
        return torch.cat(tokens), torch.cat(probabilities)

    def _accepted(self, found: Peaks, scores: torch.Tensor, drafted: torch.Tensor) -> torch.Tensor:
        """``int64[1]``: how many drafts are accepted."""
        allowed = torch.arange(self._drafts, device=drafted.device) < self.limit
        kept = accepts_by_peaks(self._spec, found, scores, drafted) & allowed
        return kept.long().cumprod(0).sum(0, keepdim=True)

    def _going(self, drafted: torch.Tensor) -> torch.Tensor:
        """``int64[1]``: how many drafts there are before the first stop, which nothing follows."""
        return (~torch.isin(drafted, self._eos)).long().cumprod(0).sum(0, keepdim=True)

    def _learn(self, count: torch.Tensor) -> torch.Tensor:
        """The activity of each layer on the first ``count[1]`` tokens of the check; the statistic takes them too."""
        if self._watch is None:
            return self.newest[:0].double()
        activity = self._watch.learn_first(self._row, count)
        if self._policy is not None:
            self._policy.checked(0)
        return activity
