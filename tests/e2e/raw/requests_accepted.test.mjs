// HTTP/1.1 on both sides, strictly: what is accepted, and what it looks like at the backend.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { addressOf, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import {
  bytes,
  call,
  chunk,
  chunked,
  get,
  json,
  LAST_CHUNK,
  lines,
  post,
  request,
  utf8,
} from './lib/bytes.mjs';
import { assertFromBackend } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { answerOk, ScriptedBackend } from './lib/scripted_backend.mjs';
import { pause } from './lib/waiting.mjs';

let backend;
let balancer;

before(async () => {
  backend = await ScriptedBackend.start();
  balancer = await startBalancer(pool(backend));
});

after(() => stopAll(balancer, backend));

beforeEach(() => {
  backend.script = answerOk;
  backend.clear();
});

// One request on a connection of its own: what the client got and what the backend got.
async function one(data, options = {}) {
  return RawClient.with(balancer.url, async (client) => {
    const answer = await client.exchange(data, options);
    return { answer, seen: backend.last };
  });
}

describe('connections', () => {
  test('a keep-alive connection carries many requests', async () => {
    await RawClient.with(balancer.url, async (client) => {
      for (let id = 1; id <= 5; id += 1) {
        const answer = await client.exchange(post(call(id)));
        assertFromBackend(answer);
        assert.equal(answer.body.json.id, id);
      }
    });
    assert.equal(backend.requests.length, 5);
  });

  test('three pipelined requests are answered in order although the backend is slow', async () => {
    let running = 0;
    backend.script = async (seen, connection) => {
      running += 1;
      assert.equal(running, 1, 'one exchange at a time per client connection');
      await pause(30);
      running -= 1;
      await answerOk(seen, connection);
    };
    await RawClient.with(balancer.url, async (client) => {
      client.send(Buffer.concat([1, 2, 3].map((id) => post(call(id)))));
      for (const id of [1, 2, 3]) {
        const answer = await client.reply();
        assert.equal(answer.body.json.id, id);
      }
    });
    backend.assertSound();
  });

  test('a request pipelined behind a chunked one is found where the first ends', async () => {
    await RawClient.with(balancer.url, async (client) => {
      const first = Buffer.concat([
        lines(
          'POST /mcp HTTP/1.1',
          'Host: a',
          'Content-Type: application/json',
          'Transfer-Encoding: chunked',
        ),
        chunked(JSON.stringify(call(1))),
      ]);
      client.send(Buffer.concat([first, post(call(2))]));
      assert.equal((await client.reply()).body.json.id, 1);
      assert.equal((await client.reply()).body.json.id, 2);
    });
  });

  test('Connection: close is honoured after the reply', async () => {
    await RawClient.with(balancer.url, async (client) => {
      const answer = await client.exchange(post(call(1), { headers: [['Connection', 'close']] }));
      assertFromBackend(answer);
      assert.match(answer.get('Connection') ?? '', /close/i);
      assert.equal(await client.closed(), 'fin');
    });
  });

  test('one empty line before the request line is skipped', async () => {
    const { answer } = await one(Buffer.concat([bytes('\r\n'), get('/early')]), { method: 'GET' });
    assertFromBackend(answer);
  });
});

