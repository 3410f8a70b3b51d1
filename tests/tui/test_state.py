"""The fold over events and feed items, without a terminal."""

from collections.abc import Iterator

import pytest
from correction_streams import branched, copied
from fake_feed import READY, check, dense, drafting, finish, prefill, sparse, window
from hypothesis import given
from hypothesis import strategies as st
from make_trace import PROFILE, TEXT, answer

from sirius_cli.core.events import Committed, Drafted, Planned, StepEvent
from sirius_cli.core.metrics import fold
from sirius_cli.services.answer import collect
from sirius_cli.services.feed import Gone, Happened, Loading, Measured, Message, Problem, Working
from sirius_cli.services.modes import profile_for
from sirius_cli.tui.answer import About, AnswerFold
from sirius_cli.tui.state import ChatState, Exchange, Note

WORDS = st.lists(st.text(max_size=6), min_size=1, max_size=7)


@st.composite
def answers(draw: st.DrawFn) -> list[StepEvent]:
    """An answer of any windows, whole or cut off anywhere."""
    events: list[StepEvent] = list(prefill(draw(st.text(max_size=5))))
    windows = draw(st.lists(WORDS, max_size=6))
    for number, drafts in enumerate(windows, start=1):
        accepted = draw(st.integers(0, len(drafts)))
        events += window(number, drafts, accepted, draw(st.text(max_size=5)), 0.3 + 0.1 * number)
    events.append(finish(2.0, tail=draw(st.text(max_size=5))))
    return events[: draw(st.integers(0, len(events)))]


def folded(events: list[StepEvent]) -> AnswerFold:
    answer = AnswerFold(PROFILE)
    for event in events:
        answer.add(event)
    return answer


@given(answers())
def test_the_text_is_that_of_collect(events: list[StepEvent]) -> None:
    answer = folded(events)
    assert answer.text == collect(events).text
    assert answer.metrics == fold(events)
    assert tuple(said.token for said in answer.said) == collect(events).tokens
    assert [answer.said[i].token.origin for i in answer.corrections] == ["correction"] * len(answer.corrections)


@given(answers())
def test_the_tail_is_what_no_check_has_judged(events: list[StepEvent]) -> None:
    last = max((i for i, event in enumerate(events) if not isinstance(event, Drafted)), default=-1)
    pending = [text for event in events[last + 1 :] if isinstance(event, Drafted) for text in event.texts]
    assert folded(events).drafted == pending


def phases(events: Iterator[StepEvent], answer: AnswerFold) -> list[str]:
    seen = [answer.phase]
    for event in events:
        answer.add(event)
        if answer.phase != seen[-1]:
            seen.append(answer.phase)
    return [str(phase) for phase in seen]


def one_window() -> Iterator[StepEvent]:
    yield from prefill()
    yield from window(1, list("abcdefg"), 7, "h", 0.3)
    yield finish(0.5)


def test_phases_of_a_corrected_answer() -> None:
    seen = phases(one_window(), AnswerFold(PROFILE))
    assert seen == ["waiting", "prefill", "drafting", "checking", "drafting", "finished"]


def test_a_doubtful_draft_is_seen_to_be_checked_early() -> None:
    spec = PROFILE.correction.model_copy(update={"confidence": 0.5})
    doubting = AnswerFold(PROFILE.model_copy(update={"correction": spec}))
    assert phases(drafting(1, list("abcd"), 0.3), doubting) == ["waiting", "drafting", "checking"]


def test_a_look_up_ends_a_draft_and_its_window_says_so() -> None:
    answer = AnswerFold(PROFILE)
    assert phases(copied(), answer) == ["waiting", "prefill", "drafting", "checking", "drafting", "finished"]
    (cell,) = answer.panel(About()).windows
    assert (cell.drafted, cell.accepted, cell.looked_up) == (4, 2, 1)


