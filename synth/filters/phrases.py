"""What gives a pair away, by its words: traces of the prompt, of JSON, of a sentence that goes on.

English, German, French, Spanish and Italian, since models write in the language of their text.
"""

import re
from collections.abc import Mapping


def any_of(*patterns: str) -> re.Pattern[str]:
    """Return what finds any of some patterns, whatever their case."""
    return re.compile("|".join(patterns), re.IGNORECASE | re.MULTILINE)


def word_set(words: str) -> frozenset[str]:
    """Return words as a set."""
    return frozenset(words.split())


_PAIRS = (
    r"(?:questions?|fragen?|preguntas?|domand[ae]|paires?|pares|coppi[ae]|frage-antwort-paare?)"
)

_ASKED = r"(?:question|frage|pregunta|domanda)"
_ANSWERED = r"(?:answer|antwort|réponse|respuesta|risposta)"

LEAKED = any_of(
    r"[\"'“]?(?:question|answer|pairs|qa_pairs|reasoning)[\"'”]\s*:",
    r"\{\s*[\"“]\w+[\"”]\s*:.{0,2000}[\"“](?:question|answer)[\"”]",
    r"[\"”]\s*\}\s*,\s*\{\s*[\"“]|\A[^{]*[\"”]\s*\}\s*\]?\s*\}?\s*\Z",
    r"<\|[^|<>\n]{1,40}\|>|\[/?INST\]|</?s>|<<?/?SYS>?>|<(?:start|end)_of_turn>|<unk>|<pad>",
    r"```\s*json",
    r"\A\s*\(?\d{1,2}[.)]\s+\w+(?=\s+\w+.*\?\s*\Z)",
    r"\bas an? (?:ai|artificial intelligence)(?: language)? (?:model|assistant)\b",
    r"\bas a (?:large )?language model\b",
    r"\bhere (?:is|are) (?:\w+ )?(?:\d+ |some |the |an? )?(?:\w+ )?(?:questions?|pairs?|q&a|answers?)\b",
    rf"^\W*(?:voici|hier (?:ist|sind)|aquí (?:tienes?|están?)|ecco)\b.{{0,40}}\b{_PAIRS}\b",
    r"\bquestion[- ](?:and[- ])?answer pairs?\b",
    r"^\W*(?:sure|certainly|of course|okay)\b[!,.:]",
    rf"^\W*(?:q|a|{_ASKED}|{_ANSWERED})\s*\d*\s*[:.)]\s",
    rf"\b{_ASKED}\s*\d*\s*:\s",
    rf"[.!?]\s+{_ANSWERED}\s*\d*\s*:\s",
    rf"^#+\s*(?:{_ASKED}|{_ANSWERED}|response|instructions?|context|input|output)\b",
    r"^\W*(?:context|instructions?|input|output|response)\s*:\s",
    r"\b(?:based on|using|from|about) the (?:text|passage|context) above\b",
    r"\b(?:only|solely) (?:on|from|using) the (?:\w+ )?(?:text|passage|context|information)\b",
    r"\bwrite \w+\s+(?:\w+ )?(?:questions?|pairs?)\b",
    r"\breply with json\b|\bjson (?:only|format|array|object)s?\b.{0,40}\b(?:pairs?|questions?)\b",
    r"\{\{|\}\}|\{%|%\}",
    # a request for pairs, and what it says of text and answer
    rf"\b(?:generate|générez?|rédigez?|formulez?|erstellen?|formulieren?|genere|genera|redacta"
    rf"|formula)\s+(?:\w+\s+){{0,2}}{_PAIRS}\b",
    rf"\b(?:escrib[ea]|scrivi|schreiben?|écri[st]|écrivez)\s+(?:\d+|\w{{1,4}})\s+{_PAIRS}\b",
    r"\b(?:texte?|extrait|passage|contexte?|texto|fragmento|pasaje|contexto|testo|brano|contesto|kontext)"
    r"\s+(?:ci-dessus|fournie?|proporcionado|fornito|bereitgestellt\w*|provided)\b",
    r"\b(?:the answer (?:must|should)|la réponse doit|la respuesta debe|la risposta deve"
    r"|die antwort (?:muss|soll))\s+(?:\w+\s+){0,2}(?:based|contain|use|fond|bas|conten|auf)",
)
"""What stands in prompts, in the form of replies and in chat templates."""

NOTHING = word_set("""
n/a na none null nil nan unknown tbd empty blank string answer question ... … - -- — ? ?? not_applicable
not_available not_specified not_mentioned no_answer not_provided not_given nicht_verfügbar keine_angabe
k.a. aucune_réponse sans_objet ninguna
""")
"""Answers that say that there is none; blanks in them are written as ``_``."""

CLOSED_ASKING = word_set("""
is are was were do does did can could may might must shall should will would has have had est-ce
""")
"""Words that ask for yes or no."""

OPEN_ASKING = word_set("""
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

REQUESTING = word_set("""
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

CHOICES = word_set("or oder ou o either")

QUANTITIES = word_set("""
1 one ein eine einen un une uno una all both none no not neither never always any some every each yes once twice half most few many
ja nein nicht alle beide keine keiner nie immer oui non ne pas jamais toujours tous toutes sí todos todas
ambos nunca siempre
""")
"""Words that are usual, and an answer nevertheless."""

AGREEING = word_set("yes no ja nein oui non sí si no doch")
"""Answers that say what the question does, or its contrary."""

DECIDING = (
    OPEN_ASKING
    | QUANTITIES
    | word_set("from to without von aus ohne depuis sans desde sin da senza")
)
"""Usual words by which two questions may differ."""

EMPTY_WORDS = word_set("""
had has have did does was were dazu damit dafür daran darauf darin daraus darum davon dahin hat hatte haben
wird wurde fait faut hace hizo fa
""")
"""Words that add nothing to a question that is said again."""

PARTICLES = word_set("on in")
"""Of those below, words with which a short answer may end: "when the lamp is on"."""

UNENDING: Mapping[str, frozenset[str]] = {
    "en": word_set("""
the a an and or of to in for with at by from on as is are was were that which because if when while than
but into its their his her this these those be been has have had not so such very until before after
between through they he we who whose where will would should could may might about every each
"""),
    "de": word_set("""
der die das den dem des ein eine einen einem einer eines und oder von zu mit bei für auf aus als dass weil
wenn sich im am zum zur in an nach über unter sowie sondern ob damit deren dessen seine ihre
"""),
    "fr": word_set("""
le la les un une des et ou de du à au aux que qui dans pour par sur avec en ce cette ces son sa ses leur
leurs il elle ils elles est sont se ne si dont où afin
"""),
    "es": word_set("""
el la los las un una y o de del al a que con por para en su sus se lo es son como si cuando donde
"""),
    "it": word_set("""
il lo la i gli le un uno una e o di del dello della dei degli delle al alla ai alle da dal dalla in nel
nella con su per che si è sono come se quando dove
"""),
}
"""Words that no sentence of a language ends with; some do, so they count only where no stop follows."""
