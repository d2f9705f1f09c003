"""Late imports come early, and one that fails is told where it is needed."""

import subprocess
import sys

CODE = """
import sys, threading
from genus.workflows import ahead
ahead.LATE = ("genus_has_no_such_module", *ahead.LATE)
ahead.import_ahead()
for thread in threading.enumerate():
    if thread.name == "genus-import":
        thread.join()
print(sorted(name for name in ahead.LATE if name not in sys.modules))
"""


def test_what_is_needed_late_is_imported_meanwhile() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['genus_has_no_such_module']"
    assert done.stderr == ""
