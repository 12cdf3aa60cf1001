"""Rows of data: examples to train on, conflict items to evaluate, and their audit before any training."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """``system``, ``user`` or ``assistant``."""
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """One instruction-finetuning example; the last message is the assistant's.

    The context is kept apart from the messages, so that the same example can be rendered with and
    without it (:mod:`inversion.instruct.templates`).
    """

    example_id: str
    messages: list[Message]
    context: str | None
    kind: str | None
    """If known by construction: ``C``, ``C+S``, ``S`` or ``counterfactual``. For checking
    selections; none but that by kind makes use of it."""
    subject: str | None
    relation: str | None

    @property
    def question(self) -> str:
        """The first user turn."""
        return next(m.content for m in self.messages if m.role == "user")

    @property
    def answer(self) -> str:
        """The last assistant turn."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True)
class ConflictItem:
    """One evaluation question, with the answer of its context and the answer of the model's memory.

    Control items have one right answer: items read from a passage have no parametric answer, items
    without a passage have no context answer, and in matching items both are the same.
    """

    item_id: str
    set: str
    role: str
    """``conflict`` or ``control``."""
    question: str
    context: str | None
    context_answers: list[str]
    """The answer and its aliases, the preferred one first; empty if there is none."""
    parametric_answers: list[str]
    cluster: str
    """Items of a cluster are not independent (same fact, or same question) and are resampled together."""
    stratum: str
    """A category to break curves down by (a relation, say)."""
    subject: str | None = None
    """What the fact is about, if known."""
    factors: list[str] = field(default_factory=list)
    """The levels of factors that were varied on purpose, as ``name=level``, sorted; empty in sets without factors."""
    kind: str = "open"
    """How it is answered: ``open``, ``choice`` (one of ``options``) or ``yes_no``."""
    options: list[str] = field(default_factory=list)
    """The choices of a multiple-choice question, in the order of their letters (A, B, ...)."""
    control: str | None = None
    """Where the passage of a control comes from: ``native``, from the release itself, or ``synthetic``, made by us;
    null for conflict items."""

    @property
    def question_with_options(self) -> str:
        """The question as it is put to a model: with its options, each after its letter on a separate line."""
        return "\n".join([self.question, *(f"{letter}. {text}" for letter, text in self.lettered_options())])

    def lettered_options(self) -> list[tuple[str, str]]:
        """The options with their letters."""
        return [(chr(ord("A") + place), text) for place, text in enumerate(self.options)]

    def identity(self) -> dict[str, object]:
        """Every field that affects the prompt of a model or the score of its answer, by name.

        Responses are kept under its hash: fields that were added to the record count only where they are set, so that
        answers from before they existed stay valid.
        """
        plain = asdict(self)
        for name in ("kind", "control"):  # neither is shown to a model
            del plain[name]
        return plain if self.options else {name: value for name, value in plain.items() if name != "options"}


def control_set(conflict_set: str, kind: str) -> str:
    """The name of a conflict set's controls of one kind."""
    return f"{conflict_set}+{kind}"


def conflict_set_of(name: str) -> str | None:
    """The conflict set whose controls are in the set ``name``; None for separate sets."""
    owner, mark, _ = name.rpartition("+")
    return owner if mark else None


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """The finding of one audit rule on one conflict set; a rule that found nothing has a row too."""

    set: str
    rule: str
    """Named and explained in :func:`inversion.conflict.audit.audit_set`."""
    action: str
    """The action on the items: ``dropped``, ``rewritten`` or ``kept``."""
    count: int
    """Items that the rule found."""
    checked: int
    """Items that the rule looked at."""
    examples: list[str]
    """The first few, in one line each."""


@dataclass(frozen=True, slots=True)
class ContextNeed:
    """How much the base model needs the context to find an example's answer (section 4.3)."""

    example_id: str
    loss_without_context: float
    """Mean negative log-likelihood (nats per token) of the answer without the context: its log-perplexity."""
    loss_with_context: float
    """The same with the context; equal if there is none."""
    tokens: int
    """Tokens of the answer, end of turn included."""


@dataclass(frozen=True, slots=True)
class SelectionCount:
    """How many examples of one kind a recipe kept, dropped and added in building a training set.

    Tokens are those of contexts and turns, without the template; null for a recipe that takes its dataset unchanged.
    """

    model: str
    dataset: str
    recipe: str
    seed: int
    kind: str
    """The examples' ``kind``; ``unknown`` where the dataset has none."""
    kept: int
    dropped: int
    added: int
    kept_tokens: int | None = None
    dropped_tokens: int | None = None
    added_tokens: int | None = None
