// The file is read again while the balancer serves: what can change changes, and nothing is lost.

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { Traffic } from '../lib/traffic.mjs';
import { initialize, post } from './lib/bytes.mjs';
import { assertFromBackend, assertOwnReply } from './lib/claims.mjs';
import { assertServed, callOf, sendTo, stage, VERSION } from './lib/moves.mjs';
import { activate, departed, serving } from './lib/operator.mjs';
import { SILENCE } from './lib/plain_servers.mjs';
import { reservedPort } from './lib/ports.mjs';
import { RawClient } from './lib/raw_client.mjs';
import { fileOf, Reloadable } from './lib/reloadable.mjs';
import { streamGet } from './lib/sessions.mjs';
import { LIMIT, poll } from './lib/waiting.mjs';

const CLIENTS = process.env.MCPLB_SANITIZED === 'yes' ? 4 : 10;
const WAYS = ['SIGHUP', 'POST /api/reload'];
const scene = stage('a', 'b', 'c');
let traffic;

afterEach(async () => {
  await traffic?.close();
  traffic = undefined;
});

async function start(config) {
  const one = await Reloadable.start(config);
  scene.running.push(one);
  return one;
}

async function openedBy(balancer, count) {
  scene.clear();
  for (let n = 0; n < count; n += 1)
    assertFromBackend(await sendTo(balancer, post(initialize(n, VERSION))));
  return Object.fromEntries(
    scene.servers.map((server) => [server.name, server.all('initialize').length]),
  );
}

for (const way of WAYS) {
  describe(`after ${way}`, () => {
    test('a backend that the file has got serves', async () => {
      const [a, b, c] = scene.servers;
      const balancer = await start(fileOf([a, b]));
      assert.deepEqual(await openedBy(balancer, 4), { a: 2, b: 2, c: 0 });
      balancer.write(fileOf([a, b, c]));
      await balancer.reload(way);
      await serving(balancer, ['a', 'b', 'c']);
      assert.ok((await openedBy(balancer, 6)).c > 0);
    });

    test('a backend that the file has lost drains and leaves', async () => {
      const [a, b] = scene.servers;
      const balancer = await start(fileOf([a, b]));
      const { id, owner, others } = await scene.open(balancer);
      const [stays] = others.filter(({ name }) => name !== 'c');
      balancer.write(fileOf([stays]));
      await balancer.reload(way);
      assert.deepEqual((await openedBy(balancer, 3))[owner.name], 0);
      assertServed(await sendTo(balancer, callOf(id)), { by: stays, id });
      await departed(balancer, owner.name);
      await poll(() => owner.all('DELETE').length > 0, 'the DELETE');
      assertServed(await sendTo(balancer, callOf(id)), { by: stays, id, isMoved: false });
    });

    test('a request whose body was on its way is still judged', async () => {
      const [a, b] = scene.servers;
      const balancer = await start(fileOf([a]));
      await RawClient.with(balancer.url, async (client) => {
        const head = 'POST /mcp HTTP/1.1\r\nHost: mcp.example\r\nTransfer-Encoding: chunked\r\n\r\n';
        client.send(`${head}5\r\n{"jso\r\n`);
        await client.silent(100);
        balancer.write(fileOf([a, b]));
        await balancer.reload(way);
        // Another request makes the worker act on the new file.
        await openedBy(balancer, 2);
        client.send('no size\r\n');
        assertOwnReply(await client.reply(), { status: 400, reason: 'bad_request' });
      });
    });

    test('weights, timeouts and the level of the log are those of the file', async () => {
      const [a, b] = scene.servers;
      const balancer = await start(fileOf([a, b]));
      const heavy = { url: a.url, name: 'a', weight: 3 };
      const timeouts = { response_head: '200ms' };
      balancer.write(fileOf([heavy, b], { timeouts }, { log: { level: 'error' } }));
      // What says that it was taken is below the new level.
      if (way === 'SIGHUP') balancer.signal('SIGHUP');
      else await balancer.reload(way);
      const opened = await poll(async () => {
        const counts = await openedBy(balancer, 8);
        return counts.a === 6 && counts;
      }, 'the weight to count');
      assert.deepEqual(opened, { a: 6, b: 2, c: 0 });
      for (const server of [a, b])
        server.answer = ({ message }) => (message?.method === 'tools/call' ? SILENCE : undefined);
      const { id } = await scene.open(balancer);
      const silent = await sendTo(balancer, callOf(id));
      assertOwnReply(silent, { status: 504, reason: 'backend_timeout', code: -31013 });
      await activate(balancer, 'a');
      balancer.write('pools: [\n');
      await balancer.reload(way, false);
      await poll(() => /reload_refused/.test(balancer.logs()), 'a line of the new level');
      assert.doesNotMatch(balancer.logs(), /admin_command .*activate/);
    });

    test('a file with a mistake changes nothing, and its place is told', async () => {
      const [a, b] = scene.servers;
      const balancer = await start(fileOf([a]));
      for (const [text, place] of [
        [`pools:\n  - backends: [{url: "${a.url}"}]\n    balence: round_robin\n`, /mcplb\.yaml:3:5: .*balence.*balance/],
        ['pools: [\n', /mcplb\.yaml:\d+:\d+: /],
        [fileOf([b], { balance: 'at_random' }), /mcplb\.yaml:\d+:\d+: .*balance/],
      ]) {
        balancer.write(text);
        assert.match(await balancer.reload(way, false), place);
        assert.deepEqual(await openedBy(balancer, 2), { a: 2, b: 0, c: 0 });
      }
      balancer.write(fileOf([b]));
      await balancer.reload(way);
      await serving(balancer, ['b']);
    });

    test('a key that cannot change is named, and nothing else of that file holds', async () => {
      const [a, b] = scene.servers;
      const before = { listeners: [{ address: `127.0.0.1:${await reservedPort()}`, name: 'main' }] };
      const redis = async () => ({ redis: { url: `redis://127.0.0.1:${await reservedPort()}` } });
      const balancer = await start(fileOf([a], {}, before));
      for (const [key, change] of [
        ['listeners[0].address', { listeners: [{ address: '127.0.0.1:1', name: 'main' }] }],
        ['admin.address', { admin: { address: '127.0.0.1:1' } }],
        ['workers', { workers: 2 }],
        ['store.redis', { store: await redis() }],
      ]) {
        balancer.write(fileOf([b], {}, { ...before, ...change }));
        const said = await balancer.reload(way, false);
        assert.ok(said.includes(key), `${key} is not named: ${said}`);
        assert.deepEqual(await openedBy(balancer, 2), { a: 2, b: 0, c: 0 }, key);
      }
    });
  });
}

