// How does a page sample from a bundle? Its ONNX graphs in onnxruntime-web, by DDIM, along its schedule.
import * as ort from '/ort/ort.wasm.min.mjs';

// One thread runs on any server; more need the headers that make a page cross-origin isolated.
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = '/ort/';

/**
 * Fetches the graphs of a bundle and the weights that all of them point into.
 * @param folder URL of its folder onnx/, with the slash at its end
 */
export async function open(folder) {
  const manifest = await (await fetched(`${folder}manifest.json`)).json();
  const data = new Uint8Array(await (await fetched(folder + manifest.weights.file)).arrayBuffer());
  const graphs = new Map();
  for (const graph of manifest.graphs) {
    const session = await ort.InferenceSession.create(folder + graph.file, {
      externalData: [{ path: manifest.weights.file, data }],
    });
    graphs.set(graph.exit, { ...graph, session });
  }
  return { manifest, graphs };
}

/**
 * DDIM with eta 0.
 * @param noise standard normal, [n, C, H, W] flat
 * @param labels [n]
 * @param onStep called with the number of steps done, of how many
 * @returns images as `noise`
 */
export async function sample({ manifest, graphs }, noise, labels, onStep = () => {}) {
  const { diffusion, schedule } = manifest;
  const predict = guided(manifest, graphs);
  let x = noise;
  for (const [i, t] of schedule.timesteps.entries()) {
    const a = diffusion.alphasCumprod[t];
    const next = diffusion.alphasCumprod[schedule.timesteps[i + 1]] ?? 1;
    const predicted = await predict(i, x, labels);
    x = x.map((value, j) => {
      const epsilon = epsilonOf(diffusion.prediction, value, predicted[j], a);
      const image = (value - Math.sqrt(1 - a) * epsilon) / Math.sqrt(a);
      const kept = diffusion.clip ? Math.min(1, Math.max(-1, image)) : image;
      return Math.sqrt(next) * kept + Math.sqrt(1 - next) * epsilon;
    });
    onStep(i + 1, schedule.timesteps.length);
  }
  return x;
}

/** Predictions of one trajectory, step by step. */
function guided({ guidance, schedule, sample }, graphs) {
  const { scale, none, interval: [first, last] = [0, Infinity] } = guidance;
  const plane = sample[1] * sample[2];
  // Guidance takes two halves, what is asked for and nothing; each has a memory of its own.
  const [asked, nothing] = [half(sample, graphs), half(sample, graphs)];

  return async (i, x, labels) => {
    const t = schedule.timesteps[i];
    const on = await asked(schedule.exits[i], x, t, labels);
    if (scale === 1 || t < first || t > last) return on;
    const exits = schedule.unconditional ?? schedule.exits;
    const off = await nothing(
      exits[i],
      x,
      t,
      labels.map(() => none),
    );
    const isMoved = (j) => Math.floor(j / plane) % sample[0] < guidance.channels;
    return on.map((value, j) => (isMoved(j) ? off[j] + scale * (value - off[j]) : value));
  };
}

/** Predictions of one half; what full-depth steps leave is kept for the exits that remember. */
function half(sample, graphs) {
  const size = sample.reduce((product, n) => product * n, 1);
  const kept = new Map();
  let tFull = 0;

  return async (exit, x, t, labels) => {
    const count = labels.length;
    const known = {
      ...{ x, y: labels, residual: kept.get(exit) },
      t: new Float32Array(count).fill(t),
      tFull: new Float32Array(count).fill(tFull),
    };
    const { session, inputs, outputs } = graphs.get(exit);
    const sizes = (shape) => shape.map((d) => (d === 'batch' ? count : d));
    const feeds = inputs.map(({ name, dtype, shape }) => [
      name,
      new ort.Tensor(dtype, known[name], sizes(shape)),
    ]);
    const results = await session.run(Object.fromEntries(feeds));
    for (const { name, exit: of } of outputs) {
      if (of === undefined) continue;
      kept.set(of, results[name].data);
      tFull = t;
    }
    // A learned variance, in the channels after these, is not used by DDIM.
    const { data } = results.prediction;
    const each = data.length / count;
    return x.map((_, j) => data[Math.floor(j / size) * each + (j % size)]);
  };
}

/** The noise in x = sqrt(a) x0 + sqrt(1 - a) epsilon that a prediction implies. */
function epsilonOf(kind, x, prediction, a) {
  const [signal, spread] = [Math.sqrt(a), Math.sqrt(1 - a)];
  switch (kind) {
    case 'epsilon':
      return prediction;
    case 'x0':
      return (x - signal * prediction) / spread;
    case 'v':
      return signal * prediction + spread * x;
    case 'flow':
      return (signal * prediction + x) / (signal + spread);
    default:
      throw new Error(`no prediction of kind ${kind}`);
  }
}

export async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return response;
}
