"""``genus models``."""

from genus.cli.console import show_table
from genus.cli.terminal import say


def models() -> None:
    """List the models: size, cost, input, licence of the weights and where these are.

    Weights are "installed" (a pip package), "cached" (on this disk) or "downloadable" (from the Hugging Face hub).
    GMACs: billions of multiply-accumulates a picture. Any timm model is timm:NAME with the extra timm.

    Example: genus models
    """
    from genus.errors import install_hint
    from genus.models.registry import MODELS
    from genus.models.sources import availability

    rows = [
        (
            name,
            f"{entry.parameters / 1e6:.1f} M",
            f"{entry.gmacs:.2f}",
            f"{entry.preprocess.size} px",
            entry.pretrained.licence,
            availability(entry.pretrained),
        )
        for name, entry in MODELS.items()
    ]
    show_table(("model", "parameters", "GMACs", "input", "licence", "weights"), rows, right=(1, 2, 3))
    say(f"Any timm model: --model timm:NAME, after {install_hint('timm')}.")