def test_the_steps_of_a_tree_are_seen_and_its_window_says_how_large_it_was() -> None:
    answer = AnswerFold(PROFILE)
    assert phases(branched(), answer) == ["waiting", "prefill", "drafting", "finished"]
    panel = answer.panel(About())
    (cell,) = panel.windows
    assert (cell.nodes, cell.drafted, cell.accepted) == (6, 2, 1)
    assert [point.value for point in panel.read] == [pytest.approx((2 * 0.4 + 1) / 2)]
    draft = PROFILE.draft.model_copy(update={"tree_width": 3})
    figures = AnswerFold(PROFILE.model_copy(update={"draft": draft})).panel(About()).figures
    assert figures.method == "coarse 50% tree 3"


def test_look_ups_alone_are_a_draft() -> None:
    draft = PROFILE.draft.model_copy(update={"method": "dense", "lookup": 3})
    answer = AnswerFold(PROFILE.model_copy(update={"draft": draft}))
    assert answer.panel(About()).figures.method == "dense lookup 3"
    assert answer.panel(About()).figures.window == 8


def test_phases_without_a_check_and_without_a_draft() -> None:
    assert phases(dense(["a", "b"]), AnswerFold(profile_for("dense", PROFILE)))[2:] == ["decoding", "finished"]
    assert phases(sparse(["a", "b"]), AnswerFold(profile_for("sparse", PROFILE)))[2:] == ["drafting", "finished"]


def test_a_plan_says_how_long_a_draft_is_and_is_told() -> None:
    spec = PROFILE.correction.model_copy(update={"window": "auto"})
    answer = AnswerFold(PROFILE.model_copy(update={"correction": spec}))
    assert answer.panel(About()).figures.window is None
    rests = Planned(0, 0.1, 1, 1, "drafts do not pay", 0.9, 0.4)
    pays = Planned(0, 0.2, 2, 4, "promises most", 0.29, 0.97, 1.9)
    events = [*prefill(), rests, *drafting(1, [], 0.2), pays, *drafting(2, list("abc"), 0.3)]
    assert phases(events, answer)[-3:] == ["decoding", "drafting", "checking"]
    figures = answer.panel(About()).figures
    assert (figures.window, figures.plan) == (4, "drafts cost 0.29, 97 % accepted")


def test_the_panel_tells_of_the_windows() -> None:
    answer = folded([*prefill(), *window(1, list("abc"), 3, "d", 0.3), *window(2, list("abc"), 1, "x", 0.4)])
    panel = answer.panel(About("m", 100, 5_000, 40.0))
    first, second = panel.windows
    assert (first.drafted, first.accepted, first.committed, first.corrected) == (3, 3, 4, False)
    assert (second.drafted, second.accepted, second.committed, second.corrected) == (3, 1, 2, True)
    assert panel.dense_rate == 25.0
    assert panel.draft_read == 0.5
    assert len(panel.activity) == 12
    assert panel.read[0].tokens == 5
    assert panel.read[0].value == pytest.approx((3 * 0.5 + 1) / 4)
    figures = panel.figures
    assert (figures.model, figures.method, figures.window, figures.tokens) == ("m", "coarse 50%", 8, 7)
    assert (figures.context_used, figures.context, figures.memory) == (19, 100, 5_000)
    assert figures.aal == 3.0


def test_the_chart_counts_bytes_and_the_figures_parameters_too() -> None:
    step = Drafted(0, 0.3, 1, (7, 8), (" a", " b"), (0.8, 0.8), density=1.0, read=0.27, seconds=0.01)
    panel = folded([*prefill(), step, *check(1, [" a", " b"], 2, " c", 0.4)]).panel(About())
    assert panel.draft_read == pytest.approx(0.27)
    assert panel.read[0].value == panel.figures.effective_read == pytest.approx((2 * 0.27 + 1) / 3)
    assert panel.figures.effective_density == 1.0


def test_a_dense_answer_has_no_windows() -> None:
    answer = AnswerFold(profile_for("dense", PROFILE))
    for event in dense(["a", "b", "c"]):
        answer.add(event)
    panel = answer.panel(About())
    assert panel.windows == ()
    assert panel.figures.aal is None
    assert panel.figures.method == "dense"
    assert [point.value for point in panel.read] == [1.0, 1.0]


def test_activity_is_calmed() -> None:
    answer = folded([*prefill(), *check(1, "ab", 2, "c", 0.3)])
    before = answer.panel(About()).activity
    answer.add(next(check(2, "ab", 2, "c", 0.4)))
    after = answer.panel(About()).activity
    assert before != after
    assert max(abs(old - new) for old, new in zip(before, after, strict=True)) < 0.3


