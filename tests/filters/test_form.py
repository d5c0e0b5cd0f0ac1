"""Faults that a pair shows by itself."""

import pytest

from synth.filters.form import Parts, Prompt, find_faults, is_question, is_repetitive
from synth.filters.pointing import needs_text
from synth.filters.words import analyse, dictionary, words_of

TEXT = (
    "The pump stops when the red lamp is lit, and cools down for twenty minutes. The author of the "
    "manual is Ida Berg. See section 4 of the document for the table of spare parts."
)
PROMPT = Prompt(
    "You write question-answer pairs.", "Write five pairs about the text, each short and exact."
)


@pytest.fixture
def faults():
    """Return the faults of a pair."""

    def find(question, answer, text=TEXT, language="en"):
        parts = Parts(
            question,
            answer,
            analyse(question, language),
            analyse(answer, language),
            text,
            dictionary(language),
            len(question) > len(text),
        )
        return list(find_faults(parts, PROMPT))

    return find


@pytest.mark.parametrize(
    ("question", "answer", "fault"),
    [
        ("When does the pump stop?", "N/A", "empty"),
        ("...", "When the lamp is lit.", "empty"),
        ("When does the pump stop?", "When does the pump stop?", "echo"),
        ("When does the pump stop?", "The pump does stop.", "echo"),
        ("Why did the pump have to stop?", "The pump had to stop.", "echo"),
        ("The pump and its lamp.", "It stops when the lamp is lit.", "no_question"),
        ("When does the pump stop?", "It stops when the red lamp is lit, and", "cut_off"),
        ("When does the pump stop?", "When the red la", "cut_off"),
        ("When does the pump stop?", "It stops (when the lamp is lit.", "cut_off"),
        (
            "When does the pump stop?",
            "It stops as soon as it is hot. Then it cools down for as long as the red lamp burns",
            "cut_off",
        ),
        (
            "Which parts are in the table?",
            "As everybody knows who has read the manual to its end, it is the table of spare",
            "cut_off",
        ),
        ("When does the pump stop?", "As soon as the lamp is lit by the hottest of pu", "cut_off"),
        (
            "When does the pump stop?",
            "When it is hot, when it is hot, when it is hot.",
            "repetitive",
        ),
        ("When does the pump stop?", '"answer": "When the lamp is lit."', "leaked"),
        ("When does the pump stop?", "When the lamp is lit.<|im_end|>", "leaked"),
        (
            "When does the pump stop?",
            "Write five pairs about the text, each short and exact.",
            "leaked",
        ),
        ("Write one question. When does the pump stop?", "When the lamp is lit.", "leaked"),
        ("3. When does the pump stop?", "When the lamp is lit.", "leaked"),
        ("Pregunta: When does the pump stop?", "When the lamp is lit.", "leaked"),
        ("### Question\nWhen does the pump stop?", "When the lamp is lit.", "leaked"),
        ("When does the pump stop?", "When the lamp is lit.\n```", "leaked"),
        (
            "When does the pump stop?",
            "It is based only on the given text. When the lamp is lit.",
            "leaked",
        ),
        ("Générez deux questions : quand s'arrête la pompe ?", "Quand la lampe luit.", "leaked"),
        ("Question 3: When does the pump stop?", "When the lamp is lit.", "leaked"),
        (
            "According to the passage, when does the pump stop?",
            "When the lamp is lit.",
            "needs_text",
        ),
        ("What does the text above say of the pump?", "It stops.", "needs_text"),
    ],
)
def test_fault(faults, question, answer, fault):
    assert faults(question, answer) == [fault]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When does the pump stop?", "When the red lamp is lit."),
        ("Explain when the pump stops.", "It stops when the red lamp is lit."),
        (
            "Does the pump stop when the red lamp is lit?",
            "The pump stops when the red lamp is lit.",
        ),
        ("Does the pump stop or cool down?", "It stops."),
        ("How many of the 12 lamps are lit?", "All 12"),
        ("How long does the pump cool down?", "20 minutes"),
        ("Which file is read first?", "`/etc/pump.conf`"),
        (
            "How is the pump started?",
            "pumpctl start --now --lamp=red --minutes=20 --log /var/log/pump/today",
        ),
        ("What is in the file?", '{"lamp": "red"}'),
        ("Which parts are there?", "- lamp\n- pump\n- valve"),
        ("Which colours are there?", "red, green, light blue, dark blue and yellow"),
        ("How often is the button pressed?", "Press the button three times: press, press, press."),
        ("Who is the author of the manual?", "Ida Berg"),
        ("When does the pump stop?", "When the red lamp at its front is burning for an hour"),
        ("When may the pump be opened?", "When the lamp is on"),
        ("What does the pump hold?", "Vitamin A"),
        ("What did the pump do?", "The pump did stop at noon."),
        ("Which section of the document has the table of spare parts?", "Section 4"),
        ("What is in the table of spare parts?", "Lamps."),
    ],
)
def test_good_pair(faults, question, answer):
    assert faults(question, answer) == []


