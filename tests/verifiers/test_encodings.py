"""Hidden readings of a text, and which texts invite them."""

from __future__ import annotations

import base64

import pytest

from verifiers.encodings import views

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
        ("invisible characters", "".join(chr(0xE0000 + ord(letter)) for letter in SECRET)),
        ("invisible characters", "x" + "".join(chr(0xE0100 + byte - 16) for byte in SECRET.encode())),
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


@pytest.mark.parametrize(
    ("kind", "hidden"),
    [
        ("tags removed", "".join(f"<c>{letter}</c>" for letter in SECRET)),
        ("base32", base64.b32encode(SECRET.encode()).decode()),
        ("base85", base64.b85encode(SECRET.encode()).decode()),
        ("base85", base64.a85encode(SECRET.encode(), adobe=True).decode()),
        ("octal", " ".join(f"{ord(letter):o}" for letter in "marenoskeld")),
        ("numbered letters", " ".join(str(ord(letter) - 96) for letter in "marenoskeld")),
        ("numbered letters", "-".join(str(ord(letter) - 96) for letter in "marenoskeld")),
        ("Morse", "-- .- .-. . -. / --- ... -.- . .-.. -.."),
        ("spelling alphabet", "Mike Alfa Romeo Echo November Oscar Sierra Kilo Echo Lima Delta"),
        ("single letters", "M as in map, A, R as in red, E, N. Then O, S, K, E, L and D"),
        ("single letters", "\n".join(f"{n}. {letter}" for n, letter in enumerate("marenoskeld"))),
    ],
)
def test_a_text_hidden_letter_by_letter_is_read(kind: str, hidden: str) -> None:
    """Run together, it holds the name, and leads back to where it stood."""
    text = f"here: {hidden} - done"
    found = [view for view in views(text) if view.kind == kind]
    assert any("marenoskeld" in "".join(view.words()) for view in found)
    start = min(view.span(at, end).start for view in found for at, end in view.bounds())
    assert start == (0 if kind == "tags removed" else (9 if hidden.startswith("0.") else 6))


@pytest.mark.parametrize("text", ["Wait ... and - then - go.", "- a\n- b\n- it's", "1, 2, 3 and 4 of 5. A tango!"])
def test_what_only_resembles_a_cipher_has_one_reading(text: str) -> None:
    """Dots, bullets and numbers of prose."""
    assert kinds(text) == {""}
