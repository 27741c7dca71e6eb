// The kinds of servers that may hold the shared store, and those that may not.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { adminJson, logged, logText, pool, startBalancer, stopAll } from './lib/balancer.mjs';
import { initialize, post } from './lib/bytes.mjs';
import { Authority } from './lib/certificates.mjs';
import { assertFromBackend } from './lib/claims.mjs';
import { reservedPort } from './lib/ports.mjs';
import { Folder, run } from './lib/process.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { Redis } from './lib/redis.mjs';
import { ScriptedBackend } from './lib/scripted_backend.mjs';
import { Sentinels } from './lib/sentinels.mjs';
import { legacyServer } from './lib/sessions.mjs';
import { LIMIT, pause, poll } from './lib/waiting.mjs';

const LONG = 3 * LIMIT;
const PASSWORD = 'sesame-7f3a';

let backends;
let folder;
const running = []; // stopped in this order

before(async () => {
  folder = new Folder();
  backends = [
    await ScriptedBackend.start(undefined, { name: 'a' }),
    await ScriptedBackend.start(undefined, { name: 'b' }),
  ];
});

beforeEach(() => {
  for (const backend of backends) {
    backend.script = legacyServer(backend);
    backend.clear();
  }
});

afterEach(() => stopAll(running.splice(0)));

after(async () => {
  await stopAll(backends);
  folder.remove();
});

async function startRedis(more) {
  const redis = await Redis.start(more);
  running.push(redis);
  return redis;
}

async function start(url, more = {}) {
  const sessions = { idle_timeout: '60s', on_unknown: 'not_found', on_backend_loss: 'not_found' };
  const store = { redis: { url, prefix: 't', ...more } };
  const one = await startBalancer(pool(backends, { sessions }), { store });
  running.unshift(one);
  return one;
}

const storeStatus = (balancer, status) =>
  poll(
    async () => (await adminJson(balancer, '/health')).json.store.status === status,
    () => `the store to be ${status}: ${logText(balancer)}`,
    { limit: LONG },
  );

async function open(balancer) {
  const answer = await RawClient.with(balancer.url, (client) =>
    client.exchange(post(initialize())),
  );
  assertFromBackend(answer);
  return answer.get('Mcp-Session-Id');
}

function ask(balancer, id) {
  const headers = [['Mcp-Session-Id', id]];
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  return RawClient.with(balancer.url, (client) => client.exchange(post(message, { headers })));
}

const use = async (balancer, id) => assertFromBackend(await ask(balancer, id));

// By a balancer that has to look into the store first. Each of its workers has its own connection.
const serves = (balancer, id) =>
  poll(
    async () => {
      const answer = await ask(balancer, id);
      if (answer.get('X-Mcplb-Reason') === 'store_unavailable') return false;
      assertFromBackend(answer);
      return true;
    },
    () => `session ${id} from the store: ${logText(balancer)}`,
    { limit: LONG },
  );

const appears = (redis, id) =>
  poll(
    async () => (await redis.cli('EXISTS', `t:session:default:${id}`)) === 1,
    () => `session ${id} in the store`,
    { limit: LONG },
  );

// One balancer opens a session, the store holds it, and another balancer serves it.
async function assertShares(url, redis, more) {
  const first = await start(url, more);
  await storeStatus(first, 'connected');
  const id = await open(first);
  await appears(redis, id);
  const second = await start(url, more);
  await storeStatus(second, 'connected');
  await serves(second, id);
  return { id, logs: logText(first) + logText(second) };
}

// Sessions are opened and used without a store.
async function assertServes(balancer) {
  const id = await open(balancer);
  await use(balancer, id);
  const { json } = await adminJson(balancer, '/health');
  assert.equal(json.status, 'degraded');
  assert.equal(json.store.status, 'unreachable');
}

