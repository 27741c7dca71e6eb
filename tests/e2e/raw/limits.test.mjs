// Limits in bytes, lines and time, of what a client may send.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { bytes, call, get, request } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';
import { pause } from './lib/waiting.mjs';

const BODY = JSON.stringify(call(1));

let backend;
let balancer;

before(async () => {
  backend = await ScriptedBackend.start();
  balancer = await startBalancer(pool(backend, { timeouts: { request_body: '300ms' } }), {
    limits: {
      head_bytes_max: '4KiB',
      headers_max: 20,
      request_bytes_max: '64KiB',
      head_timeout: '300ms',
      client_idle_timeout: '400ms',
    },
  });
});

after(() => stopAll(balancer, backend));

// A POST whose framing lines and body are given.
const framed = (framing, body) =>
  bytes(
    `POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${[framing]
      .flat()
      .map((line) => `${line}\r\n`)
      .join('')}\r\n${body}`,
  );
const chunkedPost = (body) => framed('Transfer-Encoding: chunked', body);

async function limited(data, expected, { open = false } = {}) {
  const before = backend.bytesReceived;
  await RawClient.with(balancer.url, async (client) => {
    const answer = await client.exchange(data);
    assertOwnReply(answer, expected);
    if (!open) await client.ending();
  });
  assert.equal(backend.bytesReceived, before, 'the backend saw bytes of it');
}

const fields = (count) => Array.from({ length: count }, (_, at) => [`X-${at}`, 'v']);

for (const [what, data] of [
  ['a long value', get('/x', { headers: [['X-Long', 'v'.repeat(5000)]] })],
  ['a long target', get(`/${'x'.repeat(5000)}`)],
  ['a long name', get('/x', { headers: [['X'.repeat(5000), 'v']] })],
  ['many small lines', get('/x', { headers: fields(19).map(([name]) => [name, 'v'.repeat(300)]) })],
  ['a head without an end', bytes(`GET /x HTTP/1.1\r\nX: ${'v'.repeat(5000)}`)],
]) {
  test(`a head over head_bytes_max by ${what} gets 431`, () =>
    limited(data, {
      status: what === 'a long target' ? [431, 414] : 431,
      reason: 'head_too_large',
    }));
}

test('more header lines than headers_max get 431', () =>
  limited(get('/x', { headers: fields(40) }), { status: 431, reason: 'head_too_large' }));

test('a head within the limits passes', async () => {
  await RawClient.with(balancer.url, async (client) => {
    assertFromBackend(
      await client.exchange(get('/x', { headers: [...fields(15), ['X-Long', 'v'.repeat(3000)]] }), {
        method: 'GET',
      }),
    );
  });
});

test('a Content-Length over request_bytes_max gets 413 before the body is sent', () =>
  limited(framed(`Content-Length: ${64 * 1024 + 1}`, ''), {
    status: 413,
    reason: 'body_too_large',
    code: -32600,
  }));

test('a Content-Length over request_bytes_max with Expect gets 413 and no 100', async () => {
  await RawClient.with(balancer.url, async (client) => {
    client.send(framed(['Content-Length: 70000', 'Expect: 100-continue'], ''));
    const answer = await client.reply();
    assertOwnReply(answer, { status: 413, reason: 'body_too_large', code: -32600 });
    assert.deepEqual(answer.informational, []);
  });
});

test('a chunked body that grows over request_bytes_max gets 413', () =>
  limited(chunkedPost(`12000\r\n${'x'.repeat(0x12000)}\r\n0\r\n\r\n`), {
    status: 413,
    reason: 'body_too_large',
    code: -32600,
  }));

test('many chunks that add up over request_bytes_max get 413', () =>
  limited(chunkedPost(`1000\r\n${'x'.repeat(0x1000)}\r\n`.repeat(18)), {
    status: 413,
    reason: 'body_too_large',
    code: -32600,
  }));

test('a client that sends its large body first still reads the 413', async () => {
  await RawClient.with(balancer.url, async (client) => {
    client.send(framed('Content-Length: 200000', 'x'.repeat(200_000)));
    assertOwnReply(await client.reply(), { status: 413, reason: 'body_too_large', code: -32600 });
  });
});

test('a body of exactly request_bytes_max passes', async () => {
  await RawClient.with(balancer.url, async (client) => {
    assertFromBackend(
      await client.exchange(request('POST', '/upload', { body: 'x'.repeat(64 * 1024) })),
    );
  });
  assert.equal(backend.last.body.length, 64 * 1024);
});

test('a head that stalls gets 408 and the connection closed', async () => {
  await RawClient.with(balancer.url, async (client) => {
    client.send('GET /x HTTP/1.1\r\nHost: a\r\nX-');
    assert.equal((await client.reply({ method: 'GET' })).status, 408);
    await client.closed();
  });
});

test('a head that drips does not extend its deadline', async () => {
  await RawClient.with(balancer.url, async (client) => {
    client.send('GET /x HTTP/1.1\r\nHost: a\r\n');
    let stop = false;
    const drip = (async () => {
      for (let at = 0; at < 100 && !stop; at += 1) {
        client.send(`X-${at}: y\r\n`);
        await pause(60);
      }
    })();
    const started = Date.now();
    const answer = await client.reply({ method: 'GET', limit: 2500 });
    stop = true;
    await drip;
    assert.equal(answer.status, 408);
    assert.ok(Date.now() - started < 2000);
  });
});

test('a body that stalls gets 408 and the connection closed', async () => {
  const seen = backend.bytesReceived;
  await RawClient.with(balancer.url, async (client) => {
    client.send(framed('Content-Length: 100', 'half'));
    assert.equal((await client.reply()).status, 408);
    await client.closed();
  });
  assert.equal(backend.bytesReceived, seen);
});

test('a slow body that keeps coming is served', async () => {
  await RawClient.with(balancer.url, async (client) => {
    client.send(framed('Content-Length: 6', ''));
    for (const letter of 'slowly') {
      await pause(100);
      client.send(letter);
    }
    assertFromBackend(await client.reply());
  });
  assert.equal(backend.last.text, 'slowly');
});

test('an idle keep-alive connection is closed without a byte', async () => {
  await RawClient.with(balancer.url, async (client) => {
    assertFromBackend(await client.exchange(get('/x'), { method: 'GET' }));
    await client.silent(200);
    assert.equal(await client.closed({ limit: 2500 }), 'fin');
  });
});

test('an unknown expectation is refused', () =>
  limited(
    framed(['Expect: 200-fine', `Content-Length: ${BODY.length}`], BODY),
    { status: [400, 417], reason: 'bad_request' },
    { open: true },
  ));

test('a client that stops in the middle of a body reaches no backend', async () => {
  const seen = backend.bytesReceived;
  await RawClient.with(balancer.url, async (client) => {
    client.send(framed('Content-Length: 100', 'half')).halfClose();
    await client.ending();
  });
  assert.equal(backend.bytesReceived, seen);
});

test('a client that stops in the middle of a chunk reaches no backend', async () => {
  const seen = backend.bytesReceived;
  await RawClient.with(balancer.url, async (client) => {
    client.send(chunkedPost('5\r\nhel')).halfClose();
    await client.ending();
  });
  assert.equal(backend.bytesReceived, seen);
});

test('what reached the backend was well formed', () => backend.assertSound());
