// The page over TLS, and a real agent that comes to the door without a join line: let in, and turned out
// again, in the browser.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Collector, startAgent } from './programs.mjs';
import { becomeFirstAdmin, isRefusal, signIn } from './session.mjs';
import { eventually, hostRow, stage } from './stage.mjs';

const { page: visit } = stage();
const ANNA = { name: 'anna', password: 'a flock of grey sheep' };
const HOST = 'gpu-7';
/** Its certificate is its own: a browser asks a person about that, and an agent knows its key. */
const TRUSTING = { ignoreHTTPSErrors: true };
/** Whoever waits knocks again after some seconds. */
const KNOCKS_MS = 40_000;
let collector;
let agent;

before(async () => {
  const settings =
    'auth = "required"\nenrol = "approve"\nannounce = false\n[tls]\nloopback = true\n';
  collector = await Collector.start([], settings);
});
after(async () => {
  await agent?.end();
  await collector?.end();
});

const at = (hash) => `${collector.url}#/${hash}`;
const h1 = (page, name) => page.getByRole('heading', { level: 1, name });
const live = (page) => page.getByText('Live', { exact: true }).first();

it('signs in over TLS by a cookie that no other host and no script gets', async () => {
  assert.match(collector.url, /^https:/);
  const act = async (page, context) => {
    const feeds = [];
    page.on('websocket', (socket) => feeds.push(socket.url()));
    await becomeFirstAdmin(page, collector, ANNA);
    await page.getByRole('button', { name: 'Signed in as anna, admin' }).waitFor();
    await live(page).waitFor();
    assert.match(feeds[0], /^wss:/);

    const [cookie, ...others] = await context.cookies();
    assert.deepEqual(others, []);
    const { name, secure, httpOnly, sameSite, path } = cookie;
    assert.deepEqual(
      { name, secure, httpOnly, sameSite, path },
      {
        name: '__Host-herdbook',
        secure: true,
        httpOnly: true,
        sameSite: 'Strict',
        path: '/',
      },
    );
    await page.reload();
    await page.getByRole('button', { name: 'Signed in as anna, admin' }).waitFor();
    await live(page).waitFor();

    await page.getByRole('button', { name: /^Signed in as anna/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByText('You are signed out.').waitFor();
    assert.deepEqual(await context.cookies(), []);
    await page.reload();
    await h1(page, 'Sign in').waitFor();
  };
  await visit(at('sign-in'), act, { ...TRUSTING, expected: isRefusal });
});

it('shows who waits at the door, lets it in once its fingerprint was seen, and turns it out', async () => {
  const act = async (page) => {
    await signIn(page, ANNA);
    await page.getByText('Nobody waits.').waitFor();
    agent = await startAgent(collector, HOST);
    await page.getByText(HOST, { exact: true }).waitFor({ timeout: KNOCKS_MS });
    await page.getByLabel('1 host at the door').waitFor();
    const fingerprint = page.getByRole('img', { name: /^Fingerprint / }).first();
    const shown = (await fingerprint.getAttribute('aria-label')).replaceAll(' ', '');
    assert.equal(shown.replace(/^Fingerprint/, 'sha256:'), agent.program.fingerprint);

    await page.getByRole('button', { name: `Approve ${HOST}` }).click();
    const dialog = page.getByRole('dialog', { name: `Let ${HOST} in?` });
    await dialog.getByRole('button', { name: 'They are the same: let it in' }).click();
    await page.getByText('Nobody waits.').waitFor();
    await page.getByRole('link', { name: 'Fleet', exact: true }).click();
    const cpu = hostRow(page, HOST).locator('.cpu .value');
    await cpu.getByText(/\d/).waitFor({ timeout: KNOCKS_MS });

    await page.getByRole('link', { name: 'Access' }).click();
    await page.getByRole('link', { name: 'Agents' }).click();
    const row = page.getByRole('row', { name: new RegExp(HOST) });
    await row.getByText('connected').waitFor();
    await row.getByText('by approval').waitFor();
    await row.getByText('anna').waitFor();
    await page.getByRole('button', { name: `Revoke the key of ${HOST}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await row.getByText('revoked').waitFor();
    await eventually('the agent to know', () => /revoked/.test(agent.program.log) || null);
    await page.getByRole('link', { name: 'Fleet', exact: true }).click();
    await eventually('no number of its', async () => !/\d/.test(await cpu.textContent()));

    await page.goto(at('access/audit'));
    for (const act of [/approve/, /revoke/]) {
      await page.getByRole('row', { name: /anna/ }).filter({ hasText: act }).first().waitFor();
    }
  };
  await visit(at('access'), act, { ...TRUSTING, expected: isRefusal });
});
