"""What does a tiny PixArt of diffusers compute for 1024 px? Its micro-conditions and its interpolated positions.

Writes config.json, diffusion_pytorch_model.safetensors and io.safetensors of test/fixtures/diffusers/pixart-large.
Needs torch, diffusers and safetensors.
"""

import argparse
from pathlib import Path

import torch
from diffusers import PixArtTransformer2DModel
from safetensors.torch import save_file

# The published model for 1024 px has 128 latents a side; its autoencoder makes one of 8 x 8 pixels.
SIDE = 16
PIXELS = 8 * SIDE


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = parse()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    model = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        cross_attention_dim=24,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        sample_size=SIDE,
        patch_size=4,
        caption_channels=16,
        interpolation_scale=2,
        use_additional_conditions=True,
    ).eval()
    x = torch.randn(2, 4, SIDE, SIDE)
    t = torch.tensor([37, 940])
    caption = torch.randn(2, 5, 16)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    conditions = {
        "resolution": torch.tensor([[PIXELS, PIXELS]] * 2, dtype=torch.float32),
        "aspect_ratio": torch.ones(2, 1),
    }

    def run() -> torch.Tensor:
        return model(
            x,
            encoder_hidden_states=caption,
            timestep=t,
            added_cond_kwargs=conditions,
            encoder_attention_mask=mask,
        ).sample

    with torch.no_grad():
        adaln, embedded = model.adaln_single(t, conditions, batch_size=2, hidden_dtype=torch.float32)
        io = {
            "x": x,
            "t": t,
            "caption": caption,
            "caption_mask": mask,
            "pos_embed": model.pos_embed.pos_embed,
            "embedded_timestep": embedded,
            "adaln_single": adaln,
            "out": run(),
        }
        blocks = model.transformer_blocks
        for k in range(1, len(blocks) + 1):
            model.transformer_blocks = blocks[:k]
            io[f"exit_out_{k}"] = run()
        model.transformer_blocks = blocks
    model.save_pretrained(args.out, safe_serialization=True)
    save_file({name: tensor.contiguous() for name, tensor in io.items()}, args.out / "io.safetensors")


if __name__ == "__main__":
    main()
