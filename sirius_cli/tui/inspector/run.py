"""Opens the inspector: the one door for the command line."""

from dataclasses import dataclass

from sirius_cli.config.settings import load_settings
from sirius_cli.services.inspection.comparison import Comparison
from sirius_cli.services.inspection.facts import Inspection
from sirius_cli.tui import keymap, themes
from sirius_cli.tui.glyphs import needs_ascii
from sirius_cli.tui.inspector.app import Inspector


@dataclass(frozen=True, slots=True)
class Opening:
    """How the inspector begins: with ``run`` alone, the ``conditions`` of a filter, a ``sort``; and how it is drawn."""

    run: str | None = None
    conditions: tuple[str, ...] = ()
    sort: str | None = None
    theme: str | None = None
    no_colour: bool = False


def run_inspector(inspection: Inspection, comparison: Comparison | None, opening: Opening) -> None:
    """Show the inspector, as the user's settings say, until the user leaves it.

    Raises:
        SiriusError: if the settings are faulty, or there is no such theme.
    """
    settings = load_settings().settings
    keys = keymap.part(settings.keymap, inspector=True)
    keymap.check(keys, Inspector.BINDINGS)
    app = Inspector(
        inspection,
        comparison,
        run=opening.run,
        conditions=opening.conditions,
        sort=opening.sort,
        theme=opening.theme or settings.theme or themes.DEFAULT,
        no_colour=opening.no_colour,
        ascii_only=needs_ascii() if settings.ascii is None else settings.ascii,
    )
    app.set_keymap(keys)
    app.run()
