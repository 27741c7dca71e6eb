// Connections to backends: pooled, never stale, and nothing that may have arrived is sent twice.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { pool, startBalancer, stopAll } from './lib/balancer.mjs';
import {
  ask,
  bytes,
  call,
  get,
  initialize,
  initializeResult,
  json,
  lines,
  modern,
  post,
} from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { reservedPort } from './lib/ports.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { answerOk, ScriptedBackend } from './lib/scripted_backend.mjs';
import { pause } from './lib/waiting.mjs';

const started = [];
after(() => stopAll(started.reverse()));

// The balancers are told apart by pools: each test gets a backend of its own, lazily started.
async function backendOf(script) {
  const backend = await ScriptedBackend.start(script);
  started.push(backend);
  return backend;
}

async function balancerOf(pools, settings) {
  const balancer = await startBalancer(pools, settings);
  started.push(balancer);
  return balancer;
}

const send = (balancer, data, options) =>
  RawClient.with(balancer.url, (client) => client.exchange(data, options));

describe('pooling', () => {
  test('many requests in a row use few backend connections', async () => {
    const backend = await backendOf();
    const balancer = await balancerOf(pool(backend));
    for (let id = 1; id <= 50; id += 1) assertFromBackend(await send(balancer, post(call(id))));
    assert.equal(backend.requests.length, 50);
    assert.ok(backend.used.length <= 2, `${backend.used.length} connections`);
  });

  test('Connection: close of the backend is honoured', async () => {
    const backend = await backendOf((seen, connection) =>
      connection.end(json({}, { headers: [['Connection', 'close']] })),
    );
    const balancer = await balancerOf(pool(backend));
    for (let id = 1; id <= 3; id += 1) assertFromBackend(await send(balancer, post(call(id))));
    assert.equal(backend.used.length, 3);
  });

  test('a connection said to close is not used again although it stays open', async () => {
    const backend = await backendOf((seen, connection) =>
      connection.send(json({}, { headers: [['Connection', 'close']] })),
    );
    const balancer = await balancerOf(pool(backend));
    for (let id = 1; id <= 3; id += 1) assertFromBackend(await send(balancer, post(call(id))));
    assert.equal(backend.used.length, 3);
    await backend.used[0].left();
  });

  test('an HTTP/1.0 backend without keep-alive gets a connection for each request', async () => {
    const backend = await backendOf((seen, connection) =>
      connection.send(bytes('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi')),
    );
    const balancer = await balancerOf(pool(backend));
    for (let id = 1; id <= 3; id += 1) assertFromBackend(await send(balancer, post(call(id))));
    assert.equal(backend.used.length, 3);
  });

  test('a pooled connection that the backend closed while idle costs no client an error', async () => {
    const backend = await backendOf();
    const balancer = await balancerOf(pool(backend));
    for (let id = 1; id <= 5; id += 1) {
      assertFromBackend(await send(balancer, post(call(id))));
      const { connection } = backend.last;
      connection.end();
      await connection.left();
    }
    assert.equal(backend.requests.length, 5);
    assert.equal(backend.used.length, 5);
  });

  test('a pooled connection that the backend reset while idle costs no client an error', async () => {
    const backend = await backendOf();
    const balancer = await balancerOf(pool(backend));
    for (let id = 1; id <= 5; id += 1) {
      assertFromBackend(await send(balancer, post(call(id))));
      backend.last.connection.reset();
      await pause(20);
    }
    assert.equal(backend.requests.length, 5);
  });

  test('an idle connection is closed after keepalive.idle', async () => {
    const backend = await backendOf();
    const balancer = await balancerOf(pool(backend, { keepalive: { idle: '300ms' } }));
    assertFromBackend(await send(balancer, post(call(1))));
    await backend.last.connection.left(2500);
  });

  test('Keep-Alive: timeout=1 of the backend shortens keepalive.idle', async () => {
    const backend = await backendOf((seen, connection) =>
      connection.send(json({}, { headers: [['Keep-Alive', 'timeout=1']] })),
    );
    const balancer = await balancerOf(pool(backend, { keepalive: { idle: '30s' } }));
    assertFromBackend(await send(balancer, post(call(1))));
    await backend.last.connection.left(2500);
  });

  test('no more than max_idle_per_backend connections stay idle', async () => {
    let waiting = [];
    const backend = await backendOf(async (seen, connection) => {
      await new Promise((resolve) => {
        waiting.push(resolve);
        if (waiting.length === 6) waiting.splice(0).forEach((go) => go());
      });
      await answerOk(seen, connection);
    });
    const balancer = await balancerOf(
      pool(backend, { keepalive: { idle: '30s', max_idle_per_backend: 2 } }),
    );
    await Promise.all([1, 2, 3, 4, 5, 6].map((id) => send(balancer, post(call(id)))));
    await backend.until(
      () => backend.used.filter(({ ended }) => ended === null).length <= 2,
      'the surplus to be closed',
    );
    waiting = null;
  });
});

