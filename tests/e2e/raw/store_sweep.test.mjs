// What becomes of sessions that nobody uses, with a store and without one, and what of all this
// can be read in Redis.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { adminJson, logged, logText, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { initialize, post, reply, sseHead } from './lib/bytes.mjs';
import { assertFromBackend } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { Redis } from './lib/redis.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';
import { legacyServer, streamGet } from './lib/sessions.mjs';
import { LIMIT, pause, poll } from './lib/waiting.mjs';

const LONG = 3 * LIMIT;
// How many sessions come and go in one test; 10000 takes a while.
const MANY = Number(process.env.MCPLB_TEST_SESSIONS ?? 1000);

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

beforeEach(async () => {
  for (const backend of backends) {
    backend.script = server(backend);
    backend.clear();
  }
  await redis.cli('FLUSHALL');
});

afterEach(() => stopAll(running.splice(0)));

after(() => stopAll(redis, backends));

// Its GET streams stay open, and DELETE gets `status`.
const server = (backend, status = 200) =>
  legacyServer(backend, {
    answer: ({ method }) => ({ GET: () => sseHead(), DELETE: () => reply(status) })[method]?.(),
  });

const stored = (url = redis.url) => ({ store: { redis: { url, prefix: 't' } } });
const key = (id) => `t:session:default:${id}`;

async function start(idle, settings = stored(), sessions = {}) {
  const affinity = { idle_timeout: idle, on_backend_loss: 'not_found', ...sessions };
  const one = await startBalancer(pool(backends, { sessions: affinity }), settings);
  running.push(one);
  return one;
}

async function storeStatus(balancer, status) {
  const health = async () => {
    const { json } = await adminJson(balancer, '/health');
    return json.store.status === status && json;
  };
  return poll(health, () => `the store to be ${status}`, { limit: LONG });
}

async function open(balancer) {
  const answer = await RawClient.with(balancer.url, (client) =>
    client.exchange(post(initialize())),
  );
  assertFromBackend(answer);
  return answer.get('Mcp-Session-Id');
}

const exists = (id) => redis.cli('EXISTS', key(id)).then((count) => count === 1);
const appears = (id) => poll(() => exists(id), `session ${id} in the store`, { limit: LONG });

const deletes = () =>
  backends.flatMap((backend) =>
    backend.requests
      .filter(({ method }) => method === 'DELETE')
      .map((seen) => ({ by: backend.name, id: seen.get('Mcp-Session-Id'), seen })),
  );
const deleted = (ids) =>
  poll(
    () => deletes().length >= ids.length,
    () => `${ids.length} sessions deleted, not ${deletes().length}`,
    { limit: LONG },
  );

// No session is left; what else there is goes by itself.
async function assertNothingLeft() {
  const isLeft = (name) => /^t:(session|expiry):/.test(name);
  await poll(
    async () => !(await redis.keys()).some(isLeft),
    'no session to be left in the store',
    { limit: LONG },
  );
  const left = await redis.keys();
  for (const name of left) {
    assert.match(name, /^t:lock:/);
    assert.notEqual(await redis.cli('PTTL', name), -1, name);
  }
}

describe('in the store', () => {
  test('a session is a hash that people can read, and every key has a time to live', async () => {
    const balancer = await start('20s', { ...stored(), instance: 'lb-7' });
    const id = await open(balancer);
    const owner = backends.find(({ requests }) => requests.length > 0);
    await appears(id);
    const record = await redis.cli('HGETALL', key(id));
    assert.equal(record.owner, `127.0.0.1:${owner.port}`);
    assert.equal(record.generation, '1');
    assert.equal(record.instance, 'lb-7');
    assert.equal(record.path, '/mcp');
    assert.equal(record.host, owner.requests[0].get('Host'));
    assert.match(record.last_seen, /^[0-9]{10}$/);
    assert.deepEqual((await redis.cli('ZRANGE', 't:expiry:default', 0, -1)).flat(), [id]);
    for (const name of await redis.keys()) {
      const ttl = await redis.cli('TTL', name);
      assert.ok(ttl > 0 && ttl <= 320, `${name} lives for ${ttl} s`);
    }
    assert.ok((await redis.cli('TTL', key(id))) > 300);
  });

  test('a session whose stream is open is renewed and does not expire', async () => {
    const balancer = await start('2s');
    const id = await open(balancer);
    await appears(id);
    await RawClient.with(balancer.url, async (client) => {
      client.send(streamGet(id));
      await client.open({ method: 'GET' });
      const seen = () => redis.cli('HGET', key(id), 'last_seen').then(Number);
      const first = await seen();
      // Longer than the idle time.
      await poll(async () => (await seen()) > first + 4, 'the session to be renewed', {
        limit: LONG,
        every: 100,
      });
      assert.ok((await redis.cli('TTL', key(id))) >= 300);
      assert.deepEqual(deletes(), []);
    });
    await deleted([id]);
    await assertNothingLeft();
  });

  test('a session that was flushed away is written whole again while it is used', async () => {
    const balancer = await start('4s');
    const id = await open(balancer);
    await appears(id);
    const before = await redis.cli('HGETALL', key(id));
    await RawClient.with(balancer.url, async (client) => {
      client.send(streamGet(id));
      await client.open({ method: 'GET' });
      await redis.cli('FLUSHALL');
      await appears(id);
      const { last_seen: seenBefore, ...whole } = before;
      const { last_seen: seenAfter, ...again } = await redis.cli('HGETALL', key(id));
      assert.deepEqual(again, whole);
      assert.ok(Number(seenAfter) >= Number(seenBefore));
      assert.ok((await redis.cli('TTL', key(id))) > 0);
    });
  });
});

