// Bytes on their way: streams, large bodies, back-pressure, heartbeats, and who leaves first.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { pool, startBalancer, stopAll } from './lib/balancer.mjs';
import {
  ask,
  bytes,
  call,
  chunk,
  chunked,
  event,
  get,
  json,
  LAST_CHUNK,
  lines,
  post,
  request,
  sseHead,
} from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { answerOk, ScriptedBackend } from './lib/scripted_backend.mjs';
import { pause } from './lib/waiting.mjs';

const MiB = 1024 * 1024;
const sha = (data) => createHash('sha256').update(data).digest('hex');

let backend;
let balancer;

// Pools by path over the same backend: /quiet never beats, /short has short timeouts.
before(async () => {
  backend = await ScriptedBackend.start();
  balancer = await startBalancer([
    pool(backend, { heartbeat: '100ms' }),
    pool(backend, { name: 'quiet', routes: [{ path: '/quiet' }], heartbeat: '0s' }),
    pool(backend, {
      name: 'short',
      routes: [{ path: '/short' }],
      heartbeat: '0s',
      timeouts: { response_head: '400ms', stream_idle: '500ms' },
    }),
  ]);
});

after(() => stopAll(balancer, backend));

beforeEach(() => {
  backend.script = answerOk;
  backend.onHead = undefined;
  backend.clear();
});

const quiet = { target: '/quiet' };
const stream = (target = '/quiet') => get(target, { headers: [['Accept', 'text/event-stream']] });

