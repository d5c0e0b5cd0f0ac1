"""What gives a pair away, by its words: traces of the prompt, of JSON, of the text it was made from.

English, German, French, Spanish and Italian, since models write in the language of their text.
"""

import re


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE | re.MULTILINE)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TEXT = (
    r"(?:text|passage|excerpt|paragraph|section|document|article|chapter|context|extract|snippet"
    r"|table|figure|list|example|information|content|sentence|author|writer|source|material)s?"
)
_POINTING = r"(?:(?:above|given|following|provided|preceding|previous|accompanying)\s+)"
_SAID = r"(?:stated|described|mentioned|explained|shown|noted|given|discussed)"
_TEXT_DE = (
    r"(?:texte?s?|textes|abschnitte?s?|passagen?|auszuge?s?|auszug|dokumente?s?|artikels?|absatz(?:es)?"
    r"|tabelle|autors?|autorin|kapitels?)"
)
_TEXT_FR = r"(?:texte|passage|extrait|paragraphe|section|document|article|chapitre|tableau|auteur|contexte)"
_TEXT_ES = (
    r"(?:texto|pasaje|extracto|párrafo|sección|documento|artículo|capítulo|tabla|autor|contexto)"
)
_TEXT_IT = r"(?:testo|brano|passaggio|estratto|paragrafo|sezione|documento|articolo|tabella|autore)"

POINTS_AT_TEXT = _any(
    # "the passage above", "the given text", "this excerpt"
    rf"\b(?:the|this|that|these|those)\s+{_POINTING}{_TEXT}\b",
    rf"\bthe\s+(?:\w+\s+)?(?:{_TEXT}|answers?|questions?)\s+(?:above|below|provided|given)\b",
    rf"\b(?:in|from|by|of|to|on|does|do|is|did|with|under)\s+this\s+{_TEXT}\b",
    rf"\bthis\s+{_TEXT}\b",
    rf"\b(?:according to|based (?:up)?on|as {_SAID} (?:in|by)|{_SAID} in)\s+the\s+{_TEXT}\b",
    r"\b(?:the|this)\s+(?:passage|excerpt|snippet|extract)\b",
    rf"\b(?:in|from)\s+the\s+(?:text|{_TEXT}\s+(?:above|below))\b",
    r"\b(?:does|do|did|is|are|was|has|by|what)\s+the\s+(?:text|author|writer|article|passage)\b"
    r"(?!\s+(?:area|box|colou?r|column|editor|field|file|message|mode|number|size)s?\b)",
    r"\bthe\s+(?:first|second|third|fourth|last|final|opening|next|previous)\s+(?:paragraph|sentence)\b",
    r"\b(?:is|are|was|were)\s+(?:mentioned|described|discussed|listed|given|shown)\s+(?:here|above|below)\b",
    # German
    rf"\b(?:laut|gemäß|nach|im|in|aus)\s+(?:dem|den|der|diesem|dieser|obigem|obiger|vorliegenden)?\s*(?:obigen\s+|vorliegenden\s+|gegebenen\s+)?{_TEXT_DE}(?:\s+zufolge)?\b",
    rf"\b(?:diese[rsmn]?|obige[rsmn]?|vorliegende[rsmn]?)\s+{_TEXT_DE}\b",
    rf"\b(?:sagt|meint|beschreibt|behandelt|zeigt|erklärt)\s+(?:der|die|das)\s+{_TEXT_DE}\b",
    rf"\bder\s+{_TEXT_DE}\s+zufolge\b",
    # French
    rf"\b(?:selon|d['’]après|dans|de|sur)\s+(?:l['’]|le\s+|la\s+|ce\s+|cet\s+|cette\s+){_TEXT_FR}\b",
    rf"\bce(?:t|tte)?\s+{_TEXT_FR}\b",
    rf"\b(?:dit|mentionne|décrit|montre|explique)(?:-t-(?:il|elle))?\s+(?:l['’]|le\s+|la\s+){_TEXT_FR}\b",
    rf"\b(?:le|la|l['’])\s*{_TEXT_FR}\s+(?:ci-dessus|ci-dessous|fourni|donné)e?\b",
    rf"\bque\s+(?:dit|mentionne|décrit|montre)\s+l[ea'’]\s*{_TEXT_FR}\b",
    # Spanish, Italian
    rf"\b(?:según|en|de)\s+(?:el|la|este|esta|dicho)\s+{_TEXT_ES}\b",
    rf"\b(?:secondo|nel|nella|di|in)\s+(?:il|la|lo|questo|questa|quest['’])?\s*{_TEXT_IT}\b",
)
"""A question that only makes sense to somebody who has the text before them."""

CERTAIN = re.compile(
    rf"\b{_POINTING}{_TEXT}\b|\b\w+\s+(?:above|below|provided|ci-dessus|ci-dessous)\b"
    r"|\b(?:passage|excerpt|snippet|extrait|auszug|extracto)\b|\bthis\s|\baccording to the (?:text|author)\b"
    r"|\b(?:obige|vorliegende)[rsmn]?\b|\bd['’]après le (?:texte|passage)\b|\blaut (?:dem )?text\b",
    re.IGNORECASE,
)
"""Of those, what points at the text even where the text is about texts, sections or authors."""

