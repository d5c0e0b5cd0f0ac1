"""What models say of finished pairs: scores by a judge, and answers without and with the text.

``rubric`` is both sides of the contract with the judge, pure; ``judge`` and ``closed_book`` are the
conversations, ``panel`` is who they are held with, ``examine`` has all of them at a time. A pair is
never changed here: what comes back is its id and an opinion.
"""

from synth.examination.examine import examine
from synth.examination.panel import Agrees, Counts, Group, OpenJudge, Opinion, Panel
from synth.examination.rubric import Rubric, Scores

__all__ = [
    "Agrees",
    "Counts",
    "Group",
    "OpenJudge",
    "Opinion",
    "Panel",
    "Rubric",
    "Scores",
    "examine",
]
