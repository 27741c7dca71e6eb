// Balancers that share their sessions in a real Redis, and what becomes of them without it.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { adminJson, logText, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { ask, get, initialize, post, sseHead } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { Redis } from './lib/redis.mjs';
import {
  idAt,
  onlyServedBy,
  openAt,
  pings,
  resetServer,
  sendTo,
  served,
  startServers,
} from './lib/session_servers.mjs';
import { erase, newId, streamGet, unknown } from './lib/sessions.mjs';
import { LIMIT, poll } from './lib/waiting.mjs';

const LONG = 3 * LIMIT;
const SECRETS = { secrets: ['a secret that is long enough'] };
const STORE_AWAY = { status: 503, reason: 'store_unavailable', code: -31015 };
const CONFLICT = { status: 502, reason: 'session_conflict', code: -31017 };

let redis;
let servers;
const running = [];

before(async () => {
  servers = await startServers('a', 'b', 'c');
});
beforeEach(async () => {
  redis = await Redis.start();
  servers.forEach(resetServer);
});
afterEach(async () => {
  redis.thaw();
  await stopAll(running.splice(0), redis);
  for (const server of servers) server.assertSound();
});
after(() => stopAll(servers));

const key = (id) => `t:session:default:${id}`;
const tombstone = (id) => `t:tombstone:default:${id}`;
const record = (id) => redis.cli('HGETALL', key(id));
const exists = (name) => redis.cli('EXISTS', name).then((count) => count === 1);
const appears = (name) => poll(() => exists(name), `${name} in the store`, { limit: LONG });

async function start(sessions = {}, { timeout = '250ms', backends = servers, ...more } = {}) {
  const shared = { on_backend_loss: 'not_found', ...sessions };
  const settings = { store: { redis: { url: redis.url, prefix: 't', timeout } }, ...more };
  const one = await startBalancer(
    pool(backends, { sessions: shared, heartbeat: '0s' }),
    settings,
  );
  running.push(one);
  return one;
}

const timesUp = (balancer, connection) =>
  logText(balancer).split(new RegExp(`store_up.*connection=${connection}`)).length - 1;

// The worker and the control loop have a connection each, and a subscriber listens; all of them
// for the `times`-th time.
async function linked(balancer, times = 1) {
  const all = async () => {
    const up = timesUp(balancer, 'commands') >= 2 * times && timesUp(balancer, 'events') >= times;
    return up && (await adminJson(balancer, '/health')).json.store.status === 'connected';
  };
  await poll(all, () => `connections to the store:\n${logText(balancer)}`, { limit: LONG });
  return balancer;
}

async function unlinked(balancer) {
  const away = async () =>
    (await adminJson(balancer, '/health')).json.store.status === 'unreachable' &&
    logText(balancer).split(/store_down.*connection=commands/).length > 2;
  await poll(away, () => `the store to be away:\n${logText(balancer)}`, { limit: LONG });
}

const startLinked = async (...all) => linked(await start(...all));

async function restarted(balancer, ...all) {
  running.splice(running.indexOf(balancer), 1);
  await balancer.kill();
  return startLinked(...all);
}

const sessionsAt = async (balancer) =>
  (await adminJson(balancer, '/health')).json.active_sessions;
const waitingAt = async (balancer) => (await adminJson(balancer, '/health')).json.store.waiting;
const clear = () => servers.forEach((server) => server.clear());
const list = (id, headers = []) => post(ask('tools/list', 1), { session: id, headers });
const anyBut = (owner) => servers.find((server) => server !== owner);

async function assertServedBy(balancer, owner, data, { status = 200, ...options } = {}) {
  clear();
  assertFromBackend(await sendTo(balancer, data, options), status);
  assert.equal(onlyServedBy(servers).name, owner.name);
}

const assertUnasked = () => assert.deepEqual(servers.flatMap(pings), [], 'nobody is asked');

async function assertUnknown(balancer, data) {
  clear();
  assertOwnReply(await sendTo(balancer, data), unknown(1));
  assert.deepEqual(servers.flatMap(({ requests }) => requests), [], 'no backend sees it');
}

// The servers know the session still, so that only mcplb can say that it is unknown.
async function deleteAt(balancer, { id, owner }) {
  assertFromBackend(await sendTo(balancer, erase(id)));
  owner.sessions.add(id);
  await appears(tombstone(id));
}

// A stream of the 2024-11-05 transport; `use` gets the reply and the client.
async function withStream(balancer, use) {
  return RawClient.with(balancer.url, async (client) => {
    client.send(get('/sse', { headers: [['Accept', 'text/event-stream']] }));
    const answer = await client.open({ method: 'GET' });
    return use(answer, client);
  });
}

