"""The run folder: who may write it, what a killed or failed run leaves, and that damage costs only the damaged file."""

import json
import multiprocessing
import os
from collections.abc import Generator
from dataclasses import asdict
from multiprocessing.synchronize import Event as Signal
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from genus.config import CONFIG, TrainConfig
from genus.errors import DataError, MachineError, ModelError, UsageError
from genus.run import BAD_FILES, CHECK, CROSS_VALIDATION, HISTORY, LABEL_ERRORS, LEARNING_CURVE, TEST_LOG, Result, Run
from genus.stored import Metrics
from genus.training.head import Trial
from genus.types import Caution, EpochResult, Event, Note, best_epoch, ignore_events

MODEL = "vgg11"
SIDE_FILES = (CONFIG, "metrics.json", "split.json", LABEL_ERRORS, HISTORY, TEST_LOG, CROSS_VALIDATION, LEARNING_CURVE)


def epoch(number: int, loss: float | None = 0.5, accuracy: float | None = 0.8) -> EpochResult:
    return EpochResult(number, 4, 1e-4, 1 / number, loss, accuracy, 1.5)


def training(*results: Result) -> Generator[Result, None, str]:
    yield from results
    return "the end"


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / HISTORY).read_text().splitlines()]


def test_one_line_and_one_event_a_result(tmp_path: Path) -> None:
    events: list[Event] = []
    results: list[Result] = [epoch(1), epoch(2, None, None)]
    assert Run(tmp_path).log_training(training(*results), events.append) == (tuple(results), "the end")
    assert [line["epoch"] for line in lines(tmp_path)] == [1, 2]
    assert events == results
    trial = Trial(0.01, 0.25, 0.9)
    assert Run(tmp_path).log_training(training(trial), events.append) == ((trial,), "the end")
    assert lines(tmp_path) == [{"c": 0.01, "val_loss": 0.25, "val_accuracy": 0.9}]
    assert events[-1] == Note("C = 0.01: validation loss 0.2500, accuracy 0.9000")


def test_a_training_whose_listener_fails_is_closed(tmp_path: Path) -> None:
    closed: list[bool] = []

    def results() -> Generator[Result, None, None]:
        try:
            yield from training(epoch(1), epoch(2))
        finally:
            closed.append(True)

    def fail(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(tmp_path).log_training(results(), fail)
    assert closed == [True]


def test_resumed_run_keeps_what_its_checkpoint_stands_on_and_no_more(tmp_path: Path) -> None:
    def interrupted() -> Generator[Result, None, None]:
        yield from (epoch(1), epoch(2), epoch(3, loss=9.0))
        raise KeyboardInterrupt

    run = Run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.log_training(interrupted(), ignore_events)
    with (tmp_path / HISTORY).open("a") as file:
        file.write('{"epoch": 4, "ep')  # the last line was being written
    history, _ = run.log_training(training(epoch(3), epoch(4)), ignore_events)
    assert history == (epoch(1), epoch(2), epoch(3), epoch(4))
    assert [(line["epoch"], line["val_loss"]) for line in lines(tmp_path)] == [(1, 0.5), (2, 0.5), (3, 0.5), (4, 0.5)]
    assert run.log_training(training(), ignore_events)[0] == history  # interrupted after the last epoch


def test_the_best_epoch_is_the_most_accurate_and_among_equals_the_surest() -> None:
    epochs = [epoch(1, 0.5, 0.8), epoch(2, 0.4, 0.9), epoch(3, 0.3, 0.9), epoch(4, 0.2, 0.85), epoch(5, 0.3, 0.9)]
    assert best_epoch(epochs) == epochs[2]
    assert best_epoch([epoch(1, None, None)]) is None
    assert best_epoch([]) is None


def test_tensorboard_holds_the_numbers_of_every_epoch(tmp_path: Path) -> None:
    Run(tmp_path).log_training(training(epoch(1, 0.5, 0.8), epoch(2, 0.25, 0.9)), ignore_events)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]} == {
        "loss/train": [(1, 1.0), (2, 0.5)],
        "loss/val": [(1, 0.5), (2, 0.25)],
        "accuracy/val": [(1, pytest.approx(0.8)), (2, pytest.approx(0.9))],
        "lr": [(1, pytest.approx(1e-4)), (2, pytest.approx(1e-4))],
    }


def test_no_tensorboard_where_there_are_no_epochs(tmp_path: Path) -> None:
    Run(tmp_path).log_training(training(Trial(0.1, 0.5, 0.9)), ignore_events)
    assert [path.name for path in tmp_path.iterdir()] == [HISTORY]


def test_a_failed_start_leaves_nothing_and_a_list_of_bad_files_is_no_obstacle(tmp_path: Path) -> None:
    config = TrainConfig(out=tmp_path / "run")
    with pytest.raises(DataError), Run.open(config, MODEL, ignore_events) as run:
        run.write_config(config)
        raise DataError("one class only")
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError), Run.open(config, MODEL, ignore_events) as run:
        run.write_config(config)
        run.write(BAD_FILES, "path,label,reason\n")
        raise DataError("too many files cannot be read")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {BAD_FILES}
    with Run.open(config, MODEL, ignore_events):
        pass


