// Streamable HTTP of the legacy era: sdk clients, three plain replicas of server-everything.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEverythingReplicas } from './lib/everything.mjs';
import { messageOf, request } from './lib/http.mjs';
import { call, connect, headersOf, initialize, post, replicaOf, textOf } from './lib/legacy.mjs';
import { poolOf, startMcplb } from './lib/mcplb.mjs';

let replicas;
let mcplb;

before(async () => {
  replicas = await startEverythingReplicas();
  mcplb = await startMcplb({ config: { pools: [poolOf(replicas.urls)] } });
});

after(async () => {
  try {
    await mcplb?.stop();
  } finally {
    await replicas?.stop();
  }
});

test('an sdk client initializes, lists and calls tools', async () => {
  const { client, sessionId } = await connect(mcplb.url);
  assert.match(sessionId, /^[\x21-\x7e]+$/);
  const { tools } = await client.listTools();
  assert.ok(tools.some((tool) => tool.name === 'echo'));
  assert.equal(textOf(await call(client, 'echo', { message: 'hello' })), 'Echo: hello');
  assert.equal(textOf(await call(client, 'get-sum', { a: 2, b: 3 })), 'The sum of 2 and 3 is 5.');
  await client.close();
});

test('resources and prompts are read from the owner of the session', async () => {
  const { client } = await connect(mcplb.url);
  const { resources } = await client.listResources();
  const { contents } = await client.readResource({ uri: resources[0].uri });
  assert.equal(contents[0].uri, resources[0].uri);
  const { prompts } = await client.listPrompts();
  const { messages } = await client.getPrompt({ name: prompts[0].name });
  assert.ok(messages.length > 0);
  await client.close();
});

test('a session opened on one connection is served by its owner on every other one', async () => {
  const sessionId = await initialize(mcplb.url);
  const ask = { jsonrpc: '2.0', method: 'tools/call', params: { name: 'get-env', arguments: {} } };
  const owners = await Promise.all(
    Array.from({ length: 20 }, async (_, id) => {
      const answer = await post(mcplb.url, sessionId, { ...ask, id });
      assert.equal(answer.status, 200);
      const { id: answeredId, result } = messageOf(answer);
      assert.equal(answeredId, id);
      return JSON.parse(textOf(result)).REPLICA;
    }),
  );
  assert.equal(new Set(owners).size, 1);
});

test('the name of the session header is compared without regard to case', async () => {
  const sessionId = await initialize(mcplb.url);
  const ping = { jsonrpc: '2.0', id: 'p', method: 'ping' };
  for (const name of ['mcp-session-id', 'Mcp-Session-Id', 'MCP-SESSION-ID', 'MCP-Session-Id']) {
    const headers = { ...headersOf(), [name]: sessionId };
    const answer = await request(new URL('/mcp', mcplb.url), { headers, body: ping });
    assert.equal(answer.status, 200);
    assert.deepEqual(messageOf(answer), { jsonrpc: '2.0', id: 'p', result: {} });
  }
});

test('a notification is answered 202 with an empty body', async () => {
  const sessionId = await initialize(mcplb.url);
  const params = { requestId: 99 };
  const body = { jsonrpc: '2.0', method: 'notifications/cancelled', params };
  const answer = await post(mcplb.url, sessionId, body);
  assert.equal(answer.status, 202);
  assert.equal(answer.body, '');
});

test('a session that its client deleted answers 404 with -32001', async () => {
  const { client, transport, sessionId } = await connect(mcplb.url);
  await transport.terminateSession();
  await client.close();
  await assertUnknown(sessionId);
});

test('an id that no backend knows answers 404 with -32001 and the reason', async () => {
  await assertUnknown('3e9ab9a8-0000-4000-8000-5b7cf3a1c001');
});

test('a GET and a DELETE with an unknown id answer 404 too', async () => {
  const headers = { accept: 'text/event-stream', 'mcp-session-id': 'nobody-knows-me' };
  for (const method of ['GET', 'DELETE']) {
    const answer = await request(new URL('/mcp', mcplb.url), { method, headers });
    assert.equal(answer.status, 404, method);
    assert.equal(answer.headers['x-mcplb-reason'], 'session_unknown', method);
  }
});

test('fifty clients at once all succeed and their sessions spread over the replicas', async () => {
  const owners = await Promise.all(Array.from({ length: 50 }, (_, index) => work(index)));
  const counts = Map.groupBy(owners, (owner) => owner);
  assert.equal(counts.size, 3);
  for (const [owner, list] of counts) {
    assert.ok(list.length >= 5, `${owner} has ${list.length} of 50 sessions`);
  }
});

/** One client's life: connect, five calls, delete, close. Returns its owner. */
async function work(index) {
  const { client, transport } = await connect(mcplb.url);
  const owner = await replicaOf(client);
  for (let round = 0; round < 3; round++) {
    const { content } = await call(client, 'get-sum', { a: index, b: round });
    assert.match(content[0].text, new RegExp(`is ${index + round}\\.$`));
  }
  assert.equal(await replicaOf(client), owner);
  await transport.terminateSession();
  await client.close();
  return owner;
}

async function assertUnknown(sessionId) {
  const answer = await post(mcplb.url, sessionId, { jsonrpc: '2.0', id: 7, method: 'tools/list' });
  assert.equal(answer.status, 404);
  assert.equal(answer.headers['x-mcplb-reason'], 'session_unknown');
  const { id, error } = messageOf(answer);
  assert.equal(id, 7);
  assert.equal(error.code, -32001);
}