async function endpointOf(answer) {
  await answer.body.until('\n\n');
  return /sessionId=(\S+)/.exec(answer.body.text)[1];
}

const postTo = (id, message = ask('ping', 1)) =>
  post(message, { target: `/messages?sessionId=${id}` });

describe('a client knows a session', () => {
  test('only when the store knows it', async () => {
    const balancer = await startLinked({}, { timeout: '3s' });
    await RawClient.with(balancer.url, async (client) => {
      redis.freeze();
      client.send(post(initialize()));
      await poll(() => servers.flatMap(served).length === 1, 'the request at a backend');
      await client.silent(150);
      redis.thaw();
      const answer = await client.reply();
      assertFromBackend(answer);
      const id = answer.get('Mcp-Session-Id');
      const stored = await record(id);
      assert.equal(stored.owner, idAt(onlyServedBy(servers)));
      assert.equal(stored.generation, '1');
      const ttl = await redis.cli('TTL', key(id));
      assert.ok(ttl > 30 * 60 && ttl <= 35 * 60, `lives for ${ttl} s`);
    });
  });

  test('by an endpoint event only when the store knows it', async () => {
    const balancer = await startLinked({}, { timeout: '3s' });
    await RawClient.with(balancer.url, async (client) => {
      redis.freeze();
      client.send(get('/sse', { headers: [['Accept', 'text/event-stream']] }));
      await poll(() => servers.flatMap(served).length === 1, 'the request at a backend');
      await client.silent(150);
      redis.thaw();
      const answer = await client.open({ method: 'GET' });
      const id = await endpointOf(answer);
      const stored = await record(id);
      assert.equal(stored.owner, idAt(onlyServedBy(servers)));
      assert.equal(stored.protocol, '2024-11-05', 'who expires it sends no DELETE');
    });
  });
});

describe('a client that leaves while the store is told of its session', () => {
  test('leaves a session that is known and works', async () => {
    const balancer = await startLinked({}, { timeout: '3s' });
    const id = newId('left');
    for (const server of servers) server.mint = () => id;
    const leaving = await RawClient.connect(balancer.url);
    redis.freeze();
    leaving.send(post(initialize()));
    await poll(() => servers.flatMap(served).length === 1, 'the request at a backend');
    const owner = onlyServedBy(servers);
    await poll(async () => (await sessionsAt(balancer)) === 1, 'the session to be known');
    leaving.reset();
    redis.thaw();
    await appears(key(id));
    await assertServedBy(balancer, owner, list(id));
  });
});

describe('a client that changes the balancer with every request', () => {
  for (const [what, build, status, method] of [
    ['a request', list],
    ['a notification', (id) => post({ jsonrpc: '2.0', method: 'x/y' }, { session: id }), 202],
    ['a response', (id) => post({ jsonrpc: '2.0', id: 7, result: {} }, { session: id }), 202],
    ['a GET stream', (id) => streamGet(id), 200, 'GET'],
    ['a DELETE', (id) => erase(id)],
  ]) {
    test(`finds its owner with ${what}`, async () => {
      const both = [
        await startLinked({ on_unknown: 'not_found' }),
        await startLinked({ on_unknown: 'not_found' }),
      ];
      for (let n = 0; n < 6; n += 1) {
        const { id, owner } = await openAt(both[n % 2], servers);
        await assertServedBy(both[(n + 1) % 2], owner, build(id), { status, method });
        if (what === 'a DELETE') continue;
        for (const balancer of both)
          await assertServedBy(balancer, owner, build(id), { status, method });
      }
    });
  }

  test('posts to its 2024-11-05 stream until that ends', async () => {
    const [first, second] = [await startLinked(), await startLinked()];
    const { id, owner } = await withStream(first, async (answer) => {
      const session = await endpointOf(answer);
      const opener = onlyServedBy(servers);
      for (const balancer of [second, first, second])
        await assertServedBy(balancer, opener, postTo(session), { status: 202 });
      return { id: session, owner: opener };
    });
    await appears(tombstone(id));
    assert.ok(owner.sessions.has(id));
    const ended = async () => (await sendTo(second, postTo(id))).status === 404;
    await poll(ended, 'the session to end at the other balancer');
    await assertUnknown(second, postTo(id));
  });

  test('and deletes its session is told everywhere that it is over', async () => {
    const [first, second, third] = [await startLinked(), await startLinked(), await startLinked()];
    const session = await openAt(first, servers);
    await assertServedBy(second, session.owner, list(session.id));
    await deleteAt(first, session);
    assert.ok((await redis.cli('TTL', tombstone(session.id))) > 0);
    assert.equal(await exists(key(session.id)), false);
    // What the second one has cached goes when it hears of it.
    const over = async () => (await sendTo(second, list(session.id))).status === 404;
    await poll(over, 'the session to end at the other balancer');
    for (const balancer of [first, second, third])
      await assertUnknown(balancer, list(session.id));
  });
});

