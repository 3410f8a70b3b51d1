"""Drawing waits for the engine, but never for long."""

from dataclasses import dataclass

import pytest
from dashboards import open_dashboard
from fake_feed import drafting, finish, prefill

from sirius_cli.tui.pace import Pace


@dataclass
class Machine:
    """A clock, and the CPU time that was used by it."""

    now: float = 100.0
    used: float = 3.0

    def pace(self, share: float) -> Pace:
        return Pace(share, clock=lambda: self.now, cpu=lambda: self.used)


def drawn(machine: Machine, pace: Pace, cost: float, seconds: float, hz: float = 25) -> int:
    """How often was drawn within ``seconds`` of ticks, where drawing costs ``cost`` seconds of CPU."""
    count = 0
    for _ in range(round(seconds * hz)):
        machine.now += 1 / hz
        if pace.is_due():
            count += 1
            machine.used += cost
    return count


@pytest.mark.parametrize("cost", [0.006, 0.01, 0.015])
def test_drawing_takes_its_share_and_no_more(cost: float) -> None:
    machine = Machine()
    count = drawn(machine, machine.pace(0.1), cost, seconds=60)
    assert count * cost / 60 == pytest.approx(0.1, abs=0.005)


def test_what_is_cheap_is_drawn_at_every_tick() -> None:
    machine = Machine()
    assert drawn(machine, machine.pace(0.1), 0.002, seconds=4) == 100


def test_on_a_slow_machine_something_is_drawn_all_the_same() -> None:
    machine = Machine()
    assert drawn(machine, machine.pace(0.1), 0.5, seconds=60) >= 60 * 3


def test_a_costly_moment_is_forgiven() -> None:
    machine = Machine()
    pace = machine.pace(0.1)
    machine.used += 100
    assert drawn(machine, pace, 0.001, seconds=2) >= 40


def test_a_long_rest_is_no_reason_to_draw_without_end() -> None:
    machine = Machine()
    pace = machine.pace(0.1)
    machine.now += 3600
    assert drawn(machine, pace, 0.02, seconds=4) <= 4 * 0.1 / 0.02 + 3


class Never(Pace):
    def is_due(self) -> bool:
        return False


async def test_an_answer_is_drawn_at_its_pace_and_its_end_at_once() -> None:
    dash = open_dashboard(animate=True)
    async with dash.app.run_test(size=(120, 40)) as pilot:
        await dash.show(pilot)
        await dash.ask(pilot, "why?")
        dash.app.pace = Never()
        await dash.tell(pilot, [*prefill("Because"), *drafting(1, [" so"], 0.3)])
        assert "Because" not in dash.screen_text
        await dash.tell(pilot, [finish(1.0)])
        assert "Because" in dash.screen_text
