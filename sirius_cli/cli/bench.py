"""``sirius bench``: accuracy on tasks, and speed on this machine."""

import os
from pathlib import Path
from typing import Annotated

import typer

from sirius_cli.cli import options, output, reports
from sirius_cli.cli.bench_plan import plan
from sirius_cli.cli.bench_speed import speed
from sirius_cli.errors import UsageError

_HELP = """Measure: accuracy on tasks, speed, plan.

With --task, answer the items of a task by several methods, and say what drafts cost and checks bring back. Every
finished answer is on disk at once; the same command goes on where it was stopped. `sirius runs` lists what there is.
The commands below measure speed.
"""
app = typer.Typer(help=_HELP, rich_markup_mode=None)

_Task = Annotated[
    str | None, typer.Option("--task", metavar="NAME,…", help="What to answer; `sirius bench tasks` lists names.")
]
_Data = Annotated[Path | None, typer.Option("--data", metavar="FILE", help="Items of the task as local JSONL.")]
_Shots = Annotated[Path | None, typer.Option("--shots", metavar="FILE", help="Worked examples for --data, as JSONL.")]
_Limit = Annotated[int | None, typer.Option("--limit", "-l", help="Answer the first N items.")]
_Samples = Annotated[
    str | None, typer.Option("--samples", metavar="JSON|FILE", help='Answer these: {"TASK": [0, 3, 5]}.')
]
_Fewshot = Annotated[int | None, typer.Option("--num-fewshot", "-f", help="Worked examples before each question.")]
_Chat = Annotated[bool, typer.Option("--apply-chat-template", help="Ask as a user would in a chat.")]
_Multiturn = Annotated[
    bool, typer.Option("--fewshot-as-multiturn", help="Examples as turns of the chat; needs --apply-chat-template.")
]
_Compare = Annotated[
    str | None,
    typer.Option(
        "--compare",
        metavar="PROFILE,…",
        help="Methods, the baseline first: profiles, `draft`, or PROFILE:KEY=VALUE. Usual: dense, draft, the profile.",
    ),
]
_PROFILE_HELP = "How to draft and check; sirius if not said, whatever `sirius chat` takes."
_Profile = Annotated[
    str | None, typer.Option("--profile", envvar="SIRIUS_PROFILE", metavar="NAME|FILE", help=_PROFILE_HELP)
]
_DraftOnly = Annotated[bool, typer.Option("--draft-only", help="Answer and score by the draft alone.")]
_Longest = Annotated[
    int | None, typer.Option("--max-new-tokens", "-n", help="Longest answer, in place of the task's own limit.")
]
_Batch = Annotated[str, typer.Option("--batch", metavar="N|auto", help="Answers made side by side.")]
_Seed = Annotated[int, typer.Option("--seed", help="Of sampling, and of what lm-eval draws.")]
_Code = Annotated[bool, typer.Option("--allow-code-execution", help="Run the programs that the model writes, limited.")]
_Log = Annotated[
    Path | None, typer.Option("--log-samples", metavar="FOLDER", help="Write every item with prompt, answer and score.")
]
_Fresh = Annotated[bool, typer.Option("--fresh", help="Answer everything again.")]
_FailUnder = Annotated[
    float | None, typer.Option("--fail-under", metavar="SCORE", help="Exit with 5 if a corrected method scores less.")
]


@app.callback(invoke_without_command=True)
def bench(
    context: typer.Context,
    task: _Task = None,
    data: _Data = None,
    shots: _Shots = None,
    limit: _Limit = None,
    samples: _Samples = None,
    num_fewshot: _Fewshot = None,
    chat: _Chat = False,
    multiturn: _Multiturn = False,
    system: options.System = None,
    compare: _Compare = None,
    draft_only: _DraftOnly = False,
    max_new_tokens: _Longest = None,
    batch: _Batch = "auto",
    model: options.Model = options.DEFAULT_MODEL,
    profile: _Profile = None,
    method: options.Method = None,
    keep: options.Keep = None,
    draft_layers: options.DraftLayers = None,
    refresh: options.Refresh = None,
    decay: options.Decay = None,
    draft_precision: options.DraftPrecision = None,
    draft_group: options.DraftGroup = None,
    draft_int8: options.DraftInt8 = None,
    draft_lookup: options.DraftLookup = None,
    tree_width: options.TreeWidth = None,
    tree_split: options.TreeSplit = None,
    window: options.Window = None,
    plan_for: options.PlanFor = None,
    confidence: options.Confidence = None,
    accept: options.Accept = None,
    threshold: options.Threshold = None,
    accept_temperature: options.AcceptTemperature = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    threads: options.Threads = None,
    offline: options.Offline = False,
    seed: _Seed = 1234,
    allow_code: _Code = False,
    log_samples: _Log = None,
    fresh: _Fresh = False,
    form: reports.FormatOption = None,
    output_file: reports.OutputFile = None,
    json: options.Json = False,
    fail_under: _FailUnder = None,
) -> int:
    """Answer the items of a task, or leave it to the command that follows."""
    if context.invoked_subcommand is not None:
        _refuse_options(context, context.invoked_subcommand)
        return 0
    if task is None:
        if given := options.given(context):
            raise UsageError(f"{given[0]} is for --task, which is missing", "name one; see `sirius bench tasks`")
        output.write_line(context.get_help())
        return 0
    from sirius_cli.cli import bench_quality
    from sirius_cli.config.idle import refuse_idle_flags
    from sirius_cli.config.resolve import resolve_profile
    from sirius_cli.services.bench.quality.methods import USUAL, methods
    from sirius_cli.services.bench.quality.plan import Plan
    from sirius_cli.services.session import ModelChoice

    wish = bench_quality.Wish(reports.chosen(context, form, json), output_file, fail_under, log_samples, fresh)
    resolved = resolve_profile(profile, options.overrides(context), os.environ, USUAL)
    refuse_idle_flags(resolved)
    chosen = resolved.profile
    plan = Plan(
        tasks=tuple(dict.fromkeys(name.strip() for name in task.split(",") if name.strip())),
        methods=methods(compare, chosen, draft_only=draft_only),
        data=data,
        shots=shots,
        num_fewshot=num_fewshot,
        max_new_tokens=max_new_tokens,
        chat=chat,
        multiturn=multiturn,
        system=system,
        seed=seed,
        limit=limit,
        samples=bench_quality.samples(samples),
        batch=bench_quality.batch(batch),
        allow_code=allow_code,
    )
    return bench_quality.run(plan, ModelChoice(model, device, dtype, threads, offline), chosen, wish)


def _refuse_options(context: typer.Context, command: str) -> None:
    """What stands before a command would be lost."""
    given = options.given(context)
    if "--task" in given:
        raise UsageError("--task measures accuracy, a command something else", "give one of them")
    if given:
        raise UsageError(f"{given[0]} in front of {command} is for --task", f"put it behind {command}, if it has it")


app.command()(speed)
app.command()(plan)


@app.command()
def tasks(as_json: options.Json = False) -> None:
    """List the tasks that have a short name. Any task of lm-eval can be named as well."""
    from sirius_cli.services.bench.tasks.catalogue import SHORT_NAMES

    if as_json:
        output.write_json({name: short.description for name, short in SHORT_NAMES.items()})
        return
    output.write_table(["TASK", "WHAT"], [[name, short.description] for name, short in SHORT_NAMES.items()])
