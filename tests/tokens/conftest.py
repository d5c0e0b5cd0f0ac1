"""Small tokenizers of the families that models have, trained here on the sample documents."""

import json

import pytest
import tokenizers
from tokenizers import AddedToken, Regex, models, normalizers, processors, trainers
from tokenizers import pre_tokenizers as splits

from synth.config.files import samples_dir

LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
BYTES = [f"<0x{number:02X}>" for number in range(256)]
ODD = "naïve café Straße 東京は日本の首都です。 Русский עברית العربية 😀👍🏽 ½ ² ﬁ 1234567 \n\n    \t x = {};\r\n"


def byte_level(pattern: str, *, trim: bool = False) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.BPE(ignore_merges=pattern == LLAMA_3))
    made.pre_tokenizer = splits.Sequence(
        [splits.Split(Regex(pattern), "isolated"), splits.ByteLevel(False, use_regex=False)]
    )
    made.post_processor = processors.ByteLevel(trim_offsets=trim)
    alphabet = splits.ByteLevel.alphabet()
    return train(made, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, **COMMON))


def pieces(normalizer: normalizers.Normalizer) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    made.normalizer = normalizer
    return train(
        made,
        trainers.BpeTrainer(
            vocab_size=900, max_token_length=12, **COMMON | {"special_tokens": BYTES}
        ),
    )


def gpt_2(without=""):
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = splits.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.ByteLevel(trim_offsets=True)
    alphabet = sorted(set(splits.ByteLevel.alphabet()) - set(without))
    return train(made, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, **COMMON))


def smollm2():
    """Some bytes of control characters are not in its vocabulary."""
    return gpt_2(without=map(chr, (0x104, 0x106, 0x114)))


def roberta():
    made = gpt_2()
    made.pre_tokenizer = splits.ByteLevel(add_prefix_space=True)
    made.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=True)
    made.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return made


def qwen():
    made = byte_level(QWEN)
    made.normalizer = normalizers.NFC()
    return made


def llama_2():
    return pieces(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]))


def gemma():
    made = pieces(normalizers.Replace(" ", "▁"))
    made.pre_tokenizer = splits.Split(" ", "merged_with_previous")
    return made


def metaspace():
    made = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.pre_tokenizer = splits.Metaspace(prepend_scheme="first", split=False)
    return train(made, trainers.BpeTrainer(vocab_size=600, max_token_length=12, **COMMON))


def t5():
    made = tokenizers.Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    made.pre_tokenizer = splits.Metaspace()
    return train(made, trainers.UnigramTrainer(vocab_size=500, unk_token="<unk>", **COMMON))


def bert():
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = splits.BertPreTokenizer()
    return train(
        made, trainers.WordPieceTrainer(vocab_size=600, **COMMON | {"special_tokens": ["[UNK]"]})
    )


COMMON = {"show_progress": False, "special_tokens": ["<unk>", "<s>", "</s>", "<|im_start|>"]}
FAMILIES = {
    "gpt-2": gpt_2,
    "smollm2": smollm2,
    "roberta": roberta,
    "llama-3": lambda: byte_level(LLAMA_3),
    "llama-3-trimmed": lambda: byte_level(LLAMA_3, trim=True),
    "qwen": qwen,
    "llama-2": llama_2,
    "gemma": gemma,
    "metaspace": metaspace,
    "t5": t5,
    "bert": bert,
}


def train(tokenizer, trainer):
    texts = [path.read_text() for path in sorted(samples_dir().iterdir())]
    tokenizer.train_from_iterator([*texts, ODD * 3], trainer)
    # Bytes are a part of the vocabulary, and no added tokens that a text may hold.
    settings = json.loads(tokenizer.to_str())
    added = [token for token in settings["added_tokens"] if token["content"] not in BYTES]
    settings["added_tokens"] = added
    made = tokenizers.Tokenizer.from_str(json.dumps(settings))
    made.add_special_tokens(["</s>", "<|im_start|>"])
    return made


@pytest.fixture(scope="session")
def paths(tmp_path_factory):
    """Of the ``tokenizer.json`` of each family."""
    folder = tmp_path_factory.mktemp("families")
    for name, make in FAMILIES.items():
        make().save(str(folder / f"{name}.json"))
    return {name: folder / f"{name}.json" for name in FAMILIES}


@pytest.fixture(scope="session", params=list(FAMILIES))
def family(request):
    return request.param