describe('request bodies', () => {
  const message = JSON.stringify(call(7, 'echo', { text: 'x'.repeat(40) }));

  test('a Content-Length body arrives whole', async () => {
    const { seen } = await one(post(message));
    assert.equal(seen.text, message);
    assert.equal(seen.get('Content-Length'), String(message.length));
  });

  const cut = (size) => message.match(new RegExp(`.{1,${size}}`, 'gs'));
  for (const [title, body] of [
    ['in one chunk', chunked(message)],
    ['in chunks of one byte', chunked(...cut(1))],
    ['in chunks of seven bytes', chunked(...cut(7))],
    [
      'with a chunk extension',
      Buffer.concat([
        bytes(`${message.length.toString(16)};name=value\r\n${message}\r\n`),
        LAST_CHUNK,
      ]),
    ],
    [
      'with leading zeros in the chunk size',
      Buffer.concat([bytes(`000${message.length.toString(16)}\r\n${message}\r\n`), LAST_CHUNK]),
    ],
    [
      'with an upper-case chunk size',
      Buffer.concat([
        bytes(`${message.length.toString(16).toUpperCase()}\r\n${message}\r\n`),
        LAST_CHUNK,
      ]),
    ],
  ]) {
    test(`a chunked body ${title} reaches the backend with a Content-Length`, async () => {
      const { answer, seen } = await one(
        Buffer.concat([
          lines(
            'POST /mcp HTTP/1.1',
            'Host: a',
            'Content-Type: application/json',
            'Transfer-Encoding: chunked',
          ),
          body,
        ]),
      );
      assertFromBackend(answer);
      assert.equal(seen.text, message);
      assert.equal(seen.get('Content-Length'), String(message.length));
      assert.ok(!seen.has('Transfer-Encoding'));
    });
  }

  test('the coding name chunked is compared without case', async () => {
    const { seen } = await one(
      Buffer.concat([
        lines(
          'POST /mcp HTTP/1.1',
          'Host: a',
          'Content-Type: application/json',
          'transfer-encoding: CHUNKED',
        ),
        chunked(message),
      ]),
    );
    assert.equal(seen.text, message);
  });

  test('trailers of a chunked request never become headers', async () => {
    const { seen } = await one(
      Buffer.concat([
        lines(
          'POST /mcp HTTP/1.1',
          'Host: a',
          'Content-Type: application/json',
          'Transfer-Encoding: chunked',
          'Trailer: X-Late, Mcp-Session-Id',
        ),
        chunk(message),
        bytes('0\r\nX-Late: 1\r\nMcp-Session-Id: evil\r\n\r\n'),
      ]),
    );
    assert.equal(seen.text, message);
    for (const name of ['X-Late', 'Mcp-Session-Id', 'Trailer']) {
      assert.ok(!seen.has(name), `${name} reached the backend`);
    }
  });

  test('a POST without a body reaches the backend with length 0', async () => {
    const { answer, seen } = await one(
      lines('POST /form HTTP/1.1', 'Host: a', 'Content-Length: 0'),
    );
    assertFromBackend(answer);
    assert.equal(seen.body.length, 0);
  });

  test('a body that is not JSON passes untouched', async () => {
    const body = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet));
    const { answer, seen } = await one(
      request('POST', '/token', { headers: [['Content-Type', 'application/octet-stream']], body }),
    );
    assertFromBackend(answer);
    assert.deepEqual(seen.body, body);
  });

  test('JSON that is not JSON-RPC passes untouched', async () => {
    const { answer, seen } = await one(
      post('{"method":"x", "method":"y"}', { target: '/register' }),
    );
    assertFromBackend(answer);
    assert.equal(seen.text, '{"method":"x", "method":"y"}');
  });

  test('JSON-RPC text reaches the backend byte for byte', async () => {
    const text =
      ' {\n\t"params" : {"name":"é\\u0041","arguments":{"n":1e2}} , "id" : 7,"method":"tools/call",\r\n"jsonrpc":"2.0"}\n';
    const { answer, seen } = await one(post(text));
    assertFromBackend(answer);
    assert.deepEqual(seen.body, utf8(text));
  });

  test('a GET with a Content-Length body stays in step', async () => {
    await RawClient.with(balancer.url, async (client) => {
      client.send(
        Buffer.concat([
          request('GET', '/odd', { body: 'GET /smuggled HTTP/1.1\r\n\r\n' }),
          get('/next'),
        ]),
      );
      await client.reply({ method: 'GET' });
      await client.reply({ method: 'GET' });
    });
    assert.deepEqual(
      backend.requests.map(({ target }) => target),
      ['/odd', '/next'],
    );
  });
});

