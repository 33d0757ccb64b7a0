# ruff: noqa: RUF001 - look-alike letters are the subject of this file
"""Letters that look like Latin ones, and the Latin ones they pass for. Knows no words."""

from __future__ import annotations

__all__ = ["LOOKALIKES"]

# Cyrillic, Greek, Armenian, Cherokee, Lisu, small capitals, barred and turned letters, by the Latin letter that
# they resemble. Cyrillic and Armenian capitals go with their small letters: a name folds alike in any case.
_BY_LATIN = {
    "a": "аАαΑɑᴀꓮᎪ⍺ɐ",
    "ae": "æÆӕӔ",
    "b": "вВьЬβΒʙꓐᏴƅƄ",
    "c": "сСϲϹᴄꓚᏟɔ",
    "d": "ԁԀᴅꓓᎠđĐɖðÐ",
    "e": "еЕεΕєЄᴇꓰᎬҽҼɛƐǝ",
    "f": "ꜰꓝƒϜẝɟ",
    "g": "ɡɢԍԌꓖᏀցɠƃᵷ",
    "h": "һҺнНΗʜꓧᎻհħĦɥ",
    "i": "іІιΙıɪꓲᎥɩӀɨᴉ",
    "j": "јЈϳᴊꓙᎫɾ",
    "k": "кКκΚᴋꓗᏦʞ",
    "l": "ӏʟꓡᏞłŁǀןꞁ",
    "m": "мМΜᴍꓟᎷɯ",
    "n": "пПηΝոɴꓠŋ",
    "o": "оОοΟσօՕᴏꓳøØჿ",
    "oe": "œŒ",
    "p": "рРρΡᴘꓑᏢ",
    "q": "ԛԚզ",
    "r": "гГʀꓣᏒᴦɹ",
    "s": "ѕЅꜱꓢᏚʂ",
    "t": "тТτΤᴛꓔᎢŧŦʇ",
    "th": "þÞ",
    "u": "υսՍᴜꓴʋ",
    "v": "νѵѴᴠꓦᏙʌ",
    "w": "ԝԜωᴡꓪᎳѡшШʍ",
    "x": "хХχΧꓫ",
    "y": "уУγүҮΥʏꓬყʎ",
    "z": "ᴢΖꓜᏃʐ",
}
# Negative circled, negative squared and regional-indicator letters have no compatibility decomposition.
_ALPHABETS = (0x1F150, 0x1F170, 0x1F1E6)


def _table() -> dict[str, str]:
    table = {lookalike: latin for latin, lookalikes in _BY_LATIN.items() for lookalike in lookalikes}
    for first in _ALPHABETS:
        table.update({chr(first + n): chr(ord("a") + n) for n in range(26)})
    return table


LOOKALIKES = _table()
"""Look-alike to lower-case Latin, one or two letters."""
