// Sealed session ids: balancers that share nothing but a secret, in front of plain servers.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { adminJson, logText, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import {
  ask,
  call,
  chunk,
  chunked,
  event,
  get,
  initialize,
  initializeResult,
  json,
  LAST_CHUNK,
  modern,
  post,
  reply,
  request,
  sseHead,
  utf8,
} from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';
import { erase, SESSIONS, streamGet, unknown } from './lib/sessions.mjs';
import { poll } from './lib/waiting.mjs';

const SECRET = 'the secret that all balancers share';
const ADDED = /^\.[A-Za-z0-9_-]{34}$/;
const running = [];
after(() => stopAll(running.reverse()));

let round = 0;

// A plain server: its sessions live in its memory, and every backend mints the same ids.
function plainServer(backend) {
  const sessions = new Set();
  const sealedFor = (id) => [['Mcp-Session-Id', id]];
  return (seen, connection) => {
    const { message, method } = seen;
    if (method === 'GET' && seen.target.startsWith('/sse')) return announce(backend, connection);
    if (seen.target.includes('essage')) {
      const known = backend.streams.has(seen.target);
      return connection.send(reply(known ? 202 : 404, { body: known ? backend.name : 'gone' }));
    }
    if (message?.method === 'initialize') {
      const id = `plain-${round}-${sessions.size + 1}~!"#$%&'()*+,/:;<=>?@[]^\`{|}`;
      sessions.add(id);
      return connection.send(json(initializeResult(message.id), { headers: sealedFor(id) }));
    }
    const id = seen.get('Mcp-Session-Id');
    if (message?.params?._meta)
      return connection.send(json({ jsonrpc: '2.0', id: message?.id, result: {} }));
    if (!sessions.has(id)) return connection.send(reply(404, { body: 'never heard of it' }));
    const named = sealedFor(id);
    if (method === 'DELETE') {
      sessions.delete(id);
      return connection.send(reply(200, { headers: named }));
    }
    if (method === 'GET')
      return connection.send(
        Buffer.concat([sseHead(named), chunked(event({ by: backend.name }))]),
      );
    if (message?.id === undefined || message.method === undefined)
      return connection.send(reply(202, { headers: named }));
    return connection.send(
      json({ jsonrpc: '2.0', id: message.id, result: { by: backend.name } }, { headers: named }),
    );
  };
}

function announce(backend, connection) {
  const target = `/message?sessionId=stream-${round}-${backend.streams.size + 1}&x=1`;
  backend.streams.set(target, connection);
  return connection.send(
    Buffer.concat([sseHead(), chunk(`event: endpoint\ndata: ${target}\n\n`)]),
  );
}

const backends = [];
for (const name of ['a', 'b', 'c']) {
  const backend = await ScriptedBackend.start(undefined, { name });
  backends.push(backend);
  running.push(backend);
}

beforeEach(() => {
  round += 1;
  for (const backend of backends) {
    backend.streams = new Map();
    backend.script = plainServer(backend);
    backend.clear();
  }
});

async function start(sessions = {}, settings = {}, servers = backends) {
  const sealed = { ...SESSIONS, identity: 'sealed', ...sessions };
  const one = await startBalancer(pool(servers, { sessions: sealed, heartbeat: '0s' }), {
    secrets: [SECRET],
    ...settings,
  });
  running.push(one);
  return one;
}

const first = await start({}, { workers: 2 });
const second = await start({}, {}, [...backends].reverse());
const both = [first, second];

const send = (balancer, data, options = {}) =>
  RawClient.with(balancer.url, (client) => client.exchange(data, options));
const total = () => backends.reduce((sum, { requests }) => sum + requests.length, 0);
const receiver = () => {
  const got = backends.filter(({ requests }) => requests.length > 0);
  assert.equal(got.length, 1, `received by ${got.map(({ name }) => name)}`);
  return got[0];
};
const clear = () => backends.forEach((backend) => backend.clear());

async function open(balancer, headers = []) {
  clear();
  const answer = await send(balancer, post(initialize(), { headers }));
  assertFromBackend(answer);
  const owner = receiver();
  clear();
  const id = answer.get('Mcp-Session-Id');
  const plain = id.slice(0, -35);
  assert.match(plain, /^plain-/);
  assert.match(id.slice(-35), ADDED);
  return { id, plain, owner };
}

