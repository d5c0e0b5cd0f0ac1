"""What stands inside of a script element does not end it."""

import json

import pytest

from synth.charts import embedded


@pytest.mark.parametrize("text", ["</script>", "</SCRIPT >", "</ScRiPt", "<!-- <script>"])
def test_text_does_not_end_the_script(text):
    script = embedded(json.dumps(text))
    assert "</script" not in script.lower()
    assert "<!--" not in script
    assert script.replace("<\\/", "</").replace("<\\!", "<!") == json.dumps(text)


def test_end_of_a_regular_expression_stays():
    assert embedded("x = /</.test(y)") == "x = /</.test(y)"
