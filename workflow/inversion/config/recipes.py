"""Recipes: what is selected, added and marked, and what training changes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from inversion.config.base import Name, ProperFraction, Strict
from inversion.config.training import TrainingOverride


class SelectionRule(Strict):
    """What the workflow must know of a selection."""

    needs_scores: ClassVar[bool] = False
    """Whether the base model's scores of context need decide what is kept."""

    @property
    def compared_sets(self) -> tuple[Name, ...]:
        """The conflict sets that decide what is kept."""
        return ()


class ContextOnlySelection(SelectionRule):
    """Keep the examples that have a context (section 4.2)."""

    by: Literal["context_only"]


NeedScore = Literal["without_context", "difference"]
"""How context need is scored."""


class ContextCriticalSelection(SelectionRule):
    """Keep what needs its context: drop the examples whose answer the base model finds likeliest
    without the context (section 4.3)."""

    needs_scores: ClassVar[bool] = True
    by: Literal["context_need"]
    drop: ProperFraction
    """Share of the examples to remove, lowest score first; of equal scores (to five decimals) the first by id."""
    score: NeedScore = "without_context"
    """``without_context``: the answer's log-perplexity without the context, as in the paper.
    ``difference``: how much of it the context takes away, 0 for an example without a context. Both are
    means a token, so that long answers weigh as much as short ones."""


class NoFactOverlapSelection(SelectionRule):
    """Drop the examples that name a fact of the evaluated conflict sets, in any turn or in the context
    (section 4.1). Names are found in whole words; case, accents and punctuation make no difference. Of countries, the
    words for their people and things ("French") and their other names and abbreviations ("UK") are found too, as they
    are written."""

    by: Literal["no_fact_overlap"]
    sets: tuple[Name, ...] = Field(min_length=1)
    """Conflict sets whose facts must not occur."""
    names: tuple[Literal["subject", "parametric_answer", "context_answer"], ...] = Field(
        default=("subject", "parametric_answer"), min_length=1
    )
    """What of a fact counts as naming it, each with its aliases: the country, its capital in truth,
    the city that a passage makes its capital. Items whose subject nobody knows have none."""

    @property
    def compared_sets(self) -> tuple[Name, ...]:
        """The sets under ``sets``."""
        return self.sets


class KindSelection(SelectionRule):
    """Keep some kinds of examples; only mixtures of the invented world know theirs."""

    by: Literal["kind"]
    keep: tuple[Literal["C", "C+S", "S"], ...] = Field(min_length=1)


class RandomSelection(SelectionRule):
    """Drop examples at random: the control for any selection of the same size. Say ``drop`` or ``like``."""

    by: Literal["random"]
    drop: ProperFraction | None = None
    """Share of the examples to remove."""
    like: Name | None = None
    """A recipe; as many examples stay as its own selections keep."""

    @model_validator(mode="after")
    def _size(self) -> RandomSelection:
        if (self.drop is None) == (self.like is None):
            raise ValueError(
                "a random selection needs either `drop`, a share, or `like`, a recipe of the same size; set one of them"
            )
        return self


Selection = Annotated[
    ContextOnlySelection | ContextCriticalSelection | NoFactOverlapSelection | KindSelection | RandomSelection,
    Field(discriminator="by"),
]


class CounterfactualAugmentation(Strict):
    """Add examples whose context contradicts the model's memory and whose answer follows the
    context (section 6)."""

    share: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Share of the final training set."""
    dataset: Name | None = None
    """Question-answering data with passages, under ``datasets``, whose answers are exchanged for others of
    their type; what names an answer or subject under evaluation is left out. Where unset, the examples come
    from the invented world, for datasets made from it."""


class Indicator(Strict):
    """Put a marker before the question of the examples that need their context most, so that a model asked with the
    marker answers from the context (arXiv 2411.02688). Evaluation asks with it by a prompt whose ``instruction`` is the
    same text."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    """The marker: any text that the tokenizer has, as ``[IND]``. Models of the invented world know the words of their
    world only."""
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Share of the examples with a context to mark, highest score first. Counterfactual examples are all marked."""
    score: NeedScore = "difference"
    """The score of context need, as in a selection by ``context_need``."""


class Recipe(Strict):
    """A named way of finetuning: what is selected, what is added and marked, which weights train how."""

    select: tuple[Selection, ...] = ()
    """Selections, applied one after the other: each sees what the one before it kept."""
    augment: CounterfactualAugmentation | None = None
    """What is added to the selected examples."""
    # left out of specifications where unset, as of prompts
    indicator: Indicator | None = Field(default=None, exclude_if=lambda indicator: indicator is None)
    """A marker on the examples that need their context most."""
    training: TrainingOverride = TrainingOverride()

    @property
    def fixes_its_size(self) -> bool:
        """Whether it selects, and no selection copies the size of another recipe."""
        likes = [selection.like for selection in self.select if isinstance(selection, RandomSelection)]
        return bool(self.select) and not any(likes)
