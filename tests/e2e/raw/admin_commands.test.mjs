// What operators may ask of a running instance: over the admin API, and by the commands that use it.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { change, command, JSON_TYPE } from './lib/admin.mjs';
import { adminJson, logText, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { ask, call, initialize, post, sseHead } from './lib/bytes.mjs';
import { assertFromBackend } from './lib/claims.mjs';
import { reservedPort } from './lib/ports.mjs';
import { Process, run } from './lib/process.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { startServers } from './lib/session_servers.mjs';
import { erase, legacyServer, streamGet } from './lib/sessions.mjs';
import { poll } from './lib/waiting.mjs';

const TOKEN = 'raw-command-token';

let backends;
const running = [];

before(async () => {
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

after(() => stopAll(backends));

const SESSIONS = { on_backend_loss: 'not_found', on_unknown: 'not_found' };
const named = () => [
  { url: backends[0].url, id: 'one:1' },
  { url: backends[1].url, id: '[two]' },
];

async function start(settings = {}, pools = pool(named(), { sessions: SESSIONS })) {
  const one = await startBalancer(pools, settings);
  running.push(one);
  one.admin = new URL(one.adminUrl).host;
  return one;
}

const send = (balancer, data, options) =>
  RawClient.with(balancer.url, (client) => client.exchange(data, options));

async function open(balancer) {
  const answer = await send(balancer, post(initialize()));
  assertFromBackend(answer);
  return answer.get('Mcp-Session-Id');
}

const servedBy = async (balancer) => {
  const answer = await send(balancer, post(ask('ping', 1)));
  assertFromBackend(answer);
  return JSON.parse(answer.text).result.by;
};

async function stateOf(balancer, id) {
  const { json } = await adminJson(balancer, '/api/state');
  return json.pools[0].backends.find((backend) => backend.id === id);
}

const audit = (balancer) =>
  logText(balancer)
    .split('\n')
    .filter((line) => /\badmin_command\b/.test(line));

const cli = (balancer, args, env = {}) =>
  run([...args, '--admin', balancer.admin], { env: { MCPLB_ADMIN_TOKEN: '', ...env } });

describe('POST /api/backends/{pool}/{id}/…', () => {
  test('takes a backend out of service and brings it back', async () => {
    const balancer = await start();
    for (const verb of ['drain', 'disable']) {
      const { status, json } = await change(balancer, 'default', 'one:1', verb);
      assert.equal(status, 200);
      const mode = { drain: 'draining', disable: 'disabled' }[verb];
      assert.deepEqual(json, {
        success: true,
        data: {
          pool: 'default',
          backend: 'one:1',
          mode,
          state: mode,
          sessions: 0,
          streams: 0,
          in_flight: 0,
        },
      });
      for (let i = 0; i < 6; i += 1) assert.equal(await servedBy(balancer), 'b');
      assert.equal((await stateOf(balancer, 'one:1')).state, mode);
      assert.equal((await change(balancer, 'default', 'one:1', 'activate')).status, 200);
      const seen = new Set();
      for (let i = 0; i < 6; i += 1) seen.add(await servedBy(balancer));
      assert.deepEqual([...seen].sort(), ['a', 'b']);
    }
  });

  test('finds a backend by whatever its id is', async () => {
    const balancer = await start();
    const answer = await change(balancer, 'default', '[two]', 'drain');
    assert.equal(answer.json.data.backend, '[two]');
    for (let i = 0; i < 4; i += 1) assert.equal(await servedBy(balancer), 'a');
  });

  test('names those that there are when it knows none of that name', async () => {
    const balancer = await start();
    const noPool = await change(balancer, 'nobody', 'one:1', 'drain');
    assert.equal(noPool.status, 404);
    assert.equal(noPool.json.success, false);
    assert.match(noPool.json.message, /no pool nobody: there are default/);
    const noBackend = await change(balancer, 'default', 'three', 'drain');
    assert.equal(noBackend.status, 404);
    assert.match(noBackend.json.message, /no backend three: there are one:1, \[two\]/);
    const { status } = await command(balancer, 'POST', '/api/backends/default/one:1/explode');
    assert.equal(status, 404);
  });

  test('wants POST, JSON, and no page of another site', async () => {
    const balancer = await start();
    const path = '/api/backends/default/one:1/disable';
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await command(balancer, method, path);
      assert.equal(answer.status, 405, method);
      assert.equal(answer.get('Allow'), 'POST');
    }
    const refused = [
      [415, []],
      [415, [['Content-Type', 'text/plain']]],
      [415, [['Content-Type', 'application/x-www-form-urlencoded']]],
      [403, [JSON_TYPE, ['Origin', 'http://evil.example']]],
      [403, [JSON_TYPE, ['Origin', 'null']]],
      [403, [JSON_TYPE, ['Sec-Fetch-Site', 'cross-site']]],
    ];
    for (const [status, headers] of refused) {
      const answer = await command(balancer, 'POST', path, { headers });
      assert.equal(answer.status, status, JSON.stringify(headers));
      assert.equal(typeof answer.json.message, 'string');
    }
    assert.equal((await stateOf(balancer, 'one:1')).mode, 'active');
    const own = [JSON_TYPE, ['Origin', `http://${balancer.admin}`]];
    assert.equal((await command(balancer, 'POST', path, { headers: own })).status, 200);
  });

  test('is not for names that DNS may lead here, while there is no token', async () => {
    const path = '/api/backends/default/one:1/drain';
    const balancer = await start();
    const answer = await RawClient.with(balancer.adminUrl, (client) =>
      client.exchange(
        Buffer.from(
          `POST ${path} HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n` +
            'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
        ),
      ),
    );
    assert.equal(answer.status, 403);
  });

  test('reads no body beyond what a command needs', async () => {
    const balancer = await start();
    const path = '/api/backends/default/one:1/drain';
    const body = 'x'.repeat(70 * 1024);
    const { status } = await command(balancer, 'POST', path, { body });
    assert.equal(status, 413);
    assert.equal((await stateOf(balancer, 'one:1')).mode, 'active');
  });

  test('wants the token, and leaves one line a command, without the token', async () => {
    const balancer = await start({ admin: { address: '127.0.0.1:0', token: TOKEN } });
    const bearer = ['Authorization', `Bearer ${TOKEN}`];
    for (const headers of [[JSON_TYPE], [JSON_TYPE, ['Authorization', 'Bearer wrong']]]) {
      const answer = await change(balancer, 'default', 'one:1', 'drain', { headers });
      assert.equal(answer.status, 401);
    }
    const headers = [JSON_TYPE, bearer];
    assert.equal((await change(balancer, 'default', 'one:1', 'drain', { headers })).status, 200);
    assert.equal((await change(balancer, 'default', 'x', 'drain', { headers })).status, 404);
    await poll(() => audit(balancer).length === 4, 'the audit log');
    const lines = audit(balancer);
    assert.match(lines[0], /command=drain target=default\/one:1 result=refused status=401/);
    assert.match(lines[2], /command=drain target=default\/one:1 result=done status=200/);
    assert.match(lines[2], /peer=127\.0\.0\.1/);
    assert.match(lines[3], /target=default\/x result=refused status=404/);
    assert.ok(!logText(balancer).includes(TOKEN));
  });
});

test('POST /api/reload answers with JSON, whatever it says', async () => {
  const balancer = await start();
  const { status, json } = await command(balancer, 'POST', '/api/reload');
  assert.ok([200, 409, 422].includes(status), String(status));
  assert.equal(json.success, status === 200);
});

describe('GET /api/state', () => {
  test('shows every backend with what it is busy with', async () => {
    const balancer = await start({ instance: 'lb-7' });
    const id = await open(balancer);
    await RawClient.with(balancer.url, async (client) => {
      client.send(streamGet(id));
      await client.open({ method: 'GET' });
      const { status, json } = await adminJson(balancer, '/api/state');
      assert.equal(status, 200);
      assert.equal(json.instance, 'lb-7');
      assert.equal(json.status, 'healthy');
      assert.deepEqual(json.store, { kind: 'memory' });
      const [{ name, backends: shown }] = json.pools;
      assert.equal(name, 'default');
      assert.deepEqual(
        shown.map((backend) => [backend.id, backend.url, backend.state, backend.mode]),
        [
          ['one:1', backends[0].url, 'up', 'active'],
          ['[two]', backends[1].url, 'up', 'active'],
        ],
      );
      const busy = shown.filter(({ sessions }) => sessions === 1);
      assert.equal(busy.length, 1);
      assert.equal(busy[0].streams, 1);
      assert.equal(busy[0].in_flight, 0);
    });
    await poll(
      async () =>
        (await adminJson(balancer, '/api/state')).json.pools[0].backends.every(
          ({ streams }) => streams === 0,
        ),
      'the stream to be over',
    );
    assert.equal((await adminJson(balancer, '/api/state?pool=x')).status, 404);
  });

  test('backends are nodes of a cluster, too', async () => {
    const balancer = await start();
    await change(balancer, 'default', '[two]', 'disable');
    const { json } = await adminJson(balancer, '/api/cluster/nodes');
    assert.equal(json.success, true);
    assert.deepEqual(json.data[1], {
      id: '[two]',
      name: '[two]',
      url: backends[1].url,
      pools: ['default'],
      weight: 1,
      status: 'disabled',
      sessions: 0,
    });
    const active = (await adminJson(balancer, '/api/cluster/nodes?active=true')).json.data;
    assert.deepEqual(
      active.map(({ id }) => id),
      ['one:1'],
    );
    const replicas = await adminJson(balancer, '/api/cluster/servers/default/replicas');
    assert.deepEqual(replicas.json.data, json.data);
    const none = await adminJson(balancer, '/api/cluster/servers/x/replicas');
    assert.equal(none.status, 404);
    assert.equal(none.json.success, false);
  });
});

describe('mcplb status and backends', () => {
  test('print tables, or what the API answers', async () => {
    const balancer = await start({ instance: 'lb-7' });
    await change(balancer, 'default', '[two]', 'drain');
    const status = await cli(balancer, ['status']);
    assert.equal(status.code, 0, status.output);
    assert.match(status.stdout, /^instance +lb-7\n/);
    assert.match(status.stdout, /\nPOOL +STATUS +USABLE +SESSIONS +STREAMS +IN-FLIGHT +REQ\/S +ERR\/S +P99\n/);
    assert.match(status.stdout, /\ndefault +degraded +1\/2 +0 +0 +0 +0.0 +0.0 +-\n/);
    const list = await cli(balancer, ['backends']);
    assert.equal(list.code, 0, list.output);
    const lines = list.stdout.trimEnd().split('\n');
    assert.match(lines[0], /^POOL +BACKEND +URL +STATE +WEIGHT +SESSIONS +STREAMS +IN-FLIGHT/);
    assert.match(lines[1], /^default +one:1 +http:\/\/127\.0\.0\.1:\d+ +up +1 +0 +0 +0 /);
    assert.match(lines[2], /^default +\[two\] +http:\/\/127\.0\.0\.1:\d+ +draining /);
    assert.equal(lines.length, 3);
    const json = JSON.parse((await cli(balancer, ['backends', '--json'])).stdout);
    assert.equal(json.pools[0].backends.length, 2);
    const none = await cli(balancer, ['backends', '--pool', 'x']);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /there is no pool x: there are default/);
  });
});

describe('mcplb drain, activate, disable', () => {
  test('change a backend and say what is left on it', async () => {
    const balancer = await start();
    for (const [verb, mode] of [
      ['drain', 'draining'],
      ['disable', 'disabled'],
      ['activate', 'active'],
    ]) {
      const { code, stdout, output } = await cli(balancer, [verb, 'default/one:1']);
      assert.equal(code, 0, output);
      assert.equal(
        stdout,
        `default/one:1 is ${mode}: 0 sessions, 0 streams, 0 requests left\n`,
      );
      assert.equal((await stateOf(balancer, 'one:1')).mode, mode);
    }
    const json = await cli(balancer, ['drain', 'default/[two]', '--json']);
    assert.equal(JSON.parse(json.stdout).data.mode, 'draining');
  });

  test('take a backend alone when there is one pool', async () => {
    const one = await start();
    assert.equal((await cli(one, ['drain', '[two]'])).code, 0);
    assert.equal((await stateOf(one, '[two]')).mode, 'draining');
    const routed = (name) => ({ ...pool(named()), name, routes: [{ path: `/${name}` }] });
    const two = await start({}, [routed('p'), routed('q')]);
    const unclear = await cli(two, ['drain', 'one:1']);
    assert.equal(unclear.code, 2);
    assert.match(unclear.stderr, /POOL\/one:1/);
    assert.equal((await cli(two, ['drain', 'q/one:1'])).code, 0);
    const { json } = await adminJson(two, '/api/state');
    assert.equal(json.pools[0].backends[0].mode, 'active');
    assert.equal(json.pools[1].backends[0].mode, 'draining');
  });

  test('--wait ends at once when nothing is there, and says so', async () => {
    const balancer = await start();
    const { code, stdout, output } = await cli(balancer, ['drain', 'one:1', '--wait']);
    assert.equal(code, 0, output);
    assert.equal(stdout, '0 sessions, 0 streams, 0 requests left\n');
  });

  test('--wait says what is left, and gives up when its time is over', async () => {
    const [slow] = backends;
    const answers = legacyServer(slow);
    slow.script = (seen, connection) =>
      seen.message?.method === 'tools/call' ? undefined : answers(seen, connection);
    const balancer = await start({}, pool(named()[0], { sessions: SESSIONS }));
    await RawClient.with(balancer.url, async (client) => {
      client.send(post(call(1)));
      await poll(async () => (await stateOf(balancer, 'one:1')).in_flight === 1, 'the request');
      const args = ['drain', 'one:1', '--wait', '--timeout', '1s'];
      const { code, stdout, stderr } = await cli(balancer, args);
      assert.equal(code, 1, stdout + stderr);
      assert.equal(stdout, '0 sessions, 0 streams, 1 request left\n');
      assert.match(stderr, /not empty after 1s/);
    });
    await poll(async () => (await stateOf(balancer, 'one:1')).in_flight === 0, 'its end');
  });

  test('--wait ends when the last session has left', async () => {
    const balancer = await start({}, pool(named()[0], { sessions: SESSIONS }));
    const id = await open(balancer);
    const waiting = new Process(['drain', 'one:1', '--wait', '--admin', balancer.admin]);
    try {
      const seen = await waiting.until(
        (output) => (waiting.exit || output.includes('left')) && output,
        'the first line',
      );
      // Whoever drains may move or delete the session at once.
      if (seen.includes('1 session,')) await send(balancer, erase(id));
      const { code } = await waiting.ended();
      assert.equal(code, 0, waiting.output);
      assert.match(waiting.output, /^0 sessions, 0 streams, 0 requests left$/m);
    } finally {
      if (!waiting.exit) waiting.signal('SIGKILL');
    }
  });

  test('exit with 1 when it cannot be done', async () => {
    const balancer = await start();
    const unknown = await cli(balancer, ['drain', 'default/three']);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /no backend three: there are one:1, \[two\]/);
    const nowhere = `127.0.0.1:${await reservedPort()}`;
    for (const args of [['status'], ['backends'], ['drain', 'p/b'], ['drain', 'b'], ['reload']]) {
      const away = await run([...args, '--admin', nowhere]);
      assert.equal(away.code, 1, args.join(' '));
      assert.match(away.stderr, /is mcplb running/);
    }
  });

  test('exit with 2 when they are called wrongly', async () => {
    for (const args of [
      ['drain'],
      ['activate'],
      ['disable'],
      ['drain', 'a', 'b'],
      ['drain', 'a', '--timeout', '10'],
      ['drain', 'a', '--timeout', 'x'],
      ['activate', 'a', '--wait'],
      ['drain', 'a', '--admin', 'nowhere'],
      ['status', '--pool', 'x'],
      ['reload', 'x'],
      ['--backend', 'http://127.0.0.1:1', 'drain', 'a'],
    ]) {
      const { code, output } = await run(args);
      assert.equal(code, 2, `${args}: ${output}`);
      assert.notEqual(output, '');
    }
  });
});
