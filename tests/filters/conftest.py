"""What the tests of the filters share."""

import pytest

from synth.filters.words import analyse, dictionary


@pytest.fixture
def words():
    """Analyse a text: ``words("Two pumps", "en")``."""
    return lambda text, language="en": analyse(text, language)


@pytest.fixture
def english():
    return dictionary("en")
