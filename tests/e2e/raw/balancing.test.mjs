// Which backend gets a request: algorithms, pins, routes, listeners, health.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { addressOf, adminJson, CALM, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import {
  ask,
  call,
  chunk,
  event,
  get,
  initialize,
  initializeResult,
  json,
  modern,
  post,
  reply,
  request,
  sseHead,
} from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { reservedPort } from './lib/ports.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';
import { poll } from './lib/waiting.mjs';

const started = [];
after(() => stopAll(started.reverse()));

// A backend that says its name, mints ids with its name, and keeps streams open.
const naming = (name) => (seen, connection) => {
  const { message, method, target } = seen;
  if (message?.method === 'initialize')
    return connection.send(
      json(initializeResult(message.id), {
        headers: [['Mcp-Session-Id', `${name}-${Math.random()}`]],
      }),
    );
  if (method === 'GET' && seen.get('Accept') === 'text/event-stream')
    return connection.send(Buffer.concat([sseHead(), chunk(event(name))]));
  return connection.send(reply(200, { body: name, headers: [['X-Target', target]] }));
};

async function backend(name) {
  const one = await ScriptedBackend.start(undefined, { name });
  one.script = naming(name);
  started.push(one);
  return one;
}

async function balancerOf(pools, settings) {
  const balancer = await startBalancer(pools, settings);
  started.push(balancer);
  return balancer;
}

const send = (where, data, options) =>
  RawClient.with(where.url ?? where, (client) => client.exchange(data, options), options?.connect);
const nameOf = async (where, data, options) => {
  const answer = await send(where, data, options);
  assertFromBackend(answer);
  return answer.text;
};
const tally = (names) =>
  names.reduce((counts, name) => ({ ...counts, [name]: (counts[name] ?? 0) + 1 }), {});
const times = async (count, act) => {
  const results = [];
  for (let n = 0; n < count; n += 1) results.push(await act(n));
  return results;
};

describe('round_robin', () => {
  test('is even', async () => {
    const balancer = await balancerOf(
      pool([await backend('a'), await backend('b'), await backend('c')]),
    );
    assert.deepEqual(tally(await times(30, (n) => nameOf(balancer, post(call(n))))), {
      a: 10,
      b: 10,
      c: 10,
    });
  });

  test('keeps to weights, and spreads them smoothly', async () => {
    const [a, b] = [await backend('a'), await backend('b')];
    const balancer = await balancerOf({
      name: 'default',
      ...CALM,
      backends: [{ url: a.url, weight: 3 }, { url: b.url }],
    });
    const names = await times(40, (n) => nameOf(balancer, post(call(n))));
    assert.deepEqual(tally(names), { a: 30, b: 10 });
    assert.doesNotMatch(names.join(''), /bb|aaaaaaa/);
  });

  test('is even for new sessions', async () => {
    const balancer = await balancerOf(pool([await backend('a'), await backend('b')]), {
      workers: 2,
    });
    const ids = await times(
      20,
      async (n) => (await send(balancer, post(initialize(n)))).get('Mcp-Session-Id')[0],
    );
    assert.deepEqual(tally(ids), { a: 10, b: 10 });
  });
});

