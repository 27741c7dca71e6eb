// The services of compose/compose.yaml as plain processes on loopback, each with the command and the
// configuration that compose.yaml gives it. What stands for Docker: a DNS server that knows how many
// replicas there are, and host names and paths that are replaced by what there is here.
import http from 'node:http';
import net from 'node:net';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { start as startDns } from '../fixtures/dns-server.mjs';
import { reservedPort } from '../raw/lib/ports.mjs';
import { Folder } from '../raw/lib/process.mjs';
import { Child } from './child.mjs';
import { compose, composeConfig, inProject, interpolated, programOf } from './deployment.mjs';
import { startMcplb } from './mcplb.mjs';
import { inSuite, nodeBinary } from './node.mjs';
import { until } from './wait.mjs';

export const secrets = {
  MCPLB_ADMIN_TOKEN: 'admin-token-of-this-test',
  REDIS_PASSWORD: 'redispasswordofthistest',
};
const server = new URL(composeConfig.pools[0].backends[0].dns);

const freeOn = (port) =>
  new Promise((resolve) => {
    const one = net.createServer();
    one.once('error', () => resolve(false));
    one.listen(port, '0.0.0.0', () => one.close(() => resolve(true)));
  });

/** The replicas: the CMD of compose/mcp-server/Dockerfile, each on an address of its own. */
class Replicas {
  #dns;
  #running = [];
  #network = `127.${1 + Math.floor(Math.random() * 250)}.${Math.floor(Math.random() * 250)}`;

  constructor(dns, port) {
    this.#dns = dns;
    this.port = port;
  }

  get ids() {
    return this.#running.map(({ address }) => `${address}:${this.port}`);
  }