describe('a password', () => {
  test('of the server is enough', async () => {
    const redis = await startRedis({
      options: { requirepass: PASSWORD },
      cli: ['--pass', PASSWORD, '--no-auth-warning'],
    });
    const { logs } = await assertShares(`redis://:${PASSWORD}@127.0.0.1:${redis.port}`, redis);
    assert.ok(!logs.includes(PASSWORD));
  });

  // What INFO, KEYS and the like are for is not needed.
  test('of a user who may touch only our keys and channels, in a database of its own', async () => {
    const rules = ['mcp', 'on', `>${PASSWORD}`, '~t:*', '&t:*', '+@all', '-@dangerous'];
    const redis = await startRedis({ options: { user: rules } });
    const url = `redis://mcp:${PASSWORD}@127.0.0.1:${redis.port}/5`;
    const inDatabase = { cli: (...words) => redis.cli('-n', 5, ...words) };
    const { logs } = await assertShares(url, inDatabase);
    assert.ok(!logs.includes(PASSWORD));
    assert.deepEqual(await redis.cli('-n', 0, 'KEYS', '*'), []);
  });

  for (const [what, credentials] of [
    ['that is wrong', 'mcp:guess-19c4@'],
    ['that is missing', ''],
  ]) {
    test(`${what} is told in the log, and service goes on`, async () => {
      const rules = ['mcp', 'on', `>${PASSWORD}`, '~*', '&*', '+@all'];
      const options = { user: rules, requirepass: PASSWORD };
      const redis = await startRedis({ options, cli: ['--pass', PASSWORD, '--no-auth-warning'] });
      const balancer = await start(`redis://${credentials}127.0.0.1:${redis.port}`);
      await logged(balancer, /store_refused .*reason="?the store (refuses user or|wants a) password/);
      await assertServes(balancer);
      assert.ok(!logText(balancer).includes('guess-19c4'));
    });
  }
});

test('a database that the server does not have is told, and service goes on', async () => {
  const redis = await startRedis({ options: { databases: 2 } });
  const balancer = await start(`${redis.url}/2`);
  await logged(balancer, /store_refused .*reason="?the store has no database of that number/);
  await assertServes(balancer);
});

test('a unix socket is a way to the store', async () => {
  const socket = folder.file('redis.sock');
  const redis = await startRedis({ options: { port: 0, unixsocket: socket }, cli: ['-s', socket] });
  const inDatabase = { cli: (...words) => redis.cli('-n', 3, ...words) };
  await assertShares(`redis+unix://${socket}?db=3`, inDatabase);
});

describe('with TLS', () => {
  let good;
  let other;

  before(() => {
    good = new Authority(folder, 'store-ca');
    other = new Authority(folder, 'other-ca');
  });

  async function secured(names, options = {}) {
    const { certificate, key } = good.issue('store', names);
    const ours = good.issue('us', ['DNS:mcplb.test']);
    const redis = await Redis.away({
      cli: ['--tls', '--cacert', good.file, '--cert', ours.certificate, '--key', ours.key,
        '--sni', names[0].split(':')[1]], // prettier-ignore
      options: {
        'tls-cert-file': certificate,
        'tls-key-file': key,
        'tls-ca-cert-file': good.file,
        'tls-auth-clients': 'no',
        ...options,
      },
    });
    await redis.start();
    running.push(redis);
    return { redis, ours, url: `rediss://127.0.0.1:${redis.port}` };
  }

  test('a store is verified by the CA that the operator names', async () => {
    const { redis, url } = await secured(['IP:127.0.0.1']);
    await assertShares(url, redis, { tls: { ca: good.file } });
  });

  test('a store may ask for a certificate of ours', async () => {
    const { redis, ours, url } = await secured(['IP:127.0.0.1'], { 'tls-auth-clients': 'yes' });
    const tls = { ca: good.file, certificate: ours.certificate, key: ours.key };
    await assertShares(url, redis, { tls });
  });

  test('anybody may be the store only if verification is turned off', async () => {
    const { redis, url } = await secured(['IP:127.0.0.1']);
    await assertShares(url, redis, { tls: { verify: false } });
  });

  for (const [what, names, settings] of [
    ['of another CA', ['IP:127.0.0.1'], () => ({ ca: other.file })],
    ['that the system does not trust', ['IP:127.0.0.1'], () => ({})],
    ['for another name', ['DNS:elsewhere.test'], () => ({ ca: good.file })],
  ]) {
    test(`a certificate ${what} is told in the log, and service goes on`, async () => {
      const { redis, url } = await secured(names);
      const balancer = await start(url, { tls: settings() });
      await logged(balancer, /store_down .*reason="certificate verify failed: [^"]+"/);
      await assertServes(balancer);
      assert.deepEqual(await redis.cli('DBSIZE'), 0);
    });
  }

  test('a plain server is no store', async () => {
    const redis = await startRedis();
    const balancer = await start(`rediss://127.0.0.1:${redis.port}`);
    await logged(balancer, /store_down .*reason="no answer to the TLS handshake: /);
    await assertServes(balancer);
  });

  test('files that cannot be used are mistakes in the configuration', async () => {
    const check = async (tls) => {
      const store = { redis: { url: 'rediss://127.0.0.1:1', tls } };
      const file = folder.file('check.yaml', { store, pools: [pool(backends)] });
      return run(['check', '-c', file]);
    };
    const fine = await check({ ca: good.file });
    assert.equal(fine.code, 0, fine.output);
    const absent = await check({ ca: folder.file('absent.pem') });
    assert.equal(absent.code, 2, absent.output);
    assert.match(absent.output, /check\.yaml:\d+:\d+: store\.redis\.tls\.ca: .*absent\.pem/);
    const mixed = { certificate: good.file, key: other.key };
    const mismatch = await check(mixed);
    assert.equal(mismatch.code, 2, mismatch.output);
    assert.match(mismatch.output, /: store\.redis\.tls\.key: /);
  });
});

test('behind Sentinel, sessions go on through a failover and are in the new master', async () => {
  const master = await startRedis();
  const replica = await startRedis({ options: { replicaof: ['127.0.0.1', master.port] } });
  const sentinels = await Sentinels.start(master, folder);
  running.push(sentinels);
  const balancer = await start(sentinels.url);
  await storeStatus(balancer, 'connected');
  const known = [await open(balancer), await open(balancer)];
  for (const id of known) await appears(replica, id);

  await master.kill();
  const opened = [];
  let over = false;
  const failover = sentinels.agreeOn(replica).finally(() => (over = true));
  while (!over) {
    for (const id of known) await use(balancer, id);
    opened.push(await open(balancer));
    await use(balancer, opened.at(-1));
    await pause(50);
  }
  await failover;
  await storeStatus(balancer, 'connected');
  assert.ok(opened.length > 0);
  for (const id of [...known, ...opened]) await appears(replica, id);
  for (const id of [...known, ...opened]) await use(balancer, id);
  const other = await start(sentinels.url);
  await storeStatus(other, 'connected');
  for (const id of [...known, ...opened]) await serves(other, id);
});

test('Redis Cluster is refused with a reason, and service goes on', async () => {
  const bus = { 'cluster-port': await reservedPort() }; // else one that others may have
  const redis = await startRedis({ options: { 'cluster-enabled': 'yes', ...bus } });
  const balancer = await start(redis.url);
  await logged(balancer, /store_refused .*reason="Redis Cluster is not supported: /);
  await assertServes(balancer);
  assert.deepEqual(await redis.keys(), []);
});
