"""A report, or a check, as one HTML file: pictures, style and script inside it, and nothing fetched from anywhere.

Names of classes and files come from strangers. Every text passes ``_visible`` and is then escaped by Jinja; the script
makes text nodes of what it is given; a content security policy allows this style and this script and no other.
"""

import base64
import functools
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from genus.report.confusion import cells, most_confused, size
from genus.report.content import CheckPage, Report, ShownFinding, ShownPicture
from genus.report.explanation import legend_colours
from genus.report.svg import chart_svg
from genus.report.text import percent, percent_between, printable, shorten_all, whole_percent

SECTIONS = {
    "confusion": "Confusion matrix",
    "rows": "Classes",
    "numbers": "Further results",
    "worst": "Worst mistakes",
    "least_certain": "Least certain",
    "charts": "Charts",
    "findings": "Findings in the pictures",
    "label_errors": "Labels that look wrong",
    "data": "The pictures",
    "facts": "The run",
    "card": "Model card",
    "commands": "What next",
}
"""Fields of a report, in the order of the page, and their headings."""
CHECK_SECTIONS = {"findings": "Findings", "classes": "Classes", "commands": "What next"}
"""The same of the page of a check."""

STYLES = ("page.css", "tables.css", "cards.css", "findings.css", "media.css")  # of two rules, the later one counts
NAME_COLUMNS = 20  # of the names beside the confusion matrix
LEGEND_STOPS = 32  # colours of the legend of heat maps


def render(report: Report) -> str:
    """The text of the HTML file. The same report gives the same text.

    Raises ValueError when the confusion matrix is not K x K for the K classes, and KeyError when a picture has a
    label that is none of them.
    """
    count = len(report.classes)
    if {len(report.confusion), *map(len, report.confusion)} != {count}:
        raise ValueError(f"The confusion matrix is not {count} x {count}, but there are {count} classes.")
    images, matrix = _numbered(_images(report)), cells(report.confusion)
    return _rendered(
        "report.html.j2",
        report,
        SECTIONS,
        images,
        _data(report, images),
        matrix=matrix if size(count) else [],
        size=size(count),
        names=shorten_all([printable(label) for label in report.classes], NAME_COLUMNS),
        confused=most_confused(matrix),
        heat_colours=legend_colours(LEGEND_STOPS),
    )


def render_check(page: CheckPage) -> str:
    """The text of the HTML file. The same page gives the same text."""
    return _rendered(
        "check.html.j2",
        page,
        CHECK_SECTIONS,
        _numbered(_found(page.findings)),
        {},
        counts=Counter(finding.severity for finding in page.findings),
        largest=max((count for _, count in page.classes), default=0) or 1,
    )


def _rendered(
    template: str,
    page: Report | CheckPage,
    headings: Mapping[str, str],
    images: Mapping[bytes, int],
    data: Mapping[str, Any],
    **values: object,
) -> str:
    """``page`` by a template that extends ``page.html.j2``. ``images`` are its JPEGs with their numbers, ``data`` what
    the script needs besides them, ``values`` what the template needs."""
    style, script = "\n".join(map(_resource, STYLES)), _resource("page.js")
    return (
        _environment()
        .get_template(template)
        .render(
            page=page,
            sections={name: heading for name, heading in headings.items() if getattr(page, name)},
            images=images,
            data={"images": [base64.b64encode(image).decode() for image in images], **data},
            style=Markup(style),
            script=Markup(script),
            policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
            "base-uri 'none'; form-action 'none'",
            **values,
        )
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("genus.report", "web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": lambda share: escape(percent(share)),
        "between": lambda interval: escape(percent_between(interval.low, interval.high)),
        "of": lambda part, whole: escape(whole_percent(part, whole)),
        "place": lambda share: f"{100 * share:.1f}",  # on a scale of 100 units
        "lines": _lines,
        "chart_svg": chart_svg,
    }
    return environment


def _visible(value: object) -> object:
    """Text from outside on one line, without control characters and halves of characters."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _lines(text: str) -> Markup:
    """The same of a text that may have several lines."""
    return escape("\n".join(map(printable, text.splitlines())))


def _images(report: Report) -> Iterator[bytes]:
    """Every JPEG of the report."""
    close_ups = (*report.worst, *report.least_certain)
    yield from (picture.thumbnail for picture in report.pictures)
    yield from (image for one in close_ups for image in (one.plain, one.heat))
    yield from (neighbour.thumbnail for one in close_ups for neighbour in one.neighbours)
    yield from _found(report.findings)
    yield from (one.thumbnail for one in report.label_errors)


def _found(findings: Iterable[ShownFinding]) -> Iterator[bytes]:
    """Every JPEG of these findings."""
    return (picture.thumbnail for finding in findings for group in finding.groups for picture in group)


def _numbered(images: Iterable[bytes]) -> dict[bytes, int]:
    """Each of the ``images`` once, with its number: neighbours of several pictures are often the same."""
    return {image: number for number, image in enumerate(dict.fromkeys(filter(None, images)))}


def _data(report: Report, images: Mapping[bytes, int]) -> dict[str, Any]:
    """What the script needs: the names of the classes, and the pictures behind the cells."""
    number = {label: k for k, label in enumerate(report.classes)}

    def row(picture: ShownPicture) -> dict[str, Any]:
        return {
            "path": printable(picture.path),
            "truth": number[picture.truth],
            "top": [(number[label], percent(probability)) for label, probability in picture.top],
            "known": picture.known,
            "image": images[picture.thumbnail],
        }

    return {
        "classes": [printable(label) for label in report.classes],
        "pictures": [row(picture) for picture in report.pictures],
    }


def _resource(name: str) -> str:
    return (files("genus.report") / "web" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