describe('least_connections', () => {
  test('prefers the backend with fewer open streams', async () => {
    const [a, b] = [await backend('a'), await backend('b')];
    const balancer = await balancerOf(
      pool([a, b], { balance: 'least_connections', heartbeat: '0s' }),
    );
    const open = async () => {
      const client = await RawClient.connect(balancer.url);
      client.send(get('/mcp', { headers: [['Accept', 'text/event-stream']] }));
      const answer = await client.open({ method: 'GET' });
      await answer.body.until('\n\n');
      return { client, name: /data: (.)/.exec(answer.body.text)[1] };
    };
    const streams = await times(6, open);
    assert.deepEqual(tally(streams.map(({ name }) => name)), { a: 3, b: 3 });
    for (const { client } of streams.filter(({ name }) => name === 'a')) client.destroy();
    await a.until(() => a.used.every(({ ended }) => ended), 'the streams of a to be closed');
    const more = await times(3, open);
    assert.deepEqual(tally(more.map(({ name }) => name)), { a: 3 });
    assert.deepEqual(tally(await times(3, (n) => nameOf(balancer, post(call(n))))).a >= 1, true);
    for (const { client } of [...streams, ...more]) client.destroy();
  });

  test('keeps a busy backend from getting more', async () => {
    const [a, b] = [await backend('a'), await backend('b')];
    const balancer = await balancerOf(pool([a, b], { balance: 'least_connections' }));
    for (const one of [a, b])
      one.script = (seen, connection) =>
        seen.message.id === 'hold' ? undefined : naming(one.name)(seen, connection);
    await RawClient.with(balancer.url, async (client) => {
      client.send(post(call('hold')));
      const busy = await Promise.race([a, b].map(async (one) => (await one.request()) && one.name));
      const names = await times(10, (n) => nameOf(balancer, post(call(n))));
      assert.ok(!names.includes(busy), names.join());
    });
  });
});

describe('session_hash', () => {
  const keys = Array.from({ length: 60 }, (_, n) => `key-${n}`);
  for (const [what, on, build] of [
    ['a header', 'header:X-Key', (key) => post(call(1), { headers: [['X-Key', key]] })],
    [
      'a cookie',
      'cookie:route',
      (key) => post(call(1), { headers: [['Cookie', `other=1; route=${key}; last=2`]] }),
    ],
  ]) {
    test(`by ${what} is stable, spreads keys, and moves only those of a backend that left`, async () => {
      const all = [await backend('a'), await backend('b'), await backend('c')];
      const balancer = await balancerOf(pool(all, { balance: 'session_hash', hash_on: on }));
      const map = async () =>
        Object.fromEntries(
          await times(keys.length, async (n) => [keys[n], await nameOf(balancer, build(keys[n]))]),
        );
      const first = await map();
      assert.deepEqual(await map(), first);
      const counts = tally(Object.values(first));
      assert.ok(
        ['a', 'b', 'c'].every((name) => counts[name] >= 8),
        JSON.stringify(counts),
      );
      await all[2].stop();
      const later = await map();
      for (const key of keys) {
        if (first[key] === 'c') assert.notEqual(later[key], 'c');
        else assert.equal(later[key], first[key], `${key} moved although its backend stayed`);
      }
      assert.equal(
        new Set(keys.filter((key) => first[key] === 'c').map((key) => later[key])).size,
        2,
        'the keys of the lost one are spread',
      );
      await all[2].listen();
    });
  }

  test('by client_ip is stable and spreads addresses', async () => {
    const balancer = await balancerOf(
      pool([await backend('a'), await backend('b')], {
        balance: 'session_hash',
        hash_on: 'client_ip',
      }),
    );
    const ask20 = () =>
      times(20, (n) =>
        nameOf(balancer, post(call(n)), { connect: { localAddress: `127.0.1.${n + 1}` } }),
      );
    const first = await ask20();
    assert.deepEqual(await ask20(), first);
    assert.equal(new Set(first).size, 2);
  });

  test('without a key goes round', async () => {
    const balancer = await balancerOf(
      pool([await backend('a'), await backend('b')], {
        balance: 'session_hash',
        hash_on: 'header:X-Key',
      }),
    );
    assert.deepEqual(tally(await times(10, (n) => nameOf(balancer, post(call(n))))), {
      a: 5,
      b: 5,
    });
  });
});

