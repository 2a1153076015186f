import { copyFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { MeasuredExit } from '../../src/schedules/errorTable.js';
import { fixturePath } from '../fixtures.js';
import { scratch } from '../scratch.js';
import { exithead, refusalOf, told, type Json } from '../workshop.js';

const { path } = scratch();
const uncond = fixturePath('uvit/uncond');
const exitsOf = ({ exits }: Json): number[] => (exits as MeasuredExit[]).map(({ exit }) => exit);

describe('inspect of a U-ViT', () => {
  it.each(['uvit/uncond', 'uvit/cond'])(
    'says family, size, why, and what every exit of %s costs',
    async (name) => {
      const { code, out } = await exithead(['inspect', fixturePath(name)]);
      expect(code).toBe(0);
      expect(out).toMatch(/^U-ViT-tiny\/2, a backbone of 15\d,\d{3} parameters, all finite\n/);
      expect(out).toMatch(/\nwhy: .*config\.json says so, and its tensors fit\n/);
      expect(out).toContain(name.endsWith('uncond') ? '16 x 16, unconditional,' : '16 x 16, 10 classes,');
      expect(out).toContain('native t is continuous, up to 999; time without an MLP, a convolution');
      expect(out).toContain('exit rule skips:');
      const said = await told('inspect', fixturePath(`${name}/nnet_ema.pth`));
      expect(exitsOf(said)).toEqual([2, 3, 4, 5]);
    },
  );

  it('lists the exits of the rule that is asked for', async () => {
    expect(exitsOf(await told('inspect', uncond, '--exit-rule', 'plain'))).toEqual([1, 2, 3, 4, 5]);
    expect(await refusalOf('inspect', fixturePath('dit'), '--exit-rule', 'plain')).toContain('DiT-tiny/2');
  });

  it('says what is missing where the file stands alone, and what does not fit', async () => {
    const alone = path('alone.pth');
    copyFileSync(fixturePath('uvit/cond/nnet_ema.pth'), alone);
    expect(await told('inspect', alone)).toMatchObject({ spec: { size: 'U-ViT-tiny/2', classes: 10 } });
    const odd = path('odd.safetensors');
    copyFileSync(fixturePath('bad/control.safetensors'), odd);
    expect(await refusalOf('inspect', odd)).toMatch(
      /DiT of depth 3 and width 16, which is no published size.*attention heads.*beside num_heads is \{"input_size":4,"patch_size":2,/,
    );
    const other = await refusalOf('inspect', alone, '--config', `${uncond}/config.json`);
    expect(other).toContain('pos_embed has shape [1, 66, 48], expected [1, 65, 48]');
    expect(other).toMatch(/beyond this model \(1\):\n\s+label_emb\.weight/);
    const size = await refusalOf('inspect', alone, '--size', 'U-ViT-S/2');
    expect(size).toContain('label_emb.weight');
    expect(size).toMatch(/missing \(\d+\)/);
  });
});
