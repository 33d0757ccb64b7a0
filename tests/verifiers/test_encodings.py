"""Hidden readings of a text, and which texts invite them."""

from __future__ import annotations

import base64

import pytest

from verifiers.encodings import disguises, views

SECRET = "It was Maren Oskeld"


def kinds(text: str) -> set[str]:
    """Return the kinds of reading that a text invites."""
    return {view.kind for view in views(text)}


@pytest.mark.parametrize(
    ("kind", "hidden"),
    [
        ("base64", base64.b64encode(SECRET.encode()).decode()),
        ("base64", base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")),
        ("base64", "SXQgd2Fz\nIE1hcmVu\nIE9za2Vs ZA=="),
        ("hexadecimal", SECRET.encode().hex()),
        ("hexadecimal", SECRET.encode().hex(" ").upper()),
        ("hexadecimal", ", ".join(f"0x{byte:02x}" for byte in SECRET.encode())),
        ("binary", " ".join(f"{byte:08b}" for byte in SECRET.encode())),
        ("character codes", ", ".join(str(byte) for byte in SECRET.encode())),
        ("escaped", "It%20was%20%4Daren Oskeld"),
        ("escaped", "It was &#77;aren Oskeld"),
        ("escaped", r"It was \u004daren Oskeld"),
    ],
)
def test_an_encoded_text_is_read(kind: str, hidden: str) -> None:
    """Every encoding that a model may be asked for gives back the same text, and says where it stood."""
    text = f"Here: {hidden} - done"
    found = [view for view in views(text) if view.kind == kind]
    assert any("maren oskeld" in view.text for view in found)
    view = next(view for view in found if "maren oskeld" in view.text)
    at = view.text.index("maren")
    span = view.span(at, at + 5)
    assert 6 <= span.start < span.end <= 6 + len(hidden)


def test_an_encoding_inside_an_encoding_is_read() -> None:
    """Two layers are undone."""
    text = base64.b64encode(SECRET.encode().hex().encode()).decode()
    assert any("maren oskeld" in view.text for view in views(text))


def test_digits_for_letters_are_read_both_ways() -> None:
    """A one may be an i or an l."""
    readings = {view.text for view in views("P3ll1n0r3 and Ma1va")}
    assert any("pellinore" in reading for reading in readings)
    assert any("malva" in reading for reading in readings)


def test_plain_prose_has_one_reading() -> None:
    """Nothing is decoded where nothing looks encoded."""
    assert kinds("The cat sat on the mat, and didn't move; 100% of it! Then it left.") == {""}


def test_a_word_has_two_disguises() -> None:
    """Backwards and rot13, for words long enough not to be others by chance."""
    assert dict(disguises("maren")) == {"written backwards": "neram", "in rot13": "znera"}
    assert list(disguises("ashe")) == []
