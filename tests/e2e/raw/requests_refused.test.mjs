// Requests that are not HTTP/1.1 are refused before any backend saw a byte of them.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { bytes, call, get, post } from './lib/bytes.mjs';
import { assertFromBackend, assertRefused } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';

const BODY = JSON.stringify(call(1));
const LENGTH = BODY.length;
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

let backend;
let balancer;

before(async () => {
  backend = await ScriptedBackend.start();
  balancer = await startBalancer(pool(backend));
});

after(() => stopAll(balancer, backend));

// A POST whose framing lines and body are given; more bytes may follow.
const framed = (framing, body = BODY, version = '1.1') =>
  bytes(
    `POST /mcp HTTP/${version}\r\nHost: a\r\nContent-Type: application/json\r\n${[framing]
      .flat()
      .map((line) => `${line}\r\n`)
      .join('')}\r\n${body}`,
  );
const chunkedPost = (body) => framed('Transfer-Encoding: chunked', body);
const withLine = (line) =>
  bytes(`POST /mcp HTTP/1.1\r\nHost: a\r\n${line}\r\nContent-Length: ${LENGTH}\r\n\r\n${BODY}`);
const firstLine = (line, body = BODY) =>
  bytes(`${line}\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
const hosts = (...values) =>
  bytes(`GET /x HTTP/1.1\r\n${values.map((host) => `Host:${host}\r\n`).join('')}\r\n`);

const CL = `Content-Length: ${LENGTH}`;
const TE = 'Transfer-Encoding: chunked';
const hex = LENGTH.toString(16);
const goodChunks = `${hex}\r\n${BODY}\r\n0\r\n\r\n`;

// Each row: [what, bytes] or [what, bytes, {status, reason}].
const MALFORMED = {
  'message length': [
    ['Content-Length before Transfer-Encoding', framed([CL, TE], goodChunks)],
    ['Transfer-Encoding before Content-Length', framed([TE, CL], goodChunks)],
    [
      'Content-Length: 0 with chunks and a smuggled request',
      framed(['Content-Length: 0', TE], `0\r\n\r\n${SMUGGLED}`),
    ],
    ['the same Content-Length twice', framed([CL, CL])],
    ['two different Content-Lengths', framed([CL, 'Content-Length: 3'])],
    ['a smaller Content-Length first', framed(['Content-Length: 3', CL])],
    ['an empty Content-Length and then a good one', framed(['Content-Length:', CL])],
    ['a Content-Length list of equal values', framed('Content-Length: 5,5', 'hello')],
    ['a Content-Length list of different values', framed('Content-Length: 5, 6', 'hello')],
    ...[
      '+5',
      '-5',
      '0x5',
      '5_0',
      '5 5',
      '',
      '5.0',
      '5e0',
      "5'",
      '5;',
      '5\x0b',
      '\xd9\xa5',
      '5a',
      'a',
      '\x005',
      '99999999999999999999',
      '18446744073709551616',
      '18446744073709551621',
      '9223372036854775808',
      '0'.repeat(30) + '+5',
    ].map((value) => [
      `Content-Length ${JSON.stringify(value)}`,
      framed(`Content-Length: ${value}`, 'hello'),
      /^\d+$/.test(value) ? { status: [400, 413], reason: ['bad_request', 'body_too_large'] } : {},
    ]),
    ['a folded Content-Length', framed('Content-Length:\r\n 5', 'hello')],
    ['a Content-Length continued on the next line', framed('Content-Length: 5\r\n 0', 'hello')],
    ['Transfer-Encoding in HTTP/1.0', framed(TE, goodChunks, '1.0')],
    ['Transfer-Encoding and Content-Length in HTTP/1.0', framed([TE, CL], goodChunks, '1.0')],
  ],
  'transfer codings': [
    ...[
      'xchunked',
      'chunkedx',
      'chunked, chunked',
      'chunked, identity',
      'gzip, chunked',
      'chunked, gzip',
      'gzip',
      'identity',
      '',
      ',chunked',
      'chunked,',
      ', chunked',
      '"chunked"',
      "'chunked'",
      'chunked\x0b',
      '\x0bchunked',
      'chunked\x0c',
      'chunked;q=1',
      'chun ked',
      'chunked chunked',
      'x chunked',
      'chunk',
      'cow',
      '\x00chunked',
      'chunked\x00',
      'chunked\r',
      'identity, chunked',
      'chunked\x85',
      '\xa0chunked',
      '[chunked]',
    ].map((value) => [
      `Transfer-Encoding ${JSON.stringify(value)}`,
      framed(`Transfer-Encoding: ${value}`, goodChunks),
      { status: [400, 501] },
    ]),
    ['two Transfer-Encoding lines', framed([TE, TE], goodChunks), { status: [400, 501] }],
    [
      'chunked and then identity',
      framed([TE, 'Transfer-Encoding: identity'], goodChunks),
      { status: [400, 501] },
    ],
    [
      'identity and then chunked',
      framed(['Transfer-Encoding: identity', TE], goodChunks),
      { status: [400, 501] },
    ],
    ['a folded Transfer-Encoding', framed('Transfer-Encoding:\r\n chunked', goodChunks)],
    [
      'a blank before the colon of Transfer-Encoding',
      framed('Transfer-Encoding : chunked', goodChunks),
    ],
    [
      'a tab before the colon of Transfer-Encoding',
      framed('Transfer-Encoding\t: chunked', goodChunks),
    ],
    ['a blank before Transfer-Encoding', framed([CL, ' Transfer-Encoding: chunked'], goodChunks)],
    ['a vertical tab in the name', framed([CL, 'Transfer-Encoding\x0b: chunked'], goodChunks)],
    ['a NUL in the name', framed([CL, 'Transfer\x00-Encoding: chunked'], goodChunks)],
    ['TE hidden behind a bare CR', framed([CL, 'X: y\rTransfer-Encoding: chunked'], goodChunks)],
    ['TE hidden behind a bare LF', framed([CL, 'X: y\nTransfer-Encoding: chunked'], goodChunks)],
  ],
  chunks: [
    ...[
      '0x5',
      '+5',
      '-1',
      ' 5',
      '\t5',
      '5 ',
      '5\t',
      '5_0',
      '',
      '5g',
      'g',
      '5.',
      '-0',
      '5,5',
      '\x005',
      '5\x00',
      "5'",
      '10000000000000005',
      '100000000000000005',
      'fffffffffffffffff',
      'ffffffffffffffff',
      '8000000000000000',
      '5\x0b',
      '\xef\xbc\x95',
    ].map((size) => [
      `chunk size ${JSON.stringify(size)}`,
      chunkedPost(`${size}\r\nhello\r\n0\r\n\r\n`),
      /^[0-9a-f]{16,}$/.test(size)
        ? { status: [400, 413], reason: ['bad_request', 'body_too_large'] }
        : {},
    ]),
    ['a chunk line ended by LF', chunkedPost('5\nhello\r\n0\r\n\r\n')],
    ['a chunk extension with LF', chunkedPost(`5;\nhello\r\n0\r\n\r\n`)],
    ['a chunk extension with a bare CR', chunkedPost('5;a\rb\r\nhello\r\n0\r\n\r\n')],
    ['a chunk line ended by CR only', chunkedPost('5\rhello\r\n0\r\n\r\n')],
    ['a NUL in a chunk extension', chunkedPost('5;a=\x00\r\nhello\r\n0\r\n\r\n')],
    ['a last chunk ended by LF', chunkedPost('5\r\nhello\r\n0\n\n')],
    ['no CRLF after the data of a chunk', chunkedPost('5\r\nhello0\r\n\r\n')],
    ['only LF after the data of a chunk', chunkedPost('5\r\nhello\n0\r\n\r\n')],
    ['only CR after the data of a chunk', chunkedPost('5\r\nhello\r0\r\n\r\n')],
    ['more data than the chunk said', chunkedPost('5\r\nhello!!\r\n0\r\n\r\n')],
    ['less data than the chunk said', chunkedPost(`8\r\nhello\r\n0\r\n\r\n${SMUGGLED}`)],
    [
      'an endless chunk extension',
      chunkedPost(`5;${'e'.repeat(100_000)}`),
      { status: [400, 413, 431], reason: ['bad_request', 'body_too_large', 'head_too_large'] },
    ],
    ['a trailer without a colon', chunkedPost('5\r\nhello\r\n0\r\nbad\r\n\r\n')],
    ['a trailer with a bare LF', chunkedPost('5\r\nhello\r\n0\r\nX: y\n\r\n')],
    ['a folded trailer', chunkedPost('5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n')],
    [
      'endless trailers',
      chunkedPost(`5\r\nhello\r\n0\r\n${'X-T: 1\r\n'.repeat(15_000)}`),
      { status: [400, 413, 431], reason: ['bad_request', 'body_too_large', 'head_too_large'] },
    ],
  ],
  'header lines': [
    ['every line ended by LF', bytes('GET /x HTTP/1.1\nHost: a\n\n')],
    ['the request line ended by LF', bytes('GET /x HTTP/1.1\nHost: a\r\n\r\n')],
    ['a header line ended by LF', bytes('GET /x HTTP/1.1\r\nHost: a\nX: y\r\n\r\n')],
    ['the head ended by LF', bytes('GET /x HTTP/1.1\r\nHost: a\r\n\n')],
    ['a line ended by CR', bytes('GET /x HTTP/1.1\rHost: a\r\r')],
    ['a bare CR in a value', withLine('X-A: a\rb')],
    ['a bare CR at the end of a value', withLine('X-A: a\r')],
    ['a bare CR in a name', withLine('X\r-A: a')],
    ['a NUL in a value', withLine('X-A: a\x00b')],
    ['a NUL in a name', withLine('X\x00A: a')],
    ['a fold with a blank', withLine('X-A: a\r\n b')],
    ['a fold with a tab', withLine('X-A: a\r\n\tb')],
    ['a first header that starts with a blank', bytes('GET /x HTTP/1.1\r\n Host: a\r\n\r\n')],
    [
      'a first header that starts with a tab',
      bytes('GET /x HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n'),
    ],
    ['a line of blanks', withLine(' ')],
    ['a blank before the colon', withLine('X-A : a')],
    ['a tab before the colon', withLine('X-A\t: a')],
    ['a blank before the colon of Host', bytes('GET /x HTTP/1.1\r\nHost : a\r\n\r\n')],
    ['an empty name', withLine(': a')],
    ['a line without a colon', withLine('NoColon')],
    ...[
      'X A',
      'X(A',
      'X)',
      'X,A',
      'X/A',
      'X;A',
      'X<A',
      'X=A',
      'X>A',
      'X?A',
      'X@A',
      'X[A',
      'X\\A',
      'X]A',
      'X{A',
      'X}A',
      '"X"',
      'X\x7f',
      'X\x80',
      'X\xe9',
      'X\x0b',
      'X\x1f',
    ].map((name) => [`the name ${JSON.stringify(name)}`, withLine(`${name}: a`)]),
    ...[0x01, 0x07, 0x08, 0x0b, 0x0c, 0x0e, 0x1b, 0x1f, 0x7f].map((octet) => [
      `the control character 0x${octet.toString(16)} in a value`,
      withLine(`X-A: a${String.fromCharCode(octet)}b`),
    ]),
  ],
  'request lines': [
    ['HTTP/2.0', firstLine('POST /mcp HTTP/2.0'), { status: [400, 505] }],
    ['HTTP/3.0', firstLine('POST /mcp HTTP/3.0'), { status: [400, 505] }],
    ['HTTP/0.9', firstLine('POST /mcp HTTP/0.9'), { status: [400, 505] }],
    ['HTTP/1.10', firstLine('POST /mcp HTTP/1.10'), { status: [400, 505] }],
    ['HTTP/1', firstLine('POST /mcp HTTP/1'), { status: [400, 505] }],
    ['HTTP/1.', firstLine('POST /mcp HTTP/1.'), { status: [400, 505] }],
    ['HTTP/01.1', firstLine('POST /mcp HTTP/01.1'), { status: [400, 505] }],
    ['HTTP/1.1 with trailing junk', firstLine('POST /mcp HTTP/1.1 junk')],
    ['HTTP/1.1 with a trailing blank', firstLine('POST /mcp HTTP/1.1 ')],
    ['http/1.1', firstLine('POST /mcp http/1.1'), { status: [400, 505] }],
    ['HTTPS/1.1', firstLine('POST /mcp HTTPS/1.1'), { status: [400, 505] }],
    ['RTSP/1.0', firstLine('POST /mcp RTSP/1.0'), { status: [400, 505] }],
    ['HTTP 1.1', firstLine('POST /mcp HTTP 1.1')],
    ['no version', firstLine('POST /mcp'), { status: [400, 505] }],
    ['the preface of HTTP/2', bytes('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), { status: [400, 505] }],
    ['a TLS hello', bytes('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n')],
    ['random bytes', bytes('\xde\xad\xbe\xef\x00\x01\x02\x03\r\n\r\n')],
    ['no target', firstLine('GET HTTP/1.1')],
    ['an empty line of blanks', bytes('   \r\n\r\n')],
    ['a blank before the method', firstLine(' GET /x HTTP/1.1')],
    ['two blanks before the target', firstLine('GET  /x HTTP/1.1')],
    ['two blanks before the version', firstLine('GET /x  HTTP/1.1')],
    ['a tab before the target', firstLine('GET\t/x HTTP/1.1')],
    ['a tab before the version', firstLine('GET /x\tHTTP/1.1')],
    ['a blank in the target', firstLine('GET /a b HTTP/1.1')],
    ['a fragment in the target', firstLine('GET /x#y HTTP/1.1')],
    ['raw 8-bit octets in the target', firstLine('GET /caf\xe9 HTTP/1.1')],
    ['raw UTF-8 in the target', firstLine('GET /caf\xc3\xa9?q=\xe2\x82\xac HTTP/1.1')],
    ['a NUL in the target', firstLine('GET /a\x00b HTTP/1.1')],
    ['a control character in the target', firstLine('GET /a\x01b HTTP/1.1')],
    ['DEL in the target', firstLine('GET /a\x7fb HTTP/1.1')],
    ['a bare CR in the target', firstLine('GET /a\rb HTTP/1.1')],
    ['a target that is no path', firstLine('GET x HTTP/1.1')],
    ['a target with another scheme', firstLine('GET ftp://a/x HTTP/1.1')],
    ['an absolute target without a host', firstLine('GET http:///x HTTP/1.1')],
    ['an absolute target with userinfo', firstLine('GET http://u:p@a/x HTTP/1.1')],
    ['an absolute target with a bad port', firstLine('GET http://a:99999/x HTTP/1.1')],
    ['GET *', firstLine('GET * HTTP/1.1')],
    ['POST *', firstLine('POST * HTTP/1.1')],
    ['GET with an authority', firstLine('GET a.example:80 HTTP/1.1')],
    [
      'CONNECT with an authority',
      bytes('CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n'),
      { status: [400, 405, 501] },
    ],
    [
      'CONNECT with a path',
      bytes('CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n'),
      { status: [400, 405, 501] },
    ],
    [
      'TRACE',
      bytes('TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n'),
      { status: [400, 405, 501], open: true },
    ],
    ['a method that is no token', firstLine('G(T /x HTTP/1.1'), { status: [400, 405, 501] }],
    ['an 8-bit method', firstLine('G\xc9T /x HTTP/1.1'), { status: [400, 405, 501] }],
  ],
  Host: [
    ['no Host in HTTP/1.1', bytes('GET /x HTTP/1.1\r\n\r\n')],
    ['the same Host twice', hosts(' a', ' a')],
    ['two different Hosts', hosts(' a', ' b')],
    ...[
      '',
      ' ',
      ' a/b',
      ' u@a',
      ' u:p@a',
      ' a,b',
      ' a, b',
      ' a b',
      ' a:b',
      ' a:',
      ' a:99999',
      ' a:-1',
      ' a:80:80',
      ' :80',
      ' [::1',
      ' ::1',
      ' a?b',
      ' a#b',
      ' http://a',
      ' a\\b',
      ' "a"',
      ' a\x00',
      ' a\xe9',
      ' <a>',
      ' a%zz',
    ].map((value) => [`Host:${JSON.stringify(value)}`, hosts(value)]),
    ['an absolute target and no Host', bytes('GET http://a/x HTTP/1.1\r\n\r\n')],
    [
      'an absolute target and two Hosts',
      bytes('GET http://a/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'),
    ],
  ],
};

// `a:` (an empty port) and `a%zz` are grammatical corner cases that some accept: they only
// have to be treated in one way, so they are kept out of the strict table.
MALFORMED.Host = MALFORMED.Host.filter(
  ([what]) => !['Host:" a:"', 'Host:" a%zz"', 'Host:" a\\\\b"'].includes(what),
);

const refused = (data, expected) => assertRefused(balancer, backend, data, expected);

for (const [kind, rows] of Object.entries(MALFORMED)) {
  describe(`malformed ${kind}`, () => {
    for (const [what, data, expected] of rows) {
      test(`${what} is refused and the connection closed`, () => refused(data, expected));
    }
  });
}

describe('accepted or refused, but never something in between', () => {
  for (const [what, data, check] of [
    [
      'an absolute target with a query but no path',
      bytes('GET http://a.example?q=1 HTTP/1.1\r\nHost: a.example\r\n\r\n'),
      (seen) => seen.target === '/?q=1',
    ],
    [
      'leading zeros in Content-Length',
      framed(`Content-Length: 000${LENGTH}`),
      (seen) => seen.get('Content-Length') === String(LENGTH),
    ],
    ['HTTP/1.2', firstLine('POST /mcp HTTP/1.2'), (seen) => seen.minor === 1],
    [
      'a lower-case method',
      bytes('get /x HTTP/1.1\r\nHost: a\r\n\r\n'),
      (seen) => seen.method === 'get',
    ],
    [
      'an unknown method',
      bytes('FROBNICATE /x HTTP/1.1\r\nHost: a\r\n\r\n'),
      (seen) => seen.method === 'FROBNICATE',
    ],
    ['an empty port in Host', hosts(' a:'), (seen) => ['a', 'a:'].includes(seen.get('Host'))],
    [
      'a tab around chunked',
      framed('Transfer-Encoding:\tchunked\t', goodChunks),
      (seen) => seen.text === BODY,
    ],
    ['Upgrade without Connection', withLine('Upgrade: h2c'), (seen) => !seen.has('Upgrade')],
    [
      'a form feed of empty lines',
      bytes(`\r\n\r\n\r\n${get('/x').toString('latin1')}`),
      (seen) => seen.target === '/x',
    ],
  ]) {
    test(what, async () => {
      backend.clear();
      await RawClient.with(balancer.url, async (client) => {
        const answer = await client.exchange(data);
        if (answer.get('X-Mcplb-Reason') !== undefined) {
          assert.ok([400, 405, 501, 505].includes(answer.status), answer.first);
          assert.equal(backend.requests.length, 0);
        } else {
          assertFromBackend(answer);
          assert.equal(backend.requests.length, 1);
          assert.ok(
            check(backend.last),
            `${backend.last.first} ${JSON.stringify(backend.last.headers)}`,
          );
        }
      });
    });
  }
});

test('after all of this a good request is served', async () => {
  await RawClient.with(balancer.url, async (client) => {
    assertFromBackend(await client.exchange(post(call(99))));
  });
});

test('nothing smuggled and nothing malformed ever reached the backend', () => {
  backend.assertSound();
  assert.ok(backend.connections.every(({ raw }) => !Buffer.concat(raw).includes('smuggled')));
});
