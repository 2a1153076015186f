# What does diffusers make of a latent that is larger than a tile? Writes test/fixtures/diffusers/vae/tiled.safetensors:
# python scripts/reference/vae-tiles.py   (torch, diffusers, safetensors)
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

folder = "test/fixtures/diffusers/vae"
vae = AutoencoderKL.from_pretrained(folder).eval()
z = torch.randn(1, 4, 14, 14, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    whole = vae.decode(z).sample
    vae.enable_tiling()  # tiles of sample_size, here 16 pixels or 8 latents, a quarter of which overlap
    tiled = vae.decode(z).sample
save_file({"z": z, "whole": whole, "tiled": tiled}, f"{folder}/tiled.safetensors")
