// Two balancers with one Redis move a session once, and both know where it is then.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ask, chunk, get, post, sseHead } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { assertServed, callOf, list, newOwner, sendTo, stage, VERSION } from './lib/moves.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { Redis } from './lib/redis.mjs';
import { erase, unknown } from './lib/sessions.mjs';
import { LIMIT, poll } from './lib/waiting.mjs';

const LONG = 3 * LIMIT;
const scene = stage('a', 'b', 'c');
let redis;

before(async () => {
  redis = await Redis.start();
});
after(() => redis?.stop());

const store = () => ({ redis: { url: redis.url } });
const sessionOf = (seen) => seen.get('Mcp-Session-Id');
const startTwo = async (sessions = {}) => [
  await scene.start(sessions, {}, { store: store(), instance: 'one', workers: 2 }),
  await scene.start(sessions, {}, { store: store(), instance: 'two', workers: 2 }),
];

// Everything that Redis holds, as text.
async function everything() {
  const parts = [];
  for (const key of await redis.keys()) {
    const type = await redis.cli('TYPE', key);
    const words = { hash: ['HGETALL', key], zset: ['ZRANGE', key, 0, -1], string: ['GET', key] }[type];
    parts.push(key, JSON.stringify(await redis.cli(...(words ?? ['DUMP', key]))));
  }
  return parts.join('\n');
}

const recordOf = (id) => redis.cli('HGETALL', `mcplb:session:default:${id}`);

describe('a move', () => {
  test('is known to the other balancer, which opens nothing', async () => {
    const [one, two] = await startTwo();
    const { id, owner, others } = await scene.open(one);
    await owner.die();
    assertServed(await sendTo(one, list(id)), { by: others, id, isMoved: true });
    const next = newOwner(others);
    assertServed(await sendTo(two, callOf(id)), { by: next, id });
    assertServed(await sendTo(one, callOf(id)), { by: next, id, isMoved: false });
    assert.equal(next.all('initialize').length, 1);
  });

  test('reaches a balancer that served the session before', async () => {
    const [one, two] = await startTwo();
    const { id, owner, others } = await scene.open(one);
    assertServed(await sendTo(two, list(id)), { by: owner, id });
    // The owner lives, but it has forgotten the session.
    owner.forget();
    const answer = await sendTo(one, list(id));
    assertServed(answer, { id, isMoved: true });
    const next = newOwner([owner, ...others]);
    assertServed(await sendTo(two, callOf(id)), { by: next, id });
    assert.equal([owner, ...others].flatMap((server) => server.all('initialize')).length, 1);
  });

  test('survives a restart of all balancers', async () => {
    const [one, two] = await startTwo();
    const { id, owner, others } = await scene.open(one);
    await owner.die();
    assertServed(await sendTo(one, list(id)), { by: others, id });
    const next = newOwner(others);
    for (const balancer of [one, two]) await balancer.kill();
    const [third] = await startTwo();
    assertServed(await sendTo(third, callOf(id)), { by: next, id });
    assert.equal(sessionOf(next.all('tools/call')[0]), next.onlySession);
  });

  test('is written down with a higher generation, and without anything secret', async () => {
    const [one] = await startTwo();
    const headers = [['Authorization', 'Bearer SECRET-token'], ['Cookie', 'SECRET-cookie']];
    const { id, owner, others } = await scene.open(one, { headers });
    const before = await recordOf(id);
    await owner.die();
    assertServed(await sendTo(one, list(id, { headers })), { by: others, id });
    const next = newOwner(others);
    const record = await poll(
      async () => {
        const now = await recordOf(id);
        return now.owner !== before.owner && now;
      },
      'the record of the move',
    );
    assert.equal(record.owner, next.id);
    assert.equal(record.backend_session, next.onlySession);
    assert.ok(Number(record.generation) > Number(before.generation), JSON.stringify(record));
    assert.doesNotMatch(await everything(), /SECRET/);
  });

  test('by many calls at both balancers ends with one owner and one new session', async () => {
    const [one, two] = await startTwo();
    const { id, owner, others } = await scene.open(one);
    assertServed(await sendTo(two, list(id)), { by: owner, id });
    scene.clear();
    await owner.die();
    const calls = Array.from({ length: 20 }, (_, n) => sendTo(n % 2 ? one : two, callOf(id, { id: n })));
    for (const answer of await Promise.all(calls)) assertServed(answer, { by: others, id });
    const left = () => others.flatMap(({ sessions }) => [...sessions.keys()]);
    await poll(() => left().length === 1, () => `one session to be left of ${left()}`);
    const survivor = others.find(({ sessions }) => sessions.size === 1);
    for (const balancer of [one, two])
      assertServed(await sendTo(balancer, callOf(id)), { by: survivor, id });
    assert.equal(left().length, 1);
  });

  test('is ended at both balancers by a DELETE', async () => {
    const [one, two] = await startTwo();
    const { id, owner, others } = await scene.open(one);
    await owner.die();
    assertServed(await sendTo(one, list(id)), { by: others, id });
    assertFromBackend(await sendTo(two, erase(id), { method: 'DELETE' }));
    assert.equal(newOwner(others).sessions.size, 0);
    assertOwnReply(await sendTo(two, list(id)), unknown(1));
    await poll(
      async () => (await sendTo(one, list(id))).status === 404,
      'the other balancer to know',
    );
  });

  test('keeps what the session has set up through another balancer', async () => {
    const [one, two] = await startTwo();
    const { id, owner, others } = await scene.open(one);
    const asking = (method, params) =>
      post(ask(method, 1, params), { session: id, headers: [['MCP-Protocol-Version', VERSION]] });
    assertFromBackend(await sendTo(one, asking('logging/setLevel', { level: 'error' })));
    assertFromBackend(await sendTo(two, asking('resources/subscribe', { uri: 'demo://one' })));
    // Each balancer writes down what it saw with its next round.
    const written = async () => {
      const text = await everything();
      return text.includes('demo://one') && text.includes('error');
    };
    await poll(written, 'both to be in the store', { limit: LONG });
    await owner.die();
    assertServed(await sendTo(one, list(id)), { by: others, id });
    const next = newOwner(others);
    const session = next.sessions.get(next.onlySession);
    assert.equal(session.level, 'error');
    assert.deepEqual([...session.uris], ['demo://one']);
  });
});

describe('a session of 2024-11-05', () => {
  test('never moves', async () => {
    const servers = scene.servers.slice(0, 2);
    for (const server of servers)
      server.answer = (seen) => {
        if (seen.method === 'GET' && seen.target === '/sse')
          return Buffer.concat([
            sseHead(),
            chunk(`event: endpoint\ndata: /messages?sessionId=of-${server.name}\n\n`),
          ]);
        return undefined;
      };
    const balancer = await scene.start({}, { backends: servers });
    await RawClient.with(balancer.url, async (client) => {
      client.send(get('/sse', { headers: [['Accept', 'text/event-stream']] }));
      const stream = await client.open({ method: 'GET' });
      await stream.body.until('\n\n');
      const name = /sessionId=of-(.)/.exec(stream.body.text)[1];
      const owner = servers.find((server) => server.name === name);
      const other = servers.find((server) => server !== owner);
      other.clear();
      await owner.die();
      const target = `/messages?sessionId=of-${name}`;
      const posted = await sendTo(balancer, post(ask('tools/list', 1), { target }));
      assertOwnReply(posted, unknown(1));
      assert.deepEqual(other.arrived, []);
    });
  });
});