def test_question_that_holds_its_text_needs_no_other(faults):
    assert faults(f"{TEXT}\n\nWhat does this text say, in short?", "The pump stops.") == []


def test_number_of_a_list_is_leaked_whatever_numbers_the_text_has(faults):
    text = f"{TEXT} It was made in 1985. What a year."
    assert faults("5. When does the pump stop?", "When the lamp is lit.", text) == ["leaked"]


def test_what_the_text_says_itself_is_not_leaked(faults):
    text = 'The reply begins with "answer": and the text.'
    assert faults("What does the reply begin with?", 'It begins with "answer":.', text) == []


@pytest.mark.parametrize("mark", ["?", "?\u201d", "? )", "\uff1f", "\u061f", "?**"])
def test_question_mark(mark):
    assert is_question(f"How long{mark}")


@pytest.mark.parametrize("text", ["How long", "How? Long.", ""])
def test_no_question_mark(text):
    assert not is_question(text)


@pytest.mark.parametrize(
    ("question", "needs"),
    [
        ("Laut dem Text, wann hält die Pumpe?", True),
        ("Was zeigt die obige Tabelle?", True),
        ("D'après le passage, quand la pompe s'arrête-t-elle ?", True),
        ("Que dit l'auteur de la pompe ?", True),
        ("¿Qué se dice en el texto?", True),
        ("As mentioned, when does the pump stop?", True),
        ("As described above, when does the pump stop?", True),
        ("According to this clause, when does it stop?", True),
        ("What does this pump do?", True),
        ("What sound is mentioned here?", True),
        ("Selon ces règles, quand s'arrête-t-elle ?", True),
        ("Secondo questa guida, quando si ferma?", True),
        ("Laut dieser Anleitung, wann hält sie?", True),
        ("What did he build in 1904?", True),
        ("Was she a keeper?", True),
        ("How does it cool the pump?", True),
        ("How long does it take?", False),
        ("Is it allowed to open the pump?", False),
        ("Which of the following stops the pump?", True),
        ("Which of the following stops the pump: lamp or valve?", False),
        ("¿Cuál de los siguientes es una lámpara?", True),
        ("When they are hot, how long do pumps cool down?", False),
        ("When Ida Berg came, did she write it?", False),
        ("Wo enden laut dem obigen Fahrplan die Fahrten?", True),
        ("Wie oben erwähnt, wann hält die Pumpe?", True),
        ("Comme indiqué plus haut, quand s'arrête-t-elle ?", True),
        ("¿Qué tamaño tiene el horno del fragmento anterior?", True),
        ("Come indicato sopra, quando si ferma?", True),
        ("What was bought as described in the catalogue?", False),
        ("How is the pump cooled, and why does this cooling take so long?", False),
        ("How many visitors come this year?", False),
        ("If a pump is hot, when may they open it?", False),
        ("Quel est le point le plus haut ?", False),
        ("What is the text file for?", False),
        ("How many paragraphs may a report have?", False),
        ("Wann hält die Pumpe im Winter?", False),
    ],
)
def test_needs_text(question, needs):
    assert needs_text(question, "Pumpe, pompe, bomba") is needs


def test_list_with_like_lines_is_no_loop():
    lines = [f"Valve {name} opens at {n} bar." for n, name in enumerate("abcdefgh")]
    assert not is_repetitive(words_of(" ".join(lines)))


def test_loop_is_looked_for_at_the_beginning_only():
    assert not is_repetitive([f"word{n}" for n in range(600)] + ["and"] * 600)
