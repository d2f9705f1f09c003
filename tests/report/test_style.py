"""The house style: silent, the same whatever the user's settings, and honest about characters it has no font for."""

import logging
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from genus.report import style
from genus.report.confusion import confusion_png
from genus.report.style import missing_glyphs

SILENT = """
import sys
import genus.report.page, genus.report.figures, genus.report.confusion, genus.report.explanation
assert "matplotlib" not in sys.modules
import numpy as np
sys.modules["matplotlib.pyplot"] = None  # importing it now fails
genus.report.style.font_family = lambda: ["DejaVu Sans", "No Such Font"]
genus.report.confusion.confusion_png(np.eye(13, dtype=int), ["雏菊"] * 13, "標題")
genus.report.explanation.legend_colours(3)
"""


def test_matplotlib_comes_late_without_pyplot_and_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", SILENT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_same_matrix_same_bytes_whatever_the_users_settings() -> None:
    arguments = np.eye(2, dtype=np.int64), ["a", "b"], "title"
    expected = confusion_png(*arguments)
    assert b"Software" not in expected
    level = logging.getLogger("matplotlib").level
    with matplotlib.rc_context({"font.size": 30, "text.usetex": True, "savefig.transparent": True}):
        before = matplotlib.rcParams.copy()
        assert confusion_png(*arguments) == expected
        assert matplotlib.rcParams.copy() == before
    assert logging.getLogger("matplotlib").level == level


def test_names_that_would_be_boxes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "font_family", lambda: ["DejaVu Sans"])
    names = ["tulip", "雏菊", "Ängelholm", "α", "장미", "バラ 1", "a\nb", "👍"]
    assert missing_glyphs(names) == ["雏菊", "장미", "バラ 1", "👍"]
    assert missing_glyphs(["tulip"]) == []
    monkeypatch.setattr(style, "font_family", lambda: ["DejaVu Serif", "DejaVu Sans"])
    assert missing_glyphs(["αβ"]) == []
