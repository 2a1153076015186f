// How does Chromium draw with a bundle? It loads browser/index.html from a server of this process, and somebody clicks.
// By hand: npx tsx scripts/interop/browser.ts BUNDLE, then open the address that it prints.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import type { Reference } from './reference.js';

/** Where systems have it; CHROMIUM names another one. */
const usualPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Path of a Chromium on this machine, if there is one. */
export function findChromium(): string | undefined {
  const named = process.env['CHROMIUM'];
  return (named === undefined ? usualPlaces : [named]).find(existsSync);
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/**
 * Serves the page, onnxruntime-web and the files of a bundle's onnx folder, to this machine alone.
 * @param reference files that the page may fetch as /reference/NAME
 */
export async function servePage(
  bundle: string,
  reference?: Reference,
): Promise<{ readonly url: string; close(): void }> {
  const folders: Readonly<Record<string, string | undefined>> = {
    '': join(import.meta.dirname, 'browser'),
    ort: join(fileURLToPath(import.meta.resolve('onnxruntime-web')), '..'),
    bundle: join(bundle, 'onnx'),
    reference: reference?.folder,
  };
  const server = createServer((request, response) => {
    const [, path = ''] = /^\/([^?]*)/.exec(request.url ?? '') ?? [];
    const name = basename(path) || 'index.html';
    const folder = folders[path.split('/').slice(0, -1).at(0) ?? ''];
    const reading = folder === undefined ? Promise.reject(new Error(path)) : readFile(join(folder, name));
    reading.then(
      (bytes) => {
        response.setHeader('content-type', types[extname(name)] ?? 'application/octet-stream');
        response.end(bytes);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}

/**
 * Opens the page in Chromium, clicks, and takes what it drew.
 * @param picture where a picture of the page is written, if at all
 * @returns [n, C, H, W]
 * @throws Error with what the page says, if it fails; or if its canvas shows something else than what it drew
 */
export async function drawInBrowser(
  executablePath: string,
  bundle: string,
  reference: Reference,
  picture?: string,
): Promise<Float32Array> {
  const { chromium } = await import('playwright-core');
  const served = await servePage(bundle, reference);
  // Chromium's sandbox needs a user that is not root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath, args });
  try {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    const files = ['noise', 'labels'] as const;
    const query = files.map((name) => `${name}=/reference/${basename(reference[name])}`).join('&');
    await page.goto(`${served.url}?${query}`);
    await page.getByRole('button', { name: 'Draw' }).click();
    await page.waitForSelector('body[data-state=done], body[data-state=failed]', { timeout: 120_000 });
    const said = await page.textContent('#said');
    if ((await page.getAttribute('body', 'data-state')) !== 'done' || complaints.length > 0)
      throw new Error([said, ...complaints].join('; '));
    const images = Float32Array.from(await page.evaluate<number[]>('[...images]'));
    await requireShown(page, images);
    if (picture !== undefined) await page.screenshot({ path: picture });
    return images;
  } finally {
    await browser.close();
    served.close();
  }
}

/** The canvas must show the first image in its corner, -1 black and 1 white. */
async function requireShown(page: Page, images: Float32Array): Promise<void> {
  const manifest = 'fetch("/bundle/manifest.json").then((response) => response.json())';
  const [, height, width] = await page.evaluate<[number, number, number]>(
    `${manifest}.then(({ sample }) => sample)`,
  );
  const shown = await page.evaluate<number[]>(
    `[...document.querySelector('canvas').getContext('2d').getImageData(0, 0, ${width}, ${height}).data]`,
  );
  for (let p = 0; p < width * height; p++) {
    const grey = Math.min(255, Math.max(0, 127.5 * ((images[p] ?? NaN) + 1)));
    if (!(Math.abs((shown[4 * p] ?? NaN) - grey) <= 0.51))
      throw new Error(`the canvas shows ${shown[4 * p]} at ${p}, and ${grey} was drawn`);
  }
}

const [script, bundle] = process.argv.slice(1);
if (script === import.meta.filename) {
  const { url } = await servePage(bundle ?? 'bundle');
  console.log(`${url} until you stop this`);
}
