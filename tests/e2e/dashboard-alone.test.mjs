// The dashboard in a real browser, over an admin listener that says what a real one hardly would:
// it falls silent, wants tokens, has strange names and very many backends.
//   MCPLB_UPDATE_SCREENSHOTS=1 also writes docs/dashboard-light.png and docs/dashboard-dark.png
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { busyState } from './fixtures/busy-state.mjs';
import { backendOf, poolOf, stateOf, trafficOf } from './fixtures/fake-admin.mjs';
import { startBrowser } from './lib/browser.mjs';
import { builtPage, openFake } from './lib/page.mjs';
import { until } from './lib/wait.mjs';

const NETWORK = /Failed to load resource/; // chromium's own line for a refused connection, or a 401

const two = () => poolOf('default', [backendOf('10.0.0.1:3000'), backendOf('10.0.0.2:3000')]);

let browser;
let page;
let shown;

before(async () => {
  [browser, page] = await Promise.all([startBrowser(), builtPage()]);
});
after(() => browser.close());
afterEach(() => shown.close());

async function show(state, more) {
  shown = await openFake(browser, page, state, more);
  return shown;
}

const textOf = async (locator) => (await locator.textContent()).trim();

const untilText = (locator, text) =>
  until(8_000, `"${text}"`, async () => (await textOf(locator)).includes(text));

test('contact that is lost is told, old values are marked, and a restart is noticed', async () => {
  const { tab, fake, headline, lost, button, calm } = await show(stateOf([two()]));
  await untilText(headline, 'Everything is healthy');
  await tab.clock.install();
  await tab.reload();
  await untilText(headline, 'Everything is healthy');
  assert.ok(await lost.isHidden());
  await fake.stop();
  await lost.waitFor();
  assert.match(await textOf(lost), /No contact since \d\d:\d\d:\d\d; the values are old/);
  assert.ok(await tab.evaluate(() => document.body.classList.contains('old')));
  assert.ok(await button('Drain 10.0.0.1:3000 of default').isDisabled());
  await untilText(tab.locator('#said'), 'No contact with mcplb: values are old.');

  await until(10_000, 'the pauses between tries to grow', async () => {
    await tab.clock.fastForward(11_000);
    return Number((await textOf(lost)).match(/Next try in (\d+) s/)?.[1]) > 5;
  });
  fake.state = stateOf([two()], { uptime_seconds: 1, version: '0.2.0' });
  await fake.listen(fake.port);
  await button('Try now').click();
  await lost.waitFor({ state: 'hidden' });
  assert.ok(!(await tab.evaluate(() => document.body.classList.contains('old'))));
  assert.match(await textOf(tab.locator('#notice')), /started again 1 s ago.*0\.2\.0/);
  assert.ok(await button('Drain 10.0.0.1:3000 of default').isEnabled());
  calm(NETWORK);
});

test('contact is taken up again without a hand', async () => {
  const { fake, headline, lost, calm } = await show(stateOf([two()]));
  await untilText(headline, 'Everything is healthy');
  await fake.stop();
  await lost.waitFor();
  await fake.listen(fake.port);
  await lost.waitFor({ state: 'hidden' });
  calm(NETWORK);
});

test('a stream that says nothing any more is lost contact', async () => {
  const { tab, fake, headline, lost, calm } = await show(stateOf([two()]));
  await untilText(headline, 'Everything is healthy');
  await tab.clock.install();
  await tab.reload();
  await untilText(headline, 'Everything is healthy');
  fake.isMute = true;
  await tab.clock.fastForward(7_000);
  await lost.waitFor();
  assert.match(await textOf(lost), /Nothing was heard for 6 s/);
  calm();
});