describe('a session that expires', () => {
  for (const [where, settings] of [
    ['with a store', stored],
    ['without a store', () => ({})],
  ]) {
    test(`${where} is deleted at its owner, once, in the way it was opened`, async () => {
      const balancer = await start('1s', settings());
      const ids = [await open(balancer), await open(balancer), await open(balancer)];
      await deleted(ids);
      assert.deepEqual(deletes().map(({ id }) => id).sort(), [...ids].sort());
      for (const { seen } of deletes()) {
        assert.equal(seen.target, '/mcp');
        assert.equal(seen.has('Authorization'), false);
      }
      for (const backend of backends) {
        const opened = backend.requests.filter(({ message }) => message?.method === 'initialize');
        const ended = deletes().filter(({ by }) => by === backend.name);
        assert.equal(ended.length, opened.length);
        backend.assertSound();
      }
      await assertNothingLeft();
      await logged(balancer, /sessions_expired/);
      for (const id of ids) assert.ok(!logText(balancer).includes(id));
    });
  }

  test('is only forgotten when that is wanted', async () => {
    const balancer = await start('1s', stored(), { delete_on_expiry: false });
    const id = await open(balancer);
    await appears(id);
    await assertNothingLeft();
    assert.deepEqual(deletes(), []);
  });

  test('and whose owner asks for credentials is left alone after one try', async () => {
    for (const backend of backends) backend.script = server(backend, 401);
    const balancer = await start('1s');
    const ids = [await open(balancer), await open(balancer)];
    await deleted(ids);
    await assertNothingLeft();
    await pause(1000); // several rounds
    assert.equal(deletes().length, ids.length);
  });

  test('leaves nothing behind, however many there are', async () => {
    const balancer = await start('2s');
    const ids = [];
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        await RawClient.with(balancer.url, async (client) => {
          while (ids.length < MANY) {
            const slot = ids.push(null) - 1;
            const answer = await client.exchange(post(initialize()));
            ids[slot] = answer.get('Mcp-Session-Id');
          }
        });
      }),
    );
    assert.equal(new Set(ids).size, MANY);
    await poll(() => deletes().length >= MANY, () => `all deleted, not ${deletes().length}`, {
      limit: LONG + 10 * MANY,
      every: 100,
    });
    await assertNothingLeft();
    assert.deepEqual(new Set(deletes().map(({ id }) => id)), new Set(ids));
    assert.equal(deletes().length, MANY);
  });
});

