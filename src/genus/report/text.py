"""How names of strangers and shares are written: on one line, short enough, never rounded to a false 0 or 100 %."""

import itertools
import unicodedata
from collections import defaultdict
from collections.abc import Sequence


def printable(text: str) -> str:
    r"""``text`` on one line: control characters, line ends and bytes that are no UTF-8 as escapes such as ``\n``."""
    return "".join(map(_visible, unicodedata.normalize("NFC", text)))


def columns(text: str) -> int:
    """The width of ``text`` in units of a Latin letter: a Chinese character counts as two."""
    return sum(map(_columns, text))


def shorten(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns (3 or more), its middle replaced by ``…`` where it is longer."""
    if columns(text) <= width:
        return text
    head, tail = _beginning(text, width // 2), _beginning(text[::-1], (width - 1) // 2)[::-1]
    return f"{head}…{tail}"


def shorten_all(names: Sequence[str], width: int) -> list[str]:
    """``shorten`` each of ``names`` so that names that differ still differ.

    Names that differ only in the middle, which ``shorten`` cuts out, lose the beginning that they share instead.
    """
    short = [shorten(name, width) for name in names]
    alike: dict[str, set[str]] = defaultdict(set)
    for name, text in zip(names, short, strict=True):
        alike[text].add(name)
    instead: dict[str, str] = {}
    for group in map(sorted, alike.values()):
        start = _common(group[0], group[-1])  # in sorted order, all others share as much
        if len(group) > 1 and start and width > 3:
            endings = shorten_all([name[start:] for name in group], width - 1)
            instead |= {name: f"…{ending}" for name, ending in zip(group, endings, strict=True)}
    return [instead.get(name, text) for name, text in zip(names, short, strict=True)]


def percent(share: float) -> str:
    """A share (0..1) in percent with one decimal, where 0 % and 100 % mean exactly that: ``93.4 %``, ``>99.9 %``."""
    if 0.9995 <= share < 1:
        return ">99.9\u00a0%"
    if 0 < share < 0.0005:
        return "<0.1\u00a0%"
    return f"{100 * share:.1f}\u00a0%"


def whole_percent(part: int, whole: int) -> str:
    """``part`` of ``whole`` in whole percent, where 0 % and 100 % mean exactly that: ``<1 %``, ``>99 %``."""
    share = 100 * part / whole
    if 0 < share < 0.5:
        return "<1\u00a0%"
    if 99.5 <= share < 100:
        return ">99\u00a0%"
    return f"{share:.0f}\u00a0%"


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _beginning(text: str, width: int) -> str:
    return text[: sum(end <= width for end in itertools.accumulate(map(_columns, text)))]


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _visible(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    return character if character.isprintable() else character.encode("unicode_escape").decode()
