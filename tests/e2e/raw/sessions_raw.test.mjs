// Sessions on the wire: who owns an id, and that everything that names it goes there.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pool, startBalancer, stopAll } from './lib/balancer.mjs';
import {
  ask,
  bytes,
  call,
  chunk,
  chunked,
  event,
  initialize,
  initializeResult,
  json,
  LAST_CHUNK,
  modern,
  post,
  reply,
  request,
  sseHead,
} from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';
import {
  backends,
  balancer,
  clear,
  erase,
  legacyServer,
  newId,
  open,
  receiver,
  send,
  SESSIONS,
  streamGet,
  total,
  unknown,
} from './lib/sessions.mjs';
import { pause } from './lib/waiting.mjs';

describe('everything that names a session goes to its owner', () => {
  const messages = [
    ['a request', (id) => post(ask('tools/list', 1), { session: id })],
    ['a tool call', (id) => post(call(1), { session: id })],
    [
      'a notification',
      (id) => post({ jsonrpc: '2.0', method: 'notifications/initialized' }, { session: id }),
    ],
    [
      'a posted response',
      (id) => post({ jsonrpc: '2.0', id: 5, result: { action: 'accept' } }, { session: id }),
    ],
    [
      'a posted error',
      (id) =>
        post({ jsonrpc: '2.0', id: 'x', error: { code: -1, message: 'no' } }, { session: id }),
    ],
    ['a batch', (id) => post([ask('ping', 1), ask('tools/list', 2)], { session: id })],
    [
      'a batch of responses',
      (id) =>
        post(
          [
            { jsonrpc: '2.0', id: 1, result: {} },
            { jsonrpc: '2.0', id: 2, result: {} },
          ],
          { session: id },
        ),
    ],
    ['a stream GET', (id) => streamGet(id), 'GET'],
    ['a resuming GET', (id) => streamGet(id, [['Last-Event-ID', 'e-7']]), 'GET'],
    ['a second initialize', (id) => post(initialize(3), { session: id }), 'POST', true],
    [
      'a body that is not JSON',
      (id) => request('POST', '/mcp', { headers: [['Mcp-Session-Id', id]], body: 'not json' }),
    ],
    [
      'an odd spelling of the header',
      (id) => post(ask('ping', 1), { headers: [['mCP-sESSION-iD', id]] }),
    ],
    ['an HTTP/1.0 request', (id) => post(ask('ping', 1), { session: id, version: '1.0' })],
    ['another path', (id) => post(ask('ping', 1), { session: id, target: '/elsewhere?x=1' })],
    ['another host', (id) => post(ask('ping', 1), { session: id, host: 'other.example' })],
  ];
  for (const [what, build, method = 'POST', mints] of messages) {
    test(`${what}, from new connections`, async () => {
      for (let round = 0; round < 2; round += 1) {
        const { id, owner } = await open();
        for (let n = 0; n < 4; n += 1) {
          clear();
          const answer = await send(build(id), { method });
          assert.ok(answer.status < 300, `${answer.first} ${answer.text}`);
          assert.equal(receiver(), owner);
          if (!mints) assert.equal(owner.last.get('Mcp-Session-Id'), id);
        }
      }
    });
  }

  test('two sessions on one client connection', async () => {
    const one = await open();
    let two = await open();
    for (let n = 0; n < 5 && two.owner === one.owner; n += 1) two = await open();
    assert.notEqual(two.owner, one.owner, 'new sessions are spread');
    await RawClient.with(balancer.url, async (client) => {
      for (const { id, owner } of [one, two, one, two]) {
        const answer = await client.exchange(post(ask('ping', 1), { session: id }));
        assert.equal(answer.body.json.result.by, owner.name);
      }
    });
  });

  test('a DELETE', async () => {
    const { id, owner } = await open();
    assertFromBackend(await send(erase(id), { method: 'DELETE' }));
    assert.equal(receiver(), owner);
  });

  test('a request sent right behind the initialize reply, many times over', async () => {
    await Promise.all(
      Array.from({ length: 30 }, async () => {
        const answer = await send(post(initialize()));
        const id = answer.get('Mcp-Session-Id');
        const next = await send(post(ask('ping', 1), { session: id }));
        assertFromBackend(next);
      }),
    );
  });

  test('an answer to a server request, while the call that it belongs to is still open', async () => {
    const { id, owner } = await open();
    const question = event({ jsonrpc: '2.0', id: 5, method: 'elicitation/create', params: {} });
    owner.script = async (seen, connection) => {
      if (seen.message.method) {
        owner.open = connection;
        return connection.send(Buffer.concat([sseHead(), chunk(question)]));
      }
      await connection.send(reply(202));
      return owner.open.send(
        Buffer.concat([
          chunk(event({ jsonrpc: '2.0', id: 5, result: { content: [] } })),
          LAST_CHUNK,
        ]),
      );
    };
    await RawClient.with(balancer.url, async (client) => {
      client.send(post(call(5), { session: id }));
      const answer = await client.open();
      await answer.body.until(question);
      assertFromBackend(
        await send(post({ jsonrpc: '2.0', id: 5, result: { action: 'accept' } }, { session: id })),
        202,
      );
      await answer.body.finish();
      assert.ok(answer.body.done && answer.body.text.includes('"result"'));
    });
  });

  test('sessions of a streamed initialize are known from the head on', async () => {
    const id = newId('sse');
    for (const backend of backends) {
      backend.script = legacyServer(backend, {
        answer: (seen) =>
          seen.message?.method === 'initialize' ? sseHead([['Mcp-Session-Id', id]]) : undefined,
      });
    }
    await RawClient.with(balancer.url, async (client) => {
      client.send(post(initialize()));
      const answer = await client.open();
      assert.equal(answer.get('Mcp-Session-Id'), id);
      const owner = receiver();
      clear();
      for (let n = 0; n < 4; n += 1) {
        const next = await send(post(ask('ping', n), { session: id }));
        assert.equal(next.body.json.result.by, owner.name);
      }
    });
  });

  test('very long ids are ids', async () => {
    const id = 'L'.repeat(2000) + newId();
    for (const backend of backends) backend.script = legacyServer(backend, { mint: () => id });
    const { owner } = await open();
    for (let n = 0; n < 4; n += 1)
      assert.equal(
        (await send(post(ask('ping', n), { session: id }))).body.json.result.by,
        owner.name,
      );
  });

  test('ids of any visible bytes are ids, and compared exactly', async () => {
    const id = `!"#$%&'()*+,-./:;<=>?@[]^_\`{|}~${newId()}`;
    for (const backend of backends) backend.script = legacyServer(backend, { mint: () => id });
    const { owner } = await open();
    for (let n = 0; n < 4; n += 1)
      assert.equal(
        (await send(post(ask('ping', n), { session: id }))).body.json.result.by,
        owner.name,
      );
    assertOwnReply(
      await send(
        post(ask('ping', 1), { session: id.toUpperCase() === id ? id.toLowerCase() : `${id}x` }),
      ),
      unknown(1),
    );
  });
});

