"""A report as one HTML file: pictures, style and script inside it, and nothing fetched from anywhere.

Names of classes and files come from strangers. Every text passes ``_visible`` and is then escaped by Jinja; the script
makes text nodes of what it is given; a content security policy allows this style and this script and no other.
"""

import base64
import functools
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from genus.report.confusion import cells, most_confused, size
from genus.report.content import Report, ShownPicture
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
    "label_errors": "Labels that look wrong",
    "data": "The pictures",
    "facts": "The run",
    "card": "Model card",
    "commands": "What next",
}
"""Fields of a report, in the order of the page, and their headings."""

STYLES = ("page.css", "tables.css", "cards.css", "media.css")  # of two rules, the later one counts
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
    images, matrix = _images(report), cells(report.confusion)
    style, script = "\n".join(map(_resource, STYLES)), _resource("page.js")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            sections={name: title for name, title in SECTIONS.items() if getattr(report, name)},
            matrix=matrix if size(count) else [],
            size=size(count),
            names=shorten_all([printable(label) for label in report.classes], NAME_COLUMNS),
            confused=most_confused(matrix),
            heat_colours=legend_colours(LEGEND_STOPS),
            images=images,
            data=_data(report, images),
            style=Markup(style),
            script=Markup(script),
            policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
            "base-uri 'none'; form-action 'none'",
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


def _images(report: Report) -> dict[bytes, int]:
    """Every JPEG of the report with its number, each once: neighbours of several pictures are often the same."""
    close_ups = (*report.worst, *report.least_certain)
    found = [picture.thumbnail for picture in report.pictures]
    found += [image for one in close_ups for image in (one.plain, one.heat)]
    found += [neighbour.thumbnail for one in close_ups for neighbour in one.neighbours]
    found += [one.thumbnail for one in report.label_errors]
    return {image: number for number, image in enumerate(dict.fromkeys(found))}


def _data(report: Report, images: dict[bytes, int]) -> dict[str, Any]:
    """What the script needs: names of the classes, JPEGs in base64, and the pictures behind the cells."""
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
        "images": [base64.b64encode(image).decode() for image in images],
        "pictures": [row(picture) for picture in report.pictures],
    }


def _resource(name: str) -> str:
    return (files("genus.report") / "web" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
