// A text in Markdown as a tree: headings, paragraphs, lists, code, quotes, emphasis, and links that
// lead to the web. Whatever else is written there, HTML among it, stays the text that it is.
import { inlineOf, type Inline } from './inline.ts';

export type Block =
  | { kind: 'heading'; level: number; inline: Inline[] }
  | { kind: 'paragraph'; inline: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'list'; ordered: boolean; start: number; items: Block[][] }
  | { kind: 'quote'; blocks: Block[] }
  | { kind: 'rule' };

/** More lines are not drawn; the source has them all. */
export const LINES_MOST = 3000;
/** Lists and quotes within each other beyond this are text. */
const DEPTH_MOST = 6;

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+|$)/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,8})(?:[-*+]|(\d{1,9})[.)])([ \t]+|$)/;
const TABLE = /^ {0,3}\|/;

export function markdownOf(text: string): { blocks: Block[]; nLinesLeft: number } {
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  const blocks = blocksOf(lines.slice(0, LINES_MOST), 0);
  return { blocks, nLinesLeft: Math.max(0, lines.length - LINES_MOST) };
}

/** A block, and the line after it. */
type Read = [Block, number];

function blocksOf(lines: readonly string[], depth: number): Block[] {
  const blocks: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    if (lines[at]!.trim() === '') {
      at++;
      continue;
    }
    const [block, next] = blockAt(lines, at, depth);
    blocks.push(block);
    at = next;
  }
  return blocks;
}

function blockAt(lines: readonly string[], at: number, depth: number): Read {
  const line = lines[at]!;
  const fence = FENCE.exec(line);
  if (fence) return fenced(lines, at, fence[1]!);
  const heading = HEADING.exec(line);
  if (heading) {
    const inline = inlineOf(line.slice(heading[0].length).trim().replace(/ #+$/, ''));
    return [{ kind: 'heading', level: heading[1]!.length, inline }, at + 1];
  }
  if (isRule(line)) return [{ kind: 'rule' }, at + 1];
  if (TABLE.test(line)) return table(lines, at);
  if (depth < DEPTH_MOST && QUOTE.test(line)) return quote(lines, at, depth);
  if (depth < DEPTH_MOST && ITEM.test(line)) return list(lines, at, depth);
  return paragraph(lines, at, depth);
}

function fenced(lines: readonly string[], at: number, fence: string): Read {
  const closes = (line: string) => {
    const end = line.trim();
    return end.length >= fence.length && end.replaceAll(fence[0]!, '') === '';
  };
  let end = at + 1;
  while (end < lines.length && !closes(lines[end]!)) end++;
  return [{ kind: 'code', text: lines.slice(at + 1, end).join('\n') }, end + 1];
}

/** A table keeps its columns where every letter is as wide as another. */
function table(lines: readonly string[], at: number): Read {
  const end = firstAfter(lines, at, (line) => !TABLE.test(line));
  return [{ kind: 'code', text: lines.slice(at, end).join('\n') }, end];
}

function quote(lines: readonly string[], at: number, depth: number): Read {
  const end = firstAfter(lines, at, (line) => !QUOTE.test(line));
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ''));
  return [{ kind: 'quote', blocks: blocksOf(inner, depth + 1) }, end];
}

function list(lines: readonly string[], at: number, depth: number): Read {
  const first = ITEM.exec(lines[at]!)!;
  const ordered = first[2] !== undefined;
  const items: Block[][] = [];
  let next = at;
  for (;;) {
    const item = next < lines.length ? ITEM.exec(lines[next]!) : null;
    const isNext = item && item[1]!.length < first[1]!.length + 2 && !isRule(lines[next]!);
    if (!isNext || (item[2] !== undefined) !== ordered) break;
    const indent = Math.min(item[0].length, item[1]!.length + 5);
    const end = itemEnd(lines, next, indent);
    const rest = lines.slice(next + 1, end).map((line) => outdented(line, indent));
    items.push(blocksOf([lines[next]!.slice(item[0].length), ...rest], depth + 1));
    next = end;
  }
  return [{ kind: 'list', ordered, start: Number(first[2] ?? 1), items }, next];
}

/** An item has what is indented below it, and a paragraph that goes on without. */
function itemEnd(lines: readonly string[], at: number, indent: number): number {
  let end = at + 1;
  for (; end < lines.length; end++) {
    const line = lines[end]!;
    if (line.trim() === '') continue;
    const isInside = indentOf(line) >= Math.min(indent, 2);
    const goesOn = lines[end - 1]!.trim() !== '' && !begins(line, 0);
    if (!isInside && !goesOn) break;
    if (ITEM.test(line) && indentOf(line) < indentOf(lines[at]!) + 2) break;
  }
  while (end > at + 1 && lines[end - 1]!.trim() === '' && end < lines.length) {
    // Empty lines between items belong to none.
    if (ITEM.test(lines[end]!)) break;
    end--;
  }
  return end;
}

const indentOf = (line: string): number => line.length - line.trimStart().length;

const outdented = (line: string, by: number): string => line.slice(Math.min(by, indentOf(line)));

function paragraph(lines: readonly string[], at: number, depth: number): Read {
  const end = firstAfter(lines, at, (line) => line.trim() === '' || begins(line, depth));
  const text = lines.slice(at, end).map((line) => line.trim());
  return [{ kind: 'paragraph', inline: inlineOf(text.join('\n')) }, end];
}

/** Whether something other than a paragraph begins here. */
function begins(line: string, depth: number): boolean {
  if (FENCE.test(line) || HEADING.test(line) || isRule(line)) return true;
  return depth < DEPTH_MOST && (QUOTE.test(line) || ITEM.test(line));
}

function firstAfter(
  lines: readonly string[],
  at: number,
  isEnd: (line: string) => boolean,
): number {
  let end = at + 1;
  while (end < lines.length && !isEnd(lines[end]!)) end++;
  return end;
}

function isRule(line: string): boolean {
  const marks = line.replace(/[ \t]/g, '');
  return marks.length >= 3 && ['-', '*', '_'].some((mark) => marks.replaceAll(mark, '') === '');
}