describe('pin', () => {
  let balancer;
  before(async () => {
    const [a, b] = [await backend('a'), await backend('b')];
    balancer = await balancerOf({
      name: 'default',
      ...CALM,
      pin: { header: 'X-MCPHub-Node', cookie: 'MCPHUB_NODE' },
      backends: [
        { url: a.url, id: 'node-a' },
        { url: b.url, id: 'node-b' },
      ],
    });
  });

  for (const [id, name] of [
    ['node-a', 'a'],
    ['node-b', 'b'],
  ]) {
    test(`the header names ${id}`, async () => {
      const names = await times(4, (n) =>
        nameOf(balancer, post(call(n), { headers: [['X-MCPHub-Node', id]] })),
      );
      assert.deepEqual(new Set(names), new Set([name]));
    });

    test(`the cookie names ${id}`, async () => {
      const names = await times(4, (n) =>
        nameOf(balancer, post(call(n), { headers: [['Cookie', `a=b; MCPHUB_NODE=${id}`]] })),
      );
      assert.deepEqual(new Set(names), new Set([name]));
    });
  }

  test('the cookie is set on a reply and keeps its client where it was', async () => {
    const answer = await send(balancer, post(call(1)));
    const cookie = answer.all('Set-Cookie').find((value) => value.startsWith('MCPHUB_NODE='));
    assert.ok(cookie, 'Set-Cookie');
    const pair = cookie.split(';')[0];
    const names = await times(4, (n) =>
      nameOf(balancer, post(call(n), { headers: [['Cookie', pair]] })),
    );
    assert.deepEqual(new Set(names), new Set([answer.text]));
  });

  test('an unknown name is no pin', async () => {
    assert.deepEqual(
      new Set(
        await times(6, (n) =>
          nameOf(balancer, post(call(n), { headers: [['X-MCPHub-Node', 'nobody']] })),
        ),
      ),
      new Set(['a', 'b']),
    );
  });

  test('an owned session wins', async () => {
    const opened = await send(
      balancer,
      post(initialize(), { headers: [['X-MCPHub-Node', 'node-a']] }),
    );
    const session = opened.get('Mcp-Session-Id');
    assert.match(session, /^a-/);
    const names = await times(4, (n) =>
      nameOf(
        balancer,
        post(ask('ping', n), {
          session,
          headers: [
            ['X-MCPHub-Node', 'node-b'],
            ['Cookie', 'MCPHUB_NODE=node-b'],
          ],
        }),
      ),
    );
    assert.deepEqual(new Set(names), new Set(['a']));
  });
});

