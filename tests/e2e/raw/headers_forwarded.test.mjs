// The head of a request and of a reply: what passes untouched, what is removed, what is added.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { ask, bytes, call, get, modern, post, reply, request } from './lib/bytes.mjs';
import { assertFromBackend } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { answerOk, ScriptedBackend } from './lib/scripted_backend.mjs';

let backend;
let plain; // trusts nobody
let trusting; // trusts loopback

before(async () => {
  backend = await ScriptedBackend.start();
  plain = await startBalancer(pool(backend));
  trusting = await startBalancer(pool(backend), { trusted_proxies: ['127.0.0.0/8'] });
});

after(() => stopAll(plain, trusting, backend));

beforeEach(() => {
  backend.script = answerOk;
  backend.clear();
});

// One request on a connection of its own: what the client got and what the backend got.
async function one(data, { balancer = plain, ...options } = {}) {
  return RawClient.with(balancer.url, async (client) => {
    const answer = await client.exchange(data, options);
    return { answer, seen: backend.last };
  });
}

describe('targets', () => {
  for (const target of [
    '/',
    '/mcp?x=1&y=%20&z=a+b&r[]=1;q&e=%C3%A9',
    '/a%2Fb%2fc/%7euser',
    '//double//slash',
    '/a/../b/./c',
    '/mcp?',
    '/?a=b?c=d/../e',
    '/%00%ff',
    '/semi;colon=1/at@x:y,z',
    '/*',
  ]) {
    test(`${target} reaches the backend as it is`, async () => {
      const { answer, seen } = await one(get(target), { method: 'GET' });
      assertFromBackend(answer);
      assert.equal(seen.target, target);
    });
  }

  for (const [absolute, target, host] of [
    ['http://other.example/mcp?x=1', '/mcp?x=1', 'other.example'],
    ['http://other.example:8080/a/b', '/a/b', 'other.example:8080'],
    ['HTTP://other.example/a', '/a', 'other.example'],
    ['http://other.example', '/', 'other.example'],
    ['http://[::1]:99/v6', '/v6', '[::1]:99'],
  ]) {
    test(`the absolute target ${absolute} becomes ${target} with the Host it names`, async () => {
      const { answer, seen } = await one(get(absolute, { host: 'mcp.example.com' }), {
        method: 'GET',
      });
      assertFromBackend(answer);
      assert.equal(seen.target, target);
      assert.deepEqual(seen.all('Host'), [host]);
    });
  }

  test('OPTIONS * gets one whole reply', async () => {
    await RawClient.with(plain.url, async (client) => {
      const answer = await client.exchange(request('OPTIONS', '*'), { method: 'OPTIONS' });
      assert.ok(answer.status >= 200 && answer.status < 600);
      assert.ok(backend.requests.every(({ target }) => target === '*'));
    });
  });

  for (const method of ['OPTIONS', 'PUT', 'PATCH', 'DELETE']) {
    test(`${method} reaches the backend`, async () => {
      const { answer, seen } = await one(request(method, '/thing'), { method });
      assertFromBackend(answer);
      assert.equal(seen.method, method);
    });
  }
});

