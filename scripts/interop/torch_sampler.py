"""Does a bundle draw the same in PyTorch? Its heads on a DiT with the official names, by DDIM along its schedule.

    python torch_sampler.py BUNDLE --noise noise.f32 --labels labels.i32 --out images.f32 [--backbone model.safetensors]

Files of numbers are raw and little-endian: noise and images float32 [n, C, H, W], labels int32 [n].
"""
import argparse
import copy
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dit import DiT, waves


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path)
    for name in ("noise", "labels", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--backbone", type=Path, help="its weights, if the bundle does not hold them")
    options = parser.parse_args()
    bundle = json.loads((options.bundle / "bundle.json").read_text())
    schedule = json.loads((options.bundle / bundle["schedule"]).read_text())
    spec = bundle["backbone"]["spec"]
    dit = DiT(**spec)
    dit.load_state_dict(read_safetensors(options.backbone or options.bundle / bundle["backbone"]["source"]))
    model = EarlyExits(dit, bundle["heads"], read_safetensors(options.bundle / bundle["headsFile"])).eval()
    shape = (-1, spec["in_channels"], spec["input_size"], spec["input_size"])
    noise = torch.from_numpy(np.fromfile(options.noise, "<f4")).view(shape)
    labels = torch.from_numpy(np.fromfile(options.labels, "<i4")).long()
    with torch.no_grad():
        images = sample(model, bundle["diffusion"], spec["num_classes"], schedule, noise, labels)
    images.numpy().astype("<f4").tofile(options.out)


class EarlyExits(nn.Module):
    """A DiT that leaves after block `exit`, through the head there; after the last one it is the DiT as it came."""

    def __init__(self, dit, plans, weights):
        super().__init__()
        self.dit, self.depth = dit, len(dit.blocks)
        self.heads = nn.ModuleDict({str(plan["exit"]): Head(dit, plan, weights) for plan in plans})

    def forward(self, x, t, y, exit, memory):
        """memory: kept from step to step of a trajectory, an empty dict at its beginning."""
        dit = self.dit
        hidden = dit.x_embedder(x) + dit.pos_embed
        c = dit.t_embedder(t) + dit.y_embedder(y, False)
        passed = {}
        for k, block in enumerate(dit.blocks[:exit], start=1):
            hidden = block(hidden, c)
            passed[k] = hidden
        if exit == self.depth:
            # What is missing after block k: all that the blocks after it added.
            memory.update({k: hidden - state for k, state in passed.items() if str(k) in self.heads}, t=t)
            return dit.unpatchify(dit.final_layer(hidden, c))
        return self.heads[str(exit)](hidden, c, t, memory)


class Head(nn.Module):
    """One head of a bundle; its kinds are those of the bundle's README."""

    def __init__(self, dit, plan, weights):
        super().__init__()
        self.exit, self.kind, self.unpatchify = plan["exit"], plan["kind"], dit.unpatchify
        start = f"exits.{self.exit}."
        own = {name[len(start) :]: tensor for name, tensor in weights.items() if name.startswith(start)}
        # A last layer or block of its own is shaped as the backbone's.
        self.last = with_weights(dit.final_layer, own, "last.")
        self.block = with_weights(dit.blocks[0], own, "block.")
        self.own = own

    def forward(self, hidden, c, t, memory):
        more = 0
        if self.kind == "adapter":
            hidden = hidden + self.linear("adapter.up", gelu(self.linear("adapter.down", norm(hidden))))
        elif self.kind == "block":
            hidden = self.block(hidden, c)
        elif self.kind == "low-rank":
            more = self.linear("lowRank.up", F.linear(F.silu(c), self.own["lowRank.down.weight"]))
        elif self.kind == "remembered":
            hidden = hidden + memory[self.exit]
        elif self.kind == "memory":
            hidden = self.corrected(hidden, memory[self.exit], t, memory["t"])
        elif self.kind not in ("shared", "linear"):
            raise ValueError(f"no head of kind {self.kind}")
        shift, scale = (self.last.adaLN_modulation(c) + more).unsqueeze(1).chunk(2, dim=-1)
        return self.unpatchify(self.last.linear(self.last.norm_final(hidden) * (1 + scale) + shift))

    def corrected(self, hidden, residual, t, t_full):
        u = torch.cat([waves(t, 32), waves(t_full - t, 32)], dim=1)
        scale = 1 + self.linear("memory.scale", u).unsqueeze(1)
        both = self.linear("memory.down", torch.cat([norm(hidden), norm(residual)], dim=2))
        narrow = gelu(both + self.linear("memory.times", u).unsqueeze(1))
        return hidden + scale * residual + self.linear("memory.up", narrow)

    def linear(self, name, x):
        return F.linear(x, self.own[f"{name}.weight"], self.own[f"{name}.bias"])


def with_weights(module, weights, start):
    """A copy of a module with the weights under that prefix; the module itself where there are none."""
    own = {name[len(start) :]: tensor for name, tensor in weights.items() if name.startswith(start)}
    if not own:
        return module
    made = copy.deepcopy(module)
    made.load_state_dict(own)
    return made


def norm(x):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def gelu(x):
    return F.gelu(x, approximate="tanh")


def sample(model, diffusion, none, schedule, noise, labels):
    """DDIM with eta 0 along the schedule; noise and result [n, C, H, W], labels [n]."""
    alphas, times = alphas_cumprod(diffusion), schedule["timesteps"]
    predict = guided(model, diffusion, none, schedule)
    x = noise
    for i, t in enumerate(times):
        a, a_next = float(alphas[t]), float(alphas[times[i + 1]]) if i + 1 < len(times) else 1.0
        epsilon = epsilon_of(diffusion["prediction"], x, predict(i, x, labels), a)
        image = (x - (1 - a) ** 0.5 * epsilon) / a**0.5
        if diffusion["clip"]:
            image = image.clamp(-1, 1)
        x = a_next**0.5 * image + (1 - a_next) ** 0.5 * epsilon
    return x


def guided(model, diffusion, none, schedule):
    """Predictions of one trajectory, step by step: [n, C, H, W]."""
    scale = diffusion["guidance"]
    first, last = diffusion.get("guidanceInterval", [0, math.inf])
    # Guidance takes two halves, what is asked for and nothing; each has a memory of its own.
    asked, nothing = {}, {}

    def predict(i, x, labels):
        t, channels = schedule["timesteps"][i], x.shape[1]
        times = torch.full((len(x),), float(t))
        # A learned variance, in the channels after these, is not used by DDIM.
        on = model(x, times, labels, schedule["exits"][i], asked)[:, :channels]
        if scale == 1 or not first <= t <= last:
            return on
        exits = schedule.get("unconditional", schedule["exits"])
        off = model(x, times, torch.full_like(labels, none), exits[i], nothing)[:, :channels]
        moved = diffusion.get("guidanceChannels", "all")
        if moved != "all":
            off[:, moved:] = on[:, moved:]
        return off + scale * (on - off)

    return predict


def alphas_cumprod(diffusion):
    """Products of 1 - beta, [T], in double precision."""
    first, last, steps = diffusion["betaStart"], diffusion["betaEnd"], diffusion["steps"]
    if diffusion["betas"] == "linear":
        betas = np.linspace(first, last, steps)
    elif diffusion["betas"] == "scaled-linear":
        betas = np.linspace(first**0.5, last**0.5, steps) ** 2
    else:
        raise ValueError(f"no betas of kind {diffusion['betas']}")
    return np.cumprod(1 - betas)


def epsilon_of(kind, x, prediction, a):
    """The noise in x = sqrt(a) x0 + sqrt(1 - a) epsilon that a prediction implies."""
    signal, spread = a**0.5, (1 - a) ** 0.5
    if kind == "epsilon":
        return prediction
    if kind == "x0":
        return (x - signal * prediction) / spread
    if kind == "v":
        return signal * prediction + spread * x
    if kind == "flow":
        return (signal * prediction + x) / (signal + spread)
    raise ValueError(f"no prediction of kind {kind}")


def read_safetensors(path):
    """Tensors of a .safetensors file in single precision, by name."""
    data = Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        raw = data[start + first : start + last]
        if entry["dtype"] == "BF16":
            numbers = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            numbers = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[entry["dtype"]])
        tensors[name] = torch.from_numpy(numbers.astype(np.float32)).view(entry["shape"])
    return tensors


if __name__ == "__main__":
    main()
