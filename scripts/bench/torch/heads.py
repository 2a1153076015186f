# What are exit heads in PyTorch? The kinds of src/exits/heads.ts, under the same parameter names.
from dit import Block, LastLayer, norm
from torch import nn
from torch.nn import functional as F


class Adapter(nn.Module):
    def __init__(self, width, bottleneck):
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)

    def forward(self, hidden):
        return hidden + self.up(F.gelu(self.down(norm(hidden)), approximate="tanh"))


class Head(nn.Module):
    def __init__(self, config, plan):
        super().__init__()
        self.kind = plan["kind"]
        if self.kind == "adapter":
            self.adapter = Adapter(config["hidden_size"], plan["bottleneck"])
        elif self.kind == "block":
            self.block = Block(config)
        elif self.kind != "linear":
            raise ValueError(f"no head of kind {self.kind}")
        self.last = LastLayer(config)

    def forward(self, hidden, condition):
        if self.kind == "adapter":
            hidden = self.adapter(hidden)
        elif self.kind == "block":
            hidden = self.block(hidden, condition)
        return self.last(hidden, condition)


class Heads(nn.Module):
    def __init__(self, config, plans):
        super().__init__()
        self.exits = nn.ModuleDict({str(plan["exit"]): Head(config, plan) for plan in plans})

    def at(self, exit):
        return self.exits[str(exit)]

    def forward(self, states, condition):
        return [head(states[int(exit) - 1], condition) for exit, head in self.exits.items()]