describe('split anywhere', () => {
  const chunkedRequest = Buffer.concat([
    lines(
      'POST /mcp?a=b HTTP/1.1',
      'Host: a.example',
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
      'X-One: two',
    ),
    chunked('{"jsonrpc":"2.0",', '"id":1,"method":"ping"}'),
  ]);

  for (const [title, data] of [
    ['Content-Length', post(call(1))],
    ['chunked', chunkedRequest],
  ]) {
    test(`a ${title} request sent byte by byte is understood`, async () => {
      await RawClient.with(balancer.url, async (client) => {
        await client.sendSlowly(data);
        const answer = await client.reply();
        assertFromBackend(answer);
        assert.equal(answer.body.json.id, 1);
      });
    });
  }

  test('a request split in two at every position is understood', async () => {
    await RawClient.with(balancer.url, async (client) => {
      for (let at = 1; at < chunkedRequest.length; at += 1) {
        await client.sendSlowly(chunkedRequest.subarray(0, at), chunkedRequest.length);
        await client.sendSlowly(chunkedRequest.subarray(at), chunkedRequest.length);
        const answer = await client.reply();
        assert.equal(answer.status, 200, `split at ${at}`);
      }
    });
    assert.equal(backend.requests.length, chunkedRequest.length - 1);
    assert.ok(backend.requests.every(({ message }) => message.method === 'ping'));
  });

  test('a reply that comes byte by byte is relayed', async () => {
    backend.script = (seen, connection) =>
      connection.sendSlowly(
        Buffer.concat([
          lines('HTTP/1.1 200 OK', 'Content-Type: application/json', 'Transfer-Encoding: chunked'),
          chunked('{"jsonrpc":"2.0",', '"id":1,"result":{}}'),
        ]),
      );
    const { answer } = await one(post(call(1)));
    assert.equal(answer.text, '{"jsonrpc":"2.0","id":1,"result":{}}');
  });
});

describe('replies without a body', () => {
  test('a HEAD reply keeps its Content-Length, has no body, and the connection goes on', async () => {
    backend.script = (seen, connection) =>
      seen.method === 'HEAD'
        ? connection.send(lines('HTTP/1.1 200 OK', 'Content-Length: 100'))
        : answerOk(seen, connection);
    await RawClient.with(balancer.url, async (client) => {
      const answer = await client.exchange(request('HEAD', '/doc'), { method: 'HEAD' });
      assert.equal(answer.get('Content-Length'), '100');
      assertFromBackend(await client.exchange(get('/doc'), { method: 'GET' }));
    });
  });

  test('a HEAD reply that announces chunks has no body', async () => {
    backend.script = (seen, connection) =>
      seen.method === 'HEAD'
        ? connection.send(lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'))
        : answerOk(seen, connection);
    await RawClient.with(balancer.url, async (client) => {
      await client.exchange(request('HEAD', '/doc'), { method: 'HEAD' });
      assertFromBackend(await client.exchange(get('/doc'), { method: 'GET' }));
    });
  });

  for (const [status, extra] of [
    [204, []],
    [304, ['ETag: "x"']],
    [304, ['Content-Length: 5']],
  ]) {
    test(`a ${status} reply ${extra} is relayed without a body`, async () => {
      backend.script = (seen, connection) =>
        seen.target === '/empty'
          ? connection.send(lines(`HTTP/1.1 ${status} X`, ...extra))
          : answerOk(seen, connection);
      await RawClient.with(balancer.url, async (client) => {
        const answer = await client.exchange(get('/empty'), { method: 'GET' });
        assertFromBackend(answer, status);
        assert.ok(!answer.has('Transfer-Encoding'));
        assertFromBackend(await client.exchange(get('/next'), { method: 'GET' }));
      });
    });
  }

  test('a 202 with an empty body is relayed at once', async () => {
    backend.script = (seen, connection) =>
      connection.send(lines('HTTP/1.1 202 Accepted', 'Content-Length: 0'));
    const { answer } = await one(
      post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }),
    );
    assertFromBackend(answer, 202);
    assert.equal(answer.text, '');
  });
});

