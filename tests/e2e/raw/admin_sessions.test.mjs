// What operators see of sessions: the admin API and the commands that ask it.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { adminJson, logText, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { ask, get, initialize, post, request, sseHead } from './lib/bytes.mjs';
import { assertFromBackend } from './lib/claims.mjs';
import { reservedPort } from './lib/ports.mjs';
import { run } from './lib/process.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { Redis } from './lib/redis.mjs';
import { startServers } from './lib/session_servers.mjs';
import { erase, legacyServer, newId, streamGet } from './lib/sessions.mjs';
import { LIMIT, poll } from './lib/waiting.mjs';

const VERSION = '2025-06-18';
const TOKEN = 'raw-test-token';
const HASH = /^[0-9a-f]{12}$/;

let redis;
let backends;
const running = [];

before(async () => {
  redis = await Redis.start();
  backends = await startServers('a', 'b');
});

beforeEach(() => {
  for (const backend of backends) {
    backend.script = legacyServer(backend, {
      answer: ({ method }) => (method === 'GET' ? sseHead() : undefined),
    });
    backend.clear();
  }
});

afterEach(() => stopAll(running.splice(0)));

after(() => stopAll(redis, backends));

const SESSIONS = { on_backend_loss: 'not_found', on_unknown: 'not_found' };

async function start(settings = {}, pools = pool(backends, { sessions: SESSIONS })) {
  const one = await startBalancer(pools, settings);
  running.push(one);
  one.admin = new URL(one.adminUrl).host;
  return one;
}

const send = (balancer, data, options) =>
  RawClient.with(balancer.url, (client) => client.exchange(data, options));

async function open(balancer, target = '/mcp') {
  const answer = await send(balancer, post(initialize(), { target }));
  assertFromBackend(answer);
  return answer.get('Mcp-Session-Id');
}

const ping = (session, headers = []) => post(ask('ping', 1), { session, headers });
const versioned = (session, version = VERSION) =>
  ping(session, [['MCP-Protocol-Version', version]]);

async function listed(balancer, query = '') {
  const { status, json } = await adminJson(balancer, `/api/sessions${query}`);
  assert.equal(status, 200);
  return json;
}

const detailPath = (id) => `/api/cluster/sessions/${encodeURIComponent(id)}`;
async function detail(balancer, id) {
  const { status, json, text } = await adminJson(balancer, detailPath(id));
  assert.equal(status, 200, text);
  assert.equal(json.success, true);
  return json.data;
}

const owners = () => backends.map(({ port }) => `127.0.0.1:${port}`);
const cli = (balancer, args, env = {}) =>
  run([...args, '--admin', balancer.admin], { env: { MCPLB_ADMIN_TOKEN: '', ...env } });