// A gate that a backend's script waits at until the test opens it.
function gate() {
  let open;
  const passed = new Promise((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

// Sends `data` to mcplb and hands the open reply to `use`, with the backend's side of it.
async function streaming(data, script, use, options = {}) {
  backend.script = (seen, connection) => script(connection, seen);
  await RawClient.with(balancer.url, async (client) => {
    client.send(data);
    const { connection } = await backend.request();
    const answer = options.headless
      ? undefined
      : await client.open({ method: options.method ?? 'GET' });
    await use({ client, connection, answer, body: answer?.body });
  });
}

describe('event streams', () => {
  test('the head is relayed before the first event exists', () =>
    streaming(
      stream(),
      (connection) =>
        connection.send(
          sseHead([
            ['Mcp-Session-Id', 's-1'],
            ['X-Accel-Buffering', 'no'],
          ]),
        ),
      ({ answer, body }) => {
        assertFromBackend(answer);
        assert.equal(answer.get('Content-Type'), 'text/event-stream');
        assert.equal(answer.get('Mcp-Session-Id'), 's-1');
        assert.equal(answer.get('X-Accel-Buffering'), 'no');
        assert.ok(!answer.has('Content-Encoding'));
        assert.equal(body.framing, 'chunked');
      },
    ));

  test('each event is relayed before the backend sends the next', () =>
    streaming(
      stream(),
      (connection) => connection.send(sseHead()),
      async ({ connection, body }) => {
        for (let n = 1; n <= 20; n += 1) {
          await connection.send(chunk(event({ n })));
          await body.until(event({ n }));
        }
        await connection.send(LAST_CHUNK);
        await body.finish();
        assert.equal(body.done, true);
      },
    ));

  // The first event of a GET may be held back: it may say where the 2024 transport wants posts.
  test('half an event is relayed as soon as it is there', () =>
    streaming(
      stream(),
      (connection) => connection.send(Buffer.concat([sseHead(), chunk(event('first'))])),
      async ({ connection, body }) => {
        await body.until(event('first'));
        await connection.send(chunk('data: ha'));
        await body.until('data: ha');
        await connection.send(chunk('lf\n\n'));
        await body.until('data: half\n\n');
      },
    ));

  test('half an event of a POST is relayed as soon as it is there', () =>
    streaming(
      post(call(1), quiet),
      (connection) => connection.send(Buffer.concat([sseHead(), chunk('data: ha')])),
      async ({ connection, body }) => {
        await body.until('data: ha');
        await connection.send(chunk('lf\n\n'));
        await body.until('data: half\n\n');
      },
    ));

  test('an event arrives in a few milliseconds', () =>
    streaming(
      stream(),
      (connection) => connection.send(sseHead()),
      async ({ connection, body }) => {
        const times = [];
        for (let n = 0; n < 30; n += 1) {
          const start = process.hrtime.bigint();
          await connection.send(chunk(event({ n })));
          await body.until(event({ n }));
          times.push(Number(process.hrtime.bigint() - start) / 1e6);
        }
        times.sort((a, b) => a - b);
        assert.ok(times[15] < 20, `median ${times[15]} ms`);
      },
    ));

  test('a stream that ends cleanly ends cleanly, and the client goes on', async () => {
    await RawClient.with(balancer.url, async (client) => {
      backend.script = (seen, connection) =>
        connection.send(Buffer.concat([sseHead(), chunk(event({ n: 1 })), LAST_CHUNK]));
      const answer = await client.exchange(stream(), { method: 'GET' });
      assert.equal(answer.text, event({ n: 1 }));
      backend.script = answerOk;
      assertFromBackend(await client.exchange(post(call(2))));
    });
  });

  test('a POST may be answered by a stream', () =>
    streaming(
      post(call(1), quiet),
      (connection) => connection.send(sseHead()),
      async ({ connection, body }) => {
        await connection.send(
          chunk(event({ jsonrpc: '2.0', method: 'notifications/progress', params: {} })),
        );
        await body.until('notifications/progress');
        await connection.send(
          Buffer.concat([chunk(event({ jsonrpc: '2.0', id: 1, result: {} })), LAST_CHUNK]),
        );
        await body.finish();
        assert.equal(body.done, true);
      },
    ));

  test('events of any line ending are relayed byte for byte', async () => {
    const text =
      ': hi\r\rid: 1\r\ndata: a\r\ndata: b\r\n\r\ndata:\n\nretry: 500\n\nevent: x\rdata: é\r\r';
    backend.script = async (seen, connection) => {
      await connection.send(sseHead());
      await connection.sendSlowly(
        chunked(
          ...Buffer.from(text, 'utf8')
            .toString('latin1')
            .match(/[^]{1,5}/g),
        ),
        { size: 3 },
      );
    };
    await RawClient.with(balancer.url, async (client) => {
      assert.equal((await client.exchange(stream(), { method: 'GET' })).text, text);
    });
  });

  test('a slow JSON reply is relayed as it comes', () =>
    streaming(
      post(call(1)),
      (connection) =>
        connection.send(
          Buffer.concat([
            lines('HTTP/1.1 200 OK', 'Content-Type: application/json', 'Content-Length: 10'),
            bytes('{"a"'),
          ]),
        ),
      async ({ connection, body }) => {
        await body.until('{"a"');
        await connection.send(':"bc"}');
        await body.finish();
        assert.equal(body.text, '{"a":"bc"}');
      },
    ));
});

describe('large bodies', () => {
  const large = randomBytes(8 * MiB);

  test('an 8 MiB reply with a length arrives intact', async () => {
    backend.script = (seen, connection) =>
      connection.send(
        Buffer.concat([lines('HTTP/1.1 200 OK', `Content-Length: ${large.length}`), large]),
      );
    await RawClient.with(balancer.url, async (client) => {
      const answer = await client.exchange(get('/quiet/large'), { method: 'GET' });
      assert.equal(sha(answer.body.data), sha(large));
    });
  });

  test('an 8 MiB reply in chunks arrives intact', async () => {
    backend.script = async (seen, connection) => {
      await connection.send(lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'));
      for (let at = 0; at < large.length; at += 70_001)
        await connection.send(chunk(large.subarray(at, at + 70_001)));
      await connection.send(LAST_CHUNK);
    };
    await RawClient.with(balancer.url, async (client) => {
      const answer = await client.exchange(get('/quiet/large'), { method: 'GET' });
      assert.equal(sha(answer.body.data), sha(large));
    });
  });

  for (const framing of ['Content-Length', 'chunks']) {
    test(`a 3 MiB request with ${framing} arrives intact`, async () => {
      const body = JSON.stringify(call(1, 'echo', { text: 'x'.repeat(3 * MiB) }));
      await RawClient.with(balancer.url, async (client) => {
        const answer = await client.exchange(
          framing === 'chunks'
            ? Buffer.concat([
                lines(
                  'POST /mcp HTTP/1.1',
                  'Host: a',
                  'Content-Type: application/json',
                  'Transfer-Encoding: chunked',
                ),
                chunked(...body.match(/.{1,50000}/g)),
              ])
            : post(body),
        );
        assertFromBackend(answer);
      });
      assert.equal(sha(backend.last.text), sha(body));
      assert.equal(backend.last.get('Content-Length'), String(body.length));
    });
  }

  test('an envelope whose method follows megabytes of arguments is understood', async () => {
    const text = `{"params":{"arguments":{"text":"${'x'.repeat(2 * MiB)}"},"name":"echo"},"id":"last","method":"tools/call","jsonrpc":"2.0"}`;
    await RawClient.with(balancer.url, async (client) => {
      assert.equal((await client.exchange(post(text))).body.json.id, 'last');
    });
  });

  test('a backend may answer before it has read the request', async () => {
    backend.onHead = async (head, connection) => {
      connection.socket.pause();
      await connection.send(
        json({ error: 'too much' }, { status: 413, headers: [['Connection', 'close']] }),
      );
    };
    await RawClient.with(balancer.url, async (client) => {
      const answer = await client.exchange(post(call(1, 'echo', { text: 'x'.repeat(3 * MiB) })));
      assertFromBackend(answer, 413);
      const connection = backend.used.at(-1) ?? backend.connections.at(-1);
      backend.onHead = undefined;
      backend.script = (seen, where) => (where === connection ? undefined : answerOk(seen, where));
      connection.socket.resume();
      await connection.left();
      const next = await client.exchange(post(call(2)));
      assertFromBackend(next);
    });
  });
});

describe('back-pressure', () => {
  test(
    'a client that stops reading stops the backend, and later gets every byte',
    { timeout: 60_000 },
    async () => {
      // More than the socket buffers on the way can hold: Linux lets each grow to 32 MiB.
      const total = 128 * MiB;
      const block = randomBytes(64 * 1024);
      const expected = createHash('sha256');
      for (let sent = 0; sent < total; sent += block.length) expected.update(block);
      let taken = 0;
      backend.script = async (seen, connection) => {
        await connection.send(lines('HTTP/1.1 200 OK', `Content-Length: ${total}`));
        while (taken < total && (await connection.send(block))) taken += block.length;
      };
      await RawClient.with(balancer.url, async (client) => {
        client.send(get('/quiet/huge'));
        const answer = await client.open({ method: 'GET' });
        client.socket.pause();
        let before = -1;
        while (before !== taken) {
          before = taken;
          await pause(300);
        }
        assert.ok(
          taken < 96 * MiB,
          `the backend could send ${taken / MiB} MiB to a client that does not read`,
        );
        client.socket.resume();
        await answer.body.finish({ limit: 30_000 });
        assert.equal(answer.body.length, total);
        assert.equal(sha(answer.body.data), expected.digest('hex'));
      });
    },
  );

  test('a client that does not read its stream does not disturb another', async () => {
    const stop = gate();
    let stopped = false;
    stop.passed.then(() => {
      stopped = true;
    });
    backend.script = async (seen, connection) => {
      if (seen.target !== '/quiet/flood') return answerOk(seen, connection);
      await connection.send(sseHead());
      const flood = chunk(event('x'.repeat(60_000)));
      const sending = (async () => {
        while (!stopped && !connection.ended && (await connection.send(flood)));
      })();
      await Promise.race([stop.passed, sending]);
    };
    await RawClient.with(balancer.url, async (deaf) => {
      deaf.send(stream('/quiet/flood'));
      await deaf.open({ method: 'GET' });
      deaf.socket.pause();
      await RawClient.with(balancer.url, async (client) => {
        for (let id = 1; id <= 20; id += 1)
          assertFromBackend(await client.exchange(post(call(id))));
      });
      stop.open();
    });
  });
});

describe('heartbeats', () => {
  const COMMENT = ':\n\n';
  const beats = (text) => text.split(COMMENT).length - 1;
  const beating = (script, use, target = '/beat') => streaming(stream(target), script, use);

  test('an idle stream gets comments after a complete event', () =>
    beating(
      (connection) => connection.send(Buffer.concat([sseHead(), chunk(event({ n: 1 }))])),
      async ({ connection, body }) => {
        await body.until((text) => beats(text) >= 2);
        assert.ok(body.text.startsWith(event({ n: 1 })));
        await connection.send(Buffer.concat([chunk(event({ n: 2 })), LAST_CHUNK]));
        await body.finish();
        assert.equal(body.text.replaceAll(COMMENT, ''), event({ n: 1 }) + event({ n: 2 }));
      },
    ));

  test('an idle stream gets comments before its first event', () =>
    beating(
      (connection) => connection.send(sseHead()),
      ({ body }) => body.until((text) => beats(text) >= 2 && text.replaceAll(COMMENT, '') === ''),
    ));

  test('a stream that answers a POST gets them too', () =>
    streaming(
      post(call(1), { target: '/beat' }),
      (connection) => connection.send(Buffer.concat([sseHead(), chunk(event({ n: 1 }))])),
      ({ body }) => body.until((text) => beats(text) >= 1),
    ));

  for (const [what, half, rest] of [
    ['in the middle of a line', 'data: ha', 'lf\n\n'],
    ['after one line', 'event: message\n', 'data: x\n\n'],
    ['after a data line', 'data: x\n', '\n'],
    ['after a data line ended by CR', 'data: x\r', '\r'],
    ['after a data line ended by CRLF', 'data: x\r\n', '\r\n'],
    ['after a field name', 'data', ': x\n\n'],
    ['after an earlier complete event', 'data: 1\n\ndata: 2', '\n\n'],
    ['inside a comment', ': com', 'ment\n\n'],
  ]) {
    test(`no comment comes inside an event ${what}`, () =>
      beating(
        (connection) => connection.send(Buffer.concat([sseHead(), chunk(event('first') + half)])),
        async ({ connection, body }) => {
          await body.until(event('first') + half);
          await body.silent(250);
          await connection.send(chunk(rest));
          await body.until(event('first') + half + rest);
        },
      ));
  }

  for (const [what, complete] of [
    ['CRLF', 'data: x\r\n\r\n'],
    ['CR', 'data: x\r\r'],
    ['mixed ends', 'data: x\r\n\n'],
  ]) {
    test(`an event that ends with ${what} is a boundary`, () =>
      beating(
        (connection) => connection.send(Buffer.concat([sseHead(), chunk(complete)])),
        ({ body }) => body.until((text) => text.startsWith(complete) && beats(text) >= 1),
      ));
  }

  test('an event that ends byte by byte is a boundary', () =>
    beating(
      async (connection) => {
        await connection.send(sseHead());
        await connection.sendSlowly(
          chunked('data: x', '\r', '\n', '\r', '\n').subarray(0, -LAST_CHUNK.length),
        );
      },
      ({ body }) => body.until((text) => text.startsWith('data: x\r\n\r\n') && beats(text) >= 1),
    ));

  for (const [what, head] of [
    [
      'a JSON reply',
      lines('HTTP/1.1 200 OK', 'Content-Type: application/json', 'Transfer-Encoding: chunked'),
    ],
    ['a compressed event stream', sseHead([['Content-Encoding', 'gzip']])],
  ]) {
    test(`${what} never gets a comment`, () =>
      beating(
        (connection) => connection.send(Buffer.concat([head, chunk('data: x\n\n')])),
        async ({ body }) => {
          await body.until('data: x\n\n');
          await body.silent(250);
        },
      ));
  }

  test('an event stream with a Content-Length never gets a comment', () =>
    beating(
      (connection) =>
        connection.send(
          Buffer.concat([
            lines('HTTP/1.1 200 OK', 'Content-Type: text/event-stream', 'Content-Length: 18'),
            bytes('data: x\n\n'),
          ]),
        ),
      async ({ connection, body }) => {
        await body.until('data: x\n\n');
        await body.silent(250);
        await connection.send('data: y\n\n');
        await body.finish();
        assert.equal(body.text, 'data: x\n\ndata: y\n\n');
      },
    ));

  test('a pool with heartbeat 0s never sends one', () =>
    beating(
      (connection) => connection.send(Buffer.concat([sseHead(), chunk(event({ n: 1 }))])),
      async ({ body }) => {
        await body.until(event({ n: 1 }));
        await body.silent(300);
      },
      '/quiet',
    ));

  test('a stream with a charset in its type is an event stream', () =>
    beating(
      (connection) =>
        connection.send(
          Buffer.concat([
            lines(
              'HTTP/1.1 200 OK',
              'Content-Type: Text/Event-Stream; charset=utf-8',
              'Transfer-Encoding: chunked',
            ),
            chunk('data: x\n\n'),
          ]),
        ),
      ({ body }) => body.until((text) => beats(text) >= 1),
    ));

  test('a stream delimited by close gets them too', () =>
    beating(
      (connection) =>
        connection.send(
          Buffer.concat([
            lines('HTTP/1.1 200 OK', 'Content-Type: text/event-stream'),
            bytes('data: x\n\n'),
          ]),
        ),
      ({ body }) => body.until((text) => beats(text) >= 1),
    ));
});

describe('the client leaves', () => {
  const leaving = [
    ['closes', (client) => client.destroy()],
    ['resets', (client) => client.reset()],
    ['half-closes', (client) => client.halfClose()],
  ];

  for (const [how, leave] of leaving) {
    test(`${how} while the backend works: its connection is closed promptly`, () =>
      streaming(
        post(call(1)),
        () => {},
        async ({ client, connection }) => {
          leave(client);
          await connection.left(2000);
        },
        { headless: true },
      ));

    test(`${how} in the middle of a stream: the backend's connection is closed promptly`, () =>
      streaming(
        stream(),
        (connection) => connection.send(Buffer.concat([sseHead(), chunk(event({ n: 1 }))])),
        async ({ client, connection, body }) => {
          await body.until(event({ n: 1 }));
          leave(client);
          await connection.left(2000);
        },
      ));
  }

  test('and its connection to the backend is not used for anybody else', async () => {
    await streaming(
      post(call(1)),
      () => {},
      async ({ client, connection }) => {
        client.destroy();
        await connection.left(2000);
      },
      { headless: true },
    );
    backend.script = answerOk;
    const first = backend.last.connection;
    await RawClient.with(balancer.url, async (client) =>
      assertFromBackend(await client.exchange(post(call(2)))),
    );
    assert.notEqual(backend.last.connection, first);
  });
});

describe('the backend is late', () => {
  test('a head later than response_head is a 504 backend_timeout', () =>
    streaming(
      post(call('slow'), { target: '/short' }),
      () => {},
      async ({ client, connection }) => {
        const answer = await client.reply();
        assertOwnReply(answer, {
          status: 504,
          reason: 'backend_timeout',
          code: -31013,
          id: 'slow',
        });
        await connection.left(2000);
      },
      { headless: true },
    ));

  test('a head that comes in drops has the same deadline', () =>
    streaming(
      post(call('slow'), { target: '/short' }),
      (connection) =>
        connection.sendSlowly(`HTTP/1.1 200 OK\r\nX-A: ${'b'.repeat(40)}`, { every: 50 }),
      async ({ client }) => {
        assertOwnReply(await client.reply(), {
          status: 504,
          reason: 'backend_timeout',
          code: -31013,
        });
      },
      { headless: true },
    ));

  test('a tool call that timed out is not sent again', async () => {
    backend.script = () => {};
    await RawClient.with(balancer.url, async (client) => {
      const answer = await client.exchange(post(call(1), { target: '/short' }));
      assert.equal(answer.status, 504);
    });
    assert.equal(backend.requests.length, 1);
  });

  test('a stream idle for stream_idle ends abnormally', () =>
    streaming(
      stream('/short'),
      (connection) => connection.send(Buffer.concat([sseHead(), chunk(event({ n: 1 }))])),
      async ({ connection, body }) => {
        await body.until(event({ n: 1 }));
        await body.finish();
        assert.notEqual(body.broken, null);
        await connection.left(2000);
      },
    ));

  test('any byte keeps a stream alive', () =>
    streaming(
      stream('/short'),
      (connection) => connection.send(sseHead()),
      async ({ connection, body }) => {
        for (let n = 0; n < 5; n += 1) {
          await pause(200);
          await connection.send(chunk(':\n'));
        }
        await connection.send(LAST_CHUNK);
        await body.finish();
        assert.equal(body.done, true);
      },
    ));

  test('a JSON body that stalls ends abnormally', () =>
    streaming(
      post(call(1), { target: '/short' }),
      (connection) =>
        connection.send(
          Buffer.concat([
            lines('HTTP/1.1 200 OK', 'Content-Type: application/json', 'Content-Length: 100'),
            bytes('{'),
          ]),
        ),
      async ({ body }) => {
        await body.finish();
        assert.notEqual(body.broken, null);
      },
    ));

  test('a slow head within the limit is relayed', async () => {
    backend.script = async (seen, connection) => {
      await pause(200);
      await answerOk(seen, connection);
    };
    await RawClient.with(balancer.url, async (client) => {
      assertFromBackend(await client.exchange(post(ask('tools/list', 1), { target: '/short' })));
    });
  });
});

test('many streams at once are kept apart', async () => {
  const count = 40;
  backend.script = async (seen, connection) => {
    await connection.send(sseHead());
    for (let n = 0; n < 5; n += 1) {
      await connection.send(chunk(event(`${seen.target} ${n}`)));
      await pause(5);
    }
    await connection.send(LAST_CHUNK);
  };
  await Promise.all(
    Array.from({ length: count }, (_, at) =>
      RawClient.with(balancer.url, async (client) => {
        const target = `/quiet/${at}`;
        const answer = await client.exchange(
          request('GET', target, { headers: [['Accept', 'text/event-stream']] }),
          { method: 'GET' },
        );
        assert.equal(answer.text, [0, 1, 2, 3, 4].map((n) => event(`${target} ${n}`)).join(''));
      }),
    ),
  );
});

test('what reached the backend was well formed', () => backend.assertSound());
