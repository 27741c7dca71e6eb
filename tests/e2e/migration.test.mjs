// The examples of docs/migration.md do what they say: each test starts mcplb with the YAML of the
// page, in which only addresses are replaced (and, where it would take too long, a time).
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { after, test } from 'node:test';
import { request } from './lib/http.mjs';
import { blocksOf } from './lib/markdown.mjs';
import { startMcplb } from './lib/mcplb.mjs';
import { inSuite } from './lib/node.mjs';
import { until } from './lib/wait.mjs';
import { stopAll } from './raw/lib/balancer.mjs';
import { call, chunk, event, initialize, json, reply, sseHead } from './raw/lib/bytes.mjs';
import { PlainServer } from './raw/lib/plain_servers.mjs';
import { Folder } from './raw/lib/process.mjs';

const page = resolve(inSuite('../../docs/migration.md'));
const examples = new Map(
  blocksOf(page)
    .filter(({ decisions }) => decisions.example)
    .map((block) => [block.decisions.example, block.text]),
);
const proven = new Set();
const folder = new Folder();
after(() => folder.remove());

const named = (seen, server) =>
  json({ jsonrpc: '2.0', id: seen.message.id, result: { by: server.name } });

/** Starts the example with a server behind each of its addresses. */
async function startExample(t, name, hasten = (text) => text) {
  const text = examples.get(name);
  assert.ok(text, `${page} has no example ${name}`);
  proven.add(name);
  const running = [];
  t.after(() => stopAll(running.reverse()));
  let here = hasten(text).replace('0.0.0.0:8080', '127.0.0.1:0');
  for (const [address] of text.matchAll(/10\.0\.0\.\d+:3000/g)) {
    const server = await PlainServer.start(`server-${running.length + 1}`);
    // Calls without a session are answered, too: with the name of who answers.
    server.answer = (seen) =>
      seen.message?.method === 'tools/call' && !seen.has('Mcp-Session-Id')
        ? named(seen, server)
        : undefined;
    running.push(server);
    here = here.replace(address, server.id);
  }
  const servers = [...running];
  const args = ['run', '-c', folder.file(`${name}.yaml`, here), '--admin', '127.0.0.1:0'];
  const balancer = await startMcplb({ args });
  running.push(balancer);
  return { servers, balancer, url: `${balancer.url}/mcp`, state: () => stateOf(balancer) };
}

async function backendsOf(balancer) {
  const answer = await fetch(new URL('/api/state', balancer.adminUrl));
  return (await answer.json()).pools[0].backends;
}
const stateOf = async (balancer) => (await backendsOf(balancer)).map(({ state }) => state);

// A call is over for its client a moment before it is for the balancer.
const untilUnderWay = (balancer, count) =>
  until(5000, `${count} calls to be under way`, async () => {
    const backends = await backendsOf(balancer);
    return backends.reduce((sum, { in_flight: one }) => sum + one, 0) === count;
  });

const MCP = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' };

async function servedBy(url, headers = {}) {
  const answer = await request(url, { headers: { ...MCP, ...headers }, body: call(1) });
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body).result.by;
}

async function many(count, ask) {
  const names = [];
  for (let n = 0; n < count; n += 1) names.push(await ask(n));
  return names;
}

async function openSession(url) {
  const { status, headers } = await request(url, { headers: MCP, body: initialize() });
  assert.equal(status, 200);
  return { 'Mcp-Session-Id': headers['mcp-session-id'] };
}

const tally = (names) =>
  names.reduce((counts, name) => ({ ...counts, [name]: (counts[name] ?? 0) + 1 }), {});

test('round robin: the server with twice the weight gets two of three', async (t) => {
  const { url } = await startExample(t, 'round-robin');
  const names = await many(9, () => servedBy(url));
  assert.deepEqual(tally(names), { 'server-1': 6, 'server-2': 3 });
});

