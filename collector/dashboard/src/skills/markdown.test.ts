import { describe, expect, it } from 'vitest';
import { inlineOf, webAddress } from './inline.ts';
import { LINES_MOST, markdownOf, type Block } from './markdown.ts';

const blocks = (text: string): Block[] => markdownOf(text).blocks;
const text = (words: string) => ({ kind: 'text' as const, text: words });
const paragraph = (words: string): Block => ({ kind: 'paragraph', inline: [text(words)] });

describe('blocks', () => {
  it('reads headings and paragraphs', () => {
    expect(blocks('# One #\nfirst\nsecond\n\n####### no')).toEqual([
      { kind: 'heading', level: 1, inline: [text('One')] },
      paragraph('first\nsecond'),
      paragraph('####### no'),
    ]);
  });

  it('keeps code as it is, up to its fence or the end', () => {
    expect(blocks('```sh\nmake *x*\n\n# no\n```\nafter')).toEqual([
      { kind: 'code', text: 'make *x*\n\n# no' },
      paragraph('after'),
    ]);
    expect(blocks('````\n```\n````')).toEqual([{ kind: 'code', text: '```' }]);
    expect(blocks('~~~\nopen')).toEqual([{ kind: 'code', text: 'open' }]);
  });

  it('reads lists, in each other too', () => {
    const [list] = blocks('1. one\n2. two\n   - a\n   - b\n\n   more\n3. three');
    expect(list).toMatchObject({ kind: 'list', ordered: true, start: 1 });
    const { items } = list as Extract<Block, { kind: 'list' }>;
    expect(items[0]).toEqual([paragraph('one')]);
    expect(items[1]).toEqual([
      paragraph('two'),
      { kind: 'list', ordered: false, start: 1, items: [[paragraph('a')], [paragraph('b')]] },
      paragraph('more'),
    ]);
    expect(items[2]).toEqual([paragraph('three')]);
  });

  it('goes on with an item without an indent, and ends it at a paragraph of its own', () => {
    expect(blocks('- one\ngoes on\n\nafter')).toEqual([
      { kind: 'list', ordered: false, start: 1, items: [[paragraph('one\ngoes on')]] },
      paragraph('after'),
    ]);
    expect(blocks('- a\n\n- b')).toEqual([
      { kind: 'list', ordered: false, start: 1, items: [[paragraph('a')], [paragraph('b')]] },
    ]);
  });

  it('tells a rule from a list, and a list of numbers from one of dots', () => {
    expect(blocks('---\n* * *\n- a\n1. b').map(({ kind }) => kind)).toEqual([
      'rule',
      'rule',
      'list',
      'list',
    ]);
  });

  it('reads quotes, and keeps tables in their columns', () => {
    expect(blocks('> # a\n> b')).toEqual([
      {
        kind: 'quote',
        blocks: [{ kind: 'heading', level: 1, inline: [text('a')] }, paragraph('b')],
      },
    ]);
    expect(blocks('| a | b |\n|---|---|\nx')).toEqual([
      { kind: 'code', text: '| a | b |\n|---|---|' },
      paragraph('x'),
    ]);
  });

  it('leaves HTML what it is', () => {
    expect(blocks('<script>alert(1)</script>')).toEqual([paragraph('<script>alert(1)</script>')]);
  });

  it('is bounded in lines and in depth', () => {
    const { nLinesLeft } = markdownOf('a\n\n'.repeat(LINES_MOST));
    expect(nLinesLeft).toBe(LINES_MOST + 1);
    const depth = (all: Block[]): number =>
      1 + Math.max(0, ...all.map((one) => (one.kind === 'quote' ? depth(one.blocks) : 0)));
    expect(depth(blocks('>'.repeat(500) + ' deep'))).toBe(7);
  });

  it('takes no time for texts that were made to take it', () => {
    const started = performance.now();
    for (const evil of ['[', '*', '_', '`', '**a ', '[a](', '- ', '> ', '<', '\\', '1. ']) {
      blocks(evil.repeat(80_000 / evil.length));
      blocks(`${evil}\n`.repeat(LINES_MOST));
    }
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('reads nothing from nothing', () => {
    expect(markdownOf('')).toEqual({ blocks: [], nLinesLeft: 0 });
  });
});

describe('within a line', () => {
  it('reads code first', () => {
    expect(inlineOf('a `*b*` ``c ` d``')).toEqual([
      text('a '),
      { kind: 'code', text: '*b*' },
      text(' '),
      { kind: 'code', text: 'c ` d' },
    ]);
    expect(inlineOf('`open')).toEqual([text('`open')]);
  });

  it('reads emphasis, in each other too', () => {
    expect(inlineOf('**a *b* c**')).toEqual([
      {
        kind: 'strong',
        inline: [text('a '), { kind: 'emphasis', inline: [text('b')] }, text(' c')],
      },
    ]);
    expect(inlineOf('_a_')).toEqual([{ kind: 'emphasis', inline: [text('a')] }]);
  });

  it('sees none in sums and names', () => {
    for (const plain of ['2 * 3 * 4', 'snake_case_name', '**open', '* a']) {
      expect(inlineOf(plain)).toEqual([text(plain)]);
    }
    expect(inlineOf('\\*a\\*')).toEqual([text('*a*')]);
  });

  it('links to the web and nowhere else', () => {
    expect(inlineOf('[a](https://x.org/y "t")')).toEqual([
      { kind: 'link', href: 'https://x.org/y', inline: [text('a')] },
    ]);
    expect(inlineOf('<http://x.org>')).toMatchObject([{ kind: 'link', href: 'http://x.org/' }]);
    for (const no of [
      '[a](javascript:alert(1))',
      '[a](data:text/html,x)',
      '[a](./b)',
      '<b>',
      '[a](//x)',
    ]) {
      expect(inlineOf(no)).toEqual([text(no)]);
    }
    expect(webAddress('https://')).toBeNull();
    expect(webAddress('java\nscript:x')).toBeNull();
  });
});
