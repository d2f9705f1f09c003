"""A run folder: what is in it, and the one place where it is written and read.

While a training runs it holds the folder's lock. The bundle is put together in a hidden folder inside and moved up when
everything else is written: a folder with a ``genus.json`` is finished.

A file that is damaged costs only what it says: reading it gives what an absent one gives, and the user is told.
"""

import contextlib
import itertools
import json
import os
import platform
import shutil
import tomllib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from genus.bundle import move_bundle, read_record
from genus.config import CONFIG, TrainConfig
from genus.data.split import Split
from genus.description import DESCRIPTION
from genus.errors import DataError, MachineError, ModelError, UsageError
from genus.files import (
    atomic,
    csv_text,
    irregular,
    is_leftover,
    json_text,
    make_folder,
    probe_writable,
    remove_leftovers,
)
from genus.stored import (
    Check,
    CrossValidation,
    Curve,
    DoubtfulLabel,
    Metrics,
    csv_rows,
    doubtful_labels,
    from_json,
    results,
)
from genus.training.head import Trial
from genus.training.tensorboard import open_tensorboard
from genus.types import Caution, EpochResult, Note, OnEvent, ignore_events

METRICS = "metrics.json"
HISTORY = "metrics.jsonl"
CONFUSION_CSV = "confusion.csv"
CONFUSION_PNG = "confusion.png"
CURVES_PNG = "curves.png"
SPLIT = "split.json"
BAD_FILES = "bad_files.csv"
CHECK = "check.json"
TEST_LOG = "test_openings.jsonl"
CROSS_VALIDATION = "cross_validation.json"
OUT_OF_FOLD = "out_of_fold.csv"
LEARNING_CURVE = "learning_curve.json"
LEARNING_CURVE_PNG = "learning_curve.png"
LABEL_ERRORS = "label_errors.csv"
REPORT = "report.html"
CHECKPOINT = "checkpoint.safetensors"
BEST = "best.safetensors"
LAST = "last.safetensors"

BUILDING = ".building"  # the folder in which the bundle is put together
LOCK, OWNER = ".lock", ".owner"
NO_RUN_YET = {BUILDING, LOCK, OWNER, BAD_FILES, CHECK}  # what a start that failed may leave

Result = EpochResult | Trial
"""One line of ``metrics.jsonl``: an epoch, or a strength of the linear head."""
Value = TypeVar("Value")


