// Backend replies that are not HTTP are never relayed, and a broken body never ends cleanly.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { pool, startBalancer, stopAll } from './lib/balancer.mjs';
import {
  bytes,
  call,
  chunk,
  chunked,
  event,
  get,
  json,
  lines,
  post,
  request,
  sseHead,
} from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';

import { RawClient } from './lib/raw_client.mjs';
import { answerOk, ScriptedBackend } from './lib/scripted_backend.mjs';

let backend;
let balancer;

before(async () => {
  backend = await ScriptedBackend.start();
  balancer = await startBalancer(pool(backend, { heartbeat: '0s' }));
});

after(() => stopAll(balancer, backend));

beforeEach(() => {
  backend.script = answerOk;
  backend.clear();
});

const OK = 'HTTP/1.1 200 OK\r\n';
const two = 'Content-Length: 2\r\n\r\nhi';

// [what, the bytes of the backend, 'end' | 'reset' | undefined (the backend waits)]
const INVALID = [
  ['garbage', 'this is not HTTP\r\n\r\n'],
  ['binary garbage', '\x16\x03\x01\x00\x00\xff\xfe\r\n\r\n'],
  ['an SSH banner', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['a request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a reply without a status', `HTTP/1.1\r\n${two}`],
  ['a reply without a status but a blank', `HTTP/1.1 \r\n${two}`],
  ['status 99', `HTTP/1.1 99 X\r\n${two}`],
  ['status 1000', `HTTP/1.1 1000 X\r\n${two}`],
  ['status 20', `HTTP/1.1 20 X\r\n${two}`],
  ['status 2000', `HTTP/1.1 2000 X\r\n${two}`],
  ['status 000', `HTTP/1.1 000 X\r\n${two}`],
  ['a status that is no number', `HTTP/1.1 abc X\r\n${two}`],
  ['status 0x1', `HTTP/1.1 0x1 X\r\n${two}`],
  ['a negative status', `HTTP/1.1 -20 X\r\n${two}`],
  ['a status glued to its reason', `HTTP/1.1 200OK\r\n${two}`],
  ['version HTTP/2.0', `HTTP/2.0 200 OK\r\n${two}`],
  ['version HTTP/0.9', `HTTP/0.9 200 OK\r\n${two}`],
  ['version HTTP/1.', `HTTP/1. 200 OK\r\n${two}`],
  ['version http/1.1', `http/1.1 200 OK\r\n${two}`],
  ['version ICY', `ICY 200 OK\r\n${two}`],
  ['a header line without a colon', `${OK}NoColon\r\n${two}`],
  ['a header without a name', `${OK}: v\r\n${two}`],
  ['a blank before the colon', `${OK}X-A : v\r\n${two}`],
  ['a blank in a name', `${OK}X A: v\r\n${two}`],
  ['a name that is no token', `${OK}X(A: v\r\n${two}`],
  ['an 8-bit name', `${OK}X\xe9: v\r\n${two}`],
  ['a head ended by bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nhi'],
  ['a status line ended by bare LF', `HTTP/1.1 200 OK\n${two}`],
  ['a header line ended by bare LF', `${OK}X-A: v\n${two}`],
  ['a bare CR in a value', `${OK}X-A: a\rb\r\n${two}`],
  ['a bare CR in the reason', `HTTP/1.1 200 O\rK\r\n${two}`],
  ['a NUL in a value', `${OK}X-A: a\x00b\r\n${two}`],
  ['a NUL in a name', `${OK}X\x00A: v\r\n${two}`],
  ['a NUL in the reason', `HTTP/1.1 200 O\x00K\r\n${two}`],
  ['a control character in a value', `${OK}X-A: a\x01b\r\n${two}`],
  ['a folded header', `${OK}X-A: a\r\n b\r\n${two}`],
  ['a header folded with a tab', `${OK}X-A: a\r\n\tb\r\n${two}`],
  ['a first header that starts with a blank', `${OK} X-A: a\r\n${two}`],
  ['a reply injected behind bare CRs', `${OK}X-A: a\r\rHTTP/1.1 200 OK\r\n${two}`],
  [
    'Content-Length and Transfer-Encoding',
    `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
  ],
  [
    'Transfer-Encoding and Content-Length',
    `${OK}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
  ],
  ['two different Content-Lengths', `${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi`],
  ['a Content-Length list of different values', `${OK}Content-Length: 2, 3\r\n\r\nhi`],
  ...[
    '+2',
    '-2',
    '0x2',
    '2_0',
    '2 2',
    '2.0',
    'two',
    '',
    '18446744073709551618',
    '99999999999999999999999',
  ].map((value) => [
    `Content-Length ${JSON.stringify(value)}`,
    `${OK}Content-Length: ${value}\r\n\r\nhi`,
  ]),
  ...[
    'xchunked',
    'chunked, chunked',
    'chunked, identity',
    'gzip, chunked',
    'gzip',
    '',
    ',chunked',
    '"chunked"',
    'chunked\x0b',
  ].map((value) => [
    `Transfer-Encoding ${JSON.stringify(value)}`,
    `${OK}Transfer-Encoding: ${value}\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
  ]),
  [
    'two Transfer-Encoding lines',
    `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
  ],
  [
    'Transfer-Encoding in HTTP/1.0',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
  ],
  [
    '101 that nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
  ],
  ['an endless head', `${OK}${`X-Long: ${'v'.repeat(8000)}\r\n`.repeat(130)}`],
  ['an endless header line', `${OK}X-Long: ${'v'.repeat(1_000_000)}`],
  [
    'an invalid reply behind a 103',
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 abc\r\n\r\n`,
  ],
  ['nothing and a close', '', 'end'],
  ['nothing and a reset', '', 'reset'],
  ['half a status line and a close', 'HTTP/1.1 20', 'end'],
  ['half a head and a close', `${OK}Content-Le`, 'end'],
  ['half a head and a reset', `${OK}Content-Le`, 'reset'],
  ['a head that lacks its empty line and a close', `${OK}Content-Length: 0\r\n`, 'end'],
  ['only a 103 and a close', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 'end'],
  ['an endless run of 103s', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20_000), 'end'],
];

describe('instead of an invalid reply the client gets 502', () => {
  for (const [what, data, then] of INVALID) {
    test(what, async () => {
      backend.script = async (seen, connection) => {
        await connection.send(data);
        if (then === 'end') connection.end();
        if (then === 'reset') connection.reset();
      };
      await RawClient.with(balancer.url, async (client) => {
        const answer = await client.exchange(post(call(`id-${what}`)));
        assertOwnReply(answer, {
          status: 502,
          reason: 'backend_lost',
          code: -31012,
          id: `id-${what}`,
          outcome: 'unknown',
        });
      });
      assert.equal(backend.requests.length, 1, 'a tool call is never sent twice');
      await backend.last.connection.left();
    });
  }

  test('also to a GET, without a JSON-RPC body being promised', async () => {
    backend.script = (seen, connection) => connection.send('HTTP/1.1 abc\r\n\r\n');
    await RawClient.with(balancer.url, async (client) => {
      assertOwnReply(await client.exchange(get('/x'), { method: 'GET' }), {
        status: 502,
        reason: 'backend_lost',
      });
    });
  });

  test('also to a HEAD, and without a body', async () => {
    backend.script = (seen, connection) =>
      seen.method === 'HEAD' ? connection.send('HTTP/1.1 abc\r\n\r\n') : answerOk(seen, connection);
    await RawClient.with(balancer.url, async (client) => {
      const answer = await client.exchange(request('HEAD', '/x'), { method: 'HEAD' });
      assert.equal(answer.status, 502);
      assert.equal(client.buffer.length, 0);
    });
  });

  test('and no byte of the invalid reply', async () => {
    backend.script = (seen, connection) =>
      connection.send(`${OK}X-Poison: yes\r\nNoColon\r\n${two}`);
    await RawClient.with(balancer.url, async (client) => {
      const answer = await client.exchange(post(call(1)));
      assert.equal(answer.status, 502);
      assert.ok(!answer.has('X-Poison'));
      assert.ok(!answer.text.includes('NoColon'));
    });
  });
});

describe('a bad first chunk is either a 502 or an abnormal end', () => {
  for (const size of [
    '0x2',
    '+2',
    '-1',
    ' 2',
    'g',
    '',
    '2_0',
    '10000000000000002',
    'fffffffffffffffff',
  ]) {
    test(`chunk size ${JSON.stringify(size)}`, async () => {
      backend.script = (seen, connection) =>
        connection.send(`${OK}Transfer-Encoding: chunked\r\n\r\n${size}\r\nhi\r\n0\r\n\r\n`);
      await RawClient.with(balancer.url, async (client) => {
        client.send(post(call(1)));
        const answer = await client.open();
        await answer.body.finish();
        if (answer.status === 502) return;
        assert.notEqual(answer.body.broken, null, `ended cleanly with ${answer.body.text}`);
      });
    });
  }
});

describe('bytes behind a complete reply', () => {
  for (const [what, data, method] of [
    ['a Content-Length reply', `${OK}${two}EXTRA`],
    ['a Content-Length reply, being another reply', `${OK}${two}${OK}${two}`],
    ['a chunked reply', `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nEXTRA`],
    ['a 204', 'HTTP/1.1 204 No Content\r\n\r\nEXTRA'],
    ['a 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nEXTRA'],
    ['the reply to a HEAD', `${OK}Content-Length: 5\r\n\r\nEXTRA`, 'HEAD'],
    [
      'a 202',
      'HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    ],
  ]) {
    test(`${what} reach nobody, and the connection is not used again`, async () => {
      backend.script = (seen, connection) =>
        seen.target === '/poison' ? connection.send(data) : answerOk(seen, connection);
      await RawClient.with(balancer.url, async (client) => {
        const poisoned = await client.exchange(request(method ?? 'GET', '/poison'), {
          method: method ?? 'GET',
        });
        assertFromBackend(poisoned, Number(data.slice(9, 12)));
        assert.ok(!poisoned.text.includes('EXTRA'));
        const next = await client.exchange(post(call(5)));
        assertFromBackend(next);
        assert.equal(next.body.json.id, 5);
        await backend.requests[0].connection.left();
      });
      assert.notEqual(backend.requests[1].connection, backend.requests[0].connection);
    });
  }

  test('that come while the connection is idle are never taken for a reply', async () => {
    await RawClient.with(balancer.url, async (client) => {
      assertFromBackend(await client.exchange(post(call(1))));
      const { connection } = backend.last;
      await connection.send(json({ jsonrpc: '2.0', id: 2, result: { stolen: true } }));
      await connection.left();
      const next = await client.exchange(post(call(2)));
      assertFromBackend(next);
      assert.deepEqual(next.body.json.result, {});
    });
  });
});

// The body starts well and breaks. `then`: what the backend does after its bytes.
const BROKEN = [
  ['a Content-Length body cut short by a close', `${OK}Content-Length: 100\r\n\r\nhalf`, 'end'],
  ['a Content-Length body cut short by a reset', `${OK}Content-Length: 100\r\n\r\nhalf`, 'reset'],
  [
    'a chunked body without its last chunk',
    `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
    'end',
  ],
  ['a chunked body that is reset', `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`, 'reset'],
  ['a chunk cut short', `${OK}Transfer-Encoding: chunked\r\n\r\n64\r\nhalf`, 'end'],
  [
    'a last chunk without its empty line',
    `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n`,
    'end',
  ],
  [
    'a bad chunk size later on',
    `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\nmore\r\n0\r\n\r\n`,
  ],
  [
    'a chunk that is longer than it said',
    `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf!!\r\n0\r\n\r\n`,
  ],
  [
    'a chunk line ended by LF later on',
    `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n4\nmore\r\n0\r\n\r\n`,
  ],
  ['an event stream that is cut', Buffer.concat([sseHead(), chunk(event({ n: 1 }))]), 'end'],
  ['an event stream that is reset', Buffer.concat([sseHead(), chunk(event({ n: 1 }))]), 'reset'],
];

describe('a body that breaks', () => {
  // What arrived is first seen at the client, then the rest happens: nothing can still become a 502.
  async function broken(data, then, options, check) {
    const all = bytes(data);
    const split = all.indexOf('\r\n\r\n') + 4;
    let relayed;
    backend.script = async (seen, connection) => {
      const seenByClient = new Promise((resolve) => {
        relayed = resolve;
      });
      await connection.send(all.subarray(0, split));
      await seenByClient;
      await connection.send(all.subarray(split));
      if (then === 'end') connection.end();
      if (then === 'reset') connection.reset();
    };
    await RawClient.with(balancer.url, async (client) => {
      client.send(post(call(1), options));
      const answer = await client.open();
      relayed();
      assertFromBackend(answer);
      await answer.body.finish();
      await check(answer, client);
    });
    assert.equal(backend.requests.length, 1, 'a tool call is never sent twice');
  }

  for (const [what, data, then] of BROKEN) {
    test(`ends abnormally: ${what}`, () =>
      broken(data, then, {}, async (answer) => {
        assert.notEqual(
          answer.body.broken,
          null,
          `ended cleanly: ${JSON.stringify(answer.body.text)}`,
        );
        assert.ok(!answer.body.text.includes('more'));
      }));
  }

  for (const [what, data, then] of BROKEN) {
    test(`is a reset for an HTTP/1.0 client: ${what}`, () =>
      broken(data, then, { version: '1.0' }, async (answer, client) => {
        if (answer.body.framing === 'length') assert.notEqual(answer.body.broken, null);
        else assert.equal(answer.body.broken, 'reset');
        await client.ending();
      }));
  }

  test('was delivered up to where it broke', () =>
    broken(
      `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n`,
      undefined,
      {},
      async (answer) => {
        assert.ok(['', 'half'].includes(answer.body.text), answer.body.text);
      },
    ));

  test('delimited by close is a clean end after FIN', () =>
    broken(`${OK}Content-Type: text/plain\r\n\r\nall of it`, 'end', {}, async (answer) => {
      assert.equal(answer.body.done, true);
      assert.equal(answer.body.text, 'all of it');
    }));

  test('delimited by close ends abnormally after a reset', () =>
    broken(`${OK}Content-Type: text/plain\r\n\r\npart of it`, 'reset', {}, async (answer) =>
      assert.notEqual(answer.body.broken, null),
    ));

  test('delimited by close is a reset for an HTTP/1.0 client after a reset', () =>
    broken(
      `${OK}Content-Type: text/plain\r\n\r\npart of it`,
      'reset',
      { version: '1.0' },
      async (answer) => assert.equal(answer.body.broken, 'reset'),
    ));
});

test('after all of this a good reply is relayed', async () => {
  backend.script = (seen, connection) =>
    connection.send(
      Buffer.concat([lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), chunked('fine')]),
    );
  await RawClient.with(balancer.url, async (client) => {
    assert.equal((await client.exchange(post(call(1)))).text, 'fine');
  });
});

test('the same Content-Length twice is one Content-Length or a 502', async () => {
  backend.script = (seen, connection) => connection.send(`${OK}Content-Length: 2\r\n${two}`);
  await RawClient.with(balancer.url, async (client) => {
    const answer = await client.exchange(post(call(1)));
    if (answer.status !== 502) assert.equal(answer.text, 'hi');
  });
});

test('an informational reply with a length does not shift the final one', async () => {
  backend.script = (seen, connection) =>
    connection.send(`HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\n${OK}${two}`);
  await RawClient.with(balancer.url, async (client) => {
    const answer = await client.exchange(post(call(1)));
    if (answer.status !== 502) assert.equal(answer.text, 'hi');
  });
});

test('a reply with an empty reason and no blank behind the status is relayed or a 502', async () => {
  backend.script = (seen, connection) => connection.send(`HTTP/1.1 200\r\n${two}`);
  await RawClient.with(balancer.url, async (client) => {
    const answer = await client.exchange(post(call(1)));
    if (answer.status !== 502) assert.equal(answer.text, 'hi');
  });
});

test('what reached the backend was well formed', () => backend.assertSound());