LEAKED = _any(
    r"[\"'“]?(?:question|answer|pairs|qa_pairs|reasoning)[\"'”]\s*:",
    r"\{\s*[\"“]\w+[\"”]\s*:.{0,2000}[\"“](?:question|answer)[\"”]",
    r"[\"”]\s*\}\s*,\s*\{\s*[\"“]|\A[^{]*[\"”]\s*\}\s*\]?\s*\}?\s*\Z",
    r"<\|[^|<>\n]{1,40}\|>|\[/?INST\]|</?s>|<<?/?SYS>?>|<(?:start|end)_of_turn>|<unk>|<pad>",
    r"```\s*json",
    r"\A\s*\(?\d{1,2}[.)]\s+\w+(?=\s+\w+.*\?\s*\Z)",
    r"\bas an? (?:ai|artificial intelligence)(?: language)? (?:model|assistant)\b",
    r"\bas a (?:large )?language model\b",
    r"\bhere (?:is|are) (?:\w+ )?(?:\d+ |some |the |an? )?(?:\w+ )?(?:questions?|pairs?|q&a|answers?)\b",
    r"\bquestion[- ](?:and[- ])?answer pairs?\b",
    r"^\W*(?:sure|certainly|of course|okay)\b[!,.:]",
    r"^\W*(?:question|answer|q|a|frage|antwort|réponse)\s*\d*\s*[:.)]\s",
    r"\b(?:question|frage)\s*\d*\s*:\s",
    r"[.!?]\s+(?:answer|antwort|réponse)\s*\d*\s*:\s",
    r"\b(?:based on|using|from|about) the (?:text|passage|context) above\b",
    r"\bwrite (?:\d+|some|the|a|more)\s+(?:\w+ )?(?:questions?|pairs?)\b",
    r"\breply with json\b|\bjson (?:only|format|array|object)s?\b.{0,40}\b(?:pairs?|questions?)\b",
    r"\{\{|\}\}|\{%|%\}",
)
"""What stands in prompts, in the form of replies and in chat templates."""

NOTHING = _set("""
n/a na none null nil nan unknown tbd empty blank string answer question ... … - -- — ? ?? not_applicable
not_available not_specified not_mentioned no_answer not_provided not_given nicht_verfügbar keine_angabe
k.a. aucune_réponse sans_objet ninguna
""")
"""Answers that say that there is none; blanks in them are written as ``_``."""

CLOSED_ASKING = _set("""
is are was were do does did can could may might must shall should will would has have had est-ce
""")
"""Words that ask for yes or no."""

OPEN_ASKING = _set("""
what when where who whom whose which why how
wann wo wer wen wem wessen welche welcher welches welchen welchem warum weshalb wieso wie wieviel wofür
womit wodurch woran woraus worin wohin woher wozu worauf worum
que quoi qui quel quelle quels quelles quand où pourquoi comment combien lequel laquelle
qué cuál cuáles quién quiénes cuándo dónde cuánto cuántos cuánta cuántas cómo
che cosa chi quando dove perché quanto quanti quale quali qual onde quem como
wat waar waarom hoe welk welke
""")
"""Words that ask for more than yes or no; German has "was", too, which in English does not."""

ASKING = OPEN_ASKING | CLOSED_ASKING

REQUESTING = _set("""
explain describe list name give compare summarise summarize define state outline tell discuss identify
calculate show illustrate contrast mention write provide specify clarify elaborate distinguish evaluate
analyse analyze enumerate differentiate justify interpret suggest sketch recount translate convert find
determine compute arrange order rank classify categorise categorize choose select
erkläre erklären erläutere erläutern beschreibe beschreiben nenne nennen liste vergleiche vergleichen gib
geben definiere zähle fasse begründe bestimme berechne skizziere zeige
expliquez explique décrivez décris citez cite donnez donne nommez nomme comparez compare énumérez
définissez résumez indiquez précisez listez présentez
describa enumera compara define nombra indica da resume menciona
spiega descrivi elenca confronta definisci nomina
""")
"""Words with which a request begins."""

CHOICES = _set("or oder ou o either")

QUANTITIES = _set("""
1 one ein eine einen un une uno una all both none no not neither never always any some every each yes once twice half most few many
ja nein nicht alle beide keine keiner nie immer oui non ne pas jamais toujours tous toutes sí todos todas
ambos nunca siempre
""")
"""Words that are usual, and an answer nevertheless."""

AGREEING = _set("yes no ja nein oui non sí si no doch")
"""Answers that say what the question does, or its contrary."""

DECIDING = (
    OPEN_ASKING | QUANTITIES | _set("from to without von aus ohne depuis sans desde sin da senza")
)
"""Usual words by which two questions may differ."""

UNENDING = _set("""
the a an and or of to in for with at by from on as is are was were that which because if when while than
but into its their his her this these those be been has have had not so such very until before after
between through during der die das den dem des ein eine einen einem einer und oder von zu mit bei für auf
aus als dass weil wenn sich im am zum zur le la les un une et ou de du à au aux que qui dans pour par sur
avec el los las y o del al con por para di il lo gli e una della
""")
"""Words that no sentence ends with; some do, so they count only where no stop follows."""
