"""Tests for the tokens that a ban refuses, against asking the ban about every token."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from gateway.upstream.bans import Bans
from gateway.upstream.vocabulary import Vocabulary

BANS = Bans(("Maren Oskeld", "Seltal", "éclair", "strasse", "no"))
BYTES = [bytes([byte]) for byte in range(256)]
PIECES = [
    *(
        "Sel",
        "tal",
        " Selt",
        "SELTAL",
        "el",
        "l fair",
        " selta",
        "Mar",
        "en",
        " Os",
        "keld",
        "keld.",
        " ",
        "  ",
        "\n ",
    ),
    *("en Os", " Maren", "Oskel", "é", "cla", "É", "ß", "stra", "e no", "o", "n", "N", ".", "alt", "seltals"),
]
TOKENS = [*BYTES, *(piece.encode() for piece in PIECES), "lé".encode()[:2], b""]


def decode(ids: Sequence[int]) -> str:
    """Join bytes, as byte-level tokenizers do; the last token is a special one, which writes nothing."""
    return b"".join(TOKENS[token] for token in ids).decode(errors="replace")


def decode_without_first_blank(ids: Sequence[int]) -> str:
    """Join pieces and drop the first blank, as tokenizers with marks for blanks do."""
    return decode(ids).removeprefix(" ")


@pytest.mark.parametrize("write", [decode, decode_without_first_blank])
@pytest.mark.parametrize("seed", range(6))
def test_exactly_the_tokens_are_refused_after_which_the_text_may_not_stand(write, seed) -> None:
    """Over answers drawn from pieces of the banned words, with blanks, capitals and halves of characters."""
    vocabulary, chance = Vocabulary(write, len(TOKENS)), Random(seed)
    likely = [token for token, text in enumerate(TOKENS) if len(text) > 1 or text in b" nolaSs\xc3\xa9\x9f"]
    refusals = 0
    for _ in range(12):
        written: list[int] = []
        for _ in range(8):
            refused = vocabulary.refused(BANS, written)
            tail = written[-BANS.reach :]
            asked = [token for token in range(len(TOKENS)) if not BANS.allow(write([*tail, token]))]
            assert asked == refused
            refusals += len(refused)
            written.append(chance.choice([token for token in likely if token not in refused]))
    assert refusals > 100


def test_a_token_that_completes_a_letter_is_refused_where_the_letter_completes_the_word() -> None:
    """The first byte of é may stand; its second, and that of the capital, may not."""
    vocabulary, bans = Vocabulary(decode, len(TOKENS)), Bans(("né",))
    assert 0xC3 not in vocabulary.refused(bans, [ord("n")])
    assert [0x89, 0xA9] == vocabulary.refused(bans, [ord("n"), 0xC3])


def test_without_bans_nothing_is_refused() -> None:
    """An empty ban costs nothing."""
    assert [] == Vocabulary(decode, len(TOKENS)).refused(Bans(), [1, 2])
