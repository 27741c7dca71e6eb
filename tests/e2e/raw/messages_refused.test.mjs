// MCP messages that contradict themselves are refused before any backend saw a byte of them.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { ask, initialize, modern, modernMeta, post } from './lib/bytes.mjs';
import { assertOwnReply, assertRefused } from './lib/claims.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';

let backend;
let balancer;

before(async () => {
  backend = await ScriptedBackend.start();
  balancer = await startBalancer(pool(backend));
});

after(() => stopAll(balancer, backend));

const refused = (data, expected) => assertRefused(balancer, backend, data, expected);

describe('MCP headers', () => {
  const headerPost = (message, headers) => post(message, { headers });
  const session = (value) => headerPost(ask('ping', 1), [['Mcp-Session-Id', value]]);
  const sound = modern('tools/call', 1, { name: 'a', arguments: {} });
  const mirrored = [
    ['MCP-Protocol-Version', '2026-07-28'],
    ['Mcp-Method', 'tools/call'],
    ['Mcp-Name', 'a'],
  ];

  for (const [name, value] of [...mirrored, ['Mcp-Session-Id', 's-1']]) {
    for (const second of [value, `${value}x`, '']) {
      test(`a second ${name} line ${JSON.stringify(second)} is refused`, () =>
        refused(
          headerPost(sound, [
            ...mirrored.filter(([key]) => key !== name),
            [name, value],
            [name.toUpperCase(), second],
          ]),
          { open: true, reason: ['bad_request', 'header_mismatch'] },
        ));
    }
  }

  for (const [name, value] of [
    ['MCP-Protocol-Version', '2026-07-28, 2026-07-28'],
    ['MCP-Protocol-Version', '2025-06-18,2025-03-26'],
    ['Mcp-Method', 'tools/call, tools/call'],
    ['Mcp-Method', 'tools/call,'],
  ]) {
    test(`a comma in ${name}: ${value} is refused`, () =>
      refused(headerPost(sound, [...mirrored.filter(([key]) => key !== name), [name, value]]), {
        open: true,
        reason: ['bad_request', 'header_mismatch'],
      }));
  }

  for (const value of ['a b', 'a\tb', 'caf\xe9', '\x80', '\xff\xfe', 's-1, s-2 ']) {
    test(`the session id ${JSON.stringify(value)} is refused`, () =>
      refused(session(value), { open: true }));
  }

  for (const value of ['a\x7fb', 'a\x01b']) {
    test(`the session id ${JSON.stringify(value)} is refused and the connection closed`, () =>
      refused(session(value)));
  }

  for (const [what, message, headers] of [
    [
      'Mcp-Method contradicts the body',
      sound,
      [mirrored[0], ['Mcp-Method', 'tools/list'], mirrored[2]],
    ],
    ['Mcp-Method differs in case', sound, [mirrored[0], ['Mcp-Method', 'TOOLS/CALL'], mirrored[2]]],
    ['Mcp-Name contradicts params.name', sound, [mirrored[0], mirrored[1], ['Mcp-Name', 'b']]],
    ['Mcp-Name differs in case', sound, [mirrored[0], mirrored[1], ['Mcp-Name', 'A']]],
    [
      'MCP-Protocol-Version contradicts _meta',
      sound,
      [['MCP-Protocol-Version', '2026-07-29'], mirrored[1], mirrored[2]],
    ],
    [
      'a legacy MCP-Protocol-Version contradicts a modern claim',
      sound,
      [['MCP-Protocol-Version', '2025-06-18'], mirrored[1], mirrored[2]],
    ],
    [
      'Mcp-Name contradicts params.uri',
      modern('resources/read', 1, { uri: 'file:///a' }),
      [mirrored[0], ['Mcp-Method', 'resources/read'], ['Mcp-Name', 'file:///b']],
    ],
    [
      'Mcp-Name contradicts the name of a prompt',
      modern('prompts/get', 1, { name: 'a' }),
      [mirrored[0], ['Mcp-Method', 'prompts/get'], ['Mcp-Name', 'b']],
    ],
    [
      'Mcp-Name contradicts params.taskId',
      modern('tasks/get', 1, { taskId: 't-1' }),
      [mirrored[0], ['Mcp-Method', 'tasks/get'], ['Mcp-Name', 't-2']],
    ],
    [
      'an encoded Mcp-Name contradicts the body',
      sound,
      [mirrored[0], mirrored[1], ['Mcp-Name', '=?base64?Yg==?=']],
    ],
    [
      'the encoded text is not decoded where it must be',
      modern('tools/call', 1, { name: '=?base64?YQ==?=', arguments: {} }),
      [mirrored[0], mirrored[1], ['Mcp-Name', '=?base64?YQ==?=']],
    ],
    [
      'Mcp-Name escaped in JSON contradicts',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\\u0062","arguments":{},"_meta":' +
        `${JSON.stringify(modernMeta())}}}`,
      mirrored,
    ],
  ]) {
    test(`a modern request is refused when ${what}`, () =>
      refused(headerPost(message, headers), {
        reason: 'header_mismatch',
        code: -32020,
        id: 1,
        open: true,
      }));
  }

  test('the id of a contradiction is echoed with its type', () =>
    refused(
      headerPost(modern('tools/call', 'id-"é"', { name: 'a', arguments: {} }), [
        mirrored[0],
        mirrored[1],
        ['Mcp-Name', 'b'],
      ]),
      { reason: 'header_mismatch', code: -32020, id: 'id-"é"', open: true },
    ));

  for (const value of [
    '=?base64?!!!?=',
    '=?base64?YQ?=',
    '=?base64?YQ=?=',
    '=?base64?Y?=',
    '=?base64?YQ==YQ==?=',
    '=?base64?Y Q==?=',
    '=?base64?/w==?=',
  ]) {
    test(`the undecodable Mcp-Name ${value} is refused`, () =>
      refused(headerPost(sound, [mirrored[0], mirrored[1], ['Mcp-Name', value]]), {
        reason: ['header_mismatch', 'bad_request'],
        code: [-32020, -32600],
        open: true,
      }));
  }
});

