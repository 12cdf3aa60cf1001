"""Rows of the probes that show where in the network an answer is decided, and of their tables."""

from __future__ import annotations

from dataclasses import dataclass

COMPONENTS = ("residual", "attention", "mlp")
"""What is taken from another checkpoint: what a layer leaves in the residual stream, or what its attention or its MLP
adds to it."""
POSITIONS = ("context", "question", "last", "all")
"""At which tokens: those of the context; the rest of the prompt, the question with its subject and the template, but
for the last token; the last token read, from which the answer goes on; and all of them."""
DONORS = ("rival", "start", "other_item", "self")
"""Where it comes from: the peak for the end and the end for the peak; the start; the rival as it reads an unrelated
item; and, as a check, the receiver itself."""
HEADS = ("one", "top", "random")
"""Which heads are scaled: a single one; several with the largest effects on items of other clusters; or as many that
are drawn at random."""

WEIGHT_GROUPS = {
    "query_key": ("query", "key"),
    "value_output": ("value", "output"),
    "mlp": ("gate", "up", "down"),
    "rest": ("embedding", "head", "norm"),
}
"""The kinds of modules by the groups whose weights are exchanged together."""
DIRECTIONS = ("insert", "leave_out")
"""How: the checkpoint before an interval gets the group's weights from the one after it; or the one after it keeps
those from before."""


@dataclass(frozen=True, slots=True)
class LensReading:
    """What one checkpoint would answer to one conflict item if it ended after some of its layers: raw facts."""

    step: int
    epoch: float
    set: str
    item_id: str
    cluster: str
    depth: int
    """Layers passed: 0 is the embedding alone, and the highest is the model's own answer."""
    context_logprob: float
    """Of the context answer's token, where the two answers first differ (nats)."""
    parametric_logprob: float
    """Of the parametric answer's token at the same place."""


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
    measure: str
    """``margin``: log-odds of the context answer's token against the parametric answer's (nats), mean over items;
    ``context``: share of the items whose log-odds are above 0; ``turn``: the depth from which an item's log-odds have
    the sign of the model's own answer, mean over items."""
    depth: int | None
    """Layers passed, as in :class:`LensReading`; null for ``turn``."""
    value: float
    """The measure: nats, a share from 0 to 1, or layers."""
    low: float
    high: float
    """95 % interval, a bootstrap over clusters."""
    n: int
    """Items."""


@dataclass(frozen=True, slots=True)
class ItemMargin:
    """How far one checkpoint prefers the context's answer to one item."""

    step: int
    set: str
    item_id: str
    margin: float
    """Log-odds of the context answer's token against the parametric answer's, where the two first differ (nats)."""