async function assertUnknown(balancer, id, headers = []) {
  clear();
  assertOwnReply(await send(balancer, post(ask('ping', 1), { session: id, headers })), unknown(1));
  assert.equal(total(), 0, 'no backend sees it');
}

describe('a client that changes the balancer with every request', () => {
  test('is served by the owner of its session, which sees its own id', async () => {
    const sessions = [];
    for (let n = 0; n < 6; n += 1) sessions.push(await open(both[n % 2]));
    assert.equal(new Set(sessions.map(({ owner }) => owner)).size, 3, 'they are spread');
    assert.equal(new Set(sessions.map(({ id }) => id)).size, 6, 'equal ids differ when sealed');
    const messages = [
      [(id) => post(ask('tools/list', 1), { session: id })],
      [(id) => post(call(2), { session: id })],
      [(id) => post({ jsonrpc: '2.0', id: 5, result: {} }, { session: id })],
      [(id) => post({ jsonrpc: '2.0', method: 'notifications/x' }, { session: id })],
      [(id) => streamGet(id), 'GET'],
    ];
    let turn = 0;
    for (const { id, plain, owner } of sessions) {
      for (const [build, method = 'POST'] of messages) {
        clear();
        const answer = await send(both[(turn += 1) % 2], build(id), { method });
        assert.ok(answer.status < 300, `${answer.first} ${answer.text}`);
        assert.equal(answer.get('Mcp-Session-Id'), id, 'every head names it as the client does');
        assert.equal(receiver(), owner);
        assert.equal(owner.last.get('Mcp-Session-Id'), plain);
      }
    }
  });

  test('ends its session with a DELETE through any of them', async () => {
    const { id, plain, owner } = await open(first);
    assertFromBackend(await send(first, post(ask('ping', 1), { session: id })));
    clear();
    assertFromBackend(await send(second, erase(id), { method: 'DELETE' }));
    assert.equal(receiver(), owner);
    assert.equal(owner.last.get('Mcp-Session-Id'), plain);
    await assertUnknown(second, id);
    // The other one has not seen the DELETE: the backend itself says what it knows.
    assertFromBackend(await send(first, post(ask('ping', 1), { session: id })), 404);
  });

  test('modern requests are left alone', async () => {
    const { id } = await open(first);
    const answer = await send(second, post(modern('tools/list', 1), { session: id }));
    assertFromBackend(answer);
    assert.equal(receiver().last.get('Mcp-Session-Id'), id);
  });
});

describe('a balancer that is killed', () => {
  test('loses no session, whoever takes over', async () => {
    const one = await start();
    const sessions = [];
    for (let n = 0; n < 6; n += 1) sessions.push(await open(one));
    await one.kill();
    const again = await start();
    for (const { id, owner } of sessions) {
      clear();
      assertFromBackend(await send(again, post(ask('ping', 1), { session: id })));
      assert.equal(receiver(), owner);
    }
    const { json: health } = await adminJson(again, '/health');
    assert.equal(health.active_sessions, 6, 'sessions count from their first use on');
  });
});

