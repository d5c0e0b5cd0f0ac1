"""Text is kept to the character, whatever its encoding, and what is no text is told."""

import hashlib
import logging

import pytest

PROSE = "Die Straße führt über die Brücke; später, nach dem Café, geht es links zur Mühle.\n" * 40
RUSSIAN = "Корабли из Генуи везли зерно и соль, а потом ушли на север.\n" * 40


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("é\u0301 漢字 🙂\r\nx\0y, and words".encode(), "é\u0301 漢字 🙂\r\nx\0y, and words"),
        (b"\xef\xbb\xbfwith mark", "with mark"),
        ("wide 🙂".encode("utf-16"), "wide 🙂"),
        (b"\xfe\xff" + "wide".encode("utf-16-be"), "wide"),
        ("wider 🙂".encode("utf-32"), "wider 🙂"),
        (PROSE.encode("cp1252"), PROSE),
        (RUSSIAN.encode("cp1251"), RUSSIAN),
    ],
    ids=["utf-8", "mark", "utf-16", "utf-16-be", "utf-32", "cp1252", "cp1251"],
)
def test_text_is_kept_to_the_character(reader, data, text):
    assert reader.texts("a.txt", data) == [text]


def test_encoding_that_was_guessed_is_logged(reader, caplog):
    with caplog.at_level(logging.INFO):
        reader("a.txt", PROSE.encode("cp1252"))
    assert "read as cp1252" in caplog.text


def test_id_is_the_digest_of_the_file(reader):
    (document,) = reader("a.txt", "Straße\r\n".encode())
    assert document.sha256 == hashlib.sha256("Straße\r\n".encode()).hexdigest()
    assert document.id == document.sha256[:16]


def test_digest_is_of_the_bytes_that_were_read(reader):
    data = "Straße".encode("utf-16")
    (document,) = reader("a.txt", data)
    assert document.sha256 == hashlib.sha256(data).hexdigest()
    assert document.id == hashlib.sha256("Straße".encode()).hexdigest()[:16]


@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_characters_on_the_seams_of_pieces_are_whole(reader, shift):
    text = "x" * shift + "🙂" * 600_000
    assert reader.texts("a.txt", text.encode()) == [text]


def test_byte_far_into_the_file_makes_it_another_encoding(reader):
    text = "plain words in lines\n" * 100_000 + PROSE
    assert reader.texts("a.txt", text.encode("cp1252")) == [text]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bytes(range(256)) * 99, "is not text in UTF-8 (byte 128 of 25344)"),
        (b"\x00\x01\x02\x03", "is not text (4 of 4 are control characters)"),
        (b"\xff\xfex\x00y", "is not text in UTF-16 (byte"),
        ("Straße, Brücke, Mühle".encode() + b"\xfc.", "is not text in UTF-8 (byte 24 of 26)"),
        (b" \n", "has no text"),
        (b"", "has no text"),
    ],
    ids=["bytes", "controls", "half a character", "bad byte", "blank", "empty"],
)
def test_what_is_no_text_is_told(reader, data, message):
    (detail,) = reader.texts("a.txt", data)
    assert detail.startswith(message)


def test_controls_of_a_large_file_are_counted_as_it_is_read(reader):
    (detail,) = reader.texts("a.txt", b"\x01\x02words" * 1_000_000)
    assert "control characters" in detail
