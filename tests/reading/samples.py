"""One small file of each format, made here."""

import bz2
import csv
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from email.message import EmailMessage

import docx
import fpdf
import openpyxl
import pptx
import pyarrow as pa
import pyarrow.parquet as pq

WORDS = "The harbour of Lisbon opened in 1852. Ships from Genoa carried grain & salt, 5 < 6."


def make_pdf(*pages):
    pdf = fpdf.FPDF()
    for page in pages:
        pdf.add_page()
        pdf.set_font("Times", size=11)
        for paragraph in page.split("\n\n"):
            pdf.set_font(style="B" if paragraph.startswith("#") else "", size=11)
            pdf.multi_cell(0, 6, paragraph.lstrip("# "), new_x="LMARGIN", new_y="NEXT")
            pdf.ln(6)
    return bytes(pdf.output())


def make_docx():
    document = docx.Document()
    document.add_heading("Ports", 1)
    document.add_paragraph(WORDS)
    for level, text in enumerate(("ships", "sails", "masts"), 1):
        document.add_paragraph(text, style="List Bullet" + (f" {level}" if level > 1 else ""))
    document.add_heading("Trade", 2)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ("good", "price", "grain", "1 | 2"), strict=True):
        cell.text = text
    document.add_paragraph("left\tright")
    return _saved(document.save)


def make_pptx():
    deck = pptx.Presentation()
    for title, lines in (("Ports", ("ships", "sails")), ("Trade", ("grain", "salt"))):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        frame = slide.placeholders[1].text_frame
        frame.text = lines[0]
        below = frame.add_paragraph()
        below.text, below.level = lines[1], 1
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    return _saved(deck.save)


def make_xlsx():
    book = openpyxl.Workbook()
    book.active.title = "Ports"
    for row in (("port", "ships"), ("Lisbon", 12), ("Genoa", 7)):
        book.active.append(row)
    return _saved(book.save)


def make_zip(members, compression=zipfile.ZIP_DEFLATED):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def make_tar(members, mode="w"):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def make_odt():
    office = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
    text = 'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    link = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
    content = (
        f'<?xml version="1.0"?><office:document-content {office} {text} {link}><office:body>'
        '<office:text><text:h text:outline-level="1">Ports</text:h><text:p>See '
        '<text:a xlink:href="http://x.org">the harbour</text:a> of Lisbon.</text:p>'
        "</office:text></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.text"
    return make_zip({"mimetype": kind, "content.xml": content}, zipfile.ZIP_STORED)


def make_epub():
    container = (
        '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<rootfiles><rootfile full-path="book.opf" media-type="application/oebps-package+xml"/>'
        "</rootfiles></container>"
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Ports</dc:title>'
        '<dc:identifier id="id">1</dc:identifier></metadata><manifest><item id="a" '
        'href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>'
    )
    page = (
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Ports</title></head>'
        "<body><h1>Ports</h1><p>The harbour of Lisbon.</p></body></html>"
    )
    return make_zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "book.opf": package,
            "a.xhtml": page,
        }
    )


def make_parquet(rows, column="text"):
    target = io.BytesIO()
    pq.write_table(pa.table({"id": list(range(len(rows))), column: rows}), target)
    return target.getvalue()


def make_csv(rows, delimiter=","):
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=delimiter).writerows(rows)
    return target.getvalue().encode()


def make_jsonl(rows):
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def _make_eml():
    message = EmailMessage()
    message["Subject"], message["From"] = "Ports", "a@example.org"
    message.set_content(WORDS)
    return message.as_bytes()


def _saved(save):
    target = io.BytesIO()
    save(target)
    return target.getvalue()


HTML = f"""<!doctype html><html><head><title>Ports</title><meta name=a content=b></head><body>
<h1>Ports</h1><p>{WORDS.replace("&", "&amp;").replace("<", "&lt;")}</p>
<ul><li>ships<ul><li>sails<ol><li>masts</li></ol></li></ul></li><li>crews</li></ul>
<h2>Trade</h2><table><tr><th>good</th><th>price</th></tr><tr><td>grain</td><td>1 | 2</td></tr></table>
<img alt=map src="data:image/png;base64,AAAA"><pre><code>if a:
    b()</code></pre></body></html>"""
FB2 = (
    '<?xml version="1.0" encoding="utf-8"?><FictionBook xmlns="http://www.gribuser.ru/xml/'
    'fictionbook/2.0"><body><section><title><p>Ports</p></title><p>The harbour of Lisbon.</p>'
    "</section></body></FictionBook>"
)
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Ports\n", "\n", WORDS]},
        {
            "cell_type": "code",
            "metadata": {},
            "source": ["sail()"],
            "outputs": [],
            "execution_count": 1,
        },
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def make_samples():
    """Return a file of each format by its name."""
    rows = [{"text": f"{WORDS} {number}", "id": number} for number in range(4)]
    texts = {"a.txt": WORDS.encode(), "b/c.md": b"# Ports\n\nShips."}
    pages = [f"# Part {number}\n\n{WORDS}\n\n{WORDS[::-1]}" for number in range(3)]
    return {
        "a.txt": f"{WORDS}\n".encode() * 20,
        "a.md": f"# Ports\n\n{WORDS}\n".encode(),
        "a.html": HTML.encode(),
        "a.pdf": make_pdf(*pages),
        "a.docx": make_docx(),
        "a.pptx": make_pptx(),
        "a.xlsx": make_xlsx(),
        "a.odt": make_odt(),
        "a.epub": make_epub(),
        "a.fb2": FB2.encode(),
        "a.rtf": rb"{\rtf1\ansi{\b Ports}\par The harbour of Lisbon.\par}",
        "a.eml": _make_eml(),
        "a.ipynb": json.dumps(NOTEBOOK).encode(),
        "a.csv": make_csv([("id", "text"), *((row["id"], row["text"]) for row in rows)]),
        "a.jsonl": make_jsonl(rows),
        "a.json": json.dumps(rows).encode(),
        "a.parquet": make_parquet([row["text"] for row in rows]),
        "a.zip": make_zip(texts),
        "a.tar": make_tar(texts),
        "a.tar.gz": make_tar(texts, "w:gz"),
        "a.tar.xz": make_tar(texts, "w:xz"),
        "b.txt.gz": gzip.compress(WORDS.encode(), mtime=0),
        "b.txt.bz2": bz2.compress(WORDS.encode()),
        "b.txt.xz": lzma.compress(WORDS.encode()),
        "b.txt.zst": pa.compress(WORDS.encode(), codec="zstd", asbytes=True),
    }