describe('JSON-RPC envelopes', () => {
  for (const [what, text, id] of [
    ['method twice', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}'],
    ['the same method twice', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}'],
    [
      'an escaped second method',
      '{"jsonrpc":"2.0","id":1,"method":"ping","m\\u0065thod":"tools/call"}',
    ],
    [
      'an escaped first method',
      '{"jsonrpc":"2.0","id":1,"\\u006dethod":"ping","method":"tools/call"}',
    ],
    ['id twice', '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}'],
    ['jsonrpc twice', '{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}'],
    [
      'params twice',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}',
    ],
    [
      'a second object behind the first',
      '{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}',
    ],
    ['junk behind the object', '{"jsonrpc":"2.0","id":1,"method":"ping"} x'],
    ['a NUL behind the object', '{"jsonrpc":"2.0","id":1,"method":"ping"}\x00'],
    ['a comma behind the object', '{"jsonrpc":"2.0","id":1,"method":"ping"},'],
    ['a bracket behind the object', '{"jsonrpc":"2.0","id":1,"method":"ping"}]'],
    ['initialize inside a batch', JSON.stringify([ask('ping', 2), initialize(1)])],
    ['initialize as the only element of a batch', JSON.stringify([initialize(1)])],
    ['a modern claim inside a batch', JSON.stringify([ask('ping', 2), modern('tools/list', 1)])],
    [
      'a method twice inside a batch',
      '[{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}]',
    ],
    ['junk behind a batch', `${JSON.stringify([ask('ping', 1)])}]`],
  ]) {
    test(`${what} is refused with a JSON-RPC error`, () =>
      refused(post(text), { open: true, code: -32600, id }));
  }

  test('a refused envelope does not cost the connection its order', async () => {
    await RawClient.with(balancer.url, async (client) => {
      client.send(
        Buffer.concat([
          post('{"jsonrpc":"2.0","id":1,"method":"ping","method":"x"}'),
          post(ask('ping', 2)),
        ]),
      );
      assertOwnReply(await client.reply(), { status: 400, reason: 'bad_request' });
      const second = await client.reply().catch((error) => error);
      if (second instanceof Error) assert.match(second.message, /connection ended/);
      else assert.equal(second.body.json.id, 2);
    });
  });
});

test('what reached the backend was well formed', () => backend.assertSound());
