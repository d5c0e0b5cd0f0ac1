"""Questions that only somebody can answer who has their text before them.

They speak of the text itself ("the passage above"), refer back to it ("as mentioned"), or begin with
"this clause" or "he" where nothing has been spoken of before.
"""

import re

from synth.filters.phrases import ASKING, any_of, word_set
from synth.filters.words import words_of

_TEXT = (
    r"(?:text|passage|excerpt|paragraph|section|document|article|chapter|context|extract|snippet"
    r"|table|figure|list|example|information|content|sentence|author|writer|source|material)s?"
)
_POINTING = r"(?:(?:above|given|following|provided|preceding|previous|accompanying)\s+)"
_SAID = r"(?:stated|described|mentioned|explained|shown|noted|given|discussed|listed)"
_TEXT_DE = (
    r"(?:texte?s?|textes|abschnitte?s?|passagen?|auszuge?s?|auszug|dokumente?s?|artikels?|absatz(?:es)?"
    r"|tabelle|autors?|autorin|kapitels?)"
)
_TEXT_FR = r"(?:texte|passage|extrait|paragraphe|section|document|article|chapitre|tableau|auteur|contexte)"
_TEXT_ES = (
    r"(?:texto|pasaje|extracto|párrafo|sección|documento|artículo|capítulo|tabla|autor|contexto)"
)
_TEXT_IT = r"(?:testo|brano|passaggio|estratto|paragrafo|sezione|documento|articolo|tabella|autore)"

_BACK_DE = r"(?:oben|zuvor|vorhin|bereits|vorstehend)"
_BACK_IT = r"(?:sopra|prima|in precedenza|precedentemente)"
_BACK_ES = r"(?:arriba|antes|anteriormente|previamente)"

CERTAIN = any_of(
    # "the passage above", "the given text", "this excerpt", "as mentioned"
    rf"\b(?:the|this|that|these|those)\s+{_POINTING}{_TEXT}\b",
    rf"\bthe\s+(?:\w+\s+)?(?:{_TEXT}|answers?|questions?)\s+(?:above|below|provided)\b",
    rf"\bthis\s+{_TEXT}\b|\b(?:the|this)\s+(?:passage|excerpt|snippet)\b",
    r"\baccording to (?:the (?:text|author)\b|(?:this|these)\s+\w+)",
    rf"\bas\s+(?:(?:was|is|were)\s+)?{_SAID}\s*(?:,|above|below|earlier|before|previously|here)",
    rf"\b{_SAID}\s+(?:above|below|earlier|previously|here|herein)\b",
    r"\bthe\s+(?:above|aforementioned|above-mentioned)\s+\w+",
    r"\b(?:which|what|welche[rs]?|lequel|laquelle|cuál(?:es)?|quale|quali) (?:one )?(?:of the following|der"
    r" folgenden|des suivant|de l[oa]s siguientes|dei seguenti|delle seguenti)(?![^?]*:)",
    # German
    rf"\bobige[nrsm]?\s+\w+|\bvorliegende[rsmn]?\s+{_TEXT_DE}\b",
    r"\blaut (?:dem )?text\b|\b(?:laut|gemäß) diese[mnrs]?\s+\w+|\b(?:im|dem|diesem)\s+auszug\b",
    rf"\b{_BACK_DE}\s+(?:genannt|erwähnt|beschrieben|gezeigt|aufgeführt)\w*",
    r"\bwie\s+(?:schon\s+)?(?:erwähnt|beschrieben|gesagt|genannt)\b",
    # French
    rf"\b(?:le|la|l['’])\s*{_TEXT_FR}\s+(?:ci-dessus|ci-dessous)\b|\b(?:l['’]|cet\s+)extrait\b",
    r"\bd['’]après le (?:texte|passage)\b|\b(?:dans|selon|de|sur)\s+(?:le|ce)\s+passage\b|\bce\s+passage\b",
    r"\b(?:selon|d['’]après) (?:cet?|ces|cette)\s+\w+",
    r"\bcomme\s+(?:mentionné|indiqué|décrit|dit|précisé)e?s?\s*(?:,|plus haut|ci-dessus|précédemment)",
    r"\b(?:mentionné|indiqué|décrit|cité)e?s?\s+(?:plus haut|ci-dessus|ci-dessous|précédemment)\b",
    # Spanish
    r"\b(?:según|de acuerdo con) est[aeo]s?\s+\w+|\b(?:el|este|dicho)\s+extracto\b",
    rf"\b(?:mencionad|indicad|descrit|citad|señalad)[oa]s?\s+(?:más\s+)?{_BACK_ES}\b",
    r"\bcomo se (?:menciona|indica|describe|señala|ha (?:dicho|mencionado|indicado))\s*(?:,|arriba|antes)",
    r"\b(?:fragmento|texto|pasaje|párrafo|extracto)\s+(?:anterior|proporcionado|dado|siguiente)\b",
    # Italian
    r"\b(?:secondo|in base a) quest[aoei]\s+\w+|\bquest[ao] (?:ricetta|guida|pagina|lettera|storia)\b",
    rf"\bcome\s+(?:indicato|detto|menzionato|descritto|riportato|accennato)\s*(?:,|{_BACK_IT})",
    rf"\b(?:indicat|dett|menzionat|descritt|riportat|citat)[oaie]\s+{_BACK_IT}\b|\bdi cui sopra\b",
)
"""What points at the text, or back to what was said, whatever the text is about."""