describe('hop-by-hop headers', () => {
  const HOP = [
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
  ];

  test('of a request, and those that Connection names, stay behind', async () => {
    const { answer, seen } = await one(
      get('/x', {
        headers: [
          ['Connection', 'keep-alive, X-Hop ,x-hop-two'],
          ['X-Hop', '1'],
          ['X-Hop-Two', '2'],
          ['X-Stays', '3'],
          ['Keep-Alive', 'timeout=5'],
          ['Proxy-Connection', 'keep-alive'],
          ['TE', 'trailers, deflate'],
          ['Trailer', 'X-Late'],
          ['Upgrade', 'h2c'],
        ],
      }),
      { method: 'GET' },
    );
    assertFromBackend(answer);
    for (const name of [...HOP, 'X-Hop', 'X-Hop-Two']) {
      // Our own Connection: keep-alive would be ours to send; the client's would not. An offer
      // to take trailers is renewed for the next hop, and named there (RFC 9110 §10.1.4).
      if (name === 'Connection' && /^(keep-alive|TE)$/i.test(seen.get(name) ?? '')) continue;
      if (name === 'TE' && seen.get(name) === 'trailers') continue;
      assert.ok(!seen.has(name), `${name}: ${seen.get(name)} reached the backend`);
    }
    assert.equal(seen.get('X-Stays'), '3');
  });

  test('TE says no more to the backend than that trailers are welcome', async () => {
    const { answer, seen } = await one(
      get('/x', {
        headers: [
          ['TE', 'trailers, deflate;q=0.5'],
          ['Connection', 'TE'],
        ],
      }),
      { method: 'GET' },
    );
    assertFromBackend(answer);
    if (seen.has('TE')) {
      assert.equal(seen.get('TE'), 'trailers');
      assert.match(seen.get('Connection') ?? '', /\bTE\b/i);
    }
  });

  test('an offer to upgrade to h2c is not passed on', async () => {
    const { answer, seen } = await one(
      get('/x', {
        headers: [
          ['Connection', 'Upgrade, HTTP2-Settings'],
          ['Upgrade', 'h2c'],
          ['HTTP2-Settings', 'AAMAAABkAARAAAAAAAIAAAAA'],
        ],
      }),
      { method: 'GET' },
    );
    assertFromBackend(answer);
    for (const name of ['Upgrade', 'HTTP2-Settings'])
      assert.ok(!seen.has(name), `${name} reached the backend`);
  });

  test('several Connection lines are all honoured', async () => {
    const { seen } = await one(
      get('/x', {
        headers: [
          ['Connection', 'X-One'],
          ['X-One', '1'],
          ['connection', 'X-Two'],
          ['X-Two', '2'],
        ],
      }),
      { method: 'GET' },
    );
    assert.ok(!seen.has('X-One') && !seen.has('X-Two'), JSON.stringify(seen.headers));
  });

  for (const name of [
    'Host',
    'Content-Length',
    'Authorization',
    'Mcp-Session-Id',
    'X-Forwarded-For',
  ]) {
    test(`Connection: ${name} takes no end-to-end header away silently`, async () => {
      await RawClient.with(plain.url, async (client) => {
        const fields = { Authorization: 'Bearer x' };
        const answer = await client.exchange(
          post(modern('tools/list', 1), {
            headers: [['Connection', name], ...Object.entries(fields)],
          }),
        );
        if (answer.status === 400) return;
        assertFromBackend(answer);
        assert.equal(backend.last.get('Host'), 'mcp.example.com');
        assert.equal(backend.last.message.method, 'tools/list');
        assert.equal(backend.last.get('X-Forwarded-For'), '127.0.0.1');
        if (name === 'Authorization') assert.equal(backend.last.get('Authorization'), 'Bearer x');
      });
    });
  }

  test('of a reply, and those that Connection names, stay behind', async () => {
    backend.script = (seen, connection) =>
      connection.send(
        reply(200, {
          body: 'x',
          headers: [
            ['Connection', 'keep-alive, X-Hop'],
            ['X-Hop', '1'],
            ['Keep-Alive', 'timeout=77'],
            ['Proxy-Connection', 'keep-alive'],
            ['Upgrade', 'h2c'],
            ['X-Stays', '3'],
          ],
        }),
      );
    const { answer } = await one(get('/x'), { method: 'GET' });
    for (const name of ['X-Hop', 'Proxy-Connection', 'Upgrade']) {
      assert.ok(!answer.has(name), `${name}: ${answer.get(name)} reached the client`);
    }
    assert.doesNotMatch(answer.get('Keep-Alive') ?? '', /77/);
    assert.doesNotMatch(answer.get('Connection') ?? '', /X-Hop/i);
    assert.equal(answer.get('X-Stays'), '3');
  });

  test('Connection: close from the backend does not close the client connection', async () => {
    backend.script = (seen, connection) =>
      connection.end(reply(200, { body: 'x', headers: [['Connection', 'close']] }));
    await RawClient.with(plain.url, async (client) => {
      await client.exchange(get('/1'), { method: 'GET' });
      assertFromBackend(await client.exchange(get('/2'), { method: 'GET' }));
    });
  });
});

