"""How do captions become a folder of embeddings that exithead reads (docs/captions.md)?

    python make-captions.py captions.txt --out captions --encoder PixArt-alpha/PixArt-XL-2-512x512
    python make-captions.py captions.txt --out captions --random 4096

The text file holds one caption a line. A run that was stopped goes on where it was. Needs numpy and safetensors, and
for real embeddings torch, transformers and sentencepiece; `--random` makes numbers that mean nothing, for trying things.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

DTYPES = {"F16": np.float16, "F32": np.float32}
INDEX = "captions.json"
STARTED = "started.json"
NULL = "null.safetensors"
TEXTS = "captions.txt"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path, help="text file in UTF-8, one caption a line")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--encoder", help="folder or hub name of a T5, or of a PixArt pipeline that holds one")
    kind.add_argument("--random", type=int, metavar="CHANNELS", help="make numbers up instead of encoding")
    parser.add_argument("--tokens", type=int, default=120, help="most tokens of a caption, longer ones are cut (120)")
    parser.add_argument("--shard", type=int, default=256, help="captions in a file (256)")
    parser.add_argument("--batch", type=int, default=8, help="captions encoded at once (8)")
    parser.add_argument("--dtype", choices=DTYPES, default="F16", help="how embeddings are stored (F16)")
    parser.add_argument("--device", default="cpu", help="what encodes, such as cuda (cpu)")
    parser.add_argument(
        "--precision",
        choices=["float32", "bfloat16"],
        default="float32",
        help="what the encoder computes in; float16 would overflow in T5 (float32)",
    )
    return parser.parse_args()


def fail(message: str) -> None:
    sys.exit(f"error: {message}")


def read_texts(path: Path) -> list[str]:
    texts = path.read_text("utf-8").split("\n")
    if texts and texts[-1] == "":
        texts.pop()
    if not texts:
        fail(f"{path} holds no captions; write one a line")
    return texts


class RandomEncoder:
    """Embeddings that depend on the caption alone and mean nothing; a word is a token."""

    def __init__(self, channels: int, tokens: int):
        self.name, self.channels, self.tokens = "random", channels, tokens

    def __call__(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        embedded = np.zeros((len(texts), self.tokens, self.channels), np.float32)
        mask = np.zeros((len(texts), self.tokens), np.float32)
        for i, text in enumerate(texts):
            # As in T5, a last token says that the text ends.
            length = min(len(text.split()) + 1, self.tokens)
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
            embedded[i, :length] = np.random.default_rng(seed).standard_normal((length, self.channels))
            mask[i, :length] = 1
        return embedded, mask


class T5Encoder:
    """As the pipeline of PixArt-alpha encodes without `clean_caption`: in lower case, padded, the mask kept."""

    def __init__(self, source: str, tokens: int, device: str, precision: str):
        import torch
        from transformers import AutoTokenizer, T5EncoderModel

        self.torch, self.tokens, self.device, self.name = torch, tokens, device, source
        # A pipeline of diffusers keeps both in folders of their own.
        pipeline = self._is_pipeline(source)
        parts = {"tokenizer": {"subfolder": "tokenizer"}, "encoder": {"subfolder": "text_encoder"}}
        self.tokenizer = AutoTokenizer.from_pretrained(source, **(parts["tokenizer"] if pipeline else {}))
        model = T5EncoderModel.from_pretrained(
            source, dtype=getattr(torch, precision), **(parts["encoder"] if pipeline else {})
        )
        self.model = model.eval().to(device)
        self.channels = model.config.d_model

    @staticmethod
    def _is_pipeline(source: str) -> bool:
        if Path(source).is_dir():
            return (Path(source) / "text_encoder").is_dir()
        from transformers.utils import cached_file

        found = cached_file(source, "model_index.json", _raise_exceptions_for_missing_entries=False)
        return found is not None

    def __call__(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        given = self.tokenizer(
            [text.lower().strip() for text in texts],
            padding="max_length",
            max_length=self.tokens,
            truncation=True,
            add_special_tokens=True,
            return_tensors="pt",
        ).to(self.device)
        with self.torch.no_grad():
            embedded = self.model(given.input_ids, attention_mask=given.attention_mask)[0]
        return embedded.float().cpu().numpy(), given.attention_mask.float().cpu().numpy()


def write_whole(path: Path, write) -> None:
    """The old file or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.part")
    write(temporary)
    temporary.chmod(0o644)
    os.replace(temporary, path)


