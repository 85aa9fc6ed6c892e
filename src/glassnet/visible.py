"""Escapes control characters in text from files, so that it is safe to print on a terminal.

In: any text, such as a column name or a path from a run file. Out: the same text with visible
escapes (\\x1b, \\u202e) in place of control characters, characters that change the text direction
or have no width, line ends, and surrogates.
"""

from __future__ import annotations

import re

_STEERING = (
    "\x00-\x1f\x7f-\x9f"  # C0 controls: ESC, line ends, tabs; C1, such as the one-character CSI
    "\xad\u061c\u180e\u200b\u200e\u200f"  # zero width: soft hyphen, spaces, direction marks
    "\u2028\u2029\u202a-\u202e\u2060-\u206f"  # line and paragraph separators, overrides, isolates
    "\ufe00-\ufe0e\ufeff\ufff9-\ufffb"  # variation selectors, byte order mark
    "\ud800-\udfff"  # surrogates: bytes of a path that are not UTF-8
    "\U000e0000-\U000e0fff"  # tags: invisible text within the text
)
_FOUND = re.compile(f"[{_STEERING}]")
_IN_LINES = re.compile(f"(?![\n\t])[{_STEERING}]")
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def make_visible(text: str) -> str:
    """Escape control characters, line ends and tabs included: the result is one line."""
    return _FOUND.sub(_escape, text)


def make_lines_visible(text: str) -> str:
    """Escape control characters as `make_visible` does, but keep line ends and tabs."""
    return _IN_LINES.sub(_escape, text)


def make_json_visible(text: str) -> str:
    """Escape control characters in a JSON text, as JSON escapes, so that its value is the same."""
    return _IN_LINES.sub(lambda found: json_escape(found[0]), text)


def json_escape(sign: str) -> str:
    """Return a character as a JSON escape: \\uXXXX, or two of them (a surrogate pair)."""
    code = ord(sign)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def _escape(found: re.Match[str]) -> str:
    sign = found[0]
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # an undecodable byte of a path (surrogateescape)
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return _SHORT.get(sign, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