describe('the race of a request with a closing backend', () => {
  // The backend closes each connection a random moment after its last reply: often just as it is used again.
  for (const [how, close] of [
    ['closes', (connection) => connection.socket.destroy()],
    ['half-closes', (connection) => connection.end()],
    ['resets', (connection) => connection.reset()],
  ]) {
    test(
      `a backend that ${how} idle connections never gets a tool call twice, and a lost one is a 502`,
      { timeout: 30_000 },
      async () => {
        const seen = new Map();
        const backend = await backendOf(async (request, connection) => {
          connection.closing = clearTimeout(connection.closing);
          const { id } = request.message;
          seen.set(id, (seen.get(id) ?? 0) + 1);
          await answerOk(request, connection);
          connection.closing = setTimeout(() => close(connection), Math.random() * 4);
        });
        const balancer = await balancerOf(pool(backend));
        const outcomes = { ok: 0, not_sent: 0, unknown: 0 };
        const worker = (name) =>
          RawClient.with(balancer.url, async (client) => {
            for (let n = 0; n < 60; n += 1) {
              const id = `${name}-${n}`;
              const answer = await client.exchange(post(call(id)));
              if (answer.status === 200) {
                outcomes.ok += 1;
                assert.equal(seen.get(id), 1, `${id} was answered`);
                assert.equal(answer.body.json.id, id);
              } else {
                assertOwnReply(answer, {
                  status: 502,
                  reason: 'backend_lost',
                  code: -31012,
                  id,
                  outcome: ['not_sent', 'unknown'],
                });
                const { outcome } = answer.body.json.error.data;
                outcomes[outcome] += 1;
                if (outcome === 'not_sent')
                  assert.equal(seen.get(id), undefined, `${id} was said not to be sent`);
              }
              await pause(Math.random() * 4);
            }
          });
        await Promise.all(['a', 'b', 'c', 'd'].map(worker));
        const twice = [...seen].filter(([, count]) => count > 1);
        assert.deepEqual(twice, [], `sent twice; ${JSON.stringify(outcomes)}`);
        assert.equal(outcomes.ok + outcomes.not_sent + outcomes.unknown, 240);
        assert.ok(outcomes.ok >= 120, JSON.stringify(outcomes));
      },
    );
  }

  test('safe requests never fail in the same race', { timeout: 30_000 }, async () => {
    const backend = await backendOf(async (request, connection) => {
      connection.closing = clearTimeout(connection.closing);
      await answerOk(request, connection);
      connection.closing = setTimeout(() => connection.socket.destroy(), Math.random() * 4);
    });
    const balancer = await balancerOf(pool(backend));
    await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        RawClient.with(balancer.url, async (client) => {
          for (let n = 0; n < 50; n += 1) {
            assertFromBackend(await client.exchange(post(ask('tools/list', `${name}-${n}`))));
            await pause(Math.random() * 4);
          }
        }),
      ),
    );
  });
});