describe('an id that nobody sealed', () => {
  const forgeries = [
    ['of a plain session', ({ plain }) => plain],
    ['with another tag', ({ id }) => flip(id, -30)],
    ['with another MAC', ({ id }) => flip(id, -1)],
    ['with another plain id', ({ id }) => flip(id, 0)],
    ['that is cut', ({ id }) => id.slice(0, -1)],
    ['that is longer', ({ id }) => `${id}A`],
    ['that is only a seal', ({ id }) => id.slice(-35)],
    ['that is very long', ({ id }) => 'x'.repeat(9000) + id],
  ];
  const flip = (id, at) => {
    const index = at < 0 ? id.length + at : at;
    return id.slice(0, index) + (id[index] === 'A' ? 'B' : 'A') + id.slice(index + 1);
  };
  for (const [what, forge] of forgeries) {
    test(`${what} is unknown and reaches no backend`, async () => {
      const session = await open(first);
      await assertUnknown(first, forge(session));
      await assertUnknown(second, forge(session));
      for (const [build, method] of [
        [streamGet, 'GET'],
        [erase, 'DELETE'],
      ]) {
        const answer = await send(first, build(forge(session)), { method });
        assertOwnReply(answer, { status: 404, reason: 'session_unknown' });
      }
      assert.equal(total(), 0);
      assertFromBackend(await send(second, post(ask('ping', 1), { session: session.id })));
    });
  }

  test('is unknown when unknown ids may go anywhere, too', async () => {
    const one = await start({ on_unknown: 'forward' });
    await assertUnknown(one, 'plain-1');
  });

  test('is unknown when it is sealed for a backend that is no longer there', async () => {
    const sessions = [];
    for (let n = 0; n < 3; n += 1) sessions.push(await open(first));
    const fewer = await start({}, {}, backends.slice(0, 2));
    const gone = sessions.find(({ owner }) => owner === backends[2]);
    await assertUnknown(fewer, gone.id);
    const line = /session_lost .*no backend has the id of its owner/;
    await poll(() => line.test(logText(fewer)), 'the log to say why');
    assert.ok(!logText(fewer).includes(gone.plain), 'no log shows an id');
  });

  test('is unknown when it was sealed in another pool or with another secret', async () => {
    const { id } = await open(first);
    await assertUnknown(await start({}, { secrets: ['some other secret, long enough'] }), id);
    const other = await startBalancer(
      { ...pool(backends, { sessions: { identity: 'sealed' } }), name: 'other' },
      { secrets: [SECRET] },
    );
    running.push(other);
    await assertUnknown(other, id);
  });
});

test('secrets are replaced without losing a session', async () => {
  const next = 'the secret of the next year';
  const { id, owner } = await open(first);
  const during = await start({}, { secrets: [next, SECRET] });
  const answer = await send(during, post(ask('ping', 1), { session: id }));
  assertFromBackend(answer);
  assert.equal(receiver(), owner);
  assert.equal(answer.get('Mcp-Session-Id'), id, 'a client keeps the id that it has');
  const renewed = await open(during);
  const afterwards = await start({}, { secrets: [next] });
  assertFromBackend(await send(afterwards, post(ask('ping', 1), { session: renewed.id })));
  await assertUnknown(afterwards, id);
  await assertUnknown(first, renewed.id);
});

test('a backend may change its address and keep its sessions', async () => {
  const named = (servers) => servers.map(({ url }, index) => ({ url, id: `server-${index}` }));
  const one = await start({}, {}, named(backends.slice(0, 1)));
  const { id } = await open(one);
  const moved = await ScriptedBackend.start(backends[0].script, { name: 'a' });
  running.push(moved);
  const two = await start({}, {}, named([moved]));
  assertFromBackend(await send(two, post(ask('ping', 1), { session: id })));
  assert.equal(moved.requests.length, 1);
});