LIKELY = any_of(
    rf"\bthe\s+(?:\w+\s+)?(?:{_TEXT}|answers?|questions?)\s+given\b",
    rf"\b(?:according to|based (?:up)?on|as {_SAID} (?:in|by)|{_SAID} in)\s+the\s+{_TEXT}\b",
    r"\b(?:the|this)\s+extract\b|\b(?:in|from)\s+the\s+text\b",
    r"\b(?:does|do|did|is|are|was|has|by|what)\s+the\s+(?:text|author|writer|article)\b"
    r"(?!\s+(?:area|box|colou?r|column|editor|field|file|message|mode|number|size)s?\b)",
    r"\bthe\s+(?:first|second|third|fourth|last|final|opening|next|previous)\s+(?:paragraph|sentence)\b",
    # German
    rf"\b(?:laut|gemäß|nach|im|in|aus)\s+(?:dem\s+|den\s+|der\s+|diesem\s+|dieser\s+)?(?:gegebenen\s+)?{_TEXT_DE}\b",
    rf"\bdiese[rsmn]?\s+{_TEXT_DE}\b|\bder\s+{_TEXT_DE}\s+zufolge\b",
    rf"\b(?:sagt|meint|beschreibt|behandelt|zeigt|erklärt)\s+(?:der|die|das)\s+{_TEXT_DE}\b",
    # French
    rf"\b(?:selon|d['’]après|dans|de|sur)\s+(?:l['’]|le\s+|la\s+){_TEXT_FR}\b|\bce(?:t|tte)?\s+{_TEXT_FR}\b",
    rf"\b(?:dit|mentionne|décrit|montre|explique)(?:-t-(?:il|elle))?\s+(?:l['’]|le\s+|la\s+){_TEXT_FR}\b",
    rf"\b(?:le|la|l['’])\s*{_TEXT_FR}\s+(?:fourni|donné)e?\b",
    # Spanish, Italian
    rf"\b(?:según|en|de)\s+(?:el|la|este|esta|dicho)\s+{_TEXT_ES}\b",
    rf"\b(?:secondo|nel|nella|di|in)\s+(?:il|la|lo|questo|questa|quest['’])?\s*{_TEXT_IT}\b",
)
"""What does so unless the text itself is about texts, sections or authors."""

POINTING = re.compile(
    r"\A\W*(?:[\w'-]+\s+){0,4}?(?:this|these)\s+(?P<noun>\w+)"
    r"|\A\W*(?:\w+\s+(?-i:[a-z]+\s+){0,3})?(?:did|do|does|is|are|was|were|has|had|have|can|could|will"
    r"|would|should|must|may)\s+(?:he|she|they|it(?!\s+(?:take|cost|rain|snow)\b|.*\s(?:to|that|if|when|for"
    r"|after|before|until|while|in|on|at)\s))\b",
    re.IGNORECASE,
)
"""The beginning of a question that points at what was not spoken of before."""

TIMES = word_set("""
year years month months week weeks day days morning afternoon evening night season seasons century decade
time times moment way ways is are was were does do has have can will
""")
"""What "this" goes with that everybody knows."""


def needs_text(question: str, text: str) -> bool:
    """Return whether a question speaks of the text that it was made from, or points into it.

    Where the text itself is about authors, sections or documents, only what can mean nothing else
    counts.
    """
    if CERTAIN.search(question) or _points_at_nothing(question):
        return True
    for found in LIKELY.finditer(question):
        nouns = [word for word in words_of(found[0]) if len(word) > 3 and word not in ASKING]
        if not nouns or nouns[-1] not in text.casefold():
            return True
    return False


def _points_at_nothing(question: str) -> bool:
    if (found := POINTING.match(question)) is None:
        return False
    return found["noun"] is None or found["noun"].casefold() not in TIMES