describe('interim replies', () => {
  const early = lines('HTTP/1.1 103 Early Hints', 'Link: </style.css>; rel=preload');

  test('103 is relayed to an HTTP/1.1 client before the final reply', async () => {
    backend.script = (seen, connection) => connection.send(Buffer.concat([early, json({})]));
    const { answer } = await one(get('/page'), { method: 'GET' });
    assertFromBackend(answer);
    assert.deepEqual(
      answer.informational.map(({ status }) => status),
      [103],
    );
    assert.equal(answer.informational[0].get('Link'), '</style.css>; rel=preload');
  });

  test('103 is relayed before the backend has decided on the final reply', async () => {
    await RawClient.with(balancer.url, async (client) => {
      let finish;
      backend.script = async (seen, connection) => {
        await connection.send(early);
        await new Promise((resolve) => {
          finish = resolve;
        });
        await connection.send(json({}));
      };
      client.send(get('/page'));
      assert.equal((await client.head()).status, 103);
      finish();
      assertFromBackend(await client.reply({ method: 'GET' }));
    });
  });

  test('several interim replies are relayed in order', async () => {
    backend.script = (seen, connection) =>
      connection.send(Buffer.concat([lines('HTTP/1.1 102 Processing'), early, early, json({})]));
    const { answer } = await one(get('/page'), { method: 'GET' });
    assert.deepEqual(
      answer.informational.map(({ status }) => status),
      [102, 103, 103],
    );
  });

  test('103 is kept from an HTTP/1.0 client', async () => {
    backend.script = (seen, connection) => connection.send(Buffer.concat([early, json({})]));
    const { answer } = await one(get('/page', { version: '1.0' }), { method: 'GET' });
    assertFromBackend(answer);
    assert.deepEqual(answer.informational, []);
  });
});

describe('Expect: 100-continue', () => {
  const body = JSON.stringify(call(1));
  const head = (version = '1.1') =>
    lines(
      `POST /mcp HTTP/${version}`,
      'Host: a',
      'Content-Type: application/json',
      'Expect: 100-continue',
      `Content-Length: ${body.length}`,
    );

  test('is answered with 100 before the body, and not sent on', async () => {
    await RawClient.with(balancer.url, async (client) => {
      client.send(head());
      assert.equal((await client.head()).status, 100);
      assert.equal(backend.requests.length, 0, 'the backend sees nothing before the body is there');
      assertFromBackend(await client.exchange(body));
    });
    assert.ok(!backend.last.has('Expect'));
    assert.equal(backend.last.text, body);
  });

  test('is compared without case', async () => {
    await RawClient.with(balancer.url, async (client) => {
      client.send(bytes(head().toString('latin1').replace('100-continue', '100-Continue')));
      assert.equal((await client.head()).status, 100);
      assertFromBackend(await client.exchange(body));
    });
  });

  test('whose body follows at once is served', async () => {
    await RawClient.with(balancer.url, async (client) => {
      const answer = await client.exchange(Buffer.concat([head(), bytes(body)]));
      assertFromBackend(answer);
    });
    assert.ok(!backend.last.has('Expect'));
  });

  test('gets no 100 in HTTP/1.0', async () => {
    await RawClient.with(balancer.url, async (client) => {
      const answer = await client.exchange(Buffer.concat([head('1.0'), bytes(body)]));
      assertFromBackend(answer);
      assert.deepEqual(answer.informational, []);
    });
  });
});

describe('HTTP/1.0 clients', () => {
  test('get a reply and a closed connection', async () => {
    await RawClient.with(balancer.url, async (client) => {
      assertFromBackend(await client.exchange(get('/x', { version: '1.0' }), { method: 'GET' }));
      assert.equal(await client.closed(), 'fin');
    });
    assert.equal(backend.last.minor, 1, 'the backend is spoken to in HTTP/1.1');
  });

  test('may leave Host out', async () => {
    const { answer, seen } = await one(get('/x', { version: '1.0', host: null }), {
      method: 'GET',
    });
    assertFromBackend(answer);
    assert.equal(seen.all('Host').length, 1);
  });

  test('that ask for keep-alive may send a second request', async () => {
    await RawClient.with(balancer.url, async (client) => {
      const options = { version: '1.0', headers: [['Connection', 'keep-alive']] };
      const answer = await client.exchange(get('/1', options), { method: 'GET' });
      assert.match(answer.get('Connection') ?? '', /keep-alive/i);
      assertFromBackend(await client.exchange(get('/2', options), { method: 'GET' }));
    });
  });

  test('get a chunked backend reply delimited by close', async () => {
    backend.script = (seen, connection) =>
      connection.send(
        Buffer.concat([
          lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'),
          chunked('one ', 'two ', 'three'),
        ]),
      );
    await RawClient.with(balancer.url, async (client) => {
      const answer = await client.exchange(
        get('/x', { version: '1.0', headers: [['Connection', 'keep-alive']] }),
        { method: 'GET' },
      );
      assert.equal(answer.body.framing, 'close');
      assert.equal(answer.text, 'one two three');
      assert.doesNotMatch(answer.get('Connection') ?? '', /keep-alive/i);
    });
  });

  test('get a Content-Length reply as it is', async () => {
    const { answer } = await one(post(call(3), { version: '1.0' }));
    assert.equal(answer.body.framing, 'length');
    assert.equal(answer.body.json.id, 3);
  });
});

