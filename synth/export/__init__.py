"""The pairs of a run as datasets that trainers read: every format, in splits.

``survey`` sees all pairs once and says what there is; ``splits`` deals out the documents; ``words``
makes of each pair what is said; ``forms`` and ``preference`` make rows of that, which ``files`` and
``tables`` write; ``card`` tells people what they have, and ``hub`` puts it where others find it.
"""

from synth.export.hub import check_token
from synth.export.words import check_templates
from synth.export.writing import export

__all__ = ["check_templates", "check_token", "export"]
