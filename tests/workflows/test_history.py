"""What stays of an interrupted training, and which verdict counts."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from genus.training.head import Trial
from genus.types import EpochResult, Event, Note, ignore_events
from genus.workflows.history import Result, recorded, verdict_on_validation, write_curves


def epoch(number: int, loss: float | None = 0.5, accuracy: float | None = 0.8) -> EpochResult:
    return EpochResult(number, 4, 1e-4, 1 / number, loss, accuracy, 1.5)


def training(*results: Result) -> Generator[Result, None, None]:
    yield from results


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_one_line_and_one_event_a_result(tmp_path: Path) -> None:
    events: list[Event] = []
    results: list[Result] = [epoch(1), epoch(2, None, None)]
    assert recorded(training(*results), tmp_path, events.append) == tuple(results)
    assert [line["epoch"] for line in lines(tmp_path)] == [1, 2]
    assert events == results
    trial = Trial(0.01, 0.25, 0.9)
    assert recorded(training(trial), tmp_path, events.append) == (trial,)
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

    ongoing = results()
    with pytest.raises(KeyboardInterrupt):
        recorded(ongoing, tmp_path, fail)
    assert closed == [True]


def test_resumed_run_keeps_what_its_checkpoint_stands_on_and_no_more(tmp_path: Path) -> None:
    def interrupted() -> Generator[Result, None, None]:
        yield from (epoch(1), epoch(2), epoch(3, loss=9.0))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recorded(interrupted(), tmp_path, ignore_events)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "ep')  # the last line was being written
    history = recorded(training(epoch(3), epoch(4)), tmp_path, ignore_events)
    assert history == (epoch(1), epoch(2), epoch(3), epoch(4))
    assert [(line["epoch"], line["val_loss"]) for line in lines(tmp_path)] == [(1, 0.5), (2, 0.5), (3, 0.5), (4, 0.5)]
    assert recorded(training(), tmp_path, ignore_events) == history  # interrupted after the last epoch


def test_verdict_is_that_of_the_weights_that_were_kept() -> None:
    epochs = [epoch(1, 0.5, 0.8), epoch(2, 0.4, 0.9), epoch(3, 0.3, 0.9), epoch(4, 0.2, 0.85)]
    best = {"n": 9, "accuracy": {"value": 0.9}, "log_loss": 0.3}
    assert verdict_on_validation(epochs, 9, frozen=False) == best
    last = {"n": 9, "accuracy": {"value": 0.85}, "log_loss": 0.2}
    assert verdict_on_validation(epochs, 9, frozen=True) == last
    trials = [Trial(0.1, 0.5, 0.9), Trial(1.0, 0.4, 0.7), Trial(10.0, 0.6, 0.8)]
    lowest = {"n": 9, "accuracy": {"value": 0.7}, "log_loss": 0.4}
    assert verdict_on_validation(trials, 9, frozen=True) == lowest
    assert verdict_on_validation([epoch(1, None, None)], 0, frozen=False) is None
    assert verdict_on_validation([], 0, frozen=True) is None


def test_curves_only_where_there_were_epochs(tmp_path: Path) -> None:
    write_curves([Trial(0.1, 0.5, 0.9)], tmp_path)
    assert not list(tmp_path.iterdir())
    write_curves([epoch(1), epoch(2)], tmp_path)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_tensorboard_holds_the_numbers_of_every_epoch(tmp_path: Path) -> None:
    recorded(training(epoch(1, 0.5, 0.8), epoch(2, 0.25, 0.9)), tmp_path, ignore_events)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]} == {
        "loss/train": [(1, 1.0), (2, 0.5)],
        "loss/val": [(1, 0.5), (2, 0.25)],
        "accuracy/val": [(1, pytest.approx(0.8)), (2, pytest.approx(0.9))],
        "lr": [(1, pytest.approx(1e-4)), (2, pytest.approx(1e-4))],
    }


def test_no_tensorboard_where_there_are_no_epochs(tmp_path: Path) -> None:
    recorded((trial for trial in [Trial(0.1, 0.5, 0.9)]), tmp_path, ignore_events)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]