describe('routes', () => {
  let balancer;
  let directory;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'mcplb-raw-'));
    const routed = async (name, ...routes) => ({
      name,
      ...CALM,
      heartbeat: '0s',
      routes,
      backends: [{ url: (await backend(name)).url }],
    });
    balancer = await balancerOf(
      [
        await routed('exact', { host: 'a.example' }),
        await routed('exact-deep', { host: 'a.example', path: '/deep' }),
        await routed('suffix', { host: '*.example' }),
        await routed('suffix-long', { host: '*.sub.example' }),
        await routed('any-mcp-b', { path: '/mcp-b' }),
        await routed('any-mcp-b-x', { path: '/mcp-b/x' }),
        await routed('strip', { path: '/api', strip_prefix: true }),
        await routed('second', { listener: 'second', host: 'listener.test' }),
        await routed('two-routes', { host: 'one.test' }, { host: 'two.test' }),
      ],
      {
        listeners: [
          { name: 'main', address: '127.0.0.1:0' },
          { name: 'second', address: '127.0.0.1:0' },
          { name: 'sock', address: `unix:${join(directory, 'l.sock')}` },
        ],
      },
    );
  });

  after(() => rmSync(directory, { recursive: true, force: true }));

  for (const [host, path, name] of [
    ['a.example', '/mcp', 'exact'],
    ['A.Example', '/mcp', 'exact'],
    ['a.example:8080', '/mcp', 'exact'],
    ['a.example', '/deep/x', 'exact-deep'],
    ['a.example', '/mcp-b', 'exact'], // host first, then path
    ['b.example', '/mcp', 'suffix'],
    ['x.y.example', '/', 'suffix'],
    ['x.sub.example', '/', 'suffix-long'],
    ['other.test', '/mcp-b', 'any-mcp-b'],
    ['other.test', '/mcp-b/y', 'any-mcp-b'],
    ['other.test', '/mcp-b/x/y', 'any-mcp-b-x'],
    ['other.test', '/mcp-b?q=/mcp-b/x', 'any-mcp-b'],
    ['one.test', '/', 'two-routes'],
    ['two.test', '/', 'two-routes'],
    ['other.test', '/.well-known/oauth-protected-resource/mcp-b', 'any-mcp-b'],
    ['other.test', '/.well-known/oauth-protected-resource/mcp-b/x', 'any-mcp-b-x'],
    ['other.test', '/.well-known/oauth-authorization-server/mcp-b', 'any-mcp-b'],
    ['other.test', '/.well-known/openid-configuration/mcp-b', 'any-mcp-b'],
    ['other.test', '/mcp-b/.well-known/openid-configuration', 'any-mcp-b'],
    ['a.example', '/.well-known/oauth-protected-resource/mcp', 'exact'],
  ]) {
    test(`${host}${path} goes to ${name}`, async () => {
      const answer = await send(balancer, get(path, { host }), { method: 'GET' });
      assert.equal(answer.text, name);
      assert.equal(answer.get('X-Target'), path);
    });
  }

  for (const [host, path] of [
    ['other.test', '/'],
    ['other.test', '/mcp'],
    ['example', '/'],
    ['listener.test', '/'],
  ]) {
    test(`${host}${path} has no route: 404 -31016`, async () => {
      const answer = await send(balancer, post(call('r'), { target: path, host }));
      assertOwnReply(answer, { status: 404, reason: 'no_route', code: -31016, id: 'r' });
    });
  }

  test('an absolute target is routed by the host that it names', async () => {
    assert.equal(
      (await send(balancer, get('http://a.example/mcp', { host: 'other.test' }), { method: 'GET' }))
        .text,
      'exact',
    );
  });

  for (const [target, stripped] of [
    ['/api/mcp', '/mcp'],
    ['/api/mcp?x=/api/y', '/mcp?x=/api/y'],
    ['/api', '/'],
    ['/api/', '/'],
    ['/api?x', '/?x'],
  ]) {
    test(`strip_prefix makes ${stripped} of ${target}`, async () => {
      const answer = await send(balancer, get(target, { host: 'other.test' }), { method: 'GET' });
      assert.equal(answer.get('X-Target'), stripped);
    });
  }

  test('strip_prefix is put back into the endpoint event of 2024-11-05', async () => {
    const one = started.find(({ name }) => name === 'strip');
    one.script = async (seen, connection) => {
      if (seen.method !== 'GET') return connection.send(reply(202, { body: seen.target }));
      await connection.send(sseHead());
      return connection.send(chunk('event: endpoint\ndata: /messages?sessionId=p-1\n\n'));
    };
    await RawClient.with(balancer.url, async (client) => {
      client.send(
        get('/api/sse', { host: 'other.test', headers: [['Accept', 'text/event-stream']] }),
      );
      const answer = await client.open({ method: 'GET' });
      await answer.body.until('\n\n');
      assert.equal(answer.body.text, 'event: endpoint\ndata: /api/messages?sessionId=p-1\n\n');
      const posted = await send(
        balancer,
        post(ask('ping', 1), { target: '/api/messages?sessionId=p-1', host: 'other.test' }),
      );
      assert.equal(posted.text, '/messages?sessionId=p-1');
    });
    one.script = naming('strip');
  });

  test('a route may be for one listener only', async () => {
    const second = addressOf(balancer, 'second');
    assert.equal(
      (await send(`http://${second}`, get('/', { host: 'listener.test' }), { method: 'GET' })).text,
      'second',
    );
  });

  test('routes without a listener hold for all of them', async () => {
    const second = addressOf(balancer, 'second');
    assert.equal(
      (await send(`http://${second}`, get('/', { host: 'a.example' }), { method: 'GET' })).text,
      'exact',
    );
  });

  test('a unix socket is a listener', async () => {
    await RawClient.with({ path: join(directory, 'l.sock') }, async (client) => {
      const answer = await client.exchange(get('/', { host: 'a.example' }), { method: 'GET' });
      assert.equal(answer.text, 'exact');
    });
  });
});

