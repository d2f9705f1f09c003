"""How names of strangers and shares are written: on one line, short enough, never rounded to a false 0 or 100 %."""

import itertools
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

TOO_FEW = "too few groups for an interval"


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
    return f"{_rounded(share, 100, 1)}\u00a0%"


def whole_percent(part: int, whole: int) -> str:
    """``part`` of ``whole`` in whole percent, where 0 % and 100 % mean exactly that: ``<1 %``, ``>99 %``."""
    return f"{_rounded(part / whole, 100, 0)}\u00a0%"


def decimal(share: float, digits: int = 3) -> str:
    """A share as a number from 0 to 1, where 0 and 1 mean exactly that: ``0.934``, ``>0.999``."""
    return _rounded(share, 1, digits)


def of_hundred(share: float) -> str:
    """How many of 100 a share is, where 0 and 100 mean exactly that: ``93``, ``fewer than 1``, ``more than 99``."""
    return _rounded(share, 100, 0).replace("<", "fewer than ").replace(">", "more than ")


def percent_between(low: float | None, high: float | None) -> str:
    """The ends of an interval (0..1) in percent, or why there is none: ``89.3–97.1 %``, ``99.8 to >99.9 %``."""
    if low is None or high is None:
        return TOO_FEW
    return span(_rounded(low, 100, 1), percent(high))


def span(first: str, last: str, dash: str = "–") -> str:
    """From ``first`` to ``last``: ``0.8–0.9``, but ``0.8 to >0.999``, which a dash would make an arrow."""
    return f"{first}{' to ' if {'<', '>'} & {*first, *last} else dash}{last}"


def of_hundred_between(low: float, high: float) -> str:
    """The ends of an interval (0..1) of 100: ``between 89 and 97``; ``at least 98``, ``at most 2`` near the ends."""
    first, last = of_hundred(low), of_hundred(high)
    if first == last:
        return first
    if last.startswith("more"):
        return f"at least {first}"
    if first.startswith("fewer"):
        return f"at most {last}"
    return f"between {first} and {last}"


def _rounded(share: float, whole: int, digits: int) -> str:
    """``share`` of ``whole``, with ``<`` or ``>`` where the rounded number would be 0 or ``whole`` and it is not."""
    text, step = f"{whole * share:.{digits}f}", 10**-digits
    if share > 0 and float(text) == 0:
        return f"<{step:.{digits}f}"
    if share < 1 and float(text) == whole:
        return f">{whole - step:.{digits}f}"
    return text


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
