// Backends behind a DNS name, as they come and go, with a DNS server that a test commands.
import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { start as startDns } from './fixtures/dns-server.mjs';
import { request } from './lib/http.mjs';
import { startMcplb } from './lib/mcplb.mjs';
import { until } from './lib/wait.mjs';
import { Authority } from './raw/lib/certificates.mjs';
import { Folder } from './raw/lib/process.mjs';

const running = [];
const stopRunning = async () => {
  const failures = [];
  for (const stop of running.splice(0).reverse()) {
    try {
      await stop();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length) throw failures[0];
};

// A server that answers every request with its own address.
async function startServer(address, port = 0, certificate = undefined) {
  const answer = (incoming, reply) => reply.end(`${address}:${server.address().port}`);
  const server = certificate ? https.createServer(certificate, answer) : http.createServer(answer);
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  running.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: server.address().port, name: `${address}:${server.address().port}` };
}

// Two servers on the same port of two addresses, as replicas behind one name are.
async function startTwins() {
  for (let tries = 0; ; tries += 1) {
    const one = await startServer('127.0.0.1');
    try {
      return [one, await startServer('127.0.0.2', one.port)];
    } catch (error) {
      if (tries === 20) throw error;
    }
  }
}

async function startBalancer(dns, backends, more = {}) {
  const config = {
    resolver: { servers: [`127.0.0.1:${dns.port}`] },
    pools: [{ health: { interval: '60s' }, backends, ...more }],
  };
  const balancer = await startMcplb({ config });
  running.push(() => balancer.stop());
  return balancer;
}

const ask = (balancer) => request(new URL('/who', balancer.url), { method: 'GET' });

// Who answers a number of requests, each once, in the order of names.
async function answering(balancer, count = 8) {
  const names = new Set();
  for (let i = 0; i < count; i += 1) {
    const answer = await ask(balancer);
    names.add(answer.status === 200 ? answer.body : `status ${answer.status}`);
  }
  return [...names].sort();
}

const untilAnswering = (balancer, names) =>
  until(5_000, `${names} answer:\n${balancer.logs()}`, async () => {
    const seen = await answering(balancer);
    return seen.join() === [...names].sort().join();
  });

const lines = (balancer, event) =>
  balancer.logs().split('\n').filter((line) => line.includes(` ${event} `));

describe('backends behind a DNS name', () => {
  let dns;
  beforeEach(async () => {
    dns = await startDns();
    running.push(() => dns.stop());
  });
  afterEach(stopRunning);
  after(stopRunning);

  test('every address is a backend, and they come and go with DNS', async () => {
    const [one, two] = await startTwins();
    dns.set('mcp.test', ['127.0.0.1']);
    const backends = [{ dns: `http://mcp.test:${one.port}`, refresh: '100ms' }];
    const balancer = await startBalancer(dns, backends);
    await untilAnswering(balancer, [one.name]);
    dns.set('mcp.test', ['127.0.0.1', '127.0.0.2']);
    await untilAnswering(balancer, [one.name, two.name]);
    dns.set('mcp.test', ['127.0.0.2']);
    await untilAnswering(balancer, [two.name]);
    const [first, second, third] = lines(balancer, 'dns_changed');
    assert.match(first, /name=mcp\.test added=1 removed=0 backends=1/);
    assert.match(second, /added=1 removed=0 backends=2/);
    assert.match(third, /added=0 removed=1 backends=1/);
  });

  test('DNS that fails or is silent takes no backend away', async () => {
    const one = await startServer('127.0.0.1');
    dns.set('mcp.test', ['127.0.0.1']);
    const backends = [{ dns: `http://mcp.test:${one.port}`, refresh: '100ms' }];
    const balancer = await startBalancer(dns, backends);
    await untilAnswering(balancer, [one.name]);
    dns.fail(true);
    await until(5_000, 'dns_failed', () => lines(balancer, 'dns_failed').length === 1);
    const asked = dns.questions.length;
    await until(5_000, 'more look-ups', () => dns.questions.length > asked + 6);
    assert.deepEqual(await answering(balancer), [one.name]);
    assert.equal(lines(balancer, 'dns_failed').length, 1);
    dns.fail(false);
    await until(5_000, 'dns_recovered', () => lines(balancer, 'dns_recovered').length === 1);
    assert.deepEqual(await answering(balancer), [one.name]);
  });

  test('a name that is gone takes its backends away, and brings them back', async () => {
    const one = await startServer('127.0.0.1');
    dns.set('mcp.test', ['127.0.0.1']);
    const backends = [{ dns: `http://mcp.test:${one.port}`, refresh: '100ms' }];
    const balancer = await startBalancer(dns, backends);
    await untilAnswering(balancer, [one.name]);
    dns.set('mcp.test');
    await untilAnswering(balancer, ['status 503']);
    assert.equal(lines(balancer, 'dns_empty').length, 1);
    dns.set('mcp.test', ['127.0.0.1']);
    await untilAnswering(balancer, [one.name]);
  });

  test('SRV records bring addresses with their ports, beside backends with a url', async () => {
    const one = await startServer('127.0.0.1');
    const two = await startServer('127.0.0.1');
    const fixed = await startServer('127.0.0.1');
    const spare = await startServer('127.0.0.1');
    dns.set('a.test', ['127.0.0.1']);
    dns.set('_http._tcp.mcp.test', [
      { target: 'a.test', port: one.port, priority: 1 },
      { target: 'a.test', port: two.port, priority: 1 },
      { target: 'a.test', port: spare.port, priority: 2 },
    ]);
    const balancer = await startBalancer(dns, [
      { url: `http://127.0.0.1:${fixed.port}` },
      { dns: 'http://_http._tcp.mcp.test', refresh: '100ms' },
    ]);
    await untilAnswering(balancer, [one.name, two.name, fixed.name]);
    dns.set('_http._tcp.mcp.test', [{ target: 'a.test', port: two.port, priority: 1 }]);
    await untilAnswering(balancer, [two.name, fixed.name]);
  });

  test('a certificate is for the name, not for the address or for another name', async () => {
    const folder = new Folder();
    running.push(() => folder.remove());
    const authority = new Authority(folder);
    const right = authority.issue('right', ['DNS:mcp.test']);
    const wrong = authority.issue('wrong', ['IP:127.0.0.1', 'DNS:other.test']);
    const one = await startServer('127.0.0.1', 0, right.node);
    const two = await startServer('127.0.0.1', 0, wrong.node);
    dns.set('mcp.test', ['127.0.0.1']);
    const named = ({ port }) => [
      { dns: `https://mcp.test:${port}`, refresh: '100ms', tls: { ca: authority.file } },
    ];
    await untilAnswering(await startBalancer(dns, named(one)), [one.name]);
    const refusing = await startBalancer(dns, named(two), { retries: 0 });
    await until(5_000, 'backend_tls_failed', async () => {
      const { status } = await ask(refusing);
      assert.notEqual(status, 200);
      return lines(refusing, 'backend_tls_failed').length > 0;
    });
  });

  test('resolver.servers are asked for the host of a url', async () => {
    const one = await startServer('127.0.0.1');
    dns.set('only-here.test', ['127.0.0.1']);
    const url = `http://only-here.test:${one.port}`;
    const balancer = await startBalancer(dns, [{ url }]);
    await untilAnswering(balancer, [one.name]);
    assert.ok(dns.questions.some(({ name }) => name === 'only-here.test'));
  });
});
