"""From a response to a label: pure functions, no model.

Three scorers stand side by side. *Containment* is the paper's measure (section 3.2): is the answer
in the text? *First mention* asks which answer the text commits to. *Log-probability* needs no text:
which answer is likelier after the prompt? They disagree, so every table keeps all three.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from inversion.config.run import Run
from inversion.records.answers import Item, Knowledge, KnowledgeProbe, Response
from inversion.records.data import ConflictItem, conflict_set_of

Label = Literal["context", "parametric", "other"]

_ARTICLES = frozenset({"a", "an", "the"})
_NEGATORS = frozenset({"not", "never", "neither", "nor"})
_NEGATOR_PAIRS = frozenset({("no", "longer"), ("instead", "of"), ("rather", "than")})
_ADDITIVE = frozenset({"only", "just", "merely"})
"""After "not" they affirm what follows: "not only Cairo"."""
_AUXILIARIES = frozenset({"is", "was", "are", "were", "has", "had", "does", "did", "will", "would", "can", "could"})
_CLAUSE_WORDS = frozenset({"but", "however", "although", "though", "whereas", "while"})
_CLAUSE_MARKS = frozenset(".,;:!?()[]\n\N{EM DASH}\N{EN DASH}")

_RUN = 3
"""Words that a response must share with the question, one behind the other, to repeat it."""
_TOKEN = re.compile(r"\d+(?:[.,]\d+)+|\w+|[^\w\s]|\n")
_APOSTROPHES = str.maketrans(
    {
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        # letters by Unicode's count, which would make another word of "Nuku'alofa"
        "\N{MODIFIER LETTER APOSTROPHE}": "'",
        "\N{MODIFIER LETTER TURNED COMMA}": "'",
    }
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_UNITS = {
    re.compile(r"(?<=\d)\s*(?:km|kilomet(?:er|re)s?)\b"): " km",
    re.compile(r"(?<=\d)\s*(?:kg|kilogram(?:me)?s?)\b"): " kg",
    re.compile(r"(?<=\d)\s*(?:cm|centimet(?:er|re)s?)\b"): " cm",
}
"""Spellings of units after a number, which are one."""
_CONTRACTED_NOT = re.compile(r"n't\b|(?<=\bcan)not\b")
_INITIALS = re.compile(r"\bU\.\s?(?:S\.\s?A|A\.\s?E|S|K)\b(?:\.(?!\s+[A-Z]))?")
"""Countries that are written with stops and without."""
_CAPITAL_NAMES = re.compile(r"\b(?:US|WHO|IT)\b")
"""Names in capitals that are everyday words in small letters."""


class Containment(NamedTuple):
    """Which answers a response contains; both or none are possible."""

    context: bool
    parametric: bool

    @property
    def label(self) -> Literal["context", "parametric", "both", "other"]:
        """The two booleans as one word."""
        if self.context and self.parametric:
            return "both"
        return "context" if self.context else "parametric" if self.parametric else "other"


def containment(response: str, context_answers: Sequence[str], parametric_answers: Sequence[str]) -> Containment:
    """Whether a response contains an alias of either answer (the paper's counterfactual and parametric accuracy).

    An alias matches as a contiguous run of whole words; case, accents, articles, white space and
    punctuation make no difference. An alias with no word in it never matches.
    """
    words = _words(response)
    return Containment(
        any(_spans(words, alias) for alias in context_answers),
        any(_spans(words, alias) for alias in parametric_answers),
    )


def first_mention(
    response: str, context_answers: Sequence[str], parametric_answers: Sequence[str], question: str = ""
) -> Label:
    """The answer that a response commits to: the one it mentions first without negating it.

    - Words match as in :func:`containment`. Where mentions overlap the longest counts alone: "New
      Cairo" mentions no Cairo.
    - A negation ("not", "n't", "never", "neither", "nor", "no longer", "instead of", "rather than") voids
      the next mention in its clause ("not Kabul but Herat"); directly after a mention and its
      auxiliary it voids that mention instead ("Herat is not the capital").
    - "From Kabul to Herat" leaves Kabul behind: between "from" and "to" a mention is void if the other answer
      follows.
    - What a response repeats of the ``question``, three words and more, answers nothing and negates nothing, if it
      says more than that: "The
      capital of Luxembourg is Esch", "Beggars can't be trusted" where the proverb's beginning was given.
    - An alias that both sides share counts for the context, so in matching items, whose answers are
      equal, the right answer is labelled ``context``.

    ``other`` where no mention is left.
    """
    words, clauses = _words_and_clauses(response)
    repeated = _repeated(words, _words(question))
    mentions = [
        mention
        for mention in _mentions(words, context_answers, parametric_answers)
        if not _within_more(repeated, mention)
    ]
    void = {*_negated(words, clauses, mentions, repeated), *_left_behind(words, clauses, mentions)}
    return next((mention.label for mention in mentions if mention not in void), "other")


def by_logprob(
    context_logprob: float | None,
    context_tokens: int,
    parametric_logprob: float | None,
    parametric_tokens: int,
    threshold: float = 0.0,
) -> Label:
    """The answer that is likelier per token, by more than ``threshold`` nats.

    With both answers the margin is ``context_logprob / context_tokens - parametric_logprob /
    parametric_tokens``: ``context`` where it is above ``threshold``, ``parametric`` where it is below
    ``-threshold``, ``other`` where ``|margin| <= threshold`` (so always in matching items).

    A control item with one answer has no rival to be compared with, so its answer is compared with
    everything else the model could say: its own label where its log-odds ``log p - log(1 - p)`` are
    above ``threshold`` (with 0: likelier than all else together), else ``other``.

    Raises :class:`ValueError` for a negative threshold, a NaN, or an answer without tokens.
    """
    if not threshold >= 0.0:
        raise ValueError(f"threshold must be at least 0 nats, got {threshold}")
    for logprob, tokens in ((context_logprob, context_tokens), (parametric_logprob, parametric_tokens)):
        if logprob is not None and (math.isnan(logprob) or tokens < 1):
            raise ValueError(
                f"an answer of {tokens} tokens has log-probability {logprob}; question the checkpoint again"
            )
    if context_logprob is not None and parametric_logprob is not None:
        margin = context_logprob / context_tokens - parametric_logprob / parametric_tokens
        return "context" if margin > threshold else "parametric" if margin < -threshold else "other"
    # log p - log(1 - p) > threshold, solved for log p: has no pole at p = 1
    least = -math.log1p(math.exp(-threshold))
    if context_logprob is not None and context_logprob > least:
        return "context"
    if parametric_logprob is not None and parametric_logprob > least:
        return "parametric"
    return "other"


def label_run(
    run: Run,
    items: Sequence[ConflictItem],
    responses: Sequence[Response],
    steps_per_epoch: float,
    knowledge: Sequence[Knowledge] = (),
) -> list[Item]:
    """The rows of the table ``items`` of one run: every response with its item and every scorer's label.

    Ordered by step, then as ``items``, then by prompt. ``knowledge`` is that of the run's base model; what it says
    of an item of the set ``x`` holds for the same item of the controls ``x+...`` too.

    Raises :class:`ValueError` where an item or response stands twice, a response belongs to no item,
    or an item was not asked at a step and prompt at which others were.
    """
    if not steps_per_epoch > 0:
        raise ValueError(f"{run.path}: steps_per_epoch must be above 0, got {steps_per_epoch}")
    _refuse_duplicates(run, "item", ((item.set, item.item_id) for item in items))
    _refuse_duplicates(run, "response", ((r.step, r.prompt, r.set, r.item_id) for r in responses))
    listed = {(item.set, item.item_id) for item in items}
    for response in responses:
        if (response.set, response.item_id) not in listed:
            raise ValueError(
                f"{run.path}: the response at step {response.step} to item {response.item_id!r} of set "
                f"{response.set!r} belongs to no item; delete the run's responses and rerun"
            )
    known = {(fact.set, fact.item_id): fact.known for fact in knowledge}
    asked = {(r.step, r.prompt, r.set, r.item_id): r for r in responses}
    rows = []
    for step in sorted({r.step for r in responses}):
        prompts = sorted({r.prompt for r in responses if r.step == step})
        for item in items:
            for prompt in prompts:
                answer = asked.get((step, prompt, item.set, item.item_id))
                if answer is None:
                    raise ValueError(
                        f"{run.path}: no response at step {step} to item {item.item_id!r} of set {item.set!r} "
                        f"(prompt {prompt!r}); delete the run's responses and rerun"
                    )
                fact = known.get((conflict_set_of(item.set) or item.set, item.item_id))
                rows.append(_label(run, item, answer, step / steps_per_epoch, fact))
    return rows


def _label(run: Run, item: ConflictItem, response: Response, epoch: float, known: bool | None) -> Item:
    """One response with its item and every scorer's label."""
    answers = item.context_answers, item.parametric_answers
    logprobs = (
        response.context_logprob,
        response.context_tokens,
        response.parametric_logprob,
        response.parametric_tokens,
    )
    try:
        likelier = by_logprob(*logprobs)
    except ValueError as error:
        where = f"{run.path}: step {response.step}, set {item.set!r}, item {item.item_id!r}"
        raise ValueError(f"{where}: {error}") from None
    return Item(
        **run._asdict(),
        step=response.step,
        epoch=epoch,
        set=item.set,
        role=item.role,
        item_id=item.item_id,
        cluster=item.cluster,
        stratum=item.stratum,
        factors=item.factors,
        known=known,
        prompt=response.prompt,
        context_answers=item.context_answers,
        parametric_answers=item.parametric_answers,
        text=response.text,
        finished=response.finished,
        context_logprob=response.context_logprob,
        context_tokens=response.context_tokens,
        parametric_logprob=response.parametric_logprob,
        parametric_tokens=response.parametric_tokens,
        context_first_logprob=response.context_first_logprob,
        parametric_first_logprob=response.parametric_first_logprob,
        context_logprob_closed=response.context_logprob_closed,
        parametric_logprob_closed=response.parametric_logprob_closed,
        containment=containment(response.text, *answers).label,
        first_mention=first_mention(response.text, *answers, item.question),
        logprob=likelier,
    )


def judge_probes(model: str, items: Sequence[ConflictItem], probes: Sequence[KnowledgeProbe]) -> list[Knowledge]:
    """:func:`judge_knowledge` of every probe, in their order; raises :class:`ValueError` for one without its item."""
    by_id = {(item.set, item.item_id): item for item in items}
    for probe in probes:
        if (probe.set, probe.item_id) not in by_id:
            raise ValueError(
                f"{model}: the probe of item {probe.item_id!r} of set {probe.set!r} belongs to no item; delete "
                "the model's folder knowledge and rerun"
            )
    return [judge_knowledge(model, by_id[probe.set, probe.item_id], probe) for probe in probes]


def judge_knowledge(model: str, item: ConflictItem, probe: KnowledgeProbe) -> Knowledge:
    """Whether the base model ``model`` knows the parametric answer of ``item``, from what it said without the context.

    It does where that answer is likelier per token than the context answer and every distractor, and its greedy
    answer commits to it (:func:`first_mention`). This is settled once by the base model, so the items that count as
    known are the same at every checkpoint. The reason names the likeliest rival that is not outranked.
    """
    rivals = [
        (probe.context_logprob, item.context_answers[0]),
        *zip(probe.distractor_logprobs, probe.distractors, strict=True),
    ]
    strongest, name = max(rivals, key=lambda rival: rival[0])
    failed = []
    if not probe.parametric_logprob > strongest:
        failed.append(f"outranked by {name}")
    if first_mention(probe.text, item.context_answers, item.parametric_answers, item.question) != "parametric":
        failed.append("not generated")
    return Knowledge(model, item.set, item.item_id, not failed, "; ".join(failed) or "known", probe.text)


def _refuse_duplicates(run: Run, what: str, keys: Iterable[tuple[object, ...]]) -> None:
    """Raises :class:`ValueError` naming the first key that stands twice."""
    twice = next((key for key, n in Counter(keys).items() if n > 1), None)
    if twice is not None:
        raise ValueError(f"{run.path}: {what} {twice} stands twice; remove one")


# --- words --------------------------------------------------------------------------------------


def _fold(text: str) -> str:
    """``text`` without case and accents; "n't" becomes "not", "1,000 kilometers" becomes "1000 km", "U.S." "US".

    Case counts where a name in capitals is a word of its own in small letters: "US" is no "us".
    """
    joined = _INITIALS.sub(lambda match: re.sub(r"[.\s]", "", match[0]), text)
    named = _CAPITAL_NAMES.sub(lambda match: f"{match[0]}_", joined)  # other words than "us", "who" and "it"
    decomposed = unicodedata.normalize("NFKD", named.translate(_APOSTROPHES).casefold())
    # decomposing can bring capitals back (the sign TM), so fold once more
    bare = "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()
    plain = _THOUSANDS.sub("", bare)
    for spellings, unit in _UNITS.items():
        plain = spellings.sub(unit, plain)
    return _CONTRACTED_NOT.sub(" not", plain.replace("can't", "can not"))


def _words_and_clauses(text: str) -> tuple[list[str], list[int]]:
    """The normalised words of ``text`` and, for each, the number of its clause."""
    words: list[str] = []
    clauses: list[int] = []
    clause = 0
    for token in _TOKEN.findall(_fold(text)):
        if token in _CLAUSE_MARKS or token in _CLAUSE_WORDS:
            clause += 1
        if token[0].isalnum() or token[0] == "_":
            words.append(token)
            clauses.append(clause)
    return words, clauses


def _words(text: str) -> list[str]:
    """The normalised words of ``text``, articles included."""
    return _words_and_clauses(text)[0]


@functools.lru_cache(maxsize=65536)
def _answer_words(answer: str) -> tuple[str, ...]:
    """The words that a response must hold: all but the articles, though a last one stays ("vitamin A")."""
    words = _words(answer)
    if all(word in _ARTICLES for word in words):
        return ()
    return (*(word for word in words[:-1] if word not in _ARTICLES), words[-1])


def _spans(words: Sequence[str], answer: str) -> list[tuple[int, int]]:
    """Where ``answer`` stands in ``words``: half-open spans; articles between its words are passed over."""
    wanted = _answer_words(answer)
    if not wanted:
        return []
    ends = ((start, _end(words, start, wanted)) for start, word in enumerate(words) if word == wanted[0])
    return [(start, end) for start, end in ends if end is not None]


def _end(words: Sequence[str], start: int, wanted: Sequence[str]) -> int | None:
    """The end of ``wanted`` in ``words`` from ``start`` on, or None where it does not stand there."""
    position = start
    for word in wanted:
        while position < len(words) and words[position] != word and words[position] in _ARTICLES:
            position += 1
        if position == len(words) or words[position] != word:
            return None
        position += 1
    return position


# --- mentions -----------------------------------------------------------------------------------


class _Mention(NamedTuple):
    """One answer in a response, as a half-open span of words."""

    start: int
    end: int
    label: Literal["context", "parametric"]


def _mentions(
    words: Sequence[str], context_answers: Sequence[str], parametric_answers: Sequence[str]
) -> list[_Mention]:
    """The mentions of either answer in order; of those that overlap, the longest."""
    found = [_Mention(*span, "context") for alias in context_answers for span in _spans(words, alias)]
    found += [_Mention(*span, "parametric") for alias in parametric_answers for span in _spans(words, alias)]
    kept: list[_Mention] = []
    for mention in sorted(set(found), key=lambda m: (m.start - m.end, m.start, m.label)):
        if all(mention.end <= other.start or other.end <= mention.start for other in kept):
            kept.append(mention)
    return sorted(kept)


def _repeated(words: Sequence[str], question: Sequence[str]) -> list[bool]:
    """Which words stand in a run of three and more that the question has too."""
    runs = {tuple(question[start : start + _RUN]) for start in range(len(question) - _RUN + 1)}
    starts = [start for start in range(len(words) - _RUN + 1) if tuple(words[start : start + _RUN]) in runs]
    places = {place for start in starts for place in range(start, start + _RUN)}
    return [place in places for place in range(len(words))]


def _within_more(repeated: Sequence[bool], mention: _Mention) -> bool:
    """Whether a mention stands in a repeated run that is more than the name: longer by two words or more, and not all
    of the response."""
    if all(repeated) or not all(repeated[mention.start : mention.end]):
        return False
    start, end = mention.start, mention.end
    while start > 0 and repeated[start - 1]:
        start -= 1
    while end < len(repeated) and repeated[end]:
        end += 1
    return end - start >= mention.end - mention.start + 2


def _left_behind(words: Sequence[str], clauses: Sequence[int], mentions: Sequence[_Mention]) -> Iterator[_Mention]:
    """The mentions behind "from" that are followed, in their clause, by "to" and the other answer."""
    for one, other in itertools.pairwise(mentions):
        before = _before_articles(words, one.start)
        to = _before_articles(words, other.start)
        follows = one.label != other.label and clauses[one.start] == clauses[other.start]
        if follows and words[before : before + 1] == ["from"] and to >= one.end and words[to] == "to":
            yield one


def _before_articles(words: Sequence[str], place: int) -> int:
    """The place of the last word before ``place`` that is no article; -1 where there is none."""
    place -= 1
    while place >= 0 and words[place] in _ARTICLES:
        place -= 1
    return place


def _negated(
    words: Sequence[str], clauses: Sequence[int], mentions: Sequence[_Mention], repeated: Sequence[bool]
) -> Iterator[_Mention]:
    """The mentions that a negation of the same clause voids; one that is ``repeated`` negates nothing."""
    for position, word in enumerate(words):
        following = words[position + 1] if position + 1 < len(words) else ""
        negates = (word in _NEGATORS and following not in _ADDITIVE) or (word, following) in _NEGATOR_PAIRS
        inside = any(m.start <= position < m.end for m in mentions)
        if not negates or inside or repeated[position]:
            continue
        before = [m for m in mentions if m.end == position - 1 and words[m.end] in _AUXILIARIES]
        after = [m for m in mentions if m.start > position]
        voided = before[-1:] or after[:1]
        # a mention of several words may hold a comma ("Washington, D.C."): its near end decides
        yield from (m for m in voided if clauses[m.end - 1 if before else m.start] == clauses[position])
