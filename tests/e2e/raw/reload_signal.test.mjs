// SIGHUP, seen by clients alone: the admin API has no part in it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { initialize, post } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { callOf, sendTo, stage, VERSION } from './lib/moves.mjs';
import { SILENCE } from './lib/plain_servers.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { fileOf, Reloadable } from './lib/reloadable.mjs';

const scene = stage('a', 'b');
const opening = (path) => post(initialize(0, VERSION), path ? { target: path } : {});

async function start(config) {
  const one = await Reloadable.start(config);
  scene.running.push(one);
  return one;
}

async function openers(balancer, count) {
  scene.clear();
  for (let n = 0; n < count; n += 1) assertFromBackend(await sendTo(balancer, opening()));
  return scene.servers.map((server) => server.all('initialize').length);
}

describe('SIGHUP', () => {
  test('adds a backend, changes a route and a timeout, and keeps the connection', async () => {
    const [a, b] = scene.servers;
    const balancer = await start(fileOf([a]));
    await RawClient.with(balancer.url, async (client) => {
      assertFromBackend(await client.exchange(opening()));
      const more = { routes: [{ path: '/new' }], timeouts: { response_head: '200ms' } };
      balancer.write(fileOf([a, b], more));
      const said = await balancer.reload('SIGHUP');
      assert.match(said, /reload_applied/);
      for (const key of ['routes', 'timeouts.response_head', 'backends'])
        assert.ok(said.includes(`pools[default].${key}`), `${key} is not named: ${said}`);
      assertOwnReply(await client.exchange(opening()), { status: 404, reason: 'no_route' });
      scene.clear();
      for (let n = 0; n < 4; n += 1) assertFromBackend(await client.exchange(opening('/new/mcp')));
      assert.deepEqual(scene.servers.map((server) => server.all('initialize').length), [2, 2]);
      for (const server of scene.servers)
        server.answer = ({ message }) => (message?.method === 'tools/call' ? SILENCE : undefined);
      const silent = post({ jsonrpc: '2.0', id: 1, method: 'tools/call' }, { target: '/new/mcp' });
      assertOwnReply(await client.exchange(silent), { status: 504, reason: 'backend_timeout' });
    });
  });

  test('a new pool serves, one that is gone has no route, and it may come back', async () => {
    const [a, b] = scene.servers;
    const named = (server, name) => ({
      ...fileOf([server]).pools[0],
      name,
      routes: [{ path: `/${name}` }],
    });
    const both = { ...fileOf([a]), pools: [named(a, 'one'), named(b, 'two')] };
    const first = { ...both, pools: both.pools.slice(0, 1) };
    const balancer = await start(first);
    const two = () => sendTo(balancer, opening('/two'));
    for (const round of [1, 2]) {
      assertOwnReply(await two(), { status: 404, reason: 'no_route' });
      balancer.write(both);
      await balancer.reload('SIGHUP');
      scene.clear();
      assertFromBackend(await two());
      assert.equal(b.all('initialize').length, 1, `round ${round}`);
      balancer.write(first);
      await balancer.reload('SIGHUP');
    }
    const sealed = named(b, 'two');
    sealed.sessions = { ...sealed.sessions, identity: 'none' };
    balancer.write({ ...both, pools: [both.pools[0], sealed] });
    assert.match(await balancer.reload('SIGHUP', false), /pools\[two\]\.sessions\.identity/);
  });

  test('a bad file, and a key that needs a restart, change nothing', async () => {
    const [a, b] = scene.servers;
    const balancer = await start(fileOf([a]));
    balancer.write('pools:\n  - name: default\n    balence: round_robin\n');
    assert.match(await balancer.reload('SIGHUP', false), /reload_refused.*mcplb\.yaml:3:5: .*balence/);
    const moved = { listeners: [{ address: '127.0.0.1:1', name: 'main' }] };
    balancer.write(fileOf([b], {}, moved));
    assert.match(await balancer.reload('SIGHUP', false), /reload_refused.*listeners\[0\]\.address/);
    balancer.write(fileOf([b], {}, { log: { access: '/nowhere/at/all' } }));
    assert.match(await balancer.reload('SIGHUP', false), /reload_refused.*\/nowhere\/at\/all/);
    assert.deepEqual(await openers(balancer, 2), [2, 0]);
  });

  test('under load fails no request', async () => {
    const [a, b] = scene.servers;
    const balancer = await start(fileOf([a, b]));
    let served = 0;
    let going = true;
    const client = async () => {
      const opened = await sendTo(balancer, opening());
      const id = opened.get('Mcp-Session-Id');
      await RawClient.with(balancer.url, async (one) => {
        while (going) {
          assertFromBackend(await one.exchange(callOf(id)));
          served += 1;
        }
      });
    };
    const clients = Promise.all(Array.from({ length: 4 }, client));
    for (let n = 0; n < 10; n += 1) {
      const before = served;
      balancer.write(fileOf([a, b], { retries: n % 3, balance: n % 2 ? 'least_connections' : 'round_robin' }));
      await balancer.reload('SIGHUP');
      while (served < before + 20) await Promise.race([clients, new Promise(setImmediate)]);
    }
    going = false;
    await clients;
  });
});
