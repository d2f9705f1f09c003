"""Where ``check`` and ``train`` begin: every file is looked at once, and what belongs together is found."""

from collections.abc import Callable
from dataclasses import dataclass

from genus.data.catalog import Catalog
from genus.data.checks.links import find_links
from genus.data.groups import Link
from genus.data.inspect import FactsOnly, Inspection, inspect
from genus.features.extractor import FeatureExtractor
from genus.features.memory import open_memory
from genus.types import OnEvent, Preprocess


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking at every file: which can be used, which of these belong together, and how they were
    prepared."""

    inspection: Inspection
    links: tuple[Link, ...]
    preprocess: Preprocess


Look = Callable[[Catalog], Looked]
Network = FeatureExtractor
"""What looks at pictures."""


def look_at_files(
    catalog: Catalog,
    preprocess: Preprocess,
    consumer: Network | None,
    pretrained: Network | None,
    workers: int,
    on_event: OnEvent,
) -> Looked:
    """Look at every file of ``catalog`` in ``workers`` threads; ``consumer`` gets the pixels. What of the good pictures
    belongs together is found by their facts and, where it has seen all of them, by the features of ``pretrained``.

    Raises MachineError where the cache cannot be written any more.
    """
    with open_memory(preprocess) as memory:
        inspection = inspect(catalog, preprocess, workers, on_event, memory, consumer or FactsOnly())
        if consumer:
            consumer.finish()
        contents = [bytes.fromhex(item.sha256) for item in inspection.good]
        features = pretrained.known(contents) if pretrained else None
        links = find_links(inspection, features, memory, workers, on_event)
    return Looked(inspection, tuple(links), preprocess)
