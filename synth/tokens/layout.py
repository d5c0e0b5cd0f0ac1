"""How many bytes of the text each token stands for, read from a ``tokenizer.json``.

Known are the two layouts in which tokens are bytes of the text, one after the other: byte-level BPE
(GPT-2, Llama 3, Qwen, SmolLM), and BPE in the manner of SentencePiece, where ▁ is a space and what
is not in the vocabulary is bytes such as <0x0A> (Llama 2, Gemma). Others have no layout.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers.pre_tokenizers import ByteLevel

from synth.tokens.encoded import Ints

UNKNOWN = 1 << 40
"""Size of a token that stands for now these bytes, now others: more than any text has."""
SPACE = "▁"

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_ALPHABET = frozenset(ByteLevel.alphabet())
_NFC = {"type": "NFC"}
_REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
_PREPEND = {"type": "Prepend", "prepend": SPACE}


@dataclass(frozen=True)
class Layout:
    """What turns token ids into places in the text."""

    sizes: Ints
    """Bytes, by token id."""
    is_nfc: bool = False
    """The text is brought to Unicode's form NFC first."""
    has_spaces: bool = False
    """▁ is a space."""
    prefixed: npt.NDArray[np.bool_] | None = None
    """A space comes before the text; by token id, whether it may be a part of the token."""
    lost: int | None = None
    """Token of one space, which has no characters where it is the first of all."""


def read_layout(tokenizer: dict[str, Any]) -> Layout | None:
    """Return the layout of a parsed ``tokenizer.json``; None if it has none that is known."""
    model = tokenizer["model"]
    odd = ("dropout", "continuing_subword_prefix", "end_of_word_suffix")
    if model.get("type") != "BPE" or any(model.get(name) for name in odd):
        return None
    normalizers = _parts(tokenizer, "normalizer", "normalizers")
    splits = _parts(tokenizer, "pre_tokenizer", "pretokenizers")
    if splits and splits[-1]["type"] == "ByteLevel" and normalizers in ([], [_NFC]):
        return _read_byte_level(tokenizer, is_nfc=bool(normalizers))
    only_splits = all(part["type"] == "Split" for part in splits)
    if only_splits and normalizers in ([_REPLACE], [_PREPEND, _REPLACE]):
        return _read_pieces(tokenizer, has_prefix=_PREPEND in normalizers)
    return None


def _read_byte_level(tokenizer: dict[str, Any], *, is_nfc: bool) -> Layout:
    processors = _parts(tokenizer, "post_processor", "processors")
    trimming = [part for part in processors if part["type"] == "ByteLevel" and part["trim_offsets"]]

    def measure(token: str) -> int:
        if not _ALPHABET.issuperset(token):
            return UNKNOWN
        if trimming and token.endswith("Ġ") and token.strip("Ġ"):
            return UNKNOWN  # its spaces are the next token's
        return len(token)

    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    sizes = {number: measure(token) for token, number in vocabulary.items()}
    for added in tokenizer["added_tokens"]:
        sizes[added["id"]] = len(added["content"].encode())
    table = _table(tokenizer, sizes)
    # The processor takes such a space for the prefix that a pre-tokenizer may have put there.
    takes_prefix = any(part["add_prefix_space"] for part in trimming)
    return Layout(table, is_nfc=is_nfc, lost=vocabulary.get("Ġ") if takes_prefix else None)


def _read_pieces(tokenizer: dict[str, Any], *, has_prefix: bool) -> Layout:
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    sizes = {
        number: len(token.replace(SPACE, " ").encode()) for token, number in vocabulary.items()
    }
    for added in tokenizer["added_tokens"]:
        sizes[added["id"]] = len(added["content"].replace(SPACE, " ").encode())
    if tokenizer["model"].get("byte_fallback"):
        literal = {added["id"] for added in tokenizer["added_tokens"]}
        for token, number in vocabulary.items():
            if _BYTE.fullmatch(token):
                sizes[number] = UNKNOWN if number in literal else 1
    table = _table(tokenizer, sizes)
    prefixed = np.zeros(len(table), np.bool_)
    prefixed[[number for token, number in vocabulary.items() if token.startswith(SPACE)]] = True
    return Layout(table, has_spaces=True, prefixed=prefixed if has_prefix else None)


def _table(tokenizer: dict[str, Any], sizes: dict[int, int]) -> Ints:
    """Return sizes by id; unknown are those of what takes white space along, or is for unknowns."""
    unknown = [a["id"] for a in tokenizer["added_tokens"] if a["lstrip"] or a["rstrip"]]
    unk = tokenizer["model"].get("unk_token")
    if unk in tokenizer["model"]["vocab"]:
        unknown.append(tokenizer["model"]["vocab"][unk])
    table: Ints = np.full(max(sizes, default=-1) + 1, UNKNOWN)
    table[list(sizes)] = list(sizes.values())
    table[unknown] = UNKNOWN
    return table


def _parts(tokenizer: dict[str, Any], name: str, plural: str) -> list[dict[str, Any]]:
    """Return the steps of a part of the tokenizer, whether it is none, one or a sequence."""
    part = tokenizer.get(name)
    if part is None:
        return []
    return list(part[plural]) if part["type"] == "Sequence" else [part]
