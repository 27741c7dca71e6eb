// Spans: what a collector gets, what backends are told, and that nobody waits for either.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { logged, logText, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { call, json, modern, modernMeta, post } from './lib/bytes.mjs';
import { Authority } from './lib/certificates.mjs';
import { assertFromBackend } from './lib/claims.mjs';
import { CLIENT, Collector, SERVER } from './lib/collector.mjs';
import { callOf, openSession, sendTo } from './lib/moves.mjs';
import { startPlainServers } from './lib/plain_servers.mjs';
import { reservedPort } from './lib/ports.mjs';
import { Folder } from './lib/process.mjs';
import { fileOf, Reloadable } from './lib/reloadable.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';
import { LIMIT } from './lib/waiting.mjs';

const LONG = 3 * LIMIT;
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const hex = (bytes) => randomBytes(bytes).toString('hex');
const byName = (name, kind) => (span) => span.name === name && (!kind || span.kind === kind);

// What a backend was told: {trace, span, flags}.
function told(request) {
  const value = request.get('traceparent');
  assert.match(value, TRACEPARENT);
  const [, trace, span, flags] = TRACEPARENT.exec(value);
  return { trace, span, flags };
}

// Everything that a test starts, stopped when it ends; the collector last, and sound.
async function stage(t, { env = {}, servers = ['a'], settings = {}, tracing, tls, backends } = {}) {
  const collector = await Collector.start({ tls });
  const plain = await startPlainServers(...servers);
  const key = tracing === null ? undefined : { otlp_endpoint: collector.url, ...tracing };
  const running = [];
  t.after(async () => {
    await stopAll(running.reverse(), plain, collector);
    collector.assertSound();
  });
  const start = async () => {
    const config = { heartbeat: '0s', ...settings };
    const variables = typeof env === 'function' ? env(collector) : env;
    const balancer = await startBalancer(
      pool(backends?.(plain) ?? plain, config),
      { log: { access: 'stdout' }, ...(key && { tracing: key }) },
      { env: variables },
    );
    running.push(balancer);
    return balancer;
  };
  return { collector, servers: plain, running, start };
}

const oneCall = (id = 1, headers = []) => post(call(id), { headers });
const stateless = (server) => {
  server.answer = ({ message }) =>
    message?.method === 'tools/call' ? json({ jsonrpc: '2.0', id: message.id, result: {} }) : undefined;
};

