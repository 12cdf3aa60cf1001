"""Rows of data: training examples, conflict items, and what is known about both before any training."""

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
    """One instruction-finetuning example; the last message is that of the assistant.

    The context is separate from the messages, so that the same example can be rendered with and without it
    (:mod:`inversion.instruct.templates`).
    """

    example_id: str
    messages: list[Message]
    context: str | None
    kind: str | None
    """``C``, ``C+S``, ``S`` or ``counterfactual``, if it is known how the example was made. It serves to check
    selections. The only selection that reads it is the one by kind."""
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

    Control items have one correct answer. Items that are answered from a passage have no parametric answer, items
    without a passage have no context answer, and in matching items both answers are the same.
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
    """Items in the same cluster are not independent (they share a fact, or a question) and are resampled together."""
    stratum: str
    """A category by which curves are broken down, such as a relation."""
    subject: str | None = None
    """What the fact is about, if known."""
    factors: list[str] = field(default_factory=list)
    """The levels of the factors that were varied on purpose, as ``name=level``, sorted; empty in sets without
    factors."""
    kind: str = "open"
    """How the question is answered: ``open``, ``choice`` (one of ``options``) or ``yes_no``."""
    options: list[str] = field(default_factory=list)
    """The choices of a multiple-choice question, in the order of their letters (A, B, ...)."""
    control: str | None = None
    """The origin of a control's passage: ``native``, from the release itself, or ``synthetic``, generated here; null
    for conflict items."""

    @property
    def question_with_options(self) -> str:
        """The question as a model sees it: followed by its options, each after its letter on a separate line."""
        return "\n".join([self.question, *(f"{letter}. {text}" for letter, text in self.lettered_options())])

    def lettered_options(self) -> list[tuple[str, str]]:
        """The options with their letters."""
        return [(chr(ord("A") + place), text) for place, text in enumerate(self.options)]

    def identity(self) -> dict[str, object]:
        """Every field that affects the prompt of a model or the score of its answer, by name.

        Responses are stored under a hash of these fields. Fields that were added to the record later are included only
        if they are set, so that older responses stay valid.
        """
        plain = asdict(self)
        for name in ("kind", "control"):  # neither is shown to a model
            del plain[name]
        return plain if self.options else {name: value for name, value in plain.items() if name != "options"}


def control_set(conflict_set: str, kind: str) -> str:
    """The name of a conflict set's controls of one kind."""
    return f"{conflict_set}+{kind}"


def conflict_set_of(name: str) -> str | None:
    """The conflict set whose controls are in the set ``name``; None if ``name`` is not such a set."""
    owner, mark, _ = name.rpartition("+")
    return owner if mark else None


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """The result of one audit rule on one conflict set. A rule that found nothing has a row too."""

    set: str
    rule: str
    """Name of the rule; :func:`inversion.conflict.audit.audit_set` explains it."""
    action: str
    """What happened to the items: ``dropped``, ``rewritten`` or ``kept``."""
    count: int
    """Number of items that the rule found."""
    checked: int
    """Number of items that the rule checked."""
    examples: list[str]
    """The first few of them, one line each."""


@dataclass(frozen=True, slots=True)
class ContextNeed:
    """How much the base model needs the context to find an example's answer (section 4.3)."""

    example_id: str
    loss_without_context: float
    """Mean negative log-likelihood (nats per token) of the answer without the context, which is its log-perplexity."""
    loss_with_context: float
    """The same with the context; equal if there is none."""
    tokens: int
    """Number of tokens of the answer, including the end of the turn."""


@dataclass(frozen=True, slots=True)
class SelectionCount:
    """The number of examples of one kind that a recipe kept, dropped and added when its training set was built.

    Tokens are those of contexts and turns, without the template; they are null for a recipe that takes its dataset
    unchanged.
    """

    model: str
    dataset: str
    recipe: str
    seed: int
    kind: str
    """The ``kind`` of the examples; ``unknown`` if the dataset has no kinds."""
    kept: int
    dropped: int
    added: int
    kept_tokens: int | None = None
    dropped_tokens: int | None = None
    added_tokens: int | None = None
