// Probes, signals and logs.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { CALM, configOf, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import {
  call,
  chunk,
  event,
  get,
  initialize,
  initializeResult,
  json,
  post,
  reply,
  sseHead,
} from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { Folder, Process } from './lib/process.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { answerOk, ScriptedBackend } from './lib/scripted_backend.mjs';
import { pause, poll } from './lib/waiting.mjs';

let folder;
let backend;
const running = [];

before(async () => {
  folder = new Folder();
  backend = await ScriptedBackend.start();
});

beforeEach(() => {
  backend.script = answerOk;
  backend.clear();
});

afterEach(() => stopAll(running.splice(0)));

after(async () => {
  folder.remove();
  await backend.stop();
});

async function start(settings = {}, pools = pool(backend), options = {}) {
  const file = folder.file(`run-${Math.random()}.yaml`, configOf(pools, settings));
  const one = new Process(['run', '-c', file], options);
  running.push(one);
  one.url = `http://${await one.address('main')}`;
  one.adminUrl = `http://${await one.address('admin')}`;
  return one;
}

const admin = (one, path) =>
  RawClient.with(one.adminUrl, (client) =>
    client.exchange(get(path, { host: 'localhost', headers: [['Connection', 'close']] }), {
      method: 'GET',
    }),
  );
const send = (one, data, options) =>
  RawClient.with(one.url, (client) => client.exchange(data, options));

describe('probes', () => {
  test('/health describes the balancer', async () => {
    const one = await start({ instance: 'tester' });
    const answer = await poll(async () => {
      const seen = await admin(one, '/health');
      return seen.status === 200 && seen;
    }, '/health to be 200');
    assert.match(answer.get('Content-Type'), /^application\/json/);
    const health = answer.body.json;
    assert.equal(health.status, 'healthy');
    assert.equal(health.instance, 'tester');
    assert.equal(typeof health.version, 'string');
    assert.equal(typeof health.uptime_seconds, 'number');
    assert.equal(health.active_sessions, 0);
    assert.equal(health.pools.length, 1);
  });

  for (const path of ['/health/live', '/health/ready']) {
    test(`${path} is 200 while all is well`, async () => {
      const one = await start();
      await poll(async () => (await admin(one, path)).status === 200, `${path} to be 200`);
    });
  }

  test('/health counts sessions', async () => {
    backend.script = (seen, connection) =>
      connection.send(
        json(initializeResult(), { headers: [['Mcp-Session-Id', `h-${Math.random()}`]] }),
      );
    const one = await start();
    await send(one, post(initialize()));
    await send(one, post(initialize()));
    await poll(
      async () => (await admin(one, '/health')).body.json.active_sessions === 2,
      'two sessions',
    );
  });

  test('/health is 503 and unhealthy when no backend is up', async () => {
    const gone = await ScriptedBackend.start();
    await gone.stop();
    const one = await start(
      {},
      {
        name: 'default',
        health: { interval: '50ms', timeout: '200ms', fall: 1 },
        backends: [{ url: gone.url }],
      },
    );
    await poll(async () => {
      const answer = await admin(one, '/health');
      return answer.status === 503 && answer.body.json.status === 'unhealthy';
    }, '/health to be 503');
    assert.equal((await admin(one, '/health/live')).status, 200);
  });

  test('without the token only the probes answer', async () => {
    const file = folder.file(
      'token.yaml',
      configOf(pool(backend), { admin: { address: '127.0.0.1:0', token: 'sesame-sesame-sesame' } }),
    );
    const one = new Process(['run', '-c', file]);
    running.push(one);
    one.adminUrl = `http://${await one.address('admin')}`;
    assert.equal((await admin(one, '/health')).status, 200);
    assert.equal((await admin(one, '/health/ready')).status, 200);
    assert.equal((await admin(one, '/config')).status, 401);
    assert.equal((await admin(one, '/metrics')).status, 401);
    const answer = await RawClient.with(one.adminUrl, (client) =>
      client.exchange(
        get('/config', {
          host: 'localhost',
          headers: [['Authorization', 'Bearer sesame-sesame-sesame']],
        }),
        { method: 'GET' },
      ),
    );
    assert.equal(answer.status, 200, 'the token opens the door');
    assert.doesNotMatch(answer.text, /sesame/);
  });
});

