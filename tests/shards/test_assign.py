"""Which document is in which shard: each in one, evenly, and always the same."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from synth.shards import assign

corpora = st.dictionaries(st.text(max_size=8), st.integers(0, 10_000), max_size=60)
numbers = st.integers(1, 20)


def sizes_of(n_tokens, number_of, n_shards):
    sizes = Counter(dict.fromkeys(range(n_shards), 0))
    for id_, number in number_of.items():
        sizes[number] += n_tokens[id_]
    return sizes


@given(corpora, numbers)
def test_every_document_is_in_one_shard(n_tokens, n_shards):
    number_of = assign(n_tokens, n_shards)
    assert number_of.keys() == n_tokens.keys()
    assert set(number_of.values()) <= set(range(n_shards))


@given(corpora, numbers)
def test_shards_differ_by_the_largest_document_at_most(n_tokens, n_shards):
    sizes = sizes_of(n_tokens, assign(n_tokens, n_shards), n_shards)
    assert max(sizes.values()) - min(sizes.values()) <= max(n_tokens.values(), default=0)


@given(corpora, numbers)
def test_no_shard_is_empty_while_there_are_documents(n_tokens, n_shards):
    used = set(assign(n_tokens, n_shards).values())
    assert used == set(range(min(n_shards, len(n_tokens))))


@given(corpora, numbers, st.randoms())
def test_order_of_documents_changes_nothing(n_tokens, n_shards, random):
    items = list(n_tokens.items())
    random.shuffle(items)
    assert assign(dict(items), n_shards) == assign(n_tokens, n_shards)
