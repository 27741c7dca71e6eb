// The HTTP+SSE transport of 2024-11-05: a GET stream that announces where to POST.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { startEverythingReplicas } from './lib/everything.mjs';
import { request } from './lib/http.mjs';
import { assertProgress, call, clientInfo, replicaOf, textOf } from './lib/legacy.mjs';
import { poolOf, startMcplb } from './lib/mcplb.mjs';
import { events } from './lib/sse.mjs';
import { until } from './lib/wait.mjs';

let replicas;
let mcplb;

before(async () => {
  replicas = await startEverythingReplicas('sse');
  mcplb = await startMcplb({ config: { pools: [poolOf(replicas.urls)] } });
});

after(async () => {
  try {
    await mcplb?.stop();
  } finally {
    await replicas?.stop();
  }
});

async function connect() {
  const client = new Client(clientInfo, { capabilities: {} });
  await client.connect(new SSEClientTransport(new URL('/sse', mcplb.url)));
  return client;
}

const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };

const postTo = (endpoint) =>
  request(endpoint, { headers: { 'content-type': 'application/json' }, body: ping, ms: 5_000 });

/** Opens a stream without an SDK: `{endpoint, next(), close()}`. */
async function openStream() {
  const left = new AbortController();
  const response = await fetch(new URL('/sse', mcplb.url), {
    headers: { accept: 'text/event-stream' },
    signal: left.signal,
  });
  const stream = events(response);
  const { value } = await stream.next();
  assert.equal(value.event, 'endpoint');
  return {
    endpoint: new URL(value.data, mcplb.url),
    next: async () => (await stream.next()).value,
    close: () => left.abort(),
  };
}

test('an sse client connects, lists and calls tools', async () => {
  const client = await connect();
  const { tools } = await client.listTools();
  assert.ok(tools.some((tool) => tool.name === 'echo'));
  assert.equal(textOf(await call(client, 'echo', { message: 'hi' })), 'Echo: hi');
  await client.close();
});

test('progress and result come back on the GET stream', async () => {
  const client = await connect();
  const seen = [];
  const onprogress = ({ progress }) => seen.push(progress);
  const args = { duration: 1, steps: 4 };
  const result = await call(client, 'trigger-long-running-operation', args, { onprogress });
  assert.match(textOf(result), /completed/);
  assertProgress(seen, 4);
  await client.close();
});

test('ten sse clients at once are each served by the replica that holds their stream', async () => {
  const owners = await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      const client = await connect();
      const owner = await replicaOf(client);
      for (let round = 0; round < 5; round++) {
        const text = textOf(await call(client, 'get-sum', { a: index, b: round }));
        assert.match(text, new RegExp(`is ${index + round}\\.$`));
      }
      assert.equal(await replicaOf(client), owner);
      await client.close();
      return owner;
    }),
  );
  assert.equal(new Set(owners).size, 3);
});

test('the announced endpoint stays on the origin that the client used', async () => {
  const stream = await openStream();
  assert.equal(stream.endpoint.origin, new URL(mcplb.url).origin);
  const answer = await postTo(stream.endpoint);
  assert.equal(answer.status, 202);
  const { event, data } = await stream.next();
  assert.equal(event ?? 'message', 'message');
  assert.deepEqual(JSON.parse(data), { jsonrpc: '2.0', id: 1, result: {} });
  stream.close();
});

test('a POST to the endpoint of a stream that has ended answers 404', async () => {
  const stream = await openStream();
  stream.close();
  const answer = await until(5_000, 'the end of the session', async () => {
    const reply = await postTo(stream.endpoint);
    return reply.status !== 202 && reply;
  });
  assert.equal(answer.status, 404);
  assert.equal(answer.headers['x-mcplb-reason'], 'session_unknown');
});

test('a POST with a session that never was answers 404', async () => {
  const answer = await postTo(new URL('/message?sessionId=never-was', mcplb.url));
  assert.equal(answer.status, 404);
});