describe('GET /api/sessions', () => {
  test('shows what is open in each session, and no id', async () => {
    const balancer = await start();
    const ids = [await open(balancer), await open(balancer), await open(balancer)];
    assertFromBackend(await send(balancer, versioned(ids[0])));
    await RawClient.with(balancer.url, async (client) => {
      client.send(streamGet(ids[0]));
      await client.open({ method: 'GET' });
      const { text, json } = await adminJson(balancer, '/api/sessions');
      for (const id of ids) assert.ok(!text.includes(id));
      assert.equal(json.total, 3);
      assert.equal(json.next, null);
      assert.equal(json.sessions.length, 3);
      for (const session of json.sessions) {
        assert.match(session.session, HASH);
        assert.equal(session.pool, 'default');
        assert.ok(owners().includes(session.backend));
        assert.equal(session.generation, 1);
        assert.ok(session.age_seconds >= 0 && session.age_seconds < 60);
        assert.equal(typeof session.idle_seconds, 'number');
      }
      const busy = json.sessions.filter(({ streams }) => streams > 0);
      assert.equal(busy.length, 1);
      const { hash, ...figures } = { ...busy[0], hash: busy[0].session };
      assert.equal(figures.streams, 1);
      assert.equal(figures.in_flight, 0);
      assert.equal(figures.protocol, VERSION);
      assert.equal((await detail(balancer, ids[0])).session, hash);
      const quiet = json.sessions.filter(({ streams }) => streams === 0);
      assert.deepEqual(
        quiet.map(({ protocol }) => protocol),
        [null, null],
      );
    });
    await poll(
      async () => (await listed(balancer)).sessions.every(({ streams }) => streams === 0),
      'the stream to be over',
    );
    await send(balancer, erase(ids[1]));
    assert.equal((await listed(balancer)).total, 2);
  });

  test('goes page by page, and by pool', async () => {
    const named = (name, path) => ({
      ...pool(backends, { sessions: SESSIONS }),
      name,
      routes: [{ path }],
    });
    const balancer = await start({}, [named('one', '/one'), named('two', '/two')]);
    const targets = ['/one', '/two', '/one', '/two', '/one'];
    for (const target of targets) await open(balancer, target);
    const seen = [];
    let query = '?limit=2';
    for (let pages = 0; query && pages < 10; pages += 1) {
      const { sessions, next, total } = await listed(balancer, query);
      assert.equal(total, 5);
      seen.push(...sessions);
      query = next && `?limit=2&after=${encodeURIComponent(next)}`;
    }
    assert.equal(seen.length, 5);
    assert.equal(new Set(seen.map(({ session }) => session)).size, 5);
    const two = await listed(balancer, '?pool=two');
    assert.equal(two.total, 2);
    assert.ok(two.sessions.every((session) => session.pool === 'two'));
    for (const [bad, status] of [
      ['?pool=three', 404],
      ['?limit=0', 400],
      ['?limit=1001', 400],
      ['?after=x', 400],
      ['?after=0-0', 400],
    ]) {
      assert.equal((await adminJson(balancer, `/api/sessions${bad}`)).status, status, bad);
    }
  });

  test('is read only', async () => {
    const balancer = await start();
    for (const path of ['/api/sessions', detailPath('x'), '/api/cluster/status']) {
      for (const method of ['POST', 'PUT', 'DELETE']) {
        const answer = await RawClient.with(balancer.adminUrl, (client) =>
          client.exchange(request(method, path, { headers: [['Content-Length', '0']] })),
        );
        assert.equal(answer.status, 405);
        assert.equal(answer.get('Allow'), 'GET, HEAD');
      }
    }
  });

  test('wants the token', async () => {
    const balancer = await start({ admin: { address: '127.0.0.1:0', token: TOKEN } });
    for (const path of ['/api/sessions', detailPath('x'), '/api/cluster/status']) {
      assert.equal((await adminJson(balancer, path)).status, 401);
      const answer = await RawClient.with(balancer.adminUrl, (client) =>
        client.exchange(get(path, { headers: [['Authorization', `Bearer ${TOKEN}`]] }), {
          method: 'GET',
        }),
      );
      assert.notEqual(answer.status, 401);
    }
  });
});

