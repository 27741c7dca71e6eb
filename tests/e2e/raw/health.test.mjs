// Health checks of the kinds http and mcp, and what is done about what they find.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, describe, test } from 'node:test';
import { adminJson, logged, logText, startBalancer, stopAll } from './lib/balancer.mjs';
import { call, get, initializeResult, json, post, reply } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { reservedPort } from './lib/ports.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';
import { poll } from './lib/waiting.mjs';

const started = [];
after(() => stopAll(started.reverse()));

const QUICK = { interval: '100ms', timeout: '500ms', rise: 2, fall: 2 };
const PASSIVE_OFF = { passive: { failures: 0 } };

async function backend(name, script) {
  const one = await ScriptedBackend.start(script, { name });
  started.push(one);
  return one;
}

async function balancerOf(backends, health, settings = {}) {
  const balancer = await startBalancer(
    {
      name: 'default',
      retries: 0,
      health: { ...QUICK, ...PASSIVE_OFF, ...health },
      backends: backends.map(({ url, name }) => ({ url, id: name })),
    },
    settings,
  );
  started.push(balancer);
  return balancer;
}

const usable = (balancer, count) =>
  poll(
    async () => (await adminJson(balancer, '/health')).json.pools[0].backends.usable === count,
    () => `${count} usable backends: ${logText(balancer)}`,
  );

const isCheck = (seen) => seen.get('User-Agent') === 'mcplb health check';
const checks = (server) => server.requests.filter(isCheck);
const untilChecks = (server, count) =>
  server.until(() => checks(server).length >= count, `${count} checks`);
const sendTo = (balancer, data) => RawClient.with(balancer.url, (client) => client.exchange(data));
const lost = (balancer, event, name) =>
  poll(
    () => logText(balancer).split('\n').some(
      (line) => line.includes(` ${event} `) && line.includes(`backend=${name}`),
    ),
    () => `${event} of ${name}: ${logText(balancer)}`,
  );

// A legacy server with sessions in its memory; `server.sessions` is to be forgotten by tests.
function legacy(server) {
  server.sessions = new Set();
  server.opened = 0;
  return (seen, connection) => {
    const { message, method } = seen;
    const id = seen.get('Mcp-Session-Id');
    if (message?.method === 'initialize') {
      server.opened += 1;
      const minted = `canary-${server.name}-${server.opened}`;
      server.sessions.add(minted);
      const headers = [['Mcp-Session-Id', minted]];
      return connection.send(json(initializeResult(message.id, '2025-06-18'), { headers }));
    }
    if (id === undefined) return connection.send(reply(400, { body: 'no session' }));
    if (!server.sessions.has(id)) return connection.send(reply(404));
    if (method === 'DELETE') {
      server.sessions.delete(id);
      return connection.send(reply(200));
    }
    if (message?.id === undefined) return connection.send(reply(202));
    return connection.send(json({ jsonrpc: '2.0', id: message.id, result: {} }));
  };
}

async function legacyBackend(name) {
  const one = await backend(name);
  one.script = legacy(one);
  return one;
}

// A server in a process of its own, so that it can be frozen: 200 to everything, a result to POST.
async function processBackend(name) {
  const code = `
    const http = require('node:http');
    http.createServer((request, response) => {
      let text = '';
      request.on('data', (data) => { text += data; });
      request.on('end', () => {
        response.setHeader('Content-Type', 'application/json');
        const id = text ? JSON.parse(text).id : null;
        response.end(JSON.stringify({ jsonrpc: '2.0', id, result: {} }));
      });
    }).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  started.push({ stop: () => child.kill('SIGKILL') });
  const port = await poll(() => Number(/^(\d+)\n/.exec(output)?.[1] ?? 0) || false, 'a port');
  return { name, url: `http://127.0.0.1:${port}`, signal: (name) => child.kill(name) };
}

