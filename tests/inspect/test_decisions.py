"""What was planned, and what came of it."""

from correction_streams import HEADER

from sirius_cli.core.events import Checked, Committed, CommittedToken, Drafted, Planned, Prefilled, StepEvent
from sirius_cli.core.plans import brief, in_words
from sirius_cli.core.profile import CorrectionSpec, Profile
from sirius_cli.core.trace import Trace, TraceHeader
from sirius_cli.services.inspection.decisions import Decision, decisions
from sirius_cli.services.inspection.facts import Inspection
from sirius_cli.services.inspection.folding import run_of
from sirius_cli.services.inspection.reports import document, tables

PAYS = "promises most"
RESTS = "drafts do not pay"


def window(number: int, committed: int) -> list[StepEvent]:
    tokens = tuple(CommittedToken(5, "x", "draft", 0.9) for _ in range(committed))
    drafted = [Drafted(0, 0.1, number, (5,), ("x",), (0.9,), 0.5, 0.5, 0.01) for _ in range(committed - 1)]
    return [
        *drafted,
        Checked(0, 0.1, number, committed - 1, committed - 1, False, 0.01),
        Committed(0, 0.1, number, tokens),
    ]


def planned_run() -> Inspection:
    first = Committed(0, 0.0, 0, (CommittedToken(5, "x", "prefill", 0.9),))
    events = (
        Prefilled(0, 0.0, 3, 0, 0.0), first,
        Planned(0, 0.1, 1, 4, PAYS, 0.2, 0.9, 1.8), *window(1, 4), *window(2, 3),
        Planned(0, 0.2, 3, 1, RESTS, 0.3, 0.2), *window(3, 1),
        Planned(0, 0.3, 4, 4, PAYS, 0.4, 0.7, 1.2), *window(4, 4),
    )  # fmt: skip
    header = TraceHeader("m", "cpu", Profile(correction=CorrectionSpec(window="auto", plan_for="read")))
    return Inspection((run_of("run", Trace(header, events, None)),))


def test_decisions_are_counted_with_what_came_of_them() -> None:
    found = decisions(planned_run().requests)
    assert [(d.size, d.reason, d.times, d.windows, d.committed) for d in found] == [
        (4, PAYS, 2, 3, 11),
        (1, RESTS, 1, 1, 1),
    ]
    assert found[1] == Decision(1, RESTS, 1, 1, 1, 0.3, 0.2, None)
    assert [round(value, 9) for value in (found[0].draft, found[0].accepted, found[0].speedup)] == [0.3, 0.8, 1.5]


def test_a_report_has_a_table_of_them_only_where_something_was_planned() -> None:
    run = planned_run()
    assert dict(tables.about(run))["check"] == "likelihood, window auto for read"
    assert [table.name for table in tables.all_tables(run, ())][-1] == "decisions"
    plain = Inspection((run_of("run", Trace(HEADER, tuple(run.requests[0].events[:2]), None)),))
    assert "decisions" not in [table.name for table in tables.all_tables(plain, ())]


def test_the_document_has_every_decision() -> None:
    data = document.inspection_to_json(planned_run(), ())
    plans = data["runs"][0]["requests"][0]["plans"]
    assert [(plan["window"], plan["size"], plan["reason"]) for plan in plans] == [
        (1, 4, PAYS),
        (3, 1, RESTS),
        (4, 4, PAYS),
    ]
    assert data["decisions"][0]["committed"] == 11


def test_decisions_in_words() -> None:
    pays, rests = Planned(0, 0.1, 1, 4, PAYS, 0.29, 0.968, 1.8), Planned(0, 0.1, 1, 1, RESTS, 0.29, 0.2)
    assert brief(pays) == "drafts cost 0.29, 97 % accepted"
    assert in_words(pays) == "promises most: drafts cost 0.29, 97 % accepted, 1.80 times dense"
    assert brief(rests) == "drafts do not pay"
    assert in_words(rests) == "drafts do not pay: drafts cost 0.29, 20 % accepted"
    assert in_words(Planned(0, 0.1, 1, 1, "times a dense step")) == "times a dense step"
