"""What a planner decided, in words."""

from sirius_cli.core.events import Planned


def figures_of(plan: Planned) -> str:
    """What the decision rests on: "drafts cost 0.29, 97 % accepted"; empty where nothing was reckoned with."""
    parts = []
    if plan.draft is not None:
        parts.append(f"drafts cost {plan.draft:.2f}")
    if plan.accepted is not None:
        parts.append(f"{100 * plan.accepted:.0f} % accepted")
    return ", ".join(parts)


def in_words(plan: Planned) -> str:
    """The reason with its figures."""
    promise = "" if plan.speedup is None else f", {plan.speedup:.2f} times dense"
    figures = figures_of(plan)
    return f"{plan.reason}: {figures}{promise}" if figures else plan.reason


def brief(plan: Planned) -> str:
    """As much as fits beside other figures; that a size promises most goes without saying."""
    return (figures_of(plan) if plan.speedup is not None else "") or plan.reason
