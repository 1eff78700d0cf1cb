import { describe, expect, test } from 'vitest';
import { ImageError } from '../../src/errors.js';
import { type ColormapName, colormapNames, colormapTable } from '../../src/image/colormap.js';

/** Entries of the published tables (OpenCV's jet, matplotlib's others) at 13 places away from most knots. */
const PLACES = [0, 7, 32, 52, 71, 97, 118, 128, 159, 188, 203, 247, 255];
const PUBLISHED: Record<Exclude<ColormapName, 'greys'>, string> = {
  jet: '000080 00009c 0000ff 0050ff 009cff 06fffa 5affa6 82ff7e feff01 ff8c00 ff5000 a00000 800000',
  turbo:
    '30123b 38266c 466be3 3c9dfd 1dcbda 35f394 84fe50 a4fc3b ecd139 fc8926 f15d13 940c01 7a0402',
  viridis:
    '440154 460b5e 472c7b 404487 37598c 2b738e 23878d 20908c 27ad80 55c666 77d052 e9e419 fde724',
  bwr: '0000ff 0e0eff 4040ff 6868ff 8e8eff c2c2ff ececff fffefe ffc0c0 ff8686 ff6868 ff1010 ff0000',
  seismic:
    '00004c 000060 0000a6 0000de 1d1dff 8585ff d9d9ff fffdfd ff8181 ff0d0d e70000 8f0000 7f0000',
};
/** The largest difference there may be, in levels of 255, as measured over all 256 entries. */
const WITHIN = { jet: 1, turbo: 2, viridis: 2, bwr: 1, seismic: 1 };

describe('colormapTable', () => {
  for (const [name, hex] of Object.entries(PUBLISHED) as [keyof typeof PUBLISHED, string][]) {
    test(`${name} is the published table within ${WITHIN[name]}`, () => {
      const table = colormapTable(name);
      hex.split(' ').forEach((colour, k) => {
        const want = [...Buffer.from(colour, 'hex')];
        const got = table.subarray(4 * PLACES[k], 4 * PLACES[k] + 3);
        const off = Math.max(...want.map((value, c) => Math.abs(value - got[c])));
        expect(off, `entry ${PLACES[k]}: ${[...got]}, published ${want}`).toBeLessThanOrEqual(
          WITHIN[name],
        );
      });
    });
  }

  test('greys count from black to white', () => {
    const table = colormapTable('greys');
    for (let i = 0; i < 256; i++) {
      expect([...table.subarray(4 * i, 4 * i + 4)]).toEqual([i, i, i, 255]);
    }
  });

  for (const name of colormapNames) {
    test(`${name} is 256 opaque colours without a jump, computed once`, () => {
      const table = colormapTable(name);
      expect(table.length).toBe(1024);
      expect(colormapTable(name)).toBe(table);
      for (let i = 0; i < 1024; i++) {
        if (i % 4 === 3) expect(table[i]).toBe(255);
        else if (i >= 4) expect(Math.abs(table[i] - table[i - 4])).toBeLessThanOrEqual(8);
      }
    });
  }

  test('the middle of the signed maps is white', () => {
    for (const name of ['bwr', 'seismic'] as const) {
      const table = colormapTable(name);
      expect(Math.min(...table.subarray(4 * 127, 4 * 129))).toBeGreaterThanOrEqual(253);
    }
  });

  test('an unknown name brings the nearest', () => {
    for (const name of ['viridiss', 'toString']) {
      expect(() => colormapTable(name as ColormapName)).toThrow(ImageError);
    }
    expect(() => colormapTable('viridiss' as ColormapName)).toThrow('did you mean viridis,');
  });
});