describe('a reload', () => {
  test('leaves connections, streams and calls that run alone', async () => {
    const [a, b] = scene.servers;
    const balancer = await start(fileOf([a]));
    const { id, owner } = await scene.open(balancer);
    let finish;
    owner.answer = (seen, connection) => {
      if (seen.message?.method !== 'tools/call') return undefined;
      owner.answer = undefined;
      const result = { jsonrpc: '2.0', id: seen.message.id, result: { by: owner.name } };
      const text = JSON.stringify(result);
      finish = () =>
        connection.send(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`); // prettier-ignore
      return SILENCE;
    };
    await RawClient.with(balancer.url, async (streaming) => {
      streaming.send(streamGet(id));
      const stream = await streaming.open({ method: 'GET' });
      await RawClient.with(balancer.url, async (calling) => {
        calling.send(callOf(id));
        await poll(() => finish !== undefined, 'the call');
        for (const servers of [[a, b], [a], [a, b]]) {
          balancer.write(fileOf(servers));
          await balancer.reload('POST /api/reload');
        }
        await finish();
        assertServed(await calling.reply(), { by: owner });
        assertServed(await calling.exchange(callOf(id)), { by: owner, id, isMoved: false });
      });
      await owner.notify(owner.onlySession, { jsonrpc: '2.0', method: 'notifications/message' });
      await stream.body.until('notifications/message');
    });
    assert.equal(owner.all('GET').length, 1);
  });

  test('under load costs no call and no session', async (t) => {
    const [a, b, c] = scene.servers;
    const balancer = await start(fileOf([a, b]));
    traffic = new Traffic([balancer]);
    await traffic.start(CLIENTS);
    const progress = async () => {
      const before = [...traffic.answered];
      const all = () => traffic.answered.every((count, client) => count > before[client]);
      await poll(() => traffic.failures.length > 0 || all(), 'answers', { limit: 4 * LIMIT });
    };
    for (const servers of [[a, b, c], [b, c], [c, a], [a, b, c]]) {
      await progress();
      balancer.write(fileOf(servers));
      await balancer.reload('SIGHUP');
      await serving(balancer, servers.map(({ name }) => name));
    }
    await progress();
    await traffic.stop();
    t.diagnostic(JSON.stringify({ clients: CLIENTS, ...traffic.report() }));
    assert.deepEqual(traffic.report().failures, []);
    assert.deepEqual(traffic.lostCalls, []);
    assert.equal(traffic.lost, 0);
    assert.equal(traffic.initializes, CLIENTS);
  });
});