def test_what_a_killed_process_had_begun_is_removed_and_no_obstacle(tmp_path: Path) -> None:
    """Also where nothing else is there: killed while it tried whether it can write."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".genus-0123456789abcdef.tmp").write_bytes(b"half of the weights")
    with Run.open(TrainConfig(out=folder), MODEL, ignore_events):
        assert not list(folder.glob(".genus-*"))
    (folder / "holiday.jpg").write_bytes(b"")
    with (
        pytest.raises(UsageError, match=r"holds no run of genus \(holiday.jpg\)"),
        Run.open(TrainConfig(out=folder), MODEL, ignore_events),
    ):
        pass


def test_an_interrupted_run_is_kept_and_says_how_to_go_on(tmp_path: Path) -> None:
    config = TrainConfig(out=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt), Run.open(config, MODEL, ignore_events) as run:
        run.write_config(config)
        raise KeyboardInterrupt
    assert (tmp_path / "run" / CONFIG).exists()
    with pytest.raises(UsageError, match=r"genus train --out .*run --resume"), Run.open(config, MODEL, ignore_events):
        pass
    with pytest.raises(ModelError, match=r"no finished run.*--resume"):
        Run(tmp_path / "run").require_finished()


def _hold(folder: Path, held: Signal, done: Signal) -> None:
    with Run.open(TrainConfig(out=folder), MODEL, ignore_events):
        held.set()
        done.wait(60)


def test_a_run_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    """By another process, which is named; ``--resume`` is no way round."""
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "run", held, done))
    other.start()
    try:
        assert held.wait(60)
        for resume in (False, True):
            config = TrainConfig(out=tmp_path / "run", resume=resume)
            with (
                pytest.raises(MachineError, match=f"being written by process {other.pid} on"),
                Run.open(config, MODEL, ignore_events),
            ):
                pass
        Run(tmp_path / "run").write_config(config)
        with pytest.raises(ModelError, match=f"is being trained by process {other.pid} on .*Wait"):
            Run(tmp_path / "run").require_finished()
    finally:
        done.set()
        other.join()
    with pytest.raises(ModelError, match=r"no finished run.*--resume"):
        Run(tmp_path / "run").require_finished()
    with Run.open(TrainConfig(out=tmp_path / "run", resume=True), MODEL, ignore_events):
        pass


def test_damage_costs_the_file_not_the_command(tmp_path: Path) -> None:
    events: list[Event] = []
    run = Run(tmp_path, events.append)
    run.append(TEST_LOG, {"command": "train"})
    with (tmp_path / TEST_LOG).open("ab") as file:
        file.write(b'{"command": "evalu')
    run.append(TEST_LOG, {"command": "compare"})
    assert [line["command"] for line in run.openings()] == ["train", "compare"]
    for damaged in (b"\xff\xfe\x00", b"[" * 100_000, b"{}[", b"7", b"\x00"):
        for name in (
            CONFIG,
            "metrics.json",
            "split.json",
            LABEL_ERRORS,
            HISTORY,
            TEST_LOG,
            CROSS_VALIDATION,
            LEARNING_CURVE,
            CHECK,
        ):
            (tmp_path / name).write_bytes(damaged)
        assert (run.metrics(), run.split(tmp_path), run.history(), run.openings()) == (Metrics(), None, [], [])
        assert (run.cross_validation(), run.learning_curve(), run.label_errors()) == (None, None, [])
        assert run.check() is None
        assert isinstance(run.config(), dict)
    told = [event.text for event in events if isinstance(event, Caution)]
    for name in ("metrics.json", CROSS_VALIDATION, LEARNING_CURVE, HISTORY, CHECK):
        assert any(f"{name} cannot be read and is not used: " in text for text in told)


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    events: list[Event] = []
    run = Run(tmp_path, events.append)
    for name in ("metrics.json", "split.json"):
        os.mkfifo(tmp_path / name)
    assert (run.metrics(), run.split(tmp_path)) == (Metrics(), None)
    assert [event.text.split(": ")[-1] for event in events if isinstance(event, Caution)] == ["it is a pipe"] * 2


def test_a_resumed_run_goes_on_without_a_history_that_is_damaged(tmp_path: Path) -> None:
    events: list[Event] = []
    run = Run(tmp_path, events.append)
    run.write(HISTORY, json.dumps(asdict(epoch(1)) | {"epoch": "1"}) + "\n")
    assert run.log_training(training(epoch(2)), ignore_events)[0] == (epoch(2),)
    assert len(lines(tmp_path)) == 1
    assert any(isinstance(event, Caution) and "'epoch' of it cannot be '1'" in event.text for event in events)
