"""What a server says of its caches."""

import asyncio

import pytest

from synth.records import Endpoint
from synth.server.report import KvCache, Report, merge_reports, parse_report, read_report

LINE = (
    'vllm:cache_config_info{engine="%d",block_size="16",kv_cache_size_tokens="1000",'
    'kv_cache_max_concurrency="2.5"} 1.0\n'
)


def test_kv_cache_is_read_from_a_server(serve):
    assert asyncio.run(read_report(serve())).kv_cache == KvCache(8192, 4.0)


def test_engines_are_added_up():
    page = "# TYPE vllm:cache_config_info gauge\n" + LINE % 0 + LINE % 1
    assert parse_report(page).kv_cache == KvCache(2000, 5.0)


@pytest.mark.parametrize(
    "page",
    ["", "up 1.0\n", LINE.replace("1000", "None") % 0, 'vllm:cache_config_info{engine="0"} 1.0\n'],
    ids=["empty", "other", "none", "older"],
)
def test_page_without_it_gives_none(page):
    assert parse_report(page).kv_cache is None


def test_server_that_is_gone_gives_none():
    assert asyncio.run(read_report(Endpoint("http://127.0.0.1:9/v1", "m"))) == Report()


def test_hits_of_the_prefix_cache_are_a_share_of_all_tokens():
    page = "".join(
        f'# TYPE vllm:prefix_cache_{kind}_total counter\nvllm:prefix_cache_{kind}_total{{engine="0"}} {n}\n'
        for kind, n in (("queries", 200.0), ("hits", 50.0))
    )
    assert parse_report(page).prefix_cache_hit_frac == 0.25


def test_servers_are_added_up_and_shares_are_of_all_tokens():
    first = Report(KvCache(1000, 2.0), prefix_cache_hit_frac=0.5, queried_tokens=300)
    second = Report(KvCache(2000, 4.0), prefix_cache_hit_frac=0.1, queried_tokens=100)
    assert merge_reports([first, second, Report()]) == Report(KvCache(3000, 6.0), 0.4, 400)
    assert merge_reports([]) == Report()