describe('forwarding headers', () => {
  const FORGED = [
    ['X-Forwarded-For', '1.2.3.4'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Host', 'forged.example'],
    ['X-Real-IP', '9.9.9.9'],
    ['X-Request-Id', 'forged-id'],
  ];

  test('tell the backend about the client', async () => {
    const { seen } = await one(get('/x', { host: 'mcp.example.com:8443' }), { method: 'GET' });
    assert.deepEqual(seen.all('Host'), ['mcp.example.com:8443']);
    assert.deepEqual(seen.all('X-Forwarded-For'), ['127.0.0.1']);
    assert.deepEqual(seen.all('X-Forwarded-Proto'), ['http']);
    assert.deepEqual(seen.all('X-Forwarded-Host'), ['mcp.example.com:8443']);
    assert.deepEqual(seen.all('X-Real-IP'), ['127.0.0.1']);
  });

  test('that the client invents are replaced', async () => {
    const { seen } = await one(get('/x', { headers: FORGED }), { method: 'GET' });
    assert.deepEqual(seen.all('X-Forwarded-Proto'), ['http']);
    assert.deepEqual(seen.all('X-Forwarded-Host'), ['mcp.example.com']);
    assert.deepEqual(seen.all('X-Real-IP'), ['127.0.0.1']);
    assert.equal(seen.all('X-Request-Id').length, 1);
    assert.notEqual(seen.get('X-Request-Id'), 'forged-id');
  });

  test('X-Forwarded-For is appended to', async () => {
    const { seen } = await one(
      get('/x', {
        headers: [
          ['X-Forwarded-For', '1.2.3.4'],
          ['X-Forwarded-For', '5.6.7.8'],
        ],
      }),
      { method: 'GET' },
    );
    assert.equal(seen.get('X-Forwarded-For').replace(/\s/g, ''), '1.2.3.4,5.6.7.8,127.0.0.1');
  });

  test('of a trusted peer are kept', async () => {
    const { answer, seen } = await one(get('/x', { headers: FORGED }), {
      method: 'GET',
      balancer: trusting,
    });
    assert.equal(seen.get('X-Forwarded-For').replace(/\s/g, ''), '1.2.3.4,127.0.0.1');
    assert.deepEqual(seen.all('X-Forwarded-Proto'), ['https']);
    assert.deepEqual(seen.all('X-Forwarded-Host'), ['forged.example']);
    assert.deepEqual(seen.all('X-Real-IP'), ['9.9.9.9']);
    assert.deepEqual(seen.all('X-Request-Id'), ['forged-id']);
    assert.equal(answer.get('X-Request-Id'), 'forged-id');
  });

  test('that a trusted peer leaves out are set', async () => {
    const { seen } = await one(get('/x'), { method: 'GET', balancer: trusting });
    assert.deepEqual(seen.all('X-Forwarded-Proto'), ['http']);
    assert.deepEqual(seen.all('X-Real-IP'), ['127.0.0.1']);
  });

  test('the client named is the real one', async () => {
    await RawClient.with(
      plain.url,
      async (client) => {
        await client.exchange(get('/x'), { method: 'GET' });
      },
      { localAddress: '127.0.0.77' },
    );
    assert.equal(backend.last.get('X-Forwarded-For'), '127.0.0.77');
    assert.equal(backend.last.get('X-Real-IP'), '127.0.0.77');
  });

  test('one X-Request-Id goes to the backend and, the same, to the client', async () => {
    const first = await one(get('/x'), { method: 'GET' });
    const second = await one(get('/x'), { method: 'GET' });
    for (const { answer, seen } of [first, second]) {
      assert.equal(seen.all('X-Request-Id').length, 1);
      assert.ok(seen.get('X-Request-Id').length >= 8);
      assert.equal(answer.get('X-Request-Id'), seen.get('X-Request-Id'));
    }
    assert.notEqual(first.answer.get('X-Request-Id'), second.answer.get('X-Request-Id'));
  });

  test('traceparent, tracestate and baggage pass', async () => {
    const trace = [
      ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
      ['tracestate', 'a=1,b=2'],
      ['baggage', 'k=v'],
    ];
    const { seen } = await one(get('/x', { headers: trace }), { method: 'GET' });
    for (const [name, value] of trace) assert.deepEqual(seen.all(name), [value]);
  });
});

describe('headers that are not ours', () => {
  test('pass untouched towards the backend, repeated ones in order', async () => {
    const own = [
      ['Mcp-Param-Region', 'us-west1'],
      ['MCP-Protocol-Version', '2025-06-18'],
      ['Mcp-Unknown-Thing', 'kept; q="a,b"'],
      ['Authorization', 'Bearer t.o-k~n'],
      ['Origin', 'https://app.example'],
      ['Last-Event-ID', 'e-9'],
      ['Cookie', 'a=b; c=d'],
      ['X-Twice', 'one'],
      ['X-Twice', 'two, three'],
      ['X-Twice', ''],
      ['X-Empty', ''],
      ['X-Latin', 'caf\xe9'],
      ['User-Agent', 'test/1.0 (x)'],
      ['If-None-Match', '"tag"'],
      ["X-!#$%&'*+-.^_`|~9", 'token'],
    ];
    const { answer, seen } = await one(post(call(1), { headers: own }));
    assertFromBackend(answer);
    const names = new Set(own.map(([name]) => name.toLowerCase()));
    for (const name of names) {
      assert.deepEqual(
        seen.all(name),
        own.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value),
        name,
      );
    }
    assert.equal(seen.get('Accept'), 'application/json, text/event-stream');
    assert.equal(seen.get('Content-Type'), 'application/json');
  });

  test('pass untouched towards the client, repeated ones in order', async () => {
    const own = [
      ['Set-Cookie', 'a=1; Path=/'],
      ['Set-Cookie', 'b=2'],
      ['X-Thing', '1'],
      [
        'WWW-Authenticate',
        'Bearer resource_metadata="https://x/.well-known/y", scope="a b", Basic realm="z"',
      ],
      ['ETag', 'W/"1"'],
      ['Cache-Control', 'no-store, max-age=0'],
      ['Access-Control-Expose-Headers', 'Mcp-Session-Id'],
      ['X-Accel-Buffering', 'no'],
      ['Date', 'Tue, 15 Nov 1994 08:12:31 GMT'],
      ['Server', 'backend/1'],
    ];
    backend.script = (seen, connection) =>
      connection.send(reply(401, { headers: own, body: 'denied' }));
    const { answer } = await one(post(call(1)));
    assertFromBackend(answer, 401);
    for (const name of new Set(own.map(([key]) => key))) {
      assert.deepEqual(
        answer.all(name),
        own.filter(([key]) => key === name).map(([, value]) => value),
        name,
      );
    }
    assert.equal(answer.text, 'denied');
  });

  test('blanks around a value are not part of it', async () => {
    const { seen } = await one(
      bytes('GET /x HTTP/1.1\r\nHost:   a.example \t\r\nX-Blank: \t a  b \t \r\nX-Tight:c\r\n\r\n'),
      { method: 'GET' },
    );
    assert.equal(seen.get('Host'), 'a.example');
    assert.equal(seen.get('X-Blank'), 'a  b');
    assert.equal(seen.get('X-Tight'), 'c');
  });

  for (const [status, reason] of [
    [200, 'OK'],
    [200, ''],
    [418, 'Short and stout'],
    [500, 'Internal Server Error'],
    [405, 'Method Not Allowed'],
  ]) {
    test(`status ${status} ${JSON.stringify(reason)} passes`, async () => {
      backend.script = (seen, connection) => connection.send(reply(status, { reason, body: 'b' }));
      const { answer } = await one(post(call(1)));
      assertFromBackend(answer, status);
      assert.equal(answer.text, 'b');
    });
  }

  test('a gzip reply passes as it is', async () => {
    const body = bytes('\x1f\x8b\x08\x00 not really');
    backend.script = (seen, connection) =>
      connection.send(reply(200, { headers: [['Content-Encoding', 'gzip']], body }));
    const { answer } = await one(get('/x'), { method: 'GET' });
    assert.equal(answer.get('Content-Encoding'), 'gzip');
    assert.deepEqual(answer.body.data, body);
  });
});

