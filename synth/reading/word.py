"""A DOCX as HTML.

Read by mammoth: kreuzberg 4.10 drops ``&``, ``<``, ``>`` and tabs of Word documents, and the levels
of their lists. Formulas, which mammoth passes over, are kept as plain characters.
"""

import io
import re
import zipfile

_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Quote'] => blockquote > p:fresh
p[style-name='Intense Quote'] => blockquote > p:fresh
p[style-name='Block Text'] => blockquote > p:fresh
p[style-name='Source Code'] => pre:separator('\\n')
p[style-name='HTML Preformatted'] => pre:separator('\\n')
p[style-name='List Bullet 2'] => ul|ol > li > ul > li:fresh
p[style-name='List Bullet 3'] => ul|ol > li > ul|ol > li > ul > li:fresh
p[style-name='List Number 2'] => ul|ol > li > ol > li:fresh
p[style-name='List Number 3'] => ul|ol > li > ul|ol > li > ol > li:fresh
r[style-name='Verbatim Char'] => code
r[style-name='HTML Code'] => code
"""
_MAIN = "word/document.xml"
_FORMULA = re.compile(rb"<m:oMath(?:\s[^>]*)?>(.*?)</m:oMath>", re.DOTALL)
_FORMULA_PARTS = re.compile(rb"<m:t(?:\s[^>]*)?>([^<]*)</m:t>")
_AROUND_FORMULAS = re.compile(rb"</?m:oMathPara>|<m:oMathParaPr>.*?</m:oMathParaPr>", re.DOTALL)


def word_to_html(data: bytes) -> str:
    """Return the main text of a document, with its footnotes and without pictures.

    Raises:
        Exception: of many kinds, if it is broken.
    """
    import mammoth

    result = mammoth.convert_to_html(
        io.BytesIO(_rewrite_formulas(data)),
        style_map=_STYLES,
        convert_image=lambda _: [],
    )
    return str(result.value)


def _rewrite_formulas(data: bytes) -> bytes:
    """Return the file with its formulas as text; the same one if it has none."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        xml = archive.read(_MAIN)
        if b"<m:oMath" not in xml:
            return data
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as changed:
            for name in archive.namelist():
                content = _spell_formulas(xml) if name == _MAIN else archive.read(name)
                changed.writestr(name, content)
    return target.getvalue()


def _spell_formulas(xml: bytes) -> bytes:
    return _FORMULA.sub(_spell, _AROUND_FORMULAS.sub(b"", xml))


def _spell(formula: re.Match[bytes]) -> bytes:
    letters = b"".join(_FORMULA_PARTS.findall(formula[1]))
    return b'<w:r><w:t xml:space="preserve">' + letters + b"</w:t></w:r>"
