// Starts Debian's Chromium, with a fresh profile and nothing of its own on the network, and records
// what a page must not do: errors, policy violations, requests to another origin.
import { chromium } from 'playwright-core';

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launch(executablePath = process.env.HERDBOOK_CHROMIUM ?? '/usr/bin/chromium') {
  return chromium.launch({ executablePath, headless: true, args: ARGS });
}

/**
 * A page in a context of its own, and the list of its misdeeds, which grows while it lives. `prepare` may
 * do something to it before it goes there.
 */
export async function open(browser, url, { prepare, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const misdeeds = [];
  const origin = new URL(url).origin;
  await context.exposeFunction('herdbookViolation', (what) => misdeeds.push(`policy: ${what}`));
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      window.herdbookViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  const page = await context.newPage();
  await prepare?.(page);
  page.on('console', (message) => {
    const kind = message.type();
    if (kind === 'error' || kind === 'warning') {
      const { url } = message.location();
      misdeeds.push(`console ${kind}: ${message.text()} ${url}`);
    }
  });
  page.on('pageerror', (error) => misdeeds.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (asked.protocol !== 'data:' && asked.origin !== origin) {
      misdeeds.push(`request to another origin: ${asked.href}`);
    }
  });
  page.on('websocket', (socket) => {
    const asked = new URL(socket.url().replace(/^ws/, 'http'));
    if (asked.origin !== origin) misdeeds.push(`socket to another origin: ${asked.href}`);
  });
  await page.goto(url, { waitUntil: 'domcontentloaded' });
  return { page, misdeeds, context };
}
