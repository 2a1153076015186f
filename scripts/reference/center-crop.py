#!/usr/bin/env python3
"""How does DiT's official code crop an image? Writes test/fixtures/images: made-up images and their crops by Pillow.

    pip install pillow numpy
    python3 scripts/reference/center-crop.py

`cropped` does what `center_crop_arr` of DiT's train.py and of guided-diffusion does, in the words of its description:
halve with a box filter while the short side has at least twice the size, bring the short side to the size with a bicubic
filter, cut the centre out. Recorded with Pillow 13.0.0.
"""
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "images"
# Height, width, size of the crop: odd and even sides, one step up, none, several halvings, very narrow.
CASES = [(67, 65, 32), (20, 33, 32), (32, 32, 32), (100, 141, 24), (65, 48, 16), (9, 90, 8)]


def made_up(height: int, width: int, random: np.random.Generator) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 100 * np.sin(x / 5 + k) * np.cos(y / 4 + 2 * k) for k in range(3)]
    noisy = np.stack(waves, -1) + random.normal(0, 20, (height, width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def cropped(image: Image.Image, size: int) -> Image.Image:
    while min(image.size) >= 2 * size:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    scale = size / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for height, width, size in CASES:
        image = made_up(height, width, random)
        image.save(FOLDER / f"{width}x{height}.png", optimize=True)
        cropped(image, size).save(FOLDER / f"{width}x{height}-cropped-{size}.png", optimize=True)
    # The decoder takes part: Pillow and sharp both use libjpeg's.
    image = made_up(50, 70, random)
    image.save(FOLDER / "70x50.jpg", quality=90)
    cropped(Image.open(FOLDER / "70x50.jpg").convert("RGB"), 32).save(FOLDER / "70x50-cropped-32.png", optimize=True)


if __name__ == "__main__":
    main()
