"""Does a bundle draw the same without exithead? Its ONNX graphs with NumPy and onnxruntime, by DDIM, and nothing else.

    python onnx_sampler.py BUNDLE --noise noise.f32 --labels labels.i32 --out images.f32

Files of numbers are raw and little-endian: noise and images float32 [n, C, H, W], labels int32 [n].
"""
import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime as ort


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path)
    for name in ("noise", "labels", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    folder = options.bundle / "onnx"
    manifest = json.loads((folder / "manifest.json").read_text())
    # A path, not bytes: the runtime finds the weights beside the graph.
    graphs = {
        graph["exit"]: ort.InferenceSession(folder / graph["file"], providers=["CPUExecutionProvider"])
        for graph in manifest["graphs"]
    }
    noise = np.fromfile(options.noise, "<f4").reshape(-1, *manifest["sample"])
    labels = np.fromfile(options.labels, "<i4")
    sample(manifest, graphs, noise, labels).astype("<f4").tofile(options.out)


def sample(manifest, graphs, noise, labels):
    """DDIM with eta 0 along the schedule; noise and result [n, C, H, W], labels [n]."""
    times, alphas = manifest["schedule"]["timesteps"], manifest["diffusion"]["alphasCumprod"]
    predict = guided(manifest, graphs)
    x = noise
    for i, t in enumerate(times):
        a, a_next = alphas[t], alphas[times[i + 1]] if i + 1 < len(times) else 1.0
        epsilon = epsilon_of(manifest["diffusion"]["prediction"], x, predict(i, x, labels), a)
        image = (x - np.sqrt(1 - a) * epsilon) / np.sqrt(a)
        if manifest["diffusion"]["clip"]:
            image = np.clip(image, -1, 1)
        x = (np.sqrt(a_next) * image + np.sqrt(1 - a_next) * epsilon).astype(np.float32)
    return x


def guided(manifest, graphs):
    """Predictions of one trajectory, step by step: [n, C, H, W]."""
    guidance, schedule = manifest["guidance"], manifest["schedule"]
    first, last = guidance.get("interval", [0, np.inf])
    moved = guidance["channels"]
    # Guidance takes two halves, what is asked for and nothing; each has a memory of its own.
    asked, nothing = half(manifest, graphs), half(manifest, graphs)

    def predict(i, x, labels):
        t = schedule["timesteps"][i]
        on = asked(schedule["exits"][i], x, t, labels)
        if guidance["scale"] == 1 or not first <= t <= last:
            return on
        exits = schedule.get("unconditional", schedule["exits"])
        off = nothing(exits[i], x, t, np.full_like(labels, guidance["none"]))
        off[:, moved:] = on[:, moved:]
        return off + guidance["scale"] * (on - off)

    return predict


def half(manifest, graphs):
    """Predictions of one half; what full-depth steps leave is kept for the exits that remember."""
    ports = {graph["exit"]: graph for graph in manifest["graphs"]}
    kept = {}

    def predict(exit, x, t, labels):
        known = {
            "x": x,
            "t": np.full(len(x), t, np.float32),
            "y": labels,
            "residual": kept.get(exit),
            "tFull": np.full(len(x), kept.get("t", 0), np.float32),
        }
        feeds = {port["name"]: known[port["name"]] for port in ports[exit]["inputs"]}
        outputs = ports[exit]["outputs"]
        results = dict(zip([port["name"] for port in outputs], graphs[exit].run(None, feeds)))
        for port in outputs:
            if "exit" in port:
                kept.update({port["exit"]: results[port["name"]], "t": t})
        # A learned variance, in the channels after these, is not used by DDIM.
        return results["prediction"][:, : x.shape[1]]

    return predict


def epsilon_of(kind, x, prediction, a):
    """The noise in x = sqrt(a) x0 + sqrt(1 - a) epsilon that a prediction implies."""
    signal, spread = np.sqrt(a), np.sqrt(1 - a)
    if kind == "epsilon":
        return prediction
    if kind == "x0":
        return (x - signal * prediction) / spread
    if kind == "v":
        return signal * prediction + spread * x
    if kind == "flow":
        return (signal * prediction + x) / (signal + spread)
    raise ValueError(f"no prediction of kind {kind}")


if __name__ == "__main__":
    main()
