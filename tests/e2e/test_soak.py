"""The Python class five times over on a real vLLM; minutes, by hand: scripts/test -m soak."""

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(1800)]


def test_five_times_over_leaves_nothing(documents, soak):
    kit = {"model_name": "bundled/smollm2", "overrides": ["qa.num_pairs=2", "chunk.limit=2"]}
    assert soak(5, documents, **kit, max_generation_tokens=128) == []