test('in the background the stream is ended, and a look now and then is enough', async () => {
  const { tab, fake, headline, lost, calm } = await show(stateOf([two()]));
  await untilText(headline, 'Everything is healthy');
  await tab.clock.install();
  await tab.reload();
  await untilText(headline, 'Everything is healthy');
  const turn = (isHidden) => tab.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, isHidden);
  const seen = (text) => until(5_000, text, async () => (await tab.title()).includes(text));
  await turn(true);
  for (let seconds = 0; seconds < 30; seconds += 5) {
    assert.equal(fake.streams, 1, `after ${seconds} s`);
    fake.push(stateOf([two()], { instance: `after-${seconds}` }));
    await seen(`after-${seconds}`); // else it would be given up for its silence
    await tab.clock.fastForward(5_000);
  }
  await until(5_000, 'the end of the stream', () => fake.streams === 0);
  await until(5_000, 'a look', () => fake.asked > 0);
  fake.state = stateOf([poolOf('default', [backendOf('10.0.0.1:3000', { state: 'down' })])],
    { status: 'unhealthy' });
  await until(5_000, 'the next look', async () => {
    await tab.clock.fastForward(11_000); // its pause may not have begun yet
    return (await tab.title()).startsWith('No backend can serve');
  });
  await turn(false);
  await until(5_000, 'a stream', () => fake.streams === 1);
  assert.ok(await lost.isHidden());
  calm();
});

test('with too many pages for one mcplb, states are asked for one by one', async () => {
  const { fake, headline, lost, calm } = await show(stateOf([two()]), { isCrowded: true });
  await untilText(headline, 'Everything is healthy');
  fake.state = stateOf([poolOf('default', [])], { status: 'unhealthy' });
  await untilText(headline, 'There are no backends');
  assert.ok(await lost.isHidden());
  assert.equal(fake.streams, 0);
  calm(NETWORK);
});

test('a token is asked for, refused, taken, kept for the tab, and forgotten', async () => {
  const { tab, headline, button, calm } = await show(stateOf([two()]), { token: 'sesame' });
  const input = tab.getByRole('textbox', { name: 'Token' });
  await input.fill('wrong');
  await input.press('Enter');
  await untilText(tab.locator('#token-wrong'), 'That token was refused.');
  await input.fill('sesame');
  await button('Go on').click();
  await untilText(headline, 'Everything is healthy');
  const kept = () => tab.evaluate(() => [
    Object.values(sessionStorage), Object.values(localStorage), location.href, document.cookie,
  ]);
  const [session, local, address, cookie] = await kept();
  assert.deepEqual(session, ['sesame']);
  assert.ok(![...local, address, cookie].some((text) => text.includes('sesame')));
  await tab.reload();
  await untilText(headline, 'Everything is healthy');
  await button('Forget token').click();
  await input.waitFor();
  assert.deepEqual((await kept())[0], []);
  calm(NETWORK);
});

test('names are text, whatever they hold', async () => {
  const evil = '<img src=x onerror="window.evil=1"><script>window.evil=1</script>';
  const pools = [
    poolOf('__proto__', [backendOf('constructor', { name: evil, state: evil, url: evil })]),
    poolOf(evil, [backendOf(`javascript:evil"'&${'x'.repeat(2000)}`, { check: { good: false, text: evil }, state: 'down' })]),
  ];
  const timeline = [
    { time: 'never', level: evil, event: 'session_moved', count: 2, fields: { from: evil, to: '\u202egnp' } },
    { time: null, level: 'warn', event: evil, fields: { [evil]: evil } },
    { event: 'backend_down', fields: { __proto__: null, pool: 'constructor', toString: evil } },
  ];
  const more = { instance: evil, version: evil, timeline, local_replies: { [evil]: 1, __proto__: 2 } };
  const { tab, row, calm } = await show(stateOf(pools, more));
  await row('constructor').waitFor();
  assert.equal(await row('constructor').locator('[data-field=name]').textContent(), evil);
  assert.equal(await tab.evaluate(() => window.evil), undefined);
  assert.equal(await tab.locator('main img, main script').count(), 0);
  const wide = await tab.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.ok(!wide, 'long names do not widen the page');
  calm();
});