describe('replies delimited by close', () => {
  for (const version of ['1.0', '1.1']) {
    test(`from an HTTP/${version} backend become chunked for an HTTP/1.1 client, which stays connected`, async () => {
      backend.script = (seen, connection) =>
        seen.target === '/close'
          ? connection.end(
              Buffer.concat([
                lines(`HTTP/${version} 200 OK`, 'Content-Type: text/plain'),
                bytes('until the end'),
              ]),
            )
          : answerOk(seen, connection);
      await RawClient.with(balancer.url, async (client) => {
        const answer = await client.exchange(get('/close'), { method: 'GET' });
        assert.equal(answer.body.framing, 'chunked');
        assert.equal(answer.text, 'until the end');
        assertFromBackend(await client.exchange(get('/next'), { method: 'GET' }));
      });
    });
  }

  test('that are empty end cleanly', async () => {
    backend.script = (seen, connection) =>
      connection.end(lines('HTTP/1.1 200 OK', 'Connection: close'));
    const { answer } = await one(get('/close'), { method: 'GET' });
    assert.equal(answer.text, '');
  });
});

describe('trailers of replies', () => {
  const withTrailers = (seen, connection) =>
    connection.send(
      Buffer.concat([
        lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Trailer: X-Sum'),
        chunk('data'),
        bytes('0\r\nX-Sum: 42\r\n\r\n'),
      ]),
    );

  test('are dropped for a client that did not ask for them', async () => {
    backend.script = withTrailers;
    const { answer } = await one(get('/t'), { method: 'GET' });
    assert.equal(answer.text, 'data');
    assert.deepEqual(answer.body.trailers, []);
    assert.ok(!answer.has('X-Sum'));
  });

  test('are never merged into the headers of a client that asked with TE: trailers', async () => {
    backend.script = withTrailers;
    const { answer } = await one(
      get('/t', {
        headers: [
          ['TE', 'trailers'],
          ['Connection', 'TE'],
        ],
      }),
      { method: 'GET' },
    );
    assert.equal(answer.text, 'data');
    assert.ok(!answer.has('X-Sum'));
    assert.ok(
      answer.body.trailers.every((line) => line === 'X-Sum: 42'),
      answer.body.trailers.join(),
    );
  });

  test('that frame (Content-Length) reach no client', async () => {
    backend.script = (seen, connection) =>
      connection.send(
        Buffer.concat([
          lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'),
          chunk('data'),
          bytes('0\r\nContent-Length: 3\r\n\r\n'),
        ]),
      );
    await RawClient.with(balancer.url, async (client) => {
      client.send(
        get('/t', {
          headers: [
            ['TE', 'trailers'],
            ['Connection', 'TE'],
          ],
        }),
      );
      const answer = await client.open({ method: 'GET' });
      await answer.body.finish();
      assert.ok(answer.status === 502 || answer.body.text === 'data');
      assert.deepEqual(answer.body.trailers, []);
    });
  });
});

test('a listener on port 0 says which port it got', () => {
  assert.equal(addressOf(balancer, 'main'), new URL(balancer.url).host);
});

test('everything that reached the backend was well formed', () => backend.assertSound());
