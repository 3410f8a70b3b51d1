"""What every application here shares: our themes alone, no grey in place of colours, ASCII where there is no more."""

from collections.abc import Sequence

from textual.app import App
from textual.driver import Driver
from textual.filter import LineFilter, Monochrome, NoColor

from sirius_cli.tui import themes
from sirius_cli.tui.glyphs import AsciiOnly


class ThemedApp(App[None]):
    """Drawn in a theme of ours; ``no_colour`` and ``ascii_only`` restrict what a terminal is sent.

    Raises:
        UsageError: if there is no sound theme ``theme``.
    """

    def __init__(
        self, theme: str, *, no_colour: bool = False, ascii_only: bool, driver_class: type[Driver] | None = None
    ) -> None:
        super().__init__(driver_class=driver_class)
        self._take_theme(theme)
        self.no_color = self.no_color or no_colour
        self._restrictions: list[LineFilter] = [NoColor()] if self.no_color else []
        self._restrictions += [AsciiOnly()] if ascii_only else []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.default_variables()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Without colours there is to be none at all, not grey; without Unicode, ASCII alone."""
        filters = [one for one in super().get_line_filters() if not isinstance(one, Monochrome)]
        return [*filters, *self._restrictions]

    def _take_theme(self, name: str) -> None:
        """Offer our themes alone: Textual's own know nothing of tokens."""
        catalogue = themes.catalogue()
        own = [catalogue.choose(name), *catalogue.themes.values()]
        for theme in own:
            self.register_theme(theme)
        self.theme = name
        for other in self.available_themes.keys() - {theme.name for theme in own}:
            self.unregister_theme(other)
