// The dashboard of the real binary in a real browser: what it shows is what the API says, and what
// its buttons ask for happens.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startBrowser } from './lib/browser.mjs';
import { initialize, post } from './lib/legacy.mjs';
import { poolOf, startMcplb } from './lib/mcplb.mjs';
import { startMortals } from './lib/mortal.mjs';
import { openDashboard } from './lib/page.mjs';
import { until } from './lib/wait.mjs';
import { reservedPort } from './raw/lib/ports.mjs';

const NETWORK = /Failed to load resource/; // chromium's own line for a refused connection, or a 401
const QUICK = { interval: '500ms', fall: 1, rise: 1 };

let browser;
let servers;
const open = [];

before(async () => {
  [browser, servers] = await Promise.all([startBrowser(), startMortals(3)]);
});
after(async () => {
  await browser.close();
  await servers.stop();
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one();
});

async function balancerOf(urls, more = {}) {
  const mcplb = await startMcplb({ config: { pools: [poolOf(urls, { health: QUICK })], ...more } });
  open.push(mcplb.stop);
  return mcplb;
}

async function view(mcplb) {
  const shown = await openDashboard(browser, mcplb.adminUrl);
  open.push(shown.close);
  return shown;
}

const stateOf = async (mcplb) => (await fetch(`${mcplb.adminUrl}/api/state`)).json();

const textOf = async (locator) => (await locator.textContent()).trim();

const untilText = (locator, text) =>
  until(10_000, `"${text}"`, async () => (await textOf(locator)).includes(text));

/** The number that a text begins with. */
const numberIn = (text) => Number(text.replaceAll(',', '').match(/^[\d.]+/)?.[0] ?? NaN);

/** The page is up to a second older than what the API says now, and shows three digits at most. */
const agrees = (shown, value) => Math.abs(shown - value) <= Math.max(0.02, value * 0.25);

async function sessions(mcplb, count) {
  const ids = Array.from({ length: count }, () => initialize(mcplb.url));
  return Promise.all(ids);
}

const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };

test('the figures on the page are those of the API', async () => {
  const mcplb = await balancerOf(servers.urls);
  const ids = await sessions(mcplb, 9);
  for (const id of ids) await post(mcplb.url, id, list);
  const { tab, headline, row, field, tile, calm } = await view(mcplb);
  await untilText(headline, 'Everything is healthy');
  const agreeInRows = async (backends) => {
    for (const backend of backends) {
      for (const name of ['sessions', 'streams', 'in_flight', 'state']) {
        const shown = await textOf(field(row(backend.id), name));
        if (shown !== String(backend[name])) return false;
      }
    }
    return true;
  };
  assert.equal(await tab.locator('tr[data-backend]').count(), 3);
  assert.ok((await textOf(tab.locator('h1'))).endsWith((await stateOf(mcplb)).instance));
  await until(20_000, 'figures that agree', async () => {
    await post(mcplb.url, ids[0], list); // without requests there would be no latency
    const { traffic, pools, active_sessions: active } = await stateOf(mcplb);
    assert.equal(active, 9);
    const shown = async (name) => numberIn(await textOf(tile(name)));
    const pairs = [
      [await shown('sessions'), active],
      [await shown('requests'), traffic.requests_per_second],
      [await shown('latency'), traffic.latency_ms?.p50 ?? NaN],
      [await shown('overhead'), traffic.overhead_ms?.p50 ?? NaN],
    ];
    return pairs.every((pair) => agrees(...pair)) && agreeInRows(pools[0].backends);
  });
  await untilText(tab.locator('article.pool'), 'Sessions since the start: 9 opened, 0 moved, 0 lost');

  await tab.getByLabel('Session id, as the client knows it').fill(ids[0]);
  await tab.keyboard.press('Enter');
  const answer = await fetch(`${mcplb.adminUrl}/api/cluster/sessions/${ids[0]}`);
  await untilText(tab.locator('#found'), (await answer.json()).data.owner);
  await tab.getByLabel('Session id, as the client knows it').fill('nobody-has-it');
  await tab.keyboard.press('Enter');
  await untilText(tab.locator('#found'), 'Nobody here knows this session.');
  calm(NETWORK);
});

