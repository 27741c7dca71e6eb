// Backends that announce themselves over the admin API.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { change, command, JSON_TYPE } from './lib/admin.mjs';
import { adminJson, pool, startBalancer, stopAll, storeUp } from './lib/balancer.mjs';
import { ask, post } from './lib/bytes.mjs';
import { assertFromBackend } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { Redis } from './lib/redis.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';
import { legacyServer } from './lib/sessions.mjs';
import { LIMIT, poll } from './lib/waiting.mjs';

let redis;
let backends;
const running = [];

before(async () => {
  redis = await Redis.start();
  backends = [
    await ScriptedBackend.start(undefined, { name: 'a' }),
    await ScriptedBackend.start(undefined, { name: 'b' }),
  ];
});

beforeEach(() => {
  for (const backend of backends) {
    backend.script = legacyServer(backend);
    backend.clear();
  }
});

afterEach(() => stopAll(running.splice(0)));

after(() => stopAll(redis, backends));

const SESSIONS = { on_backend_loss: 'not_found', on_unknown: 'not_found' };
const REGISTRATION = { enabled: true, node_timeout: '60s', cleanup_interval: '60s' };

async function start(settings = {}, pools = pool([], { sessions: SESSIONS })) {
  const one = await startBalancer(pools, { registration: REGISTRATION, ...settings });
  running.push(one);
  return one;
}

const announce = (balancer, node, options) =>
  command(balancer, 'POST', '/api/cluster/nodes', { body: node, ...options });
const heartbeat = (balancer, id) => command(balancer, 'POST', `/api/cluster/nodes/${id}/heartbeat`);
const leave = (balancer, id) => command(balancer, 'DELETE', `/api/cluster/nodes/${id}`);
const nodesOf = async (balancer) => (await adminJson(balancer, '/api/cluster/nodes')).json.data;

const ping = (balancer) =>
  RawClient.with(balancer.url, (client) => client.exchange(post(ask('ping', 1))));
const servedBy = async (balancer) => {
  const answer = await ping(balancer);
  assertFromBackend(answer);
  return JSON.parse(answer.text).result.by;
};
async function allServing(balancer) {
  const seen = new Set();
  for (let i = 0; i < 6; i += 1) seen.add(await servedBy(balancer));
  return [...seen].sort().join(' ');
}

const nodeA = () => ({ id: 'node-a', name: 'A', url: backends[0].url });
const nodeB = () => ({ id: 'node-b', url: `${backends[1].url}/`, pools: ['default'], weight: 3 });

describe('a backend that registers', () => {
  test('serves from then on, also in a pool that has none of its own', async () => {
    const balancer = await start();
    assert.equal((await ping(balancer)).status, 503);
    const added = await announce(balancer, nodeA());
    assert.equal(added.status, 201);
    assert.deepEqual(added.json, {
      success: true,
      data: { id: 'node-a', node_timeout_ms: 60000 },
    });
    assert.equal(await servedBy(balancer), 'a');
    assert.equal((await announce(balancer, nodeA())).status, 200);
    assert.equal((await announce(balancer, nodeB())).status, 201);
    assert.equal(await allServing(balancer), 'a b');
    assert.equal((await heartbeat(balancer, 'node-a')).status, 200);
    const nodes = await nodesOf(balancer);
    assert.equal(nodes.length, 2);
    const [a, b] = nodes;
    assert.ok(Math.abs(a.lastHeartbeat - Date.now()) < 60_000);
    assert.deepEqual(
      { ...a, lastHeartbeat: 0 },
      {
        id: 'node-a',
        name: 'A',
        url: backends[0].url,
        pools: ['default'],
        weight: 1,
        status: 'active',
        sessions: 0,
        lastHeartbeat: 0,
      },
    );
    assert.equal(b.name, 'node-b');
    assert.equal(b.url, backends[1].url);
    assert.equal(b.weight, 3);
  });

  test('stands beside those of the file, whose ids it cannot take', async () => {
    const own = [{ url: backends[0].url, id: 'own' }];
    const balancer = await start({}, pool(own, { sessions: SESSIONS }));
    assert.equal((await announce(balancer, { ...nodeB(), id: 'own' })).status, 409);
    assert.equal((await announce(balancer, nodeB())).status, 201);
    assert.equal(await allServing(balancer), 'a b');
    assert.equal((await change(balancer, 'default', 'node-b', 'drain')).status, 200);
    assert.equal(await allServing(balancer), 'a');
  });

  test('gets nothing more after it has left, and may come back', async () => {
    const balancer = await start();
    await announce(balancer, nodeA());
    await announce(balancer, nodeB());
    assert.equal((await leave(balancer, 'node-a')).status, 200);
    assert.equal(await allServing(balancer), 'b');
    const unknown = await heartbeat(balancer, 'node-a');
    assert.equal(unknown.status, 404);
    assert.match(unknown.json.message, /register again/);
    assert.equal((await leave(balancer, 'node-a')).status, 404);
    assert.equal((await announce(balancer, nodeA())).status, 201);
    assert.equal(await allServing(balancer), 'a b');
  });

  test('is replaced when it registers from elsewhere', async () => {
    const balancer = await start();
    await announce(balancer, nodeA());
    assert.equal(await servedBy(balancer), 'a');
    assert.equal((await announce(balancer, { ...nodeA(), url: backends[1].url })).status, 200);
    assert.equal(await allServing(balancer), 'b');
  });

  test('is refused with what is wrong about it', async () => {
    const balancer = await start();
    for (const [status, node, why] of [
      [400, '', /JSON object/],
      [400, { id: 'x' }, /url is missing/],
      [400, { ...nodeA(), id: 'a/b' }, /no name/],
      [400, { ...nodeA(), url: 'file:///etc/passwd' }, /wants a URL/],
      [400, { ...nodeA(), url: `${backends[0].url}/path` }, /does not belong here/],
      [400, { ...nodeA(), weight: 0 }, /weight/],
      [400, { ...nodeA(), colour: 'red' }, /nothing else/],
      [404, { ...nodeA(), pools: ['nobody'] }, /no pool nobody: there are default/],
    ]) {
      const answer = await announce(balancer, node);
      assert.equal(answer.status, status, JSON.stringify(node));
      assert.equal(answer.json.success, false);
      assert.match(answer.json.message, why);
    }
    const page = [JSON_TYPE, ['Origin', 'http://evil.example']];
    assert.equal((await announce(balancer, nodeA(), { headers: page })).status, 403);
    assert.deepEqual(await nodesOf(balancer), []);
  });
});

