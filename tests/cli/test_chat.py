"""``sirius chat`` without a terminal: what goes where, and what is refused."""

import json
from pathlib import Path

import pytest
from chat_runner import Run
from fake_engine import FakeEngine, FakeTokens

from sirius_cli.core.events import Finished, Loaded
from sirius_cli.core.metrics import fold
from sirius_cli.core.trace import event_from_json, read_trace
from sirius_cli.errors import EnvironmentProblem

ANSWER = "Four legs good two legs better"
METRICS = {
    "committed_tokens", "checks", "aal", "draft_density", "draft_read", "effective_density", "effective_read",
    "corrected_fraction", "ttft_ms", "decode_tokens_per_second", "draft_step_ms", "check_ms", "check_cost_ratio",
    "looked_up",
}  # fmt: skip


def test_answer_goes_to_stdout_and_figures_to_stderr(run_chat: Run) -> None:
    result = run_chat("hello")
    assert (result.code, result.out) == (0, ANSWER + "\n")
    assert result.err == (
        "6 tokens, 25.0 tok/s, AAL 2.5, effective density 0.90, read 0.90, 16.7% corrected, first token 0.10 s, "
        "finish: stop\n"
    )


def test_a_length_limit_shows_in_the_figures(run_chat: Run) -> None:
    result = run_chat("hello", "-n", "2")
    assert result.out == "Four legs\n"
    assert "2 tokens" in result.err
    assert "finish: length" in result.err


def test_one_token_is_singular(run_chat: Run) -> None:
    assert run_chat("hello", "-n", "1").err.startswith("1 token, ")


@pytest.mark.parametrize(
    ("arguments", "stdin", "prompt"),
    [
        (["hello"], b"", "hello"),
        (["hello"], b"piped\n", "hello\n\npiped"),
        ([], b"piped\n", "piped"),
        ([], "h\u00e9\n\nb\n".encode(), "h\u00e9\n\nb"),
    ],
)
def test_argument_and_input_are_joined(run_chat: Run, arguments: list[str], stdin: bytes, prompt: str) -> None:
    engine = FakeEngine()
    assert run_chat(*arguments, engine=engine, stdin=stdin).code == 0
    assert engine.tokens.chats == [[{"role": "user", "content": prompt}]]


def test_system_prompt_comes_first(run_chat: Run) -> None:
    engine = FakeEngine()
    run_chat("hello", "-s", "be brief", engine=engine)
    assert engine.tokens.chats[0][0] == {"role": "system", "content": "be brief"}


def test_raw_prompt_keeps_its_last_newline_and_has_no_template(run_chat: Run) -> None:
    engine = FakeEngine(tokens=FakeTokens(has_chat_template=False))
    assert run_chat("--raw", engine=engine, stdin=b"one two\n").code == 0
    assert engine.tokens.decode(engine.requests[0].prompt_ids) == "<s>onetwo\n"


def test_every_sampling_option_reaches_the_request(run_chat: Run) -> None:
    engine = FakeEngine()
    options = "-n 7 -t 0.5 --top-p 0.9 --top-k 40 --seed 3 --stop END"
    run_chat("hello", *options.split(), "--stop", "\n\n", engine=engine)
    request = engine.requests[0]
    assert (request.max_new_tokens, request.stop) == (7, ("END", "\n\n"))
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.seed) == (0.5, 0.9, 40, 3)


def test_every_model_option_reaches_the_loader(run_chat: Run) -> None:
    choice = run_chat(
        "x", "-m", "a/b", "--device", "cuda:1", "--dtype", "bfloat16", "--threads", "2", "--offline"
    ).choice
    assert choice is not None
    assert (choice.model, choice.device, choice.dtype, choice.threads, choice.offline) == (
        "a/b", "cuda:1", "bfloat16", 2, True,
    )  # fmt: skip


