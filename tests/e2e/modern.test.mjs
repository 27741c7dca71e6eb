// The modern era (2026-07-28): stateless requests, three replicas, no affinity.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEverythingReplicas } from './lib/everything.mjs';
import { messageOf } from './lib/http.mjs';
import { poolOf, startMcplb } from './lib/mcplb.mjs';
import {
  call,
  connect,
  rawCall,
  rawRequest,
  startModernReplicas,
  statsOf,
  version,
} from './lib/modern.mjs';
import { until, within } from './lib/wait.mjs';

let replicas;
let mcplb;

before(async () => {
  replicas = await startModernReplicas();
  mcplb = await startMcplb({ config: { pools: [poolOf(replicas.urls)] } });
});

after(async () => {
  try {
    await mcplb?.stop();
  } finally {
    await replicas?.stop();
  }
});

const textOf = (result) => result.content[0].text;

const seenBy = async () => (await statsOf(replicas)).flatMap(({ posts }) => posts);

test('a modern client discovers, lists and calls', async () => {
  const client = await connect(mcplb.url);
  assert.equal(client.getProtocolEra(), 'modern');
  assert.ok(client.getDiscoverResult().supportedVersions.includes(version));
  const { tools } = await client.listTools();
  assert.ok(tools.some((tool) => tool.name === 'whoami'));
  assert.match(textOf(await call(client, 'whoami')), /^replica-[123]$/);
  await client.close();
});

test('a client that probes for the era finds the modern one', async () => {
  const client = await connect(mcplb.url, { mode: 'auto' });
  assert.equal(client.getProtocolEra(), 'modern');
  await client.close();
});

test('the requests of one client spread over all replicas', async () => {
  const client = await connect(mcplb.url);
  const answers = [];
  for (let round = 0; round < 12; round++) answers.push(textOf(await call(client, 'whoami')));
  const counts = Map.groupBy(answers, (replica) => replica);
  assert.equal(counts.size, 3);
  for (const [replica, list] of counts) assert.ok(list.length >= 2, `${replica}: ${list.length}`);
  await client.close();
});

test('thirty modern clients at once all succeed', async () => {
  await Promise.all(
    Array.from({ length: 30 }, async () => {
      const client = await connect(mcplb.url);
      for (let round = 0; round < 5; round++) {
        assert.match(textOf(await call(client, 'whoami')), /^replica-[123]$/);
      }
      await client.close();
    }),
  );
});

test('a stray session id creates no affinity and none is minted', async () => {
  const headers = { 'mcp-session-id': 'stray' };
  const answers = [];
  for (let id = 0; id < 12; id++) {
    const answer = await rawCall(mcplb.url, id, 'whoami', headers);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['mcp-session-id'], undefined);
    answers.push(textOf(messageOf(answer).result));
  }
  assert.equal(new Set(answers).size, 3);
});

test('progress streams while a modern call runs', async () => {
  const client = await connect(mcplb.url);
  const arrivals = [];
  const onprogress = () => arrivals.push(Date.now());
  const args = { tag: 'progress', steps: 5, delay: 200 };
  const result = await call(client, 'slow', args, { onprogress });
  assert.match(textOf(result), /^done at replica-/);
  assert.ok(arrivals.length >= 4, `${arrivals.length} of 5 progress notifications`);
  assert.ok(Date.now() - arrivals[0] > 500, 'the first progress came long before the end');
  await client.close();
});

test('a client that leaves a streaming call cancels it at the backend promptly', async () => {
  await assertCancelled('streaming', (started) => ({ onprogress: started }));
});

test('a client that leaves before the first byte of the reply cancels the call too', async () => {
  await assertCancelled('silent', (started) => {
    setTimeout(started, 300);
    return {};
  });
});

