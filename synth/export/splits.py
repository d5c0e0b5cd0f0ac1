"""Which documents are for training, validation and tests.

All pairs of a document are in one split: what is asked in a test was not learnt in training.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping

from synth.config import ExportConfig

log = logging.getLogger(__name__)

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")


def split_documents(n_pairs: Mapping[str, int], config: ExportConfig, seed: int) -> dict[str, str]:
    """Return the documents that are not for training, and what they are for.

    They are drawn by a hash of the seed and their ids, so neither their order nor how many there are
    changes the order in which they are drawn. One is taken only if that brings the split nearer to
    its share of the pairs; the last one is always for training.

    Args:
        n_pairs: pairs of each document.
    """
    drawn = sorted((id_ for id_, n in n_pairs.items() if n), key=lambda id_: _draw(seed, id_))
    total = sum(n_pairs.values())
    targets = {TEST: total * config.test_frac, VALIDATION: total * config.validation_frac}
    taken = Counter[str]()
    split_of: dict[str, str] = {}
    for id_ in drawn[:-1]:
        n = n_pairs[id_]
        for split, target in targets.items():
            if abs(taken[split] + n - target) < abs(taken[split] - target):
                taken[split] += n
                split_of[id_] = split
                break
    _tell_empty([name for name, target in targets.items() if target and not taken[name]], drawn)
    return split_of


def _draw(seed: int, id_: str) -> bytes:
    return hashlib.sha256(f"{seed}:{id_}".encode()).digest()


def _tell_empty(empty: list[str], documents: list[str]) -> None:
    if empty:
        log.info(
            "%-9s no split for %s: too few documents (%d) to set whole ones aside",
            "export",
            " and ".join(sorted(empty, reverse=True)),
            len(documents),
        )
