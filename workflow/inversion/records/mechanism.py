"""Rows of the probes that show where in the network an answer is decided, and of their tables."""

from __future__ import annotations

from dataclasses import dataclass

COMPONENTS = ("residual", "attention", "mlp")
"""The parts of a layer that can be taken from another checkpoint: ``residual`` is the residual stream after the layer;
``attention`` and ``mlp`` are what the layer's attention and MLP add to it."""
POSITIONS = ("context", "question", "last", "all")
"""The tokens at which a part is replaced: those of the ``context``; ``question``, the rest of the prompt (the question
with its subject, and the template) without the last token; ``last``, the last token that the model reads before the
answer continues; and ``all`` of them."""
GROUPS = (*POSITIONS, "subject")
"""The groups that tokens can belong to. In addition to the positions these are the tokens of the subject in the
question."""
DONORS = ("rival", "start", "before", "other_item", "self")
"""The checkpoint that the part comes from: ``rival`` is the peak if the receiver is the end, and the end if it is the
peak; ``start``; ``before``, the checkpoint as far before the peak as the end is after it, if the run has one;
``other_item``, the rival while it reads an unrelated item; and, as a check, ``self``, the receiver itself."""
HEADS = ("one", "top", "random")
"""The heads whose attention is scaled: a single one; several, those with the largest effects on items of other
clusters; or the same number of heads that are drawn at random."""

WEIGHT_GROUPS = {
    "query_key": ("query", "key"),
    "value_output": ("value", "output"),
    "mlp": ("gate", "up", "down"),
    "rest": ("embedding", "head", "norm"),
}
"""The groups of weights that are exchanged together, each with its kinds of modules."""
DIRECTIONS = ("insert", "leave_out")
"""How a group of weights is exchanged. ``insert``: the checkpoint before an interval gets the weights of the one after
it. ``leave_out``: the checkpoint after the interval keeps the weights of the one before it."""


@dataclass(frozen=True, slots=True)
class LensReading:
    """The answer that one checkpoint would give to one conflict item if it ended after some of its layers: raw
    facts."""

    step: int
    epoch: float
    set: str
    item_id: str
    cluster: str
    lens: str
    """``logit``: the model's own final norm and output embedding. ``tuned``: a translator that is trained for the
    depth, followed by them."""
    position: str
    """The token at which the lens is read: ``last``, the last token before the two answers first differ, or
    ``subject``, the last token of the subject in the question."""
    depth: int
    """Number of layers that the token has passed: 0 is the embedding alone, and the highest is the model's own
    output."""
    context_logprob: float
    """Log-probability (nats) of the context answer's token at the first difference of the two answers."""
    parametric_logprob: float
    """Log-probability (nats) of the parametric answer's token at the same position."""
    divergence: float
    """Kullback-Leibler divergence (nats) of the distribution that the lens reads from the model's own distribution
    after this token."""


@dataclass(frozen=True, slots=True)
class LensPoint:
    """One row of the table ``lens``."""

    model: str
    dataset: str
    recipe: str
    seed: int
    step: int
    epoch: float
    set: str
    lens: str
    """``logit``, or ``tuned`` if the probe trains translators."""
    position: str
    """The token at which the lens is read: ``last``, from which the answer continues, or ``subject``, the last token of
    the subject in the question."""
    measure: str
    """``margin``: log-odds of the context answer's token against the parametric answer's (nats), mean over items.
    ``context``: share of the items whose log-odds are above 0. ``turn``: the depth from which the log-odds of an item
    have the same sign as at the highest depth, mean over items. ``divergence``: Kullback-Leibler divergence of the lens
    from the model's own distribution after this token (nats), mean over items."""
    depth: int | None
    """Number of layers that the token has passed, as in :class:`LensReading`; null for ``turn``."""
    value: float
    """The value of the measure: nats, a share from 0 to 1, or a number of layers."""
    low: float
    high: float
    """Upper bound of the value. The two bounds are a 95 % bootstrap interval over clusters."""
    n: int
    """Number of items."""


@dataclass(frozen=True, slots=True)
class ItemMargin:
    """How strongly one checkpoint prefers the context answer to one item."""

    step: int
    set: str
    item_id: str
    margin: float
    """Log-odds of the context answer's token against the parametric answer's, where the two first differ (nats)."""