describe('sessions that nobody owns', () => {
  for (const [what, build, options = {}] of [
    ['a request', (id) => post(ask('tools/list', 'q'), { session: id }), { id: 'q' }],
    ['a tool call', (id) => post(call(9), { session: id }), { id: 9 }],
    ['a batch', (id) => post([ask('ping', 1)], { session: id })],
    ['a posted response', (id) => post({ jsonrpc: '2.0', id: 5, result: {} }, { session: id })],
  ]) {
    test(`${what} gets 404 session_unknown and reaches no backend`, async () => {
      const answer = await send(build(newId('nobody')));
      assertOwnReply(answer, unknown(options.id));
      assert.equal(total(), 0);
    });
  }

  for (const [what, build, method] of [
    ['a stream GET', streamGet, 'GET'],
    ['a DELETE', erase, 'DELETE'],
  ]) {
    test(`${what} gets 404 session_unknown and reaches no backend`, async () => {
      assertOwnReply(await send(build(newId('nobody')), { method }), {
        status: 404,
        reason: 'session_unknown',
      });
      assert.equal(total(), 0);
    });
  }

  test('a 404 from the owner is relayed as it is', async () => {
    const { id, owner } = await open();
    const mine = { jsonrpc: '2.0', id: 1, error: { code: -32601, message: 'no such method' } };
    owner.script = (seen, connection) =>
      connection.send(json(mine, { status: 404, headers: [['X-Mine', '1']] }));
    const answer = await send(post(ask('x/y', 1), { session: id }));
    assertFromBackend(answer, 404);
    assert.deepEqual(answer.body.json, mine);
    assert.equal(answer.get('X-Mine'), '1');
  });

  for (const status of [400, 404]) {
    test(`a large ${status} from the owner is relayed whole`, async () => {
      const { id, owner } = await open();
      const body = 'y'.repeat(50_000);
      owner.script = (seen, connection) => connection.send(reply(status, { body }));
      const answer = await send(post(ask('x/y', 1), { session: id }));
      assert.equal(answer.status, status);
      assert.equal(answer.text, body);
    });
  }
});