describe('a session that is deleted while its stream is open at another balancer', () => {
  test('is over there, too', async () => {
    const [first, second] = [await startLinked(), await startLinked()];
    const session = await openAt(first, servers);
    session.owner.answer = ({ method }) => (method === 'GET' ? sseHead() : undefined);
    await RawClient.with(second.url, async (client) => {
      client.send(streamGet(session.id));
      await client.open({ method: 'GET' });
      await deleteAt(first, session);
      const over = async () => (await sendTo(second, list(session.id))).status === 404;
      await poll(over, 'the session to end at the other balancer');
      await assertUnknown(second, list(session.id));
    });
    // What the stream leaves behind does not bring it back.
    await assertUnknown(second, list(session.id));
    assert.equal(await exists(key(session.id)), false);
  });
});

describe('many clients at once', () => {
  test('that use sessions of a balancer that crashed all find the owners', async () => {
    const first = await startLinked();
    const sessions = [];
    for (let n = 0; n < 10; n += 1) sessions.push(await openAt(first, servers));
    running.splice(running.indexOf(first), 1);
    await first.kill();
    // Its workers may not have reached the store yet: then the backends are asked.
    const second = await start({}, { workers: 2 });
    clear();
    const answers = await Promise.all(
      [...sessions, ...sessions, ...sessions].map(async ({ id, owner }) => ({
        owner,
        answer: await sendTo(second, list(id)),
      })),
    );
    for (const { owner, answer } of answers) {
      assertFromBackend(answer);
      assert.equal(JSON.parse(answer.text).result.by, owner.name);
    }
    assert.equal(servers.flatMap(served).length, answers.length);
  });
});

describe('a backend that mints an id', () => {
  test('that is live elsewhere is stopped, through another balancer, too', async () => {
    const [first, second] = [await startLinked(), await start({}, { backends: servers.slice(1) })];
    await linked(second);
    let session = await openAt(first, servers);
    while (session.owner !== servers[0]) session = await openAt(first, servers);
    for (const server of servers.slice(1)) server.mint = () => session.id;
    for (let n = 0; n < 2; n += 1) {
      const answer = await sendTo(second, post(initialize(1)));
      assertOwnReply(answer, { ...CONFLICT, id: 1 });
    }
    assert.equal((await record(session.id)).owner, idAt(session.owner));
    await assertServedBy(first, session.owner, list(session.id));
  });
});

describe('two backends that mint the same id at once', () => {
  test('through two balancers: one of them is stopped', async () => {
    const both = [
      await startLinked({}, { backends: servers.slice(0, 1) }),
      await startLinked({}, { backends: servers.slice(1, 2) }),
    ];
    for (let n = 0; n < 10; n += 1) {
      clear();
      const id = newId('twin');
      for (const server of servers) server.mint = () => id;
      const replies = await Promise.all(both.map((one) => sendTo(one, post(initialize(1)))));
      const winner = replies.findIndex(({ status }) => status === 200);
      assert.ok(winner >= 0, replies.map(({ first }) => first).join());
      assertOwnReply(replies[1 - winner], { ...CONFLICT, id: 1 });
      assert.equal((await record(id)).owner, idAt(servers[winner]));
      await assertServedBy(both[winner], servers[winner], list(id));
    }
  });
});

describe('a balancer that crashes', () => {
  test('knows all sessions when it is back, without asking', async () => {
    const first = await startLinked();
    const sessions = [];
    for (let n = 0; n < 3; n += 1) sessions.push(await openAt(first, servers));
    const second = await restarted(first);
    for (const { id, owner } of sessions) {
      await assertServedBy(second, owner, list(id));
      assertUnasked();
    }
  });
});

