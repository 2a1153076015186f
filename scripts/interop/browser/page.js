// What does the page do? On a click it draws, from noise of its own or from the files that its address names.
import { fetched, open, sample } from './sampler.js';

const [button, said, canvas] = ['button', '#said', 'canvas'].map((one) => document.querySelector(one));
const asked = new URLSearchParams(location.search);
const columns = 4;
const scale = 4;
let opened;

button.addEventListener('click', async () => {
  button.disabled = true;
  document.body.dataset.state = 'busy';
  try {
    said.textContent = 'Fetching the graphs';
    opened ??= open('/bundle/onnx/');
    const bundle = await opened;
    const { noise, labels } = asked.has('noise') ? await givenNoise() : ownNoise(bundle.manifest);
    const start = performance.now();
    const images = await sample(bundle, noise, labels, (done, steps) => {
      said.textContent = `Step ${done} of ${steps}`;
    });
    show(images, labels.length, bundle.manifest.sample);
    window.images = images;
    said.textContent = `${labels.length} samples in ${((performance.now() - start) / 1000).toFixed(1)} s`;
    document.body.dataset.state = 'done';
  } catch (error) {
    opened = undefined;
    said.textContent = String(error);
    document.body.dataset.state = 'failed';
  }
  button.disabled = false;
});

async function givenNoise() {
  const bytes = async (name) => (await fetched(asked.get(name))).arrayBuffer();
  return { noise: new Float32Array(await bytes('noise')), labels: new Int32Array(await bytes('labels')) };
}

/** Eight samples whose classes take turns. */
function ownNoise({ sample: shape, guidance }) {
  const size = shape.reduce((product, n) => product * n, 1);
  // Box and Muller's normal numbers of two uniform ones.
  const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return {
    noise: Float32Array.from({ length: 8 * size }, normal),
    labels: Int32Array.from({ length: 8 }, (_, i) => (guidance.none === undefined ? 0 : i % guidance.none)),
  };
}

/** The first channel of every image, -1 black and 1 white, on the canvas. */
function show(images, count, [channels, height, width]) {
  canvas.width = Math.min(count, columns) * width;
  canvas.height = Math.ceil(count / columns) * height;
  canvas.style.width = `${scale * canvas.width}px`;
  const context = canvas.getContext('2d');
  for (let i = 0; i < count; i++) {
    const picture = context.createImageData(width, height);
    for (let p = 0; p < width * height; p++) {
      const grey = Math.round(127.5 * (images[i * channels * width * height + p] + 1));
      picture.data.set([grey, grey, grey, 255], 4 * p);
    }
    context.putImageData(picture, (i % columns) * width, Math.floor(i / columns) * height);
  }
}
