"""Tokenizers of two kinds."""

import pytest
import tokenizers

from synth.config.files import samples_dir
from synth.tokens import Tokenizer


@pytest.fixture(scope="session")
def metaspace_tokenizer(tmp_path_factory) -> Tokenizer:
    """One as those of Llama 2 and Gemma: a mark before each word, and bytes for the unknown."""
    inner = tokenizers.Tokenizer(tokenizers.models.BPE(byte_fallback=True, unk_token="<unk>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    octets = [f"<0x{octet:02X}>" for octet in range(256)]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=800, special_tokens=["<unk>", *octets], show_progress=False
    )
    inner.train([str(path) for path in sorted(samples_dir().iterdir())], trainer)
    inner.save(str(path := tmp_path_factory.mktemp("metaspace") / "tokenizer.json"))
    return Tokenizer(path)


@pytest.fixture(scope="session", params=["tokenizer", "metaspace_tokenizer"])
def any_tokenizer(request) -> Tokenizer:
    return request.getfixturevalue(request.param)
