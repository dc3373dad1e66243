// How a person comes in where credentials are demanded.
import { eventually } from './stage.mjs';

/** What a browser logs of an answer that belongs to the story. */
export const isRefusal = (misdeed) => /status of (401|403) /.test(misdeed);

/** What the collector printed for the first admin. */
export async function invitation(collector) {
  const printed = /^first admin: open (\S+)#\/sign-in and enter (\S+) \(once, within 1 h/m;
  const [, link, code] = await eventually('the code', () => printed.exec(collector.log));
  return { link, code };
}

export async function becomeFirstAdmin(page, collector, { name, password }) {
  const { code } = await invitation(collector);
  const form = page.getByRole('form', { name: 'The first admin' });
  const field = (title) => form.getByLabel(title, { exact: true });
  await field('Code').fill(code);
  await field('Name').fill(name);
  await field('Password').fill(password);
  await field('The same once more').fill(password);
  await page.keyboard.press('Enter');
}

export async function signIn(page, { name, password }) {
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.keyboard.press('Enter');
}
