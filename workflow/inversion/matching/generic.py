"""Words that occur in many names."""

from __future__ import annotations

import re

GENERIC = frozenset(
    re.findall(
        r"\w+",
        """
        autumn award bank battle best big black blue book bridge building castle central children
        church city club college company corporation cup dark day dynasty east eastern empire federation film first
        game games general god golden good grand great green group high holy house institute
        international island islands king kingdom lady lake licence license life little long lord
        love low man men more most mount mountain museum music national new night north northern
        ocean old palace park party peace people president prime prince princess prize public queen
        real red republic river royal saint san santa school sea second short silver sir song south
        southern spring standard star state states story street summer super tales team third time
        tower town treaty united university version war west western white winter woman women world
        young
        """,
    )
)
"""Words that occur in many names and identify nothing by themselves."""