describe('ids are learned from nothing but a 2xx reply to initialize', () => {
  const answering = (make) => {
    for (const backend of backends)
      backend.script = (seen, connection) => connection.send(make(seen));
  };
  const withId = (id) => [['Mcp-Session-Id', id]];

  for (const [what, status, message] of [
    ['an error reply to initialize', 400, initialize()],
    ['a 401 to initialize', 401, initialize()],
    ['a 500 to initialize', 500, initialize()],
    ['a 2xx reply to another request', 200, ask('tools/list', 1)],
    ['a 400 to another request', 400, ask('tools/list', 1)],
    ['a 202 to a notification', 202, { jsonrpc: '2.0', method: 'notifications/initialized' }],
    ['a modern request', 200, modern('tools/list', 1)],
  ]) {
    test(`not from ${what}`, async () => {
      const id = newId('thrown-away');
      answering(() => json({ jsonrpc: '2.0', id: 0, result: {} }, { status, headers: withId(id) }));
      const answer = await send(post(message));
      assert.equal(answer.status, status);
      assert.equal(answer.get('Mcp-Session-Id'), id, 'the head itself is relayed untouched');
      clear();
      assertOwnReply(await send(post(ask('ping', 1), { session: id })), unknown(1));
      assert.equal(total(), 0);
    });
  }

  test('from a 200 whose body is a JSON-RPC error only harmlessly', async () => {
    const id = newId('odd');
    answering(({ message }) =>
      json(
        { jsonrpc: '2.0', id: message.id, error: { code: -32602, message: 'version' } },
        { headers: withId(id) },
      ),
    );
    const answer = await send(post(initialize()));
    assertFromBackend(answer);
    const next = await send(post(ask('ping', 1), { session: id }));
    assert.ok([200, 404].includes(next.status));
  });

  test('an initialize reply without an id is relayed and nothing is learned', async () => {
    answering(({ message }) => json(initializeResult(message.id)));
    const answer = await send(post(initialize()));
    assertFromBackend(answer);
    assert.ok(!answer.has('Mcp-Session-Id'));
  });

  test('requests without an id go anywhere', async () => {
    for (let n = 0; n < 6; n += 1) assertFromBackend(await send(post(ask('tools/list', n))));
    assert.ok(backends.every(({ requests }) => requests.length > 0));
  });
});