describe('further tries', () => {
  // Breaks the first `times` requests of each id, then answers.
  const breaking = (times, how) => {
    const tries = new Map();
    return (request, connection) => {
      const key = request.message?.id ?? request.target;
      const count = (tries.get(key) ?? 0) + 1;
      tries.set(key, count);
      return count <= times ? how(connection) : answerOk(request, connection);
    };
  };
  const breaks = [
    ['reset', (connection) => connection.reset()],
    ['closed', (connection) => connection.end()],
  ];
  const safe = [
    ['ping', () => post(ask('ping', 's'))],
    ['tools/list', () => post(ask('tools/list', 's'))],
    ['prompts/list', () => post(ask('prompts/list', 's'))],
    ['resources/read', () => post(ask('resources/read', 's', { uri: 'file:///x' }))],
    ['modern tools/list', () => post(modern('tools/list', 's'))],
    ['server/discover', () => post(modern('server/discover', 's'))],
    ['a plain GET', () => get('/x')],
  ];

  for (const [how, act] of breaks) {
    for (const [what, data] of safe) {
      test(`${what} whose connection is ${how} before the head is tried again on a fresh one`, async () => {
        const { backend, balancer } = await shared(how, act);
        backend.script = breaking(1, act);
        backend.clear();
        const answer = await send(balancer, data(), {
          method: what === 'a plain GET' ? 'GET' : 'POST',
        });
        assertFromBackend(answer);
        assert.equal(backend.requests.length, 2);
        assert.notEqual(backend.requests[0].connection, backend.requests[1].connection);
      });
    }

    for (const [what, message] of [
      ['tools/call', call('t')],
      ['modern tools/call', modern('tools/call', 't', { name: 'x', arguments: {} })],
      ['an unknown method', ask('x/y', 't')],
      ['a notification', { jsonrpc: '2.0', method: 'notifications/progress', params: {} }],
      ['a posted response', { jsonrpc: '2.0', id: 't', result: {} }],
      ['a batch with a tool call', [ask('ping', 'p'), call('t')]],
    ]) {
      for (const pooled of [false, true]) {
        test(`${what} on a ${pooled ? 'pooled' : 'fresh'} connection that is ${how} after it arrived is not sent again`, async () => {
          const { backend, balancer } = await shared(how, act);
          for (const connection of backend.connections) connection.socket.destroy();
          await pause(10);
          backend.script = answerOk;
          if (pooled) assertFromBackend(await send(balancer, post(call('warm'))));
          backend.clear();
          backend.script = (request, connection) => act(connection);
          const answer = await send(balancer, post(message));
          assertOwnReply(answer, {
            status: 502,
            reason: 'backend_lost',
            code: -31012,
            outcome: 'unknown',
          });
          assert.equal(backend.requests.length, 1);
        });
      }
    }
  }

  const sharing = new Map();
  async function shared(how) {
    if (!sharing.has(how)) {
      const backend = await backendOf();
      sharing.set(how, { backend, balancer: await balancerOf(pool(backend)) });
    }
    return sharing.get(how);
  }

  test('a safe request that always breaks is tried a bounded number of times', async () => {
    const { backend, balancer } = await shared('reset');
    backend.clear();
    backend.script = (request, connection) => connection.reset();
    const answer = await send(balancer, post(ask('ping', 1)));
    assertOwnReply(answer, { status: 502, reason: 'backend_lost', code: -31012, id: 1 });
    assert.ok(
      backend.requests.length >= 2 && backend.requests.length <= 3,
      `${backend.requests.length} tries`,
    );
  });

  test('retries: 0 means one try', async () => {
    const backend = await backendOf((request, connection) => connection.reset());
    const balancer = await balancerOf(pool(backend, { retries: 0 }));
    const answer = await send(balancer, post(ask('ping', 1)));
    assertOwnReply(answer, { status: 502, reason: 'backend_lost' });
    assert.equal(backend.requests.length, 1);
  });

  test('nothing is tried again once the head was there', async () => {
    const { backend, balancer } = await shared('reset');
    backend.clear();
    backend.script = async (request, connection) => {
      await connection.send(lines('HTTP/1.1 200 OK', 'Content-Length: 100'));
      connection.reset();
    };
    await RawClient.with(balancer.url, async (client) => {
      client.send(post(ask('tools/list', 1)));
      const answer = await client.open();
      await answer.body.finish();
      if (answer.status === 200) assert.notEqual(answer.body.broken, null);
      else assert.equal(answer.status, 502);
    });
    assert.equal(backend.requests.length, 1);
  });

  for (const status of [500, 502, 503, 504, 429, 404]) {
    test(`a ${status} from the backend is relayed, not tried again`, async () => {
      const { backend, balancer } = await shared('reset');
      backend.clear();
      backend.script = (request, connection) =>
        connection.send(json({ error: 'mine' }, { status, headers: [['Retry-After', '7']] }));
      const answer = await send(balancer, post(ask('tools/list', 1)));
      assertFromBackend(answer, status);
      assert.equal(answer.get('Retry-After'), '7');
      assert.deepEqual(answer.body.json, { error: 'mine' });
      assert.equal(backend.requests.length, 1);
    });
  }
});

