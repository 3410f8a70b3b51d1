"""Any event, for properties."""

from hypothesis import strategies as st

from sirius_cli.core.events import (
    Checked,
    Committed,
    CommittedToken,
    Drafted,
    Failed,
    Finished,
    Loaded,
    Planned,
    Prefilled,
    StepEvent,
)

real = st.floats(allow_nan=False, allow_infinity=False)
token = st.builds(CommittedToken, p=real, p_draft=st.none() | real)
EVENTS: dict[str, st.SearchStrategy[StepEvent]] = {
    "loaded": st.builds(Loaded, seconds=real),
    "prefilled": st.builds(Prefilled, at=real, seconds=real),
    "planned": st.builds(Planned, at=real, draft=st.none() | real, accepted=st.none() | real, speedup=st.none() | real),
    "drafted": st.builds(
        Drafted,
        at=real,
        probabilities=st.lists(real).map(tuple),
        density=real,
        read=real,
        seconds=real,
        steps=st.none() | st.integers(),
        nodes=st.integers(),
    ),
    "checked": st.builds(Checked, at=real, seconds=real, nodes=st.integers()),
    "committed": st.builds(Committed, at=real, tokens=st.lists(token, max_size=4).map(tuple)),
    "finished": st.builds(Finished, at=real),
    "failed": st.builds(Failed, at=real),
}