describe('a trace', { concurrency: 4 }, () => {
  test('of an sdk client goes on through the balancer to its server', async (t) => {
    const { collector, servers, start } = await stage(t, {
      tracing: null,
      env: ({ url }) => ({
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=a%20b',
        OTEL_SERVICE_NAME: 'edge',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      }),
    });
    const balancer = await start();
    const sent = []; // the traceparents of the client
    const trace = hex(16);
    const transport = new StreamableHTTPClientTransport(new URL('/mcp?key=hunter2', balancer.url), {
      fetch: (target, init) => {
        const headers = new Headers(init.headers);
        const span = hex(8);
        headers.set('traceparent', `00-${trace}-${span}-01`);
        headers.set('tracestate', 'vendor=value');
        headers.set('authorization', 'Bearer hunter2');
        sent.push({ span, body: init.body && JSON.parse(init.body) });
        return fetch(target, { ...init, headers });
      },
    });
    const client = new Client({ name: 'e2e', version: '1' });
    await client.connect(transport);
    const session = transport.sessionId;
    await client.callTool({ name: 'get-weather', arguments: { secret: 'hunter2' } });
    await client.close();

    const name = 'tools/call get-weather';
    await collector.until(2, byName(name), LONG);
    const [server] = collector.spans.filter(byName(name, SERVER));
    const [attempt] = collector.spans.filter(byName(name, CLIENT));
    const mine = sent.find(({ body }) => body?.method === 'tools/call');
    assert.equal(server.traceId, trace);
    assert.equal(server.parentSpanId, mine.span, 'the parent is who called');
    assert.equal(server.traceState, 'vendor=value');
    assert.equal(attempt.traceId, trace);
    assert.equal(attempt.parentSpanId, server.spanId);
    assert.ok(attempt.start >= server.start && attempt.end <= server.end, 'the try is within');
    const [at] = servers[0].all('tools/call');
    assert.deepEqual(told(at), { trace, span: attempt.spanId, flags: '01' });
    assert.equal(at.get('tracestate'), 'vendor=value');
    assert.equal(at.all('traceparent').length, 1);

    const hashed = server.attributes['mcp.session.id'];
    assert.match(hashed, /^[0-9a-f]{12}$/);
    assert.equal(attempt.attributes['mcp.session.id'], hashed);
    const [host, port] = new URL(balancer.url).host.split(':');
    for (const [key, value] of Object.entries({
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'url.path': '/mcp',
      'url.scheme': 'http',
      'server.address': host,
      'server.port': Number(port),
      'client.address': '127.0.0.1',
      'network.protocol.version': '1.1',
      'mcp.method.name': 'tools/call',
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'get-weather',
      'jsonrpc.request.id': String(mine.body.id),
      'mcplb.pool': 'default',
      'mcplb.backend': servers[0].id,
    }))
      assert.equal(server.attributes[key], value, key);
    assert.ok(server.attributes['mcp.protocol.version']);
    assert.equal(attempt.attributes['server.port'], servers[0].port);
    assert.equal(attempt.attributes['url.full'], `${servers[0].url}/mcp`);

    const opened = await collector.until(1, byName('initialize', SERVER));
    assert.equal(opened[0].attributes['mcp.session.id'], hashed, 'who opens a session is in it');
    assert.equal(server.resource['service.name'], 'edge');
    assert.equal(server.resource['deployment.environment.name'], 'test');
    assert.equal(collector.requests[0].path, '/v1/traces');
    assert.equal(collector.requests[0].headers['x-tenant'], 'a b');
    const all = JSON.stringify(collector.requests.map(({ spans }) => spans.map(({ start: _, end: __, ...rest }) => rest)));
    for (const secret of ['hunter2', session]) assert.ok(!all.includes(secret), `${secret} is shown`);
    await logged(balancer, new RegExp(`method=tools/call .*trace_id=${trace}|trace_id=${trace} .*method=tools/call`));
  });

  test('begins here when nobody has begun it, and has no parent', async (t) => {
    const { collector, servers, start } = await stage(t);
    stateless(servers[0]);
    const balancer = await start();
    await sendTo(balancer, oneCall());
    await collector.until(2);
    const [server] = collector.spans.filter(({ kind }) => kind === SERVER);
    assert.equal(server.parentSpanId, undefined);
    assert.equal(told(servers[0].last).trace, server.traceId);
    assert.equal(server.resource['service.name'], 'mcplb');
    await logged(balancer, new RegExp(`trace_id=${server.traceId}`));
  });

  test('that is not sampled goes on without a span', async (t) => {
    const { collector, servers, start } = await stage(t, { tracing: { sample_ratio: 0 } });
    stateless(servers[0]);
    const balancer = await start();
    await sendTo(balancer, oneCall(1));
    assert.equal(told(servers[0].last).flags, '00');
    const mine = `00-${hex(16)}-${hex(8)}-00`;
    await sendTo(balancer, oneCall(2, [['traceparent', mine], ['tracestate', 'a=1']]));
    assert.equal(servers[0].last.get('traceparent'), mine, 'as the caller has it');
    assert.equal(servers[0].last.get('tracestate'), 'a=1');
    const sampled = hex(16);
    await sendTo(balancer, oneCall(3, [['traceparent', `00-${sampled}-${hex(8)}-01`]]));
    await collector.until(2);
    assert.deepEqual([...new Set(collector.spans.map(({ traceId }) => traceId))], [sampled]);
  });

  test('that cannot be read, or is named twice, begins anew', async (t) => {
    const { collector, servers, start } = await stage(t);
    stateless(servers[0]);
    const balancer = await start();
    const good = `00-${hex(16)}-${hex(8)}-01`;
    const twice = [['traceparent', good], ['traceparent', good], ['tracestate', 'a=1']];
    for (const headers of [[['traceparent', `${good}-x`], ['tracestate', 'a=1']], twice]) {
      await sendTo(balancer, oneCall(1, headers));
      assert.ok(!good.includes(told(servers[0].last).trace));
      assert.equal(servers[0].last.get('tracestate'), undefined);
    }
    await collector.until(4);
  });

  test('that only the body names is followed, too', async (t) => {
    const { collector, servers, start } = await stage(t);
    stateless(servers[0]);
    const balancer = await start();
    const [trace, span] = [hex(16), hex(8)];
    const message = modern('tools/call', 1, { name: 'x', arguments: {} });
    message.params._meta = { ...modernMeta(), traceparent: `00-${trace}-${span}-01`, tracestate: 'b=2' };
    const headers = [['MCP-Protocol-Version', '2026-07-28'], ['Mcp-Method', 'tools/call'], ['Mcp-Name', 'x']];
    assertFromBackend(await sendTo(balancer, post(message, { headers })));
    await collector.until(2);
    assert.equal(told(servers[0].last).trace, trace);
    assert.equal(servers[0].last.get('tracestate'), 'b=2');
    assert.equal(collector.spans.find(({ kind }) => kind === SERVER).parentSpanId, span);
    assert.deepEqual(servers[0].last.message, message, 'the body stays as it is');
  });

  test('shows each try of a request', async (t) => {
    const port = await reservedPort();
    const { collector, servers, start } = await stage(t, {
      backends: (plain) => [{ url: `http://127.0.0.1:${port}` }, ...plain],
    });
    stateless(servers[0]);
    const balancer = await start();
    assertFromBackend(await sendTo(balancer, oneCall()));
    await collector.until(3);
    const [failed, served] = collector.spans.filter(({ kind }) => kind === CLIENT);
    const [server] = collector.spans.filter(({ kind }) => kind === SERVER);
    assert.equal(failed.attributes['error.type'], 'refused');
    assert.equal(failed.attributes['server.port'], port);
    assert.ok(failed.isError && !served.isError && !server.isError);
    assert.equal(served.attributes['http.request.resend_count'], 1);
    assert.equal(told(servers[0].last).span, served.spanId);
    for (const attempt of [failed, served]) assert.equal(attempt.parentSpanId, server.spanId);
  });

  test('tells of a session that was opened again elsewhere', async (t) => {
    const { collector, servers, start } = await stage(t, {
      servers: ['a', 'b'],
      settings: { sessions: { on_unknown: 'not_found' } },
    });
    const balancer = await start();
    const { id, owner, others } = await openSession(balancer, servers);
    await owner.die();
    const trace = hex(16);
    const headers = [['traceparent', `00-${trace}-${hex(8)}-01`]];
    assertFromBackend(await sendTo(balancer, callOf(id, { headers })));
    const [server] = await collector.until(1, (span) => span.kind === SERVER && span.traceId === trace, LONG);
    const move = server.events.find(({ name }) => name === 'mcplb.session.move');
    assert.equal(move.attributes['mcplb.outcome'], 'moved');
    const [again] = others[0].all('initialize');
    assert.deepEqual(told(again), { trace, span: server.spanId, flags: '01' });
  });

  test('names our own replies', async (t) => {
    const port = await reservedPort();
    const { collector, start } = await stage(t, { backends: () => [{ url: `http://127.0.0.1:${port}` }] });
    const balancer = await start();
    await sendTo(balancer, oneCall());
    const [server] = await collector.until(1, ({ kind }) => kind === SERVER);
    assert.equal(server.attributes['http.response.status_code'], 503);
    assert.equal(server.attributes['error.type'], 'no_backend');
    assert.equal(server.attributes['mcplb.reason'], 'no_backend');
    assert.ok(server.isError);
  });
});

