// Which backends get no requests for a while: what sick servers do to checks and to requests.

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { adminJson, logText, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { call, initialize, json, modern, post, reply } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { sendTo, VERSION } from './lib/moves.mjs';
import { backendsOf } from './lib/operator.mjs';
import { SILENCE, startPlainServers } from './lib/plain_servers.mjs';
import { reservedPort } from './lib/ports.mjs';
import { LIMIT, poll } from './lib/waiting.mjs';

const LONG = 3 * LIMIT;
const QUICK = { interval: '100ms', timeout: '300ms', rise: 2, fall: 2 };
const RARE = { interval: '10m' };
const BROKEN = { status: [502, 503], reason: ['backend_lost', 'no_backend'] };
const running = [];

afterEach(() => stopAll(running.splice(0).reverse()));

async function serversOf(...names) {
  const servers = await startPlainServers(...names);
  running.push(...servers);
  return servers;
}

async function start(servers, health, settings = {}) {
  const one = await startBalancer(pool(servers, { health, heartbeat: '0s', ...settings }));
  running.push(one);
  return one;
}

const usable = (balancer, count) =>
  poll(
    async () => (await adminJson(balancer, '/health')).json.pools[0].backends.usable === count,
    () => `${count} usable backends; ${logText(balancer).slice(-1000)}`,
    { limit: LONG },
  );

// How many of `count` requests each server got; their answers may be anything.
async function shares(balancer, servers, count = 6) {
  const before = servers.map(({ requests }) => requests.filter(isCall).length);
  for (let n = 0; n < count; n += 1) await sendTo(balancer, post(call(n)));
  return Object.fromEntries(
    servers.map(({ name, requests }, n) => [name, requests.filter(isCall).length - before[n]]),
  );
}
const isCall = ({ message }) => message?.method === 'tools/call';

// Answers a request without a session as a stateless server does.
const answering = (server, health) => (seen, connection) => {
  if (seen.target === '/health') return health(seen, connection);
  return isCall(seen) ? json({ jsonrpc: '2.0', id: seen.message.id, result: { by: server.name } }) : undefined;
};
const stateless = (servers, health = () => reply(200)) =>
  servers.forEach((server) => {
    server.answer = answering(server, health);
  });

describe('an http check', () => {
  const check = { check: 'http', ...QUICK };

  for (const [what, sick] of [
    ['answers 503', () => reply(503)],
    ['answers 400', () => reply(400)],
    ['accepts and says nothing', () => SILENCE],
    ['closes instead of answering', (seen, connection) => connection.end() ?? SILENCE],
    ['stalls within the head', () => 'HTTP/1.1 200 OK\r\nContent-Le'],
    ['speaks something else', () => 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
  ]) {
    test(`takes a backend out that ${what}, and back in when it answers 200`, async () => {
      const [a, b] = await serversOf('a', 'b');
      stateless([a, b]);
      const balancer = await start([a, b], check);
      await usable(balancer, 2);
      stateless([b], sick);
      await usable(balancer, 1);
      assert.deepEqual(await shares(balancer, [a, b], 4), { a: 4, b: 0 });
      stateless([b]);
      await usable(balancer, 2);
      assert.deepEqual(await shares(balancer, [a, b], 4), { a: 2, b: 2 });
    });
  }
});

describe('an mcp check', () => {
  const check = { check: 'mcp', ...QUICK };

  test('notices a server that takes connections and answers nothing', async () => {
    const [a, b] = await serversOf('a', 'b');
    const balancer = await start([a, b], check);
    await usable(balancer, 2);
    b.answer = () => SILENCE;
    await usable(balancer, 1);
    b.answer = undefined;
    await usable(balancer, 2);
  });

  test('whose session has vanished makes the sessions of that backend suspect', async () => {
    const [a] = await serversOf('a');
    const balancer = await start([a], check, { sessions: { on_unknown: 'not_found' } });
    await a.until(() => a.sessions.size === 1, 'the session of the checks', LONG);
    const opened = await sendTo(balancer, post(initialize(0, VERSION)));
    assertFromBackend(opened);
    a.forget();
    await poll(() => /backend_restarted/.test(logText(balancer)), 'a line that says so', {
      limit: LONG,
    });
    await poll(() => a.sessions.size === 1, 'another session for the checks', { limit: LONG });
    const [state] = await backendsOf(balancer);
    assert.equal(state.state, 'up', 'the backend itself is well');
    assert.equal(state.suspect, true, 'its sessions may be gone');
  });
});

describe('failed requests', () => {
  const passive = (more) => ({ ...RARE, passive: { failures: 3, eject_for: '1s', ...more } });

  for (const status of [502, 503, 504]) {
    test(`that are answered with ${status} keep requests away for a while`, async () => {
      const [a, b] = await serversOf('a', 'b');
      stateless([a, b]);
      const balancer = await start([a, b], passive());
      b.answer = () => reply(status);
      for (let n = 0; n < 6; n += 1) await sendTo(balancer, post(call(n)));
      assert.deepEqual(await shares(balancer, [a, b], 4), { a: 4, b: 0 });
      stateless([b]);
      const back = async () => (await shares(balancer, [a, b], 2)).b > 0;
      await poll(back, 'it to get requests again', { limit: LONG, every: 100 });
      assert.equal((await shares(balancer, [a, b], 4)).b, 2);
    });
  }

  test('that break before the head keep requests away, too', async () => {
    const [a, b] = await serversOf('a', 'b');
    stateless([a, b]);
    const balancer = await start([a, b], passive());
    b.answer = (seen, connection) => connection.reset() ?? SILENCE;
    for (let n = 0; n < 6; n += 1) await sendTo(balancer, post(call(n)));
    assert.deepEqual(await shares(balancer, [a, b], 4), { a: 4, b: 0 });
  });

  for (const status of [400, 404, 429, 500]) {
    test(`that are answered with ${status} say nothing about the backend`, async () => {
      const [a, b] = await serversOf('a', 'b');
      stateless([a, b]);
      const balancer = await start([a, b], passive());
      b.answer = () => reply(status, { body: 'no' });
      for (let n = 0; n < 8; n += 1) await sendTo(balancer, post(call(n)));
      assert.equal((await shares(balancer, [a, b], 4)).b, 2);
    });
  }

  test('never take more backends out than the file allows', async () => {
    const servers = await serversOf('a', 'b', 'c', 'd');
    const balancer = await start(servers, passive({ eject_for: '1m', max_ejected: '50%' }));
    for (const server of servers) server.answer = () => reply(503);
    for (let n = 0; n < 30; n += 1) await sendTo(balancer, post(call(n)));
    const got = Object.values(await shares(balancer, servers, 8)).filter((count) => count > 0);
    assert.equal(got.length, 2, 'two of four go on');
  });
});

describe('a pool of which every backend is down', () => {
  test('says so with Retry-After, and serves soon after one is back', async () => {
    const [a, b] = await serversOf('a', 'b');
    stateless([a, b]);
    const balancer = await start([a, b], { ...RARE, fall: 1, rise: 2 });
    await a.die();
    await b.die();
    assertOwnReply(await sendTo(balancer, post(modern('tools/call', 1, { name: 'echo' }))), BROKEN);
    await b.listen();
    const served = async () => {
      const answer = await sendTo(balancer, post(call(1)));
      if (answer.status === 200) return true;
      assertOwnReply(answer, { ...BROKEN, code: [-31010, -31012] });
      return false;
    };
    // Far less than the interval of the checks.
    await poll(served, 'a backend that is back to serve', { limit: LONG, every: 50 });
  });

  test('at the start is no reason not to start', async () => {
    const port = await reservedPort();
    const balancer = await start([{ url: `http://127.0.0.1:${port}` }], { ...QUICK });
    const { json: health } = await adminJson(balancer, '/health/live');
    assert.ok(health);
    const refused = await sendTo(balancer, post(initialize(0, VERSION)));
    assertOwnReply(refused, { status: 503, reason: 'no_backend', code: -31010 });
  });
});

test('slow_start gives a backend that came back less than its share at first', async () => {
  const [a, b] = await serversOf('a', 'b');
  stateless([a, b]);
  const balancer = await start([a, b], { check: 'http', ...QUICK, slow_start: '5m' });
  assert.deepEqual(await shares(balancer, [a, b], 20), { a: 10, b: 10 });
  stateless([b], () => reply(503));
  await usable(balancer, 1);
  stateless([b]);
  await usable(balancer, 2);
  const { b: early } = await shares(balancer, [a, b], 22);
  assert.ok(early > 0 && early < 6, `it got ${early} of 22`);
});
