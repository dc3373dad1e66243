// The line that brings a model up to date. The name is a host's word, and the line is pasted into a
// shell: whatever a shell might act on is quoted, and what cannot be seen is shown.
import { shown } from '../escape.ts';

export function pullCommand(name: string): string {
  const visible = shown(name);
  const isPlain = /^[\w.:/-]+$/.test(visible) && !visible.startsWith('-');
  return `ollama pull ${isPlain ? visible : `'${visible.replaceAll("'", "'\\''")}'`}`;
}
