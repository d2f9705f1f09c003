"""All checks, those first whose findings harm a result most."""

from collections.abc import Callable, Iterator

from genus.data.checks.files import classes, layout, unreadable
from genus.data.checks.finding import SEVERITIES, Examined, Finding
from genus.data.checks.labels import contradictions
from genus.data.checks.pictures import cut_off, pictures
from genus.data.checks.repeats import kept_together, leaks
from genus.data.checks.shortcuts import shortcuts

CHECKS: tuple[Callable[[Examined], Iterator[Finding]], ...] = (
    contradictions,
    leaks,
    shortcuts,
    unreadable,
    cut_off,
    layout,
    classes,
    pictures,
    kept_together,
)


def examine(data: Examined) -> list[Finding]:
    """What all checks find, the most severe first, and among equals in the order of ``CHECKS``."""
    found = [finding for check in CHECKS for finding in check(data)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