describe('MCP headers', () => {
  for (const [title, message, headers] of [
    [
      'a comma in Mcp-Name passes',
      modern('tools/call', 1, { name: 'a,b', arguments: {} }),
      [
        ['MCP-Protocol-Version', '2026-07-28'],
        ['Mcp-Method', 'tools/call'],
        ['Mcp-Name', 'a,b'],
      ],
    ],
    [
      'blanks around mirrored values do not count',
      modern('tools/call', 1, { name: 'foo', arguments: {} }),
      [
        ['MCP-Protocol-Version', ' 2026-07-28\t'],
        ['Mcp-Method', '  tools/call '],
        ['Mcp-Name', ' \tfoo '],
      ],
    ],
    [
      'header names are compared without case',
      modern('tools/call', 1, { name: 'foo', arguments: {} }),
      [
        ['mcp-protocol-version', '2026-07-28'],
        ['MCP-METHOD', 'tools/call'],
        ['mCP-nAME', 'foo'],
      ],
    ],
    [
      'an encoded Mcp-Name equals the name it stands for',
      modern('resources/read', 1, { uri: 'file:///doc/é.txt' }),
      [
        ['MCP-Protocol-Version', '2026-07-28'],
        ['Mcp-Method', 'resources/read'],
        ['Mcp-Name', '=?base64?ZmlsZTovLy9kb2Mvw6kudHh0?='],
      ],
    ],
    [
      'an encoded Mcp-Name may stand for a sentinel',
      modern('tools/call', 1, { name: '=?base64?literal?=', arguments: {} }),
      [
        ['MCP-Protocol-Version', '2026-07-28'],
        ['Mcp-Method', 'tools/call'],
        ['Mcp-Name', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
      ],
    ],
    [
      'an upper-case sentinel prefix is a plain name',
      modern('tools/call', 1, { name: '=?BASE64?eA==?=', arguments: {} }),
      [
        ['MCP-Protocol-Version', '2026-07-28'],
        ['Mcp-Method', 'tools/call'],
        ['Mcp-Name', '=?BASE64?eA==?='],
      ],
    ],
    ['a modern claim without headers is for the backend to judge', modern('tools/list', 1), []],
    [
      'a modern version without a claim is for the backend to judge',
      ask('tools/list', 1),
      [
        ['MCP-Protocol-Version', '2026-07-28'],
        ['Mcp-Method', 'tools/list'],
      ],
    ],
    [
      'an unknown modern version is for the backend to judge',
      modern('tools/list', 1, {}, '2031-01-01'),
      [
        ['MCP-Protocol-Version', '2031-01-01'],
        ['Mcp-Method', 'tools/list'],
      ],
    ],
    [
      'a legacy request with odd Mcp-Method is for the backend to judge',
      ask('tools/list', 1),
      [
        ['MCP-Protocol-Version', '2025-06-18'],
        ['Mcp-Method', 'else'],
      ],
    ],
    ['an unknown method is for the backend to judge', ask('x/unknown', 'id-1'), []],
    [
      'tasks/get may come without Mcp-Name',
      modern('tasks/get', 1, { taskId: 't-1' }),
      [
        ['MCP-Protocol-Version', '2026-07-28'],
        ['Mcp-Method', 'tasks/get'],
      ],
    ],
  ]) {
    test(title, async () => {
      const { answer, seen } = await one(post(message, { headers }));
      assertFromBackend(answer);
      for (const [name, value] of headers) assert.equal(seen.get(name), value.trim(), name);
      assert.deepEqual(seen.message, message);
    });
  }

  test('Mcp_Session_Id is not the session header', async () => {
    const { answer } = await one(
      post(ask('tools/list', 1), { headers: [['Mcp_Session_Id', 'no-such-session']] }),
    );
    assert.ok(
      answer.status === 400 || answer.get('X-Mcplb-Reason') === undefined,
      `${answer.status} ${answer.get('X-Mcplb-Reason')}`,
    );
  });

  test('Content_Length and Transfer_Encoding do not frame', async () => {
    await RawClient.with(plain.url, async (client) => {
      const answer = await client.exchange(
        post(ask('ping', 1), {
          headers: [
            ['Content_Length', '3'],
            ['Transfer_Encoding', 'chunked'],
          ],
        }),
      );
      if (answer.status === 400) return;
      assertFromBackend(answer);
      assert.equal(backend.last.message.method, 'ping');
      assertFromBackend(await client.exchange(post(ask('ping', 2))));
    });
  });
});

test('everything that reached the backend was well formed', () => backend.assertSound());
