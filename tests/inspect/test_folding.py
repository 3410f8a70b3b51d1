"""From events to facts: nothing of an answer is lost, every correction knows its place."""

from correction_streams import HEADER, TEXT, WRONG, answer, branched, copied, inspection, words_of

from sirius_cli.core.events import Committed, CommittedToken, Drafted, Failed, Prefilled, StepEvent
from sirius_cli.core.trace import Trace
from sirius_cli.services.answer import collect
from sirius_cli.services.inspection.facts import Run, metrics_of
from sirius_cli.services.inspection.folding import run_of


def folded(*events: StepEvent) -> Run:
    return run_of("run", Trace(HEADER, events, None))


def test_the_text_and_the_figures_are_those_of_the_answer() -> None:
    events = tuple(answer())
    (request,) = inspection(events).requests
    whole = collect(events)
    assert request.text == whole.text == "".join(words_of(TEXT))
    assert metrics_of((request,)) == whole.metrics
    assert (request.prompt_tokens, request.finish_reason) == (24, "stop")


def test_a_correction_knows_its_place() -> None:
    (first, second, *_) = inspection().corrections
    assert (first.run, first.request, first.index, first.window, first.position) == ("run", 1, 4, 1, 4)
    assert (first.draft, first.dense, first.drafted) == (" 8", " 9", 7)
    assert (first.p_draft, first.p, first.q, first.entropy) == (0.04, 0.7, 0.86, 1.25)
    assert first.margin is not None
    assert abs(first.margin - 0.66) < 1e-9
    assert (first.token_class, first.draft_class) == ("number", "number")
    assert first.before == " A train leaves at"
    assert first.after.startswith(" and runs 60 miles")
    assert len(first.activity) == 4
    assert (second.window, second.position) == (2, 6)


def test_all_corrections_are_found_where_they_were_made() -> None:
    assert [c.index for c in inspection().corrections] == sorted(WRONG)


def test_a_trace_holds_several_answers_of_several_rows() -> None:
    def interleaved(*streams: list[StepEvent]) -> list[StepEvent]:
        return [event for step in zip(*streams, strict=True) for event in step]

    batch = interleaved(list(answer(row=0)), list(answer(row=1)))
    run = folded(*batch, *answer(row=0, wrong={}))
    assert [(r.number, r.row) for r in run.requests] == [(1, 0), (2, 1), (3, 0)]
    assert [len(r.corrections) for r in run.requests] == [len(WRONG), len(WRONG), 0]
    assert len({r.text for r in run.requests}) == 1


def test_a_trace_of_an_older_engine_lacks_entropy_and_activity() -> None:
    token = CommittedToken(5, " b", "correction", 0.6, 4, " a", 0.1)
    run = folded(
        Prefilled(0, 0.1, 3, 0, 0.1), Committed(0, 0.1, 0, (CommittedToken(1, "x", "prefill", 0.5),)),
        Drafted(0, 0.2, 1, (4,), (" a",), (0.3,), 0.5, 0.5, 0.1), Committed(0, 0.3, 1, (token,)),
    )  # fmt: skip
    (correction,) = run.requests[0].corrections
    assert (correction.entropy, correction.activity, correction.q) == (None, (), 0.3)


def test_a_refused_token_is_known_by_what_had_drafted_it() -> None:
    run = folded(*copied())
    (correction,) = run.requests[0].corrections
    assert (correction.source, correction.position, correction.drafted, correction.q) == ("lookup", 3, 4, 1.0)
    assert [token.origin for token in run.requests[0].tokens] == ["prefill", "draft", "lookup", "correction"]
    assert run.requests[0].windows[0].work == 1.5
    assert all(correction.source == "draft" for correction in inspection().corrections)


def test_of_a_tree_the_path_is_told_and_its_steps_are_counted() -> None:
    run = folded(*branched())
    (correction,) = run.requests[0].corrections
    assert (correction.nodes, correction.drafted, correction.position, correction.q) == (6, 2, 2, 0.4)
    assert (run.requests[0].windows[0].nodes, run.requests[0].windows[0].work) == (6, 2.0)
    assert all(correction.nodes == 0 for correction in inspection().corrections)


def test_a_token_without_own_text_is_named_by_its_id() -> None:
    """An end of sequence releases no text."""
    token = CommittedToken(2, "", "correction", 0.6, 4, " a", 0.1)
    run = folded(Prefilled(0, 0.1, 3, 0, 0.1), Committed(0, 0.1, 0, (token,)))
    assert run.requests[0].corrections[0].dense == "#2"


def test_an_unfinished_answer_and_a_failed_one_say_so() -> None:
    unfinished = folded(*list(answer())[:-1])
    assert unfinished.requests[0].finish_reason is None
    failed = folded(Prefilled(0, 0.1, 3, 0, 0.1), Failed(0, 0.2, "out of memory", ""))
    assert failed.requests[0].error == "out of memory"


def test_a_window_that_committed_nothing_does_not_count() -> None:
    events = list(answer())
    cut = next(i for i, event in enumerate(events) if event.kind == "checked") + 1
    assert folded(*events[:cut]).requests[0].windows == ()
