"""How different the questions of a run are: distinct-n, self-BLEU, and what they ask for.

All of it is of a sample of fixed size, drawn by the questions themselves, since each of these
figures depends on how many there are.
"""

import hashlib
import heapq
from collections.abc import Iterable, Mapping, Sequence

from synth.filters import words_of

N_DISTINCT = 1000
"""Questions of which the sequences of words are counted."""
N_BLEU = 100
"""Questions that are compared with each other."""
_LEAST = 10


def measure_diversity(questions: Iterable[str], types: Mapping[str, int]) -> dict[str, float]:
    """Return the figures of questions; none if they are fewer than ten.

    Args:
        questions: all of them; they are not held.
        types: how many are of each type.
    """
    sample = heapq.nsmallest(N_DISTINCT, questions, key=_draw)
    if len(sample) < _LEAST:
        return {}
    words = [words_of(question) for question in sample]
    figures = {f"quality/distinct_{n}_frac": distinct(words, n) for n in (1, 2, 3)}
    figures["quality/self_bleu"] = self_bleu([" ".join(one) for one in words[:N_BLEU]])
    whole = sum(types.values())
    return figures | {f"questions/{name}_frac": n / whole for name, n in types.items() if whole}


def distinct(texts: Sequence[Sequence[str]], n: int) -> float:
    """Return the share of sequences of ``n`` words that are different (Li et al. 2016)."""
    runs = [run for words in texts for run in zip(*(words[k:] for k in range(n)), strict=False)]
    return len(set(runs)) / len(runs) if runs else 0.0


def self_bleu(texts: Sequence[str]) -> float:
    """Return the mean BLEU of each text beside all others, 0 to 1 (Zhu et al. 2018)."""
    from sacrebleu.metrics import BLEU

    bleu = BLEU(tokenize="none", effective_order=True)
    scores = [
        bleu.sentence_score(text, [*texts[:number], *texts[number + 1 :]]).score
        for number, text in enumerate(texts)
    ]
    return float(sum(scores)) / len(scores) / 100


def _draw(question: str) -> bytes:
    return hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=8).digest()
