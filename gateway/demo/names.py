"""Invented names: syllables put together until they are unlike one another. Knows nothing of the world."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import product

from rapidfuzz.distance import Levenshtein

__all__ = ["NameSource"]

_STEMS = {
    "given": (
        "Bri Cor Dal Emb Fen Gor Hes Ild Jor Kav Lum Mir Nev Osk Pel Quin Ros Sab Tiv Ulm Vor Wil Yad Zeph",
        "adra enith ivo olan umel ysa erik onde ailo ettin uvan ismo",
    ),
    "surname": (
        "Ank Bor Cald Drev Ert Fosk Grind Hult Jesk Karv Lind Morv Nask Ost Prend Rusk Skav Tresk Vand Welk",
        "obrisk amond oskeld unden issar emont ovik acrel",
    ),
    "town": (
        "Alder Bram Cresk Dun Eld Grim Hov Kelm Lor Mosk Nar Ovel Pran Sel Tarn Vint",
        "tal wick marsh fjell haven sund",
    ),
    "river": (
        "Abr Cas Driv Ellg Falk Gev Isp Lamm Norv Ord Silv Uvr",
        "erna ode ilke urra",
    ),
    "firm": (
        "Arb Bund Clem Dorr Fand Gall Hamb Jarr Kess Lusk Marl Pett",
        "ock idge aby uster inson elow",
    ),
    "pet": (
        "Bim Cho Dop Fiz Gub Hob Jup Kip Lol Mop Nib Pog Rif Snu Tog Wum Yib Zot",
        "bles ster kin wick ango elo iri",
    ),
    "dish": (
        "brell corrin dassel fennow gartle hoskin lemmer mabbin nettick parl quebbin rissel "
        "sabbick tansel ullet wexel",
        "-soup -pie -dumplings -stew -bread",
    ),
}
"""By kind: first and last syllables, in words; a hyphen stands for a space."""


def _unlike(word: str, others: Iterable[str]) -> bool:
    """No two may be one edit apart, nor one within the other: an oracle reads answers by substring."""
    low = word.casefold()
    return all(
        low not in other and other not in low and Levenshtein.distance(low, other, score_cutoff=1) > 1
        for other in others
    )


class NameSource:
    """Draws names of one kind after another, none like any drawn before."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._drawn: list[str] = []

    def draw(self, kind: str, count: int) -> tuple[str, ...]:
        """Return ``count`` new names. Raises ``ValueError`` when the syllables do not suffice."""
        heads, tails = (syllables.split() for syllables in _STEMS[kind])
        pool = [(head + tail).replace("-", " ") for head, tail in product(heads, tails)]
        self._rng.shuffle(pool)
        chosen: list[str] = []
        for word in pool:
            if len(chosen) == count:
                break
            if _unlike(word, self._drawn):
                chosen.append(word)
                self._drawn.append(word.casefold())
        if len(chosen) < count:
            raise ValueError(f"only {len(chosen)} of {count} names of kind {kind!r} are unlike one another")
        return tuple(chosen)