test('what is missing or odd reads as unknown, and never as NaN', async () => {
  const odd = [
    stateOf([poolOf('p', [{ id: 'a' }, { id: 'a' }, null, 7, { id: null, traffic: [] }])]),
    stateOf([{ name: 'p', backends: { length: 3 } }, null, 'x', []], { traffic: null, store: null }),
    stateOf([poolOf('p', [backendOf('b', {
      sessions: '12', streams: -1, in_flight: 1e300, since_seconds: null, check: 'x', weight: {},
      traffic: trafficOf(2, { latency_ms: { p50: null, p99: 1 }, history: { p50_ms: ['x', {}] } }),
    })])], { uptime_seconds: 'long', timeline: { a: 1 }, active_sessions: null, workers: [] }),
    {},
    [],
  ];
  const { tab, fake, headline, calm } = await show(stateOf([two()]));
  for (const [index, state] of odd.entries()) {
    fake.push(state);
    fake.push(stateOf([two()], { instance: `after-${index}` }));
    await untilText(tab.locator('h1'), `after-${index}`);
    fake.push(state);
    await tab.waitForFunction((name) => !document.querySelector('h1').textContent.includes(name),
      `after-${index}`);
    assert.doesNotMatch(await tab.locator('body').innerText(), /NaN|undefined|\[object|null/);
  }
  assert.notEqual(await textOf(headline), '');
  calm();
});

test('two hundred backends stay usable: troubled ones are shown, others are folded', async () => {
  const backends = Array.from({ length: 200 }, (_, index) =>
    backendOf(`10.0.0.${index}:3000`, index === 150 ? { state: 'down' } : {}));
  const { tab, row, button, calm } = await show(stateOf([poolOf('big', backends)]));
  const rows = tab.locator('tr[data-backend]');
  await row('10.0.0.150:3000').waitFor();
  assert.equal(await rows.count(), 41);
  await tab.getByRole('searchbox', { name: 'Filter' }).fill('0.19');
  await until(5_000, 'eleven rows', async () => (await rows.count()) === 11); // 19, 190 to 199
  await tab.getByRole('searchbox', { name: 'Filter' }).fill('');
  await tab.getByLabel('only with problems').check();
  await until(5_000, 'one row', async () => (await rows.count()) === 1);
  await tab.getByLabel('only with problems').uncheck();
  await button('Show all 200 backends').click();
  await until(5_000, 'all rows', async () => (await rows.count()) === 200);
  calm();
});

test('a command is asked for first, and its result is told', async () => {
  const pool = poolOf('a/b', [backendOf('10.0.0.1:3000'), backendOf('10.0.0.2:3000')]);
  const { tab, fake, row, button, calm } = await show(stateOf([pool]));
  const path = '/api/backends/a%2Fb/10.0.0.1%3A3000';
  const drain = button('Drain 10.0.0.1:3000 of a/b');
  await drain.focus();
  await tab.keyboard.press('Enter');
  assert.equal(await tab.evaluate(() => document.activeElement.textContent), 'Cancel');
  await tab.keyboard.press('Escape');
  assert.ok(await drain.evaluate((node) => node === document.activeElement), 'focus is back');
  assert.deepEqual(fake.commands, []);

  const data = { sessions: 4, streams: 1, in_flight: 0 };
  fake.answers.set(`${path}/drain`, { status: 200, body: { success: true, data } });
  await drain.click();
  await button('Drain').click();
  await untilText(tab.locator('#said'), '10.0.0.1:3000 is being drained: 4 sessions, 1 stream left.');
  assert.equal(fake.commands[0].headers['content-type'], 'application/json');
  assert.equal(fake.commands[0].path, `${path}/drain`);

  const refusal = { success: false, error: 'not_changed', message: 'it has just left' };
  fake.answers.set(`${path}/disable`, { status: 409, body: refusal });
  await button('Disable 10.0.0.1:3000 of a/b').click();
  await button('Disable').click();
  await untilText(tab.locator('#said'), 'Not done: disable 10.0.0.1:3000. it has just left');

  fake.push(stateOf([poolOf('a/b', [
    backendOf('10.0.0.1:3000', { mode: 'draining', state: 'draining', sessions: 8 }),
    backendOf('10.0.0.2:3000'),
  ])]));
  await button('Activate 10.0.0.1:3000 of a/b').waitFor();
  await button('Drain 10.0.0.2:3000 of a/b').click();
  await untilText(tab.locator('#ask-careful'), 'It is the last backend of a/b that serves');
  await button('Cancel').click();
  fake.push(stateOf([poolOf('a/b', [
    backendOf('10.0.0.1:3000', { mode: 'draining', state: 'draining', sessions: 2, streams: 1 }),
  ])]));
  const progress = row('10.0.0.1:3000').getByRole('progressbar');
  await until(5_000, 'progress', async () =>
    (await progress.getAttribute('aria-label')) === 'Drain: 2 sessions, 1 stream left');
  assert.ok(Math.abs((await progress.evaluate((node) => node.value)) - 100 * (1 - 3 / 9)) < 0.01);
  calm(NETWORK);
});

test('a narrow window needs no scrolling to the side', async () => {
  const settings = { viewport: { width: 340, height: 800 } };
  const { tab, headline, calm } = await show(stateOf([two()]), { settings });
  await untilText(headline, 'Everything is healthy');
  assert.ok(await tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  calm();
});

test('the theme is that of the system until one is chosen, and the choice is kept', async () => {
  const settings = { colorScheme: 'dark', reducedMotion: 'reduce' };
  const { tab, headline, button, calm } = await show(stateOf([two()]), { settings });
  await untilText(headline, 'Everything is healthy');
  const dark = () => tab.evaluate(() => {
    const [red] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g);
    return Number(red) < 128;
  });
  assert.ok(await dark());
  await button('Theme: auto').click();
  assert.ok(!(await dark()));
  await tab.reload();
  await button('Theme: light').waitFor();
  assert.ok(!(await dark()));
  const main = tab.locator('main');
  assert.equal(await main.evaluate((node) => getComputedStyle(node).transitionDuration), '0s');
  calm();
});

// Evaluated and not added to the page, whose policy would refuse it.
const axe = await readFile(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

const audit = (tab) => tab.evaluate(`${axe}; 0`).then(() => tab.evaluate(async () => {
  const { violations } = await window.axe.run(document);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`);
}));

const picture = (name) => fileURLToPath(new URL(`../../docs/dashboard-${name}.png`, import.meta.url));

for (const colorScheme of ['light', 'dark']) {
  test(`an audit of accessibility finds nothing, ${colorScheme}`, async () => {
    const settings = { colorScheme, reducedMotion: 'reduce', viewport: { width: 1400, height: 780 } };
    const state = busyState();
    const { tab, fake, headline, row, button, calm } = await show(state, { settings });
    await row('10.0.0.11:3000').waitFor();
    if (process.env.MCPLB_UPDATE_SCREENSHOTS === '1') {
      await tab.screenshot({ path: picture(colorScheme) });
    }
    assert.deepEqual(await audit(tab), []);
    const more = poolOf('p', [
      backendOf('c', { mode: 'disabled', state: 'disabled' }),
      backendOf('d', { state: 'starting', suspect: true }),
      backendOf('e', { traffic: trafficOf(4, { errors_per_second: 2 }) }),
    ]);
    fake.push({ ...state, pools: [...state.pools, more], traffic: more.backends[2].traffic });
    await button('Disable e of p').click();
    assert.deepEqual(await audit(tab), []);
    assert.equal(await textOf(headline), '1 of 9 backends is not serving');
    calm();
  });
}
