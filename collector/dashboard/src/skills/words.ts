// Where skills and catalogs come from and what is wrong with them, in words.
import { shown } from '../escape.ts';
import { ApiError, wordsOf } from '../feed/api.ts';
import type { Catalog, CatalogFault, CatalogReloaded, Skill } from '../feed/contract.ts';
import { plural } from '../format.ts';

/** `skills/review/SKILL.md` as the folder that it lies in. */
export function sourceOf({ source, path }: Pick<Skill, 'source' | 'path'>): string {
  if (source !== 'file' || !path) return 'registered at run time';
  return shown(path.replace(/\/SKILL\.md$/, ''));
}

export interface State {
  word: string;
  tone: 'plain' | 'warm' | 'warning' | 'bad';
}

export function stateOf({ error, loaded_at, left_out }: Catalog): State {
  if (error) return { word: loaded_at ? 'rejected' : 'not loaded', tone: 'bad' };
  if (!loaded_at) return { word: 'not loaded yet', tone: 'warning' };
  if (left_out.length > 0) return { word: `${left_out.length} left out`, tone: 'warning' };
  return { word: 'loaded', tone: 'warm' };
}

/** `/etc/herdbook/services.d/big.toml:5` */
export function placeOf({ file, line }: CatalogFault): string {
  return line == null ? shown(file) : `${shown(file)}:${line}`;
}

/** What is wrong, what is expected, and where the same stands too. */
export function faultWords({ why, expected, other_file }: CatalogFault): string {
  const also = other_file ? `, as in ${shown(other_file)}` : '';
  return `${shown(why)}${also}${expected ? `. Expected: ${shown(expected)}` : ''}.`;
}

/** Why a catalog was not read anew: the place and the reason, and the key that is wrong. */
export function refusalWords(error: unknown): string {
  if (!(error instanceof ApiError)) return wordsOf(error);
  const key = error.field ? `. Key ${error.field}` : '';
  return `${error.message}${key}${error.expected ? `, expected ${error.expected}` : ''}`;
}

export function reloadedWords({ name, ...of }: CatalogReloaded): string {
  const n = of.n_added + of.n_changed + of.n_removed;
  const entries = plural(of.n_entries, 'entry', 'entries');
  if (n === 0) return `Read ${shown(name)} anew: nothing has changed, ${entries}`;
  return `Read ${shown(name)} anew: ${of.n_added} added, ${of.n_changed} changed, ${of.n_removed} removed, ${entries}`;
}

/** The lines that make a first skill in this folder. */
export function firstSkill(folder: string): string {
  return `mkdir -p ${quoted(`${folder}/review`)}
cat > ${quoted(`${folder}/review/SKILL.md`)} <<'END'
---
name: review
description: How we review a change. Read this before you comment on a diff.
---
# Reviewing

Read the whole change first.
END`;
}

const quoted = (path: string): string =>
  /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