describe('GET /api/cluster/sessions/{id}', () => {
  test('knows a session by the id of its client', async () => {
    for (const backend of backends)
      backend.script = legacyServer(backend, { mint: () => `a/b?c%d&e-${newId()}` });
    const balancer = await start();
    const id = await open(balancer);
    const before = await detail(balancer, id);
    assert.match(before.session, HASH);
    assert.equal(before.pool, 'default');
    assert.ok(owners().includes(before.owner));
    assert.equal(before.nodeId, before.owner);
    assert.equal(before.known, 'memory');
    assert.equal(before.protocol, null);
    assert.equal(before.generation, 1);
    assert.ok(Math.abs(before.last_seen - Date.now() / 1000) < 60);
    // Only what a backend accepts is believed, and only once.
    await send(balancer, versioned(id, 'not-a-version'));
    assert.equal((await detail(balancer, id)).protocol, null);
    await send(balancer, versioned(id));
    assert.equal((await detail(balancer, id)).protocol, VERSION);
    await send(balancer, versioned(id, '2025-11-25'));
    assert.equal((await detail(balancer, id)).protocol, VERSION);
  });

  test('shows a sealed session under the id that its client knows', async () => {
    const sessions = { ...SESSIONS, identity: 'sealed' };
    const balancer = await start(
      { secrets: ['0123456789abcdef0123456789abcdef'] },
      pool(backends, { sessions }),
    );
    const id = await open(balancer);
    await send(balancer, versioned(id));
    const data = await detail(balancer, id);
    assert.equal(data.known, 'memory');
    assert.equal(data.protocol, VERSION);
  });

  test('is 404 for others', async () => {
    const balancer = await start();
    const id = await open(balancer);
    for (const other of [`${id}x`, 'never', 'x'.repeat(2000)]) {
      const { status, json } = await adminJson(balancer, detailPath(other));
      assert.equal(status, 404);
      assert.deepEqual(json, { success: false, error: 'session not found' });
    }
    assert.equal((await adminJson(balancer, '/api/cluster/sessions/%zz')).status, 400);
    assert.ok(!logText(balancer).includes(id));
  });

  test('asks the store for sessions of other balancers', async () => {
    await redis.cli('FLUSHALL');
    const store = { redis: { url: redis.url, prefix: 't' } };
    const affinity = { ...SESSIONS, idle_timeout: '60s' };
    const first = await start({ store }, pool(backends, { sessions: affinity }));
    const second = await start({ store }, pool(backends, { sessions: affinity }));
    const connected = async () => (await adminJson(second, '/health')).json.store.status;
    await poll(async () => (await connected()) === 'connected', 'the store', { limit: 3 * LIMIT });
    const id = await open(first);
    await poll(async () => (await redis.cli('EXISTS', `t:session:default:${id}`)) === 1, 'the id');
    const there = await detail(second, id);
    const here = await detail(first, id);
    assert.equal(there.known, 'store');
    assert.equal(here.known, 'memory');
    assert.equal(there.owner, here.owner);
    assert.equal(there.streams, null);
    assert.equal(there.in_flight, null);
    assert.equal(there.protocol, null);
    assert.ok(Math.abs(there.last_seen - Date.now() / 1000) < 60);
    assert.equal((await adminJson(second, detailPath('never'))).status, 404);
    // The revision reaches the store as well.
    await send(first, versioned(id));
    await poll(async () => (await detail(second, id)).protocol === VERSION, 'the revision', {
      limit: 4 * LIMIT,
    });
    await send(first, erase(id));
    await poll(
      async () => (await adminJson(second, detailPath(id))).status === 404,
      'the session to be gone',
    );
  });

  test('says so when the store cannot be asked', async () => {
    const url = `redis://127.0.0.1:${await reservedPort()}`;
    const balancer = await start({ store: { redis: { url } } });
    const { status, json } = await adminJson(balancer, detailPath('never'));
    assert.equal(status, 503);
    assert.equal(json.success, false);
  });
});

test('GET /api/cluster/status counts', async () => {
  const balancer = await start({ instance: 'lb-9' });
  await open(balancer);
  const { json } = await adminJson(balancer, '/api/cluster/status');
  assert.deepEqual(json, {
    success: true,
    data: {
      enabled: true,
      mode: 'coordinator',
      nodeId: 'lb-9',
      stats: { nodes: 2, activeNodes: 2, servers: 1, sessions: 1 },
    },
  });
});

