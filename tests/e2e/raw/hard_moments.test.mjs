// What goes wrong at the same moment as something else: a stop during an answer, an answer during
// a request, a log that cannot be opened. Each of these was a bug once.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { configOf, pool, stopAll } from './lib/balancer.mjs';
import { ask, call, chunk, event, get, json, lines, LAST_CHUNK, post, reply, sseHead } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { Folder, Process, run } from './lib/process.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { answerOk, ScriptedBackend } from './lib/scripted_backend.mjs';
import { pause, poll } from './lib/waiting.mjs';

const folder = new Folder();
const running = [];
afterEach(() => stopAll(running.splice(0).reverse()));
after(() => folder.remove());

async function backendOf(script) {
  const backend = await ScriptedBackend.start(script);
  running.push(backend);
  return backend;
}

async function start(pools, settings = {}) {
  const file = folder.file(`hard-${Math.random()}.yaml`, configOf(pools, settings));
  const one = new Process(['run', '-c', file]);
  running.push(one);
  one.url = `http://${await one.address('main')}`;
  one.adminUrl = `http://${await one.address('admin')}`;
  return one;
}

// A backend that acts on the first bytes of a connection, before it has read the request.
async function hasty(act) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => act(socket, server));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  running.push({
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        if (server.listening) server.close(() => resolve());
        else resolve();
      }),
  });
  return { url: `http://127.0.0.1:${server.address().port}` };
}

describe('a stop', () => {
  test('lets a call that is answered as an event stream finish with its result', async () => {
    let finish;
    const backend = await backendOf(async (seen, connection) => {
      await connection.send(sseHead());
      await connection.send(chunk(event({ progress: 1 })));
      await new Promise((resolve) => {
        finish = resolve;
      });
      await connection.send(chunk(event({ result: 'done' })));
      await connection.send(LAST_CHUNK);
    });
    const one = await start(pool(backend), { shutdown_timeout: '8s' });
    await RawClient.with(one.url, async (client) => {
      client.send(post(call(1)));
      const answer = await client.open();
      await answer.body.until('progress');
      one.signal('SIGTERM');
      await poll(
        () =>
          RawClient.connect(one.url).then(
            (late) => late.destroy() ?? false,
            () => true,
          ),
        'accepting to stop',
      );
      await pause(100);
      assert.equal(answer.body.done, false, 'the stream is still open');
      finish();
      await answer.body.finish();
      assert.match(answer.body.text, /done/);
    });
    assert.deepEqual(await one.ended(), { code: 0, signal: null });
  });
});

describe('a backend that answers before it has read the request', () => {
  const refusal = reply(413, { body: 'too much for me', headers: [['Connection', 'close']] });
  const large = post(call(1, 'echo', { text: 'x'.repeat(3 * 1024 * 1024) }));

  test('is heard although it reads no more', async () => {
    const backend = await hasty((socket) => {
      socket.pause();
      socket.write(refusal);
    });
    const one = await start(pool([{ url: backend.url }]));
    await RawClient.with(one.url, async (client) => {
      const answer = await client.exchange(large);
      assertFromBackend(answer, 413);
      assert.equal(answer.text, 'too much for me');
    });
  });

  test('is heard although it closes with unread bytes', async () => {
    const backend = await hasty((socket) => {
      socket.pause();
      socket.end(refusal, () => socket.destroy());
    });
    const one = await start(pool([{ url: backend.url }]));
    for (let round = 0; round < 5; round += 1) {
      await RawClient.with(one.url, async (client) => {
        const answer = await client.exchange(large);
        // The reset may overtake the answer on its way; then nobody can know it.
        if (answer.status !== 413) assertOwnReply(answer, { status: 502, reason: 'backend_lost' });
      });
    }
  });
});

test('the outcome is unknown when an earlier try may have been executed', async () => {
  const backend = await hasty((socket, server) => {
    server.close();
    socket.resetAndDestroy();
  });
  const one = await start(pool([{ url: backend.url }]));
  await RawClient.with(one.url, async (client) => {
    assertOwnReply(await client.exchange(post(ask('ping', 1))), {
      status: [502, 503],
      code: [-31010, -31012],
      id: 1,
      outcome: 'unknown',
    });
  });
});