test('a killed backend turns red, its sessions are seen to move, and it turns green again', async () => {
  const mcplb = await balancerOf(servers.urls);
  const ids = await sessions(mcplb, 3); // one on each
  const { tab, headline, row, field, calm } = await view(mcplb);
  await untilText(headline, 'Everything is healthy');
  const [victim] = servers.list;
  await victim.kill();
  await untilText(headline, '1 of 3 backends is not serving');
  const line = row(victim.id);
  assert.equal(await textOf(field(line, 'state')), 'down');
  const [red, green, blue] = await line.locator('.chip').evaluate((node) =>
    getComputedStyle(node).color.match(/[\d.]+/g).map(Number));
  assert.ok(red > 2 * green && red > 2 * blue, `${red} ${green} ${blue} is red`);
  await untilText(tab.locator('#problems'), `${victim.id} is down`);
  await untilText(tab.locator('#timeline'), `${victim.id} (default) is down: connection refused`);
  assert.match(await tab.title(), /^1 of 3 backends is not serving/);

  for (const id of ids) await post(mcplb.url, id, list);
  await untilText(tab.locator('#timeline'), `A session moved from ${victim.id} to`);
  await untilText(tab.locator('article.pool'), `Moved lately: ${victim.id} →`);
  await untilText(field(line, 'sessions'), '0');
  await victim.start();
  await untilText(headline, 'Everything is healthy');
  await untilText(tab.locator('#timeline'), `${victim.id} (default) is up again`);
  calm();
});

test('drain, disable and activate do what they say, and only when confirmed', async () => {
  const mcplb = await balancerOf(servers.urls);
  await sessions(mcplb, 3);
  const [{ id }] = servers.list;
  const { tab, headline, row, field, button, calm } = await view(mcplb);
  await untilText(headline, 'Everything is healthy');
  const modeOf = async () =>
    (await stateOf(mcplb)).pools[0].backends.find((backend) => backend.id === id).mode;
  await button(`Drain ${id} of default`).click();
  await button('Cancel').click();
  assert.equal(await modeOf(), 'active');

  await button(`Drain ${id} of default`).click();
  await button('Drain').click();
  await untilText(tab.locator('#toasts'), `${id} is being drained`);
  assert.equal(await modeOf(), 'draining');
  await untilText(field(row(id), 'state'), 'draining');
  await untilText(headline, 'All is well; 1 backend is taken out');

  await button(`Disable ${id} of default`).click();
  await button('Disable').click();
  await untilText(field(row(id), 'state'), 'disabled');
  assert.equal(await modeOf(), 'disabled');

  await button(`Activate ${id} of default`).click();
  await button('Activate').click();
  await untilText(field(row(id), 'state'), 'up');
  assert.equal(await modeOf(), 'active');
  await untilText(headline, 'Everything is healthy');
  await untilText(tab.locator('#timeline'), `Somebody gave a command: activate default/${id}, done`);
  calm();
});

test('a restart of mcplb is survived, and the token is asked for', async () => {
  const admin = { address: `127.0.0.1:${await reservedPort()}`, token: 'sesame' };
  const start = () => startMcplb({ config: { admin, pools: [poolOf(['http://127.0.0.1:1'])] } });
  const first = await start();
  const { tab, headline, lost, button, calm } = await view(first);
  const input = tab.getByRole('textbox', { name: 'Token' });
  await input.fill('open');
  await input.press('Enter');
  await untilText(tab.locator('#token-wrong'), 'That token was refused.');
  await input.fill('sesame');
  await input.press('Enter');
  await untilText(headline, 'No backend can serve requests');
  await until(5_000, 'an age to compare', async () => !(await textOf(tab.locator('.facts')))
    .includes('up for 0 s'));
  await first.kill();
  await lost.waitFor();
  assert.match(await textOf(lost), /No contact since \d\d:\d\d:\d\d; the values are old/);
  const second = await start();
  open.push(second.stop);
  await lost.waitFor({ state: 'hidden' });
  await untilText(tab.locator('#notice'), 'mcplb was started again');
  assert.ok(await button('Drain 127.0.0.1:1 of default').isEnabled());
  calm(NETWORK);
});
