import { expect, it } from 'vitest';
import { begun, fitted, moved, showing, zoomed } from './camera.ts';

const frame = { width: 1000, height: 600 };

it('fits all in the middle, and blows nothing small up', () => {
  const { k, x, y } = fitted({ width: 2000, height: 400 }, frame);
  expect(k).toBeCloseTo(0.472);
  expect(2 * x + k * 2000).toBeCloseTo(1000);
  expect(2 * y + k * 400).toBeCloseTo(600);
  expect(fitted({ width: 10, height: 10 }, frame).k).toBe(1.15);
  expect(fitted({ width: 0, height: 0 }, frame).k).toBe(1.15);
});

it('begins with what can be read', () => {
  const tall = { width: 900, height: 9000 };
  expect(begun(tall, frame)).toEqual({ k: 1, x: 50, y: -4200 });
  expect(begun({ width: 900, height: 300 }, frame)).toEqual(
    fitted({ width: 900, height: 300 }, frame),
  );
});

it('zooms about the point under the pointer, within bounds', () => {
  const camera = zoomed({ x: 10, y: 20, k: 1 }, 2, { x: 110, y: 220 });
  expect(camera).toEqual({ k: 2, x: -90, y: -180 });
  expect(zoomed(camera, 1000, { x: 0, y: 0 }).k).toBe(2.5);
  expect(zoomed(camera, 0, { x: 0, y: 0 }).k).toBe(0.08);
});

it('never loses the picture', () => {
  const picture = { width: 500, height: 300 };
  const away = moved({ x: 0, y: 0, k: 1 }, 1e6, -1e6, picture, frame);
  expect(away).toEqual({ k: 1, x: 920, y: -220 });
});

it('moves no further than it takes to show a node', () => {
  const box = { x: 2000, y: 100, width: 100, height: 40 };
  const { x, y } = showing({ x: 0, y: 0, k: 1 }, box, frame);
  expect(x + 2100).toBe(972);
  expect(y).toBe(0);
  expect(showing({ x: 0, y: 0, k: 1 }, { ...box, x: -50 }, frame).x).toBe(78);
});
