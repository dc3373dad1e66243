// How long it takes until a change is on the screen after its agent said it:
//   node tests/browser/delay.mjs [--times 50]
// A collector, an agent that loads and unloads a model, and the page, all of this machine. The time ends with
// the frame in which the row of the host says what the agent said. Prints JSON.
import { parseArgs } from 'node:util';
import { Agent } from './agent.mjs';
import { launch, open } from './browser.mjs';
import { Collector } from './programs.mjs';
import { hostRow } from './stage.mjs';

const { values } = parseArgs({ options: { times: { type: 'string', default: '50' } } });
const BOUND_MS = 1000;
const MODEL = 'llama3.1:8b';

const collector = await Collector.start();
const browser = await launch();
try {
  const agent = await Agent.join(collector.url, {
    name: 'gpu-1',
    models: [{ name: MODEL, warm: false }],
  });
  const { page } = await open(browser, collector.url);
  await hostRow(page, 'gpu-1').locator('.models').getByText(MODEL).waitFor();
  const took_ms = [];
  for (let i = 0; i < Number(values.times); i++) {
    const warm = i % 2 === 0;
    const shown = page.evaluate(whenShown, `${warm ? 1 : 0} warm of 1`);
    const said_ms = Date.now();
    agent.tellInventory({ models: [{ name: MODEL, warm }] });
    took_ms.push((await shown) - said_ms);
  }
  agent.vanish();
  took_ms.sort((a, b) => a - b);
  const at = (share) => took_ms[Math.min(took_ms.length - 1, Math.floor(share * took_ms.length))];
  const figures = { n: took_ms.length, median_ms: at(0.5), p95_ms: at(0.95), most_ms: at(1) };
  process.stdout.write(`${JSON.stringify({ ...figures, bound_ms: BOUND_MS })}\n`);
} finally {
  await browser.close();
  await collector.end();
}

/** Runs in the page: the time of the frame that shows `words` among the models of the only row. */
function whenShown(words) {
  return new Promise((resolve) => {
    const look = () => {
      const text = document.querySelector('[role=row] .models')?.textContent ?? '';
      if (text.includes(words)) resolve(Date.now());
      else requestAnimationFrame(look);
    };
    look();
  });
}
