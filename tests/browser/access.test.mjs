// Who comes in where credentials are demanded: the first admin, signing in and out, tokens, join lines,
// people and the audit; each view of that in light, dark and on a phone.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { findings } from './axe.mjs';
import { Collector } from './programs.mjs';
import { invitation, isRefusal, signIn } from './session.mjs';
import { eventually, overflow_px, PHONE, settle, stage } from './stage.mjs';

const { page: visit } = stage();
const ANNA = { name: 'anna', password: 'a flock of grey sheep' };
const VERA = { name: 'vera', password: 'another flock of sheep' };
const SECTIONS = ['', '/agents', '/join-lines', '/tokens', '/people', '/audit'];
const KINDS = [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { colorScheme: 'light', ...PHONE }],
];
let collector;
/** Anna's browser, for stories that begin when she is in. */
let signedIn;

before(async () => {
  // Agents join by a port that others reach, so credentials are demanded on all of them.
  collector = await Collector.start(['--listen', '0.0.0.0:0']);
});
after(() => collector?.end());

const at = (hash) => `${collector.url}#/${hash}`;
const h1 = (page, name) => page.getByRole('heading', { level: 1, name });

const asProgram = (token) =>
  fetch(new URL('api/v1/hosts', collector.url), { headers: { authorization: `Bearer ${token}` } });

async function look(page, name, kind) {
  assert.deepEqual(await findings(page), [], `axe on ${name}, ${kind}`);
  if (kind === 'phone') assert.equal(await overflow_px(page), 0, `${name} is wider than a phone`);
}

it('shows nothing to nobody, and makes whoever has the code the first admin', async () => {
  const { link, code } = await invitation(collector);
  assert.equal(link, collector.url);
  for (const [kind, options] of KINDS) {
    await visit(
      at('sign-in'),
      async (page) => {
        await h1(page, 'The first admin').waitFor();
        assert.equal(await page.getByRole('navigation').count(), 0);
        await look(page, 'the first admin', kind);
      },
      options,
    );
  }
  const act = async (page, context) => {
    const form = page.getByRole('form', { name: 'The first admin' });
    const field = (name) => form.getByLabel(name, { exact: true });
    await eventually('the focus on the first field', () =>
      field('Code').evaluate((input) => input === document.activeElement),
    );
    await field('Code').fill('not-the-code');
    await field('Name').fill(ANNA.name);
    await field('Password').fill('too short');
    await field('The same once more').fill('too short');
    await page.keyboard.press('Enter');
    await form.getByText('At least 12 characters; these are 9.').waitFor();

    await field('Password').fill(ANNA.password);
    await field('The same once more').fill(ANNA.password);
    await page.keyboard.press('Enter');
    await eventually('the refusal at its field', async () =>
      field('Code').evaluate((input) => input.getAttribute('aria-invalid') === 'true'),
    );
    await field('Code').fill(code);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Signed in as anna, admin' }).waitFor();
    await eventually('the address of the fleet', () => page.url().endsWith('#/hosts'));
    signedIn = await context.storageState();
  };
  await visit(at('sign-in'), act, { expected: isRefusal });
});

it('leads to where one wanted to go, and says no more of a wrong try than that it was', async () => {
  for (const [kind, options] of KINDS) {
    await visit(
      at('models'),
      async (page) => {
        await h1(page, 'Sign in').waitFor();
        await look(page, 'sign in', kind);
      },
      options,
    );
  }
  const act = async (page) => {
    await h1(page, 'Sign in').waitFor();
    for (const name of ['nobody-of-this-name', ANNA.name]) {
      await signIn(page, { name, password: 'not the password' });
      await page.getByRole('alert').getByText('Name or password is wrong.').waitFor();
      const password = page.getByLabel('Password', { exact: true });
      await eventually('the password to be typed anew', async () =>
        password.evaluate((input) => input === document.activeElement && input.value === ''),
      );
    }
    await signIn(page, ANNA);
    await h1(page, 'Models').waitFor();
    assert.ok(page.url().endsWith('#/models?by=drift'), page.url());
  };
  await visit(at('models?by=drift'), act, { expected: isRefusal });
});

it('says on an empty fleet how the first host comes in', async () => {
  await visit(
    at('hosts'),
    async (page) => {
      await page.getByRole('button', { name: 'Make the line for a host' }).click();
      const line = page.getByRole('group', { name: 'Shown once: the join line' });
      const text = await line.locator('code').first().textContent();
      assert.match(text, /^echo '\S+ hbj_[\w-]{43} sha256:\S+' \| sudo herdbook-agent join$/);
    },
    { storageState: signedIn },
  );
});

