"""How each phase is told: a sign, a few words, a look. Words only, so that they can be tested without a terminal."""

from dataclasses import dataclass
from typing import Literal

from sirius_cli.core.safe_text import one_line
from sirius_cli.services.feed import Working
from sirius_cli.tui.state import ChatState, Phase

Look = Literal["calm", "busy", "good", "warn", "bad"]
_BAR_CELLS = 20


@dataclass(frozen=True, slots=True)
class Told:
    """``sign`` None stands for a spinner."""

    sign: str | None
    text: str
    look: Look


_TOLD: dict[Phase, Told] = {
    "starting": Told(None, "starting the engine", "busy"),
    "idle": Told("○", "ready", "calm"),
    "waiting": Told(None, "waiting", "busy"),
    "prefill": Told(None, "reading the prompt", "busy"),
    "drafting": Told(None, "drafting", "busy"),
    "checking": Told(None, "checking", "busy"),
    "decoding": Told(None, "decoding densely", "busy"),
    "finished": Told("●", "finished", "good"),
    "cancelled": Told("■", "stopped", "warn"),
    "error": Told("✗", "no answer", "bad"),
    "gone": Told("✗", "the engine has ended, Ctrl-E starts it again", "bad"),
}


def tell(state: ChatState, *, paused: bool = False) -> Told:
    """What goes on. ``paused`` is a replay that stands still."""
    phase = state.phase
    if phase == "working" and state.working is not None:
        return Told(None, working_text(state.working), "busy")
    if phase == "loading":
        return Told(None, f"loading {one_line(state.about.model)}", "busy")
    told = _TOLD[phase]
    if paused:
        return Told("‖", "replay, paused", "warn")
    if state.adopts:
        return Told(told.sign, f"replay, {'waiting' if phase == 'starting' else told.text}", told.look)
    return told


def working_text(working: Working) -> str:
    """The stage with its progress, on one line."""
    stage = one_line(working.stage)
    if not working.total:
        return stage
    done = min(1.0, working.done / working.total)
    full = round(_BAR_CELLS * done)
    amounts = f"{working.done / 1e6:.0f} of {working.total / 1e6:.0f} MB"
    return f"{stage}  {'━' * full}{'┄' * (_BAR_CELLS - full)}  {done:.0%}, {amounts}"
