"""A tokeniser for ROUGE in any language.

A word is a run of Unicode letters, marks and numbers. Scripts written without spaces between words (Chinese
characters, Japanese kana, Thai, Lao, Khmer, Burmese, Tibetan) are cut into characters, each with the marks
that follow it. Text is brought to NFC and lower-cased first, so that equal-looking text is equal.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from itertools import groupby

# First and last code point of what is cut by character.
_SINGLE = [
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # ideographic iteration, closing and number zero
    (0x3040, 0x30FF),  # hiragana, katakana
    (0x31F0, 0x31FF),  # katakana extensions
    (0x3400, 0x4DBF),  # ideographs, extension A
    (0x4E00, 0x9FFF),  # ideographs
    (0xA9E0, 0xA9FF),  # Myanmar extended B
    (0xAA60, 0xAA7F),  # Myanmar extended A
    (0xF900, 0xFAFF),  # compatibility ideographs
    (0xFF66, 0xFF9F),  # half-width katakana
    (0x1AFF0, 0x1B16F),  # kana supplements
    (0x20000, 0x3FFFF),  # ideographs, further extensions
]


def unicode_words(text: str) -> list[str]:
    """Return the tokens of a text.

    >>> unicode_words("Naïve नमस्ते ไทย 中文, e\\u0301")
    ['naïve', 'नमस्ते', 'ไ', 'ท', 'ย', '中', '文', 'é']
    """
    return _pattern().findall(unicodedata.normalize("NFC", text.lower()))


@cache
def _pattern() -> re.Pattern[str]:
    """Build the pattern of one token from this Python's Unicode database (takes a tenth of a second)."""
    single = {code for first, last in _SINGLE for code in range(first, last + 1)}
    marks: list[int] = []
    parts: list[int] = []
    singles: list[int] = []
    for code in range(sys.maxunicode + 1):
        major = unicodedata.category(chr(code))[0]
        if major == "M":
            marks.append(code)
        if major in "LMN":
            (singles if code in single and major != "M" else parts).append(code)
    return re.compile(f"[{_ranges(singles)}][{_ranges(marks)}]*|[{_ranges(parts)}]+")


def _ranges(codes: list[int]) -> str:
    runs = []
    for _, group in groupby(enumerate(codes), key=lambda pair: pair[1] - pair[0]):
        run = [code for _, code in group]
        runs.append(f"{chr(run[0])}-{chr(run[-1])}")
    return "".join(runs)
