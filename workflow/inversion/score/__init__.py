"""From a response to a label: functions of an item and a response, without any model.

:data:`SCORERS` declares every scorer once. :func:`judge` is the main one: which answer a text follows, with the
words and the rule that decided. *Containment* is the paper's measure (section 3.2): is the answer in the text? *First
mention* takes the first answer that is not negated. The likelihood scorers need no text: which answer is
likelier? Scorers disagree, so every table keeps all of them.
"""

from inversion.score.judgement import Judgement, judge
from inversion.score.knowledge import judge_knowledge, judge_probes, refuse_swapped_by_memory
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
