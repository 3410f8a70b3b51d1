"""Themes: legible, told apart by everybody; a user's own is checked, and every fault is told with its line."""

from itertools import combinations
from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import Theme

from sirius_cli.errors import UsageError
from sirius_cli.tui import themes

SHIPPED = themes.catalogue().themes
TEXTS = ("foreground", "primary", "secondary", "accent", "success", "warning", "error")
READ_MARKS = ("drafted", "corrected", "bonus", "lookup", "density", "rate", "reference", "axis")
APART = (
    ("foreground", "drafted", "corrected", "bonus", "lookup"),
    ("accepted", "corrected", "rewound", "lookup"),
    ("density", "reference"),
    ("rate", "reference"),
)
# Machado, Oliveira and Fernandes 2009, full severity, on linear RGB.
SIGHTS = {
    "usual": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}
Triple = tuple[float, ...]


def colour(theme: Theme, name: str) -> str:
    return str(theme.variables.get(f"mark-{name}") or getattr(theme, name))


def linear(hex_colour: str) -> Triple:
    parts = (part / 255 for part in Color.parse(hex_colour).rgb)
    return tuple(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)


def contrast(one: str, other: str) -> float:
    """As WCAG 2 has it: 1 to 21."""
    weights = (0.2126, 0.7152, 0.0722)
    lights = sorted(sum(w * part for w, part in zip(weights, linear(c), strict=True)) for c in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def seen(hex_colour: str, sight: str) -> Triple:
    """CIE L*a*b* of what somebody sees."""
    rgb = linear(hex_colour)
    red, green, blue = (
        min(1.0, max(0.0, sum(m * part for m, part in zip(row, rgb, strict=True)))) for row in SIGHTS[sight]
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return (116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz))


def distance(one: str, other: str, sight: str) -> float:
    pairs = zip(seen(one, sight), seen(other, sight), strict=True)
    return float(sum((a - b) ** 2 for a, b in pairs) ** 0.5)


@pytest.mark.parametrize("name", SHIPPED)
def test_text_is_legible(name: str) -> None:
    theme = SHIPPED[name]
    low = {
        (text, ground): round(value, 1)
        for text in (*TEXTS, *READ_MARKS)
        for ground in ("background", "surface")
        if (value := contrast(colour(theme, text), colour(theme, ground))) < 4.5
    }
    assert low == {}


@pytest.mark.parametrize("mark", ["accepted", "corrected", "rewound", "activity"])
@pytest.mark.parametrize("name", SHIPPED)
def test_bars_are_seen(name: str, mark: str) -> None:
    assert contrast(colour(SHIPPED[name], mark), colour(SHIPPED[name], "background")) >= 3


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("name", SHIPPED)
def test_everybody_can_tell_marks_apart(name: str, sight: str) -> None:
    theme = SHIPPED[name]
    close = {
        pair: round(value)
        for group in APART
        for pair in combinations(group, 2)
        if (value := distance(colour(theme, pair[0]), colour(theme, pair[1]), sight)) < 18
    }
    assert close == {}


def test_the_measure_knows_red_from_green_and_who_does_not() -> None:
    assert distance("#c04040", "#708020", "usual") > 50
    assert distance("#c04040", "#708020", "deuteranopia") < 30
    assert contrast("#ffffff", "#000000") == pytest.approx(21)


def test_two_dark_one_light_one_of_high_contrast() -> None:
    assert sum(theme.dark for theme in SHIPPED.values()) >= 3
    assert not SHIPPED["day"].dark
    assert contrast(colour(SHIPPED["contrast"], "foreground"), colour(SHIPPED["contrast"], "background")) > 20


@pytest.fixture
def folder(own_home: Path) -> Path:
    folder = own_home / "config" / "themes"
    folder.mkdir(parents=True)
    return folder


def test_a_users_theme_may_say_little(folder: Path) -> None:
    (folder / "mine.yaml").write_text('dark: false\nmarks:\n  corrected: "#aa00aa"\n')
    mine = themes.catalogue().choose("mine")
    assert not mine.dark
    assert colour(mine, "corrected") == "#aa00aa"
    assert colour(mine, "background") == colour(SHIPPED["day"], "background")


def test_a_users_theme_hides_a_shipped_one(folder: Path) -> None:
    (folder / "night.yaml").write_text('colours:\n  background: "#010203"\n')
    assert themes.catalogue().choose("night").background == "#010203"


def test_every_fault_is_told_with_its_line(folder: Path) -> None:
    path = folder / "bad.yaml"
    path.write_text('dark: 3\ncolours:\n  primary: #ffffff\n  foo: "#ffffff"\nmarks:\n  bonus: red\n')
    (folder / "good.yaml").write_text("dark: true\n")
    catalogue = themes.catalogue()
    assert "good" in catalogue.themes
    with pytest.raises(UsageError) as caught:
        catalogue.choose("bad")
    assert [str(fault).removeprefix(f"{path}:") for fault in catalogue.faults["bad"]] == [
        "1: dark: must be a valid boolean, not 3",
        '3: colours.primary: must be a colour in quotes such as "#1e90ff", not None',
        f"4: colours.foo: unknown key; known are {', '.join(themes.Colours.model_fields)}",
        "6: marks.bonus: must be a colour in quotes such as \"#1e90ff\", not 'red'",
    ]
    assert str(caught.value).count(str(path)) == 4


@pytest.mark.parametrize(
    ("content", "problem"),
    [("[", "not YAML"), ("schema_version: 2\n", "this program reads up to 1"), ("- a", "mapping")],
)
def test_what_is_no_theme(folder: Path, content: str, problem: str) -> None:
    (folder / "odd.yaml").write_text(content)
    with pytest.raises(UsageError, match=problem):
        themes.catalogue().choose("odd")


@pytest.mark.parametrize(("name", "hint"), [("nihgt", "did you mean night"), ("xyz", "there are contrast, day")])
def test_an_unknown_name(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        themes.catalogue().choose(name)