describe('SIGTERM', () => {
  test('ends an idle balancer with exit code 0', async () => {
    const one = await start();
    one.signal('SIGTERM');
    assert.deepEqual(await one.ended(4000), { code: 0, signal: null });
  });

  test('SIGINT does the same', async () => {
    const one = await start();
    one.signal('SIGINT');
    assert.deepEqual(await one.ended(4000), { code: 0, signal: null });
  });

  test('turns ready to 503 first, while requests are still accepted', async () => {
    const one = await start({ shutdown_delay: '600ms', shutdown_timeout: '2s' });
    one.signal('SIGTERM');
    await poll(async () => (await admin(one, '/health/ready')).status === 503, 'ready to be 503', {
      every: 10,
    });
    assert.equal((await admin(one, '/health/live')).status, 200);
    assertFromBackend(await send(one, post(call(1))));
    assert.deepEqual(await one.ended(), { code: 0, signal: null });
  });

  test('lets a request in flight finish', async () => {
    let finish;
    backend.script = async (seen, connection) => {
      await new Promise((resolve) => {
        finish = resolve;
      });
      await answerOk(seen, connection);
    };
    const one = await start({ shutdown_timeout: '5s' });
    await RawClient.with(one.url, async (client) => {
      client.send(post(call(1)));
      await backend.request();
      one.signal('SIGTERM');
      await poll(
        () =>
          RawClient.connect(one.url).then(
            (late) => late.destroy() ?? false,
            () => true,
          ),
        'accepting to stop',
      );
      assert.equal(one.exit, null);
      finish();
      const answer = await client.reply();
      assertFromBackend(answer);
      assert.match(answer.get('Connection') ?? '', /close/i);
      await client.closed();
    });
    assert.deepEqual(await one.ended(), { code: 0, signal: null });
  });

  test('closes idle keep-alive connections', async () => {
    const one = await start({ shutdown_timeout: '5s' });
    await RawClient.with(one.url, async (client) => {
      assertFromBackend(await client.exchange(post(call(1))));
      one.signal('SIGTERM');
      assert.equal(await client.closed(), 'fin');
    });
    assert.deepEqual(await one.ended(4000), { code: 0, signal: null });
  });

  test('ends event streams at an event boundary', async () => {
    backend.script = async (seen, connection) => {
      await connection.send(sseHead());
      await connection.send(chunk(event({ n: 1 })));
    };
    const one = await start({ shutdown_timeout: '2s' }, pool(backend, { heartbeat: '0s' }));
    const clients = await Promise.all(
      [1, 2, 3].map(async () => {
        const client = await RawClient.connect(one.url);
        client.send(get('/mcp', { headers: [['Accept', 'text/event-stream']] }));
        const answer = await client.open({ method: 'GET' });
        await answer.body.until(event({ n: 1 }));
        return answer.body;
      }),
    );
    one.signal('SIGTERM');
    for (const body of clients) {
      await body.finish();
      assert.equal(body.done, true, 'the stream ends cleanly');
      assert.equal(body.text, event({ n: 1 }));
    }
    assert.deepEqual(await one.ended(), { code: 0, signal: null });
  });

  test('a stream in the middle of an event is not ended there cleanly', async () => {
    let connection;
    backend.script = async (seen, where) => {
      connection = where;
      await where.send(sseHead());
      await where.send(chunk(event('first')));
      await where.send(chunk('data: ha'));
    };
    const one = await start({ shutdown_timeout: '2s' }, pool(backend, { heartbeat: '0s' }));
    await RawClient.with(one.url, async (client) => {
      client.send(get('/mcp', { headers: [['Accept', 'text/event-stream']] }));
      const answer = await client.open({ method: 'GET' });
      await answer.body.until('data: ha');
      one.signal('SIGTERM');
      await pause(200);
      await connection.send(chunk('lf\n\n'));
      await answer.body.finish();
      if (answer.body.done) assert.equal(answer.body.text, `${event('first')}data: half\n\n`);
    });
    assert.deepEqual(await one.ended(), { code: 0, signal: null });
  });

  test('does not wait longer than shutdown_timeout', async () => {
    backend.script = () => {};
    const one = await start({ shutdown_timeout: '500ms' });
    await RawClient.with(one.url, async (client) => {
      client.send(post(call(1)));
      await backend.request();
      const started = Date.now();
      one.signal('SIGTERM');
      assert.equal((await one.ended(5000)).signal, null);
      assert.ok(Date.now() - started < 3000);
    });
  });

  test('a second signal ends at once', async () => {
    backend.script = () => {};
    const one = await start({ shutdown_timeout: '20s' });
    await RawClient.with(one.url, async (client) => {
      client.send(post(call(1)));
      await backend.request();
      one.signal('SIGTERM');
      await poll(
        () =>
          RawClient.connect(one.url).then(
            (late) => late.destroy() ?? false,
            () => true,
          ),
        'accepting to stop',
      );
      assert.equal(one.exit, null);
      one.signal('SIGTERM');
      await one.ended(3000);
    });
  });
});

