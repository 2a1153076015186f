import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import sharp, { type Color, type Sharp } from 'sharp';
import { BrokenImage, mirror, readImage } from '../../src/data/imageFile.js';
import { UserError } from '../../src/errors.js';
import { fixturePath } from '../fixtures.js';
import { temporaryFolders } from '../folder.js';

const folder = temporaryFolders();

/** The bytes of a plane at a place. */
const at = (image: Uint8Array, size: number, x: number, y: number): number[] =>
  Array.from({ length: image.length / size ** 2 }, (_, c) => image[c * size ** 2 + y * size + x] ?? NaN);

async function file(name: string, image: Sharp | Uint8Array): Promise<string> {
  const path = join(await folder(), name);
  writeFileSync(path, image instanceof Uint8Array ? image : await image.toBuffer());
  return path;
}

/** One colour everywhere. */
const plain = (background: Color, width = 12, height = 12): Sharp =>
  sharp({ create: { width, height, channels: 3, background } });

describe('an image file', () => {
  it.each(['65x67', '33x20', '32x32', '141x100', '48x65', '90x9', '70x50'])(
    'is cropped as the official code crops it, bit for bit (%s)',
    async (name) => {
      const source = fixturePath(`images/${name}.${name === '70x50' ? 'jpg' : 'png'}`);
      const size =
        { '65x67': 32, '33x20': 32, '32x32': 32, '141x100': 24, '48x65': 16, '90x9': 8, '70x50': 32 }[name] ??
        0;
      const expected = await sharp(fixturePath(`images/${name}-cropped-${size}.png`))
        .raw()
        .toBuffer();
      const image = await readImage(source, { size, channels: 3 });
      const interleaved = Uint8Array.from(
        { length: image.length },
        (_, p) => image[(p % 3) * size ** 2 + Math.floor(p / 3)] ?? 0,
      );
      expect(Buffer.compare(interleaved, expected)).toBe(0);
    },
  );

  it('of 16 bits, in grey, with a palette or in CMYK becomes 8-bit colour', async () => {
    const deep = new Uint16Array(12 * 12 * 3).fill(0x8040);
    const raw = sharp(deep, { raw: { width: 12, height: 12, channels: 3 } });
    const cases: [string, Uint8Array | Sharp, number[], number][] = [
      ['deep.png', raw.toColourspace('rgb16').png(), [0x80, 0x80, 0x80], 0],
      ['grey.png', plain('#646464').toColourspace('b-w').png(), [100, 100, 100], 0],
      ['palette.png', plain('#ff0000').png({ palette: true, colours: 2 }), [255, 0, 0], 0],
      ['photo.jpg', plain('#00ff00').jpeg({ chromaSubsampling: '4:4:4' }), [0, 255, 0], 2],
      // Inks have no pure red: what comes back is near it.
      ['print.jpg', plain('#ff0000').toColourspace('cmyk').jpeg(), [240, 20, 20], 40],
    ];
    for (const [name, made, colour, tolerance] of cases) {
      const path = await file(name, made);
      const image = await readImage(path, { size: 6, channels: 3 });
      expect(at(image, 6, 3, 3)).toBeAllClose(colour, tolerance);
    }
    expect(
      (await sharp(await file('p.jpg', plain('#ff0000').toColourspace('cmyk').jpeg())).metadata()).space,
    ).toBe('cmyk');
    expect((await sharp(await file('d.png', raw.toColourspace('rgb16').png())).metadata()).depth).toBe(
      'ushort',
    );
  });

  it('becomes grey where one channel is asked for', async () => {
    const path = await file('colour.png', plain('#646464').png());
    expect(at(await readImage(path, { size: 4, channels: 1 }), 4, 1, 1)).toEqual([100]);
    const digit = await file('digit.png', plain('#c8c8c8').toColourspace('b-w').png());
    const image = await readImage(digit, { size: 12, channels: 1 });
    expect(image).toHaveLength(144);
    expect(image[5]).toBe(200);
  });

  it('stands on white where it is transparent', async () => {
    const background = { r: 0, g: 0, b: 0, alpha: 0.5 };
    const half = sharp({ create: { width: 8, height: 8, channels: 4, background } }).png();
    const image = await readImage(await file('half.png', half), { size: 8, channels: 3 });
    expect(at(image, 8, 2, 2)).toBeAllClose([127, 127, 127], 1);
  });

  it('stands upright as its EXIF data say', async () => {
    // The left half is white; turned by 90 degrees, the upper half is.
    const left = await sharp({ create: { width: 8, height: 16, channels: 3, background: 'white' } })
      .png()
      .toBuffer();
    const lying = plain('black', 16, 16)
      .composite([{ input: left, left: 0, top: 0 }])
      .png();
    const turned = sharp(await lying.toBuffer())
      .withMetadata({ orientation: 6 })
      .png();
    const image = await readImage(await file('turned.png', turned), { size: 16, channels: 3 });
    expect([at(image, 16, 2, 2)[0], at(image, 16, 13, 2)[0], at(image, 16, 2, 13)[0]]).toEqual([255, 255, 0]);
  });

  it('gives the first frame of an animation', async () => {
    const frames = await Promise.all(['#ff0000', '#0000ff'].map((colour) => plain(colour).png().toBuffer()));
    const animation = sharp(frames, { join: { animated: true } }).gif();
    const path = await file('moving.gif', animation);
    expect((await sharp(path).metadata()).pages).toBe(2);
    expect(at(await readImage(path, { size: 12, channels: 3 }), 12, 5, 5)).toEqual([255, 0, 0]);
  });

  it.each(['webp', 'avif', 'tiff'] as const)('may be %s', async (format) => {
    const path = await file(`image.${format}`, plain('#3264c8').toFormat(format, { lossless: true }));
    const image = await readImage(path, { size: 8, channels: 3 });
    expect(at(image, 8, 4, 4)).toBeAllClose([50, 100, 200], 4);
  });

  it('is read anew when it has changed', async () => {
    const path = await file('same.png', plain('#ffffff').png());
    await readImage(path, { size: 4, channels: 3 });
    writeFileSync(path, await plain('#000000').png().toBuffer());
    expect((await readImage(path, { size: 4, channels: 3 }))[0]).toBe(0);
  });
});