describe('a collector', { concurrency: 4 }, () => {
  test('that is killed costs spans and nothing else, and gets those that come later', async (t) => {
    const { collector, servers, start } = await stage(t);
    stateless(servers[0]);
    const balancer = await start();
    await sendTo(balancer, oneCall(1));
    await collector.until(2);
    await collector.stop();
    for (let n = 0; n < 20; n += 1) assertFromBackend(await sendTo(balancer, oneCall(n)));
    await logged(balancer, /tracing_export_failed/);
    await collector.listen();
    await collector.until(42, undefined, LONG);
    await logged(balancer, /tracing_export_resumed/);
    assert.equal(logText(balancer).match(/tracing_export_failed/g).length, 1, 'said once');
  });

  test('that is busy gets the same spans after the time that it names', async (t) => {
    const { collector, servers, start } = await stage(t);
    stateless(servers[0]);
    collector.answers = [{ status: 429, headers: { 'retry-after': '1' } }];
    const balancer = await start();
    await sendTo(balancer, oneCall());
    await collector.until(2);
    const [refused, taken] = collector.requests;
    assert.equal(refused.status, 429);
    assert.ok(taken.at - refused.at >= 990, `${taken.at - refused.at} ms`);
    const ids = ({ spans }) => spans.map(({ spanId }) => spanId);
    assert.deepEqual(ids(taken), ids(refused));
  });

  test('that refuses is not asked again for the same spans', async (t) => {
    const { collector, servers, start } = await stage(t);
    stateless(servers[0]);
    collector.answers = [{ status: 400, body: '{"message":"no thanks"}' }];
    const balancer = await start();
    await sendTo(balancer, oneCall(1));
    await logged(balancer, /tracing_export_failed .*no thanks/);
    await sendTo(balancer, oneCall(2));
    await collector.until(2);
    assert.equal(collector.requests.length, 2);
  });

  test('gets at once what there is when the balancer ends', async (t) => {
    const { collector, servers, start, running } = await stage(t);
    stateless(servers[0]);
    const balancer = await start();
    await sendTo(balancer, oneCall());
    await balancer.stop();
    running.length = 0;
    assert.equal(collector.spans.length, 2);
  });

  test('that hangs does not keep the balancer from ending', async (t) => {
    const silent = await ScriptedBackend.start(() => undefined);
    const { servers, start } = await stage(t, { tracing: { otlp_endpoint: silent.url } });
    t.after(() => silent.stop());
    stateless(servers[0]);
    const balancer = await start();
    await sendTo(balancer, oneCall());
    const before = Date.now();
    await balancer.stop();
    assert.ok(Date.now() - before < LIMIT, `${Date.now() - before} ms`);
    assert.match(logText(balancer), /tracing_spans_lost .*spans=2/);
  });

  test('is met with TLS by the authority that the environment names', async (t) => {
    const folder = new Folder();
    t.after(() => folder.remove());
    const authority = new Authority(folder);
    const issued = authority.issue('collector', ['IP:127.0.0.1']);
    const { collector, servers, start } = await stage(t, {
      tls: issued.node,
      env: { OTEL_EXPORTER_OTLP_CERTIFICATE: authority.file },
    });
    stateless(servers[0]);
    const balancer = await start();
    await sendTo(balancer, oneCall());
    await collector.until(2);
  });
});