@dataclass(frozen=True, slots=True)
class PatchedMargin:
    """The answer of one checkpoint to one conflict item with one part taken from another checkpoint: raw facts."""

    step: int
    """Of the receiver."""
    epoch: float
    receiver: str
    """``peak`` or ``end``."""
    donor: str
    """One of :data:`DONORS`."""
    donor_step: int
    set: str
    item_id: str
    cluster: str
    component: str
    """One of :data:`COMPONENTS`."""
    layer: int
    """From 0, the one next to the input."""
    positions: str
    """One of :data:`POSITIONS`."""
    margin: float
    """Log-odds as in :class:`ItemMargin`, of the patched receiver."""
    own: float
    """Of the unchanged receiver."""
    rival: float
    """Of the unchanged other checkpoint of peak and end."""


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
    """Of the receiver."""
    donor: str
    """Where the part comes from: ``rival``, the end for the peak and the peak for the end; ``start``; ``other_item``,
    the rival as it reads an unrelated item; ``self``, the receiver, as a check."""
    donor_step: int
    """Of the donor."""
    set: str
    component: str
    """``residual``: what the layer leaves in the residual stream; ``attention``, ``mlp``: what these add to it."""
    layer: int
    """From 0, the one next to the input."""
    positions: str
    """At which tokens: ``context``, ``question`` (the rest of the prompt), ``last``, ``all``."""
    measure: str
    """``effect``: how far the patch moves the log-odds of the context's answer (nats), mean over items; ``share``: that
    over the mean difference between the rival and the receiver, so that 1 is the whole fall between peak and end."""
    value: float
    """The measure: nats, or a share."""
    low: float
    high: float
    """95 % interval, a bootstrap over clusters."""
    n: int
    """Items."""


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
    """Of a single head, from 0, the one next to the input; null for several heads."""
    head: int | None
    """Of the layer's queries, from 0; null for several heads."""
    draw: int | None
    """The number of a set of random heads, from 0; null for other heads."""
    margin: float
    """Log-odds as in :class:`ItemMargin`, with scaled attention."""
    own: float
    """Of the unchanged checkpoint."""


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
    """Of the milestone."""
    set: str
    scale: float
    """The factor of the attention weights from the last token to the context; 0 for a knock-out."""
    measure: str
    """``effect``: how far the log-odds of the context's answer move when the head's attention to the context from the
    last token is scaled (nats), mean over items; if it is below 0 in a knock-out, the head brings the context answer.
    ``top``: the same for several heads together, those with the largest effects on items of other clusters; ``random``:
    for as many random heads, mean over their sets. ``start``, ``peak``, ``end``: Spearman's rank correlation of the
    effects of all heads with those at that milestone."""
    layer: int | None
    """From 0, the one next to the input; null if the measure is not ``effect``, like ``head`` and ``rank``."""
    head: int | None
    """Of the layer's queries, from 0."""
    rank: int | None
    """Of the head among all heads at the milestone, 1 for the one that brings the context answer most."""
    value: float
    """The measure: nats, or a correlation from -1 to 1."""
    low: float
    high: float
    """95 % interval, a bootstrap over clusters."""
    null_low: float | None
    """Lower end of what random heads give; null for ``effect``. For ``top`` and ``random``, the lowest mean of a set of
    random heads. For a correlation, the 2.5th percentile if the heads of one milestone are shuffled within each layer:
    a higher correlation shows that the same heads matter, and not only the same layers."""
    null_high: float | None
    """Upper end: the highest mean, or the 97.5th percentile."""
    n: int
    """Items."""


@dataclass(frozen=True, slots=True)
class WeightFact:
    """How far the weights of one kind of module went in one interval between checkpoints, or the answer to one conflict
    item of a checkpoint with one group of weights from the other side of the interval: raw facts."""

    step: int
    """The end of the interval."""
    epoch: float
    since: int
    """The step at which it begins."""
    interval: str
    """``rise``, from the start to the peak, or ``fall``, from the peak to the end."""
    group: str
    """One of :data:`WEIGHT_GROUPS`."""
    kind: str | None = None
    """One of the kinds in the group; null for an answer, like all fields up to ``along_whole``."""
    layer: int | None = None
    """From 0, the one next to the input; null outside the layers."""
    start: float | None = None
    """The Euclidean norm of the weights at the start of the run."""
    norm: float | None = None
    """Of their update in this interval."""
    other: float | None = None
    """Of their update in the other interval."""
    whole: float | None = None
    """Of their update from the start to the end."""
    along_other: float | None = None
    """The inner product of the update in this interval with that in the other one."""
    along_whole: float | None = None
    """With that from the start to the end."""
    set: str | None = None
    """Null for an update, like all fields that follow."""
    item_id: str | None = None
    cluster: str | None = None
    direction: str | None = None
    """One of :data:`DIRECTIONS`."""
    margin: float | None = None
    """Log-odds as in :class:`ItemMargin`, with the group exchanged."""
    before: float | None = None
    """Of the unchanged checkpoint at which the interval begins."""
    after: float | None = None
    """Of the unchanged checkpoint at which it ends."""


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
    """From 0, the one next to the input; null for all weights of the part, also those outside the layers."""
    set: str | None
    """Name of the conflict set; null for updates."""
    measure: str
    """Of the part's update: ``norm``, Euclidean, relative to the norm of the weights at the start; ``cosine`` with its
    update in the other interval; ``cosine_whole`` with its update from the start to the end. Of answers:
    ``change``, how far the whole interval moves the log-odds of the context's answer (nats), mean over items;
    ``insert``, how far they move if only this group is updated; ``leave_out``, how much of the change is lost if only
    this group is not updated; ``insert_share`` and ``leave_out_share``, these two over the change."""
    value: float
    """The measure: a ratio, a cosine, nats, or a share; NaN where nothing changes."""
    low: float | None
    """Lower bound of the value; null for updates, which are exact."""
    high: float | None
    """95 % interval, a bootstrap over clusters."""
    n: int | None
    """Items; null for updates."""