describe('2024-11-05', () => {
  const accept = [['Accept', 'text/event-stream']];
  const postTo = (balancer, target) =>
    send(
      balancer,
      request('POST', target, {
        headers: [['Content-Type', 'application/json']],
        body: utf8(JSON.stringify(ask('ping', 1))),
      }),
    );

  async function openStream(balancer, use, path = '/sse') {
    await RawClient.with(balancer.url, async (client) => {
      clear();
      client.send(get(path, { headers: accept }));
      const answer = await client.open({ method: 'GET' });
      await answer.body.until('\n\n');
      const [, target, id] = /data: (.*sessionId=([^&]*)&x=1)\n/.exec(answer.body.text);
      const owner = receiver();
      clear();
      await use({ target, id, owner, answer, client });
    });
  }

  test('posts reach the backend that holds the stream, through any balancer', async () => {
    for (let n = 0; n < 3; n += 1) {
      await openStream(both[n % 2], async ({ target, id, owner }) => {
        assert.match(id.slice(-35), ADDED);
        for (const balancer of [...both, ...both]) {
          clear();
          const answer = await postTo(balancer, target);
          assertFromBackend(answer, 202);
          assert.equal(answer.text, owner.name);
          assert.equal(owner.last.target, target.replace(id, id.slice(0, -35)));
        }
      });
    }
  });

  test('a forged id in the query reaches no backend', async () => {
    await openStream(first, async ({ target, id }) => {
      for (const forged of [id.slice(0, -35), `${id.slice(0, -1)}${id.endsWith('A') ? 'B' : 'A'}`])
        assertOwnReply(await postTo(second, target.replace(id, forged)), unknown(1));
      assert.equal(total(), 0);
    });
  });

  test('a sealed id of one transport is none of the other', async () => {
    const { id } = await open(first);
    assertOwnReply(await postTo(first, `/message?sessionId=${id.slice(-41)}`), unknown(1));
    await openStream(first, async ({ id: streamId }) => assertUnknown(first, streamId));
  });

  test('a prefix that the route strips is given back around the sealed id', async () => {
    const one = await startBalancer(
      pool(backends, {
        routes: [{ path: '/tools', strip_prefix: true }],
        sessions: { identity: 'sealed' },
        heartbeat: '0s',
      }),
      { secrets: [SECRET] },
    );
    running.push(one);
    await openStream(
      one,
      async ({ target, id, owner }) => {
        assert.ok(target.startsWith('/tools/message?sessionId=stream-'));
        assertFromBackend(await postTo(one, target), 202);
        assert.equal(owner.last.target, `/message?sessionId=${id.slice(0, -35)}&x=1`);
      },
      '/tools/sse',
    );
  });

  test('the session ends with its stream', async () => {
    await openStream(first, async ({ target, owner, answer }) => {
      assertFromBackend(await postTo(first, target), 202);
      const [stream] = owner.streams.values();
      await stream.send(LAST_CHUNK);
      await answer.body.finish();
      await poll(async () => (await postTo(first, target)).status === 404, 'it to be forgotten');
      clear();
      assertOwnReply(await postTo(first, target), unknown(1));
      assert.equal(total(), 0);
    });
  });
});