@dataclass(frozen=True, slots=True)
class PatchedMargin:
    """The answer of one checkpoint to one conflict item if one part is taken from another checkpoint: raw facts."""

    step: int
    """Step of the receiver."""
    epoch: float
    receiver: str
    """The checkpoint that answers: ``peak`` or ``end``."""
    donor: str
    """One of :data:`DONORS`."""
    donor_step: int
    set: str
    item_id: str
    cluster: str
    component: str
    """One of :data:`COMPONENTS`, or ``head``."""
    layer: int
    """Index of the layer; 0 is the layer next to the input."""
    head: int | None
    """Index of the head within the layer; null if the component is not ``head``."""
    positions: str
    """One of :data:`GROUPS`."""
    margin: float
    """Log-odds, as in :class:`ItemMargin`, of the receiver with the part of the donor."""
    own: float
    """Log-odds of the unchanged receiver."""
    rival: float
    """Log-odds of the unchanged rival: the peak if the receiver is the end, otherwise the end."""
    text: str | None = None
    """Greedy answer of the receiver with the part of the donor. This field and the next ones are null if no answer was
    generated."""
    own_text: str | None = None
    """Greedy answer of the unchanged receiver."""
    rival_text: str | None = None
    """Greedy answer of the unchanged rival."""
    item: str | None = None
    """The :class:`~inversion.records.data.ConflictItem` as JSON, with which the answers are labelled."""


@dataclass(frozen=True, slots=True)
class PatchPoint:
    """One row of the table ``patching``."""

    model: str
    dataset: str
    recipe: str
    seed: int
    receiver: str
    """The checkpoint that answers: ``peak`` or ``end``."""
    step: int
    """Step of the receiver."""
    donor: str
    """The checkpoint that the part comes from: ``rival``, the end for the peak and the peak for the end; ``start``;
    ``before``, the checkpoint as far before the peak as the end is after it, if the run has one; ``other_item``, the
    rival while it reads an unrelated item; ``self``, the receiver itself, as a check."""
    donor_step: int
    """Step of the donor."""
    set: str
    component: str
    """``residual``: the residual stream after the layer. ``attention``, ``mlp``: what the layer's attention or MLP adds
    to it. ``head``: the output of one head, before the heads are combined."""
    layer: int
    """Index of the layer; 0 is the layer next to the input."""
    head: int | None
    """Index of the head within the layer; null if the component is not ``head``."""
    positions: str
    """The tokens at which the part is replaced: ``context``, ``question`` (the rest of the prompt), ``last``, ``all``,
    ``subject`` (in the question)."""
    measure: str
    """``effect``: how much the patch changes the log-odds of the context answer (nats), mean over items. ``share``:
    that divided by the mean difference between the rival and the receiver, so that 1 is the whole fall between peak and
    end. The other measures are of generated answers, at the layers that the probe lists. ``context_answers``: the share
    of items that are answered with the context answer under the patch. ``memory_answers``: the same for the parametric
    answer. ``context_share``: the change in context answers divided by the difference between the rival and the
    receiver."""
    value: float
    """The value of the measure: nats, or a share."""
    low: float
    high: float
    """Upper bound of the value. The two bounds are a 95 % bootstrap interval over clusters."""
    n: int
    """Number of items."""


@dataclass(frozen=True, slots=True)
class KnockoutMargin:
    """The answer of one checkpoint to one conflict item while some heads cannot read the context, or read it with
    scaled attention: raw facts."""

    step: int
    epoch: float
    milestone: str
    """``start``, ``peak`` or ``end``."""
    set: str
    item_id: str
    cluster: str
    scale: float
    """The factor of the attention weights from the last token to the context; 0 for a knock-out."""
    heads: str
    """One of :data:`HEADS`."""
    layer: int | None
    """Index of the layer of a single head; 0 is the layer next to the input. Null for several heads."""
    head: int | None
    """Index of the head among the layer's query heads, beginning with 0; null for several heads."""
    draw: int | None
    """Index of a set of random heads, beginning with 0; null for other heads."""
    margin: float
    """Log-odds, as in :class:`ItemMargin`, with scaled attention."""
    own: float
    """Log-odds of the unchanged checkpoint."""


