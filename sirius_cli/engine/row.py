"""One request in flight: its tokens, its limits, its stops, its text."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from sirius_cli.core.events import Committed, CommittedToken, Finished, FinishReason
from sirius_cli.core.request import GenerationRequest
from sirius_cli.engine.drafts.lookup import Lookup
from sirius_cli.engine.sampling import Chooser
from sirius_cli.engine.tokens import Detokeniser, StopMatcher, Tokens


class Row:
    """``ids`` are the prompt and all committed tokens. The KV cache holds all of them but the newest, at ``place``.

    ``index`` names the request in events; a place serves one request after another. ``lookup`` None: nothing is
    looked up in its text. ``size`` is that of the newest window, 0 before the first.
    """

    def __init__(
        self, index: int, request: GenerationRequest, tokens: Tokens, context: int, device: torch.device
    ) -> None:
        self.index = index
        self.place = 0
        self.request = request
        self.ids = list(request.prompt_ids)
        self.chooser = Chooser(request.sampling, device)
        self.window = 0
        self.lookup: Lookup | None = None
        self.size = 0
        self.reason: FinishReason | None = None
        self._tokens = tokens
        self._context = context
        self.eos_ids = frozenset[int]() if request.ignore_eos else tokens.eos_ids
        self._detokeniser = Detokeniser(tokens)
        self._stops = StopMatcher(request.stop)
        self._hit_stop_string = False

    @property
    def live(self) -> bool:
        return self.reason is None

    @property
    def room(self) -> int:
        """How many tokens may still be committed."""
        limit = len(self.request.prompt_ids) + self.request.max_new_tokens
        return min(limit, self._context) - len(self.ids)

    def commit(self, tokens: Sequence[CommittedToken], at: float) -> Committed:
        """Make ``tokens`` final, up to the first stop, and release their text."""
        final = []
        for token in tokens:
            final.append(replace(token, text=self._append(token.token_id)))
            if not self.live:
                break
        return Committed(self.index, at, self.window, tuple(final))

    def finished(self, at: float) -> Finished:
        """The closing event, with the text that was held back. Ends the row as cancelled if nothing else did."""
        tail = "" if self._hit_stop_string else self._stops.push(self._detokeniser.flush())[0] + self._stops.flush()
        return Finished(self.index, at, self.reason or "cancelled", tail)

    def drafts_a_stop(self, drafted: Sequence[int]) -> bool:
        """Whether drafting on is pointless, because the newest of ``drafted`` would end the answer.

        Of a stop string a part may have been committed: that is what the matcher holds back.
        """
        if drafted[-1] in self.eos_ids:
            return True
        if not self.request.stop:
            return False
        text = self._stops.held + self._tokens.decode(list(drafted))
        return any(stop in text for stop in self.request.stop)

    def _append(self, token: int) -> str:
        self.ids.append(token)
        if token in self.eos_ids:
            self.reason = "stop"
            return ""
        released, stopped = self._stops.push(self._detokeniser.push(token))
        if stopped:
            self.reason = "stop"
        elif self.room <= 0:
            limit = len(self.request.prompt_ids) + self.request.max_new_tokens
            self.reason = "length" if len(self.ids) >= limit else "context"
        self._hit_stop_string = stopped
        return released