def write_captions(path: Path, embedded: np.ndarray, mask: np.ndarray, dtype: str) -> None:
    # Padding that all captions of a file have is left out.
    length = int(mask.sum(0).nonzero()[0].max()) + 1
    mask = mask[:, :length]
    # What padding was embedded as says nothing.
    stored = (embedded[:, :length] * mask[:, :, None]).astype(DTYPES[dtype])
    if not np.isfinite(stored).all():
        fail(f"an embedding is not finite as {dtype}; store F32, or let the encoder compute in float32")
    tensors = {"tokens": np.ascontiguousarray(stored), "mask": np.ascontiguousarray(mask.astype(DTYPES[dtype]))}
    write_whole(path, lambda part: save_file(tensors, part))


def length_of(path: Path) -> int:
    """Tokens of the captions in a file."""
    with safe_open(path, "numpy") as file:
        return file.get_slice("tokens").get_shape()[1]


def start(out: Path, settings: dict) -> None:
    """Remembers what is being made, so that a run with other settings does not go on with these files."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / STARTED
    if path.is_file():
        if json.loads(path.read_text("utf-8")) != settings:
            fail(f"{out} was begun with other captions or settings; give another folder, or remove it")
        return
    if any(out.iterdir()):
        fail(f"{out} is not empty; give another folder")
    write_whole(path, lambda part: part.write_text(json.dumps(settings), "utf-8"))


def main() -> None:
    args = parse()
    if not 1 <= args.tokens <= 4096 or args.shard < 1 or args.batch < 1:
        fail("--tokens must be 1 to 4096, --shard and --batch at least 1")
    texts = read_texts(args.texts)
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    settings = {"captions": digest, "encoder": args.encoder or f"random {args.random}"}
    settings |= {"tokens": args.tokens, "shard": args.shard, "dtype": args.dtype, "precision": args.precision}
    if (args.out / INDEX).is_file():
        fail(f"{args.out} is finished; give another folder")
    start(args.out, settings)
    if args.random is None:
        encode = T5Encoder(args.encoder, args.tokens, args.device, args.precision)
    else:
        encode = RandomEncoder(args.random, args.tokens)

    shards = []
    for number, begin in enumerate(range(0, len(texts), args.shard)):
        some = texts[begin : begin + args.shard]
        name = f"captions-{number:05}.safetensors"
        shards.append({"file": name, "count": len(some)})
        # Files appear whole, so one that is there is finished.
        if (args.out / name).is_file():
            continue
        parts = [encode(some[i : i + args.batch]) for i in range(0, len(some), args.batch)]
        embedded, mask = (np.concatenate(arrays) for arrays in zip(*parts))
        write_captions(args.out / name, embedded, mask, args.dtype)
        print(f"{begin + len(some)} of {len(texts)} captions", flush=True)
    if not (args.out / NULL).is_file():
        write_captions(args.out / NULL, *encode([""]), args.dtype)

    write_whole(args.out / TEXTS, lambda part: part.write_text("".join(f"{text}\n" for text in texts), "utf-8"))
    index = {
        "format": "exithead-captions",
        "version": 1,
        "encoder": encode.name,
        "channels": encode.channels,
        "tokens": max(length_of(args.out / file) for file in [NULL, *(shard["file"] for shard in shards)]),
        "count": len(texts),
        "shards": shards,
        "nullCaption": NULL,
        "texts": TEXTS,
    }
    write_whole(args.out / INDEX, lambda part: part.write_text(json.dumps(index, indent=2) + "\n", "utf-8"))
    (args.out / STARTED).unlink()
    print(f"{len(texts)} captions of {encode.channels} channels in {args.out}")


if __name__ == "__main__":
    main()