describe('without tracing', { concurrency: 4 }, () => {
  const off = async (t, env) => {
    const { collector, servers, start } = await stage(t, { tracing: null, env });
    stateless(servers[0]);
    return { collector, server: servers[0], balancer: await start() };
  };

  test('whatever the client says of its trace passes as it is', async (t) => {
    const { server, balancer } = await off(t);
    const trace = hex(16);
    const headers = [['TraceParent', `00-${trace}-${hex(8)}-01`], ['TRACESTATE', 'odd']];
    await sendTo(balancer, oneCall(1, headers));
    for (const [name, value] of headers) {
      assert.ok(server.last.headers.some(([key, is]) => key === name && is === value), name);
    }
    await logged(balancer, new RegExp(`trace_id=${trace}`));
    await sendTo(balancer, oneCall(2));
    assert.equal(server.last.get('traceparent'), undefined);
  });

  test('an environment for gRPC is told what is wanted, and the balancer serves', async (t) => {
    const { collector, balancer } = await off(t, ({ url }) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    }));
    assertFromBackend(await sendTo(balancer, oneCall()));
    await logged(balancer, /warn tracing_environment .*OTEL_EXPORTER_OTLP_PROTOCOL=grpc/);
    assert.equal(collector.requests.length, 0);
  });

  test('the switch of all SDKs is obeyed', async (t) => {
    const { balancer, collector, server } = await off(t, ({ url }) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_SDK_DISABLED: 'true',
    }));
    await sendTo(balancer, oneCall());
    assert.equal(server.last.get('traceparent'), undefined);
    assert.equal(collector.requests.length, 0);
  });
});

describe('a reload', () => {
  test('changes how many traces are recorded, and not where they go', async (t) => {
    const collector = await Collector.start();
    const server = await ScriptedBackend.start();
    const file = (tracing) => ({ ...fileOf([server]), tracing: { otlp_endpoint: collector.url, ...tracing } });
    const balancer = await Reloadable.start(file({ sample_ratio: 0 }));
    t.after(() => stopAll(balancer, server, collector));
    await sendTo(balancer, oneCall(1));
    assert.equal(told(server.last).flags, '00');
    balancer.write(file({ sample_ratio: 1 }));
    assert.match(await balancer.reload('SIGHUP'), /reload_applied .*tracing\.sample_ratio/);
    await sendTo(balancer, oneCall(2));
    assert.equal(told(server.last).flags, '01');
    balancer.write(file({ otlp_endpoint: 'http://127.0.0.1:1' }));
    assert.match(await balancer.reload('SIGHUP', false), /reload_refused .*tracing\.otlp_endpoint/);
    await collector.until(2);
    collector.assertSound();
  });
});