@dataclass(frozen=True, slots=True)
class KnockoutPoint:
    """One row of the table ``knockouts``."""

    model: str
    dataset: str
    recipe: str
    seed: int
    milestone: str
    """The checkpoint: ``start``, ``peak`` or ``end``."""
    step: int
    """Step of the milestone."""
    set: str
    scale: float
    """The factor of the attention weights from the last token to the context; 0 for a knock-out."""
    measure: str
    """``effect``: how much the log-odds of the context answer change if the head's attention from the last token to the
    context is scaled (nats), mean over items. Below 0 in a knock-out means that the head favours the context answer.
    ``top``: the same for several heads together, those with the largest effects on items of other clusters. ``random``:
    the same for as many random heads, mean over their sets. ``start``, ``peak``, ``end``: Spearman's rank correlation
    of the effects of all heads with those at that milestone."""
    layer: int | None
    """Index of the layer; 0 is the layer next to the input. Null if the measure is not ``effect``, like ``head`` and
    ``rank``."""
    head: int | None
    """Index of the head among the layer's query heads, beginning with 0."""
    rank: int | None
    """Rank of the head among all heads at the milestone; 1 is the head that favours the context answer most."""
    value: float
    """The value of the measure: nats, or a correlation from -1 to 1."""
    low: float
    high: float
    """Upper bound of the value. The two bounds are a 95 % bootstrap interval over clusters."""
    null_low: float | None
    """Lower end of the range that random heads give; null for ``effect``. For ``top`` and ``random``, the lowest mean
    of a set of random heads. For a correlation, the 2.5th percentile if the heads of one milestone are shuffled within
    each layer: a higher correlation shows that the same heads matter, and not only the same layers."""
    null_high: float | None
    """Upper end of that range: the highest mean, or the 97.5th percentile."""
    n: int
    """Number of items."""


@dataclass(frozen=True, slots=True)
class WeightFact:
    """The size of the update of one kind of module in one interval between checkpoints, or the answer of a checkpoint
    to one conflict item with one group of weights from the other end of the interval: raw facts."""

    step: int
    """The step at which the interval ends."""
    epoch: float
    since: int
    """The step at which the interval begins."""
    interval: str
    """``rise``, from the start to the peak, or ``fall``, from the peak to the end."""
    group: str
    """One of :data:`WEIGHT_GROUPS`."""
    kind: str | None = None
    """One of the kinds in the group. This field and the next ones up to ``along_whole`` describe an update; they are
    null for an answer."""
    layer: int | None = None
    """Index of the layer; 0 is the layer next to the input. Null outside the layers."""
    start: float | None = None
    """Euclidean norm of the weights at the start of the run."""
    norm: float | None = None
    """Euclidean norm of their update in this interval."""
    other: float | None = None
    """Euclidean norm of their update in the other interval."""
    whole: float | None = None
    """Euclidean norm of their update from the start to the end."""
    along_other: float | None = None
    """Inner product of the update in this interval with the update in the other interval."""
    along_whole: float | None = None
    """Inner product of the update in this interval with the update from the start to the end."""
    set: str | None = None
    """Name of the conflict set. This field and the next ones describe an answer; they are null for an update."""
    item_id: str | None = None
    cluster: str | None = None
    direction: str | None = None
    """One of :data:`DIRECTIONS`."""
    margin: float | None = None
    """Log-odds, as in :class:`ItemMargin`, with the group of weights exchanged."""
    before: float | None = None
    """Log-odds of the unchanged checkpoint at which the interval begins."""
    after: float | None = None
    """Log-odds of the unchanged checkpoint at which the interval ends."""


@dataclass(frozen=True, slots=True)
class WeightPoint:
    """One row of the table ``weights``."""

    model: str
    dataset: str
    recipe: str
    seed: int
    interval: str
    """``rise``, from the start to the peak, or ``fall``, from the peak to the end."""
    since: int
    """The step at which the interval begins."""
    step: int
    """The step at which it ends."""
    part: str
    """A group of weights: ``query_key``, ``value_output``, ``mlp``, ``rest`` or ``all``; or one kind of module:
    ``query``, ``key``, ``value``, ``output``, ``gate``, ``up``, ``down``, ``embedding``, ``head``, ``norm``."""
    layer: int | None
    """Index of the layer; 0 is the layer next to the input. Null for all weights of the part, including those outside
    the layers."""
    set: str | None
    """Name of the conflict set; null for updates."""
    measure: str
    """For updates: ``norm``, the Euclidean norm of the part's update, relative to the norm of the weights at the start;
    ``cosine``, its cosine with the update in the other interval; ``cosine_whole``, its cosine with the update from the
    start to the end. For answers: ``change``, how much the log-odds of the context answer change over the whole
    interval (nats), mean over items; ``insert``, how much they change if only this group is updated; ``leave_out``, how
    much of the change is lost if only this group is not updated; ``insert_share`` and ``leave_out_share``, these two
    divided by ``change``."""
    value: float
    """The value of the measure: a ratio, a cosine, nats, or a share. NaN if nothing changes."""
    low: float | None
    """Lower bound of the value; null for updates, which are exact."""
    high: float | None
    """Upper bound of the value. The two bounds are a 95 % bootstrap interval over clusters."""
    n: int | None
    """Number of items; null for updates."""
