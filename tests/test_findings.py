"""What is known of a pair, on its way through a file."""

import json

import pytest

from synth.examination import Opinion
from synth.filters import Finding, Key, Support
from synth.findings import Known

PAIR = {"id": "p", "chunk_id": "c", "doc_id": "d"}


@pytest.mark.parametrize(
    "opinion",
    [None, Opinion(), Opinion({"accuracy": 2.0, "clarity": None}, {"known": True})],
)
@pytest.mark.parametrize("evidence", [None, (3, 40)])
def test_nothing_is_lost(evidence, opinion):
    place = ("d", *evidence) if evidence else None
    key = Key(bytes(range(16)), "keeper skarn", "keeper", "wiik", place)
    known = Known(Finding(("echo", "copied"), Support(0.5, evidence), key), opinion)
    row = json.loads(json.dumps(known.row(PAIR)))
    assert Known.from_row(row, PAIR) == known
    assert (row["id"], row["chunk_id"]) == ("p", "c")