it('makes a token that is shown once, works until it is revoked, and stands in the audit', async () => {
  const act = async (page) => {
    await page.getByRole('button', { name: 'New token' }).click();
    const form = page.getByRole('form', { name: 'New token' });
    await form.getByLabel('Name', { exact: true }).fill('router-1');
    await form.getByRole('radio', { name: /^client/ }).check();
    await form.getByRole('button', { name: 'Make the token' }).click();
    const once = page.getByRole('group', { name: 'Shown once: the token' });
    const token = await once.locator('code').first().textContent();
    assert.match(token, /^hbt_[\w-]{43}$/);
    await once.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('row', { name: /router-1.*client.*active/ }).waitFor();
    assert.ok(!(await page.content()).includes(token), 'the token is shown no more');
    assert.equal((await asProgram(token)).status, 200);

    await page.getByRole('button', { name: 'Revoke the token router-1' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('row', { name: /router-1.*revoked/ }).waitFor();
    assert.equal((await asProgram(token)).status, 401);

    await page.getByRole('link', { name: 'Audit' }).click();
    await page.getByRole('row', { name: /anna/ }).first().waitFor();
    await page.getByLabel('Filter the audit').fill('anna token');
    await eventually('only what was asked for', async () => {
      const rows = await page.locator('main tbody tr').allTextContents();
      return rows.length > 0 && rows.every((row) => /anna/i.test(row) && /token/i.test(row));
    });
    await page.getByRole('button', { name: 'Verify' }).click();
    await page.getByText(/^Intact: \d+ entries/).waitFor();
  };
  await visit(at('access/tokens'), act, { storageState: signedIn });
});

it('makes a join line for some hosts, and takes it back', async () => {
  const act = async (page) => {
    await page.getByRole('button', { name: 'New join line' }).click();
    const form = page.getByRole('form', { name: 'New join line' });
    await form.getByLabel('For how many hosts').fill('none');
    await form.getByRole('button', { name: 'Make the line' }).click();
    await form.getByText('A whole number, 1 at least.').waitFor();
    await form.getByLabel('For how many hosts').fill('20');
    await form.getByLabel('Only names like').fill('gpu-*');
    await form.getByRole('button', { name: 'Make the line' }).click();
    const once = page.getByRole('group', { name: 'Shown once: the join line' });
    assert.match(await once.locator('code').first().textContent(), /herdbook-agent join$/);
    await page.keyboard.press('Escape');
    const row = page.getByRole('row', { name: /gpu-\*/ });
    await row.getByText('0 of 20 hosts').waitFor();
    await row.getByRole('button', { name: /^Revoke/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await row.getByText('revoked').waitFor();
  };
  await visit(at('access/join-lines'), act, { storageState: signedIn });
});

it('lets a viewer see, and shows nothing that a viewer may not do', async () => {
  const add = async (page) => {
    assert.equal(
      await page.getByRole('button', { name: 'Remove anna' }).getAttribute('aria-disabled'),
      'true',
      'the last admin stays',
    );
    await page.getByRole('button', { name: 'Add a person' }).click();
    const form = page.getByRole('form', { name: 'Add a person' });
    await form.getByLabel('Name', { exact: true }).fill(VERA.name);
    await form.getByLabel('First password').fill(VERA.password);
    await form.getByLabel('The same once more').fill(VERA.password);
    await form.getByRole('button', { name: 'Add' }).click();
    await page.getByRole('row', { name: /vera.*viewer/ }).waitFor();
  };
  await visit(at('access/people'), add, { storageState: signedIn });
  await visit(at('services'), async (page) => {
    await h1(page, 'Sign in').waitFor();
    await signIn(page, VERA);
    await page.getByRole('button', { name: 'Signed in as vera, viewer' }).waitFor();
    await h1(page, 'Services').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Add', exact: true }).count(), 0);
    assert.equal(await page.getByRole('link', { name: 'Access' }).count(), 0);
    await page.goto(at('alerts'));
    await h1(page, 'Alerts').waitFor();
    assert.equal(await page.getByRole('button', { name: 'New silence' }).count(), 0);
    await page.goto(at('access'));
    await page.getByText('Who may come in is a matter of admins.').waitFor();
  });
});

for (const [kind, options] of KINDS) {
  describe(`access, ${kind}`, () => {
    for (const section of SECTIONS) {
      it(section || 'at the door', async () => {
        await visit(
          at(`access${section}`),
          async (page) => {
            await h1(page, 'Access').waitFor();
            await settle(page);
            await eventually('an answer', () =>
              page.locator('section[aria-label] :is(table, ul, .message)').first().isVisible(),
            );
            await look(page, `access${section}`, kind);
          },
          { ...options, storageState: signedIn },
        );
      });
    }
  });
}

it('signs out in all tabs, each of which keeps its place', async () => {
  const act = async (page, context) => {
    await h1(page, 'Sign in').waitFor();
    await signIn(page, ANNA);
    await h1(page, 'Models').waitFor();
    const second = await context.newPage();
    await second.goto(at('events'));
    await h1(second, 'Events').waitFor();

    await page.getByRole('button', { name: /^Signed in as anna/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByText('You are signed out.').waitFor();
    await second.getByText(/^Your session is over/).waitFor();
    assert.ok(second.url().endsWith('#/events'), second.url());

    await signIn(second, ANNA);
    await h1(second, 'Events').waitFor();
  };
  await visit(at('models'), act);
});
