// Names come from hosts, so from people the reader may not know. Characters that cannot be seen, or
// that reorder what can, are shown as `\u{202E}`; what is left is always set as text, never as markup.

// A joiner between two pictures hides nothing: it makes them one, such as 👩‍🌾.
const HIDDEN =
  /(?!(?<=\p{Extended_Pictographic}[\u{1F3FB}-\u{1F3FF}]?\uFE0F?)\u200D\p{Extended_Pictographic})[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029\u034F\u115F\u1160\u17B4\u17B5\u3164\uFFA0\u{E0100}-\u{E01EF}]/gu;
const BLANK = /[\u00A0\u1680\u2000-\u200A\u202F\u205F\u2800\u3000]/gu;
const LONGEST = 300;

export function shown(text: string | null | undefined): string {
  if (text === null || text === undefined) return '';
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return cut.replace(HIDDEN, coded).replace(BLANK, coded);
}

/** The same for a text of many lines, which is not cut. */
export function shownText(text: string): string {
  return text
    .replace(HIDDEN, (c) => (c === '\n' || c === '\t' ? c : coded(c)))
    .replace(BLANK, coded);
}

function coded(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}}`;
}