describe('a session that is bound to who opened it', () => {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const jwt = (sub, more = {}) =>
    `Bearer ${encode({ alg: 'ES256' })}.${encode({ iss: 'https://as', sub, ...more })}.c2ln`;
  const as = (credential) => [['Authorization', credential]];

  for (const identity of ['sealed', 'learned']) {
    test(`answers to a refreshed token, and to nobody else (${identity})`, async () => {
      const one = await start({ identity, bind: 'authorization' });
      clear();
      const opened = await send(one, post(initialize(), { headers: as(jwt('alice')) }));
      const id = opened.get('Mcp-Session-Id');
      for (const token of [jwt('alice'), jwt('alice', { exp: 2 })]) {
        const answer = await send(one, post(ask('ping', 1), { session: id, headers: as(token) }));
        assertFromBackend(answer);
      }
      for (const headers of [
        as(jwt('bob')),
        as(jwt('alice', { iss: 'https://other' })),
        as('Bearer opaque'),
        [],
        [...as(jwt('alice')), ...as(jwt('bob'))],
      ]) {
        await assertUnknown(one, id, headers);
      }
      const erased = await send(
        one,
        request('DELETE', '/mcp', { headers: [['Mcp-Session-Id', id], ...as(jwt('bob'))] }),
        { method: 'DELETE' },
      );
      assertOwnReply(erased, { status: 404, reason: 'session_unknown' });
      assert.equal(total(), 0);
      assert.ok(!logText(one).includes('Bearer'));
    });
  }

  test('answers to an opaque credential as a whole', async () => {
    const one = await start({ identity: 'learned', bind: 'authorization' }, { secrets: [] });
    const opened = await send(one, post(initialize(), { headers: as('Bearer key-of-alice') }));
    const id = opened.get('Mcp-Session-Id');
    const allowed = { session: id, headers: as('Bearer key-of-alice') };
    assertFromBackend(await send(one, post(ask('ping', 1), allowed)));
    await assertUnknown(one, id, as('Bearer key-of-bob'));
    await assertUnknown(one, id);
  });

  test('answers to its principal through every balancer, before and after a restart', async () => {
    const sessions = { bind: 'authorization' };
    const one = await start(sessions);
    const { id } = await open(one, as(jwt('alice')));
    await one.kill();
    const again = await start(sessions, { secrets: ['the secret of the next year', SECRET] });
    await assertUnknown(again, id, as(jwt('bob')));
    const allowed = { session: id, headers: as(jwt('alice', { exp: 3 })) };
    assertFromBackend(await send(again, post(ask('ping', 1), allowed)));
    await assertUnknown(again, id, as(jwt('bob')));
  });

  test('cannot be reached around the binding', async () => {
    const one = await start({ identity: 'learned', bind: 'authorization' });
    const streamOf = async (client, who) => {
      const accept = ['Accept', 'text/event-stream'];
      client.send(get('/sse', { headers: [accept, ...as(jwt(who))] }));
      const answer = await client.open({ method: 'GET' });
      await answer.body.until('\n\n');
      return /sessionId=([^&]*)&/.exec(answer.body.text)[1];
    };
    const opened = await send(one, post(initialize(), { headers: as(jwt('bob')) }));
    const bobs = opened.get('Mcp-Session-Id');
    await RawClient.with(one.url, (alice) =>
      RawClient.with(one.url, async (bob) => {
        const victim = await streamOf(alice, 'alice');
        const own = await streamOf(bob, 'bob');
        const bodies = {
          legacy: ask('ping', 1),
          modern: modern('tools/list', 1),
          initialize: initialize(1),
        };
        clear();
        for (const [target, message, more = {}] of [
          [`/message?sessionId=${victim}&x=1`, bodies.legacy],
          [`/message?sessionId=${victim}&x=1`, bodies.modern],
          [`/message?sessionId=${victim}&x=1`, bodies.initialize],
          [`/message?sessionId=${victim.replace('s', '%73')}&x=1`, bodies.initialize],
          [`/message?sessionId=${victim}&x=1`, bodies.legacy, { session: bobs }],
          [`/message?sessionId=${own}&sessionId=${victim}`, bodies.legacy],
          [`/message?sessionId=${own}&session%49d=${victim}`, bodies.legacy],
          [`/message?sessionId[]=${victim}`, bodies.legacy],
        ]) {
          const headers = as(jwt('bob'));
          const answer = await send(one, post(message, { target, headers, ...more }));
          assertOwnReply(answer, unknown(1));
        }
        const utf16 = Buffer.from(JSON.stringify(bodies.legacy), 'utf16le');
        const headers = [['Content-Type', 'application/json; charset=utf-16le'], ...as(jwt('bob'))];
        const target = `/message?sessionId=${victim}&x=1`;
        const answer = await send(one, request('POST', target, { headers, body: utf16 }));
        assertOwnReply(answer, { status: 404, reason: 'session_unknown' });
        assert.equal(total(), 0);
      }),
    );
    // A server that knows nothing of the modern era would take the id of such a request.
    clear();
    const stray = { session: bobs, headers: as(jwt('alice')) };
    assertFromBackend(await send(one, post(modern('tools/list', 1), stray)));
    assert.ok(!receiver().last.has('Mcp-Session-Id'));
  });

  test('holds for the stream of 2024-11-05', async () => {
    for (const identity of ['sealed', 'learned']) {
      const one = await start({ identity, bind: 'authorization' });
      await RawClient.with(one.url, async (client) => {
        clear();
        const accept = ['Accept', 'text/event-stream'];
        client.send(get('/sse', { headers: [accept, ...as(jwt('alice'))] }));
        const answer = await client.open({ method: 'GET' });
        await answer.body.until('\n\n');
        const [, target] = /data: (.*)\n/.exec(answer.body.text);
        clear();
        const send1 = (message, headers) =>
          send(one, post(message, { target, headers }));
        assertFromBackend(await send1(ask('ping', 1), as(jwt('alice', { exp: 2 }))), 202);
        clear();
        assertOwnReply(await send1(ask('ping', 1), as(jwt('bob'))), unknown(1));
        assertOwnReply(await send1(ask('ping', 1), []), unknown(1));
        assert.equal(total(), 0);
      });
    }
  });
});

test('what reached the backends was well formed', () =>
  backends.forEach((backend) => backend.assertSound()));
