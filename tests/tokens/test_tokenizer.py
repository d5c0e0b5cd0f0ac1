import hashlib
import itertools
import random

import pytest
import tokenizers

from synth.shared import Shared
from synth.texts import TextFile
from synth.tokens import Tokenizer
from synth.tokens import tokenizer as module
from synth.tokens.fast import Fast
from synth.tokens.plain import Plain

TEXT = "The sea is salt. 😀 The tide turns, twice a day. " * 1500


def keys(folder):
    return {path.name for path in folder.iterdir() if not path.suffix}


def test_text_is_tokenised_once_for_all_who_share(paths, tmp_path):
    first, second = (Tokenizer(paths["llama-3"], Shared(tmp_path)) for _ in range(2))
    made, found = first.tokenize(TEXT), second.tokenize(TEXT)
    assert "_plain" not in vars(second)
    assert (found.ends == made.ends).all()
    second.tokenize(TEXT + "Another text.")
    assert "_plain" in vars(second)


def test_a_file_and_its_text_share_tokens(paths, tmp_path):
    (tmp_path / "text").write_text(TEXT)
    tokenizer = Tokenizer(paths["llama-3"], Shared(tmp_path / "kept"))
    tokenizer.tokenize(TEXT)
    tokenizer.tokenize(TextFile(tmp_path / "text"))
    tokenizer.tokenize(TEXT, key=hashlib.sha256(TEXT.encode()).hexdigest())
    assert len(keys(tmp_path / "kept")) == 1


def test_each_tokenizer_has_its_own_tokens(paths, tmp_path):
    for name in ("llama-3", "qwen"):
        Tokenizer(paths[name], Shared(tmp_path)).tokenize(TEXT, key="same")
    assert len(keys(tmp_path)) == 2


def test_short_texts_are_not_kept(paths, tmp_path):
    Tokenizer(paths["llama-3"], Shared(tmp_path / "kept")).tokenize("The sea is salt.")
    assert not (tmp_path / "kept").exists()


def test_a_damaged_file_is_made_again(paths, tmp_path):
    made = Tokenizer(paths["llama-3"], Shared(tmp_path)).tokenize(TEXT)
    (name,) = keys(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    again = Tokenizer(paths["llama-3"], Shared(tmp_path)).tokenize(TEXT)
    assert (again.ends == made.ends).all()
    assert len((tmp_path / name).read_bytes()) == len(whole)


def test_counts_are_those_of_tokenizers(paths, family, monkeypatch):
    monkeypatch.setattr(module, "_FAST_FROM", 1)
    rng = random.Random(0)
    cuts = sorted(rng.choices(range(len(TEXT)), k=600))
    texts = [
        "",
        " ",
        "</s>",
        "e\u0301",
        "lost: \x06\x14",
        *(TEXT[a:b] for a, b in itertools.pairwise(cuts)),
    ]
    reference = tokenizers.Tokenizer.from_file(str(paths[family]))
    right = [len(made) for made in reference.encode_batch(texts, add_special_tokens=False)]
    assert Tokenizer(paths[family]).count(texts) == right


def test_bytes_that_the_vocabulary_lacks_cost_nothing_else(paths, monkeypatch):
    monkeypatch.setattr(module, "_FAST_FROM", 1)
    text = f"{TEXT}\x06\x14 \x04{TEXT}"
    assert Fast.load(paths["smollm2"], Plain(paths["smollm2"])) is not None
    reference = tokenizers.Tokenizer.from_file(str(paths["smollm2"]))
    right = reference.encode(text, add_special_tokens=False)
    made = Tokenizer(paths["smollm2"]).tokenize(text)
    assert made.ends[:-1].tolist() == [end for _, end in right.offsets][:-1]


def test_counting_nothing_gives_nothing(paths):
    assert Tokenizer(paths["bert"]).count([]) == []


@pytest.mark.parametrize("name", ["llama-3", "bert"])
def test_truncation_and_padding_of_the_file_are_left_out(paths, tmp_path, monkeypatch, name):
    monkeypatch.setattr(module, "_FAST_FROM", 1)
    cutting = tokenizers.Tokenizer.from_file(str(paths[name]))
    cutting.enable_truncation(8)
    cutting.enable_padding(length=50)
    cutting.save(str(tmp_path / "tokenizer.json"))
    made, plain = Tokenizer(tmp_path / "tokenizer.json"), Tokenizer(paths[name])
    assert len(made.tokenize(TEXT)) == len(plain.tokenize(TEXT)) > 1000
    assert made.count(["a", TEXT]) == plain.count(["a", TEXT])
