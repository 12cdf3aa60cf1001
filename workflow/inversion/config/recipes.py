"""Recipes: which examples are selected, added and marked, and how training changes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from inversion.config.base import Name, ProperFraction, Strict
from inversion.config.training import TrainingOverride


class SelectionRule(Strict):
    """The properties of a selection that the workflow needs."""

    needs_scores: ClassVar[bool] = False
    """Whether the selection depends on the base model's scores of context need."""

    @property
    def compared_sets(self) -> tuple[Name, ...]:
        """The conflict sets that the selection depends on."""
        return ()


class ContextOnlySelection(SelectionRule):
    """Keep the examples that have a context (section 4.2)."""

    by: Literal["context_only"]


NeedScore = Literal["without_context", "difference"]
"""How context need is scored."""


class ContextCriticalSelection(SelectionRule):
    """Keep the examples that need their context: drop those whose answer is most likely without the context, according
    to the base model (section 4.3)."""

    needs_scores: ClassVar[bool] = True
    by: Literal["context_need"]
    drop: ProperFraction
    """Share of the examples to drop, beginning with the lowest score. Among equal scores (to five decimals), the lowest
    ids are dropped first."""
    score: NeedScore = "without_context"
    """``without_context``: the answer's log-perplexity without the context, as in the paper.
    ``difference``: by how much the context lowers it, 0 for an example without a context. Both are
    means per token, so that long and short answers are comparable."""


class NoFactOverlapSelection(SelectionRule):
    """Drop the examples that name a fact of the evaluated conflict sets, in any turn or in the context
    (section 4.1). Names are matched as whole words; case, accents and punctuation make no difference. Countries are
    also found by the words for their people and things ("French") and by other names and abbreviations ("UK"); "US" and
    a few others are case-sensitive."""

    by: Literal["no_fact_overlap"]
    sets: tuple[Name, ...] = Field(min_length=1)
    """The conflict sets whose facts are excluded."""
    names: tuple[Literal["subject", "parametric_answer", "context_answer"], ...] = Field(
        default=("subject", "parametric_answer"), min_length=1
    )
    """The parts of a fact that are searched for, each with its aliases: the country, its true capital, and the city
    that a passage makes its capital. Items with an unknown subject have no subject to search for."""

    @property
    def compared_sets(self) -> tuple[Name, ...]:
        """The sets under ``sets``."""
        return self.sets


class KindSelection(SelectionRule):
    """Keep the examples of some kinds. Kinds are known only in mixtures of the invented world."""

    by: Literal["kind"]
    keep: tuple[Literal["C", "C+S", "S"], ...] = Field(min_length=1)


class RandomSelection(SelectionRule):
    """Drop examples at random: the control for a selection of the same size. Set ``drop`` or ``like``."""

    by: Literal["random"]
    drop: ProperFraction | None = None
    """Share of the examples to drop."""
    like: Name | None = None
    """Name of a recipe: keep as many examples as its selections keep."""

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
    """Share of the added examples in the final training set."""
    dataset: Name | None = None
    """Question-answering data with passages, under ``datasets``, whose answers are replaced by others of
    their type; rows that name an evaluated answer or subject are skipped. By default the examples come
    from the invented world, for datasets made from it."""


class Indicator(Strict):
    """Put a marker before the question of the examples that need their context most, so that the model answers from the
    context when a prompt has the marker (arXiv 2411.02688). The study needs a prompt with the same text as its
    ``instruction``."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    """The marker: any text that the tokenizer can encode, such as ``[IND]``. Models of the invented world know only the
    words of their world."""
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Share of the examples with a context to mark, beginning with the highest score. Counterfactual examples are all
    marked."""
    score: NeedScore = "difference"
    """The score of context need, as in a selection by ``context_need``."""


class Recipe(Strict):
    """A finetuning recipe: which examples are selected, added and marked, and how training changes."""

    select: tuple[Selection, ...] = ()
    """Selections, applied in order: each one gets the examples that the previous one kept."""
    augment: CounterfactualAugmentation | None = None
    """Examples to add to the selected ones."""
    # not part of specifications if unset, like the decoding of prompts
    indicator: Indicator | None = Field(default=None, exclude_if=lambda indicator: indicator is None)
    """A marker on the examples that need their context most."""
    training: TrainingOverride = TrainingOverride()

    @property
    def fixes_its_size(self) -> bool:
        """Whether it has selections, and none of them copies the size of another recipe."""
        likes = [selection.like for selection in self.select if isinstance(selection, RandomSelection)]
        return bool(self.select) and not any(likes)
