"""Text from files, users and other programs, made safe for a terminal.

Names and values may hold escape sequences, which a terminal obeys, and brackets, which rich takes
for its markup. All tables and messages print them through here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

# Control characters but tab and line feed, what turns the direction of writing, and halves of
# characters: bytes of a file name that are no text.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: object) -> str:
    r"""Return a text with escapes in place of characters that a terminal would obey.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return _UNSAFE.sub(lambda match: ascii(match[0])[1:-1], str(text))


def one_line(text: object) -> str:
    r"""Return a text as `printable` does, its lines joined.

    >>> one_line("Cannot do it.\n  Key: x\n")
    'Cannot do it. Key: x'
    """
    return printable(" ".join(str(text).split()))


def cell(text: object) -> Text:
    """Return a text for a table or console of rich, which then interprets nothing in it."""
    from rich.text import Text  # not at the top: Hydra's start should not load rich

    return Text(printable(text))
