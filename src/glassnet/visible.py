"""Text from files, made harmless for a terminal: what would steer it is shown instead.

In: any text, such as the name of a column or a path out of a run file. Out: the same text with
visible escapes (\\x1b, \\u202e) in place of control characters, of characters that turn the
direction of the text around or take no room, of line ends, and of halves of characters.
"""

from __future__ import annotations

import re

_STEERING = (
    "\x00-\x1f\x7f-\x9f"  # controls: ESC, line ends, tabs; C1, among them CSI in one character
    "\xad\u061c\u180e\u200b\u200e\u200f"  # without width: soft hyphen, spaces, marks of direction
    "\u2028\u2029\u202a-\u202e\u2060-\u206f"  # ends of lines and paragraphs, overrides, isolates
    "\ufe00-\ufe0e\ufeff\ufff9-\ufffb"  # variants that look alike, the mark of byte order
    "\ud800-\udfff"  # halves: bytes of a path that are not UTF-8
    "\U000e0000-\U000e0fff"  # tags: a text within the text that nobody sees
)
_FOUND = re.compile(f"[{_STEERING}]")
_IN_LINES = re.compile(f"(?![\n\t])[{_STEERING}]")
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def make_visible(text: str) -> str:
    """One line, in which nothing steers a terminal."""
    return _FOUND.sub(_escape, text)


def make_lines_visible(text: str) -> str:
    """As `make_visible`, for a text of several lines: line ends and tabs stay."""
    return _IN_LINES.sub(_escape, text)


def make_json_visible(text: str) -> str:
    """A JSON text of the same value."""
    return _IN_LINES.sub(lambda found: json_escape(found[0]), text)


def json_escape(sign: str) -> str:
    """A character as JSON writes it in four digits, or twice four."""
    code = ord(sign)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def _escape(found: re.Match[str]) -> str:
    sign = found[0]
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a path, as Python carries it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return _SHORT.get(sign, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