describe('mcplb sessions', () => {
  test('prints a table, or what the API answers', async () => {
    const balancer = await start();
    const empty = await cli(balancer, ['sessions']);
    assert.equal(empty.code, 0, empty.output);
    assert.equal(empty.stdout, '0 of 0 sessions\n');
    const ids = [await open(balancer), await open(balancer), await open(balancer)];
    const { code, stdout, stderr } = await cli(balancer, ['sessions', '--limit', '2']);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    const lines = stdout.trimEnd().split('\n');
    assert.equal(lines.length, 4);
    assert.match(lines[0], /^SESSION +POOL +BACKEND +PROTOCOL +AGE +IDLE +IN-FLIGHT +STREAMS +GEN/);
    assert.match(lines[1], /^[0-9a-f]{12} +default +127\.0\.0\.1:\d+ +- +\d+s +\d+s +0 +0 +1$/);
    const after = /^2 of 3 sessions; more with --after (\S+)$/.exec(lines[3]);
    assert.ok(after, lines[3]);
    const rest = await cli(balancer, ['sessions', '--after', after[1], '--pool', 'default']);
    assert.equal(rest.stdout.trimEnd().split('\n').length, 3);
    for (const id of ids) assert.ok(!(stdout + rest.stdout).includes(id));
    const json = JSON.parse((await cli(balancer, ['sessions', '--json'])).stdout);
    assert.equal(json.total, 3);
    const none = await cli(balancer, ['sessions', '--pool', 'nobody']);
    assert.equal(none.code, 1);
    assert.equal(none.stdout, '');
    assert.match(none.stderr, /no pool has this name/);
  });

  test('tells what is wrong, and exits with 1', async () => {
    const balancer = await start({ admin: { address: '127.0.0.1:0', token: TOKEN } });
    const fine = await cli(balancer, ['sessions', '--token', TOKEN]);
    assert.equal(fine.code, 0, fine.output);
    assert.equal((await cli(balancer, ['sessions'], { MCPLB_ADMIN_TOKEN: TOKEN })).code, 0);
    for (const token of [[], ['--token', 'wrong']]) {
      const refused = await cli(balancer, ['sessions', ...token]);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /MCPLB_ADMIN_TOKEN/);
      assert.ok(refused.stderr.includes(balancer.admin));
      assert.equal(refused.stdout, '');
    }
    const nowhere = `127.0.0.1:${await reservedPort()}`;
    const away = await run(['sessions', '--admin', nowhere]);
    assert.equal(away.code, 1);
    assert.ok(away.stderr.includes(nowhere));
    assert.match(away.stderr, /is mcplb running/);
    // An MCP port is not the admin API.
    const wrong = await run(['sessions', '--admin', new URL(balancer.url).host]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /admin\.address/);
  });

  test('exits with 2 when it is called wrongly', async () => {
    for (const args of [
      ['sessions', '--limit', '0'],
      ['sessions', '--limit', '1001'],
      ['sessions', '--limit', 'x'],
      ['sessions', '--unknown'],
      ['sessions', '--admin', 'nowhere'],
      ['sessions', '--admin', 'http://127.0.0.1:1'],
      ['sessions', '--admin', '127.0.0.1:1', '--token', 'a b'],
      ['--backend', 'http://127.0.0.1:1', 'sessions'],
      ['session'],
    ]) {
      const { code, output } = await run(args);
      assert.equal(code, 2, `${args}: ${output}`);
      assert.notEqual(output, '');
    }
  });
});

describe('mcplb session', () => {
  test('prints one session', async () => {
    const balancer = await start();
    const id = await open(balancer);
    await send(balancer, versioned(id));
    const { code, stdout, stderr } = await cli(balancer, ['session', id]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^owner +127\.0\.0\.1:\d+$/m);
    assert.match(stdout, /^protocol +2025-06-18$/m);
    assert.match(stdout, /^known from +memory$/m);
    assert.ok(!stdout.includes(id));
    const json = await cli(balancer, ['session', id, '--json']);
    assert.equal(JSON.parse(json.stdout).data.known, 'memory');
  });

  test('exits with 1 when there is none, and does not repeat the id', async () => {
    const balancer = await start();
    const { code, stdout, stderr } = await cli(balancer, ['session', 'secret-id']);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /session not found/);
    assert.ok(!stderr.includes('secret-id'));
    const json = await cli(balancer, ['session', 'secret-id', '--json']);
    assert.equal(json.code, 1);
    assert.equal(JSON.parse(json.stdout).success, false);
  });
});
