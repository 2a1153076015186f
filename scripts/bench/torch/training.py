# What does a training step do in PyTorch? The losses, AdamW, clipping and averages of src/training.
import torch
from torch.nn.utils import clip_grad_norm_


def weighted_error(prediction, target, weights):
    per_sample = (prediction - target).square().mean(dim=(1, 2, 3))
    return (weights * per_sample).mean()


def heads_loss(model, heads, job, x, t, y, noise, weights):
    """sum_k w_k (|noise - head_k|^2 + distillation |full - head_k|^2); the backbone has no backward."""
    with torch.no_grad():
        states, condition, full = model.features(x, t, y)
    channels = x.shape[1]
    total = 0
    for importance, prediction in zip(job["loss"]["exitWeights"], heads(states, condition)):
        to_noise = weighted_error(prediction[:, :channels], noise, weights)
        to_full = weighted_error(prediction, full, weights)
        total = total + importance * (to_noise + job["loss"]["distillation"] * to_full)
    return total


def full_loss(model, x, t, y, noise, weights):
    return weighted_error(model(x, t, y)[:, : x.shape[1]], noise, weights)


class Trainer:
    """Moves named parameters by the gradient of a loss: fused AdamW, clipping and averages by foreach operators."""

    def __init__(self, named, loss, update):
        self.named = dict(sorted(named))
        self.weights = list(self.named.values())
        self.loss, self.update = loss, update
        betas = (update["beta1"], update["beta2"])
        self.adamw = torch.optim.AdamW(
            self.weights, update["lr"], betas, update["eps"], update["weightDecay"], fused=True
        )
        self.averages = [weight.detach().clone() for weight in self.weights]
        self.steps = 0

    def step(self, *inputs):
        self.adamw.zero_grad(set_to_none=True)
        loss = self.loss(*inputs)
        loss.backward()
        norm = clip_grad_norm_(self.weights, self.update["clip"], foreach=True)
        self.adamw.step()
        self.steps += 1
        decay = min(self.update["ema"], (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.weights, 1 - decay)
        return [loss.item(), norm.item()]

    def state(self):
        """First, middle and last number of every averaged weight, by name."""
        flat = (average.flatten() for average in self.averages)
        return [one[at].item() for one in flat for at in (0, one.numel() // 2, one.numel() - 1)]