describe('a refusal', () => {
  test('of a POST that broke the framing rules speaks JSON-RPC', async () => {
    const backend = await backendOf();
    const one = await start(pool(backend));
    for (const head of [
      lines('POST /mcp HTTP/1.1', 'Host: a', 'Content-Length: 2', 'Transfer-Encoding: chunked'),
      lines('POST /mcp HTTP/1.1', 'Host: a', 'X: 1', ' folded'),
    ]) {
      await RawClient.with(one.url, async (client) => {
        const answer = await client.exchange(head);
        assertOwnReply(answer, { status: 400, reason: 'bad_request', code: -32600 });
        assert.equal(answer.get('Content-Type'), 'application/json');
        assert.match(answer.get('X-Request-Id') ?? '', /^[0-9a-f]{32}$/);
      });
    }
  });

  test('for a body that is too large carries the request id that the log has', async () => {
    const backend = await backendOf();
    const one = await start(pool(backend), {
      limits: { request_bytes_max: '1KiB' },
      log: { access: 'stdout' },
    });
    await RawClient.with(one.url, async (client) => {
      const answer = await client.exchange(post(call(1, 'echo', { text: 'x'.repeat(2000) })));
      assertOwnReply(answer, { status: 413, reason: 'body_too_large' });
      const id = answer.get('X-Request-Id');
      await one.until((output) => output.includes(`request_id=${id}`), 'the access line');
    });
  });

  test('of connections beyond the limit takes nobody’s place', async () => {
    const backend = await backendOf();
    const one = await start(pool(backend), { limits: { client_connections_max: 2 } });
    const served = [await RawClient.connect(one.url), await RawClient.connect(one.url)];
    for (const client of served) assertFromBackend(await client.exchange(post(call(1))));
    const refused = [await RawClient.connect(one.url), await RawClient.connect(one.url)];
    for (const client of refused)
      assertOwnReply(await client.reply(), { status: 503, reason: 'overloaded', code: -31014 });
    for (const client of served) client.destroy();
    // The refused ones still linger; a new one is served all the same.
    await poll(
      () =>
        RawClient.with(one.url, async (client) => {
          const answer = await client.exchange(post(call(2)));
          return answer.status === 200;
        }),
      'a new client to be served',
      { limit: 1500 },
    );
    for (const client of refused) client.destroy();
  });
});

test('comments before the first event of a stream pass at once', async () => {
  let connection;
  const backend = await backendOf(async (seen, where) => {
    connection = where;
    await where.send(sseHead());
    await where.send(chunk(': first\n\n'));
  });
  const one = await start(pool(backend, { heartbeat: '0s' }));
  await RawClient.with(one.url, async (client) => {
    client.send(get('/sse', { headers: [['Accept', 'text/event-stream']] }));
    const answer = await client.open({ method: 'GET' });
    await answer.body.until(': first\n\n');
    await connection.send(chunk('event: e'));
    await connection.send(LAST_CHUNK);
    await answer.body.finish();
    assert.equal(answer.body.text, ': first\n\nevent: e', 'nothing that was held is lost');
  });
});

test('behind a trusted proxy the client that it names is the client', async () => {
  const backends = [await backendOf(), await backendOf(), await backendOf()];
  const one = await start(
    pool(backends, { balance: 'session_hash', hash_on: 'client_ip' }),
    { trusted_proxies: ['127.0.0.0/8'], log: { access: 'stdout' } },
  );
  await RawClient.with(one.url, async (client) => {
    for (let n = 0; n < 30; n += 1) {
      const headers = [['X-Forwarded-For', `10.1.1.1, 192.0.2.${n}, 127.0.0.9`]];
      assertFromBackend(await client.exchange(post(ask('ping', n), { headers })));
    }
  });
  assert.ok(backends.filter(({ requests }) => requests.length > 0).length > 1, 'spread by client');
  await one.until((output) => output.includes('client=192.0.2.29'), 'the client in the log');
});

describe('an access log', () => {
  test('that cannot be opened stops the start', async () => {
    const config = configOf(pool([{ url: 'http://127.0.0.1:1' }]), {
      log: { access: join(folder.path, 'nowhere', 'access.log') },
    });
    const ended = await run(['run', '-c', folder.file('nolog.yaml', config)]);
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /log\.access: .*nowhere.*cannot be opened/);
  });

  test('goes on in the old file when the new one cannot be opened, and moves when it can', async () => {
    const place = join(folder.path, 'logs');
    mkdirSync(place);
    const backend = await backendOf(answerOk);
    const one = await start(pool(backend), { log: { access: join(place, 'access.log') } });
    renameSync(place, `${place}.old`);
    one.signal('SIGUSR1');
    await one.until((output) => output.includes('access_log_failed'), 'the failure to be told');
    const ask1 = () =>
      RawClient.with(one.url, async (client) => assertFromBackend(await client.exchange(post(call(1)))));
    await ask1();
    const old = join(`${place}.old`, 'access.log');
    await poll(() => readFileSync(old, 'utf8').includes('status=200'), 'a line in the old file');
    mkdirSync(place);
    one.signal('SIGUSR1');
    await poll(() => existsSync(join(place, 'access.log')), 'the new file');
    await ask1();
    await poll(
      () => readFileSync(join(place, 'access.log'), 'utf8').includes('status=200'),
      'a line in the new file',
    );
  });

  test('shows no task ids, credentials or query strings', async () => {
    const backend = await backendOf((seen, connection) => connection.send(json({ ok: true })));
    const one = await start(pool(backend), { log: { access: 'stdout' } });
    await RawClient.with(one.url, async (client) => {
      await client.exchange(post(ask('tasks/get', 1, { taskId: 'task-SECRET' })));
      await client.exchange(
        post(ask('resources/read', 2, { uri: 'https://user:SECRET@h.example/doc?token=SECRET' })),
      );
    });
    await one.until((output) => output.includes('https://h.example/doc'), 'the access lines');
    assert.doesNotMatch(one.output, /SECRET/);
  });
});
