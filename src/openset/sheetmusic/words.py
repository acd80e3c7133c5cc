"""Made-up text in 28 scripts: a short English word list, pseudo-words of every script's own letters, names, numbers.

Letters have Zipf-like frequencies: a page shows few letters often, as real pages do. The text means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_ENGLISH_TEXT = """
the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which
one you were her all she there would their we him been has when who will more no if out so said what up its
about into than them can only other new some could time these two may then do first any my now such like our
over man me even most made after also did many before must through back years where much your way well down
should because each just those people how too little state good very make world still own see men work long get
here between both life being under never day same another know while last might us great old year off come since
against go came right used take three water house light night summer winter river mountain letter school window
garden paper number system method result energy history nature question answer machine picture colour music
village captain journey kingdom morning evening silver iron copper marble chapter volume figure table section
theory measure pressure current surface element society government committee department account balance amount
total price quality market company report meeting minister parliament country border harbour engine railway
station bridge church tower castle forest valley island ocean weather temperature direction observation
experiment hypothesis nevertheless consequently particular considerable extraordinary circumstances
understanding representation development international
"""
ENGLISH = _ENGLISH_TEXT.split()
_SYLLABLES_TEXT = """
ba be bo ca ce chi da de do el en er es fa fe ga ge gra ha he in ja ka ke ki la le li lo lu ma me mi mo na ne ni
no o pa pe po pra qui ra re ri ro sa sche se si so sta ta te ti to tra tu un va ve vi vo wa we zi zu
"""
_SYLLABLES = _SYLLABLES_TEXT.split()
_ACCENTS = str.maketrans("aeoucnszy", "áéöüçñšžý")


def _span(first: int, last: int) -> str:
    return "".join(map(chr, range(first, last + 1)))


# script: (letters, signs that may follow a letter)
SCRIPTS: dict[str, tuple[str, str]] = {
    "latin": ("etaoinshrdlucmfwypvbgkjqxz", ""),
    "accented": ("etaoinshrdlucmfwpvbgkqáéöüçñšžýåêò", ""),
    "greek": ("αετοινσρκπυςλμηδγθχφωβξζψ", ""),
    "cyrillic": ("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэф", ""),
    "hebrew": ("ויהלאמתרבשנדקפעםחצגכטזס", ""),
    "arabic": ("اليمنروتبةعدسفهكقحجشطصخذ", ""),
    "syriac": ("ܐܒܓܕܗܘܙܚܛܝܟܠܡܢܣܥܦܨܩܪܫܬ", ""),
    "devanagari": (_span(0x915, 0x928) + _span(0x92A, 0x930), _span(0x93E, 0x943) + "\u0947\u0948\u094b\u0902"),
    "bengali": (_span(0x995, 0x9A8) + _span(0x9AA, 0x9B0), _span(0x9BE, 0x9C3) + "\u09c7"),
    "gurmukhi": (_span(0xA15, 0xA28) + _span(0xA2A, 0xA30), _span(0xA3E, 0xA42) + "\u0a47"),
    "gujarati": (_span(0xA95, 0xAA8) + _span(0xAAA, 0xAB0), _span(0xABE, 0xAC3) + "\u0ac7"),
    "oriya": (_span(0xB15, 0xB28) + _span(0xB2A, 0xB30), _span(0xB3E, 0xB43)),
    "tamil": ("கஙசஞடணதநபமயரலவழளறன", _span(0xBBE, 0xBC2) + "\u0bc6\u0bc7\u0bc8"),
    "telugu": (_span(0xC15, 0xC28) + _span(0xC2A, 0xC30), _span(0xC3E, 0xC44)),
    "kannada": (_span(0xC95, 0xCA8) + _span(0xCAA, 0xCB0), _span(0xCBE, 0xCC4)),
    "malayalam": (_span(0xD15, 0xD28) + _span(0xD2A, 0xD30), _span(0xD3E, 0xD43)),
    "sinhala": ("කගඟචජටඩණතදනපබමයරලවසහළ", "\u0dcf\u0dd2\u0dd3\u0dd4\u0dd9"),
    "thai": (_span(0xE01, 0xE2E), "ะาีิุูัำ่้"),
    "lao": ("ກຂຄງຈສຊຍດຕຖທນບປຜຝພຟມຢຣລວຫອຮ", "ະາິີຸູ"),
    "khmer": (_span(0x1780, 0x17A2), _span(0x17B6, 0x17BC)),
    "myanmar": (_span(0x1000, 0x1021), "\u102b\u102d\u102e\u102f\u1030\u1031"),
    "tibetan": (_span(0xF40, 0xF47) + _span(0xF49, 0xF69), "\u0f72\u0f74\u0f7a\u0f7c"),
    "georgian": (_span(0x10D0, 0x10F0), ""),
    "armenian": (_span(0x561, 0x586), ""),
    "ethiopic": (_span(0x1208, 0x1246) + _span(0x1260, 0x1286), ""),
    "hangul": ("이다는을의에가고한하지로사기자리어나스대인정시아도", ""),
    "han": (
        "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种"
        "面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本"
        "去把性好应开它合还因由其些然前外天政四日那社",
        "",
    ),
    "kana": (
        "のにはをたがでてとしれさるいもあこくきなうりらまけんせすつそかえみおどちよわめやろアイスルリトラン日本人大年",
        "",
    ),
}
UNSPACED = frozenset({"thai", "lao", "khmer", "myanmar", "han", "kana", "tibetan"})
RIGHT_TO_LEFT = frozenset({"hebrew", "arabic", "syriac"})


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def probe(script: str) -> str:
    """Letters that tell whether a font covers the script."""
    letters = SCRIPTS[script][0]
    if script == "latin":
        return letters + letters.upper()
    return letters[:: max(1, len(letters) // 8)][:8]


@cache
def _weights(count: int, power: float) -> np.ndarray:
    weights = 1.0 / np.arange(1, count + 1) ** power
    shares: np.ndarray = weights / weights.sum()
    return shares


def _latin(rng: np.random.Generator, count: int, accent: bool) -> list[str]:
    listed = rng.choice(len(ENGLISH), count, p=_weights(len(ENGLISH), 0.6))
    real = rng.random(count) < (pick(rng, (0.95, 0.6, 0.1)) if not accent else 0.1)
    made = []
    for index, use_list in zip(listed, real, strict=True):
        word = ENGLISH[index]
        if not use_list:
            word = "".join(_SYLLABLES[i] for i in rng.integers(len(_SYLLABLES), size=rng.integers(1, 5)))
            word = word[0] + word[1:].translate(_ACCENTS) if accent else word
        made.append(word)
    return made


def words(rng: np.random.Generator, count: int, script: str = "latin") -> list[str]:
    """`count` words without punctuation."""
    if script in ("latin", "accented"):
        return _latin(rng, count, script == "accented")
    letters, signs = SCRIPTS[script]
    most = 3 if script in ("han", "kana", "hangul", "tibetan") else 8
    lengths = rng.integers(1, most + 1, size=count)
    drawn = rng.choice(len(letters), int(lengths.sum()), p=_weights(len(letters), 0.5))
    marked = rng.random(len(drawn)) < (0.5 if signs else 0.0)
    parts = [letters[i] + (signs[i * 7 % len(signs)] if mark else "") for i, mark in zip(drawn, marked, strict=True)]
    ends = np.cumsum(lengths)
    return ["".join(parts[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def prose(rng: np.random.Generator, count: int, script: str = "latin") -> list[str]:
    """`count` words with capitals, commas, full stops and a few quotations and numbers, as in running text."""
    made = words(rng, count, script)
    comma, stop = {"han": ("，", "。"), "kana": ("、", "。"), "arabic": ("،", "."), "devanagari": (",", " ।")}.get(
        script, (",", ".")
    )
    start, roll = True, rng.random(count)
    for i in range(count):
        word = made[i].capitalize() if start or roll[i] > 0.96 else made[i]
        start = roll[i] < 0.07
        if start:
            word += stop
        elif roll[i] < 0.15:
            word += comma
        elif 0.15 < roll[i] < 0.165:
            word = f"({word})"
        elif 0.165 < roll[i] < 0.18 and script == "latin":
            word = str(int(rng.integers(2, 1990)))
        made[i] = word
    return made


def phrase(rng: np.random.Generator, least: int, most: int, script: str = "latin") -> str:
    made = words(rng, int(rng.integers(least, most + 1)), script)
    return ("" if script in UNSPACED else " ").join(made).capitalize()


def number(rng: np.random.Generator) -> str:
    """A number as tables show it."""
    value = float(rng.lognormal(3, 2.5))
    style = int(rng.integers(6))
    return (
        f"{value:.2f}",
        f"{value:,.0f}",
        f"{value % 100:.1f}%",
        f"{value % 1:.4f}",
        f"${value:,.2f}",
        f"-{value:.1f}",
    )[style]


def name(rng: np.random.Generator) -> str:
    first, last = ("".join(_SYLLABLES[i] for i in rng.integers(len(_SYLLABLES), size=2)) for _ in range(2))
    return f"{first.capitalize()} {last.capitalize()}"


def date(rng: np.random.Generator) -> str:
    day, month, year = int(rng.integers(1, 29)), int(rng.integers(1, 13)), int(rng.integers(1890, 2026))
    return pick(
        rng, (f"{day:02d}.{month:02d}.{year}", f"{year}-{month:02d}-{day:02d}", f"{month}/{day}/{year % 100:02d}")
    )
