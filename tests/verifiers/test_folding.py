"""Folding and its way back to the original."""

from __future__ import annotations

import pytest

from verifiers.folding import fold, fold_words, phonetic, squeeze
from verifiers.protocol import Span


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("PELLINORE", "pellinore"),
        ("Péllïñorè", "pellinore"),
        ("Pe\u0301llinore", "pellinore"),
        ("Реllіnоrе", "pellinore"),  # Cyrillic Р, е, і, о, е
        ("Ρellinore", "pellinore"),  # Greek capital rho
        ("ｐｅｌｌｉｎｏｒｅ", "pellinore"),
        ("𝐏𝐞𝐥𝐥𝐢𝐧𝐨𝐫𝐞", "pellinore"),
        ("🅟🅔llinore", "pellinore"),
        ("Pel\u200bli\u00adno\u2060re\ufeff", "pellinore"),
        ("\u202ePellinore\u202c", "pellinore"),
        ("Strauß", "strauss"),
        ("Łødź", "lodz"),
    ],
)
def test_writings_that_look_alike_fold_alike(written: str, folded: str) -> None:
    """Case, accents, look-alikes, compatibility forms and invisible characters all vanish."""
    assert fold(written).text == folded


def test_a_place_in_the_folded_text_leads_back_to_the_original() -> None:
    """Invisible and expanding characters shift the places, and the span follows them."""
    written = "a\u200bb ﬁn Straße x"
    view = fold(written)
    at = view.text.index("strasse")
    span = view.span(at, at + len("strasse"))
    assert written[span.start : span.end] == "Straße"


def test_plain_ascii_leads_back_to_itself() -> None:
    """Nothing moves where nothing is removed."""
    assert fold("Abc Def").span(4, 7) == Span(4, 7)


def test_each_ideograph_is_a_word() -> None:
    """Scripts without spaces have no other boundaries."""
    assert fold_words("佩利 ab") == ["佩", "利", "ab"]


def test_words_run_together_when_squeezed() -> None:
    """Only letters and digits are left."""
    assert squeeze("The Glass-Hermit!") == "theglasshermit"


def test_another_script_is_read_by_sound() -> None:
    """Cyrillic that merely spells a name in its own letters is transliterated."""
    assert phonetic("Пеллинор").text == "pellinor"
