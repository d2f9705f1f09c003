"""From a JPEG file to the network's input: genus's one decoder against torchvision's usual transforms, one thread."""

import io
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.timing import import_timm, in_turns, machine, table
from genus.data.decode import decode
from genus.data.preprocess import resize
from genus.engine.torch_engine import Normalise
from genus.types import Preprocess

SIDES = {"227 x 227": (227, 227), "1 megapixel": (1155, 866), "12 megapixels": (4000, 3000)}
PREPROCESS = Preprocess(224, crop=0.875)


def photo(width: int, height: int) -> bytes:
    """A JPEG with the detail of a photograph: smooth colours and some noise."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((width, height))
    noisy = np.asarray(coarse, np.int16) + rng.integers(-12, 13, (height, width, 3))
    content = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(content, "JPEG", quality=90)
    return content.getvalue()


def main() -> None:
    torch.set_num_threads(1)
    machine()
    _timm, _kept = import_timm()
    from torchvision import transforms

    usual = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(PREPROCESS.mean, PREPROCESS.std),
        ]
    )
    normalise = Normalise(PREPROCESS)
    pixels = np.random.default_rng(0).integers(0, 256, (199, 199, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    resamplers = {
        "Pillow": lambda: image.resize((224, 224), Image.Resampling.BICUBIC),
        "genus": lambda: resize(pixels, (224, 224), "bicubic"),
    }
    table("Resampling alone, 199 to 224 px, bicubic", in_turns(resamplers, 50), "Pillow")
    for name, sides in SIDES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "photo.jpg"
            path.write_bytes(photo(*sides))
            competitors = {
                "torchvision, PIL": lambda path=path: usual(Image.open(path).convert("RGB")),
                "genus": lambda path=path: normalise(torch.from_numpy(decode(path, PREPROCESS)[None])),
            }
            table(f"JPEG of {name} to input", in_turns(competitors, 15), "torchvision, PIL")


if __name__ == "__main__":
    main()
