"""The public releases of conflict sets that can be used by name: the content and the layout of each.

There is one record per release in :data:`RELEASES`. A record has a mapping (:class:`FieldMap`) from the parts of a
conflict item to paths in a row. If a row needs more than a mapping (two evidences, a placeholder to fill in), the
record names the function that prepares it (:mod:`inversion.conflict.releases`). To add a release, add a record, and
such a function if it needs one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from inversion.config.base import Strict

_PATH = re.compile(r"[^.\[\]]+(?:\[-?\d+\])*(?:\.[^.\[\]]+(?:\[-?\d+\])*)*")


def row_path(path: str) -> str:
    """``path``, if it is a valid path in a row; raises :class:`ValueError` otherwise."""
    if not _PATH.fullmatch(path):
        raise ValueError(
            f"{path!r} is not a path; write a key, with dots for nested keys and [0] for the position in a list, such "
            "as `requested_rewrite.target_new.str` or `positive_wrong[0]`"
        )
    return path


RowPath = Annotated[str, AfterValidator(row_path)]
"""A place in a row: a key, dots for nested keys, a number in brackets for a position in a list (from 0; -1 is last)."""
Paths = RowPath | tuple[RowPath, ...]
"""One path or several, of which the first one that a row has is used, because releases spell keys in different ways."""


class FieldMap(Strict):
    """Where in a row the parts of a conflict item are, as `key`, `key.inner` or `key[0]`.

    Several paths may be given as a list: the first one that a row has is used.
    """

    question: Paths | None = None
    """The question."""
    context: Paths | None = None
    """The conflicting passage."""
    context_answer: Paths | None = None
    """The answer that the passage gives. A list contains the answer and its aliases."""
    parametric_answer: Paths | None = None
    """The answer that a model remembers: in most releases the true one. A list contains the answer and its aliases."""
    context_aliases: Paths | None = None
    """Other names of the passage's answer."""
    parametric_aliases: Paths | None = None
    """Other names of the remembered answer."""
    matching_context: Paths | None = None
    """A passage that agrees with memory, for the controls ``matching``."""
    irrelevant_context: Paths | None = None
    """A passage about something else, for the controls ``irrelevant``. A list contains several: the first that names
    neither answer is used."""
    options: Paths | None = None
    """The choices of a multiple-choice question, in order: a list, or ``{label: [...], text: [...]}``."""
    cluster: Paths | None = None
    """Identifies items that are not independent (they share a fact, a subject); by default the question."""
    subject: Paths | None = None
    """What the fact is about."""
    stratum: Paths | None = None
    """A category to break curves down by; by default the set's name."""

    def named(self) -> dict[str, tuple[str, ...]]:
        """The paths of every part that is set, in the order of the parts."""
        parts = ((part, getattr(self, part)) for part in type(self).model_fields)
        return {part: (paths,) if isinstance(paths, str) else paths for part, paths in parts if paths is not None}


@dataclass(frozen=True, slots=True)
class Release:
    """One public release of a conflict set, and how its rows are read."""

    title: str
    """The authors' name for it."""
    fields: FieldMap
    keys: tuple[tuple[str, ...], ...]
    """The keys that every row has, each with its other spellings; the release is recognised by them."""
    citation: str
    licence: str
    """As the authors state it."""
    source: str
    """Where the authors publish it: a Hub dataset or a URL."""
    tests: str
    """What it is designed to test."""
    lacks: str
    """What a study may need that it does not have."""
    prepare: str | None = None
    """Reference (``module:function``) of the function that turns one row into the rows that ``fields`` reads."""
    gather: str | None = None
    """Reference of the function that combines rows of the file before ``prepare``, for releases that spread one
    item over several rows."""
    short_names: bool = False
    """Whether its passages call people by the last words of their names, which then become aliases
    (:mod:`inversion.conflict.short_names`)."""
    passages: str = "native"
    """``native``: passages are the release's own. ``synthetic``: it has none, so they are generated from its facts."""


_CODE = "inversion.conflict.releases"