describe('health checks', () => {
  test('a frozen process is seen by http and mcp, not by tcp, and is back when it goes on', async () => {
    const frozen = await processBackend('frozen');
    const balancers = {};
    for (const check of ['tcp', 'http', 'mcp'])
      balancers[check] = await balancerOf([frozen], { check, timeout: '200ms' });
    for (const balancer of Object.values(balancers)) await usable(balancer, 1);
    frozen.signal('SIGSTOP');
    await usable(balancers.http, 0);
    await usable(balancers.mcp, 0);
    await usable(balancers.tcp, 1);
    assert.doesNotMatch(logText(balancers.tcp), /backend_down/);
    frozen.signal('SIGCONT');
    await usable(balancers.http, 1);
    await usable(balancers.mcp, 1);
  });

  test('http: 503 for a while takes a backend out for a while, with the status as the reason', async () => {
    let status = 200;
    const sick = await backend('sick', (seen, connection) =>
      connection.send(isCheck(seen) ? reply(status) : reply(200, { body: 'sick' })),
    );
    const well = await backend('well', (seen, connection) =>
      connection.send(reply(200, { body: 'well' })),
    );
    const balancer = await balancerOf([sick, well], { check: 'http', path: '/live?x=1' });
    await untilChecks(sick, 1);
    const [seen] = checks(sick);
    assert.equal(`${seen.method} ${seen.target}`, 'GET /live?x=1');
    assert.equal(seen.get('Host'), `127.0.0.1:${sick.port}`);
    status = 503;
    await usable(balancer, 1);
    await logged(balancer, /backend_down .*backend=sick .*reason="?status 503/);
    for (let i = 0; i < 4; i += 1)
      assert.equal((await sendTo(balancer, get('/'))).text, 'well');
    status = 204;
    await usable(balancer, 2);
    sick.assertSound();
  });

  test('http: the Host of checks can be set', async () => {
    const picky = await backend('picky', (seen, connection) =>
      connection.send(reply(seen.get('Host') === 'mcp.example' ? 200 : 421)),
    );
    const balancer = await balancerOf([picky], { check: 'http', host: 'mcp.example' });
    await untilChecks(picky, 5);
    await usable(balancer, 1);
    assert.doesNotMatch(logText(balancer), /backend_down/);
  });

  test('mcp: a modern server is asked for server/discover, once a check', async () => {
    const modern = await backend('modern');
    const balancer = await balancerOf([modern], { check: 'mcp' });
    await untilChecks(modern, 4);
    for (const seen of checks(modern)) {
      assert.equal(seen.message.method, 'server/discover');
      assert.equal(seen.get('MCP-Protocol-Version'), '2026-07-28');
      assert.equal(seen.get('Mcp-Method'), 'server/discover');
      assert.equal(seen.has('Mcp-Session-Id'), false);
    }
    await usable(balancer, 1);
    modern.assertSound();
  });

  test('mcp: 401 counts as alive and opens nothing', async () => {
    const guarded = await backend('guarded', (seen, connection) =>
      connection.send(reply(401, { headers: [['WWW-Authenticate', 'Bearer']] })),
    );
    const balancer = await balancerOf([guarded], { check: 'mcp' });
    await untilChecks(guarded, 5);
    await usable(balancer, 1);
    assert.doesNotMatch(logText(balancer), /backend_down/);
    assert.ok(checks(guarded).every(({ message }) => message.method === 'server/discover'));
  });

  test('mcp: one canary session is kept, pinged, and deleted when mcplb stops', async () => {
    const server = await legacyBackend('old');
    const balancer = await balancerOf([server], { check: 'mcp' });
    await untilChecks(server, 10);
    assert.equal(server.opened, 1);
    assert.deepEqual([...server.sessions], ['canary-old-1']);
    const methods = checks(server).map(({ message }) => message.method);
    assert.deepEqual(methods.slice(0, 4), [
      'server/discover',
      'initialize',
      'notifications/initialized',
      'ping',
    ]);
    assert.ok(methods.slice(3).every((method) => method === 'ping'));
    await balancer.stop();
    assert.equal(server.requests.at(-1).method, 'DELETE');
    assert.equal(server.sessions.size, 0);
    server.assertSound();
  });

  test('mcp: a canary that vanished is made anew at once, and the restart is told', async () => {
    const server = await legacyBackend('amnesia');
    const balancer = await balancerOf([server], { check: 'mcp', fall: 1 });
    await untilChecks(server, 5);
    server.sessions.clear();
    await lost(balancer, 'backend_restarted', 'amnesia');
    await server.until(() => server.opened === 2, 'a second canary');
    const before = checks(server).length;
    await untilChecks(server, before + 3);
    assert.equal(server.opened, 2);
    assert.doesNotMatch(logText(balancer), /backend_down/);
  });

  test('mcp: a stop does not wait for a server that hangs', async () => {
    const server = await legacyBackend('hanging');
    const balancer = await balancerOf([server], { check: 'mcp' }, { shutdown_timeout: '60s' });
    await untilChecks(server, 4);
    server.script = () => {};
    await balancer.stop();
    await logged(balancer, /stopped/);
  });

  test('when all are down clients are told, and a return is noticed however long the interval is', async () => {
    const port = await reservedPort();
    const late = new ScriptedBackend((seen, connection) => connection.send(reply(200)));
    started.push({ stop: () => late.server && late.stop() });
    const balancer = await balancerOf(
      [{ url: `http://127.0.0.1:${port}`, name: 'late' }],
      { check: 'http', interval: '2s', timeout: '1s' },
    );
    await usable(balancer, 0);
    const refused = await sendTo(balancer, post(call(1)));
    assertOwnReply(refused, { status: 503, reason: 'no_backend', code: -31010, id: 1 });
    assert.ok(Number(refused.get('Retry-After')) > 0);
    await late.listen(port);
    await usable(balancer, 1);
    assertFromBackend(await sendTo(balancer, get('/')));
    // Two good checks are needed, and both came before a single interval was over.
    assert.ok(checks(late).length <= 4, `${checks(late).length} checks`);
  });
});