describe('a Redis that crashes', () => {
  test('and comes back empty hears again of sessions in memory; others are asked for', async () => {
    const balancer = await startLinked();
    const { id, owner } = await openAt(balancer, servers);
    const stored = await record(id);
    await redis.kill();
    await unlinked(balancer);
    await redis.start();
    await linked(balancer, 2);
    await assertServedBy(balancer, owner, list(id));
    assertUnasked();
    await appears(key(id));
    assert.deepEqual({ ...(await record(id)), last_seen: 0 }, { ...stored, last_seen: 0 });
    const lost = newId('lost');
    servers[1].sessions.add(lost);
    await assertServedBy(balancer, servers[1], list(lost));
    assert.equal(pings(servers[1]).length, 1);
    await appears(key(lost));
    assert.equal((await record(lost)).owner, idAt(servers[1]));
  });

  test('does not end known sessions, and new ones open', async () => {
    const balancer = await startLinked();
    const before = await openAt(balancer, servers);
    await redis.kill();
    await unlinked(balancer);
    const during = await openAt(balancer, servers);
    for (const { id, owner } of [before, during]) {
      await assertServedBy(balancer, owner, list(id));
      await assertServedBy(balancer, owner, streamGet(id), { method: 'GET' });
    }
    await redis.start();
    await appears(key(during.id));
  });

  for (const on_unknown of ['ask', 'not_found']) {
    test(`makes nothing unknown that it may know (on_unknown: ${on_unknown})`, async () => {
      const balancer = await startLinked({ on_unknown });
      await redis.kill();
      await unlinked(balancer);
      const nobodys = newId('nobodys');
      for (let n = 0; n < 2; n += 1)
        assertOwnReply(await sendTo(balancer, list(nobodys)), { ...STORE_AWAY, id: 1 });
      const claimed = newId('claimed');
      servers[2].sessions.add(claimed);
      if (on_unknown === 'ask') return assertServedBy(balancer, servers[2], list(claimed));
      return assertOwnReply(await sendTo(balancer, list(claimed)), { ...STORE_AWAY, id: 1 });
    });
  }

  test('is told of what was deleted meanwhile', async () => {
    const [first, second] = [await startLinked(), await startLinked()];
    const session = await openAt(first, servers);
    await redis.kill();
    await unlinked(first);
    await unlinked(second);
    assertFromBackend(await sendTo(first, erase(session.id)));
    session.owner.sessions.add(session.id);
    assert.equal(await waitingAt(first), 1);
    await redis.start();
    await appears(tombstone(session.id));
    await poll(async () => (await waitingAt(first)) === 0, 'nothing to wait for the store');
    await linked(second, 2);
    await assertUnknown(second, list(session.id));
  });
});

describe('a Redis that hangs', () => {
  test('does not delay known sessions', async () => {
    // Who waits for it waits longer than these tests do.
    const balancer = await startLinked({}, { timeout: '60s' });
    const { id, owner } = await openAt(balancer, servers);
    redis.freeze();
    for (let n = 0; n < 3; n += 1) await assertServedBy(balancer, owner, list(id));
    await assertServedBy(balancer, owner, streamGet(id), { method: 'GET' });
    await assertServedBy(balancer, owner, erase(id));
  });

  test('delays unknown sessions by its timeout, and new ones, but none is lost', async () => {
    const balancer = await startLinked();
    const [claimed, nobodys] = [newId('claimed'), newId('nobodys')];
    servers[1].sessions.add(claimed);
    redis.freeze();
    await assertServedBy(balancer, servers[1], list(claimed));
    assertOwnReply(await sendTo(balancer, list(nobodys)), { ...STORE_AWAY, id: 1 });
    const { id, owner } = await openAt(balancer, servers);
    await assertServedBy(balancer, owner, list(id));
    redis.thaw();
    await appears(key(id));
    await appears(key(claimed));
  });
});

describe('a session that is deleted while Redis hangs', () => {
  test('is over at once here, and elsewhere when Redis is back', async () => {
    const [first, second] = [await startLinked(), await startLinked()];
    const session = await openAt(first, servers);
    await assertServedBy(second, session.owner, list(session.id));
    redis.freeze();
    assertFromBackend(await sendTo(first, erase(session.id)));
    session.owner.sessions.add(session.id);
    redis.thaw();
    await poll(() => exists(tombstone(session.id)), 'the tombstone', { limit: LONG });
    const over = async () => (await sendTo(second, list(session.id))).status === 404;
    await poll(over, 'the session to end at the other balancer');
    for (const balancer of [first, second]) await assertUnknown(balancer, list(session.id));
  });
});