RELEASES = {
    "confiqa": Release(
        title="ConFiQA (QA, MR, MC)",
        fields=FieldMap(
            question="question",
            context="cf_context",
            context_answer="cf_answer",
            context_aliases="cf_alias",
            parametric_answer="orig_answer",
            parametric_aliases="orig_alias",
            matching_context="orig_context",
            cluster=("orig_path", "question"),
            subject="orig_path_labeled[0][0]",
        ),
        keys=(("question",), ("cf_context",), ("cf_answer",), ("orig_answer",)),
        citation="Bi et al., 2024, Context-DPO, arXiv:2412.15280",
        licence="none stated in the repository",
        source="https://github.com/byronBBL/Context-DPO at 557dadeeb9f47407890a5626128ca99907770b22, folder ConFiQA "
        "(SHA-256 of QA 9b201a7e2f2bbf8ad8ae3364eb87c194cf5d6007789c8b5302c091fa8fae74e4, MR "
        "dbb76f361831b754b87219344d80a386eaf83078ffe5888272dbe9d8e6c0eede, MC "
        "a058e0ca631b90bc799ddedc3bb92aea56d249c604f8a12d309cbcd4ec627994)",
        tests="one false fact (QA), one within several hops (MR), a chain of false facts (MC) in a generated passage",
        lacks="irrelevant contexts",
    ),
    "nq_swap": Release(
        title="NQ-Swap",
        fields=FieldMap(
            question="question",
            context=("sub_context", "substituted_context"),
            context_answer=("sub_answer", "substituted_answers", "substituted_answer"),
            parametric_answer=("org_answer", "original_answers", "original_answer"),
            matching_context=("org_context", "original_context"),
        ),
        keys=(
            ("question",),
            ("sub_context", "substituted_context"),
            ("sub_answer", "substituted_answers", "substituted_answer"),
            ("org_answer", "original_answers", "original_answer"),
        ),
        citation="Longpre et al., EMNLP 2021, Entity-Based Knowledge Conflicts in Question Answering, arXiv:2109.05052",
        licence="MIT (pminervini) or Apple's (younanna), as their pages on the Hub state; Natural Questions are CC "
        "BY-SA 3.0",
        source="hub: pminervini/NQ-Swap at 3801dbf037c6f58b0e79246f2a8073ebe5656dad (split dev); hub: younanna/NQ-Swap "
        "with the other spelling of the columns",
        tests="entities substituted in Wikipedia passages for real questions",
        lacks="aliases of many answers, irrelevant contexts",
        prepare=f"{_CODE}:nq_swap_rows",
    ),
    "faitheval": Release(
        title="FaithEval, counterfactual task",
        fields=FieldMap(question="question", context="context", context_answer="answer", options="choices"),
        keys=(("question",), ("context",), ("answerKey",), ("choices",)),
        citation="Ming et al., ICLR 2025, FaithEval, arXiv:2410.03727",
        licence="Apache-2.0 for the code; research use only for the data, as its page states",
        source="hub: Salesforce/FaithEval-counterfactual-v1.0 (split test)",
        tests="multiple choice (ARC-Challenge) after a passage that supports an answer against world knowledge",
        lacks="the remembered answer, and with it matching controls",
        prepare=f"{_CODE}:faitheval_rows",
    ),
    "rgb": Release(
        title="RGB, counterfactual robustness (en_fact, zh_fact)",
        fields=FieldMap(
            question="query",
            context="positive_wrong",
            context_answer="fakeanswer",
            parametric_answer="answer",
            matching_context="positive",
            irrelevant_context="negative",
        ),
        keys=(("query",), ("answer",), ("fakeanswer",), ("positive_wrong",)),
        citation="Chen et al., AAAI 2024, Benchmarking Large Language Models in RAG, arXiv:2309.01431",
        licence="CC BY-NC-SA 4.0, as its readme states",
        source="https://github.com/chen700564/RGB at d2293eec8c76467c1572b3ebedcaca4e9b4e82f4, data/en_fact.json and "
        "data/zh_fact.json",
        tests="news snippets in which the answer was replaced by hand",
        lacks="aliases, except of dates",
        prepare=f"{_CODE}:rgb_rows",
    ),
    "conflictqa": Release(
        title="ConflictQA (PopQA, StrategyQA)",
        fields=FieldMap(
            question="question",
            context="counter_memory",
            context_answer="context_answers",
            parametric_answer="parametric_answers",
            matching_context="parametric_memory",
        ),
        keys=(("question",), ("memory_answer",), ("counter_answer",), ("counter_memory",)),
        citation="Xie et al., ICLR 2024, Adaptive Chameleon or Stubborn Sloth, arXiv:2305.13300",
        licence="Apache-2.0, as its page on the Hub states; none in the repository",
        source="hub: osunlp/ConflictQA at 056384049e63c1ddae853891c24610fa07d85744, whose JSON files are read as "
        "`source: file` (its loading script is never run); https://github.com/OSU-NLP-Group/LLM-Knowledge-Conflict at "
        "a5822191d65ecc40ce3402583c364c114202c852, folder conflictQA",
        tests="coherent counter-evidence against what one model (named in the file) answered from memory",
        lacks="a remembered answer that holds for other models, irrelevant contexts",
        prepare=f"{_CODE}:conflictqa_rows",
    ),
    "dynamicqa": Release(
        title="DynamicQA (static, temporal, disputable)",
        fields=FieldMap(
            question="question",
            context="conflict_context",
            context_answer="replace_name",
            parametric_answer="obj",
            parametric_aliases="possible_answers",
            matching_context="matching_context",
            subject="subj",
            stratum="prop",
        ),
        keys=(("question",), ("context",), ("obj",), ("replace_name",)),
        citation="Marjanović et al., Findings of EMNLP 2024, DynamicQA, arXiv:2407.17023",
        licence="MIT, as its page on the Hub states",
        source="hub: copenlu/dynamicqa at 82cb85d96a37362fc0a1b238f77126477a550c2f; "
        "https://github.com/copenlu/dynamicqa at f8db84099dd53a56199ef9c7dbf4aff571e4179c, folder Data",
        tests="facts that never change, change with time, or are disputed, by how often Wikipedia edits them",
        lacks="irrelevant contexts",
        prepare=f"{_CODE}:dynamicqa_rows",
    ),
    "clasheval": Release(
        title="ClashEval",
        fields=FieldMap(
            question="question",
            context="context_mod",
            context_answer="answer_mod",
            parametric_answer="answer_original",
            matching_context="context_original",
            stratum="dataset",
        ),
        keys=(("question",), ("context_mod",), ("answer_mod",), ("answer_original",)),
        citation="Wu et al., NeurIPS 2024 Datasets and Benchmarks, ClashEval, arXiv:2404.10198",
        licence="CC BY 4.0",
        source="hub: kewu93/ClashEval; https://github.com/kevinwu23/StanfordClashEval, data/dataset/dataset.pqt",
        tests="facts from six domains, changed by ten degrees from slight to absurd",
        lacks="aliases, irrelevant contexts",
        prepare=f"{_CODE}:clasheval_rows",
    ),
    "conflictbank": Release(
        title="ConflictBank (CB_qa)",
        fields=FieldMap(
            question="question",
            context="conflict_evidence",
            context_answer="replaced_object",
            parametric_answer="object",
            matching_context="default_evidence",
            options="options",
            subject="subject",
            stratum="conflict_type",
        ),
        keys=(("question",), ("object",), ("replaced_object",), ("default_evidence",)),
        citation="Su et al., NeurIPS 2024 Datasets and Benchmarks, ConflictBank, arXiv:2408.12076",
        licence="CC BY-SA 4.0",
        source="hub: Warrieryes/CB_qa (split train), QA_dataset.json",
        tests="misinformation, temporal and semantic conflicts in generated documents",
        lacks="aliases",
        prepare=f"{_CODE}:conflictbank_rows",
    ),
    "wikicontradict": Release(
        title="WikiContradict",
        fields=FieldMap(
            question="question",
            context="context",
            context_answer="context_answer",
            parametric_answer="other_answer",
            matching_context="other_context",
            stratum="contradictType",
        ),
        keys=(("question",), ("context1",), ("context2",), ("answer1",), ("answer2",)),
        citation="Hou et al., NeurIPS 2024 Datasets and Benchmarks, WikiContradict, arXiv:2406.13805",
        licence="MIT",
        source="hub: ibm-research/Wikipedia_contradict_benchmark at c20e361f985ed480a659b35d98b49f2311fcd174, "
        "WikiContradict_dataset_v1_rag_qa.csv "
        "(SHA-256 cef10054f8aad3e36bca95a0873c2cbb0de8ab4d7b716cadacc5da7aa179ff2b)",
        tests="real contradictions between two passages of Wikipedia",
        lacks="a remembered answer, aliases",
        prepare=f"{_CODE}:wikicontradict_rows",
    ),
    "counterfact": Release(
        title="CounterFact",
        fields=FieldMap(
            question="question",
            context="conflict_context",
            context_answer="target_new",
            parametric_answer="target_true",
            matching_context="matching_context",
            cluster="cluster",
            subject="subject",
            stratum="relation_id",
        ),
        keys=(("requested_rewrite", "target_false"),),
        citation="Meng et al., NeurIPS 2022, Locating and Editing Factual Associations in GPT, arXiv:2202.05262",
        licence="MIT",
        source="hub: azhx/counterfact at c01c413f856ee38f5c080c9fc5e87aff478e2ff9; hub: "
        "NeelNanda/counterfact-tracing (flat rows); https://rome.baulab.info/data/dsets/counterfact.json",
        tests="one sentence with a false object that contradicts a Wikidata fact",
        lacks="passages, aliases",
        prepare=f"{_CODE}:counterfact_rows",
        passages="synthetic",
    ),
    "mquake": Release(
        title="MQuAKE (CF, CF-3k, T; Remastered)",
        fields=FieldMap(
            question="questions[0]",
            context="conflict_context",
            context_answer="new_answer",
            context_aliases="new_answer_alias",
            parametric_answer="answer",
            parametric_aliases="answer_alias",
            matching_context="matching_context",
            cluster="orig_chain",
            subject=("orig.triples_labeled[0][0]", "orig_triples_labeled[0][0]", "requested_rewrite[0].subject"),
        ),
        keys=(("questions",), ("answer",), ("new_answer",), ("requested_rewrite",)),
        citation="Zhong et al., EMNLP 2023, MQuAKE, arXiv:2305.14795",
        licence="MIT",
        source="https://github.com/princeton-nlp/MQuAKE, folder datasets; with corrected labels, hub: "
        "henryzhongsc/MQuAKE-Remastered at b54712d4b464d7e2d4edccd4022f95ddbcb719e7",
        tests="questions of two to four hops after facts were changed",
        lacks="passages",
        prepare=f"{_CODE}:mquake_rows",
        passages="synthetic",
    ),
    "cub_counterfact": Release(
        title="CUB, CounterFact part",
        fields=FieldMap(
            question="question",
            context="conflict_context",
            context_answer="target_new",
            parametric_answer="target_true",
            matching_context="matching_context",
            irrelevant_context="irrelevant_context",
            subject="subject",
        ),
        keys=(("context_type",), ("target_true",), ("target_new",), ("template",)),
        citation="Hagström et al., 2025, CUB: Benchmarking Context Utilisation Techniques, arXiv:2505.16518",
        licence="MIT",
        source="hub: copenlu/cub-counterfact, one configuration per model",
        tests="facts that the model in the file's configuration remembers, with gold, edited and irrelevant contexts",
        lacks="aliases",
        prepare=f"{_CODE}:cub_rows",
        gather=f"{_CODE}:cub_facts",
    ),
    "cpi_unified": Release(
        title="unified file of the replication of context-parametric inversion",
        fields=FieldMap(
            question="question",
            context="context",
            context_answer="counterfactual_answer",
            parametric_answer="parametric_answer",
            subject="subject",
            stratum="source",
        ),
        keys=(("question",), ("context",), ("counterfactual_answer",), ("parametric_answer",)),
        citation="https://github.com/GIRIAYUSH/context-parametric-inversion-research",
        licence="none stated",
        source=(
            "https://github.com/GIRIAYUSH/context-parametric-inversion-research at "
            "9d0ac43790147515c73db48e1e6a520161cf3fa5, dataset/conflict_eval_unified.json"
        ),
        tests="the paper's capitals, world facts and biographies in one file",
        lacks="controls; aliases, except in the answers themselves (remarks, last names)",
        prepare=f"{_CODE}:cpi_unified_rows",
        short_names=True,
    ),
}
"""The releases by the name that ``format`` uses."""
