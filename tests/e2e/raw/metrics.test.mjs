// What Prometheus, and people who look at the state, are told of what the balancer does.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { change, command } from './lib/admin.mjs';
import { adminJson, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { ask, call, get, initialize, modern, post, reply, sseHead } from './lib/bytes.mjs';
import { metricsOf, sumOf } from './lib/metrics.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { Redis } from './lib/redis.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';
import { startServers } from './lib/session_servers.mjs';
import { erase, legacyServer, streamGet } from './lib/sessions.mjs';
import { poll } from './lib/waiting.mjs';

// Every name of the contract, and what of each is there without traffic.
const NAMES = [
  'mcplb_requests_total',
  'mcplb_request_duration_seconds',
  'mcplb_balancer_overhead_seconds',
  'mcplb_client_connections',
  'mcplb_streams',
  'mcplb_sessions',
  'mcplb_session_events_total',
  'mcplb_backend_up',
  'mcplb_backend_state',
  'mcplb_backend_in_flight',
  'mcplb_health_checks_total',
  'mcplb_retries_total',
  'mcplb_local_replies_total',
  'mcplb_limit_hits_total',
  'mcplb_store_up',
  'mcplb_store_duration_seconds',
  'mcplb_config_reloads_total',
  'mcplb_build_info',
];
const SESSIONS = { on_backend_loss: 'not_found', on_unknown: 'not_found' };

let backends;
const running = [];

before(async () => {
  backends = await startServers('a', 'b');
});

beforeEach(() => {
  for (const backend of backends) {
    backend.script = legacyServer(backend, {
      answer: ({ method, target }) => {
        if (target === '/broken') return reply(500, { body: 'sorry' });
        if (target.startsWith('/path')) return reply(404);
        return method === 'GET' ? sseHead() : undefined;
      },
    });
    backend.clear();
  }
});

afterEach(() => stopAll(running.splice(0).reverse()));

after(() => stopAll(backends));

async function start(settings = {}, pools = pool(backends, { sessions: SESSIONS })) {
  const one = await startBalancer(pools, settings);
  running.push(one);
  return one;
}

const send = (balancer, data) =>
  RawClient.with(balancer.url, (client) => client.exchange(data));

async function open(balancer) {
  const answer = await send(balancer, post(initialize()));
  assert.equal(answer.status, 200);
  return answer.get('Mcp-Session-Id');
}

// What is counted when an exchange ends may follow its reply by a moment.
async function metricsWith(balancer, name, labels, value) {
  let values;
  await poll(
    async () => {
      values = await metricsOf(balancer);
      return sumOf(values, name, labels) === value;
    },
    () => `${name} ${JSON.stringify(labels)} to be ${value}, not ${sumOf(values, name, labels)}`,
  );
  return values;
}

function check(page) {
  const promtool = spawn('promtool', ['check', 'metrics']);
  let output = '';
  promtool.stdout.on('data', (data) => (output += data));
  promtool.stderr.on('data', (data) => (output += data));
  promtool.stdin.end(page);
  return new Promise((resolve, reject) => {
    promtool.once('error', reject);
    promtool.once('close', (code) => resolve({ code, output }));
  });
}

describe('GET /metrics', () => {
  test('is what promtool wants, with every name of the contract', async () => {
    const redis = await Redis.start();
    running.push(redis);
    const balancer = await start({ store: { redis: { url: redis.url } } });
    const id = await open(balancer);
    await send(balancer, post(call(1), { session: id }));
    await send(balancer, get('/broken'));
    const { status, headers, text } = await adminJson(balancer, '/metrics');
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    for (const name of NAMES) assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'));
    const { code, output } = await check(text);
    assert.equal(`${code} ${output}`, '0 ');
    assert.ok(!text.includes(id), 'no session id is shown');
    assert.match(text, /^mcplb_build_info\{version="[^"]+"\} 1$/m);
    const values = await metricsWith(balancer, 'mcplb_store_up', {}, 1);
    assert.ok(sumOf(values, 'mcplb_store_duration_seconds_count', { op: 'put' }) >= 1);
    assert.ok(sumOf(values, 'process_resident_memory_bytes') > 1e6);
    assert.ok(sumOf(values, 'process_open_fds') > 5);
    const age = Date.now() / 1000 - sumOf(values, 'process_start_time_seconds');
    assert.ok(age > -2 && age < 300, `started ${age} s ago`);
    const again = await metricsOf(balancer);
    const start_time = 'process_start_time_seconds';
    assert.equal(sumOf(again, start_time), sumOf(values, start_time), 'it started once');
  });

  test('counts requests by pool, backend, method, era and status', async () => {
    const balancer = await start();
    const id = await open(balancer);
    for (let i = 1; i <= 3; i += 1) await send(balancer, post(call(i), { session: id }));
    await send(balancer, post(ask('tools/list', 9), { session: id }));
    await send(balancer, get('/broken'));
    const name = 'mcplb_requests_total';
    const calls = { pool: 'default', method: 'tools/call', era: 'legacy', code: '200' };
    await metricsWith(balancer, name, calls, 3);
    await metricsWith(balancer, name, { method: 'tools/list' }, 1);
    const broken = { method: 'other', era: 'none', code: '500' };
    const values = await metricsWith(balancer, name, broken, 1);
    assert.equal(sumOf(values, name, { method: 'initialize' }), 1);
    const times = 'mcplb_request_duration_seconds';
    assert.equal(sumOf(values, `${times}_count`, { method: 'tools/call' }), 3);
    assert.equal(sumOf(values, `${times}_bucket`, { method: 'tools/call', le: '+Inf' }), 3);
    assert.ok(sumOf(values, 'mcplb_balancer_overhead_seconds_count', { pool: 'default' }) >= 5);
    const owner = backends.find((backend) => backend.requests.some(({ message }) => message));
    assert.equal(
      sumOf(values, 'mcplb_sessions', { backend: `127.0.0.1:${owner.port}` }),
      1,
    );
  });

  test('has the same series however methods, tools and paths are called', async () => {
    const balancer = await start();
    const id = await open(balancer);
    const hostile = (i) => `x${i}"} 1\nmcplb_evil{a="`;
    const round = async (i) => {
      await send(balancer, post(ask(hostile(i), i), { session: id }));
      await send(balancer, post(call(i, hostile(i)), { session: id }));
      await send(balancer, get(`/path-${i}`));
      await send(balancer, post(call(i), { session: `made-up-${i}` }));
    };
    await round(0);
    const seen = (values) => [...values.keys()].sort();
    // A client may have its answer before the request is counted: that of the last one, too.
    const counted = async (rounds) => {
      const labels = { method: 'other', era: 'legacy' };
      await metricsWith(balancer, 'mcplb_requests_total', labels, rounds);
      const last = { method: 'tools/call', code: '404' };
      return metricsWith(balancer, 'mcplb_requests_total', last, rounds);
    };
    const before = seen(await counted(1));
    for (let i = 1; i <= 30; i += 1) await round(i);
    const values = await counted(31);
    // A path may have met the other backend only now.
    const isNew = (series) => !before.includes(series) && !series.includes('method="other"');
    assert.deepEqual(seen(values).filter(isNew), []);
    const { text } = await adminJson(balancer, '/metrics');
    assert.ok(!text.includes('evil') && !text.includes('made-up'));
    assert.equal((await check(text)).code, 0);
  });

  test('tells replies of our own, retries and what became of sessions', async () => {
    const balancer = await start();
    const id = await open(balancer);
    await send(balancer, erase(id));
    await send(balancer, post(call(1), { session: id }));
    await send(balancer, post('{"jsonrpc":"2.0","id":1,"method":"tools/call","method":1}'));
    const replies = 'mcplb_local_replies_total';
    await metricsWith(balancer, replies, { reason: 'session_unknown' }, 1);
    let values = await metricsWith(balancer, replies, { reason: 'bad_request' }, 1);
    for (const [event, count] of Object.entries({ created: 1, deleted: 1, unknown: 1, lost: 0 }))
      assert.equal(sumOf(values, 'mcplb_session_events_total', { event }), count, event);
    const [broken] = backends;
    await broken.stop();
    const others = [];
    for (let i = 0; i < 4; i += 1) others.push(await send(balancer, post(modern('tools/list', i))));
    assert.ok(others.every(({ status }) => status === 200));
    values = await metricsOf(balancer);
    assert.ok(sumOf(values, 'mcplb_retries_total', { pool: 'default', reason: 'connect' }) >= 1);
    backends[0] = await ScriptedBackend.start(undefined, { name: 'a' });
  });

  test('tells open streams by their kind while they are open', async () => {
    const balancer = await start();
    const id = await open(balancer);
    const client = await RawClient.connect(balancer.url);
    client.send(streamGet(id));
    const labels = { pool: 'default', kind: 'get' };
    await metricsWith(balancer, 'mcplb_streams', labels, 1);
    const values = await metricsWith(balancer, 'mcplb_client_connections', {}, 1);
    assert.equal(sumOf(values, 'mcplb_backend_in_flight'), 1);
    client.destroy();
    await metricsWith(balancer, 'mcplb_streams', labels, 0);
    const ended = await metricsWith(balancer, 'mcplb_client_connections', {}, 0);
    const times = sumOf(ended, 'mcplb_request_duration_seconds_count', { method: 'other' });
    assert.equal(times, 0, 'the length of a stream says nothing');
  });

  test('tells a drain and a reload', async () => {
    const balancer = await start();
    const backend = `127.0.0.1:${backends[0].port}`;
    const state = { backend, state: 'active' };
    await metricsWith(balancer, 'mcplb_backend_state', { ...state, state: 'up' }, 1);
    await change(balancer, 'default', backend, 'disable');
    const values = await metricsWith(
      balancer,
      'mcplb_backend_state',
      { backend, state: 'disabled' },
      1,
    );
    assert.equal(sumOf(values, 'mcplb_backend_state', { backend }), 1, 'one state at a time');
    assert.equal((await command(balancer, 'POST', '/api/reload')).status, 200);
    await metricsWith(balancer, 'mcplb_config_reloads_total', { result: 'applied' }, 1);
  });
});

describe('GET /api/state and /api/events', () => {
  test('tell the traffic of the process, its pools and its backends', async () => {
    const balancer = await start();
    const id = await open(balancer);
    for (let i = 0; i < 20; i += 1) await send(balancer, post(call(i), { session: id }));
    await send(balancer, get('/broken'));
    const state = await poll(
      async () => {
        const { json } = await adminJson(balancer, '/api/state');
        return json.traffic.requests_total === 22 && json;
      },
      () => 'all requests to be counted',
    );
    assert.equal(state.traffic.errors_total, 1);
    assert.ok(state.traffic.requests_per_second > 0);
    assert.ok(state.traffic.latency_ms.p50 <= state.traffic.latency_ms.p99);
    assert.ok(state.traffic.overhead_ms.p50 > 0);
    const [seen] = state.pools;
    assert.equal(seen.balance, 'round_robin');
    assert.equal(seen.traffic.requests_total, 22);
    assert.equal(seen.session_events.created, 1);
    const counts = seen.backends.map(({ traffic }) => traffic.requests_total);
    assert.equal(counts[0] + counts[1], 22);
    assert.ok(Math.max(...counts) >= 21);
  });

  test('what changed is on the timeline, newest first, without session ids', async () => {
    const balancer = await start({ log: { level: 'error' } });
    const id = await open(balancer);
    const backend = `127.0.0.1:${backends[0].port}`;
    await change(balancer, 'default', backend, 'drain');
    await change(balancer, 'default', backend, 'activate');
    const { json, text } = await adminJson(balancer, '/api/state');
    const commands = json.timeline.filter(({ event }) => event === 'admin_command');
    assert.deepEqual(commands.map(({ fields }) => fields.command), ['activate', 'drain']);
    assert.ok(json.timeline.some(({ event }) => event === 'backend_draining'));
    assert.ok(!text.includes(id));
  });

  test('events are the state, at once and again', async () => {
    const balancer = await start();
    const answer = await fetch(new URL('/api/events', balancer.adminUrl), {
      signal: AbortSignal.timeout(10_000),
    });
    assert.equal(answer.headers.get('content-type'), 'text/event-stream');
    let text = '';
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    while (text.split('\n\n').length < 3) text += (await reader.read()).value;
    await reader.cancel();
    const [first, second] = text.split('\n\n');
    for (const event of [first, second]) {
      assert.match(event, /^event: state\ndata: \{.*\}$/);
      assert.equal(JSON.parse(event.slice(event.indexOf('{'))).pools[0].name, 'default');
    }
  });
});

test('GET /config shows what is in force, and no secret', async () => {
  const secret = 'not-for-anybody-5e1f';
  const balancer = await start({ secrets: [secret] });
  const { json, text } = await adminJson(balancer, '/config');
  assert.equal(json.workers, 1);
  assert.equal(json.pools[0].name, 'default');
  assert.equal(json.pools[0].sessions.on_unknown, 'not_found');
  assert.equal(json.pools[0].health.interval, '1m');
  assert.deepEqual(json.secrets, ['***']);
  assert.ok(!text.includes(secret));
});