test('least connections: while a call is under way on one server, the other gets all', async (t) => {
  const { url, servers, balancer } = await startExample(t, 'least-connections');
  let finish;
  const held = new Promise((done) => (finish = done));
  for (const server of servers) {
    server.answer = async (seen) => {
      if (seen.message?.params?.name === 'slow') await held;
      return named(seen, server);
    };
  }
  const slow = request(url, { headers: MCP, body: call(0, 'slow') });
  const busy = await until(5000, 'the slow call to arrive', () =>
    servers.find(({ requests }) => requests.length > 0),
  );
  const idle = servers.find((server) => server !== busy);
  const served = await many(6, async () => {
    await untilUnderWay(balancer, 1);
    return servedBy(url);
  });
  assert.deepEqual(tally(served), { [idle.name]: 6 });
  finish();
  await slow;
  assert.deepEqual(new Set(await many(8, () => servedBy(url))), new Set(['server-1', 'server-2']));
});

test('by a header: a tenant stays on one server, tenants are spread, without it turns are taken', async (t) => {
  const { url } = await startExample(t, 'header-hash');
  const homes = await many(24, async (tenant) => {
    const names = await many(3, () => servedBy(url, { 'X-Tenant': `tenant-${tenant}` }));
    assert.equal(new Set(names).size, 1, `tenant-${tenant} was served by ${names}`);
    return names[0];
  });
  assert.equal(new Set(homes).size, 3, `${homes}`);
  assert.deepEqual(tally(await many(9, () => servedBy(url))), {
    'server-1': 3,
    'server-2': 3,
    'server-3': 3,
  });
});

test('sticky, learned: POST and DELETE of a session reach its server, and DELETE ends it', async (t) => {
  const { url, servers } = await startExample(t, 'sticky-learn');
  const sessions = await many(4, () => openSession(url));
  assert.deepEqual(servers.map((server) => server.sessions.size), [2, 2]);
  for (const session of sessions) {
    const owner = servers.find((server) => server.sessions.has(session['Mcp-Session-Id']));
    const names = await many(4, () => servedBy(url, session));
    assert.deepEqual(tally(names), { [owner.name]: 4 });
  }
  const headers = { ...MCP, ...sessions[0] };
  assert.equal((await request(url, { method: 'DELETE', headers })).status, 200);
  assert.deepEqual(servers.map((server) => server.sessions.size).sort(), [1, 2]);
  const after = await request(url, { headers, body: call(1) });
  assert.equal(after.status, 404);
  assert.equal(after.headers['x-mcplb-reason'], 'session_unknown');
});

test('health checks: who says 503 gets nothing, its session moves, and it comes back', async (t) => {
  const { url, servers, state } = await startExample(t, 'health-checks');
  const [sick, well] = servers;
  const session = await until(5000, 'a session on the first server', async () => {
    const opened = await openSession(url);
    return sick.sessions.has(opened['Mcp-Session-Id']) && opened;
  });
  const { answer } = sick;
  sick.answer = (seen) => (seen.target === '/health' ? reply(503) : answer(seen));
  await until(15_000, 'the first server to be down', async () => (await state())[0] === 'down');
  assert.deepEqual(tally(await many(4, () => servedBy(url))), { [well.name]: 4 });
  assert.equal(await servedBy(url, session), well.name);
  sick.answer = answer;
  await until(15_000, 'the first server to be up', async () => (await state())[0] === 'up');
  assert.equal(new Set(await many(4, () => servedBy(url))).size, 2);
});

test('event streams: head and events come as they are sent, and a comment when it is quiet', async (t) => {
  const sooner = (text) => text.replace('heartbeat: 15s', 'heartbeat: 200ms');
  const { url, servers } = await startExample(t, 'event-streams', sooner);
  const [server] = servers;
  let stream;
  server.answer = (seen, connection) => {
    stream = connection;
    return sseHead();
  };
  const answer = await fetch(url, { headers: { Accept: 'text/event-stream' } });
  assert.equal(answer.status, 200);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  await stream.send(chunk(event('the first')));
  assert.match((await reader.read()).value, /^event: message\ndata: "?the first"?\n\n/);
  assert.match((await reader.read()).value, /^:/);
  await stream.send(chunk(event('the second')));
  let { value } = await reader.read();
  while (value.startsWith(':')) ({ value } = await reader.read());
  assert.match(value, /the second/);
  await reader.cancel();
});

test('every example of the page is proven above', () => {
  assert.deepEqual([...proven].sort(), [...examples.keys()].sort());
});
