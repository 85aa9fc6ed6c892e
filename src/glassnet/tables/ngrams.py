"""Character n-grams of texts, hashed to numbers that are the same on all machines.

In: texts. Out: the hashes of the n-grams of each text. Only integer arithmetic is used, and the
tables of Unicode 3.2, which every version of Python has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from unicodedata import ucd_3_2_0 as unicode

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

LENGTHS = (3, 4, 5)  # characters of an n-gram
HASHES = 1 << 18  # different hashes
LONGEST = 1000  # characters of a cell that are read
_AT_ONCE = 1 << 15  # characters whose n-grams are held at once
_PRIME = np.uint64(0x100000001B3)  # of the hash FNV-1a, of which one step takes one character
_NO_WORD = re.compile(r"[^0-9a-z]+")


def words_of(text: str) -> str:
    """Return the words of a text, lower-cased, with one space before and after each.

    Words are runs of letters, marks and digits, after the compatibility normalisation (NFKC). Of a
    long text, the first 1,000 characters are read.
    """
    text = text[:LONGEST]
    if text.isascii():
        words = _NO_WORD.sub(" ", text.lower()).strip()
    else:
        signs = "".join(map(_plain_sign, unicode.normalize("NFKC", text)[:LONGEST]))
        words = " ".join(signs.split())
    return f" {words} " if words else ""


def _plain_sign(sign: str) -> str:
    """Return a letter in lower case, a digit or mark as it is, and a space for other characters.
    Characters that Unicode 3.2 does not have stay as they are."""
    group = unicode.category(sign)
    if group[0] in "LMN":
        return sign.lower()
    return sign if group == "Cn" else " "


def ngrams(texts: Sequence[Any]) -> Iterator[tuple[Ints, Ints]]:
    """Yield the different n-grams of each text, in batches: the index of the text, and the hash.

    An n-gram has 3 to 5 characters of one word with the spaces around it. None has no n-gram.
    """
    start, words, size = 0, list[str](), 0
    for place, text in enumerate(texts, 1):
        words.append("" if text is None else words_of(str(text)))
        size += len(words[-1])
        if size >= _AT_ONCE or place == len(texts):
            pairs = np.sort(_hashed(words))
            pairs = pairs[np.diff(pairs, prepend=-1) > 0]
            yield start + pairs // HASHES, pairs % HASHES
            start, words, size = place, [], 0


def _hashed(words: list[str]) -> Ints:
    """Return index · HASHES + hash of all n-grams of texts."""
    coded = "".join(words).encode("utf-32-le", "surrogatepass")
    signs = np.frombuffer(coded, "<u4").astype(np.uint64)
    owner = np.repeat(np.arange(len(words), dtype=np.int64), [len(text) for text in words])
    inside = signs != ord(" ")
    found = [np.zeros(0, np.int64)]
    for length in LENGTHS:
        count = max(len(signs) - length + 1, 0)
        whole = np.ones(count, np.bool_)
        for place in range(1, length - 1):
            whole &= inside[place : place + count]
        first = np.flatnonzero(whole)
        bits = np.full(len(first), 0xCBF29CE484222325, np.uint64)
        for place in range(length):
            bits = (bits ^ signs[first + place]) * _PRIME
        bits = (bits ^ (bits >> np.uint64(32))) % np.uint64(HASHES)
        found.append(owner[first] * HASHES + bits.astype(np.int64))
    return np.concatenate(found)