class Run:
    """The folder ``folder`` of one run. ``on_event`` hears of files that are damaged or cannot be written."""

    def __init__(self, folder: Path, on_event: OnEvent = ignore_events) -> None:
        self.folder, self._on_event = folder, on_event

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @classmethod
    @contextlib.contextmanager
    def open(cls, config: TrainConfig, model: str, on_event: OnEvent) -> Iterator["Run"]:
        """The run that ``config`` writes to, ``--out`` or the next free ``runs/<data>-<model>-<n>``; locked until the
        end. A folder that is new is removed again when the training fails before its first result.

        Raises UsageError when the folder holds a finished run, one that another process is writing, an interrupted one
        without ``--resume``, or other files; MachineError when it cannot be written.
        """
        folder = config.out or _next_free(config, model)
        run = cls(folder, on_event)
        _require_no_other_files(folder)
        run._require_not_finished()
        made = not folder.exists()
        make_folder(folder)
        with run._locked():
            run._require_not_finished()  # it may have been, just now
            run._require_resume(config.resume)
            probe_writable(folder)
            remove_leftovers(folder)
            new = not (folder / CONFIG).exists()
            try:
                yield run
            except Exception:  # not Ctrl-C: what was interrupted goes on
                if new:
                    run._forget_failed_start(made)
                raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self / LOCK)
        try:
            lock.acquire(timeout=0)
            (self / OWNER).write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        except Timeout as error:
            raise MachineError(
                f"{self.folder} is being written by {self._owner()}. Wait for it, stop it, or choose another --out."
            ) from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise MachineError(f"Cannot write {self.folder}: {reason}. Choose another --out.") from error
        try:
            yield
        finally:
            (self / OWNER).unlink(missing_ok=True)
            lock.release()
            (self / LOCK).unlink(missing_ok=True)

    def _owner(self) -> str:
        """Who holds the lock."""
        return self._read(OWNER, bytes.decode, "another process")

    def _is_locked(self) -> bool:
        """Is a training writing this run now?"""
        if not (self / LOCK).exists():
            return False
        try:
            with FileLock(self / LOCK, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # of a folder that is only read it cannot be told
            return False

    def _require_not_finished(self) -> None:
        if (self / DESCRIPTION).exists():
            raise UsageError(f"{self.folder} holds a finished run, which is never overwritten. Choose another --out.")

    def _require_resume(self, resume: bool) -> None:
        if (self / CONFIG).exists() and not resume:
            raise UsageError(
                f"{self.folder} holds an interrupted run. Go on with it: genus train --out {self.folder} --resume. Or "
                "choose another --out."
            )

    def _forget_failed_start(self, made: bool) -> None:
        """Without a result there is nothing to go on with; a list of unreadable files is worth keeping."""
        if (self / HISTORY).exists() or (self / CHECKPOINT).exists():
            return
        for name in (CONFIG, SPLIT, CHECK, OWNER):
            (self / name).unlink(missing_ok=True)
        if made and not (self / BAD_FILES).exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- writing

    def write(self, name: str, content: str | bytes) -> None:
        """The file ``name``, complete or not at all. Raises MachineError."""
        path = self / name
        make_folder(path.parent)
        with atomic(path) as temporary:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)

    def write_json(self, name: str, value: Any) -> None:
        """``value`` as indented JSON. Raises MachineError."""
        self.write(name, json_text(value, indent=2) + "\n")

    def write_table(self, name: str, rows: Iterable[Sequence[object]]) -> None:
        """``rows`` as CSV, the first of them the names of the columns. Raises MachineError."""
        self.write(name, csv_text(rows))

    def append(self, name: str, value: dict[str, Any]) -> None:
        """One more line of JSON behind those that are there; a torn last line is closed first. Raises MachineError."""
        try:
            with (self / name).open("a+b") as file:
                torn = file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
                file.write(b"\n" * bool(torn) + json_text(value).encode() + b"\n")
        except OSError as error:
            raise MachineError(f"Cannot write {self / name}: {error.strerror or error}.") from error

    def try_to_write(self, write: Callable[[], None]) -> bool:
        """``write()``, or, where the folder cannot be written, say so and go on."""
        try:
            write()
        except MachineError as error:
            self._on_event(Caution(f"Not stored: {error}"))
            return False
        return True

    def write_config(self, config: TrainConfig, **chosen: Any) -> None:
        """The options as resolved: ``--config`` with this file repeats the run, from any folder.

        A resumed run keeps its own.
        """
        if not (config.resume and (self / CONFIG).exists()):
            values = {**config.absolute().to_dict(), **chosen}
            self._write_toml({key: value for key, value in values.items() if key not in ("out", "resume")})

    def update_config(self, **chosen: Any) -> None:
        """Put what was chosen or measured into the config, so that a repeated or resumed run need not do so again."""
        self._write_toml({**self.config(), **chosen})

    def _write_toml(self, values: dict[str, Any]) -> None:
        lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
        self.write(CONFIG, "\n".join(lines) + "\n")

    def log_training(
        self, results: Generator[Result, None, Value], on_event: OnEvent
    ) -> tuple[tuple[Result, ...], Value]:
        """Run a training to its end: each result is a line of ``metrics.jsonl``, an event, a step in TensorBoard.

        Gives the results of the whole run, of one that was resumed also those from before the interruption, and what
        the training returns. Raises MachineError, and whatever the training raises.
        """
        history: list[Result] | None = None
        with contextlib.ExitStack() as stack, contextlib.closing(results):
            to_tensorboard = None
            while True:
                try:
                    result = next(results)
                except StopIteration as end:
                    return tuple(self.history() if history is None else history), end.value
                if history is None:
                    history = self._restart_history(result)
                self.append(HISTORY, asdict(result))
                history.append(result)
                if isinstance(result, EpochResult):
                    on_event(result)
                    to_tensorboard = to_tensorboard or stack.enter_context(open_tensorboard(self / "tensorboard"))
                    to_tensorboard(result)
                else:
                    told = f"validation loss {result.val_loss:.4f}, accuracy {result.val_accuracy:.4f}"
                    on_event(Note(f"C = {result.c:g}: {told}"))

    def _restart_history(self, first: Result) -> list[Result]:
        """Of the results of a training that was interrupted, those that one which begins with ``first`` stands on; the
        others are forgotten."""
        before: list[Result] = [
            result
            for result in self.history()
            if isinstance(first, EpochResult) and isinstance(result, EpochResult) and result.epoch < first.epoch
        ]
        self.write(HISTORY, "".join(json_text(asdict(result)) + "\n" for result in before))
        return before

    def log_opening(self, command: str, pictures: int, accuracy: float) -> None:
        """Note that the test part was opened; on a folder that cannot be written that is said."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = {"time": now, "command": command, "pictures": pictures, "accuracy": accuracy}
        self.try_to_write(lambda: self.append(TEST_LOG, line))

    @property
    def building(self) -> Path:
        """An empty folder for the bundle, until ``finish``."""
        folder = self / BUILDING
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder)
        return folder

    def finish(self) -> None:
        """The last act: the bundle comes up, and what only an interrupted run needs goes."""
        move_bundle(self / BUILDING, self.folder)
        shutil.rmtree(self / BUILDING, ignore_errors=True)
        (self / CHECKPOINT).unlink(missing_ok=True)

    # -- reading

    def evaluation_folder(self, data: Path) -> str:
        """Where in the run the evaluation on ``data`` is written, with a ``/`` behind it: each place has its own."""
        names = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
        folders = (f"evaluate-{data.resolve().name}{name}/" for name in names)
        same = (str(data.resolve()), None)
        return next(folder for folder in folders if not (self / folder).exists() or self.metrics(folder).data in same)

    def require_finished(self) -> None:
        """Raise ModelError, with advice, where there is no finished run."""
        if (self / DESCRIPTION).exists():
            return
        if (self / CONFIG).exists() and self._is_locked():
            raise ModelError(f"{self.folder} is being trained by {self._owner()}. Wait until that is finished.")
        if (self / CONFIG).exists():
            raise ModelError(
                f"{self.folder} is no finished run. Go on with it: genus train --out {self.folder} --resume."
            )
        raise ModelError(f"{self.folder} is no run: it has no {DESCRIPTION}. Name the folder that `train` wrote.")

    def config(self) -> dict[str, Any]:
        """The options of the run by name; none where the file is gone."""
        return self._read(CONFIG, lambda content: tomllib.loads(content.decode()), {})

    def history(self) -> list[Result]:
        """The results in ``metrics.jsonl``. A line that was cut off is the last one, and counts as not written."""
        return self._read(HISTORY, results, [])

    def metrics(self, folder: str = "") -> Metrics:
        """What ``metrics.json`` says, that of the run or of an ``evaluation_folder``."""
        return self._read(f"{folder}{METRICS}", lambda content: from_json(Metrics, content), Metrics())

    def check(self) -> Check | None:
        """What ``check.json`` says."""
        return self._read(CHECK, lambda content: from_json(Check, content), None)

    def cross_validation(self) -> CrossValidation | None:
        """What ``cross_validation.json`` says."""
        return self._read(CROSS_VALIDATION, lambda content: from_json(CrossValidation, content), None)

    def learning_curve(self) -> Curve | None:
        """What ``learning_curve.json`` says."""
        return self._read(LEARNING_CURVE, lambda content: from_json(Curve, content), None)

    def label_errors(self) -> list[DoubtfulLabel]:
        """The rows of ``label_errors.csv``."""
        return self._read(LABEL_ERRORS, doubtful_labels, [])

    def bad_files(self) -> list[dict[str, str]]:
        """The rows of ``bad_files.csv``."""
        return self._read(BAD_FILES, csv_rows, [])

    def openings(self) -> list[dict[str, Any]]:
        """When the test part was opened, by which command."""

        def lines(content: bytes) -> list[dict[str, Any]]:
            found = []
            for line in content.splitlines():
                with contextlib.suppress(ValueError):
                    found.append(dict(json.loads(line)))
            return found

        return self._read(TEST_LOG, lines, [])

    def last_sibling(self, data: Path) -> "Run | None":
        """The newest finished run beside this one that was trained on the folder ``data``."""
        siblings = []
        for description in self.folder.resolve().parent.glob(f"*/{DESCRIPTION}"):
            with contextlib.suppress(OSError, ModelError):
                root = read_record(description.parent).get("data", {}).get("root")
                siblings.append((root == str(data.resolve()), description.stat().st_mtime, description.parent))
        same, _, folder = max(siblings, default=(False, 0.0, self.folder))
        return Run(folder, self._on_event) if same else None

    def split(self, root: Path) -> Split | None:
        """Who was on which side, the paths below the data folder ``root``; None where the file is gone or damaged."""
        return self._read(SPLIT, lambda content: Split.from_json(json.loads(content), root), None)

    def _read(self, name: str, parse: Callable[[bytes], Value], otherwise: Value) -> Value:
        path = self / name
        try:
            if kind := irregular(path):
                raise ValueError(f"it is {kind}")
            return parse(path.read_bytes())
        except FileNotFoundError:
            return otherwise
        except (OSError, ValueError, TypeError, KeyError, RecursionError, DataError) as error:
            self._on_event(Caution(f"{path} cannot be read and is not used: {error}"))
            return otherwise


def _require_no_other_files(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file. Choose another --out.")
    if not folder.is_dir() or (folder / CONFIG).exists() or (folder / DESCRIPTION).exists():
        return
    names = sorted(path.name for path in folder.iterdir())
    others = [name for name in names if name not in NO_RUN_YET and not is_leftover(name)]
    if others:
        raise UsageError(f"{folder} is not empty and holds no run of genus ({others[0]}). Choose another --out.")


def _next_free(config: TrainConfig, model: str) -> Path:
    data = config.data.resolve()
    stem = f"{data.stem if data.is_file() else data.name}-{model.replace(':', '-').replace('/', '-')}"
    names = (Path("runs") / f"{stem}-{number}" for number in itertools.count(1))
    return next(folder for folder in names if not folder.exists())


def _toml(value: Any) -> str:
    """A TOML value. JSON is TOML for numbers, truth and text, but for DEL and bytes that are no UTF-8."""
    return json_text(value).replace("\x7f", "\\u007f")
