"""TensorBoard, where the extra ``track`` is installed: one event file in the run folder."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

from genus.types import EpochResult

Track = Callable[[EpochResult], None]


@contextlib.contextmanager
def open_tracker(folder: Path) -> Iterator[Track]:
    """A function that writes the numbers of an epoch; it does nothing without TensorBoard."""
    if importlib.util.find_spec("tensorboard") is None:
        yield lambda result: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / "tensorboard")) as writer:

        def track(result: EpochResult) -> None:
            values = {
                "loss/train": result.train_loss,
                "loss/val": result.val_loss,
                "accuracy/val": result.val_accuracy,
                "lr": result.lr,
            }
            for name, value in values.items():
                if value is not None:
                    writer.add_scalar(name, value, result.epoch)

        yield track
