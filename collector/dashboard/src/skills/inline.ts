// What stands within a line of Markdown: code, emphasis and links.

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'strong'; inline: Inline[] }
  | { kind: 'emphasis'; inline: Inline[] }
  | { kind: 'link'; href: string; inline: Inline[] };

/** Longer texts stay text: looking for ends takes time with each beginning. */
const LONGEST = 10_000;
const DEPTH_MOST = 4;

export function inlineOf(text: string, depth = 0): Inline[] {
  if (text.length > LONGEST || depth > DEPTH_MOST) return [{ kind: 'text', text }];
  const parts: Inline[] = [];
  let plain = '';
  const flush = () => {
    if (plain !== '') parts.push({ kind: 'text', text: plain });
    plain = '';
  };
  let at = 0;
  while (at < text.length) {
    const found = partAt(text, at, depth);
    if (found) {
      flush();
      parts.push(found.part);
      at = found.end;
    } else if (text[at] === '\\' && /[\\`*_[\]()#+\-.!>~|{}]/.test(text[at + 1] ?? '')) {
      plain += text[at + 1];
      at += 2;
    } else plain += text[at++];
  }
  flush();
  return parts;
}

interface Found {
  part: Inline;
  end: number;
}

function partAt(text: string, at: number, depth: number): Found | null {
  switch (text[at]) {
    case '`':
      return codeAt(text, at);
    case '[':
      return linkAt(text, at, depth);
    case '<':
      return addressAt(text, at);
    case '*':
    case '_':
      return emphasisAt(text, at, depth);
    default:
      return null;
  }
}

function codeAt(text: string, at: number): Found | null {
  const ticks = runAt(text, at);
  let end = text.indexOf(ticks, at + ticks.length);
  // A longer run of ticks is no end of a shorter one.
  while (end >= 0 && runAt(text, end) !== ticks) {
    end = text.indexOf(ticks, end + runAt(text, end).length);
  }
  if (end < 0) return null;
  const code = text.slice(at + ticks.length, end).replaceAll('\n', ' ');
  const isPadded = code.startsWith(' ') && code.endsWith(' ') && code.trim() !== '';
  return {
    part: { kind: 'code', text: isPadded ? code.slice(1, -1) : code },
    end: end + ticks.length,
  };
}

function runAt(text: string, at: number): string {
  let end = at;
  while (text[end] === text[at]) end++;
  return text.slice(at, end);
}

function emphasisAt(text: string, at: number, depth: number): Found | null {
  const mark = text[at]!;
  const isStrong = text[at + 1] === mark;
  const marks = isStrong ? mark + mark : mark;
  const start = at + marks.length;
  if (/\s/.test(text[start] ?? ' ')) return null;
  // `snake_case_name` has no emphasis in it.
  if (mark === '_' && /\w/.test(text[at - 1] ?? '')) return null;
  let end = text.indexOf(marks, start + 1);
  while (end >= 0 && !isEnd(text, end, marks)) end = text.indexOf(marks, end + 1);
  if (end < 0) return null;
  const inline = inlineOf(text.slice(start, end), depth + 1);
  return { part: { kind: isStrong ? 'strong' : 'emphasis', inline }, end: end + marks.length };
}

function isEnd(text: string, at: number, marks: string): boolean {
  if (/[\s\\]/.test(text[at - 1]!)) return false;
  const after = text[at + marks.length] ?? '';
  if (marks.length === 1 && (after === marks || text[at - 1] === marks)) return false;
  return !(marks[0] === '_' && /\w/.test(after));
}

/** `[words](https://…)`; what leads elsewhere stays text, so that nothing is hidden. */
function linkAt(text: string, at: number, depth: number): Found | null {
  const close = text.indexOf('](', at + 1);
  if (close < 0 || text.slice(at + 1, close).includes('[')) return null;
  const end = text.indexOf(')', close + 2);
  if (end < 0) return null;
  const href = webAddress(
    text
      .slice(close + 2, end)
      .trim()
      .split(/\s/, 1)[0]!,
  );
  if (!href) return null;
  const inline = inlineOf(text.slice(at + 1, close), depth + 1);
  return { part: { kind: 'link', href, inline }, end: end + 1 };
}

/** `<https://…>` */
function addressAt(text: string, at: number): Found | null {
  const end = text.indexOf('>', at + 1);
  if (end < 0) return null;
  const address = text.slice(at + 1, end);
  const href = /\s/.test(address) ? null : webAddress(address);
  if (!href) return null;
  return { part: { kind: 'link', href, inline: [{ kind: 'text', text: address }] }, end: end + 1 };
}

export function webAddress(text: string): string | null {
  if (!/^https?:\/\//i.test(text)) return null;
  try {
    return new URL(text).href;
  } catch {
    return null;
  }
}