/** A PNG that says of itself what size it has. */
function png(width: number, height: number, data: Uint8Array): Uint8Array {
  const chunk = (type: string, body: Uint8Array): Buffer => {
    const named = Buffer.concat([Buffer.from(type), body]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(body.length);
    sum.writeUInt32BE(crc(named));
    return Buffer.concat([length, named, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function crc(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return (value ^ 0xffffffff) >>> 0;
}

describe('a file that holds no sound image is refused by name', () => {
  const jpeg = readFileSync(fixturePath('images/70x50.jpg'));
  const bomb = png(60_000, 60_000, deflateSync(new Uint8Array(1000)));
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="/etc/passwd"/></svg>';
  it.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(0), 'Input Buffer is empty'],
    ['text', Buffer.from('hello'), 'unsupported image format'],
    ['a JPEG cut short', jpeg.subarray(0, jpeg.length / 2), 'premature end'],
    ['a JPEG without its data', jpeg.subarray(0, 200), ''],
    ['more pixels than memory', bomb, 'exceeds pixel limit'],
    ['a drawing', Buffer.from(svg), 'it is a drawing (svg)'],
    ['a PNG cut short', readFileSync(fixturePath('images/65x67.png')).subarray(0, 900), ''],
  ])('%s', async (_, bytes, reason) => {
    const path = await file('image.jpg', bytes);
    const error: unknown = await readImage(path, { size: 8, channels: 3 }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(BrokenImage);
    expect(String(error)).toContain(`${path}: cannot be read as an image (`);
    expect(String(error)).toContain(reason);
  });

  it('and one that is not there is another mistake', async () => {
    const path = join(await folder(), 'gone.png');
    const error: unknown = await readImage(path, { size: 8, channels: 3 }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UserError);
    expect(error).not.toBeInstanceOf(BrokenImage);
  });

  it('a line of pixels becomes a square without filling the memory', async () => {
    const line = await file('line.png', plain('#102030', 20_000, 1).png());
    const image = await readImage(line, { size: 64, channels: 3 });
    expect(at(image, 64, 10, 60)).toEqual([16, 32, 48]);
  });
});

describe('a mirrored image', () => {
  it('has its columns the other way round, in every channel', () => {
    const image = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    mirror(image, 2);
    expect([...image]).toEqual([2, 1, 4, 3, 6, 5, 8, 7]);
  });
});
