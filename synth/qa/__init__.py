"""The contract with the model, both sides: the prompt that goes out, the pairs that come in. Pure.

A :class:`Kind` is what is asked for: prompt, JSON schema of one item, and how an item becomes a pair.
``template`` compiles the texts, ``form`` holds items to the schema, ``reply`` finds them in what the
model said.
"""

from synth.qa.form import CHARS_PER_TOKEN, Item
from synth.qa.kind import Kind, Message, describe_shortage, join_texts

__all__ = ["CHARS_PER_TOKEN", "Item", "Kind", "Message", "describe_shortage", "join_texts"]
