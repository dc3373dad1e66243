import { expect, it } from 'vitest';
import { shown, shownText } from './escape.ts';

it.each([
  ['plain gpu-1 llama3.1:8b', 'plain gpu-1 llama3.1:8b'],
  ['größe 東京 🦙', 'größe 東京 🦙'],
  ['a\u202Eb', 'a\\u{202E}b'],
  ['\u2066x\u2069', '\\u{2066}x\\u{2069}'],
  ['zero\u200Bwidth\u200D\uFEFF', 'zero\\u{200B}width\\u{200D}\\u{FEFF}'],
  ['👩‍🌾 👩🏽‍🚀 ❤️‍🔥 👩‍👩‍👧', '👩‍🌾 👩🏽‍🚀 ❤️‍🔥 👩‍👩‍👧'],
  ['👩\u200D', '👩\\u{200D}'],
  ['a\u200D👩', 'a\\u{200D}👩'],
  ['bell\u0007\n\t\u007F\u0085', 'bell\\u{0007}\\u{000A}\\u{0009}\\u{007F}\\u{0085}'],
  ['line\u2028par\u2029', 'line\\u{2028}par\\u{2029}'],
  ['soft\u00ADhyphen', 'soft\\u{00AD}hyphen'],
  ['hangul\u3164filler\uFFA0', 'hangul\\u{3164}filler\\u{FFA0}'],
  ['tag\u{E0041}', 'tag\\u{E0041}'],
  ['lone\uD800', 'lone\\u{D800}'],
  ['wide\u00A0space\u3000', 'wide\\u{00A0}space\\u{3000}'],
  ['<b onload=x>&amp;', '<b onload=x>&amp;'],
])('shows %j', (name, text) => {
  expect(shown(name)).toBe(text);
});

it('cuts what nobody reads', () => {
  expect(shown('x'.repeat(100_000))).toHaveLength(301);
});

it('shows nothing for nothing', () => {
  expect(shown(null)).toBe('');
});

it('keeps the lines of a text, all of them, and shows what hides in them', () => {
  const long = 'a'.repeat(1000);
  expect(shownText(`${long}\n\tb\u202Ec\r`)).toBe(`${long}\n\tb\\u{202E}c\\u{000D}`);
});
