"""Scorers: functions from an item and a response to a label. None of them needs a model.

:data:`SCORERS` declares every scorer once. :func:`judge`, the main scorer, decides which answer a text follows and
returns the words and the rule that decided. *Containment*, the paper's measure (section 3.2), checks whether the text
contains an answer. *First mention* takes the first answer that is not negated. The likelihood scorers do not read the
text; they compare the log-probabilities of the two answers. Scorers disagree, so every table keeps all of them.
"""

from inversion.score.decision import judge
from inversion.score.judgement import Judgement
from inversion.score.knowledge_filter import judge_knowledge, judge_probes, refuse_swapped_by_memory
from inversion.score.labelling import label_run
from inversion.score.likelihood import by_first_token, by_logprob
from inversion.score.mentions import Containment, containment, first_mention
from inversion.score.scorers import SCORERS, Scorer

__all__ = [
    "SCORERS",
    "Containment",
    "Judgement",
    "Scorer",
    "by_first_token",
    "by_logprob",
    "containment",
    "first_mention",
    "judge",
    "judge_knowledge",
    "judge_probes",
    "label_run",
    "refuse_swapped_by_memory",
]