describe('sessions and routes', () => {
  test('a session of one pool is unknown in another', async () => {
    const sessions = { on_backend_loss: 'not_found', on_unknown: 'not_found' };
    const balancer = await balancerOf([
      {
        name: 'one',
        ...CALM,
        sessions,
        routes: [{ path: '/one' }],
        backends: [{ url: (await backend('a')).url }],
      },
      {
        name: 'two',
        ...CALM,
        sessions,
        routes: [{ path: '/two' }],
        backends: [{ url: (await backend('b')).url }],
      },
    ]);
    const session = (await send(balancer, post(initialize(), { target: '/one' }))).get(
      'Mcp-Session-Id',
    );
    assertFromBackend(await send(balancer, post(ask('ping', 1), { target: '/one', session })));
    assertOwnReply(await send(balancer, post(ask('ping', 1), { target: '/two', session })), {
      status: 404,
      reason: 'session_unknown',
      code: -32001,
    });
  });
});

describe('max_per_backend', () => {
  test('full backends get no new session, and one that has room again does', async () => {
    const servers = [await backend('a'), await backend('b')];
    const balancer = await balancerOf([
      pool(servers, { sessions: { max_per_backend: 1, on_unknown: 'not_found' } }),
    ]);
    const owners = await times(2, async () => {
      const answer = await send(balancer, post(initialize()));
      assertFromBackend(answer);
      return answer.get('Mcp-Session-Id');
    });
    assert.deepEqual(owners.map((id) => id[0]).sort(), ['a', 'b']);
    const refused = { status: 503, reason: 'overloaded', code: -31014 };
    assertOwnReply(await send(balancer, post(initialize())), refused);
    assertFromBackend(await send(balancer, post(ask('ping', 1), { session: owners[0] })));
    assertFromBackend(
      await send(balancer, request('DELETE', '/mcp', { headers: [['Mcp-Session-Id', owners[0]]] })),
    );
    const next = await send(balancer, post(initialize()));
    assertFromBackend(next);
    assert.equal(next.get('Mcp-Session-Id')[0], owners[0][0]);
  });
});

describe('health', () => {
  const quick = { interval: '100ms', timeout: '500ms', rise: 2, fall: 2 };

  const usable = (balancer, count) =>
    poll(
      async () => (await adminJson(balancer, '/health')).json.pools[0].backends.usable === count,
      `${count} usable backends`,
    );

  test('a tcp check takes a backend out and back in', async () => {
    const [a, b] = [await backend('a'), await backend('b')];
    const balancer = await balancerOf({
      name: 'default',
      health: { check: 'tcp', ...quick },
      backends: [
        { url: a.url, id: 'a' },
        { url: b.url, id: 'b' },
      ],
    });
    await usable(balancer, 2);
    await b.stop();
    await usable(balancer, 1);
    assert.deepEqual(tally(await times(6, (n) => nameOf(balancer, post(call(n))))), { a: 6 });
    await b.listen();
    await usable(balancer, 2);
    assert.deepEqual(tally(await times(6, (n) => nameOf(balancer, post(call(n))))), { a: 3, b: 3 });
  });

  test('a disabled port does not stop the start', async () => {
    const balancer = await balancerOf(pool([{ url: `http://127.0.0.1:${await reservedPort()}` }]));
    assertOwnReply(await send(balancer, post(modern('tools/list', 1))), {
      status: 503,
      reason: 'no_backend',
      code: -31010,
      id: 1,
    });
    assertOwnReply(await send(balancer, request('DELETE', '/mcp'), { method: 'DELETE' }), {
      status: 503,
      reason: 'no_backend',
    });
  });
});