describe('a balancer that has missed what was said', () => {
  async function resubscribed(balancer) {
    const times = timesUp(balancer, 'events') + 1;
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    const again = async () =>
      timesUp(balancer, 'events') >= times &&
      (await adminJson(balancer, '/health')).json.store.status === 'connected';
    await poll(again, 'the subscriber to be back', { limit: LONG });
  }

  test('looks again where each session is before its next use', async () => {
    const balancer = await startLinked();
    const { id, owner } = await openAt(balancer, servers);
    const next = anyBut(owner);
    await assertServedBy(balancer, owner, list(id));
    await redis.cli('HSET', key(id), 'owner', idAt(next), 'generation', 2);
    await resubscribed(balancer);
    await assertServedBy(balancer, next, list(id), { status: 404 });
    next.sessions.add(id);
    await assertServedBy(balancer, next, list(id));
  });

  test('is told that a session is over', async () => {
    const balancer = await startLinked();
    const { id } = await openAt(balancer, servers);
    await redis.cli('DEL', key(id));
    await redis.cli('SET', tombstone(id), 1, 'EX', 100);
    await resubscribed(balancer);
    await assertUnknown(balancer, list(id));
  });

  test('believes no record that is older than what it knows', async () => {
    const balancer = await startLinked();
    const { id, owner } = await openAt(balancer, servers);
    const next = anyBut(owner);
    next.sessions.add(id);
    await redis.cli('HSET', key(id), 'owner', idAt(next), 'generation', 3);
    await resubscribed(balancer);
    await assertServedBy(balancer, next, list(id));
    await redis.cli('HSET', key(id), 'owner', idAt(owner), 'generation', 1);
    await resubscribed(balancer);
    await assertServedBy(balancer, next, list(id));
    await poll(async () => (await record(id)).generation === '3', 'the record to be put right', {
      limit: LONG,
    });
    assert.equal((await record(id)).owner, idAt(next));
  });
});

describe('a sealed session', () => {
  const sealed = { identity: 'sealed' };
  const open = async (balancer) => {
    const session = await openAt(balancer, servers);
    const plain = session.id.slice(0, -35);
    assert.ok(session.owner.sessions.has(plain));
    return { ...session, plain };
  };

  test('that was deleted does not come back by its seal', async () => {
    const [first, second, third] = [
      await startLinked(sealed, SECRETS),
      await startLinked(sealed, SECRETS),
      await startLinked(sealed, SECRETS),
    ];
    const { id, owner, plain } = await open(first);
    await assertServedBy(third, owner, list(id));
    assertFromBackend(await sendTo(first, erase(id)));
    owner.sessions.add(plain);
    await appears(tombstone(id));
    await assertUnknown(second, list(id));
    const over = async () => (await sendTo(third, list(id))).status === 404;
    await poll(over, 'the session to end where it was cached');
    await assertUnknown(third, list(id));
    await assertUnknown(await restarted(first, sealed, SECRETS), list(id));
  });

  test('that has moved is found where the store says', async () => {
    const [first, second] = [
      await startLinked(sealed, SECRETS),
      await startLinked(sealed, SECRETS),
    ];
    const { id, owner, plain } = await open(first);
    const next = anyBut(owner);
    next.sessions.add(plain);
    await redis.cli('HSET', key(id), 'owner', idAt(next), 'generation', 2);
    await assertServedBy(second, next, list(id));
    assert.equal(next.last.get('Mcp-Session-Id'), plain);
  });

  test('is found by its seal when the store is away, or has never heard of it', async () => {
    const first = await startLinked(sealed, SECRETS);
    const { id, owner } = await open(first);
    await redis.cli('DEL', key(id));
    const second = await startLinked(sealed, SECRETS);
    await assertServedBy(second, owner, list(id));
    await appears(key(id));
    await redis.kill();
    const third = await start(sealed, SECRETS);
    await assertServedBy(third, owner, list(id));
    assertUnasked();
  });
});

describe('a bound session', () => {
  const bound = { bind: 'authorization' };
  const by = (credential) => (credential ? [['Authorization', `Bearer ${credential}`]] : []);

  test('answers to its principal only, also through a balancer that was restarted', async () => {
    const first = await startLinked(bound, SECRETS);
    const { id, owner } = await openAt(first, servers, by('of-alice'));
    assert.ok(!JSON.stringify(await record(id)).includes('alice'), 'no credential is stored');
    const second = await restarted(first, bound, SECRETS);
    for (const credential of ['of-mallory', undefined])
      await assertUnknown(second, list(id, by(credential)));
    await assertServedBy(second, owner, list(id, by('of-alice')));
    for (const credential of ['of-mallory', undefined])
      await assertUnknown(second, list(id, by(credential)));
    assert.ok(!logText(second).includes('alice'));
  });

  test('is not asked for when the store cannot say whose it is', async () => {
    const first = await startLinked(bound, SECRETS);
    const { id } = await openAt(first, servers, by('of-alice'));
    const second = await restarted(first, bound, SECRETS);
    await redis.kill();
    await unlinked(second);
    clear();
    assertOwnReply(await sendTo(second, list(id, by('of-alice'))), { ...STORE_AWAY, id: 1 });
    assertUnasked();
  });
});
