"""TensorBoard, where the extra ``track`` is installed: one event file in the run folder."""

import contextlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from genus.types import EpochResult


@contextlib.contextmanager
def open_tensorboard(folder: Path) -> Iterator[Callable[[EpochResult], None]]:
    """A function that writes the numbers of an epoch; it does nothing without TensorBoard.

    The records are written here and now: the queue and the thread of TensorBoard's own writer can wait for each other
    for ever when Ctrl-C falls between them.
    """
    if importlib.util.find_spec("tensorboard") is None:
        yield lambda result: None
        return
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(exist_ok=True)
    now = time.time()
    with (folder / f"events.out.tfevents.{now:.0f}.genus").open("ab") as file:
        records = RecordWriter(file)
        records.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())

        def write(result: EpochResult) -> None:
            values = {
                "loss/train": result.train_loss,
                "loss/val": result.val_loss,
                "accuracy/val": result.val_accuracy,
                "lr": result.lr,
            }
            summary = Summary(value=[Summary.Value(tag=k, simple_value=v) for k, v in values.items() if v is not None])
            records.write(Event(wall_time=time.time(), step=result.epoch, summary=summary).SerializeToString())
            records.flush()

        yield write
