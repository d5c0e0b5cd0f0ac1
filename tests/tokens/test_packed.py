import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.tokens.encoded import Encoded, from_offsets
from synth.tokens.packed import Tokens

STEPS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), min_size=1, max_size=80)


def encode(lengths, backs):
    ends = np.cumsum(lengths)
    backs = np.minimum(backs, ends - lengths)  # none begins before the text
    return Encoded(0, int(ends[-1]), np.arange(len(ends), dtype=np.uint32), ends, backs)


@given(steps=STEPS)
def test_what_is_packed_is_what_is_found(steps):
    made = encode(*np.array(steps).T)
    tokens = Tokens(made.stop, [made])
    assert len(tokens) == len(steps)
    assert tokens.ends.tolist() == made.ends.tolist()
    begins = [end - back for end, back in zip([0, *made.ends[:-1]], made.backs, strict=True)]
    assert [tokens.start(i) for i in range(len(tokens))] == [0, *begins[1:]]
    assert [tokens.end(n) for n in range(len(tokens) + 1)] == [0, *made.ends]


def test_many_blocks_are_found_in_any_order():
    rng = np.random.default_rng(0)
    made = encode(rng.integers(0, 9, 150_000), rng.integers(0, 2, 150_000))
    tokens = Tokens(made.stop, [made])
    for index in (149_999, 0, 1, 32_767, 32_768, 98_304, 70_000, 98_303):
        assert tokens.end(index + 1) == made.ends[index]
        assert tokens.start(index) == (index and made.ends[index - 1] - made.backs[index])
    assert (tokens.ends == made.ends).all()


def test_prose_takes_a_fifth_of_a_byte_a_character():
    made = encode(np.full(100_000, 4), np.zeros(100_000, int))
    assert Tokens(made.stop, [made]).n_bytes < 0.2 * made.stop


def test_a_text_without_tokens_has_none():
    tokens = Tokens(3, [from_offsets(3, [], [])])
    assert (len(tokens), tokens.end(0), tokens.ends.tolist()) == (0, 3, [])
    with pytest.raises(IndexError):
        tokens.start(1)


def test_saved_tokens_are_read_again(tmp_path):
    made = encode(np.array([3, 0, 4]), np.array([0, 1, 0]))
    with (tmp_path / "kept").open("wb") as file:
        Tokens(9, [made]).save(file)
    found = Tokens.load(tmp_path / "kept")
    assert (found.n_chars, found.ends.tolist(), found.start(1)) == (9, [3, 3, 9], 2)


@pytest.mark.parametrize("damage", ["missing", "empty", "torn", "changed", "other"])
def test_damaged_tokens_are_none(tmp_path, damage):
    path = tmp_path / "kept"
    with path.open("wb") as file:
        Tokens(4000, [encode(np.full(1000, 4), np.zeros(1000, int))]).save(file)
    data = bytearray(path.read_bytes())
    data[-700] ^= 1
    whole = path.read_bytes()
    path.write_bytes({"torn": whole[:-100], "changed": data, "other": b"{}"}.get(damage, b""))
    if damage == "missing":
        path.unlink()
    assert Tokens.load(path) is None
