// Sealed ids with real clients and servers: two balancers that share nothing but a secret, three
// plain replicas of server-everything, and clients that change the balancer with every request.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { startEverythingReplicas } from './lib/everything.mjs';
import { assertProgress, call, clientInfo, replicaOf, textOf } from './lib/legacy.mjs';
import { poolOf, startMcplb } from './lib/mcplb.mjs';

const started = [];
let streamable;
let sse;

async function startPair(mode) {
  const replicas = await startEverythingReplicas(mode);
  started.push(replicas);
  const config = {
    secrets: ['the secret of both balancers'],
    pools: [poolOf(replicas.urls, { sessions: { identity: 'sealed' } })],
  };
  const pair = await Promise.all([startMcplb({ config }), startMcplb({ config })]);
  started.push(...pair);
  return pair;
}

before(async () => {
  streamable = await startPair('streamableHttp');
  sse = await startPair('sse');
});

after(async () => {
  for (const one of started.reverse()) await one.stop();
});

/** A fetch that asks the next balancer each time, but for what `fixed` keeps where it is. */
function alternating(pair, fixed = () => false) {
  let turn = 0;
  return (target, init) => {
    const { pathname, search } = new URL(target);
    const balancer = fixed(init) ? pair[0] : pair[(turn += 1) % pair.length];
    return fetch(new URL(pathname + search, balancer.url), init);
  };
}

const newClient = () => new Client(clientInfo, { capabilities: {} });

test('an sdk client works through both balancers in turn', async () => {
  const owners = new Set();
  for (let n = 0; n < 6; n++) {
    const client = newClient();
    const transport = new StreamableHTTPClientTransport(new URL('/mcp', streamable[0].url), {
      fetch: alternating(streamable),
    });
    await client.connect(transport);
    const { sessionId } = transport;
    assert.match(sessionId, /^[0-9a-f-]{36}\.[A-Za-z0-9_-]{34}$/);
    const owner = await replicaOf(client);
    owners.add(owner);
    for (let round = 0; round < 4; round++) {
      const sum = textOf(await call(client, 'get-sum', { a: n, b: round }));
      assert.match(sum, new RegExp(`is ${n + round}\\.$`));
    }
    const seen = [];
    const onprogress = ({ progress }) => seen.push(progress);
    const args = { duration: 0.2, steps: 2 };
    await call(client, 'trigger-long-running-operation', args, { onprogress });
    assertProgress(seen, 2);
    assert.equal(await replicaOf(client), owner);
    assert.equal(transport.sessionId, sessionId, 'the id never changes');
    await transport.terminateSession();
    await client.close();
  }
  assert.equal(owners.size, 3, 'sessions are spread');
});

test('an sse client posts through the other balancer', async () => {
  const owners = new Set();
  for (let n = 0; n < 3; n++) {
    const client = newClient();
    const stays = (init) => init?.method !== 'POST';
    const transport = new SSEClientTransport(new URL('/sse', sse[0].url), {
      fetch: alternating(sse, stays),
    });
    await client.connect(transport);
    owners.add(await replicaOf(client));
    for (let round = 0; round < 4; round++) {
      const sum = textOf(await call(client, 'get-sum', { a: n, b: round }));
      assert.match(sum, new RegExp(`is ${n + round}\\.$`));
    }
    await client.close();
  }
  assert.equal(owners.size, 3, 'sessions are spread');
});
