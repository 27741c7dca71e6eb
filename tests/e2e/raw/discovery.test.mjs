// Backends that come and go behind a DNS name, each plain server on an address of its own.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { start as startDns } from '../fixtures/dns-server.mjs';
import { Traffic } from '../lib/traffic.mjs';
import { logText, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { initialize, post } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { assertServed, callOf, openSession, sendTo, VERSION } from './lib/moves.mjs';
import { departed, serving } from './lib/operator.mjs';
import { PlainServer } from './lib/plain_servers.mjs';
import { reservedPort } from './lib/ports.mjs';
import { LIMIT, poll } from './lib/waiting.mjs';

const LONG = 3 * LIMIT;
const CLIENTS = process.env.MCPLB_SANITIZED === 'yes' ? 4 : 10;
const NAME = 'mcp.test';

let port;
let servers;
let dns;
let traffic;
const running = [];

before(async () => {
  port = await reservedPort();
  const hosts = [1, 2, 3, 4, 5].map((n) => `127.0.0.${n}`);
  servers = await Promise.all(hosts.map((host) => PlainServer.start(host, { host, port })));
});
beforeEach(async () => {
  dns = await startDns();
  for (const server of servers) server.reset();
});
afterEach(async () => {
  await traffic?.close();
  traffic = undefined;
  await stopAll(running.splice(0), dns);
  for (const server of servers) server.assertSound();
});
after(() => stopAll(servers ?? []));

const addresses = (count) => servers.slice(0, count).map(({ host }) => host);
const ids = (count) => servers.slice(0, count).map(({ id }) => id);

async function start(entry = { dns: `http://${NAME}:${port}` }, more = {}) {
  const sessions = { on_unknown: 'not_found' };
  const one = await startBalancer(
    pool([{ refresh: '200ms', ...entry }], { sessions, heartbeat: '0s', ...more }),
    { resolver: { servers: [`127.0.0.1:${dns.port}`] } },
  );
  running.push(one);
  return one;
}

// Until the name was asked for at least `rounds` more times, whatever was answered.
async function asked(rounds = 3) {
  const from = dns.questions.length;
  const mine = () => dns.questions.slice(from).filter(({ type }) => type === 'A').length;
  await poll(() => mine() >= rounds, `${rounds} questions`, { limit: LONG });
}

async function load(balancer) {
  traffic = new Traffic([balancer]);
  await traffic.start(CLIENTS);
}

async function progress() {
  const before = [...traffic.answered];
  const all = () => traffic.answered.every((count, client) => count > before[client]);
  await poll(() => traffic.failures.length > 0 || all(), 'answers', { limit: 4 * LIMIT });
}

async function assertNothingLost(t) {
  await progress();
  await traffic.stop();
  t.diagnostic(JSON.stringify({ clients: CLIENTS, ...traffic.report() }));
  assert.deepEqual(traffic.report().failures, []);
  assert.deepEqual(traffic.lostCalls, []);
  assert.equal(traffic.lost, 0);
  assert.equal(traffic.initializes, CLIENTS);
}

async function openedBy(balancer, count) {
  for (const server of servers) server.clear();
  for (let n = 0; n < count; n += 1)
    assertFromBackend(await sendTo(balancer, post(initialize(n, VERSION))));
  return servers.filter((server) => server.all('initialize').length > 0).map(({ host }) => host);
}

test('every address behind a name is a backend', async () => {
  dns.set(NAME, addresses(3));
  const balancer = await start();
  await serving(balancer, ids(3));
  assert.deepEqual(await openedBy(balancer, 6), addresses(3));
});

test('replicas that come and go under load cost no call and no session', async (t) => {
  dns.set(NAME, addresses(3));
  const balancer = await start();
  await serving(balancer, ids(3));
  await load(balancer);
  for (const count of [5, 2]) {
    await progress();
    dns.set(NAME, addresses(count));
    await serving(balancer, ids(count));
  }
  for (const { id } of servers.slice(2))
    await departed(balancer, id);
  await assertNothingLost(t);
  assert.deepEqual(await openedBy(balancer, 4), addresses(2));
});

test('an address that has left drains: its sessions move', async () => {
  dns.set(NAME, addresses(2));
  const balancer = await start();
  await serving(balancer, ids(2));
  const { id, owner, others } = await openSession(balancer, servers);
  const stays = servers.slice(0, 2).find((server) => server !== owner);
  dns.set(NAME, [stays.host]);
  await serving(balancer, [stays.id]);
  assertServed(await sendTo(balancer, callOf(id)), { by: stays, id });
  await poll(() => owner.all('DELETE').length > 0, 'the DELETE', { limit: LONG });
  assert.deepEqual(others.filter((other) => other !== stays).flatMap(({ arrived }) => arrived), []);
});

test('an address that comes back serves again', async () => {
  dns.set(NAME, addresses(2));
  const balancer = await start();
  await serving(balancer, ids(2));
  dns.set(NAME, addresses(1));
  await serving(balancer, ids(1));
  dns.set(NAME, addresses(2));
  await serving(balancer, ids(2));
  assert.deepEqual(await openedBy(balancer, 4), addresses(2));
});

describe('DNS that', () => {
  for (const [what, fail, heal] of [
    ['says nothing', () => dns.fail('silent'), () => dns.fail(false)],
    ['says that it cannot answer', () => dns.fail(true), () => dns.fail(false)],
  ]) {
    test(`${what} changes nothing`, async (t) => {
      dns.set(NAME, addresses(2));
      const balancer = await start();
      await serving(balancer, ids(2));
      await load(balancer);
      fail();
      await poll(() => /dns/i.test(logText(balancer).split('listening').at(-1)), 'a line about it', {
        limit: LONG,
      });
      await progress();
      assert.deepEqual(await openedBy(balancer, 4), addresses(2));
      dns.set(NAME, addresses(3));
      heal();
      await serving(balancer, ids(3));
      await assertNothingLost(t);
    });
  }

  test('does not know the name any more takes no session away', async (t) => {
    dns.set(NAME, addresses(2));
    const balancer = await start();
    await serving(balancer, ids(2));
    await load(balancer);
    dns.set(NAME);
    await asked(4);
    await progress();
    dns.set(NAME, addresses(2));
    await serving(balancer, ids(2));
    await assertNothingLost(t);
  });

  test('knows the name only later is no reason not to start', async () => {
    const balancer = await start();
    const refused = await sendTo(balancer, post(initialize(0, VERSION)));
    assertOwnReply(refused, { status: 503, reason: 'no_backend', code: -31010 });
    dns.set(NAME, addresses(1));
    await serving(balancer, ids(1));
    assert.deepEqual(await openedBy(balancer, 1), addresses(1));
  });

  test('names ports, too, is asked for SRV records', async () => {
    const record = (n) => ({ target: `host-${n}.test`, port, priority: 0, weight: 1 });
    dns.set('host-1.test', ['127.0.0.1']);
    dns.set('host-2.test', ['127.0.0.2']);
    dns.set('_mcp._tcp.mcp.test', [record(1), record(2)]);
    const balancer = await start({ dns: 'http://_mcp._tcp.mcp.test' });
    await serving(balancer, ids(2));
    assert.deepEqual(await openedBy(balancer, 4), addresses(2));
  });
});

test('the backend is asked with the host of the client, not with an address', async () => {
  dns.set(NAME, addresses(1));
  const balancer = await start();
  await serving(balancer, ids(1));
  await openedBy(balancer, 1);
  assert.equal(servers[0].all('initialize')[0].get('Host'), 'mcp.example.com');
});