/** Calls `slow`, leaves once `started` was called, and expects the backend's signal to fire. */
async function assertCancelled(tag, optionsWith) {
  const client = await connect(mcplb.url);
  const leave = new AbortController();
  const started = new Promise((resolve) => {
    const options = { ...optionsWith(resolve), signal: leave.signal };
    const args = { tag, steps: 300, delay: 100 };
    call(client, 'slow', args, options).catch(() => {}); // it ends with the abort
  });
  await within(5_000, 'the call runs', started);
  leave.abort();
  await until(1_000, 'the abort at the backend', async () =>
    (await statsOf(replicas)).some(({ aborted }) => aborted.includes(tag)),
  );
  await client.close();
}

test('a call that needs input completes although its rounds meet different replicas', async () => {
  const client = await connect(mcplb.url, {
    capabilities: { elicitation: {} },
    prepare: (client) =>
      client.setRequestHandler('elicitation/create', () => ({
        action: 'accept',
        content: { seat: '4A' },
      })),
  });
  const rounds = [];
  for (let round = 0; round < 6; round++) {
    rounds.push(textOf(await call(client, 'book')).split(' '));
  }
  for (const [seat] of rounds) assert.equal(seat, '4A');
  assert.ok(rounds.some(([, first, last]) => first !== last), JSON.stringify(rounds));
  await client.close();
});

test('a subscription hears the changes of the replica that serves it', async () => {
  const client = await connect(mcplb.url);
  let heard = 0;
  client.setNotificationHandler('notifications/tools/list_changed', () => {
    heard++;
  });
  const subscription = await client.listen({ toolsListChanged: true });
  await until(5_000, 'a change', async () => {
    await call(client, 'change-tools'); // any replica: sooner or later the one that listens
    return heard > 0;
  });
  await subscription.close();
  await client.close();
});

for (const [name, headers] of [
  ['Mcp-Method', { 'mcp-method': 'tools/list' }],
  ['Mcp-Name', { 'mcp-name': 'slow' }],
  ['MCP-Protocol-Version', { 'mcp-protocol-version': '2026-12-31' }],
]) {
  test(`a request whose ${name} contradicts its body is refused, unseen by backends`, async () => {
    const id = `mismatch-${name}`;
    const answer = await rawCall(mcplb.url, id, 'whoami', headers);
    assert.equal(answer.status, 400);
    assert.equal(answer.headers['x-mcplb-reason'], 'header_mismatch');
    const message = messageOf(answer);
    assert.equal(message.id, id);
    assert.equal(message.error.code, -32020);
    assert.ok(!(await seenBy()).some((post) => post.id === id), 'no backend saw it');
  });
}

test('a name in base64 is decoded before it is compared', async () => {
  const encoded = `=?base64?${Buffer.from('whoami').toString('base64')}?=`;
  const answer = await rawCall(mcplb.url, 'base64', 'whoami', { 'mcp-name': encoded });
  assert.equal(answer.status, 200);
});

test('an error of a modern backend keeps its status and code', async () => {
  const answer = await rawRequest(mcplb.url, 'unknown', 'no/such/method');
  assert.equal(answer.status, 404);
  assert.equal(answer.headers['x-mcplb-reason'], undefined);
  const { id, error } = messageOf(answer);
  assert.equal(id, 'unknown');
  assert.equal(error.code, -32601);
});

test('a GET without a session gets the answer of a backend', async () => {
  const headers = { accept: 'text/event-stream' };
  const answer = await fetch(new URL('/mcp', mcplb.url), { headers });
  assert.equal(answer.status, 405); // the modern era has no GET stream
  assert.equal(answer.headers.get('x-mcplb-reason'), null);
});

test('a client of both eras falls back to a session on a legacy pool', async () => {
  const legacy = await startEverythingReplicas();
  const other = await startMcplb({ config: { pools: [poolOf(legacy.urls)] } });
  try {
    const client = await connect(other.url, { mode: 'auto' });
    assert.equal(client.getProtocolEra(), 'legacy');
    for (let round = 0; round < 6; round++) {
      assert.equal(textOf(await call(client, 'echo', { message: 'x' })), 'Echo: x');
    }
    await client.close();
    await other.stop();
  } finally {
    await other.kill();
    await legacy.stop();
  }
});
