"""Flags that vLLM does not know are found before it is started."""

import json
import sys

import pytest

from synth.server.flags import known_flags, unknown_flags

KNOWN = {"max-num-seqs", "enable-prefix-caching", "compilation-config", "disable-log-stats"}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("max-num-sequences", "max-num-seqs"), ("enable-prefix-cache", "enable-prefix-caching")],
)
def test_unknown_flag_is_told_with_the_nearest(name, nearest):
    (problem,) = unknown_flags([name], KNOWN)
    assert problem == f"server.engine_args.{name}: vLLM has no such flag. Did you mean {nearest}?"


def test_known_flags_and_parts_of_mappings_pass():
    assert unknown_flags(["max-num-seqs", "compilation-config.mode"], KNOWN) == []


def test_program_is_asked_once(tmp_path):
    program = tmp_path / "vllm.py"
    program.write_text("print('usage: [--max-num-seqs N] [--enable-x | --no-enable-x] -tp --a-b')")
    flags = {"max-num-seqs", "enable-x", "no-enable-x", "a-b"}
    assert known_flags([sys.executable, str(program)], {}, tmp_path) == flags
    program.write_text("raise SystemExit(1)")
    assert known_flags([sys.executable, str(program)], {}, tmp_path) == flags


@pytest.mark.parametrize("program", [["/nowhere"], [sys.executable, "-c", "raise SystemExit(2)"]])
def test_program_that_can_not_be_asked_knows_nothing(tmp_path, program):
    assert known_flags(program, {}, tmp_path) == frozenset()
    assert not list(tmp_path.iterdir())


def test_answer_is_kept_for_each_version(tmp_path):
    known_flags([sys.executable, "-c", "print('--a')"], {}, tmp_path)
    (kept,) = tmp_path.iterdir()
    assert json.loads(kept.read_text()) == {"flags": ["a"]}
    assert "vllm" in kept.name
