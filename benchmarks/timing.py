"""Competitors in turns: what a shared machine does to one, it does to all."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping

import torch


def in_turns(competitors: Mapping[str, Callable[[], object]], repeats: int = 7) -> dict[str, list[float]]:
    """Seconds of every call; each competitor is called once before the clock runs."""
    for call in competitors.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in competitors}
    for _ in range(repeats):
        for name, call in competitors.items():
            start = time.perf_counter()
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def table(title: str, seconds: Mapping[str, list[float]], baseline: str, images: int = 0) -> None:
    """Print a Markdown table: per competitor min, median, max and how many times as fast as ``baseline`` it is.

    With ``images``, the pictures of one call, images a second; else milliseconds.
    """
    unit = "images/s" if images else "ms"
    print(f"\n**{title}**\n\n| | min | median | max {unit} | ratio |\n|---|---|---|---|---|")
    reference = statistics.median(seconds[baseline])
    for name, values in seconds.items():
        shown = sorted(images / value if images else value * 1000 for value in values)
        ratio = reference / statistics.median(values)
        numbers = " | ".join(
            f"{number:.0f}" if number >= 1000 else f"{number:.3g}"
            for number in (shown[0], statistics.median(shown), shown[-1])
        )
        print(f"| {name} | {numbers} | {ratio:.2f} |")


def machine() -> None:
    """Print what the numbers were measured on."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.processor() or platform.machine()}")
    print(f"CPU features: {', '.join(name for name, there in torch.cpu.get_capabilities().items() if there is True)}")


def import_timm() -> object:
    """timm, and what has to be kept alive for it (see ``without_operators``)."""
    library = without_operators()
    import timm

    return timm, library


def without_operators() -> torch.library.Library | None:
    """To be called before what imports torchvision, and kept: a torch for processors alone stands beside a torchvision
    without compiled operators, and two of them are declared."""
    if torch.version.cuda is not None:
        return None
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
