// Opens the page in a real browser and checks one host on it. Settings by environment:
//   HERDBOOK_URL       address of the page
//   HERDBOOK_EXPECT    JSON: {"host", "model"?, "status"?, "within_ms"?, "screenshot"?}
//   HERDBOOK_CHROMIUM  path of the browser (default /usr/bin/chromium)
// With `screenshot` (a path ending in .png) it keeps the fleet and the host, light and dark, beside that path.
// Prints the line {"row":true} once the host's row is there, whatever it says, so that a test can
// change something under the open page, and at the end {"ok", "took_ms", "faults", "seen"}; exits
// with 0 or 1.
import { findings } from './axe.mjs';
import { launch, open } from './browser.mjs';

const url = process.env.HERDBOOK_URL;
const expected = { within_ms: 10_000, ...JSON.parse(process.env.HERDBOOK_EXPECT ?? '{}') };
const faults = [];
let seen = null;
let took_ms = null;

if (!url || !expected.host) {
  faults.push('HERDBOOK_URL and HERDBOOK_EXPECT with a host are needed');
} else {
  const browser = await launch();
  try {
    await look(browser);
  } catch (error) {
    faults.push(String(error.message ?? error).split('\n')[0]);
  } finally {
    await browser.close();
  }
}
process.stdout.write(`${JSON.stringify({ ok: faults.length === 0, took_ms, faults, seen })}\n`);
process.exitCode = faults.length === 0 ? 0 : 1;

async function look(browser) {
  const started = performance.now();
  const { page, misdeeds } = await open(browser, url, { colorScheme: 'light' });
  seen = await eventually(page, started);
  took_ms = Math.round(performance.now() - started);
  await shoot(page, '');
  if (seen) await openHost(page);
  // The inspection's own code is not the page's: what it does to the policy does not count.
  faults.push(...misdeeds);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await inspect(page, colorScheme);
  }
}

/** The page of the host: its name, and what is known of it. */
async function openHost(page) {
  await press(page);
  await page.getByRole('heading', { level: 1, name: expected.host }).waitFor({ timeout: 5000 });
  await page.locator('main dl').first().waitFor({ timeout: 5000 });
  await page.waitForTimeout(expected.screenshot ? 2500 : 300);
  await shoot(page, '-detail');
}

/** The row as soon as it says what is expected; what is missing is a fault. */
async function eventually(page, started) {
  let row = null;
  let missing = ['no row'];
  while (performance.now() - started < expected.within_ms) {
    const before = row;
    row = await page.evaluate(read, expected.host);
    if (row && !before) process.stdout.write('{"row":true}\n');
    missing = row ? lacking(row) : [`no row of ${expected.host}`];
    if (missing.length === 0) return row;
    await page.waitForTimeout(50);
  }
  faults.push(...missing.map((what) => `after ${expected.within_ms} ms: ${what}`));
  return row;
}

/** Runs in the page. */
function read(name) {
  const links = [...document.querySelectorAll('[role=row] .name a')];
  const row = links.find((link) => link.textContent === name)?.closest('[role=row]');
  if (!row) return null;
  const text = (selector) => row.querySelector(selector)?.textContent.trim() ?? null;
  return {
    status: text('.status'),
    cpu: text('.cpu .value'),
    memory: text('.memory .value'),
    memory_bytes: text('.memory .detail'),
    vram: text('.vram .value'),
    gpus: text('.gpus'),
    services: text('.services'),
    warm: (row.querySelector('.models ul')?.title.split('\n') ?? [])
      .filter((line) => line.endsWith(' (warm)'))
      .map((line) => line.slice(0, -' (warm)'.length)),
    last_seen: text('.seen'),
  };
}

function lacking(row) {
  const missing = [];
  const status = expected.status ?? 'online';
  if (row.status !== status) missing.push(`status is ${row.status}, not ${status}`);
  if (status === 'online' || status === 'degraded') {
    if (!/^\d+ %$/.test(row.cpu)) missing.push(`CPU is ${row.cpu}`);
    if (!/^\d+ %$/.test(row.memory)) missing.push(`RAM is ${row.memory}`);
    // Bytes come with samples only, so they show that the host is watched and heard.
    if (!/\d.* \/ .*iB$/.test(row.memory_bytes ?? '')) missing.push('no sample has come');
    if (expected.model && !row.warm.includes(expected.model)) {
      missing.push(`${expected.model} is not among the warm models`);
    }
  } else if (row.cpu !== '–' || row.memory !== '–') {
    missing.push(`an unheard host shows CPU ${row.cpu}, RAM ${row.memory}`);
  }
  return missing;
}

/** Opens the host by keyboard alone. */
async function press(page) {
  const index = await page.evaluate((name) => {
    const links = [...document.querySelectorAll('[role=row] .name a')];
    const row = links.find((link) => link.textContent === name)?.closest('[role=row]');
    return row ? Number(row.getAttribute('aria-rowindex')) - 2 : -1;
  }, expected.host);
  if (index < 0) return;
  await page.getByRole('grid').focus();
  await page.keyboard.press('Home');
  for (let i = 0; i < index; i++) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
}

async function inspect(page, where) {
  faults.push(...(await findings(page)).map((finding) => `axe, ${where}: ${finding}`));
}

async function shoot(page, suffix) {
  if (!expected.screenshot) return;
  const path = (theme) => expected.screenshot.replace(/(\.png)?$/, `${suffix}${theme}.png`);
  await page.screenshot({ path: path('') });
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.screenshot({ path: path('-dark') });
  await page.emulateMedia({ colorScheme: 'light' });
}