describe('the access log', () => {
  const KEYS = [
    'instance',
    'request_id',
    'client',
    'pool',
    'backend',
    'era',
    'method',
    'name',
    'session',
    'status',
    'reason',
    'end',
    'bytes_in',
    'bytes_out',
    'wait_us',
    'backend_us',
    'total_us',
    'tries',
  ];
  const lines = (path) =>
    existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];

  test('has a line for each exchange, with all of its keys, as JSON', async () => {
    const path = folder.file('access-json.log');
    const one = await start({ instance: 'tester', log: { format: 'json', access: path } });
    const answer = await send(one, post(call(1, 'secret-free-tool')));
    const [line] = await poll(() => (lines(path).length ? lines(path) : false), 'an access line');
    const entry = JSON.parse(line);
    for (const key of KEYS) assert.ok(key in entry, `${key} in ${line}`);
    assert.match(entry.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/);
    assert.equal(entry.instance, 'tester');
    assert.equal(entry.request_id, answer.get('X-Request-Id'));
    assert.equal(entry.method, 'tools/call');
    assert.equal(entry.name, 'secret-free-tool');
    assert.equal(entry.era, 'legacy');
    assert.equal(entry.pool, 'default');
    assert.equal(Number(entry.status), 200);
    assert.equal(Number(entry.tries), 1);
    assert.match(entry.client, /127\.0\.0\.1/);
  });

  test('has the same keys as text', async () => {
    const path = folder.file('access-text.log');
    const one = await start({ log: { format: 'text', access: path } });
    await send(one, post(call(1)));
    const [line] = await poll(() => (lines(path).length ? lines(path) : false), 'an access line');
    for (const key of ['instance', 'request_id', 'pool', 'status', 'total_us', 'tries'])
      assert.match(line, new RegExp(`\\b${key}=`));
    assert.match(line, /\bstatus=200\b/);
  });

  test('names no session id, no token and no body', async () => {
    const path = folder.file('access-secret.log');
    const session = 'session-id-in-clear-0123456789';
    backend.script = (seen, connection) =>
      seen.message.method === 'initialize'
        ? connection.send(json(initializeResult(), { headers: [['Mcp-Session-Id', session]] }))
        : answerOk(seen, connection);
    const one = await start({ log: { format: 'json', access: path, level: 'debug' } });
    await send(one, post(initialize()));
    await send(
      one,
      post(call(2, 'echo', { text: 'words-of-the-body' }), {
        session,
        headers: [['Authorization', 'Bearer token-in-clear']],
      }),
    );
    await poll(() => lines(path).length >= 2, 'two access lines');
    const entry = JSON.parse(lines(path)[1]);
    assert.ok(entry.session, 'the session is there, hashed');
    for (const text of [readFileSync(path, 'utf8'), one.output]) {
      for (const secret of [session, 'token-in-clear', 'words-of-the-body'])
        assert.ok(!text.includes(secret), `${secret} in ${text}`);
    }
  });

  test('has a line for a refused request with its reason', async () => {
    const path = folder.file('access-refused.log');
    const one = await start({ log: { format: 'json', access: path } });
    assertOwnReply(await send(one, post('{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}')), {
      status: 400,
      reason: 'bad_request',
    });
    await poll(
      () => lines(path).some((line) => JSON.parse(line).reason === 'bad_request'),
      'the line with its reason',
    );
  });

  test('writes hostile bytes escaped, one line an exchange', async () => {
    const path = folder.file('access-hostile.log');
    const one = await start({ log: { format: 'text', access: path } });
    await send(
      one,
      post({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'a\nstatus=999 \u001b[31m"', arguments: {} },
      }),
    );
    await poll(() => lines(path).length >= 1, 'an access line');
    assert.equal(lines(path).length, 1);
    assert.ok(!lines(path)[0].includes('\u001b'));
  });

  test('goes to stdout when asked to', async () => {
    const one = await start({ log: { format: 'text', access: 'stdout' } });
    const answer = await send(one, post(call(1)));
    await one.until(
      () => one.stdout.includes(answer.get('X-Request-Id')),
      'the access line on stdout',
    );
  });

  test('is opened again on SIGUSR1', async () => {
    const path = folder.file('access-rotate.log');
    const moved = folder.file('access-rotate.log.1');
    const one = await start({ log: { format: 'json', access: path } });
    await send(one, post(call('before')));
    await poll(() => lines(path).length === 1, 'the first line');
    renameSync(path, moved);
    one.signal('SIGUSR1');
    await poll(() => existsSync(path), 'the new file');
    const answer = await send(one, post(call('after')));
    await poll(
      () => lines(path).some((line) => line.includes(answer.get('X-Request-Id'))),
      'the line in the new file',
    );
    assert.equal(lines(moved).length, 1);
  });
});

test('a balancer that is told to stop in any state says nothing about leaks or races', async () => {
  const one = await startBalancer({ name: 'default', ...CALM, backends: [{ url: backend.url }] });
  assertFromBackend(await RawClient.with(one.url, (client) => client.exchange(post(call(1)))));
  backend.script = (seen, connection) => connection.send(reply(200, { body: 'x' }));
  await one.stop();
});
