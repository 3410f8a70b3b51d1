"""A profile says how tokens are drafted and checked. It is data: frozen, validated, without behaviour."""

from statistics import fmean
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from sirius_cli.core.keeps import parse_keeps, spell_keeps

Method = Literal["dense", "coarse", "fine"]
Precision = Literal["native", "int8", "int4"]
Group = Literal[32, 64, 128]
AcceptRule = Literal["exact", "likelihood"]
Window = int | Literal["auto"]
Goal = Literal["speed", "read"]
MATRICES: Final = ("head", "qkv", "out", "gate_up", "down")
"""The kinds of matrices that a quantised copy has."""
SCHEMA_VERSION: Final = 1
_LONGEST_WINDOW: Final = 256


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DraftSpec(_Part):
    """The cheap steps: which neurons of each MLP a draft step uses, and in how many bits it reads the weights."""

    method: Method = Field(default="coarse", description="dense, coarse (one set a prompt) or fine (one set a token)")
    keep: float = Field(default=0.5, gt=0.0, le=1.0, description="fraction of the neurons kept")
    layers: str = Field(
        default="", description="coarse: in place of keep, one for each layer, such as 0.75+22x0.4+1; none: all alike"
    )
    refresh: int = Field(default=0, ge=0, description="coarse: choose the set anew after so many checks; 0: never")
    decay: float = Field(
        default=1.0, gt=0.0, le=1.0, description="coarse: what a check leaves of the weight of all text before it"
    )
    precision: Precision = Field(default="native", description="native, or a quantised copy of the weights: int8, int4")
    group: Group = Field(default=32, description="int8, int4: weights that share a scale; 32, 64 or 128")
    int8: str = Field(
        default="", description=f"int4: matrices that keep 8 bits, with + between, of {', '.join(MATRICES)}"
    )
    lookup: int = Field(
        default=0, ge=0, le=32, description="with a check: shortest match whose continuation is drafted; 0: none is"
    )
    tree_width: int = Field(
        default=1, ge=1, le=16, description="with a check: most paths that are drafted side by side; 1: a chain"
    )
    tree_split: float = Field(
        default=0.1, ge=0.0, le=1.0, description="of a tree: least likelihood of a path over the likeliest's; 0: any"
    )

    @field_validator("int8", mode="plain")
    @classmethod
    def _check_int8(cls, value: object) -> object:
        named = value.split("+") if isinstance(value, str) and value else []
        if isinstance(value, str) and set(named) <= set(MATRICES):
            return "+".join(name for name in MATRICES if name in named)  # one spelling for each choice
        raise PydanticCustomError("int8", f"Input should be of {', '.join(MATRICES)}, with + between")

    @field_validator("layers", mode="plain")
    @classmethod
    def _check_layers(cls, value: object) -> object:
        if value in ("", "none"):
            return ""
        try:
            return spell_keeps(parse_keeps(value if isinstance(value, str) else ""))
        except ValueError as error:
            raise PydanticCustomError(
                "layers", "Input should be none, or keeps above 0 and at most 1 with + between, such as 0.75+22x0.4+1"
            ) from error

    @property
    def keeps(self) -> tuple[float, ...]:
        """The keeps by layer; none where all layers have the same, :attr:`keep`."""
        return parse_keeps(self.layers) if self.layers and self.method == "coarse" else ()

    @property
    def mean_keep(self) -> float:
        """The fraction of all neurons that a step uses."""
        return fmean(self.keeps or (self.keep,))

    @property
    def native_dense(self) -> bool:
        """Whether a step reads all weights as they are: then no step is worth drafting with."""
        return self.method == "dense" and self.precision == "native"

    @property
    def words(self) -> str:
        """What tells it from others, in few words: "coarse 0.5 refresh 1", "dense int4 g32 lookup 3"."""
        parts = [self.step_words]
        if self.method == "coarse" and self.refresh:
            parts.append(f"refresh {self.refresh}")
        if self.tree_width > 1:
            parts.append(f"tree {self.tree_width}")
        if self.lookup:
            parts.append(f"lookup {self.lookup}")
        return " ".join(parts)

    @property
    def step_words(self) -> str:
        """What tells its steps from those of others: "coarse 0.5", "dense int4 g32"."""
        parts: list[str] = [self.method]
        if self.method != "dense":
            parts.append(f"{self.mean_keep:.4g}")
        if self.keeps:
            parts.append(f"by layer {min(self.keeps):g}-{max(self.keeps):g}")
        if self.precision != "native":
            parts += [self.precision, f"g{self.group}"]
        if self.precision == "int4" and self.int8:
            parts.append(f"int8 {self.int8}")
        return " ".join(parts)


class CorrectionSpec(_Part):
    """The dense check: how often, and what it accepts."""

    enabled: bool = Field(default=True, description="false lets the draft answer alone")
    window: Window = Field(
        default=16, description="tokens per check, the check's own included; auto: planned from costs and acceptance"
    )
    plan_for: Goal = Field(default="speed", description="auto: most tokens a second, or least bytes of weights read")
    confidence: float = Field(
        default=0.0, ge=0.0, le=1.0, description="a draft ends early once it is less sure than this; 0: never"
    )
    accept: AcceptRule = Field(default="likelihood", description="exact is lossless; likelihood is the paper's rule")
    threshold: float = Field(default=0.1, ge=0.0, le=1.0, description="lowest acceptable dense probability")
    temperature: float = Field(default=0.6, gt=0.0, description="temperature of that probability")

    @field_validator("window", mode="plain")
    @classmethod
    def _check_window(cls, value: object) -> object:
        # One sentence, where a union of types would give one fault for each of them.
        if value == "auto" or (type(value) is int and 1 <= value <= _LONGEST_WINDOW):
            return value
        raise PydanticCustomError("window", f"Input should be auto or a whole number from 1 to {_LONGEST_WINDOW}")


class Profile(_Part):
    """One resolved way to run a model."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = "custom"
    description: str = ""
    source: str = Field(default="", description="where the numbers come from")
    draft: DraftSpec = Field(default_factory=DraftSpec)
    correction: CorrectionSpec = Field(default_factory=CorrectionSpec)

    @property
    def looks_up(self) -> bool:
        """Whether continuations found in the text are drafted. They are guesses: without a check, none is."""
        return self.draft.lookup > 0 and self.correction.enabled

    @property
    def refreshes(self) -> bool:
        """Whether checks choose the neurons of drafts anew."""
        return self.draft.method == "coarse" and self.draft.refresh > 0 and self.corrects

    @property
    def trees(self) -> bool:
        """Whether windows are trees: without a check there is nothing to choose a path by."""
        return self.draft.tree_width > 1 and not self.draft.native_dense and self.correction.enabled

    @property
    def masks_drafts(self) -> bool:
        """Whether draft steps of a single text read what they do not use.

        The tokens of a tree's level choose different neurons of a fine draft.
        """
        return self.trees and self.draft.method == "fine"

    @property
    def drafts(self) -> bool:
        """Whether anything is drafted at all."""
        return not self.draft.native_dense or self.looks_up

    @property
    def corrects(self) -> bool:
        """Whether a dense check follows the draft. A step that is dense needs none."""
        return self.drafts and self.correction.enabled