describe('backends that refuse connections', () => {
  test('are skipped without an error, for any method', async () => {
    const backend = await backendOf();
    const dead = { url: `http://127.0.0.1:${await reservedPort()}` };
    const balancer = await balancerOf(pool([dead, { url: backend.url }]));
    for (let id = 1; id <= 10; id += 1) assertFromBackend(await send(balancer, post(call(id))));
    assert.equal(backend.requests.length, 10);
  });

  test('leave no_backend when there is no other', async () => {
    const balancer = await balancerOf(
      pool([
        { url: `http://127.0.0.1:${await reservedPort()}` },
        { url: `http://127.0.0.1:${await reservedPort()}` },
      ]),
    );
    for (const message of [call('c'), modern('tools/list', 'c'), initialize('c')]) {
      const answer = await send(balancer, post(message));
      assertOwnReply(answer, { status: 503, reason: 'no_backend', code: -31010, id: 'c' });
    }
  });

  test('are no more than retries + 1 per request', async () => {
    const backend = await backendOf();
    const dead = await Promise.all(
      Array.from({ length: 3 }, async () => ({ url: `http://127.0.0.1:${await reservedPort()}` })),
    );
    const balancer = await balancerOf(pool([...dead, { url: backend.url }], { retries: 3 }));
    assertFromBackend(await send(balancer, post(call(1))));
  });

  test('take their sessions with them: 404 session_unknown', async () => {
    const owner = await backendOf((request, connection) =>
      request.message?.method === 'initialize'
        ? connection.send(json(initializeResult(0), { headers: [['Mcp-Session-Id', 'lost-1']] }))
        : answerOk(request, connection),
    );
    const balancer = await balancerOf(
      pool(owner, { sessions: { on_backend_loss: 'not_found', on_unknown: 'not_found' } }),
    );
    assert.equal((await send(balancer, post(initialize()))).get('Mcp-Session-Id'), 'lost-1');
    assertFromBackend(await send(balancer, post(ask('ping', 1), { session: 'lost-1' })));
    await owner.stop();
    const answer = await send(balancer, post(call(2), { session: 'lost-1' }));
    assertOwnReply(answer, { status: 404, reason: 'session_unknown', code: -32001, id: 2 });
  });

  test('a backend that comes back is used again', async () => {
    const backend = await backendOf();
    const balancer = await balancerOf(pool(backend));
    assertFromBackend(await send(balancer, post(call(1))));
    await backend.stop();
    assertOwnReply(await send(balancer, post(call(2))), { status: 503, reason: 'no_backend' });
    await backend.listen();
    assertFromBackend(await send(balancer, post(call(3))));
  });
});