test('a silent node gets nothing new, then it is removed', async () => {
  const balancer = await start({
    registration: { enabled: true, node_timeout: '1s', cleanup_interval: '2s' },
  });
  await announce(balancer, nodeA());
  const statusIs = (wanted) => async () => (await nodesOf(balancer))[0]?.status === wanted;
  await poll(statusIs('unhealthy'), 'the node to be unhealthy', { limit: 2 * LIMIT });
  assert.equal((await ping(balancer)).status, 503);
  assert.equal((await heartbeat(balancer, 'node-a')).status, 200);
  assert.equal(await servedBy(balancer), 'a');
  const isLeaving = async () => {
    const [node] = await nodesOf(balancer);
    return node === undefined || node.status === 'draining';
  };
  await poll(isLeaving, 'the node to be removed', { limit: 3 * LIMIT });
  assert.equal((await heartbeat(balancer, 'node-a')).status, 404);
});

test('while registration is off, it says how to switch it on', async () => {
  const balancer = await start({ registration: { enabled: false } }, pool(backends));
  for (const answer of [
    await announce(balancer, nodeA()),
    await heartbeat(balancer, 'x'),
    await leave(balancer, 'x'),
  ]) {
    assert.equal(answer.status, 403);
    assert.match(answer.json.message, /registration\.enabled: true/);
  }
});

describe('with a store', () => {
  const store = () => ({ redis: { url: redis.url, prefix: 't' } });
  const knows = (balancer, ids) =>
    poll(
      async () => (await nodesOf(balancer)).map(({ id }) => id).sort().join(' ') === ids,
      `nodes: ${ids}`,
      { limit: 2 * LIMIT },
    );

  test('nodes outlive the balancer, and expire in Redis', async () => {
    await redis.cli('FLUSHALL');
    const first = await start({ store: store() });
    await storeUp(first);
    await announce(first, nodeA());
    const stored = () => redis.cli('HGETALL', 't:node:node-a');
    const record = await poll(async () => (await stored()).url && stored(), 'the node in Redis');
    assert.equal(record.url, backends[0].url);
    assert.equal(record.name, 'A');
    assert.equal(record.pools, 'default');
    assert.ok(Math.abs(Number(record.seen) - Date.now()) < 60_000);
    const ttl = await redis.cli('PTTL', 't:node:node-a');
    assert.ok(ttl > 0 && ttl <= 120_000, String(ttl));
    await first.stop();
    const second = await start({ store: store() });
    await knows(second, 'node-a');
    assert.equal(await servedBy(second), 'a');
    assert.equal((await heartbeat(second, 'node-a')).status, 200);
  });

  test('balancers know each other’s nodes', async () => {
    await redis.cli('FLUSHALL');
    const first = await start({ store: store() });
    const second = await start({ store: store() });
    await storeUp(first);
    await storeUp(second);
    await announce(first, nodeA());
    await announce(second, nodeB());
    await knows(first, 'node-a node-b');
    await knows(second, 'node-a node-b');
    assert.equal(await allServing(second), 'a b');
    assert.equal((await leave(second, 'node-a')).status, 200);
    await poll(async () => (await heartbeat(first, 'node-a')).status === 404, 'its removal', {
      limit: 2 * LIMIT,
    });
    assert.equal(await allServing(first), 'b');
  });
});