describe('the sessions of a balancer that died', () => {
  // What such a balancer left in the store, long ago.
  async function leave(id, record) {
    await redis.cli('HSET', key(id), ...Object.entries({ generation: 1, ...record }).flat());
    await redis.cli('ZADD', 't:expiry:default', 1, id);
  }

  test('are ended by another one', async () => {
    const dying = await start('3s', { ...stored(), instance: 'dying' });
    const ids = [await open(dying), await open(dying)];
    for (const id of ids) await appears(id);
    await dying.kill();
    running.splice(0);
    assert.deepEqual(deletes(), []);
    const other = await start('3s', { ...stored(), instance: 'other' });
    await deleted(ids);
    assert.deepEqual(deletes().map(({ id }) => id).sort(), [...ids].sort());
    await assertNothingLeft();
    await logged(other, /sessions_expired.*count=/);
  });

  test('whose backend is not known here are only forgotten', async () => {
    await leave('alien', { owner: 'elsewhere:1', path: '/mcp', host: 'h' });
    await start('1s');
    await assertNothingLeft();
    assert.deepEqual(deletes(), []);
  });

  test('are ended in the way they were opened', async () => {
    const owner = `127.0.0.1:${backends[1].port}`;
    const protocol = '2025-06-18';
    await leave('left', { owner, path: '/deep/mcp', host: 'mcp.example', protocol });
    await start('1s');
    const told = await backends[1].request(1, LONG);
    assert.equal(told.method, 'DELETE');
    assert.equal(told.target, '/deep/mcp');
    assert.equal(told.get('Host'), 'mcp.example');
    assert.equal(told.get('Mcp-Session-Id'), 'left');
    assert.equal(told.get('MCP-Protocol-Version'), protocol);
    await assertNothingLeft();
    assert.equal(deletes().length, 1);
  });

  test('of the 2024-11-05 transport are only forgotten', async () => {
    const owner = `127.0.0.1:${backends[0].port}`;
    await leave('old', { owner, path: '/sse', host: 'h', protocol: '2024-11-05' });
    await start('1s');
    await assertNothingLeft();
    assert.deepEqual(deletes(), []);
  });
});

describe('what other balancers tell', () => {
  const known = (balancer, count) =>
    poll(
      async () => (await adminJson(balancer, '/health')).json.active_sessions === count,
      `${count} sessions to be known`,
    );

  test('a session that was deleted is forgotten, also while it is in use', async () => {
    const balancer = await start('8s');
    await storeStatus(balancer, 'connected');
    const id = await open(balancer);
    await appears(id);
    await RawClient.with(balancer.url, async (client) => {
      client.send(streamGet(id));
      await client.open({ method: 'GET' });
      await redis.cli('SET', `t:tombstone:default:${id}`, 1, 'EX', 100);
      await redis.cli('DEL', key(id));
      await redis.cli('PUBLISH', 't:events', `deleted default ${id}`);
      await known(balancer, 0);
    });
  });

  test('a session that expired is forgotten, but not while it is in use', async () => {
    const balancer = await start('8s');
    await storeStatus(balancer, 'connected');
    const [used, unused] = [await open(balancer), await open(balancer)];
    await RawClient.with(balancer.url, async (client) => {
      client.send(streamGet(used));
      await client.open({ method: 'GET' });
      await redis.cli('PUBLISH', 't:events', `expired default ${used}`);
      await redis.cli('PUBLISH', 't:events', `expired elsewhere ${used}`);
      await redis.cli('PUBLISH', 't:events', 'nonsense');
      await redis.cli('PUBLISH', 't:events', `expired default ${unused}`);
      await known(balancer, 1);
    });
  });
});

describe('a store that is away', () => {
  test('at start is no reason not to serve, and hears of all sessions when it comes', async () => {
    const late = await Redis.away();
    const balancer = await start('20s', stored(late.url));
    try {
      const degraded = await storeStatus(balancer, 'unreachable');
      assert.equal(degraded.status, 'degraded');
      assert.equal(degraded.store.kind, 'redis');
      assert.equal(degraded.store.waiting, 0);
      const ids = [await open(balancer), await open(balancer)];
      await late.start();
      const healthy = await storeStatus(balancer, 'connected');
      assert.equal(healthy.status, 'healthy');
      for (const id of ids)
        await poll(async () => (await late.cli('EXISTS', key(id))) === 1, 'the session', {
          limit: LONG,
        });
    } finally {
      await late.stop();
    }
  });

  test('and comes back empty is told of what was opened meanwhile', async () => {
    const own = await Redis.start();
    const balancer = await start('20s', stored(own.url));
    try {
      await storeStatus(balancer, 'connected');
      await own.kill();
      await storeStatus(balancer, 'unreachable');
      const id = await open(balancer);
      await own.start();
      await poll(async () => (await own.cli('EXISTS', key(id))) === 1, 'the session', {
        limit: LONG,
      });
      await storeStatus(balancer, 'connected');
    } finally {
      await own.stop();
    }
  });

  test('is not there at all without a store', async () => {
    const balancer = await start('20s', {});
    const { json } = await adminJson(balancer, '/health');
    assert.deepEqual(json.store, { kind: 'memory' });
    assert.equal(json.status, 'healthy');
  });
});