describe('the end of a session', () => {
  for (const status of [200, 202, 204]) {
    test(`a DELETE answered ${status} drops it`, async () => {
      const { id, owner } = await open();
      owner.script = legacyServer(owner, {
        answer: ({ method }) =>
          method === 'DELETE'
            ? status === 204
              ? bytes('HTTP/1.1 204 No Content\r\n\r\n')
              : reply(status)
            : undefined,
      });
      assertFromBackend(await send(erase(id), { method: 'DELETE' }), status);
      clear();
      assertOwnReply(await send(post(ask('ping', 1), { session: id })), unknown(1));
      assert.equal(total(), 0);
    });
  }

  test('a DELETE answered 404 drops it', async () => {
    const { id, owner } = await open();
    owner.script = legacyServer(owner, {
      answer: ({ method }) => (method === 'DELETE' ? reply(404, { body: 'gone' }) : undefined),
    });
    assert.equal((await send(erase(id), { method: 'DELETE' })).status, 404);
    clear();
    assertOwnReply(await send(post(ask('ping', 1), { session: id })), unknown(1));
    assert.equal(total(), 0);
  });

  for (const status of [405, 401, 500]) {
    test(`a DELETE answered ${status} keeps it`, async () => {
      const { id, owner } = await open();
      owner.script = legacyServer(owner, {
        answer: ({ method }) =>
          method === 'DELETE' ? reply(status, { headers: [['Allow', 'GET, POST']] }) : undefined,
      });
      assertFromBackend(await send(erase(id), { method: 'DELETE' }), status);
      for (let n = 0; n < 3; n += 1)
        assert.equal(
          (await send(post(ask('ping', n), { session: id }))).body.json.result.by,
          owner.name,
        );
    });
  }

  test('a request that the owner answers with 202 or an error does not end it', async () => {
    const { id, owner } = await open();
    for (const status of [400, 403, 429, 500, 503]) {
      owner.script = (seen, connection) => connection.send(reply(status, { body: 'no' }));
      assertFromBackend(await send(post(ask('tools/list', 1), { session: id })), status);
    }
    owner.script = legacyServer(owner);
    assertFromBackend(await send(post(ask('ping', 1), { session: id })));
  });

  // A backend of its own behind a balancer with short sessions; its GET streams stay open.
  async function withShort(sessions, use) {
    const server = await ScriptedBackend.start(undefined, { name: 'short' });
    server.script = legacyServer(server, {
      answer: ({ method }) => (method === 'GET' ? sseHead() : undefined),
    });
    const short = await startBalancer(
      pool(server, { heartbeat: '0s', sessions: { ...SESSIONS, idle_timeout: '1s', ...sessions } }),
    );
    try {
      const begin = async () => (await open({ balancer: short, among: [server] })).id;
      const ping = (session) => send(post(ask('ping', 1), { session }), { balancer: short });
      await use({ server, begin, ping, url: short.url });
      server.assertSound();
    } finally {
      await stopAll(short, server);
    }
  }
  const slow = { timeout: 20_000 };

  test('a session idle for idle_timeout ends', slow, () =>
    withShort({}, async ({ begin, ping }) => {
      const idle = await begin();
      await pause(3000);
      assertOwnReply(await ping(idle), unknown(1));
    }));

  test('a session with an open stream is not idle', slow, () =>
    withShort({}, async ({ server, begin, ping, url }) => {
      const streaming = await begin();
      await RawClient.with(url, async (client) => {
        client.send(streamGet(streaming));
        await client.open({ method: 'GET' });
        await pause(3000);
        assert.equal(client.ended, null, 'the stream is still there');
        assertFromBackend(await ping(streaming));
        assert.ok(server.requests.every(({ method }) => method !== 'DELETE'));
      });
    }));

  test('traffic keeps a session alive beyond idle_timeout', slow, () =>
    withShort({}, async ({ begin, ping }) => {
      const id = await begin();
      for (let n = 0; n < 6; n += 1) {
        await pause(400);
        assertFromBackend(await ping(id));
      }
    }));
});