def test_charts_stay_small_and_keep_their_ends() -> None:
    answer = AnswerFold(PROFILE)
    for event in prefill():
        answer.add(event)
    for number in range(1, 3001):
        for event in window(number, "ab", 2, "c", 0.1 * number):
            answer.add(event)
    panel = answer.panel(About())
    assert 100 < len(panel.read) <= 240
    assert panel.read[-1].tokens == 9001
    assert [point.tokens for point in panel.rate] == sorted(point.tokens for point in panel.rate)
    assert panel.rate[-1].value == pytest.approx(30, rel=0.05)


def ask(state: ChatState, prompt: str = "why?", question: int = 1) -> Exchange:
    exchange = Exchange(prompt, AnswerFold(PROFILE))
    state.asked(question, exchange)
    return exchange


def ready() -> ChatState:
    state = ChatState()
    state.add(READY)
    return state


def test_phases_of_loading() -> None:
    state = ChatState()
    assert state.phase == "starting"
    state.add(Working("fetching", 1, 2))
    assert state.phase == "working"
    state.add(Loading("m"))
    assert (state.phase, state.about.model) == ("loading", "m")
    state.add(READY)
    assert (state.phase, state.about.context) == ("idle", 2048)


def test_a_conversation_is_what_the_model_is_to_see() -> None:
    state = ready()
    ask(state)
    for event in answer():
        state.add(Happened(1, event))
    failed = ask(state, "and this?", 2)
    state.add(Problem(2, "too long", "shorten it"))
    assert failed.answer.phase == "error"
    assert state.messages == (Message("user", "why?"), Message("assistant", TEXT))
    assert not state.answering


def test_events_of_a_question_that_was_taken_back_are_dropped() -> None:
    state = ready()
    ask(state)
    state.clear()
    state.add(Happened(1, next(prefill())))
    assert state.entries == []
    assert state.panel.figures.tokens == 0


def test_a_crash_ends_the_answer_and_keeps_the_conversation() -> None:
    state = ready()
    exchange = ask(state)
    for event in prefill():
        state.add(Happened(1, event))
    state.add(Gone("killed"))
    assert (state.phase, exchange.answer.phase, exchange.answer.text) == ("gone", "error", "The")
    assert state.trouble is not None
    state.restarting()
    assert (state.phase, state.trouble) == ("starting", None)


def test_a_start_that_fails_is_a_crash_but_a_problem_elsewhere_is_not() -> None:
    state = ChatState()
    state.add(Problem(None, "no such model", "name another"))
    assert state.phase == "gone"
    state = ready()
    state.add(Problem(7, "unknown", ""))
    assert state.phase == "idle"
    assert isinstance(state.entries[-1], Note)


def test_what_was_measured_is_remembered() -> None:
    state = ready()
    state.add(Measured(1, 20.0, 123))
    state.add(Measured(2, None, 124))
    assert (state.panel.dense_rate, state.panel.figures.memory) == (50.0, 124)


def test_a_replay_brings_its_own_questions() -> None:
    state = ChatState(adopts=True, profile=PROFILE)
    state.add(READY)
    for question in (1, 2):
        for event in answer():
            state.add(Happened(question, event))
    assert [entry.answer.text for entry in state.entries if isinstance(entry, Exchange)] == [TEXT, TEXT]
    assert state.messages == ()


def test_a_damaged_replay_says_so_in_its_answer() -> None:
    state = ChatState(adopts=True, profile=PROFILE)
    for event in prefill():
        state.add(Happened(1, event))
    state.add(Problem(None, "broken at line 9", ""))
    assert state.current is not None
    assert state.current.phase == "error"
    state.add(Problem(None, "and again", ""))
    assert isinstance(state.entries[-1], Note)


def test_committed_tokens_know_their_window() -> None:
    answer = folded([*prefill(), *window(1, "ab", 1, "x", 0.3)])
    assert [said.window for said in answer.said] == [0, 1, 1]
    assert isinstance(answer.events[-1], Committed)
