// What axe-core finds on a page, of what is serious or critical.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
let source;

export async function findings(page) {
  source ??= `${await readFile(AXE, 'utf8')};undefined`;
  // The inspection's own code is not the page's; it comes past the page's policy.
  await page.evaluate(source);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, impact, nodes }) => {
      const where = nodes.slice(0, 3).map((node) => node.target.join(' '));
      return `${id} (${impact}) at ${where.join(', ')}`;
    });
}