  async #start(number) {
    const address = `${this.#network}.${number}`;
    const dockerfile = readFileSync(inProject('compose/mcp-server/Dockerfile'), 'utf8');
    const [, file, mode] = JSON.parse(/^CMD (.*)$/m.exec(dockerfile)[1]);
    const preload = ['--import', inSuite('fixtures/loopback.mjs')];
    const child = new Child(nodeBinary, [...preload, inSuite(file), mode], {
      env: { HOST: address, PORT: String(this.port), REPLICA: address },
    });
    await child.awaitOutput(15_000, `${address} listens`, (output) => /^listening/m.test(output));
    return { address, child };
  }

  /** As `docker compose up --scale mcp-server=COUNT`: the last ones go first. */
  async scale(count) {
    const more = Array.from({ length: Math.max(0, count - this.#running.length) }, (_, index) =>
      this.#start(this.#running.length + index + 1),
    );
    this.#running.push(...(await Promise.all(more)));
    const gone = this.#running.splice(count);
    this.#dns.set(server.hostname, this.#running.map(({ address }) => address));
    await Promise.all(gone.map(({ child }) => child.end('SIGTERM')));
  }

  stop() {
    return Promise.all(this.#running.splice(0).map(({ child }) => child.kill()));
  }
}

/** Takes what is meant for the collector, and says as much about itself as Prometheus wants. */
async function startCollector() {
  const received = [];
  const listener = http.createServer(async (request, reply) => {
    const body = Buffer.concat(await request.toArray());
    received.push({ path: request.url, type: request.headers['content-type'], body });
    const scraped = request.url === '/metrics';
    reply.setHeader('content-type', scraped ? 'text/plain; version=0.0.4' : 'application/json');
    reply.end(scraped ? '# TYPE otelcol_process_uptime counter\notelcol_process_uptime 1\n' : '{}');
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    received,
    address: `127.0.0.1:${listener.address().port}`,
    stop: () => {
      listener.closeAllConnections();
      return new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** The shell script of a service's command, with other paths and options in it. */
function scriptOf(service, changes) {
  let script = interpolated(compose.services[service].command.at(-1));
  for (const [from, to] of changes) {
    if (!script.includes(from)) throw new Error(`the command of ${service} has no ${from}`);
    script = script.replaceAll(from, to);
  }
  return script;
}

async function startRedis(folder) {
  const port = await reservedPort();
  const data = folder.file('redis');
  mkdirSync(data);
  const here = `--port ${port} --bind 127.0.0.1 --dir ${data}`;
  const script = scriptOf('redis', [
    ['/etc/redis/redis.conf -', `${inProject('compose/redis.conf')} ${here} -`],
  ]);
  const child = new Child('sh', ['-ec', script], { env: secrets });
  await child.awaitOutput(10_000, 'redis', (output) => output.includes('Ready to accept'));
  return { url: `redis://:${secrets.REDIS_PASSWORD}@127.0.0.1:${port}/0`, port, child };
}

async function startPrometheus(folder, hosts) {
  const port = await reservedPort();
  const config = folder.file('prometheus');
  const state = folder.file('prometheus-state');
  mkdirSync(state);
  cpSync(inProject('compose/prometheus'), config, { recursive: true });
  const changes = [...Object.entries(hosts), ['127.0.0.1:9090', `127.0.0.1:${port}`]];
  const file = `${config}/prometheus.yml`;
  let text = readFileSync(file, 'utf8').replace('/run/prometheus', state);
  for (const [name, address] of changes) text = text.replace(`"${name}"`, `"${address}"`);
  writeFileSync(file, text);
  const script = scriptOf('prometheus', [
    ['/run/prometheus', state],
    ['exec /bin/prometheus', `exec ${programOf('prometheus')}`],
    ['/etc/prometheus', config],
    ['path=/prometheus', `path=${state}/data`],
    ['address=:9090', `address=127.0.0.1:${port}`],
  ]);
  const child = new Child('/bin/sh', ['-ec', script], { env: secrets });
  const url = `http://127.0.0.1:${port}`;
  const api = async (path) => {
    const answer = await fetch(new URL(`/api/v1/${path}`, url));
    return answer.json();
  };
  await until(15_000, 'prometheus to be ready', async () => {
    if (child.exit) throw new Error(child.output);
    return fetch(new URL('/-/ready', url)).then(({ ok }) => ok, () => false);
  });
  return { api, child, token: () => readFileSync(`${state}/admin-token`, 'utf8') };
}

/** compose/mcplb.yaml itself; the DNS server is named by a second file. */
async function startBalancer(folder, { dns, port, redis, collector }) {
  const original = inProject('compose/mcplb.yaml');
  const text = readFileSync(original, 'utf8').replaceAll(`:${server.port}"`, `:${port}"`);
  const file = port === Number(server.port) ? original : folder.file('mcplb.yaml', text);
  const servers = folder.file('dns.yaml', { resolver: { servers: [`127.0.0.1:${dns.port}`] } });
  const here = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  return startMcplb({
    args: ['run', '-c', file, '-c', servers, ...here],
    env: {
      ...secrets,
      REDIS_URL: redis.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.address}`,
    },
  });
}

/** Everything but Grafana. */
export async function startStack() {
  const stops = [];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  const folder = new Folder();
  stops.push(() => folder.remove());
  try {
    const dns = await startDns();
    stops.push(() => dns.stop());
    const collector = await startCollector();
    stops.push(() => collector.stop());
    const redis = await startRedis(folder);
    stops.push(() => redis.child.end('SIGTERM'));
    const port = (await freeOn(Number(server.port))) ? Number(server.port) : await reservedPort();
    const replicas = new Replicas(dns, port);
    stops.push(() => replicas.stop());
    await replicas.scale(compose.services['mcp-server'].deploy.replicas);
    const mcplb = await startBalancer(folder, { dns, port, redis, collector });
    stops.push(() => mcplb.stop());
    const prometheus = await startPrometheus(folder, {
      'mcplb:9180': new URL(mcplb.adminUrl).host,
      'otel-collector:8888': collector.address,
    });
    stops.push(() => prometheus.child.end('SIGTERM', 10_000));
    return { mcplb, redis, collector, replicas, prometheus, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
