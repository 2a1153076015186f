# What does a DiT compute in PyTorch? Official parameter names, so that the same .safetensors loads on both sides.
import math

import torch
from torch import nn
from torch.nn import functional as F

TIME_FREQUENCIES = 256
EPSILON = 1e-6


def norm(x):
    return F.layer_norm(x, x.shape[-1:], eps=EPSILON)


def modulate(x, shift, scale):
    return x * (1 + scale) + shift


class AdaptiveLinear(nn.Sequential):
    """Vectors that steer a block, from the condition after SiLU; its linear layer is called `1`, as in the checkpoint."""

    def __init__(self, width, count):
        super().__init__(nn.Identity(), nn.Linear(width, count * width))
        self.count = count

    def forward(self, condition):
        return super().forward(condition).unsqueeze(1).chunk(self.count, dim=-1)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.proj(attended.transpose(1, 2).reshape(batch, tokens, width))


class Mlp(nn.Module):
    def __init__(self, width, wide):
        super().__init__()
        self.fc1 = nn.Linear(width, wide)
        self.fc2 = nn.Linear(wide, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config["hidden_size"]
        self.attn = Attention(width, config["num_heads"])
        self.mlp = Mlp(width, int(width * config["mlp_ratio"]))
        self.adaLN_modulation = AdaptiveLinear(width, 6)

    def forward(self, x, condition):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(condition)
        x = x + gate1 * self.attn(modulate(norm(x), shift1, scale1))
        return x + gate2 * self.mlp(modulate(norm(x), shift2, scale2))


class LastLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, self.patch = config["hidden_size"], config["patch_size"]
        self.side = config["input_size"] // self.patch
        self.channels = config["in_channels"] * (2 if config["learn_sigma"] else 1)
        self.linear = nn.Linear(width, self.patch * self.patch * self.channels)
        self.adaLN_modulation = AdaptiveLinear(width, 2)

    def forward(self, x, condition):
        shift, scale = self.adaLN_modulation(condition)
        tokens = self.linear(modulate(norm(x), shift, scale))
        grid = tokens.view(-1, self.side, self.side, self.patch, self.patch, self.channels)
        size = self.side * self.patch
        return grid.permute(0, 5, 1, 3, 2, 4).reshape(-1, self.channels, size, size)


class PatchEmbedder(nn.Module):
    """The patch convolution as one matrix product, as on the other side."""

    def __init__(self, config):
        super().__init__()
        self.patch, self.channels = config["patch_size"], config["in_channels"]
        self.proj = nn.Conv2d(self.channels, config["hidden_size"], self.patch, self.patch)

    def forward(self, x):
        batch, channels, size, _ = x.shape
        side = size // self.patch
        grid = x.view(batch, channels, side, self.patch, side, self.patch).permute(0, 2, 4, 1, 3, 5)
        return F.linear(grid.reshape(batch, side * side, -1), self.proj.weight.flatten(1), self.proj.bias)


class TimeEmbedder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(TIME_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        half = TIME_FREQUENCIES // 2
        # No buffer: it stays in single precision when the model does not.
        self.frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)

    def forward(self, t):
        angles = t[:, None] * self.frequencies
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1)
        return self.mlp(waves.to(self.mlp[0].weight.dtype))


class LabelEmbedder(nn.Module):
    def __init__(self, classes, width):
        super().__init__()
        self.embedding_table = nn.Embedding(classes + 1, width)

    def forward(self, y):
        return self.embedding_table(y)


class DiT(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config["hidden_size"]
        tokens = (config["input_size"] // config["patch_size"]) ** 2
        self.depth = config["depth"]
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, width), requires_grad=False)
        self.x_embedder = PatchEmbedder(config)
        self.t_embedder = TimeEmbedder(width)
        self.y_embedder = LabelEmbedder(config["num_classes"], width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(self.depth))
        self.final_layer = LastLayer(config)

    def embed(self, x, t, y):
        hidden = self.x_embedder(x.to(self.pos_embed.dtype)) + self.pos_embed
        return hidden, F.silu(self.t_embedder(t) + self.y_embedder(y))

    def forward(self, x, t, y):
        hidden, condition = self.embed(x, t, y)
        for block in self.blocks:
            hidden = block(hidden, condition)
        return self.final_layer(hidden, condition)

    def features(self, x, t, y):
        """States after every block, the condition, and what the whole backbone predicts."""
        hidden, condition = self.embed(x, t, y)
        states = []
        for block in self.blocks:
            hidden = block(hidden, condition)
            states.append(hidden)
        return states, condition, self.final_layer(hidden, condition)

    def leave(self, head, exit, x, t, y):
        """Runs blocks 1 to `exit` and that head."""
        hidden, condition = self.embed(x, t, y)
        for block in self.blocks[:exit]:
            hidden = block(hidden, condition)
        return head(hidden, condition)