def test_options_have_variables(run_chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    for name, value in {
        "MODEL": "c/d", "MAX_NEW_TOKENS": "3", "TEMPERATURE": "0.25", "STOP": "A B", "KEEP": "0.25", "WINDOW": "4",
        "NO_CORRECTION": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"SIRIUS_{name}", value)
    result = run_chat("x", "--window", "6", engine=engine)
    request, profile = engine.requests[0], engine.profile
    assert result.choice is not None
    assert result.choice.model == "c/d"
    assert (request.max_new_tokens, request.sampling.temperature, request.stop) == (3, 0.25, ("A", "B"))
    assert (profile.draft.keep, profile.correction.window, profile.correction.enabled) == (0.25, 6, False)


def test_profile_and_overrides(run_chat: Run) -> None:
    engine = FakeEngine()
    flags = "--method fine --keep 0.25 --window 8 --accept likelihood --threshold 0.2 --accept-temperature 0.7"
    run_chat("x", "--profile", "exact", *flags.split(), engine=engine)
    draft, correction = engine.profile.draft, engine.profile.correction
    assert (engine.profile.name, draft.method, draft.keep) == ("exact", "fine", 0.25)
    assert (correction.window, correction.accept, correction.threshold, correction.temperature) == (
        8, "likelihood", 0.2, 0.7,
    )  # fmt: skip


def test_the_profile_is_one_for_the_model_if_nobody_names_one(run_chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()

    def profile(*flags: str) -> str:
        assert run_chat("x", *flags, engine=engine).code == 0
        return engine.profile.name

    assert (profile(), profile("-m", "a/b")) == ("exact-small", "exact")
    monkeypatch.setenv("SIRIUS_PROFILE", "turbo")
    assert (profile(), profile("--profile", "dense")) == ("turbo", "dense")


def test_a_method_over_the_default_leaves_neurons_out_and_stays_lossless(run_chat: Run) -> None:
    engine = FakeEngine()
    assert run_chat("x", "--method", "coarse", "--keep", "0.4", engine=engine).code == 0
    assert engine.profile.draft.words == "coarse 0.4 int8 g64 lookup 3"
    assert engine.profile.correction.accept == "exact"


def test_drafts_may_be_trees(run_chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    assert run_chat("x", "--tree-width", "4", engine=engine).code == 0
    assert engine.profile.draft.words == "dense int8 g64 tree 4 lookup 3"
    assert engine.profile.trees
    monkeypatch.setenv("SIRIUS_TREE_WIDTH", "2")
    assert run_chat("x", "--profile", "sirius", engine=engine).code == 0
    assert engine.profile.draft.words == "coarse 0.5 refresh 1 tree 2"
    assert run_chat("x", "--profile", "dense", engine=engine).code == 0
    assert not engine.profile.trees


def test_windows_may_be_planned(run_chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    assert run_chat("x", "--window", "auto", "--plan-for", "read", engine=engine).code == 0
    assert (engine.profile.correction.window, engine.profile.correction.plan_for) == ("auto", "read")
    monkeypatch.setenv("SIRIUS_WINDOW", "auto")
    run_chat("x", engine=engine)
    assert (engine.profile.correction.window, engine.profile.correction.plan_for) == ("auto", "speed")


@pytest.mark.parametrize("window", ["foo", "0", "257", "2.5", "", "automatic"])
def test_no_other_window_is_taken(run_chat: Run, window: str) -> None:
    result = run_chat("x", "--window", window)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert "--window: correction.window: must be auto or a whole number from 1 to 256, not" in result.err


def test_no_other_goal_is_taken(run_chat: Run) -> None:
    result = run_chat("x", "--plan-for", "nonsense")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "--plan-for: correction.plan_for: must be 'speed' or 'read', not 'nonsense'" in result.err


@pytest.mark.parametrize(
    ("flags", "section", "field", "value"),
    [
        ("--kernel-size 8", "correction", "window", 8),
        ("--thr 0.3 --profile sirius", "correction", "threshold", 0.3),
        ("--spr 0.9 --profile sirius", "draft", "keep", 0.1),
        ("--griffin --profile sirius-fine", "draft", "method", "coarse"),
        ("--cats", "draft", "method", "fine"),
    ],
)
def test_the_papers_spellings(run_chat: Run, flags: str, section: str, field: str, value: object) -> None:
    engine = FakeEngine()
    assert run_chat("x", *flags.split(), engine=engine).code == 0
    assert getattr(getattr(engine.profile, section), field) == value


def test_json_document_has_exactly_the_documented_fields(run_chat: Run) -> None:
    engine = FakeEngine()
    result = run_chat("x", "--json", engine=engine)
    document = json.loads(result.out)
    assert (result.code, result.err) == (0, "")
    assert list(document) == [
        "schema_version", "model", "profile", "prompt_tokens", "text", "token_ids", "finish_reason", "corrections",
        "metrics",
    ]  # fmt: skip
    assert (document["schema_version"], document["model"], document["profile"]["name"]) == (1, "fake", "exact-small")
    assert (document["text"], document["finish_reason"]) == (ANSWER, "stop")
    assert engine.tokens.decode(document["token_ids"]) == ANSWER
    assert set(document["metrics"]) == METRICS


def test_json_corrections_tell_both_tokens(run_chat: Run) -> None:
    engine = FakeEngine()
    document = json.loads(run_chat("x", "--json", engine=engine).out)
    assert document["corrections"] == [
        {
            "index": 4,
            "draft_id": engine.tokens.id_of(" legs?"),
            "draft_text": " legs?",
            "token_id": document["token_ids"][4],
            "text": " legs",
            "p_draft": 0.05,
            "p_token": 0.8,
        }
    ]


def test_jsonl_and_trace_hold_the_same_events(run_chat: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    result = run_chat("x", "--jsonl", "--trace", str(path), "--profile", "sirius", "--keep", "0.25")
    header, *lines = map(json.loads, result.out.splitlines())
    trace = read_trace(path)
    assert header["profile"] == trace.header.profile.model_dump()
    assert trace.header.origins["draft.keep"] == "flag --keep"
    assert tuple(map(event_from_json, lines)) == trace.events
    assert isinstance(trace.events[0], Loaded)
    assert isinstance(trace.events[-1], Finished)
    assert (trace.damage, fold(trace.events).committed_tokens) == (None, 6)


def test_output_that_is_no_terminal_keeps_control_characters(run_chat: Run) -> None:
    engine = FakeEngine(words=["a\x1b[2J", "\r\n", "\x9b"])
    assert run_chat("x", engine=engine).out == "a\x1b[2J\r\n\x9b\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "--jsonl"], "--json and --jsonl"),
        (["-n", "0"], "max-new-tokens cannot be 0"),
        (["-n", "-1"], "max-new-tokens cannot be -1"),
        (["-n", "many"], "--max-new-tokens"),
        (["-t", "-0.1"], "temperature cannot be -0.1"),
        (["-t", "nan"], "temperature cannot be nan"),
        (["-t", "inf"], "temperature cannot be inf"),
        (["--top-p", "0"], "top-p cannot be 0.0"),
        (["--top-p", "1.5"], "top-p cannot be 1.5"),
        (["--top-k", "-1"], "top-k cannot be -1"),
        (["--seed", "-1"], "seed cannot be -1"),
        (["--threads", "0"], "threads cannot be 0"),
        (["--stop", ""], "stop cannot be ''"),
        (["--device", "gpu"], "device cannot be gpu"),
        (["--dtype", "int3"], "dtype cannot be int3"),
        (["--raw", "--system", "s"], "raw prompt"),
        (["--keep", "0"], "--keep"),
        (["--keep", "1.1"], "--keep"),
        (["--spr", "1"], "--spr"),
        (["--window", "0"], "--window"),
        (["--draft-lookup", "-1"], "--draft-lookup: draft.lookup: must be greater than or equal to 0, not -1"),
        (["--draft-lookup", "33"], "--draft-lookup: draft.lookup: must be less than or equal to 32, not 33"),
        (["--draft-lookup", "foo"], "--draft-lookup"),
        (["--tree-width", "0"], "--tree-width: draft.tree_width: must be greater than or equal to 1, not 0"),
        (["--tree-width", "17"], "--tree-width: draft.tree_width: must be less than or equal to 16, not 17"),
        (["--tree-width", "wide"], "--tree-width"),
        (
            ["--profile", "dense", "--tree-width", "4"],
            "--tree-width has no effect in the profile dense: a draft of all weights as they are is no cheaper in a "
            "tree; add --method coarse, or choose --profile sirius",
        ),
        (["--method", "sideways"], "--method"),
        (["--accept", "all"], "--accept"),
        (["--window", "8", "--kernel-size", "8"], "--window and --kernel-size set the same value"),
        (
            ["--keep", "0.4"],
            "--keep has no effect in the profile exact-small: a dense draft uses all neurons; add --method",
        ),
        (["--thr", "0.3"], "--thr has no effect in the profile exact-small: "),
        (["--griffin", "--cats"], "--griffin and --cats set the same value"),
        (["--profile", "no-such"], "no-such"),
        (["--no-such-option"], "--no-such-option"),
        (["a", "second", "argument"], "second"),
        (["--trace", "/no/such/folder/x"], "/no/such/folder/x"),
        (["--trace", "/"], "cannot write the trace /"),
    ],
)
def test_wrong_usage_is_one_line_before_anything_is_loaded(
    run_chat: Run, chat_home: Path, arguments: list[str], message: str
) -> None:
    result = run_chat("hello", *arguments)
    assert (result.code, result.out, result.choice) == (2, "", None)
    assert result.err.startswith("error: ")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not chat_home.exists()


@pytest.mark.parametrize("arguments", [[], [""], [" \n"]])
def test_an_empty_prompt_is_refused(run_chat: Run, arguments: list[str]) -> None:
    result = run_chat(*arguments, stdin=b"\n")
    assert (result.code, result.out, result.choice) == (2, "", None)
    assert result.err == "error: the prompt is empty; give a text as argument or on standard input\n"


def test_input_that_is_not_text_is_refused(run_chat: Run) -> None:
    result = run_chat("x", stdin=b"ab\xff")
    assert (result.code, result.err) == (2, "error: standard input is not UTF-8 text; look at byte 3\n")
    assert run_chat("a\udcff").err == "error: the prompt is not valid UTF-8; look at character 2\n"


def test_a_prompt_longer_than_the_context_leaves_no_trace(run_chat: Run, tmp_path: Path) -> None:
    result = run_chat("one two three", engine=FakeEngine(context=2))
    assert (result.code, result.out) == (4, "")
    assert result.err == "error: the prompt has 5 tokens, the context only 2; shorten the prompt\n"


def test_a_model_without_chat_template_is_told_about_raw(run_chat: Run) -> None:
    result = run_chat("x", engine=FakeEngine(tokens=FakeTokens(has_chat_template=False)))
    assert (result.code, result.err) == (
        4, "error: fake has no chat template; add --raw to send the prompt as it is\n",
    )  # fmt: skip


def test_a_missing_device_is_an_environment_problem(run_chat: Run) -> None:
    result = run_chat("x", "--device", "cuda", engine=EnvironmentProblem("there is no CUDA device", "use --device cpu"))
    assert (result.code, result.err) == (3, "error: there is no CUDA device; use --device cpu\n")


@pytest.mark.parametrize(
    "problem",
    [MemoryError(), RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory")],
)
def test_out_of_memory_while_answering_keeps_the_partial_answer(
    run_chat: Run, tmp_path: Path, problem: Exception
) -> None:
    path = tmp_path / "t.jsonl"
    result = run_chat("x", "--trace", str(path), engine=FakeEngine(problem=problem))
    assert (result.code, result.out) == (3, "Four\n")
    assert result.err.startswith("error: out of memory; ")
    assert result.err.count("\n") == 1
    assert read_trace(path).damage is None


def test_a_bug_is_one_line_that_names_a_report(run_chat: Run, chat_home: Path) -> None:
    result = run_chat("a secret", engine=FakeEngine(problem=ZeroDivisionError("by\nzero")))
    (report,) = (chat_home / "logs").iterdir()
    assert result.code == 1
    assert result.err.startswith("error: internal error, ZeroDivisionError: by zero; ")
    assert str(report) in result.err
    assert result.err.count("\n") == 1
    assert "Traceback" in report.read_text()
    assert "a secret" not in report.read_text()


def test_debugging_shows_the_traceback(run_chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIRIUS_DEBUG", "1")
    assert "Traceback" in run_chat("x", engine=FakeEngine(problem=ZeroDivisionError())).err


def test_a_bug_is_reported_even_if_home_cannot_be_written(
    run_chat: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIRIUS_HOME", str(tmp_path / "file"))
    result = run_chat("x", engine=FakeEngine(problem=ZeroDivisionError("zero")))
    assert (result.code, result.err) == (
        1, "error: internal error, ZeroDivisionError: zero; SIRIUS_DEBUG=1 shows the traceback\n",
    )  # fmt: skip
