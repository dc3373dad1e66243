// What a reader does on the page: add and remove a service, drain, silence.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Agent } from './agent.mjs';
import { api, Collector } from './programs.mjs';
import { eventually, stage } from './stage.mjs';

const { page: visit } = stage();
const MODEL = 'llama3.1:8b';
let collector;
let agent;

before(async () => {
  collector = await Collector.start();
  agent = await Agent.join(collector.url, { name: 'gpu-1', models: [{ name: MODEL, warm: true }] });
});
after(async () => {
  agent?.vanish();
  await collector?.end();
});

const services = async () => (await api(collector.url, 'GET', 'services')).services;
/** The one refusal that belongs to the story. */
const isRefused = (misdeed) => /status of 422 .*\/api\/v1\/services$/.test(misdeed);

it('adds a service, says what is wrong with it, and removes it', async () => {
  const act = async (page) => {
    await page.getByRole('button', { name: /Add/ }).first().click();
    const form = page.getByRole('dialog');
    await form.getByLabel('Name', { exact: false }).first().fill('finder');
    await form.getByLabel(/^URL/).fill('no address');
    await form.getByRole('button', { name: /^(Add|Register|Save)/ }).click();
    await eventually('the refusal at its field', () => form.locator('.wrong').first().isVisible());
    assert.equal(await form.getByLabel('Name', { exact: false }).first().inputValue(), 'finder');

    await form.getByLabel(/^URL/).fill(`${collector.url}healthz`);
    await form.getByRole('button', { name: /^(Add|Register|Save)/ }).click();
    await form.waitFor({ state: 'detached' });
    const added = await eventually('the service', async () =>
      (await services()).find(({ name }) => name === 'finder'),
    );
    await page.goto(`${collector.url}#/services/${encodeURIComponent(added.id)}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page
      .getByRole('button', { name: /Remove/ })
      .first()
      .click();
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /Remove/ })
      .click();
    await eventually('it is gone', async () =>
      (await services()).every(({ name }) => name !== 'finder'),
    );
  };
  await visit(`${collector.url}#/services`, act, { expected: isRefused });
});

it('drains a service and lets it go again', async () => {
  const id = 'gpu-1:11434';
  const drain = async () => (await api(collector.url, 'GET', `services/${id}`)).drain;
  await visit(`${collector.url}#/services/${encodeURIComponent(id)}`, async (page) => {
    await page.getByRole('button', { name: /^Drain/ }).click();
    await eventually('drained', drain);
    await page.getByText('draining').first().waitFor();
    await page.getByRole('button', { name: /^(Undrain|End drain|Stop draining)/ }).click();
    await eventually('drained no more', async () => !(await drain()));
  });
});

it('drains a host, and says on the fleet that it is', async () => {
  const host = () => api(collector.url, 'GET', `hosts/${agent.id}`);
  await visit(`${collector.url}#/hosts/${agent.id}`, async (page) => {
    await page.getByRole('button', { name: /^Drain/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click();
    await eventually('drained', async () => (await host()).drain);
    await page.goto(`${collector.url}#/hosts`);
    await page.locator('[role=row]').getByText(/drain/i).first().waitFor();
    await page.goto(`${collector.url}#/hosts/${agent.id}`);
    await page.getByRole('button', { name: /^(Undrain|End drain|Stop draining)/ }).click();
    await eventually('drained no more', async () => !(await host()).drain);
  });
});

it('silences alerts and ends that', async () => {
  const silences = async () => (await api(collector.url, 'GET', 'silences')).silences;
  await visit(`${collector.url}#/alerts`, async (page) => {
    await page.getByRole('button', { name: /New silence/ }).click();
    const form = page.getByRole('dialog');
    await form.getByLabel(/Comment/).fill('the fan is being changed');
    await form.getByRole('combobox').first().selectOption('gpu_hot');
    await form.getByRole('button', { name: /^Silence/ }).click();
    await form.waitFor({ state: 'detached' });
    const [silence] = await eventually('the silence', async () => {
      const all = await silences();
      return all.length === 1 && all;
    });
    assert.equal(silence.matcher.rule, 'gpu_hot');
    await page.getByText('the fan is being changed').first().waitFor();
    await page.getByRole('button', { name: 'End', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click();
    await eventually('none', async () => (await silences()).length === 0);
  });
});
