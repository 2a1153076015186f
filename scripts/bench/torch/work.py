# How is the work of one case done in PyTorch? Opens what the job names; every call of the result does the work once.
import json
import math
import os

import torch
from dit import DiT
from heads import Heads
from safetensors.torch import load_file
from training import Trainer, full_loss, heads_loss

PROBES = 64


def probe(output):
    """Evenly spaced numbers of an output."""
    flat = output.detach().flatten().float()
    return flat[:: max(1, flat.numel() // PROBES)][:PROBES].tolist()


class Work:
    """`run` does the work once and returns numbers that the other side must find as well; so does `state`, in the end."""

    def __init__(self, run, state=lambda: []):
        self.run, self.state = run, state


def prepared(mode):
    """What compiles a function, or leaves it alone."""
    if mode == "eager":
        return lambda function: function
    if mode == "freeze":
        from torch._inductor import config

        config.freezing = True
    return lambda function: torch.compile(function, dynamic=False)


def open_work(job):
    torch.set_num_threads(job["threads"])
    compiled = prepared(job["side"]["mode"])
    if job["work"]["kind"] == "gemm":
        return gemm(job)
    with open(os.path.join(job["backbone"], "config.json"), encoding="utf8") as file:
        config = json.load(file)
    model = DiT(config)
    model.load_state_dict(load_file(os.path.join(job["backbone"], "model.safetensors")))
    inputs = load_file(job["inputs"])
    query = inputs["x"], inputs["t"], inputs["y"].long()
    targets = inputs["noise"], inputs["lambda"]
    heads = None
    if job["plans"]:
        heads = Heads(config, job["plans"])
        heads.load_state_dict(load_file(job["heads"]))
    kind = job["work"]["kind"]
    if kind == "forward":
        return forward(compiled, model, query)
    if kind == "heads":
        return train_heads(compiled, model, heads, job, query, targets)
    if kind == "full":
        return train_all(compiled, model, job, query, targets)
    if kind == "sample":
        return sample(compiled, model, heads, job, query)
    raise ValueError(f"no work of kind {kind}")


def gemm(job):
    size = job["work"]["size"]
    a, b = (torch.rand(size, size) for _ in range(2))

    def run():
        with torch.inference_mode():
            torch.mm(a, b)
        return []

    return Work(run)


def forward(compiled, model, query):
    function = compiled(model.eval().requires_grad_(False))

    def run():
        with torch.inference_mode():
            return probe(function(*query))

    return Work(run)


def train_heads(compiled, model, heads, job, query, targets):
    model.requires_grad_(False)
    loss = compiled(lambda *inputs: heads_loss(model, heads, job, *inputs))
    trainer = Trainer(heads.named_parameters(), loss, job["update"])
    return Work(lambda: trainer.step(*query, *targets), trainer.state)


def train_all(compiled, model, job, query, targets):
    loss = compiled(lambda *inputs: full_loss(model, *inputs))
    moving = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    trainer = Trainer(moving, loss, job["update"])
    return Work(lambda: trainer.step(*query, *targets), trainer.state)


def sample(compiled, model, heads, job, query):
    """DDIM, eta 0, without clipping (src/samplers/ddim.ts)."""
    start, _, y = query
    work, dtype = job["work"], torch.bfloat16 if job["side"]["dtype"] == "bf16" else torch.float32
    model = model.eval().requires_grad_(False).to(dtype)
    exits = work["exits"] if job["side"]["scheduled"] else [model.depth] * len(work["timesteps"])
    heads = heads.eval().requires_grad_(False).to(dtype)
    at = {
        exit: compiled(model if exit == model.depth else leaving(model, heads.at(exit), exit))
        for exit in sorted(set(exits))
    }
    alphas = [*work["alphas"], 1.0]

    def run():
        x = start
        with torch.inference_mode():
            for step, (t, exit) in enumerate(zip(work["timesteps"], exits)):
                alpha, following = alphas[step], alphas[step + 1]
                times = torch.full((len(y),), float(t))
                epsilon = at[exit](x, times, y)[:, : x.shape[1]].float()
                image = (x - math.sqrt(1 - alpha) * epsilon) / math.sqrt(alpha)
                x = math.sqrt(following) * image + math.sqrt(max(0.0, 1 - following)) * epsilon
        return probe(x)

    return Work(run)


def leaving(model, head, exit):
    return lambda x, t, y: model.leave(head, exit, x, t, y)