describe('initialize', () => {
  test('an id that is live on another backend is refused as session_conflict and stays where it was', async () => {
    const id = newId('twice');
    for (const backend of backends) backend.script = legacyServer(backend, { mint: () => id });
    const { owner, other } = await open();
    let conflict;
    for (let n = 0; n < 6 && other.requests.length === 0; n += 1)
      conflict = await send(post(initialize(`i-${n}`)));
    assert.equal(other.requests.length > 0, true, 'initialize reached the other backend');
    assertOwnReply(conflict, {
      status: 502,
      reason: 'session_conflict',
      code: -31017,
      id: other.requests[0].message.id,
    });
    assert.ok(!conflict.has('Mcp-Session-Id'));
    for (let n = 0; n < 4; n += 1)
      assert.equal(
        (await send(post(ask('ping', n), { session: id }))).body.json.result.by,
        owner.name,
      );
  });

  test('the same id minted again by its owner is no conflict', async () => {
    const id = newId('again');
    for (const backend of backends) backend.script = legacyServer(backend, { mint: () => id });
    const { owner } = await open();
    owner.clear();
    for (let n = 0; n < 4; n += 1) {
      const answer = await send(post(initialize(n)));
      assert.ok([200, 502].includes(answer.status));
      if (owner.requests.some(({ message }) => message.id === n)) assert.equal(answer.status, 200);
    }
  });

  test('whose client leaves before the head: the head is awaited and the minted session deleted', async () => {
    const id = newId('orphan');
    let answerNow;
    for (const backend of backends) {
      backend.script = async (seen, connection) => {
        if (seen.message?.method !== 'initialize') return legacyServer(backend)(seen, connection);
        await new Promise((resolve) => {
          answerNow = resolve;
        });
        return connection.send(json(initializeResult(), { headers: [['Mcp-Session-Id', id]] }));
      };
    }
    const client = await RawClient.connect(balancer.url);
    client.send(post(initialize()));
    await Promise.race(backends.map((backend) => backend.request()));
    const owner = receiver();
    client.destroy();
    await pause(100);
    answerNow();
    const told = await owner.request(2);
    assert.equal(told.method, 'DELETE');
    assert.equal(told.target, '/mcp');
    assert.equal(told.get('Mcp-Session-Id'), id);
    assertOwnReply(await send(post(ask('ping', 1), { session: id })), unknown(1));
  });

  test('is spread over the backends', async () => {
    for (let n = 0; n < 8; n += 1) assertFromBackend(await send(post(initialize(n))));
    assert.deepEqual(
      backends.map(({ requests }) => requests.length),
      [4, 4],
    );
  });
});

describe('batches', () => {
  test('go whole to one backend, byte for byte', async () => {
    const text =
      '[ {"jsonrpc":"2.0","id":1,"method":"ping"} ,\n{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}, {"id":"1","jsonrpc":"2.0","method":"tools/list"}]';
    const answer = await send(post(text));
    assertFromBackend(answer);
    assert.equal(answer.body.json.length, 2);
    assert.equal(receiver().last.text, text);
  });

  for (const [what, text] of [
    ['initialize', JSON.stringify([ask('ping', 1), initialize(2)])],
    ['a modern claim', JSON.stringify([modern('tools/list', 1)])],
  ]) {
    test(`with ${what} inside reach no backend, with or without a session`, async () => {
      const { id } = await open();
      for (const session of [undefined, id]) {
        assertOwnReply(await send(post(text, { session })), {
          status: 400,
          reason: 'bad_request',
          code: -32600,
        });
      }
      assert.equal(total(), 0);
    });
  }

  test('that are empty get an answer', async () => {
    const answer = await send(post('[]'));
    assert.ok(answer.status >= 200);
  });
});

describe('modern requests', () => {
  const mirrored = (method, more = []) => [
    ['MCP-Protocol-Version', '2026-07-28'],
    ['Mcp-Method', method],
    ...more,
  ];

  test('have no affinity, not even with the id of a live session', async () => {
    const { id } = await open();
    for (let n = 0; n < 8; n += 1) {
      assertFromBackend(
        await send(post(modern('tools/list', n), { session: id, headers: mirrored('tools/list') })),
      );
    }
    assert.ok(
      backends.every(({ requests }) => requests.length === 4),
      backends.map(({ requests }) => requests.length).join(),
    );
  });

  test('have no affinity to their connection', async () => {
    await RawClient.with(balancer.url, async (client) => {
      for (let n = 0; n < 8; n += 1)
        await client.exchange(post(modern('tools/list', n), { headers: mirrored('tools/list') }));
    });
    assert.ok(backends.every(({ requests }) => requests.length === 4));
  });

  test('with a stray unknown session id are served', async () => {
    for (let n = 0; n < 4; n += 1) {
      assertFromBackend(
        await send(
          post(modern('tools/list', n), {
            session: newId('stray'),
            headers: mirrored('tools/list'),
          }),
        ),
      );
    }
  });
});

test('what reached the backends was well formed', () =>
  backends.forEach((backend) => backend.assertSound()));
